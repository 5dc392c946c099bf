//! Functions and classes, and their statements.

use super::super::super::flow::{Edge, Place};
use super::super::mentions::literal;
use super::{Builder, Callee, Frame, Function, PARAMETERS, Slot, Value};
use oxc_ast::ast::{
    self, ArrowFunctionBody, ArrowFunctionExpression, Class, ClassElement, Decorator, Expression,
    ForOfStatement, ForStatementLeft, FormalParameters, JSXAttribute, JSXAttributeName, JSXAttributeValue,
    JSXChild, MethodDefinitionKind, Program, PropertyKey, ReturnStatement, ThrowStatement,
    VariableDeclarator, WithStatement,
};
use oxc_ast_visit::{Visit, walk};
use oxc_semantic::ScopeFlags;

impl Builder<'_> {
    pub(super) fn program(&mut self, program: &Program<'_>) {
        self.visit_program(program);
    }

    /// Enters a function: creates its places, and the function as a value.
    fn enter(&mut self, is_arrow: bool, above: Option<Slot>, parameters: &FormalParameters<'_>) -> Function {
        let function = Function(self.next);
        self.next += u32::from(PARAMETERS) + 1;
        self.frames.push(Frame { function, is_arrow, above });
        for (number, parameter) in parameters.items.iter().enumerate() {
            let given = Value::unknown(function.parameter(number));
            if let Some(init) = &parameter.initializer {
                let otherwise = self.value(init);
                self.pattern(&parameter.pattern, otherwise);
            }
            for decorator in &parameter.decorators {
                self.visit_decorator(decorator);
            }
            // `constructor(private name: T)`
            if (parameter.accessibility.is_some() || parameter.readonly)
                && let Some(name) = parameter.pattern.get_identifier_name()
            {
                self.bind(&Slot::Property(name.to_string()), given.clone());
            }
            self.pattern(&parameter.pattern, given);
        }
        if let Some(rest) = &parameters.rest {
            let list = self.fresh();
            for number in parameters.items.len()..parameters.items.len().max(usize::from(PARAMETERS)) {
                self.edge(function.parameter(number), Edge::Into, list.clone());
            }
            self.edge(function.parameter(usize::from(PARAMETERS)), Edge::Into, list.clone());
            self.pattern(&rest.rest.argument, Value { place: list, callee: Callee::Nothing });
        }
        function
    }

    fn new_function(&mut self, function: Function) -> Value {
        let place = self.fresh();
        self.flows.functions.push(place.clone());
        Value { place, callee: Callee::Function(function) }
    }

    fn function(&mut self, function: &ast::Function<'_>, above: Option<Slot>) -> Function {
        let places = self.enter(false, above, &function.params);
        if let Some(body) = &function.body {
            self.visit_function_body(body);
        }
        self.frames.pop();
        places
    }

    pub(super) fn function_value(&mut self, function: &ast::Function<'_>) -> Value {
        let places = self.function(function, None);
        let value = self.new_function(places);
        if let Some(symbol) = function.id.as_ref().and_then(|id| id.symbol_id.get()) {
            self.bind(&Slot::Variable(symbol), value.clone());
        }
        value
    }

    pub(super) fn arrow(&mut self, arrow: &ArrowFunctionExpression<'_>) -> Value {
        // In an arrow function, `super` is that of the enclosing function.
        let above = self.frames.last().and_then(|frame| frame.above.clone());
        let places = self.enter(true, above, &arrow.params);
        match &arrow.body {
            ArrowFunctionBody::FunctionBody(body) => self.visit_function_body(body),
            body => {
                if let Some(expression) = body.as_expression() {
                    let value = self.value(expression);
                    self.called_anywhere(&value.callee);
                    self.edge(value.place, Edge::Same, places.returned());
                }
            }
        }
        self.frames.pop();
        self.new_function(places)
    }

    pub(super) fn class_value(&mut self, class: &Class<'_>) -> Value {
        let above =
            class.heritage.as_ref().and_then(|heritage| match self.value(&heritage.expression).callee {
                Callee::Slot(slot) => Some(slot),
                _ => None,
            });
        let places = Function(self.next);
        self.next += u32::from(PARAMETERS) + 1;
        let mut has_constructor = false;
        for decorator in &class.decorators {
            self.visit_decorator(decorator);
        }
        for element in &class.body.body {
            match element {
                ClassElement::MethodDefinition(method) => {
                    for decorator in &method.decorators {
                        self.visit_decorator(decorator);
                    }
                    let function = self.function(&method.value, above.clone());
                    let name = self.key(&method.key, method.computed);
                    match (method.kind, name) {
                        (MethodDefinitionKind::Constructor, _) => {
                            has_constructor = true;
                            for number in 0..usize::from(PARAMETERS) {
                                self.edge(places.parameter(number), Edge::Same, function.parameter(number));
                            }
                        }
                        (MethodDefinitionKind::Get, Some(name)) => {
                            self.bind(&Slot::Property(name), Value::unknown(function.returned()));
                        }
                        (MethodDefinitionKind::Set, Some(name)) => {
                            self.edge(Place::Property(name), Edge::Same, function.parameter(0));
                        }
                        (MethodDefinitionKind::Method, Some(name)) => {
                            let value = self.new_function(function);
                            self.bind(&Slot::Property(name), value);
                        }
                        (_, None) => {
                            self.edge(function.returned(), Edge::Same, Place::AnyReturned);
                            if !is_symbol(&method.key) {
                                let value = self.new_function(function);
                                self.escapes(&value);
                            }
                        }
                    }
                }
                ClassElement::PropertyDefinition(property) => {
                    for decorator in &property.decorators {
                        self.visit_decorator(decorator);
                    }
                    let name = self.key(&property.key, property.computed);
                    let value = property.value.as_ref().map_or(Value::DATA, |value| self.value(value));
                    match name {
                        Some(name) => self.bind(&Slot::Property(name), value),
                        None => self.escapes(&value),
                    }
                }
                ClassElement::AccessorProperty(_) => self.exact = true,
                ClassElement::StaticBlock(block) => self.visit_static_block(block),
                ClassElement::TSIndexSignature(_) => {}
            }
        }
        if !has_constructor && class.heritage.is_some() {
            for number in 0..usize::from(PARAMETERS) {
                let to = above.as_ref().map_or(Place::Text, |above| above.parameter(number));
                self.edge(places.parameter(number), Edge::Same, to);
            }
        }
        if let Some(above) = &above {
            self.note_use(above);
        }
        let value = self.new_function(places);
        if let Some(symbol) = class.id.as_ref().and_then(|id| id.symbol_id.get()) {
            self.bind(&Slot::Variable(symbol), value.clone());
        }
        value
    }

    /// The name of a member; `None` where it is computed.
    fn key(&mut self, key: &PropertyKey<'_>, computed: bool) -> Option<String> {
        if let PropertyKey::PrivateIdentifier(name) = key {
            return Some(format!("#{}", name.name));
        }
        if let Some(expression) = key.as_expression().filter(|_| computed) {
            if let Some(name) = literal(expression) {
                return Some(name);
            }
            self.text(expression);
            return None;
        }
        key.static_name().map(|name| name.to_string())
    }
}

/// `[Symbol.iterator]`: only the language calls such methods.
fn is_symbol(key: &PropertyKey<'_>) -> bool {
    key.as_expression().is_some_and(|key| {
        matches!(key, Expression::StaticMemberExpression(member)
        if super::super::mentions::is_named(&member.object, "Symbol"))
    })
}

impl<'a> Visit<'a> for Builder<'_> {
    fn visit_expression(&mut self, expression: &Expression<'a>) {
        self.value(expression);
    }

    fn visit_function(&mut self, function: &ast::Function<'a>, _: ScopeFlags) {
        self.function_value(function);
    }

    fn visit_class(&mut self, class: &Class<'a>) {
        self.class_value(class);
    }

    fn visit_variable_declarator(&mut self, declarator: &VariableDeclarator<'a>) {
        if let Some(init) = &declarator.init {
            let value = self.value(init);
            self.pattern(&declarator.id, value);
        }
    }

    fn visit_return_statement(&mut self, statement: &ReturnStatement<'a>) {
        let Some(argument) = &statement.argument else { return };
        let value = self.value(argument);
        self.called_anywhere(&value.callee);
        if let Some(frame) = self.frames.last() {
            let returned = frame.function.returned();
            self.edge(value.place, Edge::Same, returned);
        }
    }

    fn visit_throw_statement(&mut self, statement: &ThrowStatement<'a>) {
        self.text(&statement.argument);
    }

    fn visit_with_statement(&mut self, _: &WithStatement<'a>) {
        self.exact = true;
    }

    fn visit_for_of_statement(&mut self, statement: &ForOfStatement<'a>) {
        let list = self.value(&statement.right);
        let one = Value::unknown(self.from(&list.place, Edge::OutOf));
        match &statement.left {
            ForStatementLeft::VariableDeclaration(declaration) => {
                for declarator in &declaration.declarations {
                    self.pattern(&declarator.id, one.clone());
                }
            }
            left => {
                if let Some(target) = left.as_assignment_target() {
                    self.target(target, one);
                }
            }
        }
        self.visit_statement(&statement.body);
    }

    fn visit_decorator(&mut self, decorator: &Decorator<'a>) {
        self.value(&decorator.expression);
        // A decorator receives the decorated member, and the class that contains it.
        let class = self.fresh();
        self.flows.functions.push(class.clone());
        self.escapes(&Value::unknown(class));
    }

    fn visit_jsx_attribute(&mut self, attribute: &JSXAttribute<'a>) {
        let Some(JSXAttributeValue::ExpressionContainer(container)) = &attribute.value else {
            walk::walk_jsx_attribute(self, attribute);
            return;
        };
        let Some(expression) = container.expression.as_expression() else { return };
        let value = self.value(expression);
        match &attribute.name {
            JSXAttributeName::Identifier(name) => self.bind(&Slot::Property(name.name.to_string()), value),
            JSXAttributeName::NamespacedName(_) => self.escapes(&value),
        }
    }

    fn visit_jsx_child(&mut self, child: &JSXChild<'a>) {
        if let JSXChild::ExpressionContainer(container) = child
            && let Some(expression) = container.expression.as_expression()
        {
            self.text(expression);
            return;
        }
        walk::walk_jsx_child(self, child);
    }

    fn visit_import_declaration(&mut self, import: &ast::ImportDeclaration<'a>) {
        self.imported(import);
    }

    fn visit_export_declaration(&mut self, export: &ast::ExportDeclaration<'a>) {
        walk::walk_export_declaration(self, export);
        self.exported_declaration(&export.declaration);
    }

    fn visit_export_default_declaration(&mut self, export: &ast::ExportDefaultDeclaration<'a>) {
        self.exported_default(&export.declaration);
    }

    fn visit_export_named_declaration(&mut self, export: &ast::ExportNamedDeclaration<'a>) {
        self.exported_names(&export.specifiers);
    }

    fn visit_export_all_declaration(&mut self, export: &ast::ExportAllDeclaration<'a>) {
        // `export * as name from "…"`
        if let Some(name) = &export.exported {
            let module = Value::unknown(self.this.clone());
            self.bind(&Slot::Property(name.name().to_string()), module);
        }
    }

    fn visit_export_from_declaration(&mut self, export: &ast::ExportFromDeclaration<'a>) {
        self.handed_on(export);
    }

    fn visit_ts_export_assignment(&mut self, export: &ast::TSExportAssignment<'a>) {
        let value = self.value(&export.expression);
        self.bind(&Slot::Property("default".to_owned()), value);
    }

    fn visit_ts_import_equals_declaration(&mut self, import: &ast::TSImportEqualsDeclaration<'a>) {
        if let Some(symbol) = import.id.symbol_id.get() {
            let value = self.default_of_module();
            self.bind(&Slot::Variable(symbol), value);
        }
    }
}
