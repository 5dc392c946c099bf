//! Finds the environment variables that a Python program reads, or that it reads the whole environment.

use super::mentions::{Mentions, last_name};
use ruff_python_ast::visitor::Visitor;
use ruff_python_ast::{self as ast, CmpOp, Expr, ExprContext};

/// Whether an expression is the environment or an item of it.
pub(super) fn touches(expression: &Expr) -> bool {
    match expression {
        Expr::Subscript(subscript) => is_environment(&subscript.value),
        _ => is_environment(expression),
    }
}

/// Notes the name that `os.environ["X"] += …` reads.
pub(super) fn read_target(mentions: &mut Mentions, target: &Expr) {
    // `os.environ |= other` only adds.
    if let Expr::Subscript(subscript) = target {
        note(mentions, Some(&subscript.slice));
    }
}

/// Visits `expression` and its parts if it uses the environment. Returns whether it does.
pub(super) fn visit(mentions: &mut Mentions, expression: &Expr) -> bool {
    match expression {
        Expr::Call(call) => return visit_call(mentions, call),
        Expr::Subscript(subscript) if is_environment(&subscript.value) => {
            if subscript.ctx == ExprContext::Store {
                mentions.visit_expr(&subscript.slice);
            } else {
                note(mentions, Some(&subscript.slice));
            }
        }
        Expr::Compare(ast::ExprCompare { left, ops, comparators, .. }) => {
            let (&[CmpOp::In | CmpOp::NotIn], [right]) = (&**ops, &**comparators) else { return false };
            if !is_environment(right) {
                return false;
            }
            note(mentions, Some(left));
        }
        // Any other use may pass it on.
        Expr::Name(_) | Expr::Attribute(_) if is_environment(expression) || is_getter(expression) => {
            mentions.parsed.whole_environment = true;
        }
        Expr::StringLiteral(string)
            if ["environ", "environb", "getenv", "getenvb"].contains(&string.value.to_str()) =>
        {
            mentions.parsed.whole_environment = true;
        }
        _ => return false,
    }
    true
}

fn visit_call(mentions: &mut Mentions, call: &ast::ExprCall) -> bool {
    let first = call.arguments.args.first();
    let mut rest = call.arguments.args.get(1..).unwrap_or_default();
    if is_getter(&call.func) {
        note(mentions, first.or_else(|| named(call, "key")));
    } else if last_name(&call.func) == Some("expandvars") {
        match first {
            Some(Expr::StringLiteral(text)) => note_references(mentions, text.value.to_str()),
            _ => mentions.parsed.whole_environment = true,
        }
        rest = &*call.arguments.args;
    } else {
        let Expr::Attribute(method) = &*call.func else { return false };
        if !is_environment(&method.value) {
            return false;
        }
        match method.attr.as_str() {
            "get" | "pop" | "setdefault" | "__getitem__" | "__contains__" | "__delitem__" => {
                note(mentions, first.or_else(|| named(call, "key")));
            }
            // These only write.
            "update" | "clear" | "__setitem__" => rest = &*call.arguments.args,
            _ => mentions.parsed.whole_environment = true,
        }
    }
    for argument in rest {
        mentions.visit_expr(argument);
    }
    for keyword in &call.arguments.keywords {
        mentions.visit_expr(&keyword.value);
    }
    true
}

/// Notes a literal name; a computed name may be any variable.
fn note(mentions: &mut Mentions, name: Option<&Expr>) {
    match name {
        Some(Expr::StringLiteral(text)) => {
            mentions.variables.insert(text.value.to_str().as_bytes().to_vec());
        }
        Some(Expr::BytesLiteral(bytes)) => {
            let name = bytes.value.iter().flat_map(|part| part.value.iter().copied()).collect();
            mentions.variables.insert(name);
        }
        other => {
            mentions.parsed.whole_environment = true;
            if let Some(expression) = other {
                mentions.visit_expr(expression);
            }
        }
    }
}

/// Notes the `$NAME` and `${NAME}` in a text.
fn note_references(mentions: &mut Mentions, text: &str) {
    for after in text.split('$').skip(1) {
        let after = after.strip_prefix('{').unwrap_or(after);
        let name: String = after.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
        if !name.is_empty() {
            mentions.variables.insert(name.into_bytes());
        }
    }
}

fn named<'a>(call: &'a ast::ExprCall, name: &str) -> Option<&'a Expr> {
    let mut keywords = call.arguments.keywords.iter();
    let keyword = keywords.find(|keyword| keyword.arg.as_ref().is_some_and(|arg| arg.as_str() == name))?;
    Some(&keyword.value)
}

/// `os.environ`, under any name of `os`, or `environ` alone.
fn is_environment(expression: &Expr) -> bool {
    matches!(last_name(expression), Some("environ" | "environb"))
}

fn is_getter(expression: &Expr) -> bool {
    matches!(last_name(expression), Some("getenv" | "getenvb"))
}
