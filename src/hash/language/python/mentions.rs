//! Collects what a Python program uses: imports, environment variables, and words that affect its normal form.
//!
//! Overestimates on purpose: a word counts wherever it is an identifier, and also as a complete string, since `getattr`
//! accepts strings.

use super::super::{Import, Parsed};
use super::environment;
use super::own_file;
use super::words;
use ruff_python_ast::visitor::{self, Visitor};
use ruff_python_ast::{self as ast, Expr, Stmt};
use std::collections::BTreeSet;

/// Everything that a module uses; the normal form is left empty.
pub(super) fn of(module: &ast::ModModule) -> Parsed {
    let mut mentions = Mentions::default();
    mentions.visit_body(&module.body);
    let mut parsed = mentions.parsed;
    // A message of a log has attributes for the line.
    parsed.exact |= mentions.sees_messages && mentions.takes_attributes;
    parsed.variables = mentions.variables.into_iter().collect();
    parsed
}

#[derive(Default)]
pub(super) struct Mentions {
    pub(super) parsed: Parsed,
    pub(super) variables: BTreeSet<Vec<u8>>,
    /// It may see messages of a log: it has a formatter, handler or filter of its own.
    sees_messages: bool,
    /// It takes all attributes of an object.
    takes_attributes: bool,
}

impl<'a> Visitor<'a> for Mentions {
    fn visit_stmt(&mut self, statement: &'a Stmt) {
        match statement {
            // A docstring, or text without a reader.
            Stmt::Expr(text) if text.value.is_string_literal_expr() => return,
            Stmt::Import(import) => self.import(&import.names),
            Stmt::ImportFrom(import) => self.import_from(import),
            // A metaclass receives the docstring of each class.
            Stmt::ClassDef(class) => {
                self.parsed.reads_docstrings |= class.bases().iter().any(is_metaclass);
                self.sees_messages |= class.bases().iter().any(is_of_log);
            }
            Stmt::AugAssign(assignment) if environment::touches(&assignment.target) => {
                // `os.environ["X"] += …` reads what it writes.
                environment::read_target(self, &assignment.target);
                self.visit_expr(&assignment.value);
                return;
            }
            Stmt::Assign(assignment) if assignment.targets.iter().any(changes_search_path) => {
                self.parsed.computed_imports = true;
            }
            _ => {}
        }
        visitor::walk_stmt(self, statement);
    }

    fn visit_pattern_keyword(&mut self, keyword: &'a ast::PatternKeyword) {
        self.word(keyword.attr.as_str());
        visitor::walk_pattern_keyword(self, keyword);
    }

    fn visit_expr(&mut self, expression: &'a Expr) {
        if environment::visit(self, expression) || own_file::visit(self, expression) {
            return;
        }
        if let Expr::Call(call) = expression
            && names_attribute(call)
        {
            self.visit_arguments(&call.arguments);
            return;
        }
        match expression {
            Expr::Name(name) => {
                self.word(name.id.as_str());
                // Code built from text may use anything.
                self.parsed.reads_docstrings |=
                    ["exec", "eval", "execfile", "compile"].contains(&name.id.as_str());
            }
            Expr::Attribute(attribute) => {
                // `builtins.open(…)`; replacing a builtin changes how modules are loaded.
                if attribute.ctx.is_load()
                    && matches!(&*attribute.value, Expr::Name(name) if name.id.as_str() == "builtins")
                {
                    self.word(attribute.attr.as_str());
                    return;
                }
                if let Some(inner) = harmlessly(attribute) {
                    self.word(attribute.attr.as_str());
                    self.visit_expr(inner);
                    return;
                }
                self.word(attribute.attr.as_str());
                if attribute.attr.as_str() == "script" && last_name(&attribute.value) == Some("jit") {
                    // TorchScript compiles the source text, including type comments.
                    self.parsed.exact = true;
                }
            }
            Expr::StringLiteral(string) => {
                let text = string.value.to_str();
                // `"{0.__doc__}".format(f)`
                self.parsed.reads_docstrings |= text.contains("doc__") || text.contains(".__");
                if text.len() <= LONGEST_WORD {
                    self.word(text);
                }
            }
            Expr::FString(string) => {
                let texts = string.value.elements().filter_map(|element| element.as_literal());
                for text in texts {
                    self.parsed.reads_docstrings |=
                        text.value.contains("doc__") || text.value.contains(".__");
                }
            }
            Expr::TString(_) => self.parsed.exact = true,
            Expr::Call(call) => self.call(call),
            _ => {}
        }
        visitor::walk_expr(self, expression);
    }
}

/// The object whose attribute reveals nothing about sources: `f` of `f.__code__.co_name`.
fn harmlessly(attribute: &ast::ExprAttribute) -> Option<&Expr> {
    match &*attribute.value {
        Expr::Attribute(code) if words::is_code(&code.attr) => {
            words::is_harmless_of_code(&attribute.attr).then_some(&*code.value)
        }
        _ => None,
    }
}

/// `getattr(x, "name")`, `attrgetter("name")`: the names are literals and are visited as words.
fn names_attribute(call: &ast::ExprCall) -> bool {
    let arguments = &*call.arguments.args;
    let is_literal = |argument: &Expr| matches!(argument, Expr::StringLiteral(_));
    call.arguments.keywords.is_empty()
        && match last_name(&call.func) {
            Some("getattr") => call.func.is_name_expr() && arguments.get(1).is_some_and(is_literal),
            Some("attrgetter") => !arguments.is_empty() && arguments.iter().all(is_literal),
            Some("methodcaller") => arguments.first().is_some_and(is_literal),
            _ => false,
        }
}

/// Length of the longest word that counts, in bytes.
const LONGEST_WORD: usize = 20;

impl Mentions {
    fn word(&mut self, word: &str) {
        self.takes_attributes |= words::takes_attributes(word);
        self.sees_messages |= word == "addFilter";
        let parsed = &mut self.parsed;
        match word {
            _ if words::is_of_sources(word) => parsed.exact = true,
            _ if words::is_of_docstrings(word) => parsed.reads_docstrings = true,
            "listdir" | "scandir" | "glob" | "iglob" | "rglob" | "iterdir" | "walk" | "fwalk" => {
                parsed.lists_directories = true;
            }
            "pkgutil" | "entry_points" | "distributions" | "pkg_resources" | "__path__" => {
                parsed.lists_directories = true;
                parsed.computed_imports = true;
            }
            "exec"
            | "eval"
            | "execfile"
            | "run_path"
            | "run_module"
            | "load_source"
            | "exec_module"
            | "spec_from_file_location"
            | "addsitedir"
            | "zipimport"
            | "runpy" => {
                parsed.computed_imports = true;
            }
            _ => {}
        }
    }

    fn import(&mut self, names: &[ast::Alias]) {
        for alias in names {
            self.module_words(alias.name.as_str());
            // Under another name its uses are not followed.
            self.parsed.exact |= alias.name.as_str() == "builtins" && alias.asname.is_some();
            let import = Import::Module { name: alias.name.as_str().to_owned(), names: Vec::new() };
            self.parsed.imports.push(import);
        }
    }

    fn import_from(&mut self, import: &ast::StmtImportFrom) {
        let name = import.module.as_ref().map(|module| module.as_str().to_owned()).unwrap_or_default();
        self.module_words(&name);
        let names: Vec<String> = import.names.iter().map(|alias| alias.name.as_str().to_owned()).collect();
        for alias in &import.names {
            // Each use of them is visited separately.
            if alias.asname.is_some() || !["attrgetter", "methodcaller"].contains(&alias.name.as_str()) {
                self.word(alias.name.as_str());
            }
            match alias.name.as_str() {
                // As a name it can only be the function of `inspect`, or a re-export of it; `numpy.stack` is a different one.
                "stack" if !is_array_library(&name) => self.parsed.exact = true,
                "script" if name == "torch.jit" => self.parsed.exact = true,
                "environ" | "environb" | "getenv" | "getenvb" if alias.asname.is_some() => {
                    self.parsed.whole_environment = true;
                }
                _ => {}
            }
        }
        self.parsed.imports.push(match import.level {
            0 => Import::Module { name, names },
            level => Import::Relative { level, name, names },
        });
    }

    fn module_words(&mut self, module: &str) {
        let parts = module.split('.').filter(|word| *word != "builtins");
        for word in parts {
            self.word(word);
        }
        self.parsed.exact |= words::sees_sources(module);
    }

    fn call(&mut self, call: &ast::ExprCall) {
        let Some(function) = last_name(&call.func) else { return };
        match function {
            // A composed format may access any name.
            "format" | "format_map" | "vformat" => {
                if let Expr::Attribute(method) = &*call.func {
                    self.parsed.reads_docstrings |= !matches!(
                        &*method.value,
                        Expr::StringLiteral(_) | Expr::Name(_) | Expr::Attribute(_) | Expr::Subscript(_)
                    );
                }
            }
            // What they read may contain `%(lineno)d`.
            "fileConfig" => self.parsed.exact = true,
            "dictConfig" | "basicConfig" | "Formatter" => {
                let named = call.arguments.keywords.iter().filter(|keyword| {
                    keyword.arg.as_ref().is_some_and(|name| ["format", "fmt"].contains(&name.as_str()))
                });
                let mut formats =
                    call.arguments.args.first().into_iter().chain(named.map(|keyword| &keyword.value));
                self.parsed.exact |= formats.any(is_computed);
            }
            "import_module" | "__import__" => self.import_by_call(call),
            "insert" | "append" | "extend" | "remove" | "clear" | "pop" => {
                if let Expr::Attribute(method) = &*call.func
                    && is_search_path(&method.value)
                {
                    self.parsed.computed_imports = true;
                }
            }
            _ => {}
        }
    }

    fn import_by_call(&mut self, call: &ast::ExprCall) {
        let Some(Expr::StringLiteral(name)) = call.arguments.args.first() else {
            self.parsed.computed_imports = true;
            self.parsed.reads_docstrings = true;
            return;
        };
        let text = name.value.to_str();
        let name = text.trim_start_matches('.');
        self.module_words(name);
        let (name, level) = (name.to_owned(), text.len() - name.len());
        self.parsed.imports.push(match u32::try_from(level) {
            Ok(0) => Import::Module { name, names: Vec::new() },
            level => Import::Relative { level: level.unwrap_or(u32::MAX), name, names: Vec::new() },
        });
        // The package of a relative name, or of a list of names, may be passed in any form.
        self.parsed.computed_imports |= level > 0 || call.arguments.args.len() > 1;
    }
}

/// Whether a class with this base is a metaclass.
fn is_metaclass(base: &Expr) -> bool {
    last_name(base).is_some_and(|name| ["type", "ABCMeta", "EnumMeta", "EnumType"].contains(&name))
}

/// Whether a class with this base may see messages of a log.
fn is_of_log(base: &Expr) -> bool {
    last_name(base)
        .is_some_and(|name| ["Formatter", "Handler", "Filter"].iter().any(|end| name.ends_with(end)))
}

/// Whether the value of an expression comes from elsewhere than literals and names of this module.
fn is_computed(expression: &Expr) -> bool {
    match expression {
        Expr::StringLiteral(_) | Expr::FString(_) | Expr::Name(_) | Expr::NoneLiteral(_) => false,
        Expr::BinOp(operation) => is_computed(&operation.left) || is_computed(&operation.right),
        _ => true,
    }
}

fn is_array_library(module: &str) -> bool {
    let first = module.split('.').next().unwrap_or_default();
    ["numpy", "torch", "jax", "tensorflow", "cupy", "mlx", "dask", "xarray", "einops"].contains(&first)
}

/// The last name of a dotted expression.
pub(super) fn last_name(expression: &Expr) -> Option<&str> {
    match expression {
        Expr::Name(name) => Some(name.id.as_str()),
        Expr::Attribute(attribute) => Some(attribute.attr.as_str()),
        _ => None,
    }
}

/// `sys.path`, under any name of `sys`.
fn is_search_path(expression: &Expr) -> bool {
    matches!(expression, Expr::Attribute(attribute)
        if attribute.attr.as_str() == "path" && attribute.value.is_name_expr())
}

/// `sys.path = …` or `sys.path[…] = …`.
fn changes_search_path(target: &Expr) -> bool {
    match target {
        Expr::Subscript(subscript) => is_search_path(&subscript.value),
        _ => {
            is_search_path(target)
                && matches!(target, Expr::Attribute(path)
            if matches!(&*path.value, Expr::Name(name) if name.id.as_str() == "sys"))
        }
    }
}
