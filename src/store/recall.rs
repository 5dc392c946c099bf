//! What makes a hit cheap: hot entries, and the captures that are remembered for `hash`.
//!
//! A hot entry is a cache of the database: losing one costs time. Knows nothing of SQL.

use super::Candidate;
use super::flat::{self, Area};
use super::layout::{Layout, random_bytes};
use super::local::LocalStore;
use crate::digest::{BlobId, CommitId, DIGEST_LENGTH, Digest, Key, RequestId};
use crate::encode::{Decode, DecodeError, Decoder, Encode, Encoder};
use crate::error::Result;
use crate::record::{Commit, Evidence, OutputTree, Recall};
use std::fs::File;
use std::io::Read;
use std::sync::OnceLock;

/// Most commits that a hot entry holds.
pub(crate) const MOST_CANDIDATES: usize = 8;

/// Streams up to this size ride in the hot entry.
pub(crate) const INLINE: u64 = 4 << 10;

/// Output trees up to this encoded size are looked into; a larger one was not made by a run.
pub(crate) const LARGEST_TREE: u64 = 1 << 30;

/// The candidates of a hot entry; `None` where it is missing or not true.
pub(crate) fn read_hot(layout: &Layout, key: &Key) -> Option<Vec<Candidate>> {
    let payload = flat::read(layout, Area::Keys, &key.0)?;
    parse_hot(&payload, key)
}

/// The candidates of a hot entry's payload, each of which must agree with itself and with the key.
pub(crate) fn parse_hot(payload: &[u8], key: &Key) -> Option<Vec<Candidate>> {
    let candidates = Entry::from_bytes(payload).ok()?.candidates;
    candidates.iter().all(|candidate| agrees(candidate, key)).then_some(candidates)
}

fn agrees(candidate: &Candidate, key: &Key) -> bool {
    candidate.commit.key == *key
        && candidate.commit.is_replayable()
        && candidate.commit.outputs.is_some() == candidate.outputs.is_some()
        && candidate.inline.iter().all(|(blob, bytes)| Digest::of(bytes) == blob.0)
}

/// Writes a hot entry; with no candidates there is none.
pub(crate) fn write_hot(layout: &Layout, key: &Key, candidates: &[Candidate]) -> Result<()> {
    if candidates.is_empty() {
        return flat::remove(layout, Area::Keys, &key.0);
    }
    let mut encoder = Encoder::new();
    encoder.length(candidates.len().min(MOST_CANDIDATES));
    for candidate in candidates.iter().take(MOST_CANDIDATES) {
        encode_candidate(candidate, &mut encoder);
    }
    let path = layout.hot(Area::Keys.directory(), &key.0);
    flat::write(layout, Area::Keys, &key.0, &encoder.finish())
        .map_err(|source| crate::error::Error::io("write", &path, source))
}

/// The payload of a hot entry.
struct Entry {
    candidates: Vec<Candidate>,
}

impl Decode for Entry {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let count = from.length()?;
        if count > MOST_CANDIDATES {
            return Err(DecodeError::NotCanonical);
        }
        let mut candidates = Vec::with_capacity(count);
        for _ in 0..count {
            candidates.push(decode_candidate(from)?);
        }
        Ok(Self { candidates })
    }
}

fn encode_candidate(candidate: &Candidate, to: &mut Encoder) {
    to.bytes(&candidate.commit.to_bytes());
    encode_evidence(&candidate.evidence, to);
    to.option(candidate.outputs.as_ref());
    encode_evidence(&candidate.output_evidence, to);
    to.list(&candidate.indifferent);
    to.length(candidate.inline.len());
    for (blob, bytes) in &candidate.inline {
        to.value(blob).bytes(bytes);
    }
}

fn decode_candidate(from: &mut Decoder<'_>) -> Result<Candidate, DecodeError> {
    let bytes = from.bytes()?;
    let id = CommitId(Digest::of(bytes));
    let commit = Commit::from_bytes(bytes)?;
    let evidence = decode_evidence(from)?;
    let outputs: Option<OutputTree> = from.option()?;
    let output_evidence = decode_evidence(from)?;
    let indifferent = from.list()?;
    let mut inline = Vec::new();
    for _ in 0..from.length()? {
        inline.push((BlobId::decode(from)?, from.bytes()?.to_vec()));
    }
    let candidate = Candidate { id, commit, evidence, outputs, output_evidence, indifferent, inline };
    let entries = candidate.outputs.as_ref().map_or(0, |tree| tree.entries().len());
    let whole = candidate.evidence.len() == candidate.commit.observations.len()
        && candidate.output_evidence.len() == entries;
    if whole { Ok(candidate) } else { Err(DecodeError::NotCanonical) }
}

fn encode_evidence(list: &[Option<Evidence>], to: &mut Encoder) {
    to.length(list.len());
    for evidence in list {
        to.option(evidence.as_ref());
    }
}

fn decode_evidence(from: &mut Decoder<'_>) -> Result<Vec<Option<Evidence>>, DecodeError> {
    let count = from.length()?;
    let mut list = Vec::with_capacity(count.min(1024));
    for _ in 0..count {
        list.push(from.option()?);
    }
    Ok(list)
}

/// Evidence for exactly `count` things: what is missing is none.
pub(crate) fn fitted(mut evidence: Vec<Option<Evidence>>, count: usize) -> Vec<Option<Evidence>> {
    evidence.resize(count, None);
    evidence
}

impl Recall for LocalStore {
    fn find(&self, request: &RequestId) -> Option<Vec<u8>> {
        flat::read(self.layout(), Area::Captures, &request.0)
    }

    fn remember(&self, request: &RequestId, bytes: &[u8]) {
        if self.ready().is_ok() {
            // Losing it costs time.
            let _ = flat::write(self.layout(), Area::Captures, &request.0, bytes);
        }
    }

    fn forget(&self, request: &RequestId) {
        if self.ready().is_ok() {
            // One that stays is checked on every use.
            let _ = flat::remove(self.layout(), Area::Captures, &request.0);
        }
    }

    fn secret(&self) -> [u8; DIGEST_LENGTH] {
        if let Some(secret) = read_secret(self.layout()) {
            return secret;
        }
        // A store that lost its secret gets a new one; one that cannot be written has one for each process. Both
        // can only miss.
        let _ = self.renew_secret();
        read_secret(self.layout()).unwrap_or_else(|| {
            static OF_PROCESS: OnceLock<[u8; DIGEST_LENGTH]> = OnceLock::new();
            *OF_PROCESS.get_or_init(|| {
                let other = || *Digest::of(format!("{:?}", std::time::Instant::now()).as_bytes()).as_bytes();
                random_bytes().unwrap_or_else(|_| other())
            })
        })
    }
}

pub(crate) fn read_secret(layout: &Layout) -> Option<[u8; DIGEST_LENGTH]> {
    let mut bytes = Vec::new();
    let file = File::open(layout.secret()).ok()?;
    file.take(DIGEST_LENGTH as u64 + 1).read_to_end(&mut bytes).ok()?;
    bytes.try_into().ok()
}
