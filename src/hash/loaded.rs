//! Which sources of a function the watched runs of a command line have loaded. A module that can be imported and that none of
//! them touched does not affect their results.
//!
//! This is remembered for each lineage. A source without a memory counts.

use super::manifest::{Manifest, Part};
use crate::digest::{Digest, LineageId, RequestId};
use crate::encode::{DecodeError, Decoder, Encoder};
use crate::record::{Recall, StoredPath};
use std::collections::BTreeMap;

/// What is known about the sources of a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// For each source that runs can load, whether one has loaded it.
    sources: BTreeMap<StoredPath, bool>,
    /// Whether other sources count.
    others: bool,
}

impl Default for Loaded {
    fn default() -> Self {
        Self { sources: BTreeMap::new(), others: true }
    }
}

impl Loaded {
    /// Only the sources of `manifest` count.
    #[must_use]
    pub fn of(manifest: &Manifest) -> Self {
        let sources = manifest.facts().filter_map(|(part, _)| match part {
            Part::Source(path) => Some((path.clone(), true)),
            _ => None,
        });
        Self { sources: sources.collect(), others: false }
    }

    /// Whether the source at `path` counts.
    #[must_use]
    pub fn counts(&self, path: &StoredPath) -> bool {
        self.sources.get(path).copied().unwrap_or(self.others)
    }

    /// Adds the sources that a run loaded: a source that was loaded once counts forever.
    pub fn note(&mut self, path: &StoredPath, is_loaded: bool) {
        *self.sources.entry(path.clone()).or_default() |= is_loaded;
    }

    /// Reads the memory.
    pub(super) fn find(lineage: &LineageId, recall: &dyn Recall) -> Self {
        recall.find(&id(lineage)).and_then(|bytes| read(&bytes).ok()).unwrap_or_default()
    }

    /// Stores it for later calls.
    pub fn remember(&self, lineage: &LineageId, recall: &dyn Recall) {
        let mut encoder = Encoder::new();
        encoder.length(self.sources.len());
        for (path, is_loaded) in &self.sources {
            encoder.value(path).flag(*is_loaded);
        }
        recall.remember(&id(lineage), &encoder.finish());
    }
}

/// Makes every source count from now on.
pub fn forget(lineage: &LineageId, recall: &dyn Recall) {
    recall.forget(&id(lineage));
}

fn id(lineage: &LineageId) -> RequestId {
    let mut encoder = Encoder::new();
    encoder.text("cashet: sources that runs loaded").value(lineage);
    RequestId(Digest::of(&encoder.finish()))
}

fn read(bytes: &[u8]) -> Result<Loaded, DecodeError> {
    let mut decoder = Decoder::new(bytes);
    let mut loaded = Loaded::default();
    for _ in 0..decoder.length()? {
        let path = crate::encode::Decode::decode(&mut decoder)?;
        loaded.sources.insert(path, decoder.flag()?);
    }
    decoder.finish()?;
    Ok(loaded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn once_loaded_a_source_counts_for_ever() {
        let mut loaded = Loaded::default();
        let (one, two) = (StoredPath::in_root("one.py"), StoredPath::in_root("two.py"));
        loaded.note(&one, false);
        assert!(!loaded.counts(&one) && loaded.counts(&two));
        loaded.note(&one, true);
        loaded.note(&one, false);
        assert!(loaded.counts(&one));
        assert!(!Loaded::of(&Manifest::default()).counts(&two));
    }
}
