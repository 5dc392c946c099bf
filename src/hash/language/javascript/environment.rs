//! Finds the environment variables that a JavaScript program reads, or that it reads the whole environment.

use super::mentions::{Mentions, is_named, literal};
use oxc_ast::ast::{
    Argument, AssignmentOperator, AssignmentTarget, BinaryOperator, BindingPattern, CallExpression,
    ChainElement, Expression, ImportDeclaration, ImportDeclarationSpecifier, VariableDeclarator,
};
use oxc_ast_visit::Visit;

/// Visits `expression` and its parts if it uses the environment. Returns whether it does.
pub(super) fn visit(mentions: &mut Mentions<'_>, expression: &Expression<'_>) -> bool {
    match expression {
        Expression::StaticMemberExpression(member) if is_environment(&member.object) => {
            note(mentions, &member.property.name);
        }
        Expression::ComputedMemberExpression(member) if is_environment(&member.object) => {
            note_expression(mentions, &member.expression);
        }
        Expression::BinaryExpression(binary)
            if binary.operator == BinaryOperator::In && is_environment(&binary.right) =>
        {
            note_expression(mentions, &binary.left);
        }
        Expression::AssignmentExpression(assignment)
            if assignment.operator == AssignmentOperator::Assign && is_item(&assignment.left) =>
        {
            // This only writes.
            mentions.visit_expression(&assignment.right);
        }
        // `process.env?.A`
        Expression::ChainExpression(chain) => match &chain.expression {
            ChainElement::StaticMemberExpression(member) if is_environment(&member.object) => {
                note(mentions, &member.property.name);
            }
            ChainElement::ComputedMemberExpression(member) if is_environment(&member.object) => {
                note_expression(mentions, &member.expression);
            }
            _ => return false,
        },
        Expression::CallExpression(call) => return visit_call(mentions, call),
        _ if is_environment(expression) => mentions.parsed.whole_environment = true,
        _ => return false,
    }
    true
}

/// `const { A, B: b = 1 } = process.env`
pub(super) fn visit_declarator(mentions: &mut Mentions<'_>, declarator: &VariableDeclarator<'_>) -> bool {
    let Some(init) = &declarator.init else { return false };
    let BindingPattern::ObjectPattern(pattern) = &declarator.id else {
        // `const p = process`: uses under another name are not followed.
        let same =
            matches!(&declarator.id, BindingPattern::BindingIdentifier(name) if name.name == "process");
        mentions.parsed.whole_environment |=
            !same && (is_named(init, "process") || is_require_of_process(init));
        return false;
    };
    if is_named(init, "process") || is_require_of_process(init) {
        // `const { env } = process`
        let mut keys = pattern.properties.iter().map(|property| property.key.static_name());
        mentions.parsed.whole_environment |= keys.any(|key| key.is_none_or(|key| key == "env"));
        return false;
    }
    if !is_environment(init) {
        return false;
    }
    mentions.parsed.whole_environment |= pattern.rest.is_some();
    for property in &pattern.properties {
        match property.key.static_name() {
            Some(name) if !property.computed => note(mentions, &name),
            _ => mentions.parsed.whole_environment = true,
        }
        mentions.visit_binding_pattern(&property.value);
    }
    true
}

/// `import { env } from "node:process"`
pub(super) fn visit_import(mentions: &mut Mentions<'_>, import: &ImportDeclaration<'_>) {
    if !["process", "node:process"].contains(&import.source.value.as_str()) {
        return;
    }
    for specifier in import.specifiers.iter().flatten() {
        mentions.parsed.whole_environment |= match specifier {
            ImportDeclarationSpecifier::ImportSpecifier(specifier) => specifier.imported.name() == "env",
            ImportDeclarationSpecifier::ImportDefaultSpecifier(name) => name.local.name != "process",
            ImportDeclarationSpecifier::ImportNamespaceSpecifier(name) => name.local.name != "process",
        };
    }
}

/// `Deno.env.get("A")`
fn visit_call(mentions: &mut Mentions<'_>, call: &CallExpression<'_>) -> bool {
    let Expression::StaticMemberExpression(method) = &call.callee else { return false };
    let of_deno = matches!(&method.object, Expression::StaticMemberExpression(member)
        if member.property.name == "env" && is_named(&member.object, "Deno"));
    if !of_deno {
        return false;
    }
    match (method.property.name.as_str(), call.arguments.first().and_then(Argument::as_expression)) {
        ("get" | "has", Some(name)) => note_expression(mentions, name),
        ("set" | "delete", _) => {}
        _ => mentions.parsed.whole_environment = true,
    }
    for argument in call.arguments.iter().skip(1) {
        mentions.visit_argument(argument);
    }
    true
}

fn note(mentions: &mut Mentions<'_>, name: &str) {
    mentions.variables.insert(name.as_bytes().to_vec());
}

fn note_expression(mentions: &mut Mentions<'_>, name: &Expression<'_>) {
    if let Some(name) = literal(name) {
        note(mentions, &name);
    } else {
        mentions.parsed.whole_environment = true;
        mentions.visit_expression(name);
    }
}

fn is_item(target: &AssignmentTarget<'_>) -> bool {
    match target {
        AssignmentTarget::StaticMemberExpression(member) => is_environment(&member.object),
        AssignmentTarget::ComputedMemberExpression(member) => {
            is_environment(&member.object) && literal(&member.expression).is_some()
        }
        _ => false,
    }
}

/// `process.env`, `process["env"]`, `Bun.env`, `import.meta.env`, and other expressions that end in `env` after
/// `process`.
fn is_environment(expression: &Expression<'_>) -> bool {
    match expression.get_inner_expression() {
        Expression::StaticMemberExpression(member) => {
            member.property.name == "env" && has_environment(&member.object)
        }
        Expression::ComputedMemberExpression(member) => {
            has_environment(&member.object)
                && literal(&member.expression).is_none_or(|name| name == "env")
                && !matches!(member.expression, Expression::NumericLiteral(_))
        }
        _ => false,
    }
}

fn has_environment(object: &Expression<'_>) -> bool {
    match object.get_inner_expression() {
        Expression::Identifier(name) => ["process", "Bun", "Deno"].contains(&name.name.as_str()),
        Expression::StaticMemberExpression(member) => member.property.name == "process",
        Expression::ImportMeta(_) => true,
        other => is_require_of_process(other),
    }
}

fn is_require_of_process(expression: &Expression<'_>) -> bool {
    let Expression::CallExpression(call) = expression else { return false };
    let first = call.arguments.first().and_then(Argument::as_expression).and_then(literal);
    is_named(&call.callee, "require") && first.is_some_and(|name| name == "process" || name == "node:process")
}
