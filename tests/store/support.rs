//! Stores, commits and blobs for tests.

use cashet::digest::{BlobId, CommitId, Digest, Key, LineageId};
use cashet::record::{
    Commit, Content, Coverage, Evidence, Observation, OutputEntry, OutputKind, OutputTree, Replay, Resources,
    StoredPath, Stream, StreamOrder, Termination, Timestamp,
};
use cashet::store::{BlobStore, Candidate, Claims, Draft, LocalStore, ResultIndex, StoreOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

/// Nanoseconds of a day.
pub(crate) const DAY: i64 = 86_400_000_000_000;

/// The present day of the tests, far from any limit.
pub(crate) const TODAY: Timestamp = Timestamp(20_000 * DAY);

/// A store in a temporary directory.
pub(crate) struct Place {
    _directory: tempfile::TempDir,
    pub(crate) path: PathBuf,
}

impl Place {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(".cashet");
        Self { _directory: directory, path }
    }

    pub(crate) fn open(&self) -> LocalStore {
        open(&self.path)
    }
}

pub(crate) fn open(path: &Path) -> LocalStore {
    let options = StoreOptions { create: true, ..StoreOptions::default() };
    LocalStore::open(path, &options).unwrap()
}

/// Bytes that do not compress, the same for the same seed.
pub(crate) fn noise(size: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state ^ (state >> 29)).to_le_bytes()
    };
    let mut bytes = Vec::with_capacity(size + 8);
    while bytes.len() < size {
        bytes.extend_from_slice(&next()[2..8]);
    }
    bytes.truncate(size);
    bytes
}

/// Bytes that compress well.
pub(crate) fn text(size: usize) -> Vec<u8> {
    let lines = (0..).flat_map(|n: u64| format!("step {n}: loss 0.{:04}\n", n * 7919 % 10_000).into_bytes());
    lines.take(size).collect()
}

pub(crate) fn put(store: &LocalStore, bytes: &[u8]) -> Content {
    let mut writer = store.write().unwrap();
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}

pub(crate) fn get(store: &LocalStore, blob: &BlobId) -> Vec<u8> {
    let mut bytes = Vec::new();
    store.read(blob).unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}

/// A run to be recorded.
#[derive(Clone)]
pub(crate) struct Run {
    pub(crate) manifest: Vec<u8>,
    pub(crate) words: Vec<Vec<u8>>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
    pub(crate) files: Vec<(&'static str, Vec<u8>)>,
    pub(crate) started: Timestamp,
    pub(crate) wall: u64,
    pub(crate) status: u8,
    pub(crate) replay: Replay,
    pub(crate) tags: Vec<(String, String)>,
    pub(crate) consumed: Vec<Digest>,
    pub(crate) function: Digest,
    pub(crate) evidence: Vec<Option<Evidence>>,
}

impl Run {
    /// `train.py` with this argument, which prints `result of NAME`.
    pub(crate) fn new(name: &str) -> Self {
        Self {
            manifest: format!("manifest of {name}").into_bytes(),
            words: vec![b"train.py".to_vec(), name.into()],
            stdout: format!("result of {name}\n").into_bytes(),
            stderr: Vec::new(),
            files: Vec::new(),
            started: TODAY,
            wall: 1_000_000_000,
            status: 0,
            replay: Replay::Allowed,
            tags: Vec::new(),
            consumed: Vec::new(),
            function: Digest::of(b"train.py"),
            evidence: Vec::new(),
        }
    }

    pub(crate) fn key(&self) -> Key {
        Key(Digest::of(&self.manifest))
    }

    pub(crate) fn lineage(&self) -> LineageId {
        LineageId(Digest::of(&self.words.join(&0)))
    }

    /// The draft, with its blobs in place.
    pub(crate) fn draft(&self, store: &LocalStore) -> Draft {
        let mut order = StreamOrder::default();
        order.push(Stream::Stdout, self.stdout.len() as u64);
        order.push(Stream::Stderr, self.stderr.len() as u64);
        let file = |(path, bytes): &(&str, Vec<u8>)| {
            let kind = OutputKind::File { content: put(store, bytes), mode: 0o644, sparse: false };
            OutputEntry::new(*path, kind)
        };
        let tree = OutputTree::new(self.files.iter().map(file).collect());
        let outputs = (!self.files.is_empty()).then_some(tree);
        let commit = Commit {
            key: self.key(),
            lineage: self.lineage(),
            parent: None,
            words: self.words.clone(),
            directory: StoredPath::in_root(""),
            function: self.words[0].clone(),
            function_id: self.function,
            sources: Vec::new(),
            started: self.started,
            resources: Resources { wall: self.wall, ..Resources::default() },
            termination: Termination::Exited(self.status),
            stdout: put(store, &self.stdout),
            stderr: put(store, &self.stderr),
            order,
            terminals: [None; 2],
            outputs: outputs.as_ref().map(|tree| put(store, &cashet::encode::Encode::to_bytes(tree))),
            observations: vec![Observation::Umask(0o22), Observation::Superuser(false)],
            products: cashet::record::Products::default(),
            irrelevant_env: Vec::new(),
            coverage: Coverage::Watched,
            replay: self.replay.clone(),
            accepted: None,
        };
        Draft {
            commit,
            manifest: self.manifest.clone(),
            tags: self.tags.clone(),
            evidence: self.evidence.clone(),
            outputs,
            output_evidence: Vec::new(),
            consumed: self.consumed.clone(),
        }
    }

    /// Records it.
    pub(crate) fn record(&self, store: &LocalStore) -> CommitId {
        let claim = store.claim(&self.key(), &mut || {}).unwrap();
        let draft = self.draft(store);
        store.commit(claim, draft).unwrap()
    }

    /// The candidates in the store.
    pub(crate) fn find(&self, store: &LocalStore) -> Vec<Candidate> {
        ResultIndex::find(store, &self.key()).unwrap()
    }

    /// Replays it: the stdout and the files of the newest candidate, all verified, or `None`.
    pub(crate) fn replay(&self, store: &LocalStore) -> Option<(Vec<u8>, Vec<Vec<u8>>)> {
        let candidate = ResultIndex::find(store, &self.key()).ok()?.into_iter().next()?;
        let read = |content: &Content| {
            if let Some((_, bytes)) = candidate.inline.iter().find(|(blob, _)| *blob == content.blob) {
                return Some(bytes.clone());
            }
            let mut bytes = Vec::new();
            store.read(&content.blob).ok()?.read_to_end(&mut bytes).ok()?;
            Some(bytes)
        };
        let mut files = Vec::new();
        for entry in candidate.outputs.iter().flat_map(OutputTree::entries) {
            if let OutputKind::File { content, .. } = &entry.kind {
                files.push(read(content)?);
            }
        }
        Some((read(&candidate.commit.stdout)?, files))
    }
}

/// Every file below `directory`, sorted.
pub(crate) fn files_below(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut waiting = vec![directory.to_path_buf()];
    while let Some(directory) = waiting.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { waiting.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}
