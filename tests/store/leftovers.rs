//! Stray files in a store: a collection removes them, whatever they are, and none of them stops it.

use crate::support::{DAY, Place, Run, TODAY};
use cashet::record::Timestamp;
use cashet::store::{LocalStore, Policy};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Collects what was not used for 30 days, at a time when everything is old.
fn collect(store: &LocalStore) -> u64 {
    let now = Timestamp(TODAY.0 + 40 * DAY);
    store.plan(&Policy::default(), Timestamp(TODAY.0 + 20 * DAY)).unwrap();
    let policy = Policy { older_than: Some(30 * DAY), max_size: None, replaced: None };
    let plan = store.plan(&policy, now).unwrap();
    store.exclusive().unwrap().apply(&plan, now, true, &mut |_| {}).unwrap().commits
}

/// Sets the times of everything below `directory` to the first day of the tests.
fn make_old(directory: &Path) {
    let nanoseconds = u64::try_from(TODAY.0 - 10 * DAY).unwrap();
    let then = nix::sys::time::TimeSpec::from(Duration::from_nanos(nanoseconds));
    for entry in fs::read_dir(directory).unwrap() {
        let (path, follow) = (entry.unwrap().path(), nix::sys::stat::UtimensatFlags::NoFollowSymlink);
        nix::sys::stat::utimensat(nix::fcntl::AT_FDCWD, &path, &then, &then, follow).unwrap();
    }
    assert!(SystemTime::now() > UNIX_EPOCH);
}

/// Creates one entry of each kind below `directory`, with this prefix.
fn litter(directory: &Path, prefix: &str) {
    let at = |name: &str| directory.join(format!("{prefix}{name}"));
    fs::create_dir_all(at("tree/below/deep")).unwrap();
    fs::write(at("tree/below/file"), "x").unwrap();
    fs::set_permissions(at("tree/below"), fs::Permissions::from_mode(0o000)).unwrap();
    symlink("nowhere", at("link")).unwrap();
    symlink("/", at("to-a-directory")).unwrap();
    UnixListener::bind(at("socket")).unwrap();
    nix::unistd::mkfifo(&at("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    fs::write(at("unreadable"), "x").unwrap();
    fs::set_permissions(at("unreadable"), fs::Permissions::from_mode(0o000)).unwrap();
    fs::write(at("file"), "x").unwrap();
}

fn names(directory: &Path) -> Vec<String> {
    let names =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

#[test]
fn leftovers_of_any_kind_go_and_the_collection_goes_on() {
    let place = Place::new();
    let store = place.open();
    Run::new("old").record(&store);
    let [tmp, view, locks] = ["tmp", "view", "locks"].map(|name| place.path.join(name));
    fs::create_dir_all(&view).unwrap();
    litter(&tmp, "");
    litter(&tmp, "pending-");
    litter(&tmp, ".cashet-restore-");
    litter(&view, "");
    // Names of keys, whose lock files are the only ones that are ever removed.
    for (number, kind) in ["directory", "link", "fifo"].iter().enumerate() {
        let path = locks.join(cashet::digest::Digest::of(kind.as_bytes()).to_hex());
        match number {
            0 => fs::create_dir(path).unwrap(),
            1 => symlink("nowhere", path).unwrap(),
            _ => nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap(),
        }
    }
    make_old(&tmp);
    make_old(&view);
    assert_eq!(collect(&store), 1);
    assert_eq!(names(&tmp), [] as [&str; 0]);
    assert_eq!(names(&view), [] as [&str; 0]);
    assert!(names(&locks).iter().all(|name| name.len() < 64), "{:?}", names(&locks));
    assert_eq!(store.notices(), [] as [&str; 0]);
}

#[test]
fn what_is_young_or_held_stays() {
    let place = Place::new();
    let store = place.open();
    Run::new("old").record(&store);
    let tmp = place.path.join("tmp");
    fs::write(tmp.join("held"), "x").unwrap();
    let held = fs::File::open(tmp.join("held")).unwrap();
    held.lock().unwrap();
    fs::write(tmp.join("free"), "x").unwrap();
    make_old(&tmp);
    // Modified now, which is after the days of the tests.
    fs::create_dir(tmp.join("young")).unwrap();
    symlink("nowhere", tmp.join("young-link")).unwrap();
    assert_eq!(collect(&store), 1);
    assert_eq!(names(&tmp), ["held", "young", "young-link"]);
}

#[test]
fn a_directory_in_the_place_of_a_hot_entry_or_a_capture_stops_no_collection() {
    let place = Place::new();
    let store = place.open();
    let run = Run::new("old");
    run.record(&store);
    let hex = run.key().0.to_hex();
    let (fan, rest) = hex.split_at(1);
    let hot = place.path.join("hot/k").join(fan).join(rest);
    fs::remove_file(&hot).unwrap();
    fs::create_dir_all(hot.join("below")).unwrap();
    let capture = place.path.join("hot/c/a").join("b".repeat(63));
    fs::create_dir_all(&capture).unwrap();
    make_old(capture.parent().unwrap());
    assert_eq!(collect(&store), 1);
    assert!(!hot.exists() && !capture.exists());
}

#[test]
fn a_list_of_blobs_that_may_not_be_read_protects_all_of_them_for_a_day() {
    // Root may read everything.
    if rustix::process::geteuid().is_root() {
        println!("skipped: as an ordinary user only");
        return;
    }
    let place = Place::new();
    let store = place.open();
    let run = Run::new("old");
    run.record(&store);
    let list = place.path.join("tmp/pending-of-another");
    fs::write(&list, [7; 32]).unwrap();
    fs::set_permissions(&list, fs::Permissions::from_mode(0o000)).unwrap();
    assert_eq!(collect(&store), 1);
    assert!(list.exists());
    assert!(store.notices()[0].contains("pending-of-another"));
    let report = store.check(false, &mut |_| {}).unwrap();
    assert!(report.blobs > 0 && report.orphans == report.blobs);
    make_old(list.parent().unwrap());
    collect(&store);
    collect(&store);
    assert_eq!(store.check(false, &mut |_| {}).unwrap().blobs, 0);
}
