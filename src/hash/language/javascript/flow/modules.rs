//! Imports and exports between modules.

use super::super::super::flow::{Edge, Place};
use super::roots::is_local;
use super::{Builder, Callee, Slot, Value};
use oxc_ast::ast::{
    BindingPattern, Declaration, ExportDefaultDeclarationKind, ExportFromDeclaration, ExportSpecifier,
    ImportDeclaration, ImportDeclarationSpecifier, ModuleExportName,
};
use oxc_semantic::SymbolId;

impl Builder<'_> {
    pub(super) fn imported(&mut self, import: &ImportDeclaration<'_>) {
        let local = is_local(&import.source.value);
        for specifier in import.specifiers.iter().flatten() {
            let (binding, name) = match specifier {
                ImportDeclarationSpecifier::ImportSpecifier(specifier) => {
                    (&specifier.local, Some(specifier.imported.name().to_string()))
                }
                ImportDeclarationSpecifier::ImportDefaultSpecifier(specifier) => {
                    (&specifier.local, Some("default".to_owned()))
                }
                ImportDeclarationSpecifier::ImportNamespaceSpecifier(specifier) => (&specifier.local, None),
            };
            let Some(symbol) = binding.symbol_id.get() else { continue };
            let value = match name {
                Some(name) => {
                    let place = Place::Property(name.clone());
                    let callee = if local { Callee::Slot(Slot::Property(name)) } else { Callee::Unknown };
                    Value { place, callee }
                }
                None => Value { place: self.this.clone(), callee: Callee::Unknown },
            };
            self.bind(&Slot::Variable(symbol), value);
        }
    }

    /// The value of `require` for a module.
    pub(super) fn default_of_module(&mut self) -> Value {
        let place = self.fresh();
        let slot = Slot::Property("default".to_owned());
        self.edge(slot.value(), Edge::Same, place.clone());
        self.edge(self.this.clone(), Edge::Same, place.clone());
        Value { place, callee: Callee::Slot(slot) }
    }

    fn export(&mut self, symbol: Option<SymbolId>, name: String) {
        let Some(symbol) = symbol else { return };
        let slot = Slot::Variable(symbol);
        let value = Value { place: slot.value(), callee: Callee::Slot(slot) };
        self.bind(&Slot::Property(name), value);
    }

    pub(super) fn exported_declaration(&mut self, declaration: &Declaration<'_>) {
        match declaration {
            Declaration::FunctionDeclaration(function) => {
                if let Some(id) = &function.id {
                    self.export(id.symbol_id.get(), id.name.to_string());
                }
            }
            Declaration::ClassDeclaration(class) => {
                if let Some(id) = &class.id {
                    self.export(id.symbol_id.get(), id.name.to_string());
                }
            }
            Declaration::VariableDeclaration(variables) => {
                for declarator in &variables.declarations {
                    self.export_pattern(&declarator.id);
                }
            }
            _ => {}
        }
    }

    fn export_pattern(&mut self, pattern: &BindingPattern<'_>) {
        match pattern {
            BindingPattern::BindingIdentifier(name) => {
                self.export(name.symbol_id.get(), name.name.to_string());
            }
            BindingPattern::ObjectPattern(object) => {
                for property in &object.properties {
                    self.export_pattern(&property.value);
                }
                if let Some(rest) = &object.rest {
                    self.export_pattern(&rest.argument);
                }
            }
            BindingPattern::ArrayPattern(array) => {
                for element in array.elements.iter().flatten() {
                    self.export_pattern(element);
                }
                if let Some(rest) = &array.rest {
                    self.export_pattern(&rest.argument);
                }
            }
            BindingPattern::AssignmentPattern(assignment) => self.export_pattern(&assignment.left),
        }
    }

    pub(super) fn exported_default(&mut self, declaration: &ExportDefaultDeclarationKind<'_>) {
        let value = match declaration {
            ExportDefaultDeclarationKind::FunctionDeclaration(function) => self.function_value(function),
            ExportDefaultDeclarationKind::ClassDeclaration(class) => self.class_value(class),
            other => match other.as_expression() {
                Some(expression) => self.value(expression),
                None => return,
            },
        };
        self.bind(&Slot::Property("default".to_owned()), value);
    }

    pub(super) fn exported_names(&mut self, specifiers: &[ExportSpecifier<'_>]) {
        for specifier in specifiers {
            let exported = specifier.exported.name().to_string();
            match &specifier.local {
                ModuleExportName::IdentifierReference(name) => {
                    let symbol = self.symbol(name);
                    self.export(symbol, exported);
                }
                // Type-only names have no symbol here.
                ModuleExportName::IdentifierName(_) | ModuleExportName::StringLiteral(_) => {}
            }
        }
    }

    /// `export { a as b } from "…"`
    pub(super) fn handed_on(&mut self, export: &ExportFromDeclaration<'_>) {
        for specifier in &export.specifiers {
            let slot = Slot::Property(specifier.local.name().to_string());
            let value = Value { place: slot.value(), callee: Callee::Slot(slot) };
            self.bind(&Slot::Property(specifier.exported.name().to_string()), value);
        }
    }
}
