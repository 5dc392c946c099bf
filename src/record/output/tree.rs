//! All outputs of a run, by path.

use super::{MODE_BITS, OutputEntry};
use crate::encode::{Decode, DecodeError, Decoder, Encode, Encoder};
use std::borrow::Cow;

/// All outputs of a run, sorted by path, each path once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutputTree {
    entries: Vec<OutputEntry>,
}

impl OutputTree {
    /// A tree of these entries, in any order; of two with one path the later stays.
    #[must_use]
    pub fn new(mut entries: Vec<OutputEntry>) -> Self {
        entries.reverse();
        entries.sort_by(|left, right| left.path.cmp(&right.path));
        entries.dedup_by(|left, right| left.path == right.path);
        Self { entries }
    }

    /// The entries, sorted by path.
    #[must_use]
    pub fn entries(&self) -> &[OutputEntry] {
        &self.entries
    }

    /// The entry of exactly this path.
    #[must_use]
    pub fn find(&self, path: &[u8]) -> Option<&OutputEntry> {
        let place = self.entries.binary_search_by(|entry| entry.path.as_slice().cmp(path));
        place.ok().and_then(|place| self.entries.get(place))
    }

    /// The same tree. `asked` returns the mode that was requested when a path was created, if that gave its mode.
    #[must_use]
    pub fn with_asked(mut self, mut asked: impl FnMut(&[u8], u32) -> Option<u32>) -> Self {
        for place in 0..self.entries.len() {
            let Some(entry) = self.entries.get(place) else { break };
            let found = match &entry.link_to {
                Some(first) => self.find(first).and_then(|first| first.asked),
                None => entry.kind.mode().and_then(|mode| asked(&entry.path, mode)),
            };
            if let Some(entry) = self.entries.get_mut(place) {
                entry.asked = found.map(|found| found & MODE_BITS);
            }
        }
        self
    }

    /// The outputs as the same run leaves them under another umask, which is asked for only where it matters.
    #[must_use]
    pub fn under(&self, umask: impl FnOnce() -> u32) -> Cow<'_, Self> {
        if self.entries.iter().all(|entry| entry.asked.is_none()) {
            return Cow::Borrowed(self);
        }
        let mask = umask();
        let differs =
            |entry: &OutputEntry| entry.asked.is_some_and(|asked| entry.kind.mode() != Some(asked & !mask));
        if !self.entries.iter().any(differs) {
            return Cow::Borrowed(self);
        }
        let entries = self.entries.iter().cloned().map(|entry| match entry.asked {
            Some(asked) => OutputEntry { kind: entry.kind.with_mode(asked & !mask), ..entry },
            None => entry,
        });
        Cow::Owned(Self { entries: entries.collect() })
    }

    /// Number of bytes of all files together, each once.
    #[must_use]
    pub fn total_bytes(&self) -> u64 {
        let files = self.entries.iter().filter(|entry| entry.link_to.is_none());
        files
            .filter_map(|entry| entry.kind.stored())
            .fold(0, |total, content| total.saturating_add(content.size))
    }

    /// Whether an entry that is said to be another name of a file is one.
    fn is_link(&self, entry: &OutputEntry) -> bool {
        let Some(first) = &entry.link_to else { return true };
        let first = Some(first).filter(|first| **first < entry.path).and_then(|first| self.find(first));
        first.is_some_and(|first| {
            first.link_to.is_none()
                && first.kind.stored().is_some()
                && (&first.kind, &first.time, &first.attributes, first.asked)
                    == (&entry.kind, &entry.time, &entry.attributes, entry.asked)
        })
    }
}

impl Encode for OutputTree {
    fn encode(&self, to: &mut Encoder) {
        to.list(&self.entries);
    }
}

impl Decode for OutputTree {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let entries: Vec<OutputEntry> = from.list()?;
        let sorted = entries.iter().zip(entries.iter().skip(1)).all(|(left, right)| left.path < right.path);
        let tree = Self { entries };
        let whole = sorted && tree.entries.iter().all(|entry| tree.is_link(entry));
        if whole { Ok(tree) } else { Err(DecodeError::NotCanonical) }
    }
}
