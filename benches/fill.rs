//! Fills a store as long use would, for `compare.sh`: one commit for each key, with standard output and a manifest of
//! the usual size.
//!
//! usage: fill STORE COUNT

#![expect(clippy::print_stdout, reason = "a program that answers on standard output")]

use cashet::digest::{Digest, Key, LineageId};
use cashet::encode::Encode;
use cashet::hash::manifest::{Manifest, Part, Value};
use cashet::record::{
    Commit, Content, Coverage, Observation, Replay, Resources, StoredPath, Stream, StreamOrder, Termination,
    Timestamp,
};
use cashet::store::{BlobStore, Draft, LocalStore, StoreOptions};
use std::error::Error;
use std::io::Write;
use std::path::Path;

/// Commits in one transaction.
const AT_ONCE: u64 = 5000;

/// Of so many commits one has an output of its own; the others share what they print, as runs of one program often do.
const WITH_OWN_BYTES: u64 = 10;

/// Between two runs, in nanoseconds.
const PAUSE: i64 = 1_000_000_000;

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [path, count] = words.as_slice() else {
        // cargo bench passes flags of its own: there is nothing to fill then.
        println!("usage: fill STORE COUNT");
        return Ok(());
    };
    let Ok(count) = count.parse::<u64>() else {
        println!("usage: fill STORE COUNT");
        return Ok(());
    };
    let store = LocalStore::open(Path::new(path), &StoreOptions { create: true, ..StoreOptions::default() })?;
    let first = Timestamp::now().0 - i64::try_from(count)? * PAUSE;
    let mut done = 0;
    while done < count {
        let end = (done + AT_ONCE).min(count);
        let drafts: Result<Vec<Draft>, _> = (done..end).map(|number| draft(&store, number, first)).collect();
        store.record_all(&drafts?)?;
        store.settle();
        done = end;
    }
    println!("{count}");
    Ok(())
}

fn put(store: &LocalStore, bytes: &[u8]) -> Result<Content, Box<dyn Error>> {
    let mut writer = store.write()?;
    writer.write_all(bytes)?;
    Ok(writer.finish()?)
}

fn draft(store: &LocalStore, number: u64, first: i64) -> Result<Draft, Box<dyn Error>> {
    let own = number - number % WITH_OWN_BYTES;
    let stdout = format!("result of run {own}: loss 0.{:06}\n", own * 7919 % 1_000_000);
    let words: Vec<Vec<u8>> =
        ["python3", "train.py", "--lr", &format!("0.{number}")].map(|word| word.as_bytes().to_vec()).to_vec();
    let manifest = manifest(&words, number);
    let mut order = StreamOrder::default();
    order.push(Stream::Stdout, stdout.len() as u64);
    let commit = Commit {
        key: Key(Digest::of(&manifest)),
        lineage: LineageId(Digest::of(&words.join(&0))),
        parent: None,
        function: b"train.py".to_vec(),
        function_id: Digest::of(b"train.py"),
        words,
        directory: StoredPath::in_root(""),
        sources: Vec::new(),
        started: Timestamp(first + i64::try_from(number)? * PAUSE),
        resources: Resources { wall: 1_500_000_000, ..Resources::default() },
        termination: Termination::Exited(0),
        stdout: put(store, stdout.as_bytes())?,
        stderr: put(store, b"")?,
        order,
        terminals: [None; 2],
        outputs: None,
        observations: vec![Observation::Umask(0o22), Observation::Superuser(false)],
        products: cashet::record::Products::default(),
        irrelevant_env: Vec::new(),
        coverage: Coverage::Watched,
        replay: Replay::Allowed,
        accepted: None,
    };
    Ok(Draft {
        commit,
        manifest,
        tags: Vec::new(),
        evidence: Vec::new(),
        outputs: None,
        output_evidence: Vec::new(),
        consumed: Vec::new(),
    })
}

fn manifest(words: &[Vec<u8>], number: u64) -> Vec<u8> {
    let mut manifest = Manifest::default();
    for (place, word) in (0..).zip(words) {
        manifest.set(Part::Word(place), Value::Bytes(word.clone()));
    }
    let digest = |text: &str| Digest::of(text.as_bytes());
    manifest.set(Part::Program(0), Value::Digest(digest("python3")));
    for module in ["train.py", "model.py", "data.py"] {
        let form = "raw".to_owned();
        let source = Value::Source { form, digest: digest(module) };
        manifest.set(Part::Source(StoredPath::in_root(module)), source);
    }
    for name in ["LANG", "TZ", "OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES"] {
        manifest.set(Part::Variable(name.as_bytes().to_vec()), Value::Digest(digest(name)));
    }
    manifest.set(Part::Salt, Value::Bytes(number.to_string().into_bytes()));
    manifest.to_bytes()
}
