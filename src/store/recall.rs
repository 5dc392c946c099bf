//! Reading and writing what makes a hit cheap: hot entries, and the captures that `hash` remembers.
//!
//! A hot entry is a cache of the database: losing one costs time.

use super::Candidate;
use super::flat::{self, Area};
use super::layout::Layout;
use super::local::LocalStore;
use crate::digest::{BlobId, CommitId, DIGEST_LENGTH, Digest, Key, RequestId};
use crate::encode::{Decode, DecodeError, Decoder, Encode, Encoder};
use crate::error::Result;
use crate::record::{Commit, Evidence, OutputTree, Recall};
use std::fs::File;

/// Maximum number of commits in a hot entry.
pub(crate) const MOST_CANDIDATES: usize = 8;

/// Streams up to this size, in bytes, are stored in the hot entry.
pub(crate) const INLINE: u64 = 4 << 10;

/// Largest accepted encoding of an output tree, in bytes; no run makes a larger one.
pub(crate) const LARGEST_TREE: u64 = 1 << 30;

/// The candidates of a hot entry; `None` where it is missing or does not verify.
pub(crate) fn read_hot(layout: &Layout, key: &Key) -> Option<Vec<Candidate>> {
    let payload = flat::read(layout, Area::Keys, &key.0)?;
    // The digest of the file covers the id. Digesting a long commit again would slow down the hit.
    parse_quickly(&payload, key)
}

/// Parses the candidates of a hot entry. Each must be consistent in itself, with its id and with the key.
pub(crate) fn parse_hot(payload: &[u8], key: &Key) -> Option<Vec<Candidate>> {
    parse_quickly(payload, key)
        .filter(|candidates| candidates.iter().all(|candidate| candidate.commit.id() == candidate.id))
}

fn parse_quickly(payload: &[u8], key: &Key) -> Option<Vec<Candidate>> {
    let candidates = Entry::from_bytes(payload).ok()?.candidates;
    candidates.iter().all(|candidate| agrees(candidate, key)).then_some(candidates)
}

fn agrees(candidate: &Candidate, key: &Key) -> bool {
    candidate.commit.key == *key
        && candidate.commit.is_replayable()
        && candidate.commit.outputs.is_some() == candidate.outputs.is_some()
        && candidate.inline.iter().all(|(blob, bytes)| Digest::of(bytes) == blob.0)
}

/// Writes a hot entry, or removes it where there are no candidates. A caller that holds the key's lock and does nothing more
/// under it passes the lock's file.
pub(crate) fn write_hot(
    layout: &Layout,
    key: &Key,
    candidates: &[Candidate],
    lock: Option<&File>,
) -> Result<()> {
    if candidates.is_empty() {
        return flat::remove(layout, Area::Keys, &key.0);
    }
    let mut encoder = Encoder::new();
    encoder.length(candidates.len().min(MOST_CANDIDATES));
    for candidate in candidates.iter().take(MOST_CANDIDATES) {
        encode_candidate(candidate, &mut encoder);
    }
    let payload = encoder.finish();
    let written = match lock {
        Some(lock) => flat::write_last(layout, Area::Keys, &key.0, &payload, lock),
        None => flat::write(layout, Area::Keys, &key.0, &payload),
    };
    let path = || layout.hot(Area::Keys.directory(), &key.0);
    written.map_err(|source| crate::error::Error::io("write", &path(), source))
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
    to.value(&candidate.id).bytes(&candidate.commit.to_bytes());
    encode_evidence(&candidate.evidence, to);
    to.option(candidate.outputs.as_ref());
    encode_evidence(&candidate.output_evidence, to);
    to.list(&candidate.indifferent);
    to.length(candidate.inline.len());
    for (blob, bytes) in &candidate.inline {
        to.value(blob).bytes(bytes);
    }
    to.list(&candidate.strict);
}

fn decode_candidate(from: &mut Decoder<'_>) -> Result<Candidate, DecodeError> {
    let id = CommitId::decode(from)?;
    let commit = Commit::from_bytes(from.bytes()?)?;
    let evidence = decode_evidence(from)?;
    let outputs: Option<OutputTree> = from.option()?;
    let output_evidence = decode_evidence(from)?;
    let indifferent = from.list()?;
    let mut inline = Vec::new();
    for _ in 0..from.length()? {
        inline.push((BlobId::decode(from)?, from.bytes()?.to_vec()));
    }
    let strict = from.list()?;
    let candidate = Candidate { id, commit, evidence, outputs, output_evidence, indifferent, inline, strict };
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

/// Evidence for exactly `count` items, padded with `None`.
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
            // A failure costs time only.
            let _ = flat::write(self.layout(), Area::Captures, &request.0, bytes);
        }
    }

    fn forget(&self, request: &RequestId) {
        if self.ready().is_ok() {
            // A stale capture that stays is checked on every use.
            let _ = flat::remove(self.layout(), Area::Captures, &request.0);
        }
    }

    fn secret(&self) -> [u8; DIGEST_LENGTH] {
        *self.secret.get_or_init(|| self.present_secret())
    }
}

impl LocalStore {
    fn present_secret(&self) -> [u8; DIGEST_LENGTH] {
        if let Some(secret) = self.layout().read_secret() {
            return secret;
        }
        // A store that lost its secret gets a new one; one that cannot be written has one per process. Both only cause
        // misses. A store that does not exist yet gets this secret when it is created.
        if self.layout().root().exists() {
            let _ = self.renew_secret();
        }
        self.layout().read_secret().unwrap_or_else(|| self.layout().new_secret())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::record::{
        Content, Coverage, Fact, FactKind, FactScope, Observation, OutputEntry, OutputKind, Replay,
        Resources, StoredPath, StreamOrder, Termination, Timestamp,
    };
    use proptest::prelude::*;

    fn key() -> Key {
        Key(Digest::of(b"key"))
    }

    pub(in crate::store) fn candidate(n: u8) -> Candidate {
        let stdout = Content { blob: BlobId(Digest::of(&[n])), size: 1 };
        let entry = OutputEntry::new("a", OutputKind::Directory { mode: 0o755 });
        let tree = OutputTree::new(vec![entry]);
        let commit = Commit {
            key: key(),
            lineage: crate::digest::LineageId(Digest::of(b"lineage")),
            parent: None,
            words: vec![vec![n]],
            directory: StoredPath::in_root(""),
            function: b"f".to_vec(),
            function_id: Digest::of(b"f"),
            sources: Vec::new(),
            started: Timestamp(1),
            resources: Resources::default(),
            termination: Termination::Exited(0),
            stdout,
            stderr: stdout,
            order: StreamOrder::default(),
            terminals: [None; 2],
            outputs: Some(Content { blob: BlobId(Digest::of(&tree.to_bytes())), size: 9 }),
            observations: vec![Observation::Umask(0o22)],
            products: crate::record::Products::default(),
            indifferent: Vec::new(),
            coverage: Coverage::Watched,
            replay: Replay::Allowed,
            accepted: None,
        };
        let seen = Evidence {
            device: 1,
            inode: 2,
            size: 3,
            mode: 4,
            modified: Timestamp(5),
            changed: Timestamp(-6),
        };
        Candidate {
            id: commit.id(),
            commit,
            evidence: vec![Some(seen)],
            outputs: Some(tree),
            output_evidence: vec![None],
            indifferent: vec![b"EDITOR".to_vec()],
            inline: vec![(stdout.blob, vec![n])],
            strict: vec![Fact { scope: FactScope::Function, path: b"a".to_vec(), kind: FactKind::Consults }],
        }
    }

    pub(in crate::store) fn payload(candidates: &[Candidate]) -> Vec<u8> {
        let mut encoder = Encoder::new();
        encoder.length(candidates.len());
        for candidate in candidates {
            encode_candidate(candidate, &mut encoder);
        }
        encoder.finish()
    }

    #[test]
    fn a_hot_entry_goes_both_ways() {
        let found = parse_hot(&payload(&[candidate(1), candidate(2)]), &key()).unwrap();
        for (found, put) in found.iter().zip([candidate(1), candidate(2)]) {
            assert_eq!((found.id, &found.commit, &found.evidence), (put.id, &put.commit, &put.evidence));
            assert_eq!((&found.outputs, &found.inline), (&put.outputs, &put.inline));
            assert_eq!(found.strict, put.strict);
            assert_eq!(
                (&found.output_evidence, &found.indifferent),
                (&put.output_evidence, &put.indifferent)
            );
        }
        assert_eq!(found.len(), 2);
    }

    #[test]
    fn a_hot_entry_that_contradicts_itself_is_none() {
        let none = |change: &dyn Fn(&mut Candidate)| {
            let mut changed = candidate(1);
            change(&mut changed);
            assert!(parse_hot(&payload(&[changed]), &key()).is_none());
        };
        none(&|candidate| candidate.commit.key = Key(Digest::of(b"other")));
        none(&|candidate| {
            candidate.commit.replay = Replay::Never { reason: String::new(), detail: String::new() }
        });
        none(&|candidate| candidate.outputs = None);
        none(&|candidate| candidate.commit.started = Timestamp(2));
        none(&|candidate| candidate.id = CommitId(Digest::of(b"other")));
        none(&|candidate| candidate.evidence.clear());
        none(&|candidate| candidate.output_evidence.push(None));
        none(&|candidate| candidate.inline[0].1[0] ^= 1);
        let too_many: Vec<Candidate> = (0..9).map(candidate).collect();
        assert!(parse_hot(&payload(&too_many), &key()).is_none());
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_hot_entry_or_none(place in 0_usize..2000, byte: u8, end in 0_usize..2000, any: Vec<u8>) {
            let mut bytes = payload(&[candidate(1), candidate(2)]);
            if let Some(slot) = bytes.get_mut(place) {
                *slot = byte;
            }
            bytes.truncate(end);
            let _ = parse_hot(&bytes, &key());
            let _ = parse_hot(&any, &key());
        }
    }
}
