//! Python: the normal form is the syntax tree of `ruff_python_parser` as canonical bytes.
//!
//! Where the parser could read a source differently from the interpreter, the source counts byte for byte; each guard is
//! documented in `docs/languages.md`.

mod depth;
mod environment;
mod escapes;
mod expressions;
mod listed;
mod mentions;
mod own_file;
mod state_use;
mod statements;
mod words;
mod writer;

use super::deep::with_stack;
use super::guarded::quietly;
use super::surrogates::has_lone_surrogate;
use super::{Language, Listed, NormalForm, Parsed, Piece, StateUse};
use ruff_python_ast::{ModModule, PythonVersion};
use ruff_python_parser::{Mode, ParseOptions, parse_unchecked};
use writer::Writer;

/// Larger sources, in bytes, count byte for byte, so that parsing stays bounded.
const LARGEST_SOURCE: usize = 8 << 20;
/// Deeper trees count byte for byte.
const DEEPEST_TREE: usize = 2000;
/// Up to this depth a tree is parsed on the calling thread.
const SHALLOW_TREE: usize = 60;
/// Stack per level of a tree, in bytes: more than the deepest recursion uses for one.
const STACK_FOR_A_LEVEL: usize = 128 << 10;

/// Python as parsed by one version of the interpreter.
#[derive(Clone, Copy, Debug)]
pub struct Python {
    version: PythonVersion,
}

impl Python {
    /// Python `major.minor`. Versions newer than the parser are read as the newest one that it supports; sources for versions
    /// before 3.7 always count byte for byte.
    #[must_use]
    pub fn for_version(major: u8, minor: u8) -> Self {
        Self { version: PythonVersion { major, minor } }
    }

    /// The newest Python that the parser supports.
    #[must_use]
    pub fn newest() -> Self {
        Self { version: PythonVersion::latest() }
    }

    fn with_tree<T: Send + 'static>(
        self,
        source: &[u8],
        use_tree: impl FnOnce(&str, &ModModule) -> T + Send + 'static,
    ) -> Option<T> {
        let text = readable(source)?;
        if self.version < PythonVersion::lowest() {
            return None;
        }
        let version = self.version.min(PythonVersion::latest_preview());
        // A parser that panics returns no result; nothing that it touched is used afterwards.
        let depth = quietly(|| depth::bound(text))??;
        let parse = move |text: &str| {
            quietly(|| {
                let options = ParseOptions::from(Mode::Module).with_target_version(version);
                let parsed = parse_unchecked(text, options).try_into_module()?;
                parsed.has_no_syntax_errors().then(|| use_tree(text, parsed.syntax()))
            })?
        };
        if depth <= SHALLOW_TREE {
            return parse(text);
        }
        if depth > DEEPEST_TREE {
            return None;
        }
        let text = text.to_owned();
        with_stack(depth * STACK_FOR_A_LEVEL, move || parse(&text))?
    }
}

impl Python {
    /// What a source does with existing files.
    #[must_use]
    pub fn state_use(self, source: &[u8]) -> StateUse {
        self.with_tree(source, state_use::of).unwrap_or(StateUse::UNKNOWN)
    }

    /// What a source lists.
    #[must_use]
    pub fn listed(self, source: &[u8]) -> Listed {
        self.with_tree(source, listed::of).unwrap_or(Listed::UNKNOWN)
    }
}

impl Language for Python {
    fn form(&self) -> &'static str {
        "python ruff-0.0.10 2"
    }

    fn parse(&self, source: &[u8]) -> Parsed {
        let parsed = self.with_tree(source, |text, module| {
            let mut parsed = mentions::of(module);
            if !parsed.exact {
                let mut writer = Writer::new(text);
                writer.body(&module.body, true);
                let (bytes, without_docstrings) = writer.finish();
                parsed.normal = Some(NormalForm { bytes, without_docstrings });
            }
            parsed
        });
        // Nothing is known about a source that cannot be parsed, so it may contain anything.
        parsed.unwrap_or_else(|| Parsed {
            exact: true,
            whole_environment: source.windows(7).any(|word| word == b"environ"),
            ..Parsed::unknown()
        })
    }

    fn pieces(&self, source: &[u8]) -> Vec<Piece> {
        let pieces = self.with_tree(source, |text, module| {
            let mut writer = Writer::new(text);
            writer.body(&module.body, true);
            writer.pieces()
        });
        pieces.unwrap_or_default()
    }
}

/// The source as text, if no byte makes the interpreter read it differently from the parser.
fn readable(source: &[u8]) -> Option<&str> {
    let unreadable = source.len() > LARGEST_SOURCE
        || source.contains(&0)
        || has_lone_surrogate(source)
        || has_other_coding(source);
    if unreadable { None } else { str::from_utf8(source).ok() }
}

/// Whether one of the first two lines declares an encoding other than UTF-8 (PEP 263).
fn has_other_coding(source: &[u8]) -> bool {
    // After a byte order mark only the exact name is accepted.
    let (source, marked) = match source.strip_prefix(b"\xef\xbb\xbf") {
        Some(rest) => (rest, true),
        None => (source, false),
    };
    let lines = source.split(|byte| *byte == b'\n' || *byte == b'\r').filter(|line| !line.is_empty());
    lines.take(2).any(|line| {
        let Some(comment) = line.iter().position(|byte| *byte == b'#') else { return false };
        let comment = line.get(comment..).unwrap_or_default();
        comment.windows(6).enumerate().any(|(at, word)| {
            word == b"coding" && {
                let rest = comment.get(at + 6..).unwrap_or_default();
                matches!(rest.first(), Some(b':' | b'='))
                    && !names_utf8(rest.get(1..).unwrap_or_default(), marked)
            }
        })
    })
}

fn names_utf8(rest: &[u8], exactly: bool) -> bool {
    let name = rest.trim_ascii_start();
    let end = name.iter().position(|byte| !byte.is_ascii_alphanumeric() && !b"-_.".contains(byte));
    let name = name.get(..end.unwrap_or(name.len())).unwrap_or_default();
    let known = [&b"utf-8"[..], b"utf8", b"utf_8"];
    if exactly { name == b"utf-8" } else { known.iter().any(|known| name.eq_ignore_ascii_case(known)) }
}

#[cfg(test)]
mod tests;
