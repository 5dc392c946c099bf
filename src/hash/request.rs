//! What the user asked for, before anything of the world was looked at.

use crate::digest::Digest;
use crate::record::Places;
use std::ffi::OsString;
use std::path::PathBuf;

/// A word of the command, or its value part, that stands for a recorded product (`cashet:REV:PATH`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// Which word, counted from 0.
    pub word: usize,
    /// The word as typed.
    pub typed: OsString,
    /// Digest of the product: what counts in the key in place of the path.
    pub digest: Digest,
}

/// What stands for standard input in the manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StdinPart {
    /// Nothing: watched, or not used as an input.
    None,
    /// `--no-stdin`: the child reads `/dev/null`.
    Null,
    /// The digest of what the child reads.
    Content(Digest),
}

/// A call, as far as it can decide the key.
#[derive(Clone, Debug)]
pub struct Request {
    /// The words of the command, references already replaced by paths.
    pub words: Vec<OsString>,
    /// Which words are references.
    pub references: Vec<Reference>,
    /// The working directory, absolute.
    pub directory: PathBuf,
    /// Root and HOME.
    pub places: Places,
    /// The environment that the child is to get, before `env_strict` is applied.
    pub environment: Vec<(OsString, OsString)>,
    /// `--env`: names and patterns (`CUDA_*`) that count.
    pub variables: Vec<OsString>,
    /// `--input`: files, directories, globs, relative to the working directory.
    pub inputs: Vec<OsString>,
    /// `--output`, likewise.
    pub outputs: Vec<OsString>,
    /// `--tool`: programs whose content counts.
    pub tools: Vec<OsString>,
    /// Standard input.
    pub stdin: StdinPart,
    /// `--salt`.
    pub salt: Option<OsString>,
    /// `--exact-source`: sources count byte for byte.
    pub exact_source: bool,
    /// `--env-strict`: the child gets only what is in the manifest and what every program needs.
    pub env_strict: bool,
    /// `--redact`: text, options (`--token`) and variables (`TOKEN=`) that must not be stored with the words.
    pub redactions: Vec<OsString>,
    /// Every word that names an existing regular file is an input: the run will not be watched.
    pub words_are_inputs: bool,
}
