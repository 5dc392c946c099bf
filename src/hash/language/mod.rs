//! Languages: the normal form of a source without layout and comments, and what the source uses.
//!
//! A source is parsed once: bytes in; normal form, imports, variables and mentions out. Modules of this directory read no
//! files.

mod deep;
mod flow;
mod guarded;
mod javascript;
mod listed;
mod literal;
mod python;
mod raw;
mod shell;
mod state_use;
mod surrogates;

pub(super) use flow::shows_text;
pub use flow::{Edge, Flows, Place};
pub use javascript::JavaScript;
pub use listed::{Filter, Listed, is_like, is_special};
pub use literal::Literal;
pub use python::Python;
pub use raw::Raw;
pub use shell::{Dash, Shell};
pub use state_use::StateUse;

/// What one source reveals about its program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parsed {
    /// The normal form; `None` where the source counts byte for byte.
    pub normal: Option<NormalForm>,
    /// What it imports, in order of appearance.
    pub imports: Vec<Import>,
    /// The literal names of environment variables that it reads, sorted, without duplicates.
    pub variables: Vec<Vec<u8>>,
    /// Whether it reads the whole environment.
    pub whole_environment: bool,
    /// Whether it mentions a call that lists directories.
    pub lists_directories: bool,
    /// Whether it mentions something that may read docstrings.
    pub reads_docstrings: bool,
    /// Whether reading the source cannot determine some import or path.
    pub computed_imports: bool,
    /// Whether it may compute with the text or line numbers of the program: then every source of the program counts byte for
    /// byte.
    pub exact: bool,
    /// The function flow of the source. If a function may reach a place where its text is read, every source of the program
    /// counts byte for byte.
    pub flows: Flows,
}

impl Parsed {
    /// The result for a source that cannot be parsed: it counts byte for byte, and may do anything except read the whole
    /// environment.
    #[must_use]
    pub fn unknown() -> Self {
        Self { lists_directories: true, reads_docstrings: true, computed_imports: true, ..Self::default() }
    }
}

/// A source without layout and comments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NormalForm {
    /// Everything with meaning, as canonical bytes.
    pub bytes: Vec<u8>,
    /// The same without docstrings; `None` where there are none to omit.
    pub without_docstrings: Option<Vec<u8>>,
}

/// One import, as written in the source.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Import {
    /// A Python module by its absolute dotted name, with the names imported from it (`from a.b import c`).
    Module {
        /// `a.b`
        name: String,
        /// `c`: may be submodules.
        names: Vec<String>,
    },
    /// A Python import relative to the package: number of leading dots, dotted name (may be empty), names.
    Relative {
        /// Number of dots.
        level: u32,
        /// Dotted name after the dots.
        name: String,
        /// Names imported from it.
        names: Vec<String>,
    },
    /// A file or package in the notation of the language (`./x`, `lodash/fp`).
    Specifier(String),
    /// A file, relative to the working directory.
    FileFromDirectory(Vec<u8>),
    /// A file, relative to the directory of the source itself.
    FileFromSource(Vec<u8>),
    /// A file, relative to the directory of the script that runs.
    FileFromEntry(Vec<u8>),
}

/// A named part of a source with the canonical bytes of that part only. Several pieces may have the same name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Its kind.
    pub kind: PieceKind,
    /// `train`, `Model.fit`, `RATE`; empty for code outside of all named parts.
    pub name: String,
    /// Its normal form, without a docstring.
    pub bytes: Vec<u8>,
    /// Its docstring, which counts only where something may read it; empty where there is none.
    pub docstring: Vec<u8>,
}

/// The kind of a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PieceKind {
    /// Code outside of all named parts.
    TopLevel,
    /// A function.
    Function,
    /// A function in a class.
    Method,
    /// A class without its methods.
    Class,
    /// A top-level variable with its value.
    Variable,
}

/// A language: one file or directory here. To add one, implement this trait and name it in [`by_name`]; see
/// `docs/languages.md`.
pub trait Language: Send + Sync {
    /// Name of the normal form: the language, the parser with its version, and the version of the form. It is part of the key, so
    /// that a changed form can only miss.
    fn form(&self) -> &str;

    /// Parses a source. Never fails: a source that cannot be parsed has no normal form.
    fn parse(&self, source: &[u8]) -> Parsed;

    /// The named parts of a source, to report which of them changed; empty where they cannot be determined.
    fn pieces(&self, source: &[u8]) -> Vec<Piece>;
}

/// The language with that name, in its newest version: `python`, `javascript`, `typescript`, `shell`, `raw`, or one of
/// [`Literal`]. The name of an interpreter (`python3.11`, `nodejs`) is not the name of a language.
#[must_use]
pub fn by_name(name: &str) -> Option<Box<dyn Language>> {
    Some(match name {
        "python" => Box::new(Python::newest()),
        "javascript" => Box::new(JavaScript::plain()),
        "typescript" => Box::new(JavaScript::typescript()),
        "shell" => Box::new(Shell),
        "raw" => Box::new(Raw),
        _ => Box::new(Literal::by_name(name)?),
    })
}

/// Doctest of `docs/languages.md`: its example of adding a language is compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/languages.md")]
pub struct PageOnLanguages;
