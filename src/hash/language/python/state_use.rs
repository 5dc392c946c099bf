//! What Python code does with existing files; see [`StateUse`].

use super::super::state_use::{StateUse, TESTS, Tested, compared, is_harmless, makes_directory};
use ruff_python_ast::visitor::{self, Visitor};
use ruff_python_ast::{self as ast, BoolOp, Expr, Stmt, UnaryOp};
use ruff_text_size::{Ranged, TextRange};
use std::collections::{BTreeMap, BTreeSet};

/// Collects the uses of a module.
pub(super) fn of(text: &str, module: &ast::ModModule) -> StateUse {
    let mut names = Names { text, ..Names::default() };
    names.visit_body(&module.body);
    let mut reader = Reader { text, names, found: StateUse::default() };
    reader.block(&module.body);
    let mut inner = Inner { reader: &mut reader };
    inner.visit_body(&module.body);
    reader.found
}

fn worded(text: &str, range: TextRange) -> String {
    compared(text.get(range.start().to_usize()..range.end().to_usize()).unwrap_or_default())
}

/// The last name of a callee, and the object that it is called on.
fn callee(call: &ast::ExprCall) -> (&str, Option<&Expr>) {
    match &*call.func {
        Expr::Name(name) => (name.id.as_str(), None),
        Expr::Attribute(attribute) => (attribute.attr.as_str(), Some(&attribute.value)),
        _ => ("", None),
    }
}

/// Variables that hold the result of a test, and functions that return one.
#[derive(Default)]
struct Names<'t> {
    text: &'t str,
    variables: BTreeMap<String, Vec<Tested>>,
    functions: BTreeSet<String>,
}

impl<'a> Visitor<'a> for Names<'_> {
    fn visit_stmt(&mut self, statement: &'a Stmt) {
        match statement {
            Stmt::Assign(assignment) => {
                if let [Expr::Name(name)] = assignment.targets.as_slice() {
                    let tested = self.tested(&assignment.value, false);
                    if !tested.is_empty() {
                        self.variables.insert(name.id.to_string(), tested);
                    }
                }
            }
            Stmt::FunctionDef(function) if returns_test(self, &function.body) => {
                self.functions.insert(function.name.to_string());
            }
            _ => {}
        }
        visitor::walk_stmt(self, statement);
    }
}

fn returns_test(names: &Names<'_>, body: &[Stmt]) -> bool {
    body.iter().any(|statement| match statement {
        Stmt::Return(value) => {
            value.value.as_deref().is_some_and(|value| !names.tested(value, false).is_empty())
        }
        _ => false,
    })
}

impl Names<'_> {
    /// The paths that an expression tests.
    fn tested(&self, expression: &Expr, negated: bool) -> Vec<Tested> {
        match expression {
            Expr::UnaryOp(operation) if operation.op == UnaryOp::Not => {
                self.tested(&operation.operand, !negated)
            }
            Expr::BoolOp(operation) => {
                operation.values.iter().flat_map(|value| self.tested(value, negated)).collect()
            }
            Expr::Compare(comparison) => {
                let sides = std::iter::once(&*comparison.left).chain(comparison.comparators.iter());
                sides.flat_map(|side| self.tested(side, negated)).collect()
            }
            Expr::Named(named) => self.tested(&named.value, negated),
            Expr::Name(name) => {
                let known = self.variables.get(name.id.as_str()).cloned().unwrap_or_default();
                known
                    .into_iter()
                    .map(|tested| Tested { negated: tested.negated != negated, ..tested })
                    .collect()
            }
            Expr::Call(call) => self.tested_by(call, negated),
            _ => Vec::new(),
        }
    }

    fn tested_by(&self, call: &ast::ExprCall, negated: bool) -> Vec<Tested> {
        let (name, on) = callee(call);
        if !TESTS.contains(&name) && !self.functions.contains(name) {
            // `all(exists(x) for x in …)`, `bool(exists(x))`
            let arguments = call.arguments.args.iter();
            return arguments.flat_map(|argument| self.tested(argument, negated)).collect();
        }
        let path = call.arguments.args.first().or(on);
        let path = path.map(|path| worded(self.text, path.range()));
        path.into_iter().map(|path| Tested { path, negated }).collect()
    }
}

struct Reader<'t> {
    text: &'t str,
    names: Names<'t>,
    found: StateUse,
}

impl Reader<'_> {
    fn block(&mut self, statements: &[Stmt]) {
        for (place, statement) in statements.iter().enumerate() {
            let after = statements.get(place + 1..).unwrap_or_default();
            match statement {
                Stmt::If(branch) => {
                    let mut yes = (Some(&*branch.test), branch.body.as_slice());
                    for clause in &branch.elif_else_clauses {
                        self.branch(yes.0, yes.1, &clause.body, after);
                        if clause.test.is_some() {
                            yes = (clause.test.as_ref(), &clause.body);
                        }
                    }
                    self.branch(yes.0, yes.1, &[], after);
                }
                Stmt::While(turn) => {
                    self.branch(Some(&turn.test), &turn.body, &[], after);
                    // It goes on until nothing is there: it looks for a name that is free.
                    let tested = self.names.tested(&turn.test, false);
                    self.found.resumes |= tested.iter().any(|tested| !tested.negated);
                    self.searches(&turn.body);
                }
                Stmt::For(turn) => self.searches(&turn.body),
                Stmt::Try(attempt) => self.attempt(&attempt.body),
                _ => {}
            }
        }
    }

    fn branch(&mut self, test: Option<&Expr>, body: &[Stmt], otherwise: &[Stmt], after: &[Stmt]) {
        let Some(test) = test else { return };
        let direct = Names { text: self.text, ..Names::default() }.tested(test, false);
        for tested in self.names.tested(test, false) {
            let (there, missing) = if tested.negated { (otherwise, body) } else { (body, otherwise) };
            // Where the other branch leaves, the following code runs only for an existing path; or that branch may have created it.
            let goes_on = leaves(missing) || self.passes(missing, &tested.path);
            let resumes = self.passes(there, &tested.path) || goes_on && self.passes(after, &tested.path);
            self.found.resumes |= resumes;
            let acts = acts(there) || goes_on && acts(after);
            self.found.harmless += usize::from(!resumes && !acts && direct.contains(&tested));
            self.found.makes_directories |= self.makes(missing, &tested.path)
                || (tested.negated || leaves(there)) && self.makes(after, &tested.path);
        }
    }

    /// A turn of a loop that is the last one where nothing is there looks for a name that is free.
    fn searches(&mut self, body: &[Stmt]) {
        for (place, statement) in body.iter().enumerate() {
            let after = body.get(place + 1..).unwrap_or_default();
            match statement {
                Stmt::If(branch) => {
                    let otherwise = branch.elif_else_clauses.iter().rfind(|clause| clause.test.is_none());
                    let otherwise = otherwise.map_or(&[][..], |clause| clause.body.as_slice());
                    for tested in self.names.tested(&branch.test, false) {
                        let (there, missing) = if tested.negated {
                            (otherwise, branch.body.as_slice())
                        } else {
                            (branch.body.as_slice(), otherwise)
                        };
                        let goes_on = matches!(there.last(), Some(Stmt::Continue(_)));
                        self.found.resumes |= ends(missing) || (goes_on && ends(after));
                    }
                }
                // `try: mkdir(name); break` until one is free
                Stmt::Try(attempt) => {
                    let is_taken =
                        attempt.handlers.iter().any(|ast::ExceptHandler::ExceptHandler(handler)| {
                            let kind = handler.type_.as_deref();
                            kind.is_some_and(|kind| {
                                worded(self.text, kind.range()).contains("FileExistsError")
                            }) && !ends(&handler.body)
                                && !matches!(handler.body.last(), Some(Stmt::Raise(_)))
                        });
                    self.found.resumes |= is_taken
                        && [attempt.body.as_slice(), attempt.orelse.as_slice(), after].into_iter().any(ends);
                }
                _ => {}
            }
        }
    }

    /// `try: stat(p); open(p)` reads an existing file.
    fn attempt(&mut self, body: &[Stmt]) {
        for (place, statement) in body.iter().enumerate() {
            let mut calls = Calls::default();
            calls.visit_stmt(statement);
            let tested = calls.found.iter().flat_map(|call| self.names.tested_by(call, false));
            let tested: Vec<Tested> = tested.collect();
            let after = body.get(place + 1..).unwrap_or_default();
            self.found.resumes |= tested.iter().any(|tested| self.passes(after, &tested.path));
        }
    }

    fn passes(&self, statements: &[Stmt], path: &str) -> bool {
        self.has_call(statements, path, |name| !is_harmless(name))
    }

    fn makes(&self, statements: &[Stmt], path: &str) -> bool {
        self.has_call(statements, path, makes_directory)
    }

    /// Whether a call selected by its name receives `path`, by itself or inside another argument.
    fn has_call(&self, statements: &[Stmt], path: &str, wanted: impl Fn(&str) -> bool) -> bool {
        let mut calls = Calls::default();
        calls.visit_body(statements);
        calls.found.iter().any(|call| wanted(callee(call).0) && self.gives(call, path))
    }

    fn gives(&self, call: &ast::ExprCall, path: &str) -> bool {
        let mut parts = Parts { text: self.text, path, found: false };
        let keywords = call.arguments.keywords.iter().map(|keyword| &keyword.value);
        for argument in call.arguments.args.iter().chain(keywords).chain(callee(call).1) {
            parts.visit_expr(argument);
        }
        parts.found
    }
}

/// Whether there is a call that may use anything: the path may be spelled differently there.
fn acts(statements: &[Stmt]) -> bool {
    let mut calls = Calls::default();
    calls.visit_body(statements);
    calls.found.iter().any(|call| !is_harmless(callee(call).0) && !is_exit(callee(call).0))
}

fn is_exit(name: &str) -> bool {
    matches!(name, "exit" | "_exit" | "quit" | "abort")
}

/// Whether the statements end the loop that they are in.
fn ends(statements: &[Stmt]) -> bool {
    matches!(statements.last(), Some(Stmt::Break(_) | Stmt::Return(_)))
}

fn leaves(statements: &[Stmt]) -> bool {
    match statements.last() {
        Some(Stmt::Return(_) | Stmt::Raise(_) | Stmt::Continue(_) | Stmt::Break(_)) => true,
        Some(Stmt::Expr(last)) => match &*last.value {
            Expr::Call(call) => is_exit(callee(call).0),
            _ => false,
        },
        _ => false,
    }
}

/// Every block and every expression below the first level.
struct Inner<'r, 't> {
    reader: &'r mut Reader<'t>,
}

impl<'a> Visitor<'a> for Inner<'_, '_> {
    fn visit_body(&mut self, body: &'a [Stmt]) {
        self.reader.block(body);
        visitor::walk_body(self, body);
    }

    fn visit_expr(&mut self, expression: &'a Expr) {
        match expression {
            Expr::If(choice) => {
                for tested in self.reader.names.tested(&choice.test, false) {
                    let there = if tested.negated { &choice.orelse } else { &choice.body };
                    self.reader.found.resumes |= self.reader.uses(there, &tested.path);
                }
            }
            Expr::BoolOp(operation) => {
                for (place, value) in operation.values.iter().enumerate() {
                    let after = operation.values.get(place + 1..).unwrap_or_default();
                    for tested in self.reader.names.tested(value, operation.op == BoolOp::Or) {
                        let used = after.iter().any(|after| self.reader.uses(after, &tested.path));
                        self.reader.found.resumes |= !tested.negated && used;
                    }
                }
            }
            _ => {}
        }
        visitor::walk_expr(self, expression);
    }
}

impl Reader<'_> {
    fn uses(&self, expression: &Expr, path: &str) -> bool {
        let mut calls = Calls::default();
        calls.visit_expr(expression);
        calls.found.iter().any(|call| !is_harmless(callee(call).0) && self.gives(call, path))
    }
}

#[derive(Default)]
struct Calls<'a> {
    found: Vec<&'a ast::ExprCall>,
}

impl<'a> Visitor<'a> for Calls<'a> {
    fn visit_expr(&mut self, expression: &'a Expr) {
        if let Expr::Call(call) = expression {
            self.found.push(call);
        }
        visitor::walk_expr(self, expression);
    }
}

/// Whether an expression contains `path`.
struct Parts<'t> {
    text: &'t str,
    path: &'t str,
    found: bool,
}

impl<'a> Visitor<'a> for Parts<'_> {
    fn visit_expr(&mut self, expression: &'a Expr) {
        self.found |= worded(self.text, expression.range()) == self.path;
        if !self.found {
            visitor::walk_expr(self, expression);
        }
    }
}
