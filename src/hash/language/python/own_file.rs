//! Whether a Python program may read its own source through `__file__`.
//!
//! Using only the directory or the name of the file reads nothing. Any other use may end in `open`.

use super::mentions::{Mentions, last_name};
use ruff_python_ast::visitor::Visitor;
use ruff_python_ast::{self as ast, Expr};

/// Visits `expression` and its parts if it contains the path of the program's own file. Returns whether it does.
pub(super) fn visit(mentions: &mut Mentions, expression: &Expr) -> bool {
    if is_own_file(expression) {
        mentions.parsed.exact = true;
        return true;
    }
    match expression {
        Expr::Attribute(attribute) => is_own_file(&attribute.value) && is_harmless(attribute.attr.as_str()),
        Expr::Call(call) => visit_call(mentions, call),
        _ => false,
    }
}

fn visit_call(mentions: &mut Mentions, call: &ast::ExprCall) -> bool {
    let [first, rest @ ..] = &*call.arguments.args else { return false };
    let Some(name) = last_name(&call.func) else { return false };
    if name == "open" && is_own_name(first) {
        mentions.parsed.exact = true;
    }
    if !is_own_file(first) || !["dirname", "basename", "split", "splitext", "relpath"].contains(&name) {
        return false;
    }
    for argument in rest {
        mentions.visit_expr(argument);
    }
    true
}

/// Attributes of a path that do not keep the file itself.
fn is_harmless(attribute: &str) -> bool {
    ["parent", "parents", "name", "stem", "suffix", "suffixes", "parts", "anchor", "with_name", "with_suffix"]
        .contains(&attribute)
}

/// `__file__` or the same path in another form: `os.path.abspath(__file__)`, `Path(__file__).resolve()`.
fn is_own_file(expression: &Expr) -> bool {
    match expression {
        Expr::Name(name) => name.id.as_str() == "__file__",
        Expr::Attribute(attribute) => attribute.attr.as_str() == "__file__",
        Expr::StringLiteral(string) => string.value.to_str() == "__file__",
        Expr::Call(call) => {
            let same = ["abspath", "realpath", "normpath", "Path", "PurePath", "PosixPath", "fspath", "str"];
            let method = ["resolve", "absolute", "expanduser", "as_posix"];
            match (last_name(&call.func), &*call.arguments.args, &*call.func) {
                (Some(name), [first, ..], _) if same.contains(&name) => is_own_file(first),
                (Some(name), _, Expr::Attribute(of)) if method.contains(&name) => is_own_file(&of.value),
                _ => false,
            }
        }
        _ => false,
    }
}

/// `sys.argv[0]`.
fn is_own_name(expression: &Expr) -> bool {
    matches!(expression, Expr::Subscript(subscript)
        if last_name(&subscript.value) == Some("argv")
            && matches!(&*subscript.slice, Expr::NumberLiteral(number)
                if matches!(&number.value, ast::Number::Int(place) if *place == 0)))
}
