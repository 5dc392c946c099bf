//! Collection and deletion: nothing needed is deleted, regardless of the clock and of other processes.

use crate::support::{DAY, Place, Run, TODAY, files_below, get, noise, put, text};
use cashet::digest::CommitId;
use cashet::record::Timestamp;
use cashet::store::{
    BlobStore, Claims, Dropped, Event, Filter, LocalStore, Plan, Policy, ResultIndex, StoreOptions,
};
use std::fs;
use std::io::Write;
use std::path::Path;

fn later(days: i64) -> Timestamp {
    Timestamp(TODAY.0 + days * DAY)
}

/// Collects by age.
fn collect(store: &LocalStore, age: i64, now: Timestamp) -> (Plan, Dropped) {
    let policy = Policy { older_than: Some(age * DAY), max_size: None, replaced: None };
    let plan = store.plan(&policy, now).unwrap();
    let dropped = store.exclusive().unwrap().apply(&plan, now, true, &mut |_| {}).unwrap();
    (plan, dropped)
}

fn ids(store: &LocalStore) -> Vec<CommitId> {
    store.log(Filter::default()).map(|row| row.unwrap().id).collect()
}

fn age(path: &Path, days: u64) {
    let time = std::time::SystemTime::UNIX_EPOCH
        + std::time::Duration::from_nanos(u64::try_from(TODAY.0).unwrap())
        - std::time::Duration::from_secs(days * 86_400);
    fs::File::open(path).unwrap().set_modified(time).unwrap();
}

#[test]
fn what_was_not_used_for_long_goes_with_its_blobs() {
    let place = Place::new();
    let store = place.open();
    let mut old = Run::new("old");
    old.files = vec![("model", noise(10_000, 1)), ("shared", noise(5000, 2))];
    let mut used = Run::new("used");
    used.stdout = noise(5000, 2);
    let (old_id, used_id) = (old.record(&store), used.record(&store));
    store.note(&Event::Hit { commit: used_id, at: later(20) });
    let fresh = Run { started: later(25), ..Run::new("fresh") }.record(&store);
    let (plan, dropped) = collect(&store, 30, later(40));
    assert_eq!(plan.remove, [old_id]);
    assert_eq!((dropped.commits, dropped.blobs, dropped.bytes), (1, plan.blobs, plan.bytes));
    assert_eq!(ids(&store), [fresh, used_id]);
    assert!(old.find(&place.open()).is_empty());
    assert_eq!(used.replay(&place.open()).unwrap().0, used.stdout);
    assert!(place.open().check(false, &mut |_| {}).unwrap().damage.is_empty());
    assert_eq!(store.stats().unwrap().blobs, files_below(&place.path.join("objects")).len() as u64);
}

#[test]
fn the_tag_keep_exempts() {
    let place = Place::new();
    let store = place.open();
    let kept = Run::new("kept").record(&store);
    Run::new("not").record(&store);
    store.tag(&kept, "keep", "").unwrap();
    collect(&store, 10, later(25));
    assert_eq!(ids(&store), [kept]);
}

#[test]
fn beyond_the_cap_results_go_and_their_commits_stay_as_evicted() {
    let place = Place::new();
    let options = StoreOptions { create: true, max_size: Some(12_000_000), ..StoreOptions::default() };
    let store = LocalStore::open(&place.path, &options).unwrap();
    let mut runs = Vec::new();
    for n in 0..6_i64 {
        let mut run = Run::new(&format!("{n}"));
        run.stdout = noise(3_000_000, n.cast_unsigned());
        run.started = later(n);
        run.record(&store);
        runs.push(run);
    }
    assert!(store.over_cap());
    let dropped = store.trim(later(6)).unwrap().unwrap();
    assert_eq!((dropped.commits, dropped.evicted), (0, 3));
    assert!(!store.over_cap());
    assert_eq!(store.trim(later(6)).unwrap(), None);
    let rows: Vec<_> = store.log(Filter::default()).map(Result::unwrap).collect();
    let evicted: Vec<bool> = rows.iter().map(|row| row.evicted).collect();
    assert_eq!(evicted, [false, false, false, true, true, true]);
    for (n, run) in runs.iter().enumerate() {
        assert_eq!(run.find(&place.open()).is_empty(), n < 3, "{n}");
    }
    assert!(place.open().check(false, &mut |_| {}).unwrap().damage.is_empty());
    // Recorded again, it answers again.
    runs[0].record(&store);
    assert_eq!(runs[0].replay(&store).unwrap().0, runs[0].stdout);
}

#[test]
fn a_clock_that_jumps_removes_nothing() {
    let place = Place::new();
    let store = place.open();
    let recorded = [Run::new("a").record(&store), Run::new("b").record(&store)];
    for now in [later(5000), later(-5000), later(5000), later(9000)] {
        let (plan, dropped) = collect(&store, 30, now);
        assert_eq!((plan.remove.len(), dropped.commits), (0, 0), "{now:?}");
    }
    // A command recorded with the wrong clock makes nothing old either.
    let wrong = Run { started: later(9000), ..Run::new("c") }.record(&store);
    collect(&store, 30, later(9000));
    assert_eq!(ids(&store), [wrong, recorded[1], recorded[0]]);
    // A clock that stays there for a day is believed.
    let (plan, _) = collect(&store, 30, Timestamp(later(9001).0 + 1));
    assert_eq!(plan.remove, recorded);
}

#[test]
fn what_is_recorded_while_the_clock_is_behind_is_not_old_afterwards() {
    let place = Place::new();
    let store = place.open();
    let first = Run { started: later(20), ..Run::new("a") }.record(&store);
    let behind = Run { started: later(-400), ..Run::new("b") }.record(&store);
    collect(&store, 30, later(21));
    assert_eq!(ids(&store), [behind, first]);
}

#[test]
fn orphans_go_but_not_what_a_living_process_is_about_to_record() {
    let place = Place::new();
    let store = place.open();
    let orphan = put(&place.open(), &noise(5000, 1));
    let other = place.open();
    let run = Run::new("a");
    let claim = other.claim(&run.key(), &mut || {}).unwrap();
    let draft = run.draft(&other);
    let large = put(&other, &noise(9 << 20, 7));
    let (_, dropped) = collect(&store, 30, later(0));
    assert_eq!((dropped.blobs, dropped.bytes), (1, 5000));
    assert!(store.read(&orphan.blob).is_err());
    assert!(get(&store, &large.blob) == noise(9 << 20, 7));
    other.commit(claim, draft).unwrap();
    drop(other);
    let (_, dropped) = collect(&store, 30, later(0));
    assert_eq!(dropped.bytes, 9 << 20);
    assert_eq!(run.replay(&place.open()).unwrap().0, run.stdout);
}

#[test]
fn a_blob_that_was_an_orphan_and_is_used_again_stays() {
    let place = Place::new();
    let store = place.open();
    put(&place.open(), b"result of a\n");
    let other = place.open();
    let run = Run::new("a");
    let claim = other.claim(&run.key(), &mut || {}).unwrap();
    let draft = run.draft(&other);
    collect(&store, 30, later(0));
    other.commit(claim, draft).unwrap();
    assert_eq!(run.replay(&store).unwrap().0, run.stdout);
}

#[test]
fn large_blobs_that_shrink_are_compressed_and_come_back_the_same() {
    let place = Place::new();
    let store = place.open();
    let mut run = Run::new("a");
    run.stdout = text(20 << 20);
    run.files = vec![("noise", noise(9 << 20, 3))];
    run.record(&store);
    let (_, dropped) = collect(&store, 30, later(0));
    assert!(dropped.compressed > 10 << 20);
    let stats = store.stats().unwrap();
    assert!(stats.stored_bytes < 20 << 20 && stats.bytes == 29 << 20);
    let (stdout, files) = run.replay(&place.open()).unwrap();
    assert!(stdout == run.stdout && files[0] == noise(9 << 20, 3));
    assert!(place.open().check(false, &mut |_| {}).unwrap().damage.is_empty());
    // Written again, it exists in both forms for a while; one is enough.
    put(&store, &run.stdout);
    let before = files_below(&place.path.join("objects")).len();
    collect(&store, 30, later(0));
    assert_eq!(files_below(&place.path.join("objects")).len(), before - 1);
    assert!(run.replay(&place.open()).unwrap().0 == run.stdout);
}

#[test]
fn removed_commits_take_only_their_own_blobs_along() {
    let place = Place::new();
    let store = place.open();
    let mut one = Run::new("one");
    one.stdout = noise(5000, 1);
    let mut two = Run::new("two");
    two.stdout = noise(5000, 1);
    two.files = vec![("own", noise(6000, 2))];
    let (one_id, two_id) = (one.record(&store), two.record(&store));
    let dropped = store.exclusive().unwrap().remove(&[two_id], &mut |_| {}).unwrap();
    assert_eq!((dropped.commits, dropped.blobs), (1, 2));
    assert_eq!(ids(&store), [one_id]);
    assert_eq!(one.replay(&store).unwrap().0, one.stdout);
    assert!(two.find(&store).is_empty());
    let stats = store.stats().unwrap();
    assert_eq!((stats.commits, stats.results, stats.blobs, stats.stored_bytes), (1, 1, 1, 5000));
    let dropped = store.exclusive().unwrap().remove(&[one_id, two_id], &mut |_| {}).unwrap();
    assert_eq!((dropped.commits, dropped.blobs), (1, 1));
    assert!(files_below(&place.path.join("objects")).is_empty());
    assert!(files_below(&place.path.join("hot")).is_empty());
}

#[test]
fn what_the_dead_left_behind_is_tidied_up() {
    let place = Place::new();
    let store = place.open();
    Run::new("a").record(&store);
    let tmp = |name: &str| place.path.join("tmp").join(name);
    for (name, days) in [("stale", 2), ("young", 0), ("locked", 2)] {
        fs::write(tmp(name), b"x").unwrap();
        age(&tmp(name), days);
    }
    let locked = fs::File::open(tmp("locked")).unwrap();
    locked.lock().unwrap();
    fs::write(tmp("pending-dead.list"), [0; 32]).unwrap();
    let held = Run::new("held");
    let claim = store.claim(&held.key(), &mut || {}).unwrap();
    collect(&store, 30, later(0));
    assert!(!tmp("stale").exists() && tmp("young").exists() && tmp("locked").exists());
    let locks: Vec<String> = files_below(&place.path.join("locks"))
        .iter()
        .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
        .filter(|name| name.len() == 64)
        .collect();
    assert_eq!(locks, [held.key().to_string()]);
    drop(claim);
    // The list of a dead process is read, and so removed, once there is an orphan to decide about.
    put(&place.open(), b"orphan");
    collect(&store, 30, later(0));
    assert!(!tmp("pending-dead.list").exists());
}

#[test]
fn a_plan_changes_nothing() {
    let place = Place::new();
    let store = place.open();
    Run::new("a").record(&store);
    put(&place.open(), b"orphan");
    let before = files_below(&place.path.join("objects"));
    let policy = Policy { older_than: Some(0), max_size: Some(0), replaced: None };
    let plan = store.plan(&policy, later(10)).unwrap();
    assert_eq!((plan.remove.len(), plan.blobs), (1, 2));
    assert_eq!(files_below(&place.path.join("objects")), before);
    assert_eq!(ids(&store).len(), 1);
}

/// With `CASHET_TEST_COMMITS` set to many, the printed times are meaningful.
#[test]
fn everything_may_go_at_once() {
    let count = std::env::var("CASHET_TEST_COMMITS").ok().and_then(|n| n.parse().ok()).unwrap_or(300_usize);
    let place = Place::new();
    let store = place.open();
    for n in 0..count {
        Run::new(&format!("{n}")).record(&store);
        store.settle();
    }
    let begun = std::time::Instant::now();
    let policy = Policy { older_than: Some(0), max_size: None, replaced: None };
    let plan = store.plan(&policy, later(1)).unwrap();
    println!("plan {:?}", begun.elapsed());
    assert_eq!((plan.remove.len(), plan.blobs), (count, count as u64));
    let dropped = store.exclusive().unwrap().apply(&plan, later(1), true, &mut |_| {}).unwrap();
    println!("apply {:?}", begun.elapsed());
    assert_eq!((dropped.commits, dropped.blobs), (count as u64, count as u64));
    for directory in ["objects", "hot", "tmp"] {
        assert!(files_below(&place.path.join(directory)).is_empty(), "{directory}");
    }
    assert_eq!(store.stats().unwrap().stored_bytes, 0);
    assert!(fs::metadata(place.path.join("meta.db")).unwrap().len() < 200_000);
}

#[test]
fn what_stays_when_almost_everything_goes_answers_and_nothing_else_does() {
    let place = Place::new();
    let store = place.open();
    let gone: Vec<Run> = (0..200).map(|n| Run::new(&format!("{n}"))).collect();
    for run in &gone {
        run.record(&store);
    }
    let mut kept = Run::new("kept");
    kept.files = vec![("model", noise(10_000, 1))];
    let (tags, consumed) =
        (vec![("keep".to_owned(), "yes".to_owned())], kept.draft(&store).commit.stdout.blob.0);
    kept.tags.clone_from(&tags);
    let kept_id = kept.record(&store);
    // One key with two commits, one of which is deleted.
    let shared = Run { stdout: b"old\n".to_vec(), ..Run::new("shared") };
    shared.record(&store);
    let fresh =
        Run { stdout: b"new\n".to_vec(), started: later(9), consumed: vec![consumed], ..Run::new("shared") };
    let fresh_id = fresh.record(&store);
    assert_eq!(shared.find(&store).len(), 2);
    let policy = Policy { older_than: Some(5 * DAY), max_size: None, replaced: None };
    let plan = store.plan(&policy, later(10)).unwrap();
    assert_eq!(plan.remove.len(), 201);
    // Recorded and looked up by another process after the plan was made.
    let (late, other) = (Run { started: later(10), ..Run::new("late") }, place.open());
    let late_id = late.record(&other);
    assert!(gone[7].replay(&other).is_some());
    let dropped = store.exclusive().unwrap().apply(&plan, later(10), true, &mut |_| {}).unwrap();
    assert_eq!((dropped.commits, dropped.blobs), (201, 201));
    assert_eq!(ids(&store), [late_id, fresh_id, kept_id]);
    for store in [&store, &other, &place.open()] {
        assert_eq!(store.stats().unwrap().commits, 3);
        assert!(gone.iter().all(|run| run.find(store).is_empty()));
        assert_eq!(shared.find(store).len(), 1);
        assert_eq!(shared.replay(store).unwrap().0, b"new\n");
        assert_eq!(kept.replay(store).unwrap().1, [noise(10_000, 1)]);
        assert_eq!(late.replay(store).unwrap().0, late.stdout);
        assert_eq!(store.row(&kept_id).unwrap().unwrap().tags, tags);
        assert_eq!(store.consumers(&consumed).unwrap(), [fresh_id]);
        assert_eq!(store.producers(&consumed).unwrap()[0].0, kept_id);
    }
    let again = Run::new("again").record(&other);
    assert_eq!(ids(&store)[0], again);
    assert!(place.open().check(false, &mut |_| {}).unwrap().damage.is_empty());
    // Once more, since the indexes now have other names.
    let (plan, _) = collect(&store, 0, Timestamp(later(10).0 + DAY / 2));
    assert_eq!(plan.remove.len(), 3);
    assert_eq!(ids(&store), [kept_id]);
    assert!(place.open().check(false, &mut |_| {}).unwrap().damage.is_empty());
}

#[test]
fn hot_entries_count_for_the_cap() {
    let place = Place::new();
    let options = StoreOptions { create: true, max_size: Some(20_000_000), ..StoreOptions::default() };
    let store = LocalStore::open(&place.path, &options).unwrap();
    for n in 0..3_i64 {
        let mut run = Run::new(&format!("{n}"));
        run.started = later(n);
        run.record(&store);
    }
    assert!(!store.over_cap());
    // The hot entry of a run with many observations, far larger than its result.
    for file in files_below(&place.path.join("hot/k")) {
        fs::File::options().append(true).open(file).unwrap().write_all(&noise(9_000_000, 1)).unwrap();
    }
    assert!(store.over_cap());
    assert!(store.usage().unwrap().hot > 27_000_000);
    let dropped = store.trim(later(9)).unwrap().unwrap();
    assert_eq!(dropped.evicted, 2);
    assert!(store.usage().unwrap().capped() < 20_000_000 && !store.over_cap());
    assert!(place.open().check(true, &mut |_| {}).unwrap().damage.len() <= 1);
}

#[test]
fn remembered_captures_go_before_any_result() {
    let place = Place::new();
    let options = StoreOptions { create: true, max_size: Some(10_000_000), ..StoreOptions::default() };
    let store = LocalStore::open(&place.path, &options).unwrap();
    let run = Run::new("a");
    run.record(&store);
    let [old, young] = ["a", "b"].map(|name| {
        let path = place.path.join("hot/c/0").join(name.repeat(63));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, noise(8_000_000, 1)).unwrap();
        path
    });
    age(&old, 0);
    assert!(store.over_cap());
    let dropped = store.trim(later(9)).unwrap().unwrap();
    assert_eq!(dropped.evicted, 0);
    assert!(!old.exists() && young.exists());
    assert_eq!(run.replay(&store).unwrap().0, run.stdout);
}

#[test]
fn the_users_own_files_do_not_count_for_the_cap() {
    let place = Place::new();
    let options = StoreOptions { create: true, max_size: Some(5_000_000), ..StoreOptions::default() };
    let store = LocalStore::open(&place.path, &options).unwrap();
    Run::new("a").record(&store);
    fs::create_dir_all(place.path.join("replaced")).unwrap();
    fs::write(place.path.join("replaced/1-mine"), noise(9_000_000, 1)).unwrap();
    assert!(!store.over_cap());
    let policy = Policy { max_size: Some(5_000_000), ..Policy::default() };
    assert!(store.plan(&policy, later(9)).unwrap().evict.is_empty());
    assert!(store.usage().unwrap().total() > 9_000_000);
}
