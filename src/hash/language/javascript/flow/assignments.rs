//! Values assigned to variables, properties and patterns.

use super::super::super::flow::{Edge, Place};
use super::super::mentions::{is_named, literal};
use super::{Builder, Callee, PARAMETERS, Slot, Value};
use oxc_ast::ast::{
    AssignmentExpression, AssignmentOperator, AssignmentTarget, AssignmentTargetMaybeDefault,
    AssignmentTargetProperty, BindingPattern, Expression, PropertyKey,
};

impl Builder<'_> {
    /// Assigns the value to the slot, and connects the function that the value calls.
    pub(super) fn bind(&mut self, slot: &Slot, value: Value) {
        self.edge(value.place.clone(), Edge::Same, slot.value());
        match value.callee {
            Callee::Nothing => {}
            Callee::Function(function) => {
                for number in 0..usize::from(PARAMETERS) {
                    self.edge(slot.parameter(number), Edge::Same, function.parameter(number));
                }
                self.edge(function.returned(), Edge::Same, slot.returned());
                self.define(slot);
            }
            Callee::Slot(other) => {
                for number in 0..usize::from(PARAMETERS) {
                    self.edge(slot.parameter(number), Edge::Same, other.parameter(number));
                }
                self.edge(other.returned(), Edge::Same, slot.returned());
                self.note_use(&other);
                if let Slot::Property(name) = &other {
                    self.parameters_unless_defined(name, &other);
                }
                self.define(slot);
            }
            Callee::Unknown => match slot {
                Slot::Variable(symbol) => {
                    self.open.insert(*symbol);
                }
                Slot::Property(_) => self.escapes_by(slot),
            },
        }
    }

    /// Arguments of a property with that name escape, if it is not a function of the program.
    fn parameters_unless_defined(&mut self, name: &str, slot: &Slot) {
        for number in 0..usize::from(PARAMETERS) {
            self.edge_unless_defined(name, (slot.parameter(number), Edge::Same, Place::Text));
        }
        self.edge_unless_defined(name, (Place::AnyReturned, Edge::Same, slot.returned()));
    }

    fn define(&mut self, slot: &Slot) {
        match slot {
            Slot::Variable(symbol) => {
                self.known.insert(*symbol);
            }
            Slot::Property(name) => {
                self.flows.defined.insert(name.clone());
            }
        }
    }

    /// Destructures a value by a pattern.
    pub(super) fn pattern(&mut self, pattern: &BindingPattern<'_>, value: Value) {
        match pattern {
            BindingPattern::BindingIdentifier(name) => {
                if let Some(symbol) = name.symbol_id.get() {
                    self.bind(&Slot::Variable(symbol), value);
                }
            }
            BindingPattern::ObjectPattern(object) => {
                for property in &object.properties {
                    let part = self.part(&property.key, property.computed, &value);
                    self.pattern(&property.value, part);
                }
                if let Some(rest) = &object.rest {
                    self.pattern(&rest.argument, Value { place: value.place, callee: Callee::Nothing });
                }
            }
            BindingPattern::ArrayPattern(array) => {
                for element in array.elements.iter().flatten() {
                    let part = Value::unknown(self.from(&value.place, Edge::OutOf));
                    self.pattern(element, part);
                }
                if let Some(rest) = &array.rest {
                    self.pattern(&rest.argument, Value { place: value.place, callee: Callee::Nothing });
                }
            }
            BindingPattern::AssignmentPattern(assignment) => {
                let otherwise = self.value(&assignment.right);
                self.pattern(&assignment.left, otherwise);
                self.pattern(&assignment.left, value);
            }
        }
    }

    /// The value under a key.
    fn part(&mut self, key: &PropertyKey<'_>, computed: bool, value: &Value) -> Value {
        let name = key
            .static_name()
            .filter(|_| !computed || key.as_expression().is_some_and(|key| literal(key).is_some()));
        let Some(name) = name else {
            if let Some(key) = key.as_expression() {
                self.text(key);
            }
            return Value::unknown(self.from(&value.place, Edge::OutOf));
        };
        let place = self.fresh();
        self.edge(Place::Property(name.to_string()), Edge::Same, place.clone());
        self.edge(value.place.clone(), Edge::NamedOutOf, place.clone());
        Value { place, callee: Callee::Slot(Slot::Property(name.to_string())) }
    }

    pub(super) fn assignment(&mut self, assignment: &AssignmentExpression<'_>) -> Value {
        let value = self.value(&assignment.right);
        match assignment.operator {
            AssignmentOperator::Assign
            | AssignmentOperator::LogicalAnd
            | AssignmentOperator::LogicalOr
            | AssignmentOperator::LogicalNullish => {
                self.target(&assignment.left, value.clone());
                value
            }
            operator => {
                if operator == AssignmentOperator::Addition {
                    self.escapes(&value);
                }
                self.read_target(&assignment.left, operator == AssignmentOperator::Addition);
                Value::DATA
            }
        }
    }

    /// `a.b += …` reads its target.
    fn read_target(&mut self, target: &AssignmentTarget<'_>, speaks: bool) {
        let value = match target {
            AssignmentTarget::AssignmentTargetIdentifier(name) => self.identifier(name),
            AssignmentTarget::StaticMemberExpression(member) => {
                self.named(&member.object, &member.property.name)
            }
            AssignmentTarget::PrivateFieldExpression(field) => {
                self.named(&field.object, &format!("#{}", field.field.name))
            }
            AssignmentTarget::ComputedMemberExpression(member) => {
                self.computed(&member.object, &member.expression)
            }
            _ => {
                self.exact = true;
                return;
            }
        };
        if speaks {
            self.escapes(&value);
        }
    }

    pub(super) fn target(&mut self, target: &AssignmentTarget<'_>, value: Value) {
        match target {
            AssignmentTarget::AssignmentTargetIdentifier(name) => {
                let slot = match self.symbol(name) {
                    Some(symbol) => Slot::Variable(symbol),
                    None => Slot::Property(name.name.to_string()),
                };
                self.bind(&slot, value);
            }
            AssignmentTarget::StaticMemberExpression(member) => {
                self.store(&member.object, &member.property.name, value);
            }
            AssignmentTarget::PrivateFieldExpression(field) => {
                self.value(&field.object);
                self.bind(&Slot::Property(format!("#{}", field.field.name)), value);
            }
            AssignmentTarget::ComputedMemberExpression(member) => match literal(&member.expression) {
                Some(name) => self.store(&member.object, &name, value),
                None => self.store_computed(&member.object, &member.expression, &value),
            },
            AssignmentTarget::ArrayAssignmentTarget(array) => {
                for element in array.elements.iter().flatten() {
                    let part = Value::unknown(self.from(&value.place, Edge::OutOf));
                    self.target_or_default(element, part);
                }
                if let Some(rest) = &array.rest {
                    self.target(&rest.target, Value { place: value.place, callee: Callee::Nothing });
                }
            }
            AssignmentTarget::ObjectAssignmentTarget(object) => {
                for property in &object.properties {
                    match property {
                        AssignmentTargetProperty::AssignmentTargetPropertyIdentifier(property) => {
                            let name = property.binding.name.to_string();
                            let place = self.from(&value.place, Edge::NamedOutOf);
                            let place = if place == Place::Local(0) { self.fresh() } else { place };
                            self.edge(Place::Property(name.clone()), Edge::Same, place.clone());
                            let slot = match self.symbol(&property.binding) {
                                Some(symbol) => Slot::Variable(symbol),
                                None => Slot::Property(name.clone()),
                            };
                            self.bind(&slot, Value { place, callee: Callee::Slot(Slot::Property(name)) });
                            if let Some(init) = &property.init {
                                let otherwise = self.value(init);
                                self.bind(&slot, otherwise);
                            }
                        }
                        AssignmentTargetProperty::AssignmentTargetPropertyProperty(property) => {
                            let part = self.part(&property.name, property.computed, &value);
                            self.target_or_default(&property.binding, part);
                        }
                    }
                }
                if let Some(rest) = &object.rest {
                    self.target(&rest.target, Value { place: value.place, callee: Callee::Nothing });
                }
            }
            // An assignment target with a type cast.
            _ => self.exact = true,
        }
    }

    fn target_or_default(&mut self, target: &AssignmentTargetMaybeDefault<'_>, value: Value) {
        if let AssignmentTargetMaybeDefault::AssignmentTargetWithDefault(with) = target {
            let otherwise = self.value(&with.init);
            self.target(&with.binding, otherwise);
            self.target(&with.binding, value);
        } else if let Some(target) = target.as_assignment_target() {
            self.target(target, value);
        }
    }

    /// `object.name = …`
    fn store(&mut self, object: &Expression<'_>, name: &str, value: Value) {
        let of_module = name == "exports" && is_named(object, "module");
        let inner = self.value(object);
        if inner.place != self.this {
            self.edge(value.place.clone(), Edge::Stored(false), inner.place);
        }
        let name = if of_module { "default" } else { name };
        self.bind(&Slot::Property(name.to_owned()), value);
    }

    /// `object[key] = …`
    fn store_computed(&mut self, object: &Expression<'_>, key: &Expression<'_>, value: &Value) {
        self.text(key);
        let inner = self.value(object);
        self.called_anywhere(&value.callee);
        if inner.is_data() || inner.place == self.this {
            // Readers that access it by name are unknown.
            self.escapes(value);
        } else {
            self.edge(value.place.clone(), Edge::Stored(true), inner.place);
        }
    }
}
