//! Damage: each kind of file flipped, truncated, deleted, unreadable. The bytes are never wrong; a new run restores
//! the result; the check finds the damage, and the repair removes all of it.

use crate::support::{Place, Run, TODAY, files_below, get, noise, text};
use cashet::error::Kind;
use cashet::record::Recall;
use cashet::store::{Damage, Event, Filter, LocalStore, Report, ResultIndex};
use std::fs;
use std::path::{Path, PathBuf};

/// The damage to a file.
#[derive(Clone, Copy, Debug)]
enum Harm {
    Deleted,
    Emptied,
    Cut,
    Flipped(usize),
    Swapped,
    Directory,
}

const HARMS: &[Harm] = &[
    Harm::Deleted,
    Harm::Emptied,
    Harm::Cut,
    Harm::Flipped(0),
    Harm::Flipped(50),
    Harm::Flipped(99),
    Harm::Swapped,
    Harm::Directory,
];

fn harm(path: &Path, how: Harm) {
    let mut bytes = fs::read(path).unwrap();
    match how {
        Harm::Deleted => return fs::remove_file(path).unwrap(),
        Harm::Directory => {
            fs::remove_file(path).unwrap();
            return fs::create_dir(path).unwrap();
        }
        Harm::Emptied => bytes.clear(),
        Harm::Cut => bytes.truncate(bytes.len() / 2),
        Harm::Flipped(percent) => {
            let place = (bytes.len().saturating_sub(1)) * percent / 99;
            if let Some(byte) = bytes.get_mut(place) {
                *byte ^= 8;
            }
        }
        Harm::Swapped => bytes = b"something quite different".to_vec(),
    }
    fs::write(path, bytes).unwrap();
}

fn check(store: &LocalStore) -> Report {
    store.check(false, &mut |_| {}).unwrap()
}

/// A run with a stream and files in every form of blob.
fn run() -> Run {
    let mut run = Run::new("a");
    run.stderr = text(20_000);
    run.files = vec![
        ("compressed", text((1 << 20) + 5)),
        ("raw", noise(20_000, 1)),
        ("large", noise(9 << 20, 2)),
        ("tiny", b"x".to_vec()),
    ];
    run
}

/// Replays, or runs again and replays; the bytes must be right either way. Returns whether it had to run.
fn replay_or_heal(run: &Run, store: &LocalStore) -> bool {
    let mut files: Vec<_> = run.files.clone();
    files.sort();
    let expected = (run.stdout.clone(), files.into_iter().map(|(_, bytes)| bytes).collect());
    let right = |found: &Option<(Vec<u8>, Vec<Vec<u8>>)>| {
        *found == Some((expected.0.clone(), Vec::clone(&expected.1)))
    };
    let found = run.replay(store);
    if found.is_some() {
        assert!(right(&found), "wrong bytes");
        return false;
    }
    for candidate in run.find(store) {
        store.distrust(&run.key(), &candidate.id);
    }
    run.record(store);
    assert!(right(&run.replay(store)), "not healed");
    true
}

#[test]
fn damaged_blobs_never_give_wrong_bytes_and_heal() {
    let place = Place::new();
    let run = run();
    run.record(&place.open());
    let mut healed = 0;
    for path in files_below(&place.path.join("objects")) {
        for how in HARMS {
            // A file cannot be renamed over a directory: only the repair helps.
            if matches!(how, Harm::Directory) {
                continue;
            }
            let whole = fs::read(&path).unwrap();
            harm(&path, *how);
            let report = check(&place.open());
            assert!(!report.damage.is_empty(), "{how:?} of {} was not found", path.display());
            healed += usize::from(replay_or_heal(&run, &place.open()));
            // A blob stored in the hot entry is not needed.
            fs::write(&path, whole).unwrap();
            let all = place.open();
            let row = all.log(Filter::default()).next().unwrap().unwrap();
            assert_eq!(get(&all, &row.commit.stderr.blob), run.stderr);
        }
    }
    assert!(healed >= 4 * 7, "only {healed} needed healing");
    assert!(check(&place.open()).damage.iter().all(|damage| matches!(damage, Damage::Missing { .. })));
}

#[test]
fn damaged_hot_entries_and_captures_cost_nothing_but_time() {
    for how in HARMS {
        let place = Place::new();
        let run = run();
        let store = place.open();
        run.record(&store);
        let request = cashet::digest::RequestId(cashet::digest::Digest::of(b"r"));
        store.remember(&request, b"facts");
        drop(store);
        for path in files_below(&place.path.join("hot")) {
            harm(&path, *how);
        }
        let report = check(&place.open());
        assert_eq!(report.damage.is_empty(), matches!(how, Harm::Deleted), "{how:?}");
        let store = place.open();
        assert!(!replay_or_heal(&run, &store), "{how:?}");
        assert_eq!(Recall::find(&store, &request), None, "{how:?}");
        store.exclusive().unwrap().repair(&check(&store), false, &mut |_| {}).unwrap();
        assert_eq!(check(&place.open()).damage, [], "{how:?}");
        assert!(!replay_or_heal(&run, &place.open()), "{how:?}");
    }
}

#[test]
fn a_damaged_database_is_set_aside_or_its_rows_are_passed_over() {
    for how in HARMS {
        for hot in [true, false] {
            let place = Place::new();
            let run = run();
            let store = place.open();
            for n in 0..20 {
                Run::new(&format!("{n}")).record(&store);
            }
            run.record(&store);
            store.settle();
            let _ =
                store.exclusive().unwrap().apply(&cashet::store::Plan::default(), TODAY, false, &mut |_| {});
            drop(store);
            if !hot {
                fs::remove_dir_all(place.path.join("hot")).unwrap();
            }
            for log in ["meta.db-wal", "meta.db-shm"] {
                let _ = fs::remove_file(place.path.join(log));
            }
            if matches!(how, Harm::Directory) {
                continue;
            }
            harm(&place.path.join("meta.db"), *how);
            let store = place.open();
            replay_or_heal(&run, &store);
            let rows: Vec<_> = store.log(Filter::default()).map(|row| row.unwrap().commit.words).collect();
            assert!(rows.iter().all(|words| words[0] == b"train.py"), "{how:?}");
            drop(store);
            let store = place.open();
            store.exclusive().unwrap().repair(&check(&store), false, &mut |_| {}).unwrap();
            let left = check(&place.open());
            assert_eq!(left.damage, [], "{how:?}");
            replay_or_heal(&run, &place.open());
        }
    }
}

#[test]
fn every_byte_of_a_database_may_flip() {
    let place = Place::new();
    let run = Run::new("a");
    let store = place.open();
    run.record(&store);
    store.tag(&run.find(&store)[0].id, "exp", "1").unwrap();
    store.exclusive().unwrap().apply(&cashet::store::Plan::default(), TODAY, false, &mut |_| {}).unwrap();
    drop(store);
    for log in ["meta.db-wal", "meta.db-shm"] {
        let _ = fs::remove_file(place.path.join(log));
    }
    fs::remove_dir_all(place.path.join("hot")).unwrap();
    let database = place.path.join("meta.db");
    let whole = fs::read(&database).unwrap();
    let (mut found, mut lost) = (0, 0);
    for byte in (0..200).chain((200..whole.len()).step_by(101)) {
        for file in files_below(&place.path)
            .iter()
            .filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("meta.db"))
        {
            fs::remove_file(file).unwrap();
        }
        let _ = fs::remove_dir_all(place.path.join("hot"));
        let mut flipped = whole.clone();
        flipped[byte] ^= 1;
        fs::write(&database, &flipped).unwrap();
        let store = place.open();
        match ResultIndex::find(&store, &run.key()) {
            // The format field: a newer store is not changed.
            Err(error) => assert_eq!(error.kind(), Kind::NewerFormat, "byte {byte}"),
            Ok(candidates) => match candidates.first() {
                Some(candidate) => {
                    found += 1;
                    assert_eq!(candidate.commit.id(), candidate.id);
                    assert_eq!(run.replay(&store).unwrap().0, run.stdout, "byte {byte}");
                }
                None => lost += 1,
            },
        }
    }
    assert!(found > 50 && lost > 10, "{found} found, {lost} lost");
}

#[test]
fn a_lost_log_of_hits_or_secret_or_format_is_harmless() {
    for name in ["hits.log", "secret", "FORMAT", ".gitignore", "CACHEDIR.TAG", "locks/store", "locks/schema"]
    {
        for how in HARMS {
            let place = Place::new();
            let run = Run::new("a");
            let store = place.open();
            let id = run.record(&store);
            store.note(&Event::Hit { commit: id, at: TODAY });
            drop(store);
            let path = place.path.join(name);
            if matches!(how, Harm::Directory) {
                continue;
            }
            harm(&path, *how);
            let store = place.open();
            assert!(!replay_or_heal(&run, &store), "{how:?} of {name}");
            Run::new("b").record(&store);
            store.note(&Event::Hit { commit: id, at: TODAY });
            store.fold().unwrap();
            let secret = store.secret();
            store.exclusive().unwrap().repair(&check(&store), false, &mut |_| {}).unwrap();
            drop(store);
            let store = place.open();
            assert_eq!(store.secret(), secret, "{how:?} of {name}");
            assert_eq!(check(&store).damage, [], "{how:?} of {name}");
            assert_eq!(store.log(Filter::default()).count(), 2);
        }
    }
}

#[test]
fn whole_directories_may_go() {
    for name in ["objects", "hot", "locks", "tmp", "view", "replaced"] {
        let place = Place::new();
        let run = run();
        run.record(&place.open());
        fs::remove_dir_all(place.path.join(name)).unwrap();
        assert_eq!(replay_or_heal(&run, &place.open()), name == "objects", "{name}");
        Run::new("b").record(&place.open());
        let store = place.open();
        store.exclusive().unwrap().repair(&check(&store), false, &mut |_| {}).unwrap();
        assert_eq!(check(&place.open()).damage, [], "{name}");
    }
}

#[test]
fn the_repair_drops_what_is_damaged_and_nothing_else() {
    let place = Place::new();
    let store = place.open();
    let (one, two) = (run(), Run::new("b"));
    let (one_id, two_id) = (one.record(&store), two.record(&store));
    let objects = files_below(&place.path.join("objects"));
    let large = objects.iter().max_by_key(|path| fs::metadata(path).unwrap().len()).unwrap();
    harm(large, Harm::Flipped(50));
    fs::write(place.path.join("objects/README"), b"x").unwrap();
    let report = check(&store);
    let kinds: Vec<&str> = report
        .damage
        .iter()
        .map(|damage| match damage {
            Damage::Blob { path, .. } => {
                assert_eq!(path, large);
                "blob"
            }
            Damage::Missing { commit, .. } => {
                assert_eq!(*commit, one_id);
                "missing"
            }
            Damage::Stranger(path) => {
                assert!(path.ends_with("README"));
                "stranger"
            }
            other => panic!("{other}"),
        })
        .collect();
    assert_eq!(kinds, ["stranger", "blob", "missing"]);
    assert_eq!(check(&store).damage, report.damage, "looking changes nothing");
    store.exclusive().unwrap().repair(&report, false, &mut |_| {}).unwrap();
    assert_eq!(check(&store).damage, []);
    let left: Vec<PathBuf> = objects.iter().filter(|path| *path != large).cloned().collect();
    assert_eq!(files_below(&place.path.join("objects")), left);
    assert!(one.find(&store).is_empty());
    assert!(store.row(&one_id).unwrap().unwrap().distrusted);
    assert_eq!(two.find(&store)[0].id, two_id);
}

#[test]
fn the_quick_check_finds_what_sizes_tell() {
    let place = Place::new();
    let run = run();
    run.record(&place.open());
    let quick = || place.open().check(true, &mut |_| {}).unwrap().damage.len();
    assert_eq!(quick(), 0);
    for path in files_below(&place.path.join("objects")) {
        fs::remove_file(path).unwrap();
        assert!(quick() > 0);
    }
}

#[test]
fn orphans_are_counted_and_no_damage() {
    let place = Place::new();
    crate::support::put(&place.open(), &noise(7000, 5));
    let report = check(&place.open());
    assert_eq!((report.orphans, report.orphan_bytes, report.damage.len()), (1, 7000, 0));
}
