//! Digests of the smaller files that the last run of a function read: the next one most often reads them again.
//!
//! One table for each function, so that a function which reads few files does not load many entries. Knows nothing about how
//! evidence is taken.

use super::{Known, read_table, write_table};
use crate::digest::{Digest, RequestId};
use crate::encode::Encoder;
use crate::record::{Evidence, Recall};

/// Maximum number of files that are remembered for a function.
const MOST: usize = 16_384;

/// So many of them may be files that its last run did not read.
const MOST_OTHERS: usize = 1024;

/// Fewer new files are not worth writing a table, or are this part of what it holds.
const FEW: usize = 16;
const FEW_OF: usize = 8;

/// What is known of the last run, and what this one asked for.
pub(super) struct LastRun {
    id: RequestId,
    /// `None` until it was needed.
    known: Option<Known>,
    /// What this run asked for and was found, or learned.
    used: Known,
    learned: usize,
}

impl LastRun {
    /// Of the runs of `function`.
    pub(super) fn of(function: &Digest) -> Self {
        let mut encoder = Encoder::new();
        encoder.text("cashet: digests of what a function read").digest(function);
        let id = RequestId(Digest::of(&encoder.finish()));
        Self { id, known: None, used: Known::default(), learned: 0 }
    }

    /// The digest of what is at `path` if that is what `evidence` says, as it was learned before.
    pub(super) fn recalled(
        &mut self,
        path: &[u8],
        evidence: &Evidence,
        recall: &dyn Recall,
    ) -> Option<Digest> {
        if evidence.size == 0 {
            // Nothing to read.
            return None;
        }
        if let Some((known, digest)) = self.used.get(path) {
            return (known == evidence).then_some(*digest);
        }
        let (path, found) = self.known(recall).remove_entry(path)?;
        if found.0 != *evidence {
            return None;
        }
        self.used.insert(path, found);
        Some(found.1)
    }

    /// Takes in what was read and can be trusted.
    pub(super) fn learn(&mut self, path: &[u8], evidence: Evidence, digest: Digest, recall: &dyn Recall) {
        if evidence.size == 0 {
            return;
        }
        self.known(recall).remove(path);
        self.used.insert(path.to_vec(), (evidence, digest));
        self.learned += 1;
    }

    /// What to remember under which name, if enough was learned.
    pub(super) fn table(&self) -> Option<(RequestId, Vec<u8>)> {
        if self.learned < FEW.max(self.used.len() / FEW_OF) {
            return None;
        }
        let others = self.known.iter().flatten().take(MOST_OTHERS);
        let all: Vec<_> = self.used.iter().chain(others).take(MOST).collect();
        Some((self.id, write_table(&all)))
    }

    fn known(&mut self, recall: &dyn Recall) -> &mut Known {
        let id = self.id;
        self.known.get_or_insert_with(|| {
            recall.find(&id).and_then(|bytes| read_table(&bytes).ok()).unwrap_or_default()
        })
    }
}
