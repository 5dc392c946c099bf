//! What the user asked for, before anything of the world was looked at.

use super::ignored::Ignored;
use super::language::Language;
use super::occurrence::NameSearch;
use crate::digest::Digest;
use crate::record::Places;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

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

/// Languages of the caller's own, by the ending of a script's name. They go before those that cashet knows.
#[derive(Clone, Default)]
pub struct Languages(Vec<(OsString, Arc<dyn Language>)>);

impl Languages {
    /// These and `language`, which reads scripts whose name ends in `.ending`.
    #[must_use]
    pub fn with(mut self, ending: impl Into<OsString>, language: impl Language + 'static) -> Self {
        self.0.push((ending.into(), Arc::new(language)));
        self
    }

    /// The language that reads `script`, if one does; of several the one that was added last.
    pub(super) fn of(&self, script: &Path) -> Option<Arc<dyn Language>> {
        let ending = script.extension()?;
        let found = self.0.iter().rev().find(|(known, _)| known == ending);
        found.map(|(_, language)| Arc::clone(language))
    }

    /// Endings and names of forms, in order.
    pub(super) fn names(&self) -> impl ExactSizeIterator<Item = (&OsStr, &str)> {
        self.0.iter().map(|(ending, language)| (ending.as_os_str(), language.form()))
    }
}

impl fmt::Debug for Languages {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_map().entries(self.names()).finish()
    }
}

/// A call, as far as it can decide the key.
#[derive(Clone, Debug)]
pub struct Request {
    /// The words of the command, references already replaced by paths.
    pub words: Vec<OsString>,
    /// Which words are references.
    pub references: Vec<Reference>,
    /// `--literal`: words that begin with `cashet:` are passed as they are.
    pub literal: bool,
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
    /// Variables of the environment that standard input names, where it counts: it may be code, or a template.
    pub stdin_mentions: Vec<Vec<u8>>,
    /// `--salt`.
    pub salt: Option<OsString>,
    /// `--exact-source`: sources count byte for byte.
    pub exact_source: bool,
    /// `--env-strict`: the child gets only what is in the manifest and what every program needs.
    pub env_strict: bool,
    /// `--exact-state`: what was at a path that the run writes counts exactly.
    pub exact_state: bool,
    /// `--tty=always`: the command has a terminal, whatever ours are.
    pub always_terminal: bool,
    /// `--redact`: text, options (`--token`) and variables (`TOKEN=`) that must not be stored with the words.
    pub redactions: Vec<OsString>,
    /// What is passed on and not compared.
    pub ignored: Ignored,
    /// Every word that names an existing regular file is an input: the run will not be watched.
    pub words_are_inputs: bool,
    /// Languages of the caller's own.
    pub languages: Languages,
}

impl Request {
    /// Takes `file`, from `offset` on, for the standard input of this digest.
    pub fn reads_stdin(&mut self, digest: Digest, file: &File, offset: u64) {
        let search = NameSearch::new(self.environment.iter().map(|(name, _)| name.as_bytes()));
        self.stdin = StdinPart::Content(digest);
        self.stdin_mentions = search.search_open(file, offset);
    }

    /// The working directory by the name that shells know it by, where links make that another one: it decides what
    /// `pwd` prints and where `cd ..` leads.
    #[must_use]
    pub fn logical_directory(&self) -> Option<&OsStr> {
        let pwd = self.environment.iter().find(|(name, _)| name == "PWD").map(|(_, value)| value)?;
        if pwd == self.directory.as_os_str() || !Path::new(pwd).is_absolute() {
            return None;
        }
        let id = |path: &Path| fs::metadata(path).ok().map(|found| (found.dev(), found.ino()));
        let same = id(Path::new(pwd)).is_some_and(|named| id(&self.directory) == Some(named));
        same.then_some(pwd)
    }

    /// A call that declares nothing. `directory` is the working directory, absolute; `environment` what the child gets.
    #[must_use]
    pub fn new(
        words: Vec<OsString>,
        directory: PathBuf,
        places: Places,
        environment: Vec<(OsString, OsString)>,
    ) -> Self {
        Self {
            words,
            references: Vec::new(),
            directory,
            places,
            environment,
            variables: Vec::new(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            tools: Vec::new(),
            stdin: StdinPart::None,
            stdin_mentions: Vec::new(),
            salt: None,
            exact_source: false,
            literal: false,
            env_strict: false,
            exact_state: false,
            always_terminal: false,
            redactions: Vec::new(),
            ignored: Ignored::default(),
            words_are_inputs: false,
            languages: Languages::default(),
        }
    }
}
