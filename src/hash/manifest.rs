//! What was known before the run: the facts that decide the key, and nothing else.
//!
//! A manifest is a sorted set of parts with values. One walk over it gives the encoding, the key and the
//! explanation, so that nothing can enter the key that a miss could not name.

use crate::digest::{Digest, Key};
use crate::encode::{Decode, DecodeError, Decoder, Encode, Encoder};
use crate::record::StoredPath;
use std::collections::BTreeMap;

/// Version of the manifest's encoding and meaning. A change can only miss.
pub const SCHEME: u64 = 2;

/// Which fact. The order here is the order of the encoding and of explanations.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Operating system and architecture.
    Platform,
    /// The working directory.
    Directory,
    /// The word at this place, counted from 0.
    Word(u32),
    /// The content of the program behind the word at this place: the command itself, or what a launcher starts.
    Program(u32),
    /// A source file of the function: the script (also inline code, under the name `-c`) or a local module.
    Source(StoredPath),
    /// A file that is not there and would be imported in place of another.
    Shadow(StoredPath),
    /// A third-party package: ecosystem (`python`, `node`) and name.
    Package(String, String),
    /// A file that settles how the program runs: `pyvenv.cfg`, a launcher's lock file.
    Setting(StoredPath),
    /// A variable of the environment.
    Variable(Vec<u8>),
    /// A declared input.
    Input(StoredPath),
    /// A program named with `--tool`.
    Tool(Vec<u8>),
    /// Standard input.
    Stdin,
    /// A declared output pattern, as written.
    Output(Vec<u8>),
    /// `--salt`.
    Salt,
    /// A flag of the call that decides what the child sees or how sources count.
    Flag(String),
}

/// What the fact is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// It is so.
    Present,
    /// It is not there, or not set.
    Absent,
    /// Bytes as they are.
    Bytes(Vec<u8>),
    /// The digest of content or of a variable's value.
    Digest(Digest),
    /// The digest of a source in a normal form, and the form's name (language, parser version, our version).
    Source {
        /// Name of the normal form; `raw` for bytes as they are.
        form: String,
        /// Digest of the source in that form.
        digest: Digest,
    },
    /// A regular file.
    File {
        /// Whether its owner may execute it.
        executable: bool,
        /// Of its content.
        digest: Digest,
    },
    /// A directory.
    Directory,
    /// A symbolic link with its text.
    Symlink(Vec<u8>),
    /// A version, with whatever else identifies the package.
    Version(String),
}

/// One difference between two manifests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Which fact.
    pub part: Part,
    /// What it was; `None` where it was not a fact.
    pub before: Option<Value>,
    /// What it is; `None` where it is not a fact.
    pub after: Option<Value>,
}

/// The facts known before the run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    facts: BTreeMap<Part, Value>,
}

impl Manifest {
    /// Adds a fact, or replaces it.
    pub fn set(&mut self, part: Part, value: Value) {
        self.facts.insert(part, value);
    }

    /// The value of a fact.
    #[must_use]
    pub fn get(&self, part: &Part) -> Option<&Value> {
        self.facts.get(part)
    }

    /// All facts in order.
    pub fn facts(&self) -> impl Iterator<Item = (&Part, &Value)> {
        self.facts.iter()
    }

    /// The key: the digest of the encoding.
    #[must_use]
    pub fn key(&self) -> Key {
        Key(Digest::of(&self.to_bytes()))
    }

    /// What is different from `older`, in the order of the parts.
    #[must_use]
    pub fn diff(&self, older: &Self) -> Vec<Change> {
        let mut parts: Vec<&Part> = self.facts.keys().chain(older.facts.keys()).collect();
        parts.sort();
        parts.dedup();
        let changes = parts.into_iter().filter_map(|part| {
            let (before, after) = (older.get(part), self.get(part));
            let change = || Change { part: part.clone(), before: before.cloned(), after: after.cloned() };
            (before != after).then(change)
        });
        changes.collect()
    }
}

impl Encode for Manifest {
    fn encode(&self, to: &mut Encoder) {
        to.unsigned(SCHEME).length(self.facts.len());
        for (part, value) in &self.facts {
            to.value(part).value(value);
        }
    }
}

impl Decode for Manifest {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let scheme = from.unsigned()?;
        if scheme != SCHEME {
            return Err(DecodeError::UnknownTag(scheme));
        }
        let mut facts = BTreeMap::new();
        for _ in 0..from.length()? {
            let part = Part::decode(from)?;
            if facts.last_key_value().is_some_and(|(last, _)| *last >= part) {
                return Err(DecodeError::NotCanonical);
            }
            facts.insert(part, Value::decode(from)?);
        }
        Ok(Self { facts })
    }
}

impl Encode for Part {
    fn encode(&self, to: &mut Encoder) {
        match self {
            Self::Platform => to.unsigned(0),
            Self::Directory => to.unsigned(1),
            Self::Word(place) => to.unsigned(2).unsigned(u64::from(*place)),
            Self::Program(place) => to.unsigned(3).unsigned(u64::from(*place)),
            Self::Source(path) => to.unsigned(4).value(path),
            Self::Shadow(path) => to.unsigned(5).value(path),
            Self::Package(ecosystem, name) => to.unsigned(6).text(ecosystem).text(name),
            Self::Setting(path) => to.unsigned(7).value(path),
            Self::Variable(name) => to.unsigned(8).bytes(name),
            Self::Input(path) => to.unsigned(9).value(path),
            Self::Tool(name) => to.unsigned(10).bytes(name),
            Self::Stdin => to.unsigned(11),
            Self::Output(pattern) => to.unsigned(12).bytes(pattern),
            Self::Salt => to.unsigned(13),
            Self::Flag(name) => to.unsigned(14).text(name),
        };
    }
}

impl Decode for Part {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        Ok(match from.unsigned()? {
            0 => Self::Platform,
            1 => Self::Directory,
            2 => Self::Word(from.unsigned32()?),
            3 => Self::Program(from.unsigned32()?),
            4 => Self::Source(StoredPath::decode(from)?),
            5 => Self::Shadow(StoredPath::decode(from)?),
            6 => Self::Package(from.text()?.to_owned(), from.text()?.to_owned()),
            7 => Self::Setting(StoredPath::decode(from)?),
            8 => Self::Variable(from.bytes()?.to_vec()),
            9 => Self::Input(StoredPath::decode(from)?),
            10 => Self::Tool(from.bytes()?.to_vec()),
            11 => Self::Stdin,
            12 => Self::Output(from.bytes()?.to_vec()),
            13 => Self::Salt,
            14 => Self::Flag(from.text()?.to_owned()),
            tag => return Err(DecodeError::UnknownTag(tag)),
        })
    }
}

impl Encode for Value {
    fn encode(&self, to: &mut Encoder) {
        match self {
            Self::Present => to.unsigned(0),
            Self::Absent => to.unsigned(1),
            Self::Bytes(bytes) => to.unsigned(2).bytes(bytes),
            Self::Digest(digest) => to.unsigned(3).digest(digest),
            Self::Source { form, digest } => to.unsigned(4).text(form).digest(digest),
            Self::File { executable, digest } => to.unsigned(5).flag(*executable).digest(digest),
            Self::Directory => to.unsigned(6),
            Self::Symlink(text) => to.unsigned(7).bytes(text),
            Self::Version(version) => to.unsigned(8).text(version),
        };
    }
}

impl Decode for Value {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        Ok(match from.unsigned()? {
            0 => Self::Present,
            1 => Self::Absent,
            2 => Self::Bytes(from.bytes()?.to_vec()),
            3 => Self::Digest(from.digest()?),
            4 => Self::Source { form: from.text()?.to_owned(), digest: from.digest()? },
            5 => Self::File { executable: from.flag()?, digest: from.digest()? },
            6 => Self::Directory,
            7 => Self::Symlink(from.bytes()?.to_vec()),
            8 => Self::Version(from.text()?.to_owned()),
            tag => return Err(DecodeError::UnknownTag(tag)),
        })
    }
}
