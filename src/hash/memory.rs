//! Digests of files that were read before, by the evidence that they have not changed since.
//!
//! Large files are remembered for all requests together, so that new arguments do not read a program or a data set
//! anew. Losing the memory costs time, never an answer.

use super::files::{digest_file, digest_many, trusted};
use crate::digest::{Digest, RequestId};
use crate::encode::{Decode, DecodeError, Decoder, Encoder};
use crate::error::Result;
use crate::record::{Evidence, Recall, Timestamp};
use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Files from this size on are remembered for all requests.
pub const LARGE: u64 = 64 << 10;

/// At most so many files are remembered for all requests.
const MOST: usize = 1024;

/// First field of the remembered table.
const VERSION: u64 = 1;

/// Digests by path and evidence.
pub struct FileMemory<'a> {
    recall: &'a dyn Recall,
    known: HashMap<PathBuf, (Evidence, Digest)>,
    /// Those in the table for all requests; `None` until it was needed.
    large: Option<HashMap<PathBuf, (Evidence, Digest)>>,
    learned: Vec<PathBuf>,
}

impl<'a> FileMemory<'a> {
    /// An empty memory; `recall` holds the table for all requests.
    #[must_use]
    pub fn new(recall: &'a dyn Recall) -> Self {
        Self { recall, known: HashMap::new(), large: None, learned: Vec::new() }
    }

    /// Takes in what was trusted before.
    pub fn seed(&mut self, path: PathBuf, evidence: Evidence, digest: Digest) {
        self.known.insert(path, (evidence, digest));
    }

    /// The digest of the regular file that `path` leads to, and evidence if any can be trusted. The file is read only
    /// where its evidence is not known.
    ///
    /// # Errors
    /// As [`digest_file`].
    pub fn digest(&mut self, path: &Path) -> Result<(Digest, Option<Evidence>)> {
        if let Some(found) = self.remembered(path) {
            return Ok(found);
        }
        let now = Timestamp::now();
        let (digest, evidence) = digest_file(path)?;
        Ok((digest, self.learn(path, digest, evidence, now)))
    }

    /// Reads those of `paths` that are not known, with all cores if they are much, so that [`FileMemory::digest`] knows
    /// them. What cannot be read is left to it.
    pub fn prepare(&mut self, paths: impl Iterator<Item = PathBuf>) {
        let unknown: Vec<PathBuf> = paths.filter(|path| self.remembered(path).is_none()).collect();
        let now = Timestamp::now();
        for (path, found) in unknown.iter().zip(digest_many(&unknown)) {
            if let Ok((digest, evidence)) = found {
                self.learn(path, digest, evidence, now);
            }
        }
    }

    /// Remembers the large files that were learned.
    pub fn keep(&self) {
        if self.learned.is_empty() {
            return;
        }
        let known = |path: &PathBuf| {
            self.known.get(path).map(|(evidence, digest)| (path.clone(), *evidence, *digest))
        };
        let mut all: Vec<_> = self.learned.iter().filter_map(known).collect();
        let older = self.large.iter().flatten().filter(|(path, _)| !self.learned.contains(path));
        all.extend(older.map(|(path, (evidence, digest))| (path.clone(), *evidence, *digest)));
        all.truncate(MOST);
        let mut encoder = Encoder::new();
        encoder.unsigned(VERSION).length(all.len());
        for (path, evidence, digest) in all {
            encoder.bytes(path.as_os_str().as_bytes()).value(&evidence).digest(&digest);
        }
        self.recall.remember(&table(), &encoder.finish());
    }

    /// The digest of what is at `path` if that is what `evidence` says, as it was learned before.
    pub fn recalled(&mut self, path: &Path, evidence: &Evidence) -> Option<Digest> {
        let agreed = |(known, digest): &(Evidence, Digest)| (known == evidence).then_some(*digest);
        if let Some(found) = self.known.get(path).and_then(agreed) {
            return Some(found);
        }
        if evidence.size < LARGE {
            return None;
        }
        self.large().get(path).and_then(agreed)
    }

    /// Takes in what was read between `now` and the look that `evidence` is from. `None` if that cannot be trusted.
    pub fn learn(
        &mut self,
        path: &Path,
        digest: Digest,
        evidence: Evidence,
        now: Timestamp,
    ) -> Option<Evidence> {
        let evidence = trusted(path, evidence, now)?;
        self.known.insert(path.to_path_buf(), (evidence, digest));
        if evidence.size >= LARGE {
            self.learned.push(path.to_path_buf());
        }
        Some(evidence)
    }

    fn remembered(&mut self, path: &Path) -> Option<(Digest, Option<Evidence>)> {
        let now = Evidence::of(&fs::metadata(path).ok()?);
        self.recalled(path, &now).map(|digest| (digest, Some(now)))
    }

    fn large(&mut self) -> &HashMap<PathBuf, (Evidence, Digest)> {
        let recall = self.recall;
        self.large.get_or_insert_with(|| {
            recall.find(&table()).and_then(|bytes| read_table(&bytes).ok()).unwrap_or_default()
        })
    }
}

fn table() -> RequestId {
    RequestId(Digest::of(b"cashet: digests of large files"))
}

fn read_table(bytes: &[u8]) -> Result<HashMap<PathBuf, (Evidence, Digest)>, DecodeError> {
    let mut decoder = Decoder::new(bytes);
    let version = decoder.unsigned()?;
    if version != VERSION {
        return Err(DecodeError::UnknownTag(version));
    }
    let mut found = HashMap::new();
    for _ in 0..decoder.length()? {
        let path = PathBuf::from(OsStr::from_bytes(decoder.bytes()?));
        found.insert(path, (Evidence::decode(&mut decoder)?, decoder.digest()?));
    }
    decoder.finish()?;
    Ok(found)
}

#[cfg(test)]
pub(super) mod tests;
