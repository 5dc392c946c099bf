//! The parts of cashet by themselves, for `cargo bench --bench parts`: what each costs, and with it what a change of
//! one of them is worth. Whole processes are `compare.sh`'s matter.

#![expect(clippy::expect_used, reason = "a benchmark that cannot be set up has nothing to say")]

use cashet::digest::{DIGEST_LENGTH, Digest, Key, LineageId, RequestId};
use cashet::encode::{Decode, Encode};
use cashet::hash::capture::{capture, recall};
use cashet::hash::files::digest_file;
use cashet::hash::language::{JavaScript, Language, Python};
use cashet::hash::manifest::{Manifest, Part, Value};
use cashet::hash::request::Request;
use cashet::record::{
    Commit, Coverage, Observation, Places, Recall, Replay, Resources, StoredPath, Stream, StreamOrder,
    Termination, Timestamp,
};
use cashet::store::{BlobStore, Claims, Draft, LocalStore, ResultIndex, Store, StoreOptions, copy_file};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use std::cell::RefCell;
use std::collections::HashMap;
use std::fs::{self, File};
use std::hint::black_box;
use std::io::{Read, Write};
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;

/// Files that a capture looks at.
const INPUTS: usize = 300;

#[derive(Default)]
struct Memory(RefCell<HashMap<RequestId, Vec<u8>>>);

impl Recall for Memory {
    fn find(&self, request: &RequestId) -> Option<Vec<u8>> {
        self.0.borrow().get(request).cloned()
    }
    fn remember(&self, request: &RequestId, bytes: &[u8]) {
        self.0.borrow_mut().insert(*request, bytes.to_vec());
    }
    fn forget(&self, request: &RequestId) {
        self.0.borrow_mut().remove(request);
    }
    fn secret(&self) -> [u8; DIGEST_LENGTH] {
        [7; DIGEST_LENGTH]
    }
}

/// Bytes that do not compress.
fn noise(size: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33).to_le_bytes()
    };
    let mut bytes = Vec::with_capacity(size + 4);
    while bytes.len() < size {
        bytes.extend(next().iter().take(4));
    }
    bytes.truncate(size);
    bytes
}

fn request(directory: &Path) -> Request {
    let words = vec!["true".into(), "x".into()];
    let places = Places { root: directory.to_path_buf(), home: None };
    let environment =
        vec![("PATH".into(), "/usr/local/bin:/usr/bin:/bin".into()), ("LANG".into(), "C".into())];
    let mut request = Request::new(words, directory.to_path_buf(), places, environment);
    request.inputs = vec!["in".into()];
    request
}

fn tree(directory: &Path, count: usize) {
    for number in 0..count {
        let folder = directory.join(format!("in/d{}", number / 100));
        fs::create_dir_all(&folder).expect("a directory");
        fs::write(folder.join(format!("f{number}")), format!("file {number}\n")).expect("a file");
    }
    // Younger evidence is not trusted.
    std::thread::sleep(Duration::from_millis(100));
}

fn manifest() -> Manifest {
    let mut manifest = Manifest::default();
    for number in 0..INPUTS {
        let path = StoredPath::in_root(format!("src/module/file{number}.py"));
        let digest = Digest::of(&number.to_le_bytes());
        manifest.set(Part::Input(path), Value::File { executable: false, digest });
    }
    manifest
}

fn commit(store: &dyn Store, manifest: &Manifest) -> Commit {
    let mut writer = store.write().expect("a blob");
    writer.write_all(b"an answer\n").expect("its bytes");
    let stdout = writer.finish().expect("its place");
    let mut order = StreamOrder::default();
    order.push(Stream::Stdout, stdout.size);
    let seen = (0..INPUTS).map(|number| Observation::Content {
        path: StoredPath::in_root(format!("lib/python3.11/module{number}.py")),
        digest: Digest::of(&number.to_le_bytes()),
    });
    Commit {
        key: manifest.key(),
        lineage: LineageId(Digest::of(b"lineage")),
        parent: None,
        words: vec![b"python3".to_vec(), b"train.py".to_vec()],
        directory: StoredPath::in_root(""),
        function: b"train.py".to_vec(),
        function_id: Digest::of(b"train.py"),
        sources: Vec::new(),
        started: Timestamp::now(),
        resources: Resources::default(),
        termination: Termination::Exited(0),
        stdout,
        stderr: store.write().expect("a blob").finish().expect("its place"),
        order,
        terminals: [None; 2],
        outputs: None,
        observations: seen.collect(),
        products: cashet::record::Products::default(),
        irrelevant_env: Vec::new(),
        coverage: Coverage::Watched,
        replay: Replay::Allowed,
        accepted: None,
    }
}

fn place() -> (TempDir, LocalStore) {
    let directory = tempfile::tempdir().expect("a directory");
    let options = StoreOptions { create: true, ..StoreOptions::default() };
    let store = LocalStore::open(&directory.path().join(".cashet"), &options).expect("a store");
    (directory, store)
}

fn encoding(criterion: &mut Criterion) {
    let manifest = manifest();
    let bytes = manifest.to_bytes();
    let mut group = criterion.benchmark_group("encode");
    group.throughput(Throughput::Bytes(bytes.len() as u64));
    group.bench_function("manifest of 300 facts", |bencher| bencher.iter(|| black_box(&manifest).to_bytes()));
    group.bench_function("manifest of 300 facts, decode", |bencher| {
        bencher.iter(|| Manifest::from_bytes(black_box(&bytes)));
    });
    group.finish();
}

fn capturing(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("capture");
    for count in [10, INPUTS, 10_000] {
        let directory = tempfile::tempdir().expect("a directory");
        tree(directory.path(), count);
        let (request, memory) = (request(directory.path()), Memory::default());
        capture(&request, &memory).expect("a capture");
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(format!("remembered, {count} files"), |bencher| {
            bencher.iter(|| assert!(recall(&request, &memory, Timestamp::now()).is_some()));
        });
        group.bench_function(format!("anew, {count} files"), |bencher| {
            bencher.iter(|| capture(&request, &Memory::default()).map(|captured| captured.key));
        });
    }
    group.finish();
}

fn storing(criterion: &mut Criterion) {
    let (_directory, store) = place();
    let manifest = manifest();
    let key: Key = manifest.key();
    let commit = commit(&store, &manifest);
    let draft = || Draft {
        evidence: vec![None; commit.observations.len()],
        commit: commit.clone(),
        manifest: manifest.to_bytes(),
        tags: Vec::new(),
        outputs: None,
        output_evidence: Vec::new(),
        consumed: Vec::new(),
    };
    criterion.bench_function("store: record a run of 300 observations", |bencher| {
        bencher.iter_batched(
            draft,
            |draft| store.commit(store.claim(&key, &mut || {}).expect("a claim"), draft),
            BatchSize::SmallInput,
        );
    });
    criterion.bench_function("store: hot entry of 300 observations", |bencher| {
        bencher.iter(|| assert!(!ResultIndex::find(&store, black_box(&key)).expect("an entry").is_empty()));
    });
    let mut group = criterion.benchmark_group("blob");
    for size in [1 << 10, 1 << 20, 64 << 20] {
        let bytes = noise(size);
        group.throughput(Throughput::Bytes(size as u64)).sample_size(if size > 1 << 20 { 10 } else { 50 });
        let write = || {
            let mut writer = store.write().expect("a blob");
            writer.write_all(&bytes).expect("its bytes");
            writer.finish().expect("its place")
        };
        group.bench_function(format!("write {size}"), |bencher| bencher.iter(write));
        let blob = write().blob;
        group.bench_function(format!("read {size}"), |bencher| {
            bencher.iter(|| std::io::copy(&mut store.read(&blob).expect("a blob"), &mut std::io::sink()));
        });
    }
    group.finish();
}

fn files(criterion: &mut Criterion) {
    let directory = tempfile::tempdir().expect("a directory");
    let (from, to) = (directory.path().join("from"), directory.path().join("to"));
    let size: usize = 256 << 20;
    fs::write(&from, noise(size)).expect("a file");
    let mut group = criterion.benchmark_group("file of 256 MiB");
    group.throughput(Throughput::Bytes(size as u64)).sample_size(10);
    group.bench_function("digest, all cores", |bencher| {
        bencher.iter(|| digest_file(&from).expect("a digest"));
    });
    group.bench_function("copy, all cores", |bencher| {
        bencher.iter(|| {
            let (from, to) = (File::open(&from).expect("a file"), File::create(&to).expect("a file"));
            copy_file(&from, &to, size as u64)
        });
    });
    group.bench_function("read", |bencher| {
        let mut buffer = vec![0; 256 << 10];
        bencher.iter(|| {
            let mut file = File::open(&from).expect("a file");
            while file.read(&mut buffer).expect("bytes") > 0 {}
        });
    });
    group.finish();
}

fn normal_forms(criterion: &mut Criterion) {
    let python: Vec<String> = (0..2000)
        .map(|n| {
            format!("def step_{n}(rate, data=None):\n    # scaled\n    total = [x * {n} for x in data or ()]\n    return sum(total) / rate\n\n")
        })
        .collect();
    let javascript: Vec<String> = (0..2000)
        .map(|n| {
            format!("export function step{n}(rate, data = []) {{\n  // scaled\n  const total = data.map((x) => x * {n});\n  return total.reduce((a, b) => a + b, 0) / rate;\n}}\n\n")
        })
        .collect();
    let (python, javascript) = (python.concat(), javascript.concat());
    let mut group = criterion.benchmark_group("normal form");
    group.throughput(Throughput::Bytes(python.len() as u64));
    group.bench_function("Python", |bencher| {
        bencher.iter(|| Python::newest().parse(black_box(python.as_bytes())));
    });
    group.throughput(Throughput::Bytes(javascript.len() as u64));
    group.bench_function("JavaScript", |bencher| {
        bencher.iter(|| JavaScript::for_extension("mjs").parse(black_box(javascript.as_bytes())));
    });
    group.finish();
}

criterion_group! {
    name = parts;
    config = Criterion::default().warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    targets = encoding, capturing, storing, files, normal_forms
}
criterion_main!(parts);
