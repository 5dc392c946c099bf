//! What JavaScript code does with existing files; see [`StateUse`].

use super::super::state_use::{StateUse, TESTS, Tested, compared, is_harmless, makes_directory};
use oxc_ast::AstKind;
use oxc_ast::ast::{
    BindingPattern, CallExpression, ConditionalExpression, Expression, ForOfStatement, ForStatement,
    LogicalExpression, LogicalOperator, Program, ReturnStatement, Statement, TryStatement, UnaryOperator,
    VariableDeclarator, WhileStatement,
};
use oxc_ast_visit::{Visit, walk};
use oxc_span::{GetSpan, Span};
use std::collections::{BTreeMap, BTreeSet};

/// Collects the uses of a program.
pub(super) fn of(program: &Program<'_>) -> StateUse {
    let mut names = Names { source: program.source_text, ..Names::default() };
    names.visit_program(program);
    let mut reader = Reader { names, found: StateUse::default() };
    reader.visit_program(program);
    reader.found
}

/// The last name of a callee.
fn callee<'a>(call: &CallExpression<'a>) -> &'a str {
    match &call.callee {
        Expression::Identifier(name) => name.name.as_str(),
        Expression::StaticMemberExpression(member) => member.property.name.as_str(),
        _ => "",
    }
}

/// Variables that hold the result of a test, and functions that return one.
#[derive(Default)]
struct Names<'s> {
    source: &'s str,
    variables: BTreeMap<String, Vec<Tested>>,
    functions: BTreeSet<String>,
}

impl<'a> Visit<'a> for Names<'_> {
    fn visit_variable_declarator(&mut self, declarator: &VariableDeclarator<'a>) {
        if let (BindingPattern::BindingIdentifier(name), Some(value)) = (&declarator.id, &declarator.init) {
            let name = name.name.to_string();
            let tested = self.tested(value, false);
            if !tested.is_empty() {
                self.variables.insert(name, tested);
            } else if matches!(
                value,
                Expression::ArrowFunctionExpression(_) | Expression::FunctionExpression(_)
            ) && self.has_test(value.span())
            {
                self.functions.insert(name);
            }
        }
        walk::walk_variable_declarator(self, declarator);
    }

    fn enter_node(&mut self, node: AstKind<'a>) {
        if let AstKind::Function(function) = node
            && let (Some(name), Some(body)) = (&function.id, &function.body)
        {
            let mut returns = Returns { names: self, found: false };
            returns.visit_function_body(body);
            if returns.found {
                self.functions.insert(name.name.to_string());
            }
        }
    }
}

struct Returns<'n, 's> {
    names: &'n Names<'s>,
    found: bool,
}

impl<'a> Visit<'a> for Returns<'_, '_> {
    fn visit_return_statement(&mut self, statement: &ReturnStatement<'a>) {
        let value = statement.argument.as_ref();
        self.found |= value.is_some_and(|value| !self.names.tested(value, false).is_empty());
    }
}

impl Names<'_> {
    fn worded(&self, span: Span) -> String {
        compared(self.source.get(span.start as usize..span.end as usize).unwrap_or_default())
    }

    fn has_test(&self, span: Span) -> bool {
        let text = self.worded(span);
        TESTS.iter().any(|test| text.contains(&format!("{test}(")))
    }

    /// The paths that an expression tests.
    fn tested(&self, expression: &Expression<'_>, negated: bool) -> Vec<Tested> {
        match expression {
            Expression::UnaryExpression(operation) if operation.operator == UnaryOperator::LogicalNot => {
                self.tested(&operation.argument, !negated)
            }
            Expression::LogicalExpression(operation) => {
                let mut tested = self.tested(&operation.left, negated);
                tested.extend(self.tested(&operation.right, negated));
                tested
            }
            Expression::BinaryExpression(operation) => {
                let mut tested = self.tested(&operation.left, negated);
                tested.extend(self.tested(&operation.right, negated));
                tested
            }
            Expression::ParenthesizedExpression(inner) => self.tested(&inner.expression, negated),
            Expression::AwaitExpression(inner) => self.tested(&inner.argument, negated),
            Expression::StaticMemberExpression(member) => self.tested(&member.object, negated),
            Expression::Identifier(name) => {
                let known = self.variables.get(name.name.as_str()).cloned().unwrap_or_default();
                known
                    .into_iter()
                    .map(|tested| Tested { negated: tested.negated != negated, ..tested })
                    .collect()
            }
            Expression::CallExpression(call) => self.tested_by(call, negated),
            _ => Vec::new(),
        }
    }

    fn tested_by(&self, call: &CallExpression<'_>, negated: bool) -> Vec<Tested> {
        let name = callee(call);
        if TESTS.contains(&name) || self.functions.contains(name) {
            let path = call.arguments.first().map(|path| self.worded(path.span()));
            return path.into_iter().map(|path| Tested { path, negated }).collect();
        }
        match &call.callee {
            // `statSync(p).isFile()`
            Expression::StaticMemberExpression(member) => self.tested(&member.object, negated),
            _ => Vec::new(),
        }
    }
}

struct Reader<'s> {
    names: Names<'s>,
    found: StateUse,
}

impl Reader<'_> {
    fn branch(
        &mut self,
        test: &Expression<'_>,
        body: &[&Statement<'_>],
        otherwise: &[&Statement<'_>],
        after: &[&Statement<'_>],
    ) {
        let direct = Names { source: self.names.source, ..Names::default() }.tested(test, false);
        for tested in self.names.tested(test, false) {
            let (there, missing) = if tested.negated { (otherwise, body) } else { (body, otherwise) };
            let goes_on = leaves(missing) || self.passes(missing, &tested.path);
            let resumes = self.passes(there, &tested.path) || goes_on && self.passes(after, &tested.path);
            self.found.resumes |= resumes;
            let acts = self.acts(there) || goes_on && self.acts(after);
            self.found.harmless += usize::from(!resumes && !acts && direct.contains(&tested));
            self.found.makes_directories |= self.has_call(missing, &tested.path, makes_directory);
            self.found.makes_directories |=
                leaves(there) && self.has_call(after, &tested.path, makes_directory);
        }
    }

    fn passes(&self, statements: &[&Statement<'_>], path: &str) -> bool {
        self.has_call(statements, path, |name| !is_harmless(name))
    }

    /// Whether there is a call that may use anything: the path may be spelled differently there.
    fn acts(&self, statements: &[&Statement<'_>]) -> bool {
        self.has_call(statements, "", |name| !is_harmless(name) && !matches!(name, "exit" | "abort"))
    }

    fn has_call(&self, statements: &[&Statement<'_>], path: &str, wanted: impl Fn(&str) -> bool) -> bool {
        let mut calls = Calls { names: &self.names, path, wanted, found: false };
        for statement in statements {
            calls.visit_statement(statement);
        }
        calls.found
    }

    fn uses(&self, expression: &Expression<'_>, path: &str) -> bool {
        let wanted = |name: &str| !is_harmless(name);
        let mut calls = Calls { names: &self.names, path, wanted, found: false };
        calls.visit_expression(expression);
        calls.found
    }

    fn block(&mut self, statements: &[Statement<'_>]) {
        let all: Vec<&Statement<'_>> = statements.iter().collect();
        for (place, statement) in statements.iter().enumerate() {
            if let Statement::IfStatement(branch) = statement {
                let otherwise: Vec<&Statement<'_>> = branch.alternate.iter().collect();
                let after = all.get(place + 1..).unwrap_or_default();
                self.branch(&branch.test, &[&branch.consequent], &otherwise, after);
            }
        }
    }
}

impl Reader<'_> {
    /// A turn of a loop that is the last one where nothing is there looks for a name that is free.
    fn searches(&mut self, body: &Statement<'_>) {
        let statements: Vec<&Statement<'_>> = match body {
            Statement::BlockStatement(block) => block.body.iter().collect(),
            single => vec![single],
        };
        for (place, statement) in statements.iter().enumerate() {
            let Statement::IfStatement(branch) = statement else { continue };
            let after = statements.get(place + 1..).unwrap_or_default();
            let otherwise: Vec<&Statement<'_>> = branch.alternate.iter().collect();
            for tested in self.names.tested(&branch.test, false) {
                let body = [&branch.consequent];
                let (there, missing) = if tested.negated {
                    (otherwise.as_slice(), &body[..])
                } else {
                    (&body[..], otherwise.as_slice())
                };
                self.found.resumes |= ends(missing) || (goes_on(there) && ends(after));
            }
        }
    }
}

/// Whether the statements end the loop that they are in.
fn ends(statements: &[&Statement<'_>]) -> bool {
    match statements.last() {
        Some(Statement::BlockStatement(block)) => ends(&block.body.iter().collect::<Vec<_>>()),
        Some(Statement::ReturnStatement(_) | Statement::BreakStatement(_)) => true,
        _ => false,
    }
}

/// Whether the statements begin the next turn of the loop.
fn goes_on(statements: &[&Statement<'_>]) -> bool {
    match statements.last() {
        Some(Statement::BlockStatement(block)) => goes_on(&block.body.iter().collect::<Vec<_>>()),
        Some(Statement::ContinueStatement(_)) => true,
        _ => false,
    }
}

impl<'a> Visit<'a> for Reader<'_> {
    fn visit_statements(&mut self, statements: &oxc_allocator::Vec<'a, Statement<'a>>) {
        self.block(statements);
        walk::walk_statements(self, statements);
    }

    fn visit_while_statement(&mut self, turn: &WhileStatement<'a>) {
        // It goes on until nothing is there: it looks for a name that is free.
        self.found.resumes |= self.names.tested(&turn.test, false).iter().any(|tested| !tested.negated);
        self.searches(&turn.body);
        walk::walk_while_statement(self, turn);
    }

    fn visit_for_statement(&mut self, turn: &ForStatement<'a>) {
        let tested = turn.test.as_ref().map(|test| self.names.tested(test, false)).unwrap_or_default();
        self.found.resumes |= tested.iter().any(|tested| !tested.negated);
        self.searches(&turn.body);
        walk::walk_for_statement(self, turn);
    }

    fn visit_for_of_statement(&mut self, turn: &ForOfStatement<'a>) {
        self.searches(&turn.body);
        walk::walk_for_of_statement(self, turn);
    }

    fn visit_conditional_expression(&mut self, choice: &ConditionalExpression<'a>) {
        for tested in self.names.tested(&choice.test, false) {
            let there = if tested.negated { &choice.alternate } else { &choice.consequent };
            self.found.resumes |= self.uses(there, &tested.path);
        }
        walk::walk_conditional_expression(self, choice);
    }

    fn visit_logical_expression(&mut self, operation: &LogicalExpression<'a>) {
        for tested in self.names.tested(&operation.left, operation.operator == LogicalOperator::Or) {
            self.found.resumes |= !tested.negated && self.uses(&operation.right, &tested.path);
        }
        walk::walk_logical_expression(self, operation);
    }

    fn visit_try_statement(&mut self, attempt: &TryStatement<'a>) {
        for (place, statement) in attempt.block.body.iter().enumerate() {
            let mut tests = Tests { names: &self.names, found: Vec::new() };
            tests.visit_statement(statement);
            let after: Vec<&Statement<'_>> = attempt.block.body.iter().skip(place + 1).collect();
            let found = tests.found;
            self.found.resumes |= found.iter().any(|tested| self.passes(&after, &tested.path));
        }
        walk::walk_try_statement(self, attempt);
    }
}

fn leaves(statements: &[&Statement<'_>]) -> bool {
    match statements.last() {
        Some(Statement::BlockStatement(block)) => leaves(&block.body.iter().collect::<Vec<_>>()),
        Some(
            Statement::ReturnStatement(_)
            | Statement::ThrowStatement(_)
            | Statement::ContinueStatement(_)
            | Statement::BreakStatement(_),
        ) => true,
        Some(Statement::ExpressionStatement(last)) => match &last.expression {
            Expression::CallExpression(call) => matches!(callee(call), "exit" | "abort"),
            _ => false,
        },
        _ => false,
    }
}

/// Every test.
struct Tests<'n, 's> {
    names: &'n Names<'s>,
    found: Vec<Tested>,
}

impl<'a> Visit<'a> for Tests<'_, '_> {
    fn visit_call_expression(&mut self, call: &CallExpression<'a>) {
        self.found.extend(self.names.tested_by(call, false));
        walk::walk_call_expression(self, call);
    }
}

/// Whether a selected call receives a path.
struct Calls<'n, 's, 'p, W> {
    names: &'n Names<'s>,
    path: &'p str,
    wanted: W,
    found: bool,
}

impl<'a, W: Fn(&str) -> bool> Visit<'a> for Calls<'_, '_, '_, W> {
    fn visit_call_expression(&mut self, call: &CallExpression<'a>) {
        if (self.wanted)(callee(call)) {
            let given = call.arguments.iter().map(|argument| self.names.worded(argument.span()));
            self.found |= self.path.is_empty() || given.into_iter().any(|given| given.contains(self.path));
        }
        walk::walk_call_expression(self, call);
    }
}
