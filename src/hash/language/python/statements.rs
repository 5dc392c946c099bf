//! The canonical bytes of Python statements and their parts.
//!
//! Nodes are destructured without `..`, so that a field added by a newer parser cannot be forgotten.

use super::writer::{PASS, Writer};
use ruff_python_ast::{self as ast, Stmt};

impl<'source> Writer<'source> {
    #[expect(clippy::too_many_lines, reason = "one arm for each kind of statement, most of one line")]
    pub(super) fn statement(&mut self, statement: &'source Stmt) {
        match statement {
            Stmt::Pass(ast::StmtPass { range: _, node_index: _ }) => self.tag(PASS),
            Stmt::Break(ast::StmtBreak { range: _, node_index: _ }) => self.tag(2),
            Stmt::Continue(ast::StmtContinue { range: _, node_index: _ }) => self.tag(3),
            Stmt::Expr(ast::StmtExpr { value, range: _, node_index: _ }) => {
                self.tag(4);
                self.expression(value);
            }
            Stmt::Return(ast::StmtReturn { value, range: _, node_index: _ }) => {
                self.tag(5);
                self.optional_expression(value.as_deref());
            }
            Stmt::Delete(ast::StmtDelete { targets, range: _, node_index: _ }) => {
                self.tag(6);
                self.expressions(targets);
            }
            Stmt::Assign(ast::StmtAssign { targets, value, range: _, node_index: _ }) => {
                self.tag(7);
                self.expressions(targets);
                self.expression(value);
            }
            Stmt::AugAssign(ast::StmtAugAssign { target, op, value, range: _, node_index: _ }) => {
                self.tag(8);
                self.expression(target);
                self.operator(*op);
                self.expression(value);
            }
            Stmt::AnnAssign(ast::StmtAnnAssign {
                target,
                annotation,
                value,
                simple,
                range: _,
                node_index: _,
            }) => {
                self.tag(9);
                self.expression(target);
                self.expression(annotation);
                self.optional_expression(value.as_deref());
                self.flag(*simple);
            }
            Stmt::TypeAlias(ast::StmtTypeAlias { name, type_params, value, range: _, node_index: _ }) => {
                self.tag(10);
                self.expression(name);
                self.type_parameters(type_params.as_deref());
                self.expression(value);
            }
            Stmt::FunctionDef(function) => {
                self.function_part(function.name.as_str(), |to| to.function(function));
            }
            Stmt::ClassDef(class) => self.class_part(class.name.as_str(), |to| to.class(class)),
            Stmt::For(ast::StmtFor { is_async, target, iter, body, orelse, range: _, node_index: _ }) => {
                self.tag(13);
                self.flag(*is_async);
                self.expression(target);
                self.expression(iter);
                self.body(body, false);
                self.body(orelse, false);
            }
            Stmt::While(ast::StmtWhile { test, body, orelse, range: _, node_index: _ }) => {
                self.tag(14);
                self.expression(test);
                self.body(body, false);
                self.body(orelse, false);
            }
            Stmt::If(ast::StmtIf { test, body, elif_else_clauses, range: _, node_index: _ }) => {
                self.tag(15);
                self.expression(test);
                self.body(body, false);
                self.length(elif_else_clauses.len());
                for ast::ElifElseClause { test, body, range: _, node_index: _ } in elif_else_clauses {
                    self.optional_expression(test.as_ref());
                    self.body(body, false);
                }
            }
            Stmt::With(ast::StmtWith { is_async, items, body, range: _, node_index: _ }) => {
                self.tag(16);
                self.flag(*is_async);
                self.list(
                    items,
                    |to, ast::WithItem { context_expr, optional_vars, range: _, node_index: _ }| {
                        to.expression(context_expr);
                        to.optional_expression(optional_vars.as_deref());
                    },
                );
                self.body(body, false);
            }
            Stmt::Match(ast::StmtMatch { subject, cases, range: _, node_index: _ }) => {
                self.tag(17);
                self.expression(subject);
                self.length(cases.len());
                for ast::MatchCase { pattern, guard, body, range: _, node_index: _ } in cases {
                    self.pattern(pattern);
                    self.optional_expression(guard.as_deref());
                    self.body(body, false);
                }
            }
            Stmt::Raise(ast::StmtRaise { exc, cause, range: _, node_index: _ }) => {
                self.tag(18);
                self.optional_expression(exc.as_deref());
                self.optional_expression(cause.as_deref());
            }
            Stmt::Try(ast::StmtTry {
                body,
                handlers,
                orelse,
                finalbody,
                is_star,
                range: _,
                node_index: _,
            }) => {
                self.tag(19);
                self.flag(*is_star);
                self.body(body, false);
                self.length(handlers.len());
                for handler in handlers {
                    self.handler(handler);
                }
                self.body(orelse, false);
                self.body(finalbody, false);
            }
            Stmt::Assert(ast::StmtAssert { test, msg, range: _, node_index: _ }) => {
                self.tag(20);
                self.expression(test);
                self.optional_expression(msg.as_deref());
            }
            Stmt::Import(ast::StmtImport { names, is_lazy, range: _, node_index: _ }) => {
                self.tag(21);
                self.flag(*is_lazy);
                self.aliases(names);
            }
            Stmt::ImportFrom(ast::StmtImportFrom {
                module,
                names,
                level,
                is_lazy,
                range: _,
                node_index: _,
            }) => {
                self.tag(22);
                self.flag(*is_lazy);
                self.length(usize::try_from(*level).unwrap_or(usize::MAX));
                self.optional_name(module.as_ref());
                self.aliases(names);
            }
            Stmt::Global(ast::StmtGlobal { names, range: _, node_index: _ }) => {
                self.tag(23);
                self.list(names, Self::name);
            }
            Stmt::Nonlocal(ast::StmtNonlocal { names, range: _, node_index: _ }) => {
                self.tag(24);
                self.list(names, Self::name);
            }
            Stmt::IpyEscapeCommand(ast::StmtIpyEscapeCommand { kind, value, range: _, node_index: _ }) => {
                self.tag(25);
                self.text(kind.as_str());
                self.text(value);
            }
        }
    }

    fn function(&mut self, function: &'source ast::StmtFunctionDef) {
        let ast::StmtFunctionDef {
            is_async,
            decorator_list,
            name,
            type_params,
            parameters,
            returns,
            body,
            range: _,
            node_index: _,
        } = function;
        self.tag(11);
        self.flag(*is_async);
        self.decorators(decorator_list);
        self.name(name);
        self.type_parameters(type_params.as_deref());
        self.parameters(parameters);
        self.optional_expression(returns.as_deref());
        self.body(body, true);
    }

    fn class(&mut self, class: &'source ast::StmtClassDef) {
        let ast::StmtClassDef { decorator_list, name, type_params, arguments, body, range: _, node_index: _ } =
            class;
        self.tag(12);
        self.decorators(decorator_list);
        self.name(name);
        self.type_parameters(type_params.as_deref());
        // `class A():` equals `class A:`.
        match arguments.as_deref() {
            Some(arguments) => self.arguments(arguments),
            None => self.no_arguments(),
        }
        self.body(body, true);
    }

    fn handler(&mut self, handler: &'source ast::ExceptHandler) {
        let ast::ExceptHandler::ExceptHandler(ast::ExceptHandlerExceptHandler {
            type_,
            name,
            body,
            range: _,
            node_index: _,
        }) = handler;
        self.optional_expression(type_.as_deref());
        self.optional_name(name.as_ref());
        self.body(body, false);
    }

    fn decorators(&mut self, decorators: &[ast::Decorator]) {
        self.list(decorators, |to, ast::Decorator { expression, range: _, node_index: _ }| {
            to.expression(expression);
        });
    }

    fn aliases(&mut self, aliases: &[ast::Alias]) {
        self.list(aliases, |to, ast::Alias { name, asname, range: _, node_index: _ }| {
            to.name(name);
            to.optional_name(asname.as_ref());
        });
    }

    fn type_parameters(&mut self, parameters: Option<&ast::TypeParams>) {
        let Some(ast::TypeParams { type_params, range: _, node_index: _ }) = parameters else {
            self.length(0);
            return;
        };
        self.list(type_params, |to, parameter| match parameter {
            ast::TypeParam::TypeVar(ast::TypeParamTypeVar {
                name,
                bound,
                default,
                range: _,
                node_index: _,
            }) => {
                to.tag(0);
                to.name(name);
                to.optional_expression(bound.as_deref());
                to.optional_expression(default.as_deref());
            }
            ast::TypeParam::TypeVarTuple(ast::TypeParamTypeVarTuple {
                name,
                default,
                range: _,
                node_index: _,
            }) => {
                to.tag(1);
                to.name(name);
                to.optional_expression(default.as_deref());
            }
            ast::TypeParam::ParamSpec(ast::TypeParamParamSpec { name, default, range: _, node_index: _ }) => {
                to.tag(2);
                to.name(name);
                to.optional_expression(default.as_deref());
            }
        });
    }

    fn pattern(&mut self, pattern: &ast::Pattern) {
        match pattern {
            ast::Pattern::MatchValue(ast::PatternMatchValue { value, range: _, node_index: _ }) => {
                self.tag(0);
                self.expression(value);
            }
            ast::Pattern::MatchSingleton(ast::PatternMatchSingleton { value, range: _, node_index: _ }) => {
                self.tag(match value {
                    ast::Singleton::None => 1,
                    ast::Singleton::True => 2,
                    ast::Singleton::False => 3,
                });
            }
            ast::Pattern::MatchSequence(ast::PatternMatchSequence { patterns, range: _, node_index: _ }) => {
                self.tag(4);
                self.list(patterns, Self::pattern);
            }
            ast::Pattern::MatchMapping(ast::PatternMatchMapping {
                keys,
                patterns,
                rest,
                range: _,
                node_index: _,
            }) => {
                self.tag(5);
                self.expressions(keys);
                self.list(patterns, Self::pattern);
                self.optional_name(rest.as_ref());
            }
            ast::Pattern::MatchClass(ast::PatternMatchClass { cls, arguments, range: _, node_index: _ }) => {
                let ast::PatternArguments { patterns, keywords, range: _, node_index: _ } = arguments;
                self.tag(6);
                self.expression(cls);
                self.list(patterns, Self::pattern);
                self.list(keywords, |to, ast::PatternKeyword { attr, pattern, range: _, node_index: _ }| {
                    to.name(attr);
                    to.pattern(pattern);
                });
            }
            ast::Pattern::MatchStar(ast::PatternMatchStar { name, range: _, node_index: _ }) => {
                self.tag(7);
                self.optional_name(name.as_ref());
            }
            ast::Pattern::MatchAs(ast::PatternMatchAs { pattern, name, range: _, node_index: _ }) => {
                self.tag(8);
                self.optional(pattern.as_deref(), Self::pattern);
                self.optional_name(name.as_ref());
            }
            ast::Pattern::MatchOr(ast::PatternMatchOr { patterns, range: _, node_index: _ }) => {
                self.tag(9);
                self.list(patterns, Self::pattern);
            }
        }
    }
}
