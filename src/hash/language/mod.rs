//! Languages: what is left of a source when layout and comments are taken out, and what it asks for.
//!
//! Bytes in; normal form, imports, environment names and mentions out, in one pass. Knows nothing of files,
//! paths or the key.

mod deep;
mod flow;
mod guarded;
mod javascript;
mod literal;
mod python;
mod raw;
mod shell;
mod state_use;
mod surrogates;

pub(super) use flow::shows_text;
pub use flow::{Flows, Place, Way};
pub use javascript::JavaScript;
pub use literal::Literal;
pub use python::Python;
pub use raw::Raw;
pub use shell::{Dash, Shell};
pub use state_use::StateUse;

/// What a source says about the program that it is part of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parsed {
    /// The normal form; `None` where the source counts byte for byte.
    pub normal: Option<NormalForm>,
    /// What it imports, in order of appearance.
    pub imports: Vec<Import>,
    /// The literal names that it asks of the environment, sorted, each once.
    pub variables: Vec<Vec<u8>>,
    /// Whether it takes the environment as a whole.
    pub whole_environment: bool,
    /// Whether it mentions a call that lists directories.
    pub lists_directories: bool,
    /// Whether it mentions something that may read docstrings.
    pub reads_docstrings: bool,
    /// Whether some import or path in it cannot be known by reading.
    pub computed_imports: bool,
    /// Whether it may compute with the text or the lines of the program: then every source of the program counts byte
    /// for byte.
    pub exact: bool,
    /// Where the functions of the source go. If one may end where its text is asked for, every source of the program
    /// counts byte for byte.
    pub flows: Flows,
}

impl Parsed {
    /// What is known of a source that cannot be parsed: it counts byte for byte, and may do anything but take
    /// the environment as a whole.
    #[must_use]
    pub fn unknown() -> Self {
        Self { lists_directories: true, reads_docstrings: true, computed_imports: true, ..Self::default() }
    }
}

/// A source without layout and comments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NormalForm {
    /// All that has meaning, as canonical bytes.
    pub bytes: Vec<u8>,
    /// The same without docstrings; `None` where there are none to leave out.
    pub without_docstrings: Option<Vec<u8>>,
}

/// One import, as the source words it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Import {
    /// A Python module by its absolute dotted name, with the names taken from it (`from a.b import c`).
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
        /// Names taken from it.
        names: Vec<String>,
    },
    /// A file or package by the words of the language (`./x`, `lodash/fp`).
    Specifier(String),
    /// A file, relative to the working directory.
    FileFromDirectory(Vec<u8>),
    /// A file, relative to the directory of the source itself.
    FileFromSource(Vec<u8>),
    /// A file, relative to the directory of the script that runs.
    FileFromEntry(Vec<u8>),
}

/// A named part of a source with the digestible bytes of it alone. A name may stand for several pieces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// What it is.
    pub kind: PieceKind,
    /// `train`, `Model.fit`, `RATE`; empty for what stands outside of all.
    pub name: String,
    /// Its normal form, without a docstring.
    pub bytes: Vec<u8>,
    /// Its docstring, which counts only where something may read it; empty where there is none.
    pub docstring: Vec<u8>,
}

/// What a piece of a source is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PieceKind {
    /// What stands outside of all that has a name.
    TopLevel,
    /// A function.
    Function,
    /// A function of a class.
    Method,
    /// A class, less its methods.
    Class,
    /// A variable of the top level, with what it is set to.
    Variable,
}

/// A language: one file or folder here. Adding one means writing this and naming it in [`by_name`];
/// `docs/languages.md` shows how.
pub trait Language: Send + Sync {
    /// Name of the normal form: language, parser with its version, and our version. It is part of the key, so that
    /// a changed form can only miss.
    fn form(&self) -> &str;

    /// Reads a source. Never fails: what cannot be parsed has no normal form.
    fn parse(&self, source: &[u8]) -> Parsed;

    /// The named parts of a source, for saying which of them changed; empty where it cannot be told.
    fn pieces(&self, source: &[u8]) -> Vec<Piece>;
}

/// The language of that name, for its newest version: `python`, `javascript`, `typescript`, `shell`, `raw`, or one that
/// [`Literal`] knows. What an interpreter is called (`python3.11`, `nodejs`) is no name of a language.
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

/// The page on languages: its example of adding one is compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/languages.md")]
pub struct PageOnLanguages;
