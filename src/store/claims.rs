//! Which process may record under a key, and what other processes know of it meanwhile.

use super::pending::InProgress;
use super::{Active, Draft, Running, Waiting, lock};
use crate::digest::Key;
use crate::error::Result;
use crate::record::Timestamp;
use std::fs::File;

/// The exclusive right to record under a key. Dropping it releases the key.
#[derive(Debug)]
pub struct Claim {
    pub(crate) key: Key,
    /// The locked file; `None` where the store cannot be written and so cannot lock.
    pub(crate) lock: Option<File>,
    pub(crate) waited: bool,
    pub(crate) abandoned: bool,
    /// Protects the blobs of the run from the end of another run in this process.
    #[expect(dead_code, reason = "it is counted")]
    pub(crate) in_progress: Option<InProgress>,
}

impl Claim {
    /// Creates a claim for another implementation of [`Claims`]. `lock` is a file that stays locked while the claim exists, or
    /// `None` where a single process uses the store. `waited` says whether another process held the key first.
    #[must_use]
    pub const fn new(key: Key, lock: Option<File>, waited: bool) -> Self {
        Self { key, lock, waited, abandoned: false, in_progress: None }
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

/// The locks of a store, by key, and the notes about who holds one and who waits for it.
pub trait Claims: Sync {
    /// Waits until no other process holds `key`; calls `waiting` about every tenth of a second meanwhile.
    ///
    /// # Errors
    /// When the store cannot be written.
    fn claim(&self, key: &Key, waiting: &mut dyn FnMut()) -> Result<Claim>;

    /// Like [`Claims::claim`], while `waits` returns true: it is called with the process that holds the key, where that is
    /// known, immediately and then about every fiftieth of a second. `None` when it returns false.
    ///
    /// # Errors
    /// When the store cannot be written.
    fn claim_while(&self, key: &Key, waits: &mut dyn FnMut(Option<u32>) -> bool) -> Result<Option<Claim>> {
        let _ = waits;
        self.claim(key, &mut || {}).map(Some)
    }

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
}
