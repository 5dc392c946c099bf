//! Entries that captures remember, written while the command runs: they do not delay its start.

use crate::digest::{DIGEST_LENGTH, RequestId};
use crate::record::Recall;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What captures remember. Knows whether anything was found, and writes new entries only when [`Self::settle`] is called.
pub(super) struct DeferredRecall<'a> {
    recall: &'a (dyn Recall + Sync),
    state: Mutex<Noted>,
}

#[derive(Default)]
struct Noted {
    found: bool,
    new: Vec<(RequestId, Vec<u8>)>,
}

impl<'a> DeferredRecall<'a> {
    /// On top of `recall`.
    pub(super) fn new(recall: &'a (dyn Recall + Sync)) -> Self {
        Self { recall, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, Noted> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether anything was found.
    pub(super) fn found(&self) -> bool {
        self.state().found
    }

    /// Discards the new entries: another call has written newer ones.
    pub(super) fn forget_new(&self) {
        self.state().new.clear();
    }

    /// Writes the new entries.
    pub(super) fn settle(&self) {
        let new = std::mem::take(&mut self.state().new);
        for (request, bytes) in new {
            self.recall.remember(&request, &bytes);
        }
    }
}

impl Recall for DeferredRecall<'_> {
    fn find(&self, request: &RequestId) -> Option<Vec<u8>> {
        if let Some((_, bytes)) = self.state().new.iter().rev().find(|(known, _)| known == request) {
            return Some(bytes.clone());
        }
        let found = self.recall.find(request);
        self.state().found |= found.is_some();
        found
    }

    fn remember(&self, request: &RequestId, bytes: &[u8]) {
        self.state().new.push((*request, bytes.to_vec()));
    }

    fn forget(&self, request: &RequestId) {
        self.state().new.retain(|(known, _)| known != request);
        self.recall.forget(request);
    }

    fn secret(&self) -> [u8; DIGEST_LENGTH] {
        self.recall.secret()
    }
}
