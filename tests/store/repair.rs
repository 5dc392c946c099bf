//! A repair drops what two checks found, and nothing that only one report lists.

use crate::support::{Place, Run, TODAY, files_below, text};
use cashet::store::{Damage, Event, LocalStore, Report, ResultIndex};
use std::fs;
use std::path::{Path, PathBuf};

fn check(store: &LocalStore) -> Report {
    store.check(false, &mut |_| {}).unwrap()
}

/// Names and bytes of the files below, without the database, which readers may change.
fn files(place: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let of_database = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().starts_with("meta.db-");
    let files = files_below(place).into_iter().filter(|path| !of_database(path));
    files.map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

#[test]
fn what_a_second_look_does_not_find_stays() {
    let place = Place::new();
    let mut run = Run::new("a");
    run.files = vec![("compressed", text((1 << 20) + 5)), ("small", text(20_000))];
    let store = place.open();
    let id = run.record(&store);
    store.note(&Event::Hit { commit: id, at: TODAY });
    assert_eq!(check(&store).damage, []);
    let blobs = files_below(&place.path.join("objects"));
    let hot = files_below(&place.path.join("hot"));
    let blob = run.find(&store)[0].commit.stdout.blob;
    let mut lies = vec![
        Damage::Format,
        Damage::Secret,
        Damage::Row(1),
        Damage::Links(3),
        Damage::Missing { commit: id, blob },
        Damage::Tree(id),
        Damage::Log(7),
        Damage::Database("it cannot be read for a moment".to_owned()),
    ];
    lies.extend(blobs.iter().map(|path| Damage::Blob { blob, path: path.clone() }));
    lies.extend(hot.iter().map(|path| Damage::HotEntry(path.clone())));
    lies.extend(hot.iter().map(|path| Damage::Capture(path.clone())));
    lies.extend(blobs.iter().map(|path| Damage::Stranger(path.clone())));
    let before = files(&place.path);
    for lie in lies {
        let report = Report { damage: vec![lie.clone()], ..Report::default() };
        for quick in [false, true] {
            store.exclusive().unwrap().repair(&report, quick, &mut |_| {}).unwrap();
            assert_eq!(files(&place.path), before, "{lie:?}");
            assert!(run.replay(&store).is_some(), "{lie:?}");
        }
    }
    assert_eq!(check(&place.open()).damage, []);
}

#[test]
fn of_two_damages_only_the_one_that_is_there_goes() {
    let place = Place::new();
    let (one, other) = (Run::new("one"), Run::new("other"));
    let store = place.open();
    one.record(&store);
    other.record(&store);
    let hot = files_below(&place.path.join("hot"));
    let (damaged, whole) = (&hot[0], &hot[1]);
    fs::write(damaged, "x").unwrap();
    let damage = vec![Damage::HotEntry(damaged.clone()), Damage::HotEntry(whole.clone())];
    let report = Report { damage, ..Report::default() };
    store.exclusive().unwrap().repair(&report, false, &mut |_| {}).unwrap();
    assert!(!damaged.exists() && whole.exists());
}

#[test]
fn progress_of_both_checks_is_reported() {
    let place = Place::new();
    let store = place.open();
    Run::new("a").record(&store);
    let mut steps = Vec::new();
    let report = Report { damage: vec![Damage::Secret], ..Report::default() };
    store.exclusive().unwrap().repair(&report, false, &mut |at| steps.push(at.step)).unwrap();
    assert!(steps.contains(&"reading blobs") && steps.contains(&"checking the database"), "{steps:?}");
}
