//! Calls of functions of the engine, its modules and packages.

use super::super::super::flow::{Edge, Place};
use super::super::mentions::{is_named, literal};
use super::Builder;
use super::calls::Given;
use super::expressions::{is_of_object, is_this};
use super::known::{self, Does};
use super::values::{Callee, Slot, Value};
use oxc_ast::ast::{Argument, Expression};

impl Builder<'_> {
    /// `f.call(…)`, `f.apply(…)`, `f.bind(…)`
    pub(super) fn applied(
        &mut self,
        function: &Expression<'_>,
        how: &str,
        arguments: &[Argument<'_>],
    ) -> Value {
        // Methods of `Object.prototype` and of lists reveal nothing about a function's text.
        let (harmless, speaks) = match function {
            Expression::StaticMemberExpression(member) => {
                let of_list = matches!(member.object.get_inner_expression(), Expression::ArrayExpression(_))
                    || matches!(member.object.get_inner_expression(), Expression::StaticMemberExpression(prototype)
                        if prototype.property.name == "prototype" && is_named(&prototype.object, "Array"));
                let speaks = known::is_speaker(&member.property.name);
                (is_of_object(&member.object) || of_list && !speaks, speaks)
            }
            _ => (false, false),
        };
        let value = match function {
            // Called, not read as a value.
            Expression::StaticMemberExpression(member) if harmless || speaks => {
                let slot = Slot::Property(member.property.name.to_string());
                self.value(&member.object);
                Value { place: Place::Local(0), callee: Callee::Slot(slot) }
            }
            function => self.value(function),
        };
        let given = self.given(arguments);
        for (number, argument) in given.values.iter().enumerate() {
            if number > 0 || !harmless {
                self.escapes(argument);
            }
        }
        if how == "bind" {
            self.called_anywhere(&value.callee);
            return Value::unknown(Place::Local(0));
        }
        let result = self.fresh();
        match &value.callee {
            Callee::Function(function) => self.edge(function.returned(), Edge::Same, result.clone()),
            Callee::Slot(slot) => {
                self.note_use(slot);
                self.edge(slot.returned(), Edge::Same, result.clone());
            }
            Callee::Nothing | Callee::Unknown => {}
        }
        if let Some(first) = given.values.first() {
            self.edge(first.place.clone(), Edge::Same, result.clone());
        }
        self.edge(Place::AnyReturned, Edge::Same, result.clone());
        Value::unknown(result)
    }

    /// A function of the engine, through its global object.
    pub(super) fn global(&mut self, object: &str, name: &str, given: &Given<'_, '_>) -> Value {
        let is_global = object == "globalThis" || object == "global" || object == "window";
        if is_global && known::is_deaf(name) {
            return Value::DATA;
        }
        if is_global && known::is_holder(name) {
            let place = self.fresh();
            for value in &given.values {
                self.edge(value.place.clone(), Edge::Same, place.clone());
                self.edge(value.place.clone(), Edge::Stored(true), place.clone());
            }
            return Value::unknown(place);
        }
        if is_global && name == "Promise" {
            // The promise resolves through an unknown function.
            return Value::DATA;
        }
        if object == "JSON" && name == "stringify" {
            return self.stringified(given);
        }
        match known::of_global(object, name) {
            Does::Nothing => Value::DATA,
            Does::HandsOn => self.handed_back(given),
            Does::Calls => {
                // `Array.from(list, f)`; timers pass on the arguments after the function.
                let list = if object == "Array" { given.values.first() } else { None };
                let list = list.cloned().unwrap_or(Value::DATA);
                let result = self.fresh();
                self.edge(list.place.clone(), Edge::Same, result.clone());
                self.edge(list.place.clone(), Edge::OutOf, result.clone());
                let skipped = usize::from(object == "Array");
                let values = given.values.iter().skip(skipped).cloned().collect();
                let expressions = given.expressions.get(skipped..).unwrap_or_default();
                self.calls_back(&list, &Given { values, expressions }, &result);
                Value::unknown(if object == "Array" { result } else { Place::Local(0) })
            }
            Does::Prints => {
                self.printed(given);
                Value::DATA
            }
            Does::Anything => {
                // `String(this)`; `globalThis.eval(text)`
                let makes = is_global && (name == "eval" || name == "Function");
                let arguments = given.expressions.iter().filter_map(Argument::as_expression);
                self.exact |= makes || arguments.into_iter().any(is_this);
                let slot = Slot::Property(name.to_owned());
                if is_global {
                    return self.by(&Value { place: slot.value(), callee: Callee::Slot(slot) }, given, false);
                }
                self.anything(given)
            }
        }
    }

    /// `Object.values(o)`, `Promise.all(list)`
    pub(super) fn handed_back(&mut self, given: &Given<'_, '_>) -> Value {
        let place = self.fresh();
        for value in &given.values {
            self.edge(value.place.clone(), Edge::Same, place.clone());
            self.edge(value.place.clone(), Edge::OutOf, place.clone());
            self.edge(value.place.clone(), Edge::Stored(true), place.clone());
        }
        // `Object.assign(to, from)`
        if let [first, rest @ ..] = given.values.as_slice() {
            for value in rest {
                if first.place == self.this {
                    // Readers that access it by name are unknown.
                    self.escapes(value);
                } else {
                    self.edge(value.place.clone(), Edge::Stored(true), first.place.clone());
                }
            }
        }
        Value::unknown(place)
    }

    /// `console.log("…%s", f)` prints the text of `f`, `console.log(f)` its name.
    pub(super) fn printed(&mut self, given: &Given<'_, '_>) {
        let plain = given.expression(0).and_then(literal).is_some_and(|text| !text.contains('%'));
        if !plain {
            for value in given.values.iter().skip(1) {
                self.escapes(value);
            }
        }
    }

    /// `JSON.stringify(…)` omits functions, but passes them to the replacer.
    pub(super) fn stringified(&mut self, given: &Given<'_, '_>) -> Value {
        if let [first, replacer, ..] = given.values.as_slice()
            && !matches!(replacer.callee, Callee::Nothing)
        {
            let list = Value::unknown(self.fresh());
            self.edge(first.place.clone(), Edge::Same, list.place.clone());
            self.edge(first.place.clone(), Edge::OutOf, list.place.clone());
            let result = self.fresh();
            let replacers = Given { values: vec![replacer.clone()], expressions: &[] };
            self.calls_back(&list, &replacers, &result);
        }
        Value::DATA
    }

    /// A function of an engine module or a package.
    pub(super) fn of_module(&mut self, module: &str, name: &str, given: &Given<'_, '_>) -> Value {
        let is_assert = ["assert", "assert/strict"].contains(&module.strip_prefix("node:").unwrap_or(module));
        if is_assert && ["", "ok"].contains(&name) && given.values.len() < 2 {
            // Its message contains the text of the call.
            self.exact = true;
        }
        let knows = known::of_module(module, name);
        let calls = knows.unwrap_or_else(|| known::is_caller(name));
        let is_package = knows.is_none() || !known::is_of_engine(module);
        for value in &given.values {
            match (&value.callee, calls) {
                (_, false) => self.escapes(value),
                (Callee::Function(_) | Callee::Slot(_), true) => {}
                (_, true) if knows.is_none() => self.escapes(value),
                (_, true) => {}
            }
        }
        // A package may return its arguments, or results of functions that it called.
        Value::unknown(if is_package { Place::AnyReturned } else { Place::Local(0) })
    }
}
