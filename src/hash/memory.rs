//! Remembered digests of files, with the evidence that the files are unchanged.
//!
//! Large files are remembered for all requests together, so that new arguments do not read a program or a data set again. Smaller
//! ones are remembered for the function whose run read them; those outside of the project for all stores of the user. Losing the
//! memory costs time only.

mod last_run;

use super::expected::digest_expected_many;
use super::files::{WORTH_ALL_CORES, digest_file, digest_many, trusted};
use super::user_digests;
use crate::digest::{Digest, RequestId};
use crate::encode::{Decode, DecodeError, Decoder, Encoder};
use crate::error::Result;
use crate::record::{Evidence, Recall, Timestamp};
use last_run::LastRun;
use rustc_hash::FxHashMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// Files from this size on are remembered for all requests.
pub const LARGE: u64 = 64 << 10;

/// Maximum number of files that are remembered for all requests.
const MOST: usize = 1024;

/// First field of the remembered table.
const VERSION: u64 = 1;

/// Digests by path and evidence.
pub struct FileMemory<'a> {
    recall: &'a dyn Recall,
    known: Known,
    /// The table for all requests; `None` until it is needed.
    large: Option<Known>,
    learned: Vec<PathBuf>,
    /// The small files that the last run of the same function read.
    last_run: Option<LastRun>,
}

/// By the bytes of the path. A file under another name is read once more.
type Known = FxHashMap<Vec<u8>, (Evidence, Digest)>;

impl<'a> FileMemory<'a> {
    /// An empty memory; `recall` holds the table for all requests.
    #[must_use]
    pub fn new(recall: &'a dyn Recall) -> Self {
        Self { recall, known: Known::default(), large: None, learned: Vec::new(), last_run: None }
    }

    /// A memory for the files that a run of `function` read; `recall` also has those of its last run.
    #[must_use]
    pub fn of_run(recall: &'a dyn Recall, function: &Digest) -> Self {
        Self { last_run: Some(LastRun::of(function)), ..Self::new(recall) }
    }

    /// Adds digests with trusted evidence.
    pub fn seed(&mut self, path: PathBuf, evidence: Evidence, digest: Digest) {
        self.known.insert(path.into_os_string().into_vec(), (evidence, digest));
    }

    /// The digest of the regular file at `path`, links followed, and evidence if any can be trusted. The file is read only if its
    /// evidence is unknown.
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

    /// Reads those of `paths` that are unknown, on all cores if they are large, so that [`FileMemory::digest`] knows them. Files
    /// that cannot be read are left to it.
    pub fn prepare(&mut self, paths: impl Iterator<Item = PathBuf>) {
        let unknown: Vec<PathBuf> = paths.filter(|path| self.remembered(path).is_none()).collect();
        let now = Timestamp::now();
        for (path, found) in unknown.iter().zip(digest_many(&unknown)) {
            if let Ok((digest, evidence)) = found {
                self.learn(path, digest, evidence, now);
            }
        }
    }

    /// Like [`FileMemory::prepare`], with the known state of each file. Files that changed since are skipped, as is everything if
    /// there is little to read.
    pub fn prepare_seen(&mut self, seen: &[(&Path, Evidence)]) {
        let is_much = |evidence: &mut dyn Iterator<Item = &Evidence>| {
            evidence.map(|one| one.size).sum::<u64>() > WORTH_ALL_CORES
        };
        if !is_much(&mut seen.iter().map(|(_, evidence)| evidence)) {
            return;
        }
        let now = Timestamp::now();
        let mut unknown = Vec::new();
        for (path, evidence) in seen {
            if self.recalled(path, evidence).is_none() && trusted(path, *evidence, now).is_some() {
                unknown.push((path.to_path_buf(), *evidence));
            }
        }
        if !is_much(&mut unknown.iter().map(|(_, evidence)| evidence)) {
            return;
        }
        for ((path, evidence), digest) in unknown.iter().zip(digest_expected_many(&unknown)) {
            if let Some(digest) = digest {
                self.learn(path, digest, *evidence, now);
            }
        }
    }

    /// Stores the new digests.
    pub fn keep(&self) {
        if let Some(table) = self.last_run.as_ref().and_then(LastRun::table) {
            self.recall.remember(&table.0, &table.1);
        }
        if self.learned.is_empty() {
            return;
        }
        let known = |path: &PathBuf| self.known.get_key_value(path.as_os_str().as_bytes());
        let mut all: Vec<_> = self.learned.iter().filter_map(known).collect();
        let is_older =
            |path: &[u8]| !self.learned.iter().any(|learned| learned.as_os_str().as_bytes() == path);
        all.extend(self.large.iter().flatten().filter(|(path, _)| is_older(path)));
        all.truncate(MOST);
        self.recall.remember(&table(), &write_table(&all));
    }

    /// The remembered digest of the file at `path` with this `evidence`.
    pub fn recalled(&mut self, path: &Path, evidence: &Evidence) -> Option<Digest> {
        let agreed = |(known, digest): &(Evidence, Digest)| (known == evidence).then_some(*digest);
        let path = path.as_os_str().as_bytes();
        if let Some(found) = self.known.get(path).and_then(agreed) {
            return Some(found);
        }
        let found = if evidence.size < LARGE {
            self.last_run.as_mut().and_then(|run| run.recalled(path, evidence, self.recall))
        } else {
            self.large().get(path).and_then(agreed)
        };
        found.or_else(|| user_digests::find(Path::new(OsStr::from_bytes(path)), evidence))
    }

    /// Adds a digest that was computed between `now` and the look that gave `evidence`. `None` if it cannot be trusted.
    pub fn learn(
        &mut self,
        path: &Path,
        digest: Digest,
        evidence: Evidence,
        now: Timestamp,
    ) -> Option<Evidence> {
        let evidence = trusted(path, evidence, now)?;
        user_digests::learn(path, &evidence, &digest);
        match &mut self.last_run {
            Some(last_run) if evidence.size < LARGE => {
                last_run.learn(path.as_os_str().as_bytes(), evidence, digest, self.recall);
            }
            _ => {
                self.known.insert(path.as_os_str().as_bytes().to_vec(), (evidence, digest));
            }
        }
        if evidence.size >= LARGE {
            self.learned.push(path.to_path_buf());
        }
        Some(evidence)
    }

    fn remembered(&mut self, path: &Path) -> Option<(Digest, Option<Evidence>)> {
        let now = Evidence::of(&fs::metadata(path).ok()?);
        self.recalled(path, &now).map(|digest| (digest, Some(now)))
    }

    fn large(&mut self) -> &Known {
        let recall = self.recall;
        self.large.get_or_insert_with(|| {
            recall.find(&table()).and_then(|bytes| read_table(&bytes).ok()).unwrap_or_default()
        })
    }
}

fn table() -> RequestId {
    RequestId(Digest::of(b"cashet: digests of large files"))
}

fn read_table(bytes: &[u8]) -> Result<Known, DecodeError> {
    let mut decoder = Decoder::new(bytes);
    let version = decoder.unsigned()?;
    if version != VERSION {
        return Err(DecodeError::UnknownTag(version));
    }
    let mut found = Known::default();
    for _ in 0..decoder.length()? {
        let path = decoder.bytes()?.to_vec();
        found.insert(path, (Evidence::decode(&mut decoder)?, decoder.digest()?));
    }
    decoder.finish()?;
    Ok(found)
}

fn write_table(all: &[(&Vec<u8>, &(Evidence, Digest))]) -> Vec<u8> {
    let mut encoder = Encoder::new();
    encoder.unsigned(VERSION).length(all.len());
    for (path, (evidence, digest)) in all {
        encoder.bytes(path).value(evidence).digest(digest);
    }
    encoder.finish()
}

#[cfg(test)]
pub(super) mod tests;
