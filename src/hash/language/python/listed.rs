//! What Python code lists, and the literal filters that it puts on that.

use super::super::listed::{Filter, Listed, is_special};
use ruff_python_ast::visitor::{self, Visitor};
use ruff_python_ast::{self as ast, CmpOp, Expr, InterpolatedStringElement, Stmt};
use ruff_text_size::{Ranged, TextRange};
use std::collections::BTreeSet;

/// Calls that list one directory, or all below it.
const LISTERS: &[&str] = &["listdir", "scandir", "iterdir", "walk", "fwalk"];
/// Others that list: what they let through is not known.
const OTHERS: &[&str] = &["make_archive", "copytree", "iter_modules", "walk_packages"];
/// Calls that take a pattern.
const GLOBS: &[&str] = &["glob", "iglob", "rglob", "glob1", "glob0"];
/// Calls that pass on what they are given, in an order.
const ORDERS: &[&str] = &["sorted", "list", "set", "tuple", "reversed"];

/// What a module lists.
pub(super) fn of(_: &str, module: &ast::ModModule) -> Listed {
    let mut reader = Reader { listed: Listed::default(), understood: BTreeSet::new() };
    reader.visit_body(&module.body);
    reader.listed
}

struct Reader {
    listed: Listed,
    /// Where names of listers stand that are accounted for.
    understood: BTreeSet<u32>,
}

/// The last name of an expression.
fn last_name(expression: &Expr) -> &str {
    match expression {
        Expr::Name(name) => name.id.as_str(),
        Expr::Attribute(attribute) => attribute.attr.as_str(),
        _ => "",
    }
}

fn is_lister(name: &str) -> bool {
    LISTERS.contains(&name) || GLOBS.contains(&name) || OTHERS.contains(&name)
}

/// A literal text, in which what is computed stands for anything.
fn literal(expression: &Expr) -> Option<(String, bool)> {
    match expression {
        Expr::StringLiteral(text) => Some((text.value.to_str().to_owned(), true)),
        Expr::FString(text) => {
            let mut whole = String::new();
            for part in &text.value {
                match part {
                    ast::FStringPart::Literal(literal) => whole.push_str(literal.as_str()),
                    ast::FStringPart::FString(inner) => {
                        for element in &inner.elements {
                            match element {
                                InterpolatedStringElement::Literal(literal) => whole.push_str(&literal.value),
                                InterpolatedStringElement::Interpolation(_) => whole.push('*'),
                            }
                        }
                    }
                }
            }
            Some((whole, false))
        }
        _ => None,
    }
}

fn place(range: TextRange) -> u32 {
    // The last name of an expression ends where it ends.
    range.end().to_u32()
}

impl Reader {
    fn understands(&mut self, function: &Expr) {
        self.understood.insert(place(function.range()));
    }

    /// The call that lists, below calls that pass its names on.
    fn listing(expression: &Expr) -> Option<&ast::ExprCall> {
        let Expr::Call(call) = expression else { return None };
        let name = last_name(&call.func);
        if ORDERS.contains(&name) {
            return Self::listing(call.arguments.args.first()?);
        }
        LISTERS.iter().take(3).any(|lister| *lister == name).then_some(call)
    }

    fn filtered(&mut self, call: &ast::ExprCall, patterns: Vec<String>) {
        let directory = match call.arguments.args.first() {
            None if matches!(&*call.func, Expr::Name(_)) => Some(".".to_owned()),
            None => match &*call.func {
                Expr::Attribute(attribute) if last_name(&attribute.value) == "os" => Some(".".to_owned()),
                _ => None,
            },
            Some(argument) => literal(argument).filter(|(_, whole)| *whole).map(|(text, _)| text),
        };
        self.understands(&call.func);
        let filter = |pattern: String| Filter {
            directory: directory.clone(),
            pattern: pattern.into_bytes(),
            is_last: true,
        };
        self.listed.filters.extend(patterns.into_iter().map(filter));
    }

    /// The patterns without which a condition on `name` does not hold.
    fn patterns(condition: &Expr, name: &str) -> Option<Vec<String>> {
        match condition {
            Expr::BoolOp(operation) if operation.op == ast::BoolOp::And => {
                operation.values.iter().find_map(|value| Self::patterns(value, name))
            }
            Expr::BoolOp(operation) => {
                let each = operation.values.iter().map(|value| Self::patterns(value, name));
                Some(each.collect::<Option<Vec<_>>>()?.concat())
            }
            Expr::Call(call) => Self::pattern_of(call, name),
            Expr::Compare(comparison) => {
                let ([CmpOp::Eq], [right]) = (&*comparison.ops, &*comparison.comparators) else {
                    return None;
                };
                let (text, whole) = literal(right)?;
                let is_it = |value: &Expr| last_name_of(value, name);
                match &*comparison.left {
                    Expr::Attribute(attribute)
                        if attribute.attr.as_str() == "suffix" && is_it(&attribute.value) && whole =>
                    {
                        Some(vec![format!("*{text}")])
                    }
                    left if is_it(left) && whole => Some(vec![text]),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    fn pattern_of(call: &ast::ExprCall, name: &str) -> Option<Vec<String>> {
        let texts = || -> Option<Vec<String>> {
            match call.arguments.args.first()? {
                Expr::Tuple(texts) => texts
                    .iter()
                    .map(|text| literal(text).filter(|(_, whole)| *whole).map(|(text, _)| text))
                    .collect(),
                text => literal(text).filter(|(_, whole)| *whole).map(|(text, _)| vec![text]),
            }
        };
        match &*call.func {
            Expr::Attribute(attribute) if last_name_of(&attribute.value, name) => {
                let texts = texts()?;
                if texts.iter().any(|text| is_special(text.as_bytes())) || call.arguments.args.len() != 1 {
                    return None;
                }
                match attribute.attr.as_str() {
                    "endswith" => Some(texts.iter().map(|text| format!("*{text}")).collect()),
                    "startswith" => Some(texts.iter().map(|text| format!("{text}*")).collect()),
                    _ => None,
                }
            }
            function if matches!(last_name(function), "fnmatch" | "fnmatchcase") => {
                let [value, pattern] = &*call.arguments.args else { return None };
                let (pattern, _) = literal(pattern).filter(|_| last_name_of(value, name))?;
                Some(vec![pattern])
            }
            _ => None,
        }
    }

    /// `for x in listing(): if …: …`, or `if not …: continue` at first.
    fn turns(&mut self, target: &Expr, iterated: &Expr, body: &[Stmt]) {
        let (Some(call), Expr::Name(name)) = (Self::listing(iterated), target) else { return };
        let found = match body {
            [Stmt::If(branch)] if branch.elif_else_clauses.is_empty() => {
                Self::patterns(&branch.test, &name.id)
            }
            [Stmt::If(branch), ..]
                if branch.elif_else_clauses.is_empty()
                    && matches!(branch.body.as_slice(), [Stmt::Continue(_)]) =>
            {
                match &*branch.test {
                    Expr::UnaryOp(operation) if operation.op == ast::UnaryOp::Not => {
                        Self::patterns(&operation.operand, &name.id)
                    }
                    _ => None,
                }
            }
            _ => None,
        };
        if let Some(patterns) = found {
            self.filtered(call, patterns);
        }
    }

    fn glob(&mut self, call: &ast::ExprCall) {
        let name = last_name(&call.func);
        let takes_directory = call.arguments.keywords.iter().any(|keyword| {
            keyword.arg.as_ref().is_some_and(|arg| matches!(arg.as_str(), "root_dir" | "dir_fd"))
        });
        let is_module = match &*call.func {
            Expr::Name(_) => true,
            Expr::Attribute(attribute) => matches!(&*attribute.value, Expr::Name(name) if name.id == "glob"),
            _ => false,
        };
        let pattern = match (call.arguments.args.first(), call.arguments.args.len()) {
            (Some(Expr::Call(join)), 1) if last_name(&join.func) == "join" && is_module => {
                // Only the last part of a path that is put together is known.
                join.arguments.args.last().and_then(literal).map(|(text, _)| (text, false))
            }
            (Some(pattern), 1) => literal(pattern),
            _ => None,
        };
        let Some((pattern, whole)) = pattern.filter(|_| matches!(name, "glob" | "iglob" | "rglob")) else {
            return;
        };
        self.understands(&call.func);
        if let Expr::Attribute(attribute) = &*call.func {
            self.understood.insert(place(attribute.value.range()));
        }
        let known = is_module && whole && !takes_directory && name != "rglob";
        if name == "rglob" || pattern.contains("**") {
            self.listed.filters.push(Filter { directory: None, pattern: b"*".to_vec(), is_last: false });
        }
        if !is_special(pattern.as_bytes()) {
            // It is looked for, unless it is looked for in every directory.
            let part = pattern.rsplit('/').next().unwrap_or_default();
            self.listed.filters.push(Filter { directory: None, pattern: part.into(), is_last: true });
        }
        self.listed.add_path(known.then_some("."), pattern.as_bytes());
    }
}

/// Whether an expression is the variable `name`, or the name of the file that it is.
fn last_name_of(expression: &Expr, name: &str) -> bool {
    match expression {
        Expr::Name(found) => found.id.as_str() == name,
        Expr::Attribute(attribute) => {
            attribute.attr.as_str() == "name" && last_name_of(&attribute.value, name)
        }
        _ => false,
    }
}

impl<'a> Visitor<'a> for Reader {
    fn visit_stmt(&mut self, statement: &'a Stmt) {
        match statement {
            Stmt::For(turn) => self.turns(&turn.target, &turn.iter, &turn.body),
            Stmt::Import(import) => {
                self.listed.anything |=
                    import.names.iter().any(|name| name.asname.is_some() && is_lister(name.name.as_str()));
            }
            Stmt::ImportFrom(import) => {
                self.listed.anything |=
                    import.names.iter().any(|name| name.asname.is_some() && is_lister(name.name.as_str()));
            }
            _ => {}
        }
        visitor::walk_stmt(self, statement);
    }

    fn visit_comprehension(&mut self, comprehension: &'a ast::Comprehension) {
        if let (Some(call), Expr::Name(name)) = (Self::listing(&comprehension.iter), &comprehension.target) {
            let found = comprehension.ifs.iter().find_map(|condition| Self::patterns(condition, &name.id));
            if let Some(patterns) = found {
                self.filtered(call, patterns);
            }
        }
        visitor::walk_comprehension(self, comprehension);
    }

    fn visit_expr(&mut self, expression: &'a Expr) {
        match expression {
            Expr::Compare(comparison) => {
                if let ([CmpOp::In | CmpOp::NotIn], [right]) = (&*comparison.ops, &*comparison.comparators)
                    && let (Some(call), Some((text, _))) = (Self::listing(right), literal(&comparison.left))
                {
                    self.filtered(call, vec![text]);
                }
            }
            Expr::Call(call) if GLOBS.contains(&last_name(&call.func)) => self.glob(call),
            Expr::Call(call) if matches!(last_name(&call.func), "listdir" | "scandir") => {
                let is_literal = call.arguments.args.first().is_none_or(|path| literal(path).is_some());
                if is_literal && !self.understood.contains(&place(call.func.range())) {
                    self.filtered(call, vec!["*".to_owned()]);
                }
            }
            Expr::Call(call) if last_name(&call.func) == "filter" => {
                // `fnmatch.filter(os.listdir(d), "*.csv")`
                if let [listing, pattern] = &*call.arguments.args
                    && let (Some(listing), Some((pattern, _))) = (Self::listing(listing), literal(pattern))
                {
                    self.filtered(listing, vec![pattern]);
                }
            }
            Expr::Name(name) => {
                self.listed.anything |=
                    is_lister(name.id.as_str()) && !self.understood.contains(&place(name.range()));
            }
            Expr::Attribute(attribute) => {
                self.listed.anything |= is_lister(attribute.attr.as_str())
                    && !self.understood.contains(&place(attribute.range()));
            }
            Expr::StringLiteral(text) => self.listed.anything |= is_lister(text.value.to_str()),
            _ => {}
        }
        visitor::walk_expr(self, expression);
    }
}
