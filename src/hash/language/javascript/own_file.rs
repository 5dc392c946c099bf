//! Whether a JavaScript program may read its own source through `__filename` or `import.meta.url`.
//!
//! Using only the directory or the name of the file, or comparing it, reads nothing. Any other use may end in a read.

use super::mentions::{Mentions, is_named, literal};
use oxc_ast::ast::{Argument, CallExpression, Expression, NewExpression, VariableDeclarator};
use oxc_ast_visit::{Visit, walk};

/// Visits `expression` and its parts if it contains the path of the program's own file. Returns whether it does.
pub(super) fn visit(mentions: &mut Mentions<'_>, expression: &Expression<'_>) -> bool {
    if is_own_file(expression) {
        mentions.parsed.exact = true;
        return true;
    }
    match expression {
        Expression::CallExpression(call) => visit_call(mentions, call),
        Expression::NewExpression(new) => visit_new(mentions, new),
        Expression::BinaryExpression(binary) if binary.operator.is_equality() => {
            let sides = [&binary.left, &binary.right];
            if !sides.iter().any(|side| is_own_file(side)) {
                return false;
            }
            for side in sides.into_iter().filter(|side| !is_own_file(side)) {
                mentions.visit_expression(side);
            }
            true
        }
        _ => false,
    }
}

/// `const __filename = fileURLToPath(import.meta.url)`: each use of the name is visited separately.
pub(super) fn is_its_name(declarator: &VariableDeclarator<'_>) -> bool {
    let named = declarator.id.get_identifier_name().is_some_and(|name| name == "__filename");
    named && declarator.init.as_ref().is_some_and(is_own_file)
}

fn visit_call(mentions: &mut Mentions<'_>, call: &CallExpression<'_>) -> bool {
    let harmless = ["dirname", "basename", "extname", "createRequire"];
    let [first, rest @ ..] = call.arguments.as_slice() else { return false };
    if !first.as_expression().is_some_and(is_own_file)
        || !called(&call.callee).is_some_and(|name| harmless.contains(&name))
    {
        return false;
    }
    mentions.parsed.computed_imports |= called(&call.callee) == Some("createRequire");
    for argument in rest {
        mentions.visit_argument(argument);
    }
    true
}

/// `new URL("./data.json", import.meta.url)`
fn visit_new(mentions: &mut Mentions<'_>, new: &NewExpression<'_>) -> bool {
    let [first, second] = new.arguments.as_slice() else { return false };
    let beside = first.as_expression().and_then(literal).is_some_and(|path| {
        let last = path.trim_end_matches('/');
        !last.is_empty()
    });
    if !is_named(&new.callee, "URL") || !beside || !second.as_expression().is_some_and(is_own_file) {
        return false;
    }
    walk::walk_argument(mentions, first);
    true
}

/// `__filename`, `import.meta.url`, `import.meta.filename`, `fileURLToPath(…)`, `path.resolve(…)` of one.
fn is_own_file(expression: &Expression<'_>) -> bool {
    match expression.get_inner_expression() {
        Expression::Identifier(name) => name.name == "__filename",
        Expression::StaticMemberExpression(member) => {
            matches!(member.object.get_inner_expression(), Expression::ImportMeta(_))
                && ["url", "filename", "path", "file"].contains(&member.property.name.as_str())
        }
        Expression::ComputedMemberExpression(member) => {
            matches!(member.object.get_inner_expression(), Expression::ImportMeta(_))
        }
        Expression::CallExpression(call) => {
            let same = ["fileURLToPath", "pathToFileURL", "resolve", "normalize", "realpathSync", "String"];
            called(&call.callee).is_some_and(|name| same.contains(&name))
                && matches!(call.arguments.as_slice(), [first]
                    if Argument::as_expression(first).is_some_and(is_own_file))
        }
        Expression::NewExpression(new) => {
            is_named(&new.callee, "URL")
                && matches!(new.arguments.as_slice(), [first]
                    if Argument::as_expression(first).is_some_and(is_own_file))
        }
        _ => false,
    }
}

/// The last name of a callee.
fn called<'a>(callee: &'a Expression<'_>) -> Option<&'a str> {
    match callee {
        Expression::Identifier(name) => Some(name.name.as_str()),
        Expression::StaticMemberExpression(member) => Some(member.property.name.as_str()),
        _ => None,
    }
}
