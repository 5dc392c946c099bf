//! A project with a store, runs for recording, and calls of commands at a fixed time.

use cashet::commands::cli::{self, Call};
use cashet::commands::context::Context;
use cashet::commands::{self, Exit};
use cashet::digest::{CommitId, Digest, LineageId};
use cashet::encode::Encode;
use cashet::error::Error;
use cashet::hash::manifest::{Manifest, Part, Value};
use cashet::project::Project;
use cashet::record::{
    Acceptance, Commit, Content, Coverage, Observation, OutputEntry, OutputKind, OutputTree, Replay,
    Resources, SourceFile, StoredPath, Stream, StreamOrder, Termination, Timestamp,
};
use cashet::store::{BlobStore, Claims, Draft, LocalStore, ResultIndex, StoreOptions};
use cashet::ui::page::{Look, Page};
use jiff::tz::TimeZone;
use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};

pub(crate) const SECOND: i64 = 1_000_000_000;
pub(crate) const HOUR: i64 = 3600 * SECOND;
pub(crate) const DAY: i64 = 24 * HOUR;

/// Noon of 2026-11-22, UTC.
pub(crate) const NOON: Timestamp = Timestamp(1_795_348_800 * SECOND);

/// A separate project.
pub(crate) struct Sandbox {
    folder: tempfile::TempDir,
}

/// The output of a call, and how it ended.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) text: String,
    pub(crate) ended: Result<Exit, Error>,
}

impl Shown {
    /// The output of a successful call.
    #[track_caller]
    pub(crate) fn ok(self) -> String {
        assert_eq!(self.ended.unwrap(), Exit::Status(0), "{}", self.text);
        self.text
    }

    /// The message of a failed call without output.
    #[track_caller]
    pub(crate) fn refused(self) -> String {
        assert_eq!(self.text, "");
        self.ended.unwrap_err().to_string()
    }

    /// The JSON objects in the output, one per line.
    #[track_caller]
    pub(crate) fn json(self) -> Vec<serde_json::Value> {
        let text = self.ok();
        let lines: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert!(lines.iter().all(|line| line["schema"] == 1));
        lines
    }
}

impl Sandbox {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn root(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn path(&self, inside: &str) -> PathBuf {
        self.root().join(inside)
    }

    pub(crate) fn store(&self) -> LocalStore {
        let options = StoreOptions { create: true, ..StoreOptions::default() };
        LocalStore::open(&self.path(".cashet"), &options).unwrap()
    }

    /// Records a run.
    pub(crate) fn record(&self, run: &Run) -> CommitId {
        run.record(&self.store())
    }

    /// Calls a command on a page of this width, at noon.
    pub(crate) fn at(&self, width: usize, words: &[&str]) -> Shown {
        self.call(Some(width), NOON, &words.iter().map(OsString::from).collect::<Vec<_>>())
    }

    /// Calls a command on a page of 80 columns, at noon.
    pub(crate) fn run(&self, words: &[&str]) -> Shown {
        self.at(80, words)
    }

    pub(crate) fn call(&self, width: Option<usize>, now: Timestamp, words: &[OsString]) -> Shown {
        let mut project = Project::find(self.root().to_path_buf(), None, None);
        project.store = self.path(".cashet");
        let context = Context { now, project };
        let mut text = Vec::new();
        let look = Look { width, coloured: false, now, zone: TimeZone::UTC };
        let mut page = Page::to(&mut text, look);
        let ended = match cli::parse(words) {
            Ok(Call::Verb(verb, _)) => commands::run_verb(&verb, &context, &mut page),
            Ok(Call::Text(text)) => page.write(&text).map(|()| Exit::Status(0)),
            Err(error) => Err(error),
        };
        page.finish().unwrap();
        // The path of the project differs each time.
        let text = String::from_utf8_lossy(&text).replace(self.root().to_str().unwrap(), "/project");
        Shown { text, ended }
    }
}

/// A run to be recorded.
#[derive(Clone)]
pub(crate) struct Run {
    pub(crate) words: Vec<Vec<u8>>,
    pub(crate) function: Vec<u8>,
    pub(crate) ago: i64,
    pub(crate) took: u64,
    pub(crate) termination: Termination,
    pub(crate) replay: Replay,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
    pub(crate) source: Option<(&'static str, &'static str)>,
    pub(crate) facts: Vec<(Part, Value)>,
    pub(crate) observations: Vec<Observation>,
    pub(crate) files: Vec<(&'static [u8], Vec<u8>, u32)>,
    pub(crate) others: Vec<OutputEntry>,
    pub(crate) tags: Vec<(String, String)>,
    pub(crate) consumed: Vec<Digest>,
    pub(crate) accepted: Option<Acceptance>,
}

impl Run {
    /// A run of this command line, this many nanoseconds before noon.
    pub(crate) fn new(line: &str, ago: i64) -> Self {
        let words: Vec<Vec<u8>> = line.split(' ').map(|word| word.as_bytes().to_vec()).collect();
        let is_script = |word: &&Vec<u8>| word.contains(&b'.') && !word.starts_with(b"-");
        let function = words.iter().take(2).find(is_script).unwrap_or(&words[0]).clone();
        Self {
            stdout: format!("result of {line}\n").into_bytes(),
            words,
            function,
            ago,
            took: 12_345_678_900,
            termination: Termination::Exited(0),
            replay: Replay::Allowed,
            stderr: Vec::new(),
            source: None,
            facts: Vec::new(),
            observations: Vec::new(),
            files: Vec::new(),
            others: Vec::new(),
            tags: Vec::new(),
            consumed: Vec::new(),
            accepted: None,
        }
    }

    /// The run failed with this status, and is not replayed.
    pub(crate) fn failed(mut self, status: u8, errors: &str) -> Self {
        self.termination = Termination::Exited(status);
        self.replay = Replay::Never { reason: "failed".to_owned(), detail: format!("exit status {status}") };
        self.stderr = errors.into();
        self
    }

    pub(crate) fn printing(mut self, text: &str) -> Self {
        self.stdout = text.into();
        self
    }

    pub(crate) fn tagged(mut self, name: &str, value: &str) -> Self {
        self.tags.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn source(mut self, path: &'static str, text: &'static str, code: &str) -> Self {
        self.source = Some((path, text));
        let source = Value::Source { form: "python-1".to_owned(), digest: Digest::of(code.as_bytes()) };
        self.facts.push((Part::Source(StoredPath::in_root(path)), source));
        self
    }

    pub(crate) fn variable(mut self, name: &str, value: Option<&str>) -> Self {
        let value = value.map_or(Value::Absent, |value| Value::Digest(Digest::of(value.as_bytes())));
        self.facts.push((Part::Variable(name.into()), value));
        self
    }

    pub(crate) fn package(mut self, name: &str, version: &str) -> Self {
        let part = Part::Package("python".to_owned(), name.to_owned());
        self.facts.push((part, Value::Version(version.to_owned())));
        self
    }

    /// The run read a file with this content.
    pub(crate) fn reading(mut self, path: &str, content: &str) -> Self {
        let digest = Digest::of(content.as_bytes());
        self.observations.push(Observation::Content { path: StoredPath::in_root(path), digest });
        self.consumed.push(digest);
        self
    }

    /// The run wrote a file with this content.
    pub(crate) fn writing(mut self, path: &'static str, content: &[u8], mode: u32) -> Self {
        self.files.push((path.as_bytes(), content.to_vec(), mode));
        self
    }

    fn manifest(&self) -> Manifest {
        let mut manifest = Manifest::default();
        manifest.set(Part::Platform, Value::Bytes(b"linux-x86_64".to_vec()));
        for (place, word) in (0..).zip(&self.words) {
            manifest.set(Part::Word(place), Value::Bytes(word.clone()));
        }
        manifest.set(Part::Program(0), Value::Digest(Digest::of(&self.words[0])));
        for (part, value) in &self.facts {
            manifest.set(part.clone(), value.clone());
        }
        manifest
    }

    pub(crate) fn record(&self, store: &LocalStore) -> CommitId {
        let put = |bytes: &[u8]| -> Content {
            let mut writer = store.write().unwrap();
            writer.write_all(bytes).unwrap();
            writer.finish().unwrap()
        };
        let files = self.files.iter().map(|(path, bytes, mode)| {
            OutputEntry::new(*path, OutputKind::File { content: put(bytes), mode: *mode, sparse: false })
        });
        let tree = OutputTree::new(files.chain(self.others.iter().cloned()).collect());
        let outputs = (!tree.entries().is_empty()).then_some(tree);
        let manifest = self.manifest();
        let mut order = StreamOrder::default();
        order.push(Stream::Stdout, self.stdout.len() as u64);
        order.push(Stream::Stderr, self.stderr.len() as u64);
        let source = |(path, text): (&str, &str)| SourceFile {
            path: StoredPath::in_root(path),
            blob: put(text.as_bytes()).blob,
        };
        let commit = Commit {
            key: manifest.key(),
            lineage: LineageId(Digest::of(&self.words.join(&0))),
            parent: None,
            words: self.words.clone(),
            directory: StoredPath::in_root(""),
            function: self.function.clone(),
            function_id: Digest::of(&self.function),
            sources: self.source.map(source).into_iter().collect(),
            started: Timestamp(NOON.0 - self.ago),
            resources: Resources {
                wall: self.took,
                user: self.took / 2,
                system: 1_000_000,
                peak_memory: 50 << 20,
            },
            termination: self.termination,
            stdout: put(&self.stdout),
            stderr: put(&self.stderr),
            order,
            terminals: [None; 2],
            outputs: outputs.as_ref().map(|tree| put(&tree.to_bytes())),
            observations: self.observations.clone(),
            products: cashet::record::Products::default(),
            irrelevant_env: Vec::new(),
            coverage: Coverage::Watched,
            replay: self.replay.clone(),
            accepted: self.accepted.clone(),
        };
        let claim = store.claim(&commit.key, &mut || {}).unwrap();
        let draft = Draft {
            evidence: vec![None; commit.observations.len()],
            output_evidence: vec![None; outputs.as_ref().map_or(0, |tree| tree.entries().len())],
            commit,
            manifest: manifest.to_bytes(),
            tags: self.tags.clone(),
            outputs,
            consumed: self.consumed.clone(),
        };
        store.commit(claim, draft).unwrap()
    }
}

/// A small project's history, oldest first: data are loaded, cleaned, and trained on four times.
pub(crate) fn pipeline() -> Vec<Run> {
    let first = "def train(lr):\n    # slow\n    return lr\n\nprint(train(0.01))\n";
    let second = "def train(lr):\n    return lr * 2\n\nprint(train(0.01))\n";
    let train = |ago, source, code: &str, lr| {
        Run::new("python3 train.py --lr 0.01", ago)
            .source("train.py", source, code)
            .variable("LR_DECAY", lr)
            .package("numpy", "2.1.0")
            .reading("data/clean.csv", "1,2\n")
            .writing("model.bin", b"\0model one", 0o644)
    };
    vec![
        Run::new("python3 load.py day1.csv", 2 * DAY).writing("data/raw.csv", b"1, 2\n", 0o644),
        Run::new("python3 clean.py data/raw.csv", DAY).reading("data/raw.csv", "1, 2\n").writing(
            "data/clean.csv",
            b"1,2\n",
            0o600,
        ),
        train(5 * HOUR, first, "one", None).printing("loss 0.5\nloss 0.4\n"),
        train(4 * HOUR, second, "two", None)
            .printing("loss 0.5\nloss 0.3\n")
            .writing("model.bin", b"\0model two!", 0o755)
            .tagged("stage", "train")
            .tagged("keep", ""),
        train(3 * HOUR, second, "two", Some("1"))
            .failed(1, "warning: \x1b[31mdecay\x1b[0m\nTraceback: no decay\n"),
        Run::new("sh report.sh 'weekly'", 130 * SECOND)
            .reading("model.bin", "\0model two!")
            .reading("data/clean.csv", "1,2\n")
            .writing("out/report.md", b"# Report\n", 0o644),
    ]
}

/// A sandbox with the pipeline, and the ids of its runs.
pub(crate) fn recorded() -> (Sandbox, Vec<CommitId>) {
    let sandbox = Sandbox::new();
    let ids = pipeline().iter().map(|run| sandbox.record(run)).collect();
    (sandbox, ids)
}
