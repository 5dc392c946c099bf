//! Finds variables that hold modules of the engine or of packages, or objects created by them; and those that hold maps
//! and sets.

use super::super::mentions::{is_named, literal};
use oxc_ast::ast::{
    Argument, AssignmentExpression, AssignmentTarget, BindingPattern, ChainElement, Expression,
    ImportDeclaration, ImportDeclarationSpecifier, Program, PropertyDefinition, VariableDeclarator,
};
use oxc_ast_visit::{Visit, walk};
use oxc_semantic::{Scoping, SymbolId};
use std::collections::{BTreeMap, BTreeSet};

/// What is known about variables before the edges are followed.
#[derive(Default)]
pub(super) struct Roots {
    /// By variable: the module, and the part of it; for an object created by a module the part is [`MADE`].
    modules: BTreeMap<SymbolId, (String, String)>,
    /// Names of variables and properties that hold a map or a set.
    collections: BTreeSet<String>,
}

impl Roots {
    pub(super) fn of(program: &Program<'_>, scoping: &Scoping) -> Self {
        let mut finder = Finder { scoping, roots: Self::default() };
        finder.visit_program(program);
        finder.roots
    }

    /// The module that an expression comes from (the module, a part, or an object created by it), and the last name in it.
    pub(super) fn module(&self, expression: &Expression<'_>, scoping: &Scoping) -> Option<(&str, String)> {
        let made = |expression| Some((self.module(expression, scoping)?.0, MADE.to_owned()));
        let part = |expression, name: &str| Some((self.module(expression, scoping)?.0, name.to_owned()));
        match expression.get_inner_expression() {
            Expression::Identifier(name) => {
                let symbol = scoping.get_reference(name.reference_id.get()?).symbol_id()?;
                self.modules.get(&symbol).map(|(module, part)| (module.as_str(), part.clone()))
            }
            Expression::StaticMemberExpression(member) => part(&member.object, &member.property.name),
            Expression::CallExpression(call) => made(&call.callee),
            Expression::NewExpression(new) => made(&new.callee),
            Expression::AwaitExpression(awaited) => self.module(&awaited.argument, scoping),
            Expression::ChainExpression(chain) => match &chain.expression {
                ChainElement::CallExpression(call) => made(&call.callee),
                ChainElement::StaticMemberExpression(member) => part(&member.object, &member.property.name),
                _ => None,
            },
            _ => None,
        }
    }

    /// Whether the last name of an expression holds a map or a set.
    pub(super) fn is_collection(&self, expression: &Expression<'_>) -> bool {
        match expression.get_inner_expression() {
            Expression::Identifier(name) => self.collections.contains(name.name.as_str()),
            Expression::StaticMemberExpression(member) => {
                self.collections.contains(member.property.name.as_str())
            }
            Expression::PrivateFieldExpression(field) => self.collections.contains(field.field.name.as_str()),
            _ => false,
        }
    }
}

/// Whether a module is one of the program's own files.
pub(super) fn is_local(specifier: &str) -> bool {
    specifier.starts_with(['.', '/', '#'])
}

/// Stands for an object created by a module; no function has this name.
const MADE: &str = "?";

/// The specifier of `require("…")` and `import("…")`, and the last name read from it.
pub(super) fn required(expression: &Expression<'_>) -> Option<(String, String)> {
    match expression.get_inner_expression() {
        Expression::CallExpression(call) if is_named(&call.callee, "require") => {
            Some((literal(call.arguments.first().and_then(Argument::as_expression)?)?, String::new()))
        }
        Expression::ImportExpression(import) => Some((literal(&import.source)?, String::new())),
        Expression::AwaitExpression(awaited) => required(&awaited.argument),
        Expression::StaticMemberExpression(member) => {
            Some((required(&member.object)?.0, member.property.name.to_string()))
        }
        Expression::CallExpression(call) => Some((required(&call.callee)?.0, MADE.to_owned())),
        Expression::NewExpression(new) => Some((required(&new.callee)?.0, MADE.to_owned())),
        _ => None,
    }
}

struct Finder<'s> {
    scoping: &'s Scoping,
    roots: Roots,
}

impl Finder<'_> {
    fn note(&mut self, pattern: &BindingPattern<'_>, module: &str, part: &str) {
        match pattern {
            BindingPattern::BindingIdentifier(name) => {
                if let Some(symbol) = name.symbol_id.get() {
                    self.roots.modules.insert(symbol, (module.to_owned(), part.to_owned()));
                }
            }
            BindingPattern::ObjectPattern(object) => {
                for property in &object.properties {
                    let name = property.key.static_name().unwrap_or(MADE.into());
                    self.note(&property.value, module, &name);
                }
            }
            BindingPattern::ArrayPattern(_) => {}
            BindingPattern::AssignmentPattern(assignment) => self.note(&assignment.left, module, part),
        }
    }
}

fn is_new_collection(expression: &Expression<'_>) -> bool {
    matches!(expression.get_inner_expression(), Expression::NewExpression(new)
        if ["Map", "Set", "WeakMap", "WeakSet"].iter().any(|name| is_named(&new.callee, name)))
}

impl<'a> Visit<'a> for Finder<'_> {
    fn visit_import_declaration(&mut self, import: &ImportDeclaration<'a>) {
        if is_local(&import.source.value) {
            return;
        }
        for specifier in import.specifiers.iter().flatten() {
            let (local, part) = match specifier {
                ImportDeclarationSpecifier::ImportSpecifier(specifier) => {
                    (&specifier.local, specifier.imported.name().to_string())
                }
                ImportDeclarationSpecifier::ImportDefaultSpecifier(specifier) => {
                    (&specifier.local, String::new())
                }
                ImportDeclarationSpecifier::ImportNamespaceSpecifier(specifier) => {
                    (&specifier.local, String::new())
                }
            };
            if let Some(symbol) = local.symbol_id.get() {
                self.roots.modules.insert(symbol, (import.source.value.to_string(), part));
            }
        }
    }

    fn visit_variable_declarator(&mut self, declarator: &VariableDeclarator<'a>) {
        if let Some(init) = &declarator.init {
            let module = match required(init) {
                Some((specifier, _)) if is_local(&specifier) => None,
                Some(found) => Some(found),
                None => {
                    let found = self.roots.module(init, self.scoping);
                    found.map(|(module, part)| (module.to_owned(), part))
                }
            };
            if let Some((module, part)) = module {
                self.note(&declarator.id, &module, &part);
            }
            if is_new_collection(init)
                && let Some(name) = declarator.id.get_identifier_name()
            {
                self.roots.collections.insert(name.to_string());
            }
        }
        walk::walk_variable_declarator(self, declarator);
    }

    fn visit_property_definition(&mut self, property: &PropertyDefinition<'a>) {
        if property.value.as_ref().is_some_and(is_new_collection)
            && let Some(name) = property.key.name()
        {
            self.roots.collections.insert(name.to_string());
        }
        walk::walk_property_definition(self, property);
    }

    fn visit_assignment_expression(&mut self, assignment: &AssignmentExpression<'a>) {
        match &assignment.left {
            AssignmentTarget::StaticMemberExpression(member) if is_new_collection(&assignment.right) => {
                self.roots.collections.insert(member.property.name.to_string());
            }
            // The variable may hold something else from here on.
            AssignmentTarget::AssignmentTargetIdentifier(name) => {
                let reference = name.reference_id.get().map(|id| self.scoping.get_reference(id));
                if let Some(symbol) = reference.and_then(oxc_semantic::Reference::symbol_id) {
                    self.roots.modules.remove(&symbol);
                }
            }
            _ => {}
        }
        walk::walk_assignment_expression(self, assignment);
    }
}
