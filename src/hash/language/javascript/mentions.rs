//! Collects what a JavaScript program uses: modules, environment variables, and words that affect its normal form.

use super::super::{Import, Parsed};
use super::{environment, lines, own_file};
use oxc_ast::AstKind;
use oxc_ast::ast::{
    Argument, AssignmentExpression, AssignmentTargetWithDefault, BindingIdentifier, CallExpression,
    ExportAllDeclaration, ExportFromDeclaration, Expression, IdentifierName, IdentifierReference,
    ImportDeclaration, ImportDeclarationSpecifier, ImportExpression, NewExpression, NumericLiteral, Program,
    StaticMemberExpression, StringLiteral, TSConstructorType, TSFunctionType, TSImportEqualsDeclaration,
    TSModuleReference, VariableDeclarator,
};
use oxc_ast_visit::{Visit, walk};
use oxc_span::{GetSpan, Span};
use std::collections::BTreeSet;

/// Reasons why the printed form may not distinguish two programs.
#[derive(Clone, Copy, Default)]
pub(super) struct Doubt {
    /// In every case.
    pub(super) always: bool,
    /// The source has different meanings as a script and as a module.
    pub(super) unless_goal_is_known: bool,
}

/// Everything that a program uses, with the normal form left empty.
pub(super) fn of(program: &Program<'_>) -> (Parsed, Doubt) {
    let mut comments = CommentedBodies {
        comments: program.comments.iter().map(|comment| comment.span).collect(),
        found: false,
    };
    comments.visit_program(program);
    let mut mentions = Mentions {
        source: program.source_text,
        typescript: program.source_type.is_typescript(),
        parsed: Parsed { exact: comments.found, ..Parsed::default() },
        variables: BTreeSet::new(),
        doubt: Doubt::default(),
    };
    mentions.visit_program(program);
    let Mentions { mut parsed, variables, doubt, .. } = mentions;
    parsed.variables = variables.into_iter().collect();
    (parsed, doubt)
}

/// Functions whose body is only a comment: an old idiom for text of several lines.
struct CommentedBodies {
    comments: Vec<Span>,
    found: bool,
}

impl<'a> Visit<'a> for CommentedBodies {
    fn enter_node(&mut self, node: AstKind<'a>) {
        if let AstKind::FunctionBody(body) = node
            && body.is_empty()
        {
            let inside = |comment: &Span| comment.start >= body.span.start && comment.end <= body.span.end;
            self.found |= self.comments.iter().any(inside);
        }
    }
}

pub(super) struct Mentions<'s> {
    source: &'s str,
    typescript: bool,
    pub(super) parsed: Parsed,
    pub(super) variables: BTreeSet<Vec<u8>>,
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
        self.variable(&identifier.name);
        self.doubt.unless_goal_is_known |=
            ["await", "yield", "let", "static"].contains(&identifier.name.as_str());
    }

    fn visit_binding_identifier(&mut self, identifier: &BindingIdentifier<'a>) {
        self.variable(&identifier.name);
        self.doubt.unless_goal_is_known |=
            ["await", "yield", "let", "static"].contains(&identifier.name.as_str());
    }

    fn visit_static_member_expression(&mut self, member: &StaticMemberExpression<'a>) {
        // `require.extensions`, `module.constructor`, `process.binding`
        let (object, name) = (&member.object, member.property.name.as_str());
        self.parsed.exact |= name == "extensions" && is_named(object, "require")
            || name == "constructor" && (is_named(object, "module") || is_named(object, "require"))
            || name == "binding" && is_named(object, "process");
        walk::walk_static_member_expression(self, member);
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
        // `(a) = function () {}` does not name the function, unlike `a = …`.
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

    fn visit_import_declaration(&mut self, import: &ImportDeclaration<'a>) {
        if is_module_of_modules(&import.source.value) && imports_harmless(import) {
            self.parsed.imports.push(Import::Specifier(import.source.value.to_string()));
        } else {
            self.import(&import.source.value);
        }
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
                _ => {}
            },
            _ => {}
        }
        walk::walk_call_expression(self, call);
    }
}

impl Mentions<'_> {
    /// The parser accepts any token for the arrow of a function type.
    fn arrow(&mut self, at: u32) {
        let rest = self.source.get(at as usize..).unwrap_or_default();
        self.doubt.always |= !rest.starts_with("=>");
    }

    /// A variable may have any name; a property that is destructured from an error into it is visited as a property too.
    fn variable(&mut self, name: &str) {
        if name != "stack" {
            self.word(name);
        }
    }

    fn word(&mut self, word: &str) {
        let parsed = &mut self.parsed;
        match word {
            "stack" | "captureStackTrace" | "prepareStackTrace" | "stackTraceLimit" | "callee"
            | "getCallSites" | "lineNumber" | "columnNumber" | "toSource"
            // Code that loads modules in another way sees their sources.
            | "_compile"
            | "_extensions"
            | "_load"
            | "registerHooks"
            | "setSourceMapsEnabled"
            | "getBuiltinModule"
            | "_linkedBinding"
            | "internalBinding" => parsed.exact = true,
            "readdir" | "readdirSync" | "opendir" | "opendirSync" | "glob" | "globSync" => {
                parsed.lists_directories = true;
            }
            _ => {}
        }
    }

    pub(super) fn import(&mut self, specifier: &str) {
        self.parsed.exact |= sees_sources(specifier);
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
}

/// Engine modules that show or change sources: module loaders, debuggers, separate contexts.
fn sees_sources(specifier: &str) -> bool {
    let own = specifier.strip_prefix("node:").unwrap_or(specifier);
    ["inspector", "inspector/promises", "repl", "trace_events", "v8", "vm"].contains(&own)
        || is_module_of_modules(specifier)
}

fn is_module_of_modules(specifier: &str) -> bool {
    ["module", "node:module"].contains(&specifier)
}

/// `import { createRequire } from "node:module"`
fn imports_harmless(import: &ImportDeclaration<'_>) -> bool {
    let harmless = ["createRequire", "builtinModules", "isBuiltin"];
    import.specifiers.iter().flatten().all(|specifier| {
        matches!(specifier, ImportDeclarationSpecifier::ImportSpecifier(specifier)
            if harmless.contains(&specifier.imported.name().as_str()))
    })
}

/// The text of a string literal, or of a template without expressions.
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
