//! What a call has looked at already, so that no path is looked at twice for the same question.
//!
//! Only what was there is kept, links followed. Knows nothing of what it was looked at for.

use super::glance::{Found, look};
use crate::record::Evidence;
use rustc_hash::{FxHashMap, FxHasher};
use std::hash::Hasher;

/// What was found at paths, each of which is absolute.
#[derive(Clone, Debug, Default)]
pub struct Sights {
    /// All paths, one after the other.
    paths: Vec<u8>,
    /// By a number made from the path: where it begins and ends in `paths`, and what was found there.
    looks: FxHashMap<u64, (u32, u32, Evidence)>,
}

/// Room for what a hit of a script looks at, in one piece.
const USUAL: usize = 56;

impl Sights {
    /// Looks at `path`, unless that was done.
    pub(super) fn look(&mut self, path: &[u8]) -> Found {
        match self.find(path) {
            Some(found) => Ok(found),
            None => look(None, path, true).inspect(|found| self.note(path, found)),
        }
    }

    /// Takes down what was found at `path`, links followed.
    pub(super) fn note(&mut self, path: &[u8], found: &Evidence) {
        if self.looks.is_empty() {
            self.looks.reserve(USUAL);
        }
        let begin = self.paths.len();
        // What is not taken down is looked at again.
        if let (Ok(begin), Ok(end)) = (u32::try_from(begin), u32::try_from(begin + path.len())) {
            self.paths.extend_from_slice(path);
            self.looks.insert(number(path), (begin, end, *found));
        }
    }

    /// What was found at `path`, if it was looked at and something was there.
    pub(super) fn find(&self, path: &[u8]) -> Option<Evidence> {
        let (begin, end, found) = self.looks.get(&number(path))?;
        (self.paths.get(*begin as usize..*end as usize)? == path).then_some(*found)
    }
}

fn number(path: &[u8]) -> u64 {
    let mut hasher = FxHasher::default();
    hasher.write(path);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::Sights;

    #[test]
    fn a_path_is_looked_at_once_and_what_is_absent_each_time() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        let bytes = path.as_os_str().as_encoded_bytes();
        let mut seen = Sights::default();
        assert!(seen.look(bytes).is_err());
        std::fs::write(&path, "x").unwrap();
        let first = seen.look(bytes).unwrap();
        assert_eq!(seen.find(bytes), Some(first));
        assert_eq!(seen.find(&bytes[1..]), None);
        std::fs::write(&path, "longer").unwrap();
        assert_eq!(seen.look(bytes), Ok(first));
        assert_ne!(Sights::default().look(bytes), Ok(first));
    }
}
