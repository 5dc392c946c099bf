//! Names, members, objects and operators.

use super::super::super::flow::{Edge, Place};
use super::super::mentions::{is_named, literal};
use super::values::{Callee, Slot, Value};
use super::{Builder, PARAMETERS, known};
use oxc_ast::ast::{
    BinaryExpression, BinaryOperator, Expression, IdentifierReference, ObjectExpression, ObjectPropertyKind,
    PropertyKind, StaticMemberExpression, TemplateLiteral,
};

impl Builder<'_> {
    pub(super) fn template(&mut self, template: &TemplateLiteral<'_>) -> Value {
        for expression in &template.expressions {
            self.text(expression);
        }
        Value::DATA
    }

    pub(super) fn identifier(&mut self, name: &IdentifierReference<'_>) -> Value {
        if let Some(symbol) = self.symbol(name) {
            let slot = Slot::Variable(symbol);
            return Value { place: slot.value(), callee: Callee::Slot(slot) };
        }
        match name.name.as_str() {
            "undefined" | "NaN" | "Infinity" => Value::DATA,
            "arguments" => {
                let list = self.fresh();
                let outer = self.frames.iter().rev().find(|frame| !frame.is_arrow);
                if let Some(function) = outer.map(|frame| frame.function) {
                    for number in 0..usize::from(PARAMETERS) {
                        self.edge(function.parameter(number), Edge::Into, list.clone());
                    }
                }
                Value { place: list, callee: Callee::Nothing }
            }
            "module" | "exports" | "globalThis" | "global" | "window" | "self" => {
                Value::unknown(self.this.clone())
            }
            // They create functions from text.
            "Function" | "eval" => {
                self.exact = true;
                Value::DATA
            }
            other => Value::unknown(Place::Property(other.to_owned())),
        }
    }

    pub(super) fn object(&mut self, object: &ObjectExpression<'_>) -> Value {
        let place = self.fresh();
        for property in &object.properties {
            let property = match property {
                ObjectPropertyKind::ObjectProperty(property) => property,
                ObjectPropertyKind::SpreadProperty(spread) => {
                    let value = self.value(&spread.argument);
                    self.edge(value.place, Edge::Same, place.clone());
                    continue;
                }
            };
            let name =
                property.key.static_name().filter(|_| !property.computed || is_text_key(&property.key));
            if name.is_none()
                && let Some(key) = property.key.as_expression()
            {
                self.text(key);
            }
            let value = self.value(&property.value);
            match (property.kind, &value.callee, name) {
                (PropertyKind::Get, Callee::Function(function), name) => {
                    let given = Value::unknown(function.returned());
                    self.put(name.as_deref(), given, &place);
                }
                (PropertyKind::Set, Callee::Function(function), Some(name)) => {
                    self.edge(Place::Property(name.to_string()), Edge::Same, function.parameter(0));
                }
                (_, _, name) => self.put(name.as_deref(), value, &place),
            }
        }
        Value { place, callee: Callee::Nothing }
    }

    /// Stores a value in an object under a name; `None` stands for a computed name.
    pub(super) fn put(&mut self, name: Option<&str>, value: Value, object: &Place) {
        let computed = name.is_none();
        self.edge(value.place.clone(), Edge::Stored(computed), object.clone());
        match name {
            Some(name) => self.bind(&Slot::Property(name.to_owned()), value),
            None => self.called_anywhere(&value.callee),
        }
    }

    pub(super) fn binary(&mut self, binary: &BinaryExpression<'_>) -> Value {
        let is_type = |side: &Expression<'_>| is_named(side, "Function");
        let identity = matches!(
            binary.operator,
            BinaryOperator::StrictEquality | BinaryOperator::StrictInequality | BinaryOperator::Instanceof
        );
        let with_null = |side: &Expression<'_>| {
            matches!(side.get_inner_expression(), Expression::NullLiteral(_)) || is_named(side, "undefined")
        };
        let speaks = match binary.operator {
            BinaryOperator::Equality | BinaryOperator::Inequality => {
                !with_null(&binary.left) && !with_null(&binary.right)
            }
            BinaryOperator::Addition
            | BinaryOperator::LessThan
            | BinaryOperator::LessEqualThan
            | BinaryOperator::GreaterThan
            | BinaryOperator::GreaterEqualThan => true,
            _ => false,
        };
        for (side, is_left) in [(&binary.left, true), (&binary.right, false)] {
            if identity && is_type(side) {
                continue;
            }
            let value = self.value(side);
            if speaks || is_left && binary.operator == BinaryOperator::In {
                self.exact |= is_this(side);
                self.escapes(&value);
            }
        }
        Value::DATA
    }

    pub(super) fn member(&mut self, member: &StaticMemberExpression<'_>) -> Value {
        self.named(&member.object, &member.property.name)
    }

    /// `object.name` that is not called.
    pub(super) fn named(&mut self, object: &Expression<'_>, name: &str) -> Value {
        let speaker = known::is_speaker(name);
        // `Object.prototype.toString` returns only the kind of a value.
        if speaker && !is_of_object(object) && name != "valueOf" && name != "join" {
            self.exact = true;
        }
        let inner = self.value(object);
        let slot = Slot::Property(name.to_owned());
        let callee = Callee::Slot(slot);
        let place = match name {
            "length" | "size" => return Value { place: Place::Property(name.to_owned()), callee },
            "prototype" => return Value::unknown(self.this.clone()),
            "constructor" => {
                let place = self.fresh();
                self.flows.functions.push(place.clone());
                place
            }
            "exports" if is_named(object, "module") => {
                let callee = Callee::Slot(Slot::Property("default".to_owned()));
                return Value { place: self.default_of_module().place, callee };
            }
            _ if inner.is_data() || inner.place == self.this => Place::Property(name.to_owned()),
            _ => self.from(&inner.place, Edge::NamedOutOf),
        };
        let property = Place::Property(name.to_owned());
        if place != property {
            self.edge(property, Edge::Same, place.clone());
        }
        Value { place, callee }
    }

    /// `object[key]` that is not called.
    pub(super) fn computed(&mut self, object: &Expression<'_>, key: &Expression<'_>) -> Value {
        if let Some(name) = literal(key) {
            return self.named(object, &name);
        }
        self.text(key);
        let inner = self.value(object);
        Value::unknown(self.from(&inner.place, Edge::OutOf))
    }
}

/// `["name"]: …`, where the text of the key is the name.
fn is_text_key(key: &oxc_ast::ast::PropertyKey<'_>) -> bool {
    key.as_expression().is_some_and(|key| literal(key).is_some())
}

/// `Object.prototype`, `{}`.
pub(super) fn is_of_object(object: &Expression<'_>) -> bool {
    match object.get_inner_expression() {
        Expression::ObjectExpression(object) => object.properties.is_empty(),
        Expression::StaticMemberExpression(member) => {
            member.property.name == "prototype" && is_named(&member.object, "Object")
        }
        _ => false,
    }
}

/// `this`, which in a method of a class or function may be that class or function.
pub(super) fn is_this(expression: &Expression<'_>) -> bool {
    matches!(expression.get_inner_expression(), Expression::ThisExpression(_))
}
