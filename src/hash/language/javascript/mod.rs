//! JavaScript and TypeScript: the normal form is the minified output of `oxc_codegen` for the tree of `oxc_parser`.
//!
//! The output omits layout and comments, and writes literals in a single way. Where the output could merge programs that an
//! engine distinguishes, the source counts byte for byte; each guard is documented in `docs/languages.md`.

mod environment;
mod flow;
mod lines;
mod mentions;
mod own_file;
mod shape;
mod state_use;

use super::deep::with_stack;
use super::guarded::quietly;
use super::surrogates::has_lone_surrogate;
use super::{Language, NormalForm, Parsed, Piece, PieceKind, StateUse};
use oxc_allocator::Allocator;
use oxc_ast::ast::{
    BindingPattern, Declaration, ExportDefaultDeclarationKind, Expression, Program, Statement,
    VariableDeclaration,
};
use oxc_codegen::{Codegen, CodegenOptions};
use oxc_parser::config::RuntimeParserConfig;
use oxc_parser::{ParseOptions, Parser, ParserReturn};
use oxc_span::{GetSpan, SourceType, Span};

/// Larger sources count byte for byte, so that parsing stays bounded.
const LARGEST_SOURCE: usize = 4 << 20;
/// A source with up to this many tokens is parsed on the calling thread.
const FEW_TOKENS: usize = 60;
/// A source with more tokens counts byte for byte.
const MOST_TOKENS: usize = 200_000;
/// Stack per token, in bytes: more than the deepest recursion uses for one.
const STACK_PER_TOKEN: usize = 12 << 10;
/// Largest stack, in bytes; it is reserved, and used only as far as the tree needs.
const LARGEST_STACK: usize = 1 << 30;

/// How an engine treats a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Goal {
    /// A module, by its name.
    Module,
    /// A script or a `CommonJS` module, by its name.
    Script,
    /// Either: `package.json`, an option or the code itself decides.
    Either,
}

/// JavaScript or one of its dialects.
#[derive(Clone, Copy, Debug)]
pub struct JavaScript {
    goal: Goal,
    typescript: bool,
    jsx: bool,
}

impl JavaScript {
    /// The dialect that a file's extension names: `mjs` `cjs` `jsx` `ts` `mts` `cts` `tsx`; plain JavaScript for
    /// any other.
    #[must_use]
    pub fn for_extension(extension: &str) -> Self {
        let goal = match extension {
            "mjs" | "mts" => Goal::Module,
            "cjs" | "cts" => Goal::Script,
            _ => Goal::Either,
        };
        let typescript = matches!(extension, "ts" | "mts" | "cts" | "tsx");
        Self { goal, typescript, jsx: matches!(extension, "jsx" | "tsx") }
    }

    /// Plain JavaScript, a module or a script.
    #[must_use]
    pub fn plain() -> Self {
        Self { goal: Goal::Either, typescript: false, jsx: false }
    }

    /// TypeScript without JSX, a module or a script.
    #[must_use]
    pub fn typescript() -> Self {
        Self { goal: Goal::Either, typescript: true, jsx: false }
    }

    /// `.cts` is written with `import` and becomes `require`.
    fn is_typed_script(self) -> bool {
        self.typescript && self.goal == Goal::Script
    }

    fn parse_text<'a>(self, allocator: &'a Allocator, text: &'a str, script: bool) -> ParserReturn<'a> {
        let options = ParseOptions {
            allow_return_outside_function: script,
            // Without them the parser takes `((a)) => b`, which engines do not.
            preserve_parens: true,
            ..ParseOptions::default()
        };
        let parser = Parser::new(allocator, text, self.source_type(script)).with_options(options);
        parser.with_config(RuntimeParserConfig::new(self.typescript)).parse()
    }

    fn source_type(self, script: bool) -> SourceType {
        let base = if script { SourceType::cjs() } else { SourceType::mjs() };
        base.with_typescript(self.typescript).with_jsx(self.jsx)
    }

    /// Parses `source` and passes to `use_program` the result and whether it was parsed as a script.
    fn with_program<T: Send + 'static>(
        self,
        source: &[u8],
        use_program: impl Fn(&ParserReturn<'_>, bool) -> T + Send + 'static,
    ) -> Option<T> {
        let text = readable(source)?;
        let tokens = tokens(source);
        let work = move |text: &str| {
            let goals: &[bool] = match self.goal {
                Goal::Module => &[false],
                Goal::Script => &[true],
                Goal::Either => &[true, false],
            };
            goals.iter().find_map(|script| {
                quietly(|| {
                    let allocator = Allocator::default();
                    let parsed = self.parse_text(&allocator, text, *script);
                    let sound = !parsed.panicked && parsed.diagnostics.is_empty() && !parsed.is_flow_language;
                    // The parser allows imports in scripts; engines do not.
                    let wrong = *script && parsed.module_record.has_module_syntax && !self.is_typed_script();
                    (sound && !wrong).then(|| use_program(&parsed, *script))
                })?
            })
        };
        if tokens <= FEW_TOKENS {
            return work(text);
        }
        if tokens > MOST_TOKENS {
            return None;
        }
        let text = text.to_owned();
        with_stack((tokens * STACK_PER_TOKEN).min(LARGEST_STACK), move || work(&text))?
    }
}

impl JavaScript {
    /// What a source does with existing files.
    #[must_use]
    pub fn state_use(self, source: &[u8]) -> StateUse {
        let found = self.with_program(source, |parsed, _| state_use::of(&parsed.program));
        found.unwrap_or(StateUse::UNKNOWN)
    }
}

impl Language for JavaScript {
    fn form(&self) -> &'static str {
        match (self.typescript, self.jsx) {
            (false, false) => "javascript oxc-0.146.0 2",
            (false, true) => "javascript+jsx oxc-0.146.0 2",
            (true, false) => "typescript oxc-0.146.0 2",
            (true, true) => "typescript+jsx oxc-0.146.0 2",
        }
    }

    fn parse(&self, source: &[u8]) -> Parsed {
        let language = *self;
        let either = self.goal == Goal::Either;
        let parsed = self.with_program(source, move |read, script| {
            let (mut parsed, doubt) = mentions::of(&read.program);
            match flow::of(&read.program) {
                Some(flows) => parsed.flows = flows,
                None => parsed.exact = true,
            }
            let doubtful = doubt.always || doubt.unless_goal_is_known && either && script;
            if !parsed.exact && !doubtful {
                let printed = print(&read.program);
                let mut bytes = vec![if script { b's' } else { b'm' }];
                bytes.extend_from_slice(printed.as_bytes());
                let whole = !language.typescript || language.reads_back(read, &printed, script);
                parsed.normal = whole.then_some(NormalForm { bytes, without_docstrings: None });
            }
            parsed
        });
        parsed.unwrap_or_else(|| Parsed {
            exact: true,
            whole_environment: source.windows(3).any(|word| word == b"env"),
            ..Parsed::unknown()
        })
    }

    fn pieces(&self, source: &[u8]) -> Vec<Piece> {
        let pieces = self.with_program(source, |read, _| {
            let named: Vec<(PieceKind, String, Span)> = read.program.body.iter().filter_map(named).collect();
            named
        });
        let Some(named) = pieces else { return Vec::new() };
        let mut pieces = Vec::new();
        let (mut outside, mut at) = (Vec::new(), 0);
        for (kind, name, span) in named {
            let range = span.start as usize..span.end as usize;
            let (Some(before), Some(text)) = (source.get(at..range.start), source.get(range.clone())) else {
                continue;
            };
            outside.extend_from_slice(before);
            pieces.push(Piece { kind, name, bytes: self.alone(text), docstring: Vec::new() });
            at = range.end;
        }
        outside.extend_from_slice(source.get(at..).unwrap_or_default());
        let bytes = self.alone(&outside);
        pieces.insert(
            0,
            Piece { kind: PieceKind::TopLevel, name: String::new(), bytes, docstring: Vec::new() },
        );
        pieces
    }
}

impl JavaScript {
    /// Whether parsing the printed form gives the source again: the TypeScript parser skips words that the compiler rejects, and
    /// `(a as B) < c` prints as the beginning of a type.
    fn reads_back(self, read: &ParserReturn<'_>, printed: &str, script: bool) -> bool {
        let allocator = Allocator::default();
        let again = self.parse_text(&allocator, printed, script);
        again.diagnostics.is_empty()
            && shape::words(&again) == shape::words(read)
            && shape::nodes(&again.program) == shape::nodes(&read.program)
    }

    /// The normal form of a part by itself; its bytes where it has no normal form.
    fn alone(self, text: &[u8]) -> Vec<u8> {
        let normal = self.with_program(text, |read, _| print(&read.program).into_bytes());
        normal.unwrap_or_else(|| text.to_vec())
    }
}

fn print(program: &Program<'_>) -> String {
    Codegen::new().with_options(CodegenOptions::minify()).build(program).code
}

/// A top-level function, class or variable: its kind, name and position.
fn named(statement: &Statement<'_>) -> Option<(PieceKind, String, Span)> {
    let (kind, name) = match statement {
        Statement::FunctionDeclaration(function) => {
            (PieceKind::Function, function.id.as_ref()?.name.as_str())
        }
        Statement::ClassDeclaration(class) => (PieceKind::Class, class.id.as_ref()?.name.as_str()),
        Statement::VariableDeclaration(variables) => variable(variables)?,
        Statement::ExportDeclaration(export) => match &export.declaration {
            Declaration::FunctionDeclaration(function) => {
                (PieceKind::Function, function.id.as_ref()?.name.as_str())
            }
            Declaration::ClassDeclaration(class) => (PieceKind::Class, class.id.as_ref()?.name.as_str()),
            Declaration::VariableDeclaration(variables) => variable(variables)?,
            _ => return None,
        },
        Statement::ExportDefaultDeclaration(export) => match &export.declaration {
            ExportDefaultDeclarationKind::FunctionDeclaration(function) => {
                (PieceKind::Function, function.id.as_ref()?.name.as_str())
            }
            ExportDefaultDeclarationKind::ClassDeclaration(class) => {
                (PieceKind::Class, class.id.as_ref()?.name.as_str())
            }
            _ => return None,
        },
        _ => return None,
    };
    Some((kind, name.to_string(), statement.span()))
}

/// A declaration of a single name; its value may be a function or a class.
fn variable<'a>(declaration: &'a VariableDeclaration<'_>) -> Option<(PieceKind, &'a str)> {
    let [one] = declaration.declarations.as_slice() else { return None };
    let BindingPattern::BindingIdentifier(name) = &one.id else { return None };
    let kind = match &one.init {
        Some(Expression::ArrowFunctionExpression(_) | Expression::FunctionExpression(_)) => {
            PieceKind::Function
        }
        Some(Expression::ClassExpression(_)) => PieceKind::Class,
        _ => PieceKind::Variable,
    };
    Some((kind, name.name.as_str()))
}

/// The source as text, if no byte makes engines read it differently from the parser.
fn readable(source: &[u8]) -> Option<&str> {
    let text = str::from_utf8(source).ok().filter(|text| text.len() <= LARGEST_SOURCE)?;
    let unreadable = source.contains(&0)
        || has_lone_surrogate(source)
        // These begin a comment in scripts and are operators in modules.
        || text.contains("<!--")
        || text.contains("-->")
        // Comments that configure JSX, and those that the TypeScript compiler ignores.
        || text.contains("@jsx")
        || text.contains("@ts-");
    (!unreadable).then_some(text)
}

/// An upper bound of the tree's depth: each level needs a token, or two adjacent words.
fn tokens(source: &[u8]) -> usize {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || byte >= 128;
    let mut count = 0;
    let mut last = b' ';
    for byte in source.iter().copied() {
        let sign = byte.is_ascii_punctuation() && byte != b'_' && byte != b'$';
        if sign || is_word(byte) && !is_word(last) {
            count += 1;
        }
        last = byte;
    }
    count
}

#[cfg(test)]
mod tests;
