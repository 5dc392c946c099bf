//! Reading and writing the files that make a hit cheap: hot entries, and captures that `hash` remembers.
//!
//! A hot entry is a cache of the database. Losing one only costs time.

use super::entry::{self, Entry};
use super::flat::{self, Area};
use super::layout::Layout;
use super::local::LocalStore;
use crate::digest::{DIGEST_LENGTH, Digest, Key, RequestId};
use crate::error::Result;
use crate::record::Recall;
use std::fs::File;

/// Streams up to this size, in bytes, are stored in the hot entry.
pub(crate) const INLINE: u64 = 4 << 10;

/// Largest accepted encoding of an output tree, in bytes; no run makes a larger one.
pub(crate) const LARGEST_TREE: u64 = 1 << 30;

/// The hot entry of a key; `None` where it is missing or does not verify.
pub(crate) fn read_hot(layout: &Layout, key: &Key) -> Option<Entry> {
    let payload = flat::read(layout, Area::Keys, &key.0)?;
    // The digest of the file covers the ids, so a hit does not digest long commits again.
    entry::parse(&payload, key, &|part| flat::read(layout, Area::Questions, part))
}

/// Decodes and verifies the payload of a hot entry: it must match its ids and the key. `None` where it does not. A missing part is
/// no contradiction.
pub(crate) fn parse_hot(
    payload: &[u8],
    key: &Key,
    part: &dyn Fn(&Digest) -> Option<Vec<u8>>,
) -> Option<Entry> {
    entry::parse_strictly(payload, key, part)
}

/// Writes a hot entry; removes it where there are no results. `lock` is the file of the key's lock, if the caller holds it and does
/// nothing more under it: that file then becomes the hot entry.
pub(crate) fn write_hot(layout: &Layout, key: &Key, entry: &Entry, lock: Option<&File>) -> Result<()> {
    if entry.results.is_empty() {
        return flat::remove(layout, Area::Keys, &key.0);
    }
    let (payload, shared) = entry::encode(entry);
    let failed = |area: Area, name: &Digest, source| {
        crate::error::Error::io("write", &layout.hot(area.directory(), name), source)
    };
    for part in shared {
        if flat::read(layout, Area::Questions, &part.id).as_ref() != Some(&part.payload) {
            flat::write(layout, Area::Questions, &part.id, &part.payload)
                .map_err(|source| failed(Area::Questions, &part.id, source))?;
        }
    }
    let written = match lock {
        Some(lock) => flat::write_last(layout, Area::Keys, &key.0, &payload, lock),
        None => flat::write(layout, Area::Keys, &key.0, &payload),
    };
    written.map_err(|source| failed(Area::Keys, &key.0, source))
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
    use crate::digest::{BlobId, CommitId};
    use crate::encode::Encode;
    use crate::record::{
        Commit, Content, Coverage, Evidence, Fact, FactKind, FactScope, Observation, OutputEntry, OutputKind,
        OutputTree, Replay, Resources, StoredPath, StreamOrder, Termination, Timestamp,
    };
    use crate::store::Candidate;
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
            irrelevant_env: Vec::new(),
            coverage: Coverage::Watched,
            replay: Replay::Allowed,
            accepted: None,
        };
        let seen = Evidence {
            device: 1,
            inode: 2,
            size: 3,
            mode: 4,
            viewer: 0,
            modified: Timestamp(5),
            changed: Timestamp(-6),
        };
        Candidate {
            id: commit.id(),
            commit,
            evidence: vec![Some(seen)],
            outputs: Some(tree),
            output_evidence: vec![None],
            irrelevant_env: vec![b"EDITOR".to_vec()],
            inline: vec![(stdout.blob, vec![n])],
            strict: vec![Fact { scope: FactScope::Function, path: b"a".to_vec(), kind: FactKind::Consults }],
        }
    }

    pub(in crate::store) fn payload(candidates: &[Candidate]) -> Vec<u8> {
        entry::encode(&Entry::of(candidates.to_vec(), true)).0
    }

    fn parse(payload: &[u8]) -> Option<Entry> {
        parse_hot(payload, &key(), &|_| None)
    }

    #[test]
    fn a_hot_entry_goes_both_ways() {
        let found = parse(&payload(&[candidate(1), candidate(2)])).unwrap();
        assert!(found.is_whole && found.sets.len() == 1);
        for (place, put) in [candidate(1), candidate(2)].into_iter().enumerate() {
            let found = found.candidate(place).unwrap();
            assert_eq!((found.id, &found.commit, &found.evidence), (put.id, &put.commit, &put.evidence));
            assert_eq!((&found.outputs, &found.inline), (&put.outputs, &put.inline));
            assert_eq!(found.strict, put.strict);
            assert_eq!(
                (&found.output_evidence, &found.irrelevant_env),
                (&put.output_evidence, &put.irrelevant_env)
            );
        }
        assert_eq!(found.results.len(), 2);
    }

    #[test]
    fn a_hot_entry_that_contradicts_itself_is_none() {
        let none = |change: &dyn Fn(&mut Candidate)| {
            let mut changed = candidate(1);
            change(&mut changed);
            assert!(parse(&payload(&[changed])).is_none());
        };
        none(&|candidate| candidate.commit.key = Key(Digest::of(b"other")));
        none(&|candidate| {
            candidate.commit.replay = Replay::Never { reason: String::new(), detail: String::new() }
        });
        none(&|candidate| candidate.outputs = None);
        none(&|candidate| candidate.commit.started = Timestamp(2));
        none(&|candidate| candidate.commit.observations.clear());
        none(&|candidate| candidate.id = CommitId(Digest::of(b"other")));
        none(&|candidate| candidate.output_evidence.push(None));
        none(&|candidate| candidate.inline[0].1[0] ^= 1);
        let mut other = Entry::of(vec![candidate(1)], true);
        other.sets[0].answers = Digest::of(b"other");
        other.depends[0].answers = Digest::of(b"other");
        assert!(parse(&entry::encode(&other).0).is_none());
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_hot_entry_or_none(place in 0_usize..2000, byte: u8, end in 0_usize..2000, any: Vec<u8>) {
            let mut bytes = payload(&[candidate(1), candidate(2)]);
            if let Some(slot) = bytes.get_mut(place) {
                *slot = byte;
            }
            bytes.truncate(end);
            let _ = parse(&bytes);
            let _ = parse(&any);
        }
    }
}
