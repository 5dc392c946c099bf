//! Everything that is on disk: blobs, commits, what a hit needs, locks.
//!
//! Knows nothing of what a manifest means, of processes, of the terminal, or of the time, which is
//! passed in.

mod archive;
mod blobs;
mod bulk;
mod clock;
mod database;
mod emptying;
mod events;
mod exclusive;
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

pub use archive::Moved;
pub use blobs::copy_file;
pub use exclusive::{Dropped, ExclusiveStore, OnProgress, Progress};
pub use fsck::{Damage, Report};
pub use gc::KEEP_TAG;
pub use history::{Log, Resolved, Row, Stats};
pub use index::{Filter, Missed, StatusFilter};
pub use leftovers::{Amount, Leftovers};
pub use local::{DEFAULT_MAX_SIZE, LocalStore, StoreOptions};
pub use plan::{DEFAULT_AGE, Found, Plan, Policy};
pub use running::Running;
pub use usage::Usage;

use crate::digest::{BlobId, CommitId, Digest, Key, LineageId};
use crate::error::Result;
use crate::record::{Commit, Content, Evidence, OutputTree, Timestamp};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

/// A commit that may answer a call, with what makes checking it cheap.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Its id.
    pub id: CommitId,
    /// The commit.
    pub commit: Commit,
    /// For each of the commit's observations, in order, the evidence that it holds, if any is trusted.
    pub evidence: Vec<Option<Evidence>>,
    /// The outputs, if there are any.
    pub outputs: Option<OutputTree>,
    /// For each entry of the outputs, in order, the evidence that it is in place, if any is trusted.
    pub output_evidence: Vec<Option<Evidence>>,
    /// Names of variables that were set and found not to matter, beyond those of the commit; sorted.
    pub indifferent: Vec<Vec<u8>>,
    /// Small blobs that came along, verified.
    pub inline: Vec<(BlobId, Vec<u8>)>,
}

/// The exclusive right to record under a key. Dropping it lets the next one in.
#[derive(Debug)]
pub struct Claim {
    pub(crate) key: Key,
    /// The locked file; `None` where the store cannot lock, since it cannot be written either.
    pub(crate) lock: Option<File>,
    pub(crate) waited: bool,
    pub(crate) abandoned: bool,
}

impl Claim {
    /// A claim of a store of one's own. `lock` is let go with it: a file that is locked while the claim lives, or `None`
    /// where one process alone uses the store. `waited` says whether somebody else held the key first.
    #[must_use]
    pub const fn new(key: Key, lock: Option<File>, waited: bool) -> Self {
        Self { key, lock, waited, abandoned: false }
    }

    /// The key that may be recorded.
    #[must_use]
    pub const fn key(&self) -> &Key {
        &self.key
    }

    /// Whether somebody else held it first.
    #[must_use]
    pub const fn waited(&self) -> bool {
        self.waited
    }

    /// Whether somebody else gave the key up meanwhile, having run without a result to keep: then nobody need wait
    /// for anybody.
    #[must_use]
    pub const fn follows_abandoned(&self) -> bool {
        self.abandoned
    }

    /// Tells those who wait that no result will be kept.
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

/// What is to be recorded of a run.
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
    /// Digests of the content that went in: inputs, observed files, stdin, references. Those that are the
    /// product of a recorded commit become edges of the provenance graph.
    pub consumed: Vec<Digest>,
}

/// What happened, for the statistics and `log --missed`. Losing one costs a number, never an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A commit answered a call.
    Hit {
        /// Which.
        commit: CommitId,
        /// When.
        at: Timestamp,
    },
    /// A command ran and its result was not kept, or it was not looked up at all.
    Missed {
        /// The words of the command, each ended by a NUL. 0.1.0 noted them with blanks between them.
        command: Vec<u8>,
        /// A word for the kind of reason.
        reason: String,
        /// What exactly.
        detail: String,
        /// Whether the run is in the history all the same, and so counted already.
        recorded: bool,
        /// When.
        at: Timestamp,
    },
}

/// What a store will be asked next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// For the commits of a key.
    Find,
    /// To record a run.
    Commit,
}

/// Takes the bytes of one blob.
pub trait BlobWriter: Write + Send {
    /// Takes the first `length` bytes of `buffer`, which may be kept, if another as long is left in its place.
    ///
    /// # Errors
    /// As those of writing.
    fn write_buffer(&mut self, buffer: &mut Vec<u8>, length: usize) -> io::Result<()> {
        self.write_all(buffer.get(..length).unwrap_or_default())
    }

    /// Puts the blob in place, if it is not there, and tells its name and size.
    ///
    /// # Errors
    /// When the store does not take it (full, read-only).
    fn finish(self: Box<Self>) -> Result<Content>;
}

/// A store, as far as running commands needs one.
pub trait Store: Sync {
    /// Makes ready what answering needs: called on another thread, beside work that has nothing to do with the store.
    fn prepare(&self, next: Next) {
        let _ = next;
    }

    /// The commits of `key` that may be replayed, newest first.
    ///
    /// # Errors
    /// When the store cannot be read. A damaged entry is not an error but missing.
    fn find(&self, key: &Key) -> Result<Vec<Candidate>>;

    /// The newest commit of `lineage` and its manifest, then that of the same function (nearest by its words),
    /// for explaining a miss.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn nearest(
        &self,
        lineage: &LineageId,
        function: &Digest,
        words: &[Vec<u8>],
    ) -> Result<Option<(Commit, Vec<u8>)>>;

    /// Waits until nobody else holds `key`; `waiting` is called about every tenth of a second meanwhile.
    ///
    /// # Errors
    /// When the store cannot be written.
    fn claim(&self, key: &Key, waiting: &mut dyn FnMut()) -> Result<Claim>;

    /// As [`Store::claim`], as long as `waits` says so: it is told which process holds the key, where that is known, at once
    /// and then about every tenth of a second. `None` when it says no.
    ///
    /// # Errors
    /// When the store cannot be written.
    fn claim_while(&self, key: &Key, waits: &mut dyn FnMut(Option<u32>) -> bool) -> Result<Option<Claim>> {
        let _ = waits;
        self.claim(key, &mut || {}).map(Some)
    }

    /// Begins a blob.
    ///
    /// # Errors
    /// When the store cannot be written.
    fn write(&self) -> Result<Box<dyn BlobWriter>>;

    /// Opens a blob after proving all of it true; then reading it cannot give other bytes than those that
    /// were proven.
    ///
    /// # Errors
    /// [`crate::error::Kind::Damaged`] when it is not there or not whole.
    fn read(&self, blob: &BlobId) -> Result<Box<dyn Read + Send>>;

    /// Copies a blob that lies there as it is to `to`, an empty file, in the kernel, and proves the copy: what fails may
    /// have written some. `false`, with nothing written, where [`Store::read`] is the way to it.
    ///
    /// # Errors
    /// As [`Store::read`]; when `to` cannot be written.
    fn copy_to(&self, blob: &BlobId, to: &File) -> Result<bool> {
        let _ = (blob, to);
        Ok(false)
    }

    /// Stores all of a file's bytes, whatever its offset, which stays; also tells whether `sought`, unless it is empty, is
    /// among them.
    ///
    /// # Errors
    /// When the file cannot be read or the store does not take it.
    fn take_file(&self, file: &File, sought: &[u8]) -> Result<(Content, bool)>;

    /// Leaves a mark of a run that goes on, with what is known of it before it ends, so that it can be told of if this
    /// process is killed. The mark goes with what is returned; `None` where the store keeps none.
    fn begin(&self, draft: &Draft) -> Option<Running> {
        let _ = draft;
        None
    }

    /// Records a run. The blobs that the draft names must be in place.
    ///
    /// # Errors
    /// When the store does not take it; nothing of the draft is visible then.
    fn commit(&self, claim: Claim, draft: Draft) -> Result<CommitId>;

    /// Renews what makes checking a candidate cheap.
    fn renew(&self, key: &Key, candidate: &Candidate);

    /// Takes a commit out of what may be replayed, since a blob of it is damaged. `false` where it is not there any more, or
    /// was dropped for room: then nothing is damaged.
    fn distrust(&self, key: &Key, commit: &CommitId) -> bool;

    /// Notes what happened.
    fn note(&self, event: &Event);

    /// The store's directory: nobody's input or output.
    fn directory(&self) -> &Path;
}
