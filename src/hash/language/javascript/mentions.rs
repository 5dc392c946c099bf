//! What a JavaScript program asks for: modules, names of the environment, and words that decide how it counts.

use super::super::{Import, Parsed};
use super::{environment, lines, own_file};
use oxc_ast::AstKind;
use oxc_ast::ast::{
    Argument, AssignmentExpression, AssignmentTargetWithDefault, BinaryExpression, BinaryOperator,
    BindingIdentifier, CallExpression, ExportAllDeclaration, ExportFromDeclaration, Expression,
    IdentifierName, IdentifierReference, ImportDeclaration, ImportExpression, NewExpression, NumericLiteral,
    Program, StringLiteral, TSConstructorType, TSFunctionType, TSImportEqualsDeclaration, TSModuleReference,
    TemplateLiteral, VariableDeclarator,
};
use oxc_ast_visit::{Visit, walk};
use oxc_span::{GetSpan, Span};
use std::collections::BTreeSet;

/// What the print of a program may not tell apart.
#[derive(Clone, Copy, Default)]
pub(super) struct Doubt {
    /// In any case.
    pub(super) always: bool,
    /// It means something else as a script than as a module.
    pub(super) unless_goal_is_known: bool,
}

/// Everything that a program asks for, its normal form left empty.
pub(super) fn of(program: &Program<'_>) -> (Parsed, Doubt) {
    let mut functions = Functions {
        comments: program.comments.iter().map(|comment| comment.span).collect(),
        ..Functions::default()
    };
    functions.visit_program(program);
    let mut mentions = Mentions {
        source: program.source_text,
        typescript: program.source_type.is_typescript(),
        parsed: Parsed { exact: functions.holds_text, ..Parsed::default() },
        variables: BTreeSet::new(),
        functions: functions.names,
        methods: functions.methods,
        doubt: Doubt::default(),
    };
    mentions.visit_program(program);
    let Mentions { mut parsed, variables, doubt, .. } = mentions;
    parsed.variables = variables.into_iter().collect();
    (parsed, doubt)
}

/// The names of functions and classes.
#[derive(Default)]
struct Functions {
    names: BTreeSet<String>,
    /// Names of methods, which are values only behind a dot.
    methods: BTreeSet<String>,
    comments: Vec<Span>,
    /// There is a function in which nothing stands but a comment: so text of several lines used to be written.
    holds_text: bool,
}

impl<'a> Visit<'a> for Functions {
    fn enter_node(&mut self, node: AstKind<'a>) {
        let name = match node {
            AstKind::Function(function) => function.id.as_ref().map(|id| id.name.to_string()),
            AstKind::Class(class) => class.id.as_ref().map(|id| id.name.to_string()),
            AstKind::VariableDeclarator(declarator) if declarator.init.as_ref().is_some_and(is_function) => {
                declarator.id.get_identifier_name().map(|name| name.to_string())
            }
            _ => None,
        };
        self.names.extend(name);
        let method = match node {
            AstKind::MethodDefinition(method) => method.key.static_name(),
            AstKind::ObjectProperty(property) if is_function(&property.value) => property.key.static_name(),
            _ => None,
        };
        self.methods.extend(method.map(|name| name.to_string()));
        if let AstKind::FunctionBody(body) = node
            && body.is_empty()
        {
            self.holds_text |= self
                .comments
                .iter()
                .any(|comment| comment.start >= body.span.start && comment.end <= body.span.end);
        }
    }
}

fn is_function(expression: &Expression<'_>) -> bool {
    matches!(
        expression,
        Expression::FunctionExpression(_)
            | Expression::ArrowFunctionExpression(_)
            | Expression::ClassExpression(_)
    )
}

pub(super) struct Mentions<'s> {
    source: &'s str,
    typescript: bool,
    pub(super) parsed: Parsed,
    pub(super) variables: BTreeSet<Vec<u8>>,
    functions: BTreeSet<String>,
    methods: BTreeSet<String>,
    doubt: Doubt,
}

impl<'a> Visit<'a> for Mentions<'_> {
    fn visit_expression(&mut self, expression: &Expression<'a>) {
        if !environment::visit(self, expression) && !own_file::visit(self, expression) {
            walk::walk_expression(self, expression);
        }
    }

    fn visit_variable_declarator(&mut self, declarator: &VariableDeclarator<'a>) {
        if !environment::visit_declarator(self, declarator) && !own_file::is_its_name(declarator) {
            walk::walk_variable_declarator(self, declarator);
        }
    }

    fn visit_identifier_reference(&mut self, identifier: &IdentifierReference<'a>) {
        self.word(&identifier.name);
        self.doubt.unless_goal_is_known |=
            ["await", "yield", "let", "static"].contains(&identifier.name.as_str());
    }

    fn visit_binding_identifier(&mut self, identifier: &BindingIdentifier<'a>) {
        self.word(&identifier.name);
        self.doubt.unless_goal_is_known |=
            ["await", "yield", "let", "static"].contains(&identifier.name.as_str());
    }

    fn visit_identifier_name(&mut self, name: &IdentifierName<'a>) {
        self.word(&name.name);
    }

    fn visit_numeric_literal(&mut self, number: &NumericLiteral<'a>) {
        // `010` is 8, or an error where strict.
        let raw = number.raw.as_ref().map(|raw| raw.as_bytes()).unwrap_or_default();
        self.doubt.always |= matches!(raw, [b'0', b'0'..=b'9', ..]);
    }

    fn visit_string_literal(&mut self, string: &StringLiteral<'a>) {
        self.word(&string.value);
        let raw = string.raw.as_ref().map(|raw| raw.as_bytes()).unwrap_or_default();
        self.doubt.always |= raw.windows(2).any(|pair| matches!(pair, [b'\\', b'0'..=b'9']));
        self.parsed.exact |= string.lone_surrogates;
    }

    fn visit_assignment_expression(&mut self, assignment: &AssignmentExpression<'a>) {
        // `(a) = function () {}` leaves the function without the name that `a = …` gives it.
        self.doubt.always |= assignment.span.start != assignment.left.span().start;
        walk::walk_assignment_expression(self, assignment);
    }

    fn visit_assignment_target_with_default(&mut self, target: &AssignmentTargetWithDefault<'a>) {
        self.doubt.always |= target.span.start != target.binding.span().start;
        walk::walk_assignment_target_with_default(self, target);
    }

    fn visit_ts_function_type(&mut self, function: &TSFunctionType<'a>) {
        self.arrow(function.return_type.span.start);
        walk::walk_ts_function_type(self, function);
    }

    fn visit_ts_constructor_type(&mut self, constructor: &TSConstructorType<'a>) {
        self.arrow(constructor.return_type.span.start);
        walk::walk_ts_constructor_type(self, constructor);
    }

    fn enter_node(&mut self, node: AstKind<'a>) {
        self.doubt.always |= self.typescript && lines::part(node, self.source);
    }

    fn visit_template_literal(&mut self, template: &TemplateLiteral<'a>) {
        self.parsed.exact |= template.expressions.iter().any(|expression| self.is_known_function(expression));
        walk::walk_template_literal(self, template);
    }

    fn visit_import_declaration(&mut self, import: &ImportDeclaration<'a>) {
        self.import(&import.source.value);
        environment::visit_import(self, import);
        walk::walk_import_declaration(self, import);
    }

    fn visit_export_all_declaration(&mut self, export: &ExportAllDeclaration<'a>) {
        self.import(&export.source.value);
    }

    fn visit_export_from_declaration(&mut self, export: &ExportFromDeclaration<'a>) {
        self.import(&export.source.value);
    }

    fn visit_ts_import_equals_declaration(&mut self, import: &TSImportEqualsDeclaration<'a>) {
        if let TSModuleReference::ExternalModuleReference(module) = &import.module_reference {
            self.import(&module.expression.value);
        }
    }

    fn visit_import_expression(&mut self, import: &ImportExpression<'a>) {
        self.import_expression(&import.source);
        walk::walk_import_expression(self, import);
    }

    fn visit_new_expression(&mut self, new: &NewExpression<'a>) {
        match (&new.callee, new.arguments.first()) {
            (Expression::Identifier(name), Some(first)) if name.name == "Worker" => self.worker(first),
            (Expression::Identifier(name), _) if name.name == "Function" => {
                self.parsed.computed_imports = true;
            }
            _ => {}
        }
        walk::walk_new_expression(self, new);
    }

    fn visit_call_expression(&mut self, call: &CallExpression<'a>) {
        let first = call.arguments.first().and_then(Argument::as_expression);
        match &call.callee {
            Expression::Identifier(name) => match (name.name.as_str(), first) {
                ("require", Some(first)) => self.import_expression(first),
                (
                    "String" | "encodeURI" | "encodeURIComponent" | "escape" | "btoa" | "structuredClone",
                    Some(first),
                ) => self.parsed.exact |= self.is_known_function(first),
                ("eval" | "fork" | "createRequire", _) => self.parsed.computed_imports = true,
                _ => {}
            },
            Expression::StaticMemberExpression(member) => match (member.property.name.as_str(), first) {
                // `require.resolve`, `module.require`
                ("resolve", Some(first)) if is_named(&member.object, "require") => {
                    self.import_expression(first);
                }
                ("require", Some(first)) => self.import_expression(first),
                ("fork" | "createRequire" | "runInThisContext" | "runInNewContext" | "runInContext", _) => {
                    self.parsed.computed_imports = true;
                }
                ("toString" | "toLocaleString", None) | ("join", _) => {
                    self.parsed.exact |= self.is_known_function(&member.object);
                }
                ("concat", Some(_)) if !matches!(member.object, Expression::ArrayExpression(_)) => {
                    self.parsed.exact |= self.is_given_function(call);
                }
                // `console.log("%s", f)`
                (_, Some(Expression::StringLiteral(text))) if text.value.contains('%') => {
                    self.parsed.exact |= self.is_given_function(call);
                }
                _ => {}
            },
            _ => {}
        }
        walk::walk_call_expression(self, call);
    }

    fn visit_binary_expression(&mut self, binary: &BinaryExpression<'a>) {
        // `f + ""` is the text of `f`; and `f == "…"` compares it.
        let is_text = |side: &Expression<'_>| literal(side).is_some();
        let compares = matches!(binary.operator, BinaryOperator::Equality | BinaryOperator::Inequality)
            && (is_text(&binary.left) || is_text(&binary.right));
        if binary.operator == BinaryOperator::Addition || compares {
            self.parsed.exact |=
                self.is_known_function(&binary.left) || self.is_known_function(&binary.right);
        }
        walk::walk_binary_expression(self, binary);
    }
}

impl Mentions<'_> {
    /// The parser takes any sign for the arrow of a function's type.
    fn arrow(&mut self, at: u32) {
        let rest = self.source.get(at as usize..).unwrap_or_default();
        self.doubt.always |= !rest.starts_with("=>");
    }

    fn word(&mut self, word: &str) {
        let parsed = &mut self.parsed;
        match word {
            "stack" | "captureStackTrace" | "prepareStackTrace" | "stackTraceLimit" | "callee"
            | "getCallSites" | "lineNumber" | "columnNumber" | "toSource" => parsed.exact = true,
            "readdir" | "readdirSync" | "opendir" | "opendirSync" | "glob" | "globSync" => {
                parsed.lists_directories = true;
            }
            _ => {}
        }
    }

    pub(super) fn import(&mut self, specifier: &str) {
        self.parsed.imports.push(Import::Specifier(specifier.to_owned()));
    }

    fn import_expression(&mut self, expression: &Expression<'_>) {
        match literal(expression) {
            Some(specifier) => self.import(&specifier),
            None => self.parsed.computed_imports = true,
        }
    }

    /// `new Worker("./x.js")`, `new Worker(new URL("./x.js", import.meta.url))`.
    fn worker(&mut self, first: &Argument<'_>) {
        let specifier = first.as_expression().and_then(|first| match first {
            Expression::NewExpression(url) if is_named(&url.callee, "URL") => {
                url.arguments.first().and_then(Argument::as_expression).and_then(literal)
            }
            other => literal(other),
        });
        match specifier {
            Some(specifier) => self.import(&specifier),
            None => self.parsed.computed_imports = true,
        }
    }

    /// Whether an expression is a function of this file, or `Function.prototype`.
    fn is_known_function(&self, expression: &Expression<'_>) -> bool {
        match expression.get_inner_expression() {
            Expression::Identifier(name) => self.functions.contains(name.name.as_str()),
            Expression::StaticMemberExpression(member) => {
                let name = member.property.name.as_str();
                self.functions.contains(name)
                    || self.methods.contains(name)
                    || name == "constructor"
                    || name == "prototype" && is_named(&member.object, "Function")
            }
            Expression::ArrayExpression(array) => array
                .elements
                .iter()
                .filter_map(|element| element.as_expression())
                .any(|element| self.is_known_function(element)),
            other => is_function(other),
        }
    }

    /// Whether a call is given such a function.
    fn is_given_function(&self, call: &CallExpression<'_>) -> bool {
        call.arguments.iter().filter_map(Argument::as_expression).any(|given| self.is_known_function(given))
    }
}

/// The text of a string, or of a template without expressions.
pub(super) fn literal(expression: &Expression<'_>) -> Option<String> {
    match expression {
        Expression::StringLiteral(string) => Some(string.value.to_string()),
        Expression::TemplateLiteral(template) => template.single_quasi().map(|text| text.to_string()),
        _ => None,
    }
}

/// Whether an expression is the plain name `name`.
pub(super) fn is_named(expression: &Expression<'_>, name: &str) -> bool {
    matches!(expression, Expression::Identifier(identifier) if identifier.name == name)
}
