//! The canonical bytes of Python expressions.
//!
//! Nodes are destructured without `..`, so that a field added by a newer parser cannot be forgotten. Omitted are positions,
//! redundant parentheses, and whether a name is read or written, which follows from its position.

use super::escapes;
use super::writer::Writer;
use ruff_python_ast::{self as ast, Expr};
use ruff_text_size::Ranged;

impl Writer<'_> {
    pub(super) fn expressions(&mut self, expressions: &[Expr]) {
        self.list(expressions, Self::expression);
    }

    pub(super) fn optional_expression(&mut self, expression: Option<&Expr>) {
        self.optional(expression, Self::expression);
    }

    #[expect(clippy::too_many_lines, reason = "one arm for each kind of expression, most of one line")]
    pub(super) fn expression(&mut self, expression: &Expr) {
        match expression {
            Expr::BoolOp(ast::ExprBoolOp { op, values, range: _, node_index: _ }) => {
                self.tag(32);
                self.flag(*op == ast::BoolOp::And);
                self.expressions(values);
            }
            Expr::Named(ast::ExprNamed { target, value, range: _, node_index: _ }) => {
                self.tag(33);
                self.expression(target);
                self.expression(value);
            }
            Expr::BinOp(ast::ExprBinOp { left, op, right, range: _, node_index: _ }) => {
                self.tag(34);
                self.operator(*op);
                self.expression(left);
                self.expression(right);
            }
            Expr::UnaryOp(ast::ExprUnaryOp { op, operand, range: _, node_index: _ }) => {
                self.tag(35);
                self.tag(match op {
                    ast::UnaryOp::Invert => 0,
                    ast::UnaryOp::Not => 1,
                    ast::UnaryOp::UAdd => 2,
                    ast::UnaryOp::USub => 3,
                });
                self.expression(operand);
            }
            Expr::Lambda(ast::ExprLambda { parameters, body, range: _, node_index: _ }) => {
                self.tag(36);
                match parameters.as_deref() {
                    Some(parameters) => self.parameters(parameters),
                    None => self.parameters(&ast::Parameters::default()),
                }
                self.expression(body);
            }
            Expr::If(ast::ExprIf { test, body, orelse, range: _, node_index: _ }) => {
                self.tag(37);
                self.expression(test);
                self.expression(body);
                self.expression(orelse);
            }
            Expr::Dict(ast::ExprDict { items, range: _, node_index: _ }) => {
                self.tag(38);
                self.list(items, |to, ast::DictItem { key, value }| {
                    to.optional_expression(key.as_ref());
                    to.expression(value);
                });
            }
            Expr::Set(ast::ExprSet { elts, range: _, node_index: _ }) => {
                self.tag(39);
                self.expressions(elts);
            }
            Expr::ListComp(ast::ExprListComp { elt, generators, range: _, node_index: _ }) => {
                self.tag(40);
                self.expression(elt);
                self.comprehensions(generators);
            }
            Expr::SetComp(ast::ExprSetComp { elt, generators, range: _, node_index: _ }) => {
                self.tag(41);
                self.expression(elt);
                self.comprehensions(generators);
            }
            Expr::DictComp(ast::ExprDictComp { key, value, generators, range: _, node_index: _ }) => {
                self.tag(42);
                self.optional_expression(key.as_deref());
                self.expression(value);
                self.comprehensions(generators);
            }
            Expr::Generator(ast::ExprGenerator {
                elt,
                generators,
                parenthesized: _,
                range: _,
                node_index: _,
            }) => {
                self.tag(43);
                self.expression(elt);
                self.comprehensions(generators);
            }
            Expr::Await(ast::ExprAwait { value, range: _, node_index: _ }) => {
                self.tag(44);
                self.expression(value);
            }
            Expr::Yield(ast::ExprYield { value, range: _, node_index: _ }) => {
                self.tag(45);
                self.optional_expression(value.as_deref());
            }
            Expr::YieldFrom(ast::ExprYieldFrom { value, range: _, node_index: _ }) => {
                self.tag(46);
                self.expression(value);
            }
            Expr::Compare(ast::ExprCompare { left, ops, comparators, range: _, node_index: _ }) => {
                self.tag(47);
                self.expression(left);
                self.list(ops, |to, operator| to.comparison(*operator));
                self.expressions(comparators);
            }
            Expr::Call(ast::ExprCall { func, arguments, range_start: _, node_index: _ }) => {
                self.tag(48);
                self.expression(func);
                self.arguments(arguments);
            }
            Expr::FString(ast::ExprFString { value, range: _, node_index: _ }) => {
                self.tag(49);
                self.formatted_string(value);
            }
            // Template strings contain the text of their expressions: sources with them count byte for byte.
            Expr::TString(ast::ExprTString { value, range, node_index: _ }) => {
                self.tag(50);
                self.flag(self.warns(*range, escapes::Kind::Text));
                for element in value.elements() {
                    self.element(element);
                }
                self.tag(0);
            }
            Expr::StringLiteral(ast::ExprStringLiteral { value, range: _, node_index: _ }) => {
                self.tag(51);
                self.string(value);
            }
            Expr::BytesLiteral(ast::ExprBytesLiteral { value, range: _, node_index: _ }) => {
                self.tag(52);
                self.byte_string(value);
            }
            Expr::NumberLiteral(ast::ExprNumberLiteral { value, range, node_index: _ }) => {
                self.tag(53);
                self.number(value, *range);
            }
            Expr::BooleanLiteral(ast::ExprBooleanLiteral { value, range: _, node_index: _ }) => {
                self.tag(54);
                self.flag(*value);
            }
            Expr::NoneLiteral(ast::ExprNoneLiteral { range: _, node_index: _ }) => self.tag(55),
            Expr::EllipsisLiteral(ast::ExprEllipsisLiteral { range: _, node_index: _ }) => self.tag(56),
            Expr::Attribute(ast::ExprAttribute { value, attr, ctx: _, range: _, node_index: _ }) => {
                self.tag(57);
                self.expression(value);
                self.name(attr);
            }
            Expr::Subscript(ast::ExprSubscript { value, slice, ctx: _, range: _, node_index: _ }) => {
                self.tag(58);
                self.expression(value);
                self.expression(slice);
            }
            Expr::Starred(ast::ExprStarred { value, ctx: _, range: _, node_index: _ }) => {
                self.tag(59);
                self.expression(value);
            }
            Expr::Name(ast::ExprName { id, ctx: _, range: _, node_index: _ }) => {
                self.tag(60);
                self.text(id.as_str());
            }
            Expr::List(ast::ExprList { elts, ctx: _, range: _, node_index: _ }) => {
                self.tag(61);
                self.expressions(elts);
            }
            Expr::Tuple(ast::ExprTuple { elts, parenthesized: _, ctx: _, range: _, node_index: _ }) => {
                self.tag(62);
                self.expressions(elts);
            }
            Expr::Slice(ast::ExprSlice { lower, upper, step, range: _, node_index: _ }) => {
                self.tag(63);
                self.optional_expression(lower.as_deref());
                self.optional_expression(upper.as_deref());
                self.optional_expression(step.as_deref());
            }
            Expr::IpyEscapeCommand(ast::ExprIpyEscapeCommand { kind, value, range: _, node_index: _ }) => {
                self.tag(64);
                self.text(kind.as_str());
                self.text(value);
            }
        }
    }

    pub(super) fn operator(&mut self, operator: ast::Operator) {
        self.tag(match operator {
            ast::Operator::Add => 0,
            ast::Operator::Sub => 1,
            ast::Operator::Mult => 2,
            ast::Operator::MatMult => 3,
            ast::Operator::Div => 4,
            ast::Operator::Mod => 5,
            ast::Operator::Pow => 6,
            ast::Operator::LShift => 7,
            ast::Operator::RShift => 8,
            ast::Operator::BitOr => 9,
            ast::Operator::BitXor => 10,
            ast::Operator::BitAnd => 11,
            ast::Operator::FloorDiv => 12,
        });
    }

    fn comparison(&mut self, operator: ast::CmpOp) {
        self.tag(match operator {
            ast::CmpOp::Eq => 0,
            ast::CmpOp::NotEq => 1,
            ast::CmpOp::Lt => 2,
            ast::CmpOp::LtE => 3,
            ast::CmpOp::Gt => 4,
            ast::CmpOp::GtE => 5,
            ast::CmpOp::Is => 6,
            ast::CmpOp::IsNot => 7,
            ast::CmpOp::In => 8,
            ast::CmpOp::NotIn => 9,
        });
    }

    pub(super) fn arguments(&mut self, arguments: &ast::Arguments) {
        let ast::Arguments { args, keywords, range: _, node_index: _ } = arguments;
        self.expressions(args);
        self.list(keywords, |to, ast::Keyword { arg, value, range: _, node_index: _ }| {
            to.optional_name(arg.as_ref());
            to.expression(value);
        });
    }

    /// Writes the same as [`Writer::arguments`] for an empty list.
    pub(super) fn no_arguments(&mut self) {
        self.length(0);
        self.length(0);
    }

    pub(super) fn parameters(&mut self, parameters: &ast::Parameters) {
        let ast::Parameters { posonlyargs, args, vararg, kwonlyargs, kwarg, range: _, node_index: _ } =
            parameters;
        for group in [posonlyargs, args, kwonlyargs] {
            self.list(group, |to, parameter| {
                let ast::ParameterWithDefault { parameter, default, range: _, node_index: _ } = parameter;
                to.parameter(parameter);
                to.optional_expression(default.as_deref());
            });
        }
        self.optional(vararg.as_deref(), Self::parameter);
        self.optional(kwarg.as_deref(), Self::parameter);
    }

    fn parameter(&mut self, parameter: &ast::Parameter) {
        let ast::Parameter { name, annotation, range: _, node_index: _ } = parameter;
        self.name(name);
        self.optional_expression(annotation.as_deref());
    }

    fn comprehensions(&mut self, comprehensions: &[ast::Comprehension]) {
        self.list(comprehensions, |to, comprehension| {
            let ast::Comprehension { target, iter, ifs, is_async, range: _, node_index: _ } = comprehension;
            to.flag(*is_async);
            to.expression(target);
            to.expression(iter);
            to.expressions(ifs);
        });
    }

    /// Writes the parts of a formatted string as one sequence, with adjacent literal text joined.
    fn formatted_string(&mut self, value: &ast::FStringValue) {
        let mut text = String::new();
        let mut warns = false;
        for part in value {
            match part {
                ast::FStringPart::Literal(literal) => {
                    text.push_str(&literal.value);
                    warns |=
                        !literal.flags.prefix().is_raw() && self.warns(literal.range(), escapes::Kind::Text);
                }
                ast::FStringPart::FString(string) => {
                    let raw = string.flags.prefix().is_raw();
                    for element in &string.elements {
                        if let ast::InterpolatedStringElement::Literal(literal) = element {
                            text.push_str(&literal.value);
                            warns |= !raw && self.warns(literal.range(), escapes::Kind::Text);
                        } else {
                            self.pending_text(&mut text);
                            self.element(element);
                        }
                    }
                }
            }
        }
        self.pending_text(&mut text);
        self.tag(0);
        self.flag(warns);
    }

    fn pending_text(&mut self, text: &mut String) {
        if !text.is_empty() {
            self.tag(1);
            self.text(text);
            text.clear();
        }
    }

    fn element(&mut self, element: &ast::InterpolatedStringElement) {
        match element {
            ast::InterpolatedStringElement::Literal(literal) => {
                let ast::InterpolatedStringLiteralElement { value, range: _, node_index: _ } = literal;
                self.tag(1);
                self.text(value);
            }
            ast::InterpolatedStringElement::Interpolation(interpolation) => {
                let ast::InterpolatedElement {
                    expression,
                    debug_text,
                    conversion,
                    format_spec,
                    range: _,
                    node_index: _,
                } = interpolation;
                self.tag(2);
                self.expression(expression);
                // The text of `f"{a = }"` is part of the result.
                self.optional(debug_text.as_ref(), |to, debug| to.text(debug.as_str()));
                self.tag(match conversion {
                    ast::ConversionFlag::None => 0,
                    ast::ConversionFlag::Str => 1,
                    ast::ConversionFlag::Ascii => 2,
                    ast::ConversionFlag::Repr => 3,
                });
                self.optional(format_spec.as_deref(), |to, specification| {
                    let ast::InterpolatedStringFormatSpec { elements, range: _, node_index: _ } =
                        specification;
                    for element in elements {
                        to.element(element);
                    }
                    to.tag(0);
                });
            }
        }
    }
}
