//! Everything on disk: blobs, commits, hot entries, locks.
//!
//! The meaning of manifests, processes and the terminal belong to other floors; callers pass in the time.

mod active;
mod archive;
mod blobs;
mod brief;
mod bulk;
mod candidate;
mod clock;
mod database;
mod emptying;
mod entry;
mod events;
mod exclusive;
mod facts;
mod files;
mod flat;
mod fsck;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod gc;
mod history;
mod index;
mod layout;
mod leftovers;
mod local;
mod lock;
mod memoizing;
mod pending;
mod plan;
mod recall;
mod rights;
mod roots;
mod running;
mod sweep;
mod usage;
mod waiting;
mod walking;

pub use active::{Active, RunState, frame};
pub use archive::{Moved, Whole};
pub use blobs::copy_file;
pub use entry::{Depends, Entry, QuestionSet};
pub use exclusive::{Dropped, ExclusiveStore, OnProgress, Progress};
pub use facts::Facts;
pub use fsck::{Damage, Report};
pub use gc::KEEP_TAG;
pub use history::{Log, Resolved, Row, Stats};
pub use index::{Filter, Missed, StatusFilter};
pub use leftovers::{Amount, Leftovers};
pub use local::{DEFAULT_MAX_SIZE, LocalStore, StoreOptions};
pub use plan::{DEFAULT_AGE, Found, Plan, Policy};
pub use running::Running;
pub use usage::Usage;
pub use waiting::{Waiter, Waiting};

use crate::digest::{BlobId, CommitId, Digest, Key, LineageId};
use crate::error::{Error, Kind, Result};
use crate::record::{Commit, Content, Evidence, Fact, OutputTree, Timestamp, questions};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

/// A commit that may answer a call, with data that makes the check cheap.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Its id.
    pub id: CommitId,
    /// The commit.
    pub commit: Commit,
    /// For each of the commit's observations, in order: trusted evidence that it holds, if there is any.
    pub evidence: Vec<Option<Evidence>>,
    /// The outputs, if there are any.
    pub outputs: Option<OutputTree>,
    /// For each entry of the outputs, in order: trusted evidence that it is in place, if there is any.
    pub output_evidence: Vec<Option<Evidence>>,
    /// Names of variables that were set and found not to matter, beyond those of the commit; sorted.
    pub indifferent: Vec<Vec<u8>>,
    /// Small blobs stored with the candidate, verified.
    pub inline: Vec<(BlobId, Vec<u8>)>,
    /// What recorded runs of the function did with the commit's products, as far as it makes the commit less often usable.
    pub strict: Vec<Fact>,
}

/// The exclusive right to record under a key. Dropping it releases the key.
#[derive(Debug)]
pub struct Claim {
    pub(crate) key: Key,
    /// The locked file; `None` where the store cannot be written and so cannot lock.
    pub(crate) lock: Option<File>,
    pub(crate) waited: bool,
    pub(crate) abandoned: bool,
}

impl Claim {
    /// Creates a claim for another implementation of [`Store`]. `lock` is a file that stays locked while the claim exists, or
    /// `None` where a single process uses the store. `waited` says whether another process held the key first.
    #[must_use]
    pub const fn new(key: Key, lock: Option<File>, waited: bool) -> Self {
        Self { key, lock, waited, abandoned: false }
    }

    /// The key of the claim.
    #[must_use]
    pub const fn key(&self) -> &Key {
        &self.key
    }

    /// Whether another process held the key first.
    #[must_use]
    pub const fn waited(&self) -> bool {
        self.waited
    }

    /// Whether another process abandoned the key meanwhile: its run left no result to keep. Waiting for further processes
    /// would then be useless.
    #[must_use]
    pub const fn follows_abandoned(&self) -> bool {
        self.abandoned
    }

    /// Signals to waiting processes that no result will be kept.
    pub fn abandon(&self) {
        if let Some(file) = &self.lock {
            lock::give_up(file);
        }
    }

    /// Whether the claim is held by a lock.
    #[must_use]
    pub const fn is_locked(&self) -> bool {
        self.lock.is_some()
    }
}

/// A run that is to be recorded.
#[derive(Debug)]
pub struct Draft {
    /// The commit; its parent is filled in by the store.
    pub commit: Commit,
    /// The encoded manifest: its digest is the commit's key.
    pub manifest: Vec<u8>,
    /// Metadata, never in the key.
    pub tags: Vec<(String, String)>,
    /// As in [`Candidate`].
    pub evidence: Vec<Option<Evidence>>,
    /// As in [`Candidate`].
    pub outputs: Option<OutputTree>,
    /// As in [`Candidate`].
    pub output_evidence: Vec<Option<Evidence>>,
    /// Digests of consumed content: inputs, observed files, stdin, references. Those that are the product of a recorded
    /// commit become edges of the provenance graph.
    pub consumed: Vec<Digest>,
}

/// A run that another machine recorded, and that this store is to take in.
#[derive(Debug)]
pub struct Foreign {
    /// The run.
    pub commit: Commit,
    /// As in [`Draft`].
    pub manifest: Vec<u8>,
    /// As in [`Draft`].
    pub tags: Vec<(String, String)>,
    /// As in [`Draft`].
    pub consumed: Vec<Digest>,
    /// As in [`Candidate`].
    pub outputs: Option<OutputTree>,
}

/// An event for the statistics and `log --missed`. A lost event costs a number, never an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A commit answered a call.
    Hit {
        /// The commit.
        commit: CommitId,
        /// Time of the call.
        at: Timestamp,
    },
    /// A command ran and its result was not kept, or there was no lookup.
    Missed {
        /// The words of the command, each ended by a NUL. Version 0.1.0 separated them with spaces.
        command: Vec<u8>,
        /// Stable machine-readable code of the reason.
        reason: String,
        /// The detail, for example a path.
        detail: String,
        /// Whether the run is in the history nevertheless, and so already counted.
        recorded: bool,
        /// Time of the call.
        at: Timestamp,
    },
}

/// The next request to a store, as a hint for [`Store::prepare`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// A search for the commits of a key.
    Find,
    /// The recording of a run.
    Commit,
}

/// Writes one blob.
pub trait BlobWriter: Write + Send {
    /// Writes the first `length` bytes of `buffer`. May keep the buffer and leave another of the same length in its place.
    ///
    /// # Errors
    /// As for writing.
    fn write_buffer(&mut self, buffer: &mut Vec<u8>, length: usize) -> io::Result<()> {
        self.write_all(buffer.get(..length).unwrap_or_default())
    }

    /// Puts the blob in place, unless it exists, and returns its name and size.
    ///
    /// # Errors
    /// When writing to the store fails (full, read-only).
    fn finish(self: Box<Self>) -> Result<Content>;
}

/// A store, as far as running commands needs it.
pub trait Store: Sync {
    /// Prepares for the next request. Called on another thread, in parallel with work that does not use the store.
    fn prepare(&self, next: Next) {
        let _ = next;
    }

    /// The commits of `key` that may be replayed, newest first.
    ///
    /// # Errors
    /// When the store cannot be read. A damaged entry counts as missing and is not an error.
    fn find(&self, key: &Key) -> Result<Vec<Candidate>>;

    /// What recorded runs of the key and of the function of `commit` did with paths. What is not known makes results less often usable.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn facts(&self, commit: &Commit) -> Result<Facts> {
        let _ = commit;
        Ok(Facts::default())
    }

    /// Whether a recorded run of `function` left a file of this content at `path`, relative to the root.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn is_left(&self, function: &Digest, path: &[u8], content: &Digest) -> Result<bool> {
        let _ = (function, path, content);
        Ok(false)
    }

    /// What is known of the results of `key`. A store of one's own that has few for each key need not say more than
    /// [`Store::find`].
    ///
    /// # Errors
    /// As [`Store::find`].
    fn look_up(&self, key: &Key) -> Result<Entry> {
        self.find(key).map(|candidates| Entry::of(candidates, true))
    }

    /// One of the results that [`Store::look_up`] found, with what it was seen to depend on; `None` if it is gone.
    ///
    /// # Errors
    /// As [`Store::find`].
    fn recorded(&self, known: &Candidate) -> Result<Option<Candidate>> {
        let found = self.find(&known.commit.key)?;
        Ok(found.into_iter().find(|candidate| candidate.id == known.id))
    }

    /// Results of `key` with these questions and answers, newest first, where [`Store::look_up`] did not tell of all.
    ///
    /// # Errors
    /// As [`Store::find`].
    fn answering(&self, key: &Key, asked: &Digest, answers: &Digest) -> Result<Vec<Candidate>> {
        let mut found = self.find(key)?;
        found.retain(|candidate| {
            let split = questions::split_all(&candidate.commit.observations, &candidate.commit.products);
            questions::digests(&split) == (*asked, *answers)
        });
        Ok(found)
    }

    /// The newest commit of `lineage` with its manifest, then that of the same function (with the most similar words), for
    /// explaining a miss.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn nearest(
        &self,
        lineage: &LineageId,
        function: &Digest,
        words: &[Vec<u8>],
    ) -> Result<Option<(Commit, Vec<u8>)>>;

    /// The last runs of `lineage`, at most so many, the newest first, each with its manifest. None where the store does not
    /// know.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn recent(&self, lineage: &LineageId, most: usize) -> Result<Vec<(Commit, Vec<u8>)>> {
        let _ = (lineage, most);
        Ok(Vec::new())
    }

    /// Waits until no other process holds `key`; calls `waiting` about every tenth of a second meanwhile.
    ///
    /// # Errors
    /// When the store cannot be written.
    fn claim(&self, key: &Key, waiting: &mut dyn FnMut()) -> Result<Claim>;

    /// Like [`Store::claim`], while `waits` returns true: it is called with the process that holds the key, where that is
    /// known, immediately and then about every fiftieth of a second. `None` when it returns false.
    ///
    /// # Errors
    /// When the store cannot be written.
    fn claim_while(&self, key: &Key, waits: &mut dyn FnMut(Option<u32>) -> bool) -> Result<Option<Claim>> {
        let _ = waits;
        self.claim(key, &mut || {}).map(Some)
    }

    /// Starts writing a blob.
    ///
    /// # Errors
    /// When the store cannot be written.
    fn write(&self) -> Result<Box<dyn BlobWriter>>;

    /// Opens a blob after verifying all of it. Reading then returns exactly the verified bytes.
    ///
    /// # Errors
    /// [`crate::error::Kind::Damaged`] when it is missing or damaged.
    fn read(&self, blob: &BlobId) -> Result<Box<dyn Read + Send>>;

    /// Copies a raw blob to `to`, an empty file, in the kernel, and verifies the copy; a failed copy may have written part of
    /// it. `false`, with nothing written, where the blob must be read with [`Store::read`].
    ///
    /// # Errors
    /// As [`Store::read`]; when `to` cannot be written.
    fn copy_to(&self, blob: &BlobId, to: &File) -> Result<bool> {
        let _ = (blob, to);
        Ok(false)
    }

    /// Stores all bytes of a file, whatever its file offset, which does not move. Also returns whether `sought`, unless empty,
    /// occurs in them.
    ///
    /// # Errors
    /// When the file cannot be read or writing to the store fails.
    fn take_file(&self, file: &File, sought: &[u8]) -> Result<(Content, bool)>;

    /// Marks a run as active, with what is known before it ends, so that it can be reported if this process is killed. The
    /// mark is removed with the returned value; `None` where the store keeps no marks.
    fn begin(&self, draft: &Draft) -> Option<Running> {
        let _ = draft;
        None
    }

    /// The run of `key` that is active, the one that began last; `None` where the store keeps no marks.
    fn active(&self, key: &Key) -> Option<Active> {
        let _ = key;
        None
    }

    /// Notes that this process has waited since then for a run of `key`. The note is removed with the returned value; `None`
    /// where the store keeps none.
    fn wait(&self, key: &Key, since: Timestamp) -> Option<Waiting> {
        let _ = (key, since);
        None
    }

    /// Records a run. The blobs that the draft names must be in place.
    ///
    /// # Errors
    /// When writing to the store fails; then nothing of the draft is visible.
    fn commit(&self, claim: Claim, draft: Draft) -> Result<CommitId>;

    /// Takes in a run that another machine recorded, whose blobs are in place. A store of one's own need not.
    ///
    /// # Errors
    /// When a blob is missing, the run contradicts itself, or the store cannot be written.
    fn admit(&self, foreign: Foreign) -> Result<()> {
        let _ = foreign;
        Err(Error::new(Kind::Other, "this store takes in no runs of other machines"))
    }

    /// Whether a blob of this size is in place; its bytes are not read.
    fn has(&self, content: &Content) -> bool {
        let _ = content;
        false
    }

    /// An empty file without a name, for bytes on their way into the store.
    ///
    /// # Errors
    /// When it cannot be made.
    fn scratch(&self) -> Result<File> {
        tempfile::tempfile()
            .map_err(|source| Error::io("write to", Path::new("the temporary directory"), source))
    }

    /// Updates the stored evidence of a candidate.
    fn renew(&self, key: &Key, candidate: &Candidate);

    /// Excludes a commit from replay because one of its blobs is damaged. `false` where the commit does not exist any more or
    /// was evicted: then nothing is damaged.
    fn distrust(&self, key: &Key, commit: &CommitId) -> bool;

    /// Notes an event.
    fn note(&self, event: &Event);

    /// The store's directory, which is never an input or output.
    fn directory(&self) -> &Path;
}
