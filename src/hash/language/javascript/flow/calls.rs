//! Calls and their arguments.

use super::super::super::flow::{Edge, Place};
use super::super::mentions::literal;
use super::expressions::is_this;
use super::roots::{is_local, required};
use super::values::{Callee, Slot, Value};
use super::{Builder, PARAMETERS, known};
use oxc_ast::ast::{Argument, Expression};

/// Arguments of a call.
pub(super) struct Given<'e, 'a> {
    pub(super) values: Vec<Value>,
    pub(super) expressions: &'e [Argument<'a>],
}

impl Given<'_, '_> {
    pub(super) fn expression(&self, number: usize) -> Option<&Expression<'_>> {
        self.expressions.get(number).and_then(Argument::as_expression)
    }
}

impl Builder<'_> {
    pub(super) fn call(&mut self, callee: &Expression<'_>, arguments: &[Argument<'_>], new: bool) -> Value {
        let result = self.called(callee, arguments, new);
        if !new {
            return result;
        }
        // The new object has methods and is not a function.
        let place = self.fresh();
        self.edge(result.place, Edge::Same, place.clone());
        if !matches!(callee.get_inner_expression(), Expression::Identifier(name) if self.symbol(name).is_none())
        {
            self.edge(self.this.clone(), Edge::Same, place.clone());
        }
        Value { place, callee: Callee::Nothing }
    }

    fn called(&mut self, callee: &Expression<'_>, arguments: &[Argument<'_>], new: bool) -> Value {
        let callee = callee.get_inner_expression();
        match callee {
            Expression::Identifier(name) if self.symbol(name).is_none() => {
                if name.name == "require" && !new {
                    return self.require(arguments);
                }
                if name.name == "eval" || name.name == "Function" {
                    self.exact = true;
                }
                let given = self.given(arguments);
                self.global("globalThis", &name.name, &given)
            }
            Expression::Identifier(_) => {
                let module = self.module(callee);
                let value = self.value(callee);
                let given = self.given(arguments);
                match module {
                    Some((module, name)) => self.of_module(&module, &name, &given),
                    None => self.by(&value, &given, new),
                }
            }
            Expression::StaticMemberExpression(member) => {
                self.method(&member.object, &member.property.name, arguments)
            }
            Expression::PrivateFieldExpression(field) => {
                self.value(&field.object);
                let slot = Slot::Property(format!("#{}", field.field.name));
                let given = self.given(arguments);
                self.by(&Value { place: slot.value(), callee: Callee::Slot(slot) }, &given, new)
            }
            Expression::ComputedMemberExpression(member) if literal(&member.expression).is_some() => {
                let name = literal(&member.expression).unwrap_or_default();
                self.method(&member.object, &name, arguments)
            }
            Expression::Super(_) => {
                let given = self.given(arguments);
                let above = self.frames.last().and_then(|frame| frame.above.clone());
                match above {
                    Some(slot) => {
                        self.by(&Value { place: slot.value(), callee: Callee::Slot(slot) }, &given, new)
                    }
                    None => self.anything(&given),
                }
            }
            other => {
                let module = self.module(other);
                let value = self.value(other);
                let given = self.given(arguments);
                match module {
                    Some((module, name)) => self.of_module(&module, &name, &given),
                    None => self.by(&value, &given, new),
                }
            }
        }
    }

    /// The module that an expression comes from, and the part of it.
    fn module(&self, expression: &Expression<'_>) -> Option<(String, String)> {
        if let Some((specifier, part)) = required(expression) {
            return (!is_local(&specifier)).then_some((specifier, part));
        }
        let found = self.roots.module(expression, self.scoping);
        found.map(|(module, part)| (module.to_owned(), part))
    }

    fn require(&mut self, arguments: &[Argument<'_>]) -> Value {
        for argument in arguments.iter().filter_map(Argument::as_expression) {
            self.text(argument);
        }
        self.default_of_module()
    }

    pub(super) fn given<'e, 'a>(&mut self, arguments: &'e [Argument<'a>]) -> Given<'e, 'a> {
        let mut values = Vec::new();
        for argument in arguments {
            match argument {
                Argument::SpreadElement(spread) => {
                    let list = self.value(&spread.argument);
                    let one = Value::unknown(self.from(&list.place, Edge::OutOf));
                    let rest = usize::from(PARAMETERS).saturating_sub(values.len()).max(1);
                    values.extend(std::iter::repeat_n(one, rest));
                }
                argument => {
                    let Some(expression) = argument.as_expression() else { continue };
                    let value = self.value(expression);
                    self.called_anywhere(&value.callee);
                    values.push(value);
                }
            }
        }
        Given { values, expressions: arguments }
    }

    /// A call of a known value.
    pub(super) fn by(&mut self, value: &Value, given: &Given<'_, '_>, new: bool) -> Value {
        match &value.callee {
            Callee::Function(function) => {
                for (number, argument) in given.values.iter().enumerate() {
                    self.edge(argument.place.clone(), Edge::Same, function.parameter(number));
                }
                let place = if new { Place::Local(0) } else { function.returned() };
                Value::unknown(place)
            }
            Callee::Slot(slot) => {
                self.note_use(slot);
                for (number, argument) in given.values.iter().enumerate() {
                    self.edge(argument.place.clone(), Edge::Same, slot.parameter(number));
                    if let Slot::Property(name) = slot {
                        self.edge_unless_defined(name, (argument.place.clone(), Edge::Same, Place::Text));
                    }
                }
                let place = self.fresh();
                self.edge(slot.returned(), Edge::Same, place.clone());
                if let Slot::Property(name) = slot {
                    self.edge_unless_defined(name, (Place::AnyReturned, Edge::Same, place.clone()));
                }
                Value::unknown(if new { Place::Local(0) } else { place })
            }
            Callee::Nothing | Callee::Unknown => self.anything(given),
        }
    }

    /// A call of an unknown value.
    pub(super) fn anything(&mut self, given: &Given<'_, '_>) -> Value {
        for value in &given.values {
            self.escapes(value);
        }
        Value::unknown(Place::AnyReturned)
    }

    fn method(&mut self, object: &Expression<'_>, name: &str, arguments: &[Argument<'_>]) -> Value {
        let inner = object.get_inner_expression();
        if let Expression::Identifier(global) = inner
            && self.symbol(global).is_none()
            && known::is_namespace(&global.name)
        {
            let given = self.given(arguments);
            return self.global(&global.name, name, &given);
        }
        if ["call", "apply", "bind"].contains(&name) {
            return self.applied(inner, name, arguments);
        }
        let module = self.module(inner);
        let of = self.value(inner);
        let given = self.given(arguments);
        if let Some((module, _)) = module {
            return self.of_module(&module, name, &given);
        }
        if known::is_speaker(name) {
            self.exact |= is_this(inner);
            self.escapes(&of);
        }
        let slot = Slot::Property(name.to_owned());
        let built_in = known::is_caller(name)
            || known::is_hander(name)
            || known::is_speaker(name)
            || ["replace", "replaceAll"].contains(&name);
        if !built_in {
            self.edge_unless_defined(name, (of.place, Edge::Same, Place::Text));
            return self.by(&Value { place: slot.value(), callee: Callee::Slot(slot) }, &given, false);
        }
        for (number, value) in given.values.iter().enumerate() {
            self.edge(value.place.clone(), Edge::Same, slot.parameter(number));
        }
        let result = self.fresh();
        self.edge(slot.returned(), Edge::Same, result.clone());
        if known::is_caller(name) {
            self.calls_back(&of, &given, &result);
        } else if name.starts_with("replace") {
            self.replaces(&given);
        } else if known::is_putter(name)
            || (["set", "add"].contains(&name) && self.roots.is_collection(inner))
        {
            for value in &given.values {
                self.edge(value.place.clone(), Edge::Stored(true), of.place.clone());
            }
        } else {
            // Keys of maps, and anything else with a method of that name.
            for value in &given.values {
                self.escapes(value);
            }
        }
        self.edge(of.place.clone(), Edge::Same, result.clone());
        self.edge(of.place, Edge::OutOfList, result.clone());
        Value::unknown(result)
    }

    /// `list.map(f)`, `promise.then(f)`: `f` receives the elements of the list, or the result of the promise.
    pub(super) fn calls_back(&mut self, of: &Value, given: &Given<'_, '_>, result: &Place) {
        for (number, value) in given.values.iter().enumerate() {
            let parameter = |parameter: usize| match &value.callee {
                Callee::Function(function) => Some(function.parameter(parameter)),
                Callee::Slot(slot) => Some(slot.parameter(parameter)),
                Callee::Nothing | Callee::Unknown => None,
            };
            if let Callee::Slot(slot) = &value.callee {
                self.note_use(slot);
                if let Slot::Property(name) = slot {
                    self.edge_unless_defined(name, (of.place.clone(), Edge::OutOfList, Place::Text));
                }
            }
            let deaf = given.expression(number).is_some_and(
                |expression| matches!(expression, Expression::Identifier(name) if known::is_deaf(&name.name)),
            );
            if matches!(value.callee, Callee::Unknown) && !deaf {
                self.edge(of.place.clone(), Edge::OutOfList, Place::Text);
                self.edge(of.place.clone(), Edge::Same, Place::Text);
            }
            let returned = match &value.callee {
                Callee::Function(function) => function.returned(),
                Callee::Slot(slot) => slot.returned(),
                Callee::Nothing | Callee::Unknown => continue,
            };
            self.edge(returned.clone(), Edge::Same, result.clone());
            self.edge(returned.clone(), Edge::Stored(true), result.clone());
            for place in 0..usize::from(PARAMETERS) {
                let Some(to) = parameter(place) else { break };
                self.edge(of.place.clone(), Edge::Same, to.clone());
                self.edge(of.place.clone(), Edge::OutOfList, to.clone());
                for other in given.values.iter().filter(|other| other.place != value.place) {
                    self.edge(other.place.clone(), Edge::Same, to.clone());
                }
                // `reduce` passes its previous result on.
                self.edge(returned.clone(), Edge::Same, to);
            }
        }
    }

    /// `text.replace(pattern, f)`: the result of `f` becomes text.
    fn replaces(&mut self, given: &Given<'_, '_>) {
        if let Some(pattern) = given.values.first() {
            self.escapes(pattern);
        }
        match given.values.get(1).map(|value| &value.callee) {
            Some(Callee::Function(function)) => self.edge(function.returned(), Edge::Same, Place::Text),
            Some(Callee::Slot(slot)) => {
                self.note_use(slot);
                self.edge(slot.returned(), Edge::Same, Place::Text);
            }
            _ => {}
        }
    }
}
