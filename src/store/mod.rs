//! Everything on disk: blobs, commits, hot entries, locks.
//!
//! The meaning of manifests, processes and the terminal belong to other floors; callers pass in the time.

mod active;
mod archive;
mod blob_store;
mod blobs;
mod brief;
mod bulk;
mod candidate;
mod claims;
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
mod hot;
mod index;
mod layout;
mod leftovers;
mod local;
mod lock;
mod memoizing;
mod pending;
mod plan;
mod recall;
mod recording;
mod result_index;
mod rights;
mod roots;
mod running;
mod sweep;
mod usage;
mod waiting;
mod walking;
mod workspace;

pub use active::{Active, RunState, frame};
pub use archive::{Moved, Whole};
pub use blob_store::{BlobStore, BlobWriter};
pub use blobs::{Arrival, Bring, copy_file};
pub use claims::{Claim, Claims};
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
pub use result_index::{Next, ResultIndex};
pub use running::Running;
pub use usage::Usage;
pub use waiting::{Waiter, Waiting};
pub use workspace::Workspace;

use crate::digest::{BlobId, CommitId, Digest};
use crate::record::{Commit, Evidence, Fact, OutputTree, Timestamp};

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
    pub irrelevant_env: Vec<Vec<u8>>,
    /// Small blobs stored with the candidate, verified.
    pub inline: Vec<(BlobId, Vec<u8>)>,
    /// What recorded runs of the function did with the commit's products, as far as it makes the commit less often usable.
    pub strict: Vec<Fact>,
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

/// A store, as running commands needs it: results, bytes, locks, and room on disk.
pub trait Store: ResultIndex + BlobStore + Claims {
    /// The store's directory.
    fn workspace(&self) -> Workspace<'_>;
}
