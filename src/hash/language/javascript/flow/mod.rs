//! Builds the function flow of a JavaScript source.
//!
//! Every expression has a value: the place where it is, and the function that is called when it is called. The builder notes
//! what an expression does with its values. What no rule covers ends in [`Place::Text`].

mod assignments;
mod calls;
mod engine;
mod expressions;
mod functions;
mod known;
mod modules;
mod roots;
mod values;

use super::super::flow::{Edge, Flows, Place};
use oxc_ast::ast::{
    ArrayExpressionElement, ChainElement, Expression, IdentifierReference, LogicalOperator, Program,
    SimpleAssignmentTarget,
};
use oxc_semantic::{Scoping, SemanticBuilder, SymbolId};
use roots::Roots;
use std::collections::BTreeSet;
use values::{Callee, Function, PLACES, Slot, Value};

/// Number of parameters of a function that are distinguished.
const PARAMETERS: u8 = 6;

/// The function flow of a program; `None` where code that cannot be read may use any function.
pub(super) fn of(program: &Program<'_>) -> Option<Flows> {
    let scoping = SemanticBuilder::new().with_build_nodes(false).build(program).semantic.into_scoping();
    let symbols = u32::try_from(scoping.symbols_len()).ok()?;
    let roots = Roots::of(program, &scoping);
    let this = 1 + symbols * PLACES;
    let mut builder = Builder {
        scoping: &scoping,
        roots,
        flows: Flows { instances: vec![Place::Local(this)], ..Flows::default() },
        this: Place::Local(this),
        next: this + 1,
        open: BTreeSet::new(),
        known: BTreeSet::new(),
        used: BTreeSet::new(),
        frames: Vec::new(),
        exact: false,
    };
    builder.program(program);
    builder.finish()
}

/// The function that encloses the code being read.
struct Frame {
    function: Function,
    is_arrow: bool,
    /// The function that `super` calls.
    above: Option<Slot>,
}

struct Builder<'s> {
    scoping: &'s Scoping,
    roots: Roots,
    flows: Flows,
    /// Objects with methods.
    this: Place,
    next: u32,
    /// Variables that may be any function.
    open: BTreeSet<SymbolId>,
    /// Variables that hold functions of the program.
    known: BTreeSet<SymbolId>,
    /// Variables that are called, or that stand for called ones.
    used: BTreeSet<SymbolId>,
    frames: Vec<Frame>,
    exact: bool,
}

impl Builder<'_> {
    fn finish(mut self) -> Option<Flows> {
        for symbol in std::mem::take(&mut self.used) {
            if !self.known.contains(&symbol) || self.open.contains(&symbol) {
                let slot = Slot::Variable(symbol);
                self.escapes_by(&slot);
                self.edge(Place::AnyReturned, Edge::Same, slot.returned());
            }
        }
        (!self.exact).then_some(self.flows)
    }

    fn fresh(&mut self) -> Place {
        self.next += 1;
        Place::Local(self.next - 1)
    }

    fn edge(&mut self, from: Place, edge: Edge, to: Place) {
        if from != Place::Local(0) && to != Place::Local(0) {
            self.flows.edges.push((from, edge, to));
        }
    }

    fn edge_unless_defined(&mut self, name: &str, (from, edge, to): (Place, Edge, Place)) {
        if from != Place::Local(0) {
            self.flows.unless_defined.push((name.to_owned(), from, edge, to));
        }
    }

    /// The value becomes text, or moves to an unknown place.
    fn escapes(&mut self, value: &Value) {
        self.edge(value.place.clone(), Edge::Same, Place::Text);
    }

    fn escapes_by(&mut self, slot: &Slot) {
        for number in 0..usize::from(PARAMETERS) {
            self.edge(slot.parameter(number), Edge::Same, Place::Text);
        }
    }

    /// The value of the expression becomes text.
    fn text(&mut self, expression: &Expression<'_>) {
        let value = self.value(expression);
        self.exact |= expressions::is_this(expression);
        self.escapes(&value);
    }

    /// The value at the end of an edge from a place.
    fn from(&mut self, place: &Place, edge: Edge) -> Place {
        if *place == Place::Local(0) {
            return Place::Local(0);
        }
        let to = self.fresh();
        self.edge(place.clone(), edge, to.clone());
        to
    }

    fn either(&mut self, one: Value, other: Value) -> Value {
        if one.is_data() && matches!(one.callee, Callee::Nothing) {
            return other;
        }
        if other.is_data() && matches!(other.callee, Callee::Nothing) {
            return one;
        }
        let place = self.fresh();
        self.edge(one.place, Edge::Same, place.clone());
        self.edge(other.place, Edge::Same, place.clone());
        // Calls of either one are not followed further.
        for callee in [&one.callee, &other.callee] {
            self.called_anywhere(callee);
        }
        Value::unknown(place)
    }

    /// The return value of a function arrives wherever such a function may be called.
    fn called_anywhere(&mut self, callee: &Callee) {
        let returned = match callee {
            Callee::Function(function) => function.returned(),
            Callee::Slot(slot) => {
                self.note_use(slot);
                slot.returned()
            }
            Callee::Nothing | Callee::Unknown => return,
        };
        self.edge(returned, Edge::Same, Place::AnyReturned);
    }

    fn note_use(&mut self, slot: &Slot) {
        if let Slot::Variable(symbol) = slot {
            self.used.insert(*symbol);
        }
    }

    fn symbol(&self, name: &IdentifierReference<'_>) -> Option<SymbolId> {
        self.scoping.get_reference(name.reference_id.get()?).symbol_id()
    }

    /// Reads an expression: notes what it does, and returns its value.
    #[expect(clippy::too_many_lines, reason = "one arm for each kind of expression, most of one line")]
    fn value(&mut self, expression: &Expression<'_>) -> Value {
        match expression.get_inner_expression() {
            Expression::BooleanLiteral(_)
            | Expression::NullLiteral(_)
            | Expression::NumericLiteral(_)
            | Expression::BigIntLiteral(_)
            | Expression::RegExpLiteral(_)
            | Expression::StringLiteral(_)
            | Expression::ImportMeta(_)
            | Expression::NewTarget(_)
            | Expression::PrivateInExpression(_) => Value::DATA,
            Expression::TemplateLiteral(template) => self.template(template),
            Expression::Identifier(name) => self.identifier(name),
            Expression::ThisExpression(_) | Expression::Super(_) => Value::unknown(self.this.clone()),
            Expression::ArrayExpression(array) => {
                let list = self.fresh();
                for element in &array.elements {
                    match element {
                        ArrayExpressionElement::SpreadElement(spread) => {
                            let value = self.value(&spread.argument);
                            self.edge(value.place, Edge::Same, list.clone());
                        }
                        ArrayExpressionElement::Elision(_) => {}
                        element => {
                            let Some(element) = element.as_expression() else { continue };
                            let value = self.value(element);
                            self.called_anywhere(&value.callee);
                            self.edge(value.place, Edge::Stored(true), list.clone());
                        }
                    }
                }
                Value { place: list, callee: Callee::Nothing }
            }
            Expression::ObjectExpression(object) => self.object(object),
            Expression::ArrowFunctionExpression(arrow) => self.arrow(arrow),
            Expression::FunctionExpression(function) => self.function_value(function),
            Expression::ClassExpression(class) => self.class_value(class),
            Expression::AssignmentExpression(assignment) => self.assignment(assignment),
            Expression::AwaitExpression(awaited) => {
                let value = self.value(&awaited.argument);
                Value::unknown(value.place)
            }
            Expression::BinaryExpression(binary) => self.binary(binary),
            Expression::CallExpression(call) => self.call(&call.callee, &call.arguments, false),
            Expression::NewExpression(new) => self.call(&new.callee, &new.arguments, true),
            Expression::ChainExpression(chain) => match &chain.expression {
                ChainElement::CallExpression(call) => self.call(&call.callee, &call.arguments, false),
                ChainElement::TSNonNullExpression(inner) => self.value(&inner.expression),
                ChainElement::StaticMemberExpression(member) => self.member(member),
                ChainElement::ComputedMemberExpression(member) => {
                    self.computed(&member.object, &member.expression)
                }
                ChainElement::PrivateFieldExpression(field) => {
                    self.named(&field.object, &format!("#{}", field.field.name))
                }
            },
            Expression::ConditionalExpression(conditional) => {
                self.value(&conditional.test);
                let one = self.value(&conditional.consequent);
                let other = self.value(&conditional.alternate);
                self.either(one, other)
            }
            Expression::LogicalExpression(logical) => {
                let one = self.value(&logical.left);
                let other = self.value(&logical.right);
                if logical.operator == LogicalOperator::And { other } else { self.either(one, other) }
            }
            Expression::ImportExpression(import) => {
                self.text(&import.source);
                Value::unknown(self.this.clone())
            }
            Expression::SequenceExpression(sequence) => {
                let mut last = Value::DATA;
                for expression in &sequence.expressions {
                    last = self.value(expression);
                }
                last
            }
            Expression::TaggedTemplateExpression(tagged) => {
                self.value(&tagged.tag);
                for expression in &tagged.quasi.expressions {
                    self.text(expression);
                }
                Value::unknown(Place::AnyReturned)
            }
            Expression::UnaryExpression(unary) => {
                self.value(&unary.argument);
                Value::DATA
            }
            Expression::UpdateExpression(update) => {
                match &update.argument {
                    SimpleAssignmentTarget::ComputedMemberExpression(member) => {
                        self.value(&member.object);
                        self.text(&member.expression);
                    }
                    SimpleAssignmentTarget::StaticMemberExpression(member) => {
                        self.value(&member.object);
                    }
                    _ => {}
                }
                Value::DATA
            }
            Expression::YieldExpression(yielded) => {
                if let Some(argument) = &yielded.argument {
                    let value = self.value(argument);
                    self.called_anywhere(&value.callee);
                    let edge = if yielded.delegate { Edge::Same } else { Edge::Into };
                    if let Some(frame) = self.frames.last() {
                        let returned = frame.function.returned();
                        self.edge(value.place, edge, returned);
                    }
                }
                // The value sent to the generator.
                Value::unknown(Place::Local(0))
            }
            Expression::StaticMemberExpression(member) => self.member(member),
            Expression::ComputedMemberExpression(member) => self.computed(&member.object, &member.expression),
            Expression::PrivateFieldExpression(field) => {
                self.named(&field.object, &format!("#{}", field.field.name))
            }
            Expression::JSXElement(element) => {
                oxc_ast_visit::Visit::visit_jsx_element(self, element);
                Value::DATA
            }
            Expression::JSXFragment(fragment) => {
                oxc_ast_visit::Visit::visit_jsx_fragment(self, fragment);
                Value::DATA
            }
            _ => {
                self.exact = true;
                Value::DATA
            }
        }
    }
}

#[cfg(test)]
mod tests;
