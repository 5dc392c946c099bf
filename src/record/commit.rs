//! The immutable record of one run.

use super::evidence::Timestamp;
use super::observation::Observation;
use super::path::StoredPath;
use super::product::Products;
use super::stream::{Content, StreamOrder};
use super::terminal::OnTerminal;
use super::termination::{Resources, Termination};
use crate::digest::{BlobId, CommitId, Digest, Key, LineageId};
use crate::encode::{Decode, DecodeError, Decoder, Encode, Encoder};

/// Why what decided the result is believed to be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coverage {
    /// The run was watched whole.
    Watched,
    /// The call declared it.
    Declared,
}

/// Whether a commit may ever answer a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Replay {
    /// Yes, while its observations hold.
    Allowed,
    /// Never: recorded for the history.
    Never {
        /// A word for the kind of reason, of a fixed set: `failed`, `network`, `input-moved`, …
        reason: String,
        /// What exactly, for people; may be empty.
        detail: String,
    },
}

/// A source file of the function, as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// Where it was.
    pub path: StoredPath,
    /// Its bytes.
    pub blob: BlobId,
}

/// That the user took a recorded result as that of other code or inputs, which were not run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acceptance {
    /// The run whose result it is.
    pub of: CommitId,
    /// The user's name.
    pub by: Vec<u8>,
    /// When.
    pub at: Timestamp,
    /// The reason that was given; may be empty.
    pub why: Vec<u8>,
}

impl Encode for Acceptance {
    fn encode(&self, to: &mut Encoder) {
        to.value(&self.of).bytes(&self.by).value(&self.at).bytes(&self.why);
    }
}

impl Decode for Acceptance {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            of: CommitId::decode(from)?,
            by: from.bytes()?.to_vec(),
            at: Timestamp::decode(from)?,
            why: from.bytes()?.to_vec(),
        })
    }
}

/// The immutable record of one run. Its id is the digest of its encoding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// Digest of the manifest; the store keeps the manifest under it.
    pub key: Key,
    /// The chain that this commit is part of.
    pub lineage: LineageId,
    /// The previous commit of the lineage.
    pub parent: Option<CommitId>,
    /// The words of the command, as typed.
    pub words: Vec<Vec<u8>>,
    /// The working directory.
    pub directory: StoredPath,
    /// The function's name for people: the script's path, `-c`, or the program's name.
    pub function: Vec<u8>,
    /// The function's identity without arguments: commits of the same function share it.
    pub function_id: Digest,
    /// The source files of the function, as they were.
    pub sources: Vec<SourceFile>,
    /// When the run began.
    pub started: Timestamp,
    /// What it took.
    pub resources: Resources,
    /// How it ended.
    pub termination: Termination,
    /// Standard output.
    pub stdout: Content,
    /// Standard error.
    pub stderr: Content,
    /// In which order they came.
    pub order: StreamOrder,
    /// How each of the two was made, if it was written to a terminal.
    pub terminals: [Option<OnTerminal>; 2],
    /// The encoded [`super::OutputTree`], if there are outputs.
    pub outputs: Option<Content>,
    /// What decided the result beside the manifest.
    pub observations: Vec<Observation>,
    /// What the run did to the paths that it left changed, before it changed them.
    pub products: Products,
    /// Names of the variables that were set and found not to matter, sorted.
    pub irrelevant_env: Vec<Vec<u8>>,
    /// Why the observations are believed to be all.
    pub coverage: Coverage,
    /// Whether it may ever answer a call.
    pub replay: Replay,
    /// Where the user took the result of another run as that of the code and inputs of this record: nothing ran for it.
    pub accepted: Option<Acceptance>,
}

impl Commit {
    /// The id: the digest of the encoding.
    #[must_use]
    pub fn id(&self) -> CommitId {
        CommitId(Digest::of(&self.to_bytes()))
    }

    /// Whether it may answer a call.
    #[must_use]
    pub fn is_replayable(&self) -> bool {
        self.replay == Replay::Allowed
    }

    /// Every blob that this commit needs, with its size where known. The entries of the output tree are
    /// named in the tree's own blob.
    #[must_use]
    pub fn blobs(&self) -> Vec<BlobId> {
        let mut blobs = vec![self.stdout.blob, self.stderr.blob];
        blobs.extend(self.outputs.map(|tree| tree.blob));
        blobs.extend(self.sources.iter().map(|source| source.blob));
        blobs
    }
}

/// First field of an encoded commit without products, as format 1 of the store has them.
const WITHOUT_PRODUCTS: u64 = 1;
/// First field of an encoded commit that ends with its products.
const WITH_PRODUCTS: u64 = 2;
/// First field of an encoded commit that ends with its products, of which there may be none, and how it was accepted.
const ACCEPTED: u64 = 3;
/// Added to the first field of an encoded commit that ends with how its streams were written to terminals.
const WITH_TERMINALS: u64 = 3;

impl Encode for Commit {
    fn encode(&self, to: &mut Encoder) {
        let has_products = self.products != Products::default();
        let has_terminals = self.terminals != [None; 2];
        let first = match (&self.accepted, has_products) {
            (Some(_), _) => ACCEPTED,
            (None, true) => WITH_PRODUCTS,
            (None, false) => WITHOUT_PRODUCTS,
        };
        to.unsigned(if has_terminals { first + WITH_TERMINALS } else { first });
        to.value(&self.key).value(&self.lineage).option(self.parent.as_ref());
        to.list(&self.words).value(&self.directory).bytes(&self.function).digest(&self.function_id);
        to.list(&self.sources).value(&self.started).value(&self.resources).value(&self.termination);
        to.value(&self.stdout).value(&self.stderr).value(&self.order).option(self.outputs.as_ref());
        to.list(&self.observations).list(&self.irrelevant_env);
        to.flag(self.coverage == Coverage::Watched).value(&self.replay);
        if has_products || self.accepted.is_some() {
            to.value(&self.products);
        }
        if let Some(accepted) = &self.accepted {
            to.value(accepted);
        }
        if has_terminals {
            let [stdout, stderr] = &self.terminals;
            to.option(stdout.as_ref()).option(stderr.as_ref());
        }
    }
}

impl Decode for Commit {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let version = from.unsigned()?;
        if !(WITHOUT_PRODUCTS..=ACCEPTED + WITH_TERMINALS).contains(&version) {
            return Err(DecodeError::UnknownTag(version));
        }
        let has_terminals = version > ACCEPTED;
        let version = if has_terminals { version - WITH_TERMINALS } else { version };
        let mut commit = Self {
            key: Key::decode(from)?,
            lineage: LineageId::decode(from)?,
            parent: from.option()?,
            words: from.list()?,
            directory: StoredPath::decode(from)?,
            function: from.bytes()?.to_vec(),
            function_id: from.digest()?,
            sources: from.list()?,
            started: Timestamp::decode(from)?,
            resources: Resources::decode(from)?,
            termination: Termination::decode(from)?,
            stdout: Content::decode(from)?,
            stderr: Content::decode(from)?,
            order: StreamOrder::decode(from)?,
            terminals: [None; 2],
            outputs: from.option()?,
            observations: from.list()?,
            irrelevant_env: from.list()?,
            coverage: if from.flag()? { Coverage::Watched } else { Coverage::Declared },
            replay: Replay::decode(from)?,
            products: Products::default(),
            accepted: None,
        };
        if version != WITHOUT_PRODUCTS {
            commit.products = Products::decode(from)?;
        }
        if version == WITH_PRODUCTS && commit.products == Products::default() {
            return Err(DecodeError::NotCanonical);
        }
        if version == ACCEPTED {
            commit.accepted = Some(Acceptance::decode(from)?);
        }
        if has_terminals {
            commit.terminals = [from.option()?, from.option()?];
            if commit.terminals == [None; 2] {
                return Err(DecodeError::NotCanonical);
            }
        }
        Ok(commit)
    }
}

impl Encode for Replay {
    fn encode(&self, to: &mut Encoder) {
        match self {
            Self::Allowed => to.unsigned(0),
            Self::Never { reason, detail } => to.unsigned(1).text(reason).text(detail),
        };
    }
}

impl Decode for Replay {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        match from.unsigned()? {
            0 => Ok(Self::Allowed),
            1 => Ok(Self::Never { reason: from.text()?.to_owned(), detail: from.text()?.to_owned() }),
            tag => Err(DecodeError::UnknownTag(tag)),
        }
    }
}

impl Encode for SourceFile {
    fn encode(&self, to: &mut Encoder) {
        to.value(&self.path).value(&self.blob);
    }
}

impl Decode for SourceFile {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        Ok(Self { path: StoredPath::decode(from)?, blob: BlobId::decode(from)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{FileState, Product, ProductClass};
    use proptest::prelude::*;

    fn commit() -> Commit {
        let content = Content { blob: BlobId(Digest::of(b"out")), size: 3 };
        Commit {
            key: Key(Digest::of(b"key")),
            lineage: LineageId(Digest::of(b"lineage")),
            parent: Some(CommitId(Digest::of(b"parent"))),
            words: vec![b"python3".to_vec(), b"train.py".to_vec()],
            directory: StoredPath::in_root("sub"),
            function: b"train.py".to_vec(),
            function_id: Digest::of(b"function"),
            sources: vec![SourceFile { path: StoredPath::in_root("train.py"), blob: content.blob }],
            started: Timestamp(1),
            resources: Resources { wall: 1, user: 2, system: 3, peak_memory: 4 },
            termination: Termination::Exited(0),
            stdout: content,
            stderr: content,
            order: StreamOrder::default(),
            terminals: [None; 2],
            outputs: Some(content),
            observations: vec![Observation::Umask(0o22), Observation::Superuser(true)],
            irrelevant_env: vec![b"FOO".to_vec()],
            products: Products::default(),
            coverage: Coverage::Watched,
            replay: Replay::Never { reason: "failed".to_owned(), detail: "exit status 1".to_owned() },
            accepted: None,
        }
    }

    #[test]
    fn a_commit_goes_both_ways_and_its_id_follows_its_content() {
        let first = commit();
        assert_eq!(Commit::from_bytes(&first.to_bytes()), Ok(first.clone()));
        let mut second = first.clone();
        second.replay = Replay::Allowed;
        assert_ne!(first.id(), second.id());
        let product = Product {
            in_place: true,
            attributes_set: true,
            ..Product::new(b"out".to_vec(), ProductClass::Blind, FileState::Absent)
        };
        second.products = Products::new(vec![product], true);
        assert_eq!(Commit::from_bytes(&second.to_bytes()), Ok(second.clone()));
        let mut third = first.clone();
        third.accepted = Some(Acceptance {
            of: first.id(),
            by: b"me".to_vec(),
            at: Timestamp(2),
            why: b"only a name".to_vec(),
        });
        assert_eq!(Commit::from_bytes(&third.to_bytes()), Ok(third.clone()));
        third.products = second.products.clone();
        assert_eq!(Commit::from_bytes(&third.to_bytes()), Ok(third.clone()));
        let made = OnTerminal { columns: 80, rows: 24, size_counts: true, is_plain: false };
        for terminals in [[Some(made), None], [None, Some(made)], [Some(made); 2]] {
            second.terminals = terminals;
            assert_eq!(Commit::from_bytes(&second.to_bytes()), Ok(second.clone()));
            let alone = Commit { terminals, ..first.clone() };
            assert_eq!(Commit::from_bytes(&alone.to_bytes()), Ok(alone));
            third.terminals = terminals;
            assert_eq!(Commit::from_bytes(&third.to_bytes()), Ok(third.clone()));
        }
    }

    proptest! {
        #[test]
        fn a_damaged_commit_never_panics(place in 0_usize..400, byte: u8, end in 0_usize..400) {
            let mut bytes = commit().to_bytes();
            if let Some(slot) = bytes.get_mut(place) {
                *slot = byte;
            }
            bytes.truncate(end);
            let _ = Commit::from_bytes(&bytes);
        }
    }
}
