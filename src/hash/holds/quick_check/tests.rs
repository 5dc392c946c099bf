use crate::digest::{DIGEST_LENGTH, Digest};
use crate::hash::holds::Present;
use crate::hash::holds::all::{WORTH_A_THREAD, settle_all};
use crate::hash::look;
use crate::record::{Evidence, FileState, Known, Observation, Places, StoredPath, Timestamp};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

/// Whether a look settles each; and the evidence that was learned.
fn settle(
    places: &Places,
    facts: &[Observation],
    evidence: &[Option<Evidence>],
) -> (Vec<bool>, Vec<(usize, Evidence)>) {
    let present = Present {
        places,
        environment: &[],
        circumstances: &Known::USUAL,
        secret: &|| [0; DIGEST_LENGTH],
        now: Timestamp::now(),
        seen: None,
    };
    let settled = settle_all(facts, evidence, &present);
    let mut all = vec![true; facts.len()];
    for number in &settled.open {
        all[*number] = false;
    }
    (all, settled.learned)
}

/// A directory with a file, a link to it, a dangling link and a directory; all old enough to be trusted.
fn places() -> (tempfile::TempDir, Places) {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join("file"), "x").unwrap();
    fs::create_dir(root.path().join("directory")).unwrap();
    symlink("file", root.path().join("link")).unwrap();
    symlink("nothing", root.path().join("dangling")).unwrap();
    let places = Places { root: root.path().to_path_buf(), home: None };
    std::thread::sleep(std::time::Duration::from_millis(2100));
    (root, places)
}

#[test]
fn what_a_look_settles_holds_and_what_moved_is_not_settled() {
    let (root, places) = places();
    let path = |name: &str| places.store(&root.path().join(name));
    let mut facts = Vec::new();
    for name in ["file", "link", "dangling", "directory", "absent", "file/below"] {
        for follow in [false, true] {
            let (state, evidence) = look::state(&places.resolve(&path(name)), follow);
            facts.push((Observation::State { path: path(name), follow, state }, evidence));
        }
    }
    let (digest, evidence) = look::content(&root.path().join("link")).unwrap();
    facts.push((Observation::Content { path: path("link"), digest }, evidence));
    let (digest, evidence) = look::listing(root.path(), true).unwrap();
    facts.push((Observation::Listing { path: path(""), everything: true, digest }, evidence));

    let settled = |facts: &[(Observation, _)]| -> Vec<bool> {
        let (facts, evidence): (Vec<Observation>, Vec<Option<Evidence>>) = facts.iter().cloned().unzip();
        settle(&places, &facts, &evidence).0
    };
    // All but the two below a file, which take a closer look.
    let expected: Vec<bool> = (0..14).map(|n| n != 10 && n != 11).collect();
    assert_eq!(settled(&facts), expected);

    // The same size and, by `touch -r`, the same time.
    let file = root.path().join("file");
    let before = fs::metadata(&file).unwrap().modified().unwrap();
    fs::write(&file, "y").unwrap();
    fs::File::options().write(true).open(&file).unwrap().set_modified(before).unwrap();
    fs::write(root.path().join("absent"), "").unwrap();
    fs::set_permissions(root.path().join("directory"), fs::Permissions::from_mode(0o700)).unwrap();
    let still = settled(&facts);
    // What lstat says of the two links is as it was, and where the dangling one leads.
    let expected: Vec<bool> = (0..14).map(|n| matches!(n, 2 | 4 | 5)).collect();
    assert_eq!(still, expected);
}

#[test]
fn looks_below_an_open_directory_find_what_whole_paths_find() {
    let (root, places) = places();
    let below = root.path().join("directory");
    for name in ["a", "b", "c", "d"] {
        fs::write(below.join(name), name).unwrap();
    }
    fs::create_dir(below.join("d-below")).unwrap();
    fs::write(below.join("d-below/e"), "").unwrap();
    symlink("../../file", below.join("d-below/f")).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(100));
    let names = [
        "directory/a",
        "directory/b",
        "directory/c",
        "directory/d",
        "directory/d-below/e",
        "directory/d-below/f",
        "directory/d-below/f/nothing",
        "directory/d-below/../a",
        "directory/nothing",
        "directory",
        "directory/",
        "directory//a",
        "file",
        "absent/a",
        "absent/b",
        "absent/c",
        "absent/d",
        "absent/e",
        "file/a",
        "file/b",
        "file/c",
        "file/d",
        "file/e",
    ];
    let facts = |follow| {
        let fact = |name: &&str| {
            let path = StoredPath::in_root(*name);
            let (state, evidence) = look::state(&places.resolve(&path), follow);
            (Observation::State { path, follow, state }, evidence)
        };
        names.iter().map(fact).collect::<Vec<_>>()
    };
    let facts = [facts(true), facts(false)].concat();
    let settled = |facts: &[(Observation, Option<Evidence>)]| -> Vec<bool> {
        let (facts, evidence): (Vec<Observation>, Vec<Option<Evidence>>) = facts.iter().cloned().unzip();
        let one = |(fact, evidence): (&Observation, &Option<Evidence>)| {
            settle(&places, std::slice::from_ref(fact), std::slice::from_ref(evidence)).0[0]
        };
        let alone: Vec<bool> = facts.iter().zip(&evidence).map(one).collect();
        let all = settle(&places, &facts, &evidence).0;
        assert_eq!(all, alone);
        all
    };
    let before = settled(&facts);
    assert!(before.iter().filter(|settled| **settled).count() > 30, "{before:?}");
    fs::remove_file(below.join("d")).unwrap();
    fs::write(below.join("nothing"), "").unwrap();
    fs::create_dir(root.path().join("absent")).unwrap();
    fs::write(root.path().join("absent/e"), "").unwrap();
    let after = settled(&facts);
    assert_ne!(before, after);
}

#[test]
fn a_link_and_what_it_leads_to_are_looked_at_each() {
    let (root, places) = places();
    let path = places.store(&root.path().join("link"));
    let state = |follow| look::state(&root.path().join("link"), follow);
    let ((link, link_evidence), (file, file_evidence)) = (state(false), state(true));
    assert!(matches!((&link, &file), (FileState::Symlink { .. }, FileState::File { .. })));
    let link = Observation::State { path: path.clone(), follow: false, state: link };
    let file = Observation::State { path: path.clone(), follow: true, state: file };
    let other = Observation::Content { path, digest: Digest::of(b"") };
    let facts = [link.clone(), file, link, other.clone(), other];
    let evidence = [link_evidence, file_evidence, file_evidence, link_evidence, None];
    // The last is so many that two threads look at them.
    for times in [1, 2, WORTH_A_THREAD] {
        let facts = vec![facts.to_vec(); times].concat();
        let settled = settle(&places, &facts, &evidence.repeat(times)).0;
        assert_eq!(settled, [true, true, false, false, false].repeat(times));
    }
}

/// Observations that these paths of the root are absent by `lstat`.
fn absent(names: &[&str]) -> Vec<Observation> {
    let path = |name: &&str| StoredPath::in_root(*name);
    names
        .iter()
        .map(|name| Observation::State { path: path(name), follow: false, state: FileState::Absent })
        .collect()
}

#[test]
fn the_base_itself_is_not_absent_beside_many_names_that_are() {
    let (_root, places) = places();
    let names: Vec<String> = (0..40).map(|number| format!("gone{number}")).collect();
    let names: Vec<&str> = std::iter::once("").chain(names.iter().map(String::as_str)).collect();
    let facts = absent(&names);
    let (settled, _) = settle(&places, &facts, &vec![None; facts.len()]);
    assert_eq!(settled.iter().filter(|is| !**is).count(), 1, "{settled:?}");
    assert!(!settled[0]);
}

#[test]
fn absence_is_proven_by_a_directory_at_rest_until_a_name_comes() {
    let (root, places) = places();
    let (state, _) = look::state(&root.path().join("directory"), true);
    let directory = Observation::State { path: StoredPath::in_root("directory"), follow: true, state };
    let names = ["directory/a", "directory/b", "directory/b/c", "directory/d", "elsewhere/e"];
    let facts: Vec<_> = std::iter::once(directory).chain(absent(&names)).collect();
    let none = vec![None; facts.len()];
    let (settled, learned) = settle(&places, &facts, &none);
    assert_eq!(settled, [true; 6]);
    let at = fs::metadata(root.path().join("directory")).unwrap();
    // Below what is not there nothing was looked at; the last one is in a directory that nobody looked at.
    assert_eq!(learned, [1, 2, 4].map(|number| (number, Evidence::of(&at))));

    let mut evidence = none.clone();
    for (number, proof) in learned {
        evidence[number] = Some(proof);
    }
    assert_eq!(settle(&places, &facts, &evidence), (vec![true; 6], Vec::new()));
    // What comes is seen, also where it is a link that leads nowhere, and nothing is learned from a busy directory.
    symlink("nowhere", root.path().join("directory/b")).unwrap();
    let (settled, learned) = settle(&places, &facts, &evidence);
    assert_eq!(settled, [true, true, false, true, true, true]);
    assert_eq!(learned, []);
    fs::remove_file(root.path().join("directory/b")).unwrap();
    assert_eq!(settle(&places, &facts, &evidence), (vec![true; 6], Vec::new()));
    // Another directory under the same name, with a name in it and the same times.
    fs::rename(root.path().join("directory"), root.path().join("old")).unwrap();
    fs::create_dir(root.path().join("directory")).unwrap();
    fs::write(root.path().join("directory/d"), "").unwrap();
    let time = at.modified().unwrap();
    fs::File::open(root.path().join("directory")).unwrap().set_modified(time).unwrap();
    assert_eq!(settle(&places, &facts, &evidence).0, [true, true, true, true, false, true]);
}

#[test]
fn absence_behind_a_link_that_leads_nowhere_is_never_proven_by_the_directory() {
    let (root, places) = places();
    let target = root.path().join("elsewhere");
    for name in ["a", "b", "c", "d"] {
        symlink(&target, root.path().join("directory").join(name)).unwrap();
    }
    std::thread::sleep(std::time::Duration::from_millis(2100));
    let path = |name: &str| StoredPath::in_root(format!("directory/{name}"));
    let fact = |name| Observation::State { path: path(name), follow: true, state: FileState::Absent };
    let (state, _) = look::state(&root.path().join("directory"), true);
    let directory = Observation::State { path: StoredPath::in_root("directory"), follow: true, state };
    let facts = [vec![directory], ["a", "b", "c", "d"].map(fact).into()].concat();
    assert_eq!(settle(&places, &facts, &vec![None; 5]), (vec![true; 5], Vec::new()));
    fs::write(&target, "").unwrap();
    assert_eq!(settle(&places, &facts, &vec![None; 5]).0, [true, false, false, false, false]);
}

#[test]
fn a_directory_that_not_everybody_may_search_proves_nothing() {
    let (root, places) = places();
    let directory = root.path().join("directory");
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o700)).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(2100));
    let (state, _) = look::state(&directory, true);
    let fact = Observation::State { path: StoredPath::in_root("directory"), follow: true, state };
    let facts = [vec![fact], absent(&["directory/a", "directory/b", "directory/c"])].concat();
    assert_eq!(settle(&places, &facts, &vec![None; 4]), (vec![true; 4], Vec::new()));
}
