//! Observations of real files, directories and descriptors: taken, held, and broken by the one change that matters.

use super::*;
use crate::hash::environment::variable_digest;
use crate::hash::look::{content, importable, listing, rest_of, state};
use crate::record::{Known, Names};
use std::fs::{FileTimes, OpenOptions, Permissions};
use std::io::{Seek, SeekFrom};
use std::os::fd::AsFd;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::time::{Duration, SystemTime};

fn places(root: &Path) -> Places {
    Places { root: root.to_path_buf(), home: None }
}

fn present<'a>(places: &'a Places, environment: &'a [(OsString, OsString)]) -> Present<'a> {
    Present {
        places,
        environment,
        circumstances: &Known::USUAL,
        secret: &|| [1; 32],
        now: Timestamp::now(),
        seen: None,
    }
}

/// Every observation that can be made of `path`, with its evidence.
fn observe(places: &Places, path: &Path) -> Vec<(Observation, Option<Evidence>)> {
    let stored = places.store(path);
    let mut all = Vec::new();
    for follow in [true, false] {
        let (state, evidence) = state(path, follow);
        all.push((Observation::State { path: stored.clone(), follow, state }, evidence));
    }
    if let Ok((digest, evidence)) = content(path) {
        all.push((Observation::Content { path: stored.clone(), digest }, evidence));
    }
    for everything in [true, false] {
        if let Ok((digest, evidence)) = listing(path, everything) {
            all.push((Observation::Listing { path: stored.clone(), everything, digest }, evidence));
        }
    }
    let names = vec![b"json".to_vec(), b"re".to_vec()];
    if let Ok((digest, evidence)) = importable(path, &names) {
        all.push((Observation::Importable { path: stored, names: Names::of(&names), digest }, evidence));
    }
    all
}

fn old(path: &Path) {
    let time = FileTimes::new().set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000));
    OpenOptions::new().write(true).open(path).unwrap().set_times(time).unwrap();
}

/// Which of `observations` hold, as letters.
fn held(places: &Places, observations: &[(Observation, Option<Evidence>)]) -> String {
    let one = |(observation, evidence): &(Observation, Option<Evidence>)| match holds(
        observation,
        evidence.as_ref(),
        &present(places, &[]),
    ) {
        Validity::Valid => 'y',
        Validity::Renewed(_) => 'r',
        Validity::Changed(..) | Validity::Invalid => 'n',
    };
    observations.iter().map(one).collect()
}

#[test]
fn a_file_holds_until_it_changes() {
    let directory = tempfile::tempdir().unwrap();
    let places = places(directory.path());
    let path = directory.path().join("f");
    fs::write(&path, "one").unwrap();
    let young = observe(&places, &path);
    assert!(young.iter().all(|(_, evidence)| evidence.is_none()), "too young to be trusted");
    assert_eq!(held(&places, &young), "yyy");
    std::thread::sleep(Duration::from_millis(2100));
    let taken = observe(&places, &path);
    assert!(taken.iter().all(|(_, evidence)| evidence.is_some()));
    assert_eq!(held(&places, &young), "rrr", "read again, and trusted from now on");
    assert_eq!(held(&places, &taken), "yyy");
    old(&path);
    assert!(!held(&places, &taken).contains('n'), "only touched");
    fs::write(&path, "two").unwrap();
    old(&path);
    assert_eq!(held(&places, &taken), "nnn");
    fs::write(&path, "one").unwrap();
    assert!(!held(&places, &taken).contains('n'));
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    assert_eq!(
        held(&places, &taken).replace('y', "r"),
        "nnr",
        "the mode is part of a look, not of the content"
    );
    fs::remove_file(&path).unwrap();
    assert_eq!(held(&places, &taken), "nnn");
    fs::create_dir(&path).unwrap();
    assert_eq!(held(&places, &taken), "nnn");
}

#[test]
fn absence_and_links_are_looked_at_as_asked() {
    let directory = tempfile::tempdir().unwrap();
    let places = places(directory.path());
    let path = directory.path().join("l");
    let absent = observe(&places, &path);
    assert_eq!(held(&places, &absent), "yy");
    for name in ["a", "b"] {
        fs::write(directory.path().join(name), "same").unwrap();
    }
    symlink("a", &path).unwrap();
    assert_eq!(held(&places, &absent), "nn");
    let to_a = observe(&places, &path);
    fs::remove_file(&path).unwrap();
    symlink("b", &path).unwrap();
    assert_eq!(held(&places, &to_a).replace('r', "y"), "yny", "other text, equal content");
    fs::remove_file(&path).unwrap();
    symlink("nowhere", &path).unwrap();
    let dangling = observe(&places, &path);
    assert_eq!(held(&places, &dangling).replace('r', "y"), "yy");
    assert_eq!(held(&places, &absent), "yn");
}

#[test]
fn a_directory_holds_by_what_is_asked_of_it() {
    let directory = tempfile::tempdir().unwrap();
    let places = places(directory.path());
    let path = directory.path().join("d");
    fs::create_dir(&path).unwrap();
    fs::write(path.join("a"), "").unwrap();
    // State, state as a link, everything, without caches, importable.
    let taken = observe(&places, &path);
    let holding = || held(&places, &taken).replace('r', "y");
    assert_eq!(holding(), "yyyyy");
    fs::create_dir(path.join("__pycache__")).unwrap();
    assert_eq!(holding(), "yynyy");
    fs::write(path.join("b"), "").unwrap();
    assert_eq!(holding(), "yynny");
    fs::write(path.join("json.cpython-311.so"), "").unwrap();
    assert_eq!(holding(), "yynnn");
    fs::set_permissions(&path, Permissions::from_mode(0o700)).unwrap();
    assert_eq!(holding(), "nnnnn");
}

#[test]
fn large_files_are_told_by_size_and_time() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("large");
    let file = OpenOptions::new().write(true).create(true).truncate(true).open(&path).unwrap();
    file.set_len(LARGEST_DIGESTED + 1).unwrap();
    let places = places(directory.path());
    let (found, evidence) = state(&path, true);
    assert!(matches!(found, FileState::LargeFile { size, .. } if size == LARGEST_DIGESTED + 1));
    let taken =
        vec![(Observation::State { path: places.store(&path), follow: true, state: found }, evidence)];
    assert_eq!(held(&places, &taken), "y");
    old(&path);
    assert_eq!(held(&places, &taken), "n");
}

#[test]
fn times_are_compared_by_order_or_exactly() {
    let directory = tempfile::tempdir().unwrap();
    let places = places(directory.path());
    let set = |name: &str, seconds: u64| {
        let path = directory.path().join(name);
        fs::write(&path, "").unwrap();
        let time = FileTimes::new().set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
        OpenOptions::new().write(true).open(&path).unwrap().set_times(time).unwrap();
        places.store(&path)
    };
    let (a, b, c) = (set("a", 10), set("b", 10), set("c", 20));
    let order = Observation::TimeOrder { groups: vec![vec![a.clone(), b], vec![c]] };
    let changed = Evidence::of(&fs::metadata(places.resolve(&a)).unwrap()).changed;
    let exact = Observation::Modified { path: a, follow: true, time: Timestamp(10_000_000_000), changed };
    let holds_now = || {
        let held = |one| holds(one, None, &present(&places, &[])) == Validity::Valid;
        (held(&order), held(&exact))
    };
    assert_eq!(holds_now(), (true, true));
    for (name, seconds, expected) in [
        ("c", 30, (true, true)),
        ("b", 11, (false, true)),
        ("b", 10, (true, true)),
        ("c", 10, (false, true)),
        ("c", 9, (false, true)),
    ] {
        set(name, seconds);
        assert_eq!(holds_now(), expected, "{name} {seconds}");
    }
    fs::remove_file(directory.path().join("c")).unwrap();
    assert_eq!(holds_now(), (false, true));
    fs::hard_link(directory.path().join("a"), directory.path().join("other name")).unwrap();
    assert_eq!(holds_now(), (false, false), "it has another number of links");
}

#[test]
fn what_is_not_a_file_is_compared_with_the_present() {
    let root = places(Path::new("/r"));
    let environment = [(OsString::from("A"), OsString::from("1"))];
    let digest = |value: &[u8]| Some(variable_digest(b"A", value, &root, &[1; 32]));
    let variable = |name: &[u8], value| Observation::Variable { name: name.to_vec(), value };
    for (observation, expected) in [
        (variable(b"A", digest(b"1")), true),
        (variable(b"A", digest(b"2")), false),
        (variable(b"A", None), false),
        (variable(b"B", None), true),
        (variable(b"B", digest(b"1")), false),
        (Observation::Environment { digest: environment_digest(&environment, &root, &[1; 32]) }, true),
        (Observation::Environment { digest: environment_digest(&[], &root, &[1; 32]) }, false),
        (Observation::Umask(0o22), true),
        (Observation::Umask(0o77), false),
        (Observation::UmaskAtLeast(0o20), true),
        (Observation::UmaskAtLeast(0o77), false),
        (Observation::Superuser(false), true),
        (Observation::Superuser(true), false),
        (Observation::User { digest: Known::USUAL.user }, true),
        (Observation::User { digest: Digest::of(b"other") }, false),
        (Observation::Root(b"/r".to_vec()), true),
        (Observation::Root(b"/s".to_vec()), false),
    ] {
        let held = holds(&observation, None, &present(&root, &environment)) == Validity::Valid;
        assert_eq!(held, expected, "{observation:?}");
    }
}

#[test]
fn an_open_file_counts_from_its_offset_on() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("in");
    fs::write(&path, "head tail").unwrap();
    let mut file = OpenOptions::new().read(true).write(true).open(&path).unwrap();
    file.seek(SeekFrom::Start(5)).unwrap();
    let rest = rest_of(file.as_fd()).unwrap().unwrap();
    assert_eq!((rest.offset, rest.size, rest.digest), (5, 9, Digest::of(b"tail")));
    assert_eq!(file.stream_position().unwrap(), 5, "the offset stays");
    fs::write(&path, "HEAD tail").unwrap();
    let again = rest_of(file.as_fd()).unwrap().unwrap();
    assert_eq!((again.offset, again.digest), (5, rest.digest), "what is before the offset is not read");

    let (reader, _writer) = std::io::pipe().unwrap();
    assert_eq!(rest_of(reader.as_fd()).unwrap(), None);
}
