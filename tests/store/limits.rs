//! Stores that cannot be written, are full, or belong to another user; and blobs much larger than the memory limit.

use crate::support::{Place, Run, noise, open, put};
use cashet::digest::{Digest, RequestId};
use cashet::error::Kind;
use cashet::record::Recall;
use cashet::store::{BlobStore, Claims, Event, Filter, LocalStore, ResultIndex, StoreOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A small file system in memory, where mounting is permitted.
struct Mount {
    directory: tempfile::TempDir,
}

impl Mount {
    fn new(size: &str) -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let options = format!("size={size},mode=0755");
        let mounted = run("mount", &["-t", "tmpfs", "-o", &options, "cashet-test"], directory.path());
        if !mounted {
            println!("skipped: mounting a file system needs root");
        }
        mounted.then_some(Self { directory })
    }

    fn store(&self) -> PathBuf {
        self.directory.path().join(".cashet")
    }

    fn make_read_only(&self) {
        assert!(run("mount", &["-o", "remount,ro"], self.directory.path()));
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        run("umount", &["-l"], self.directory.path());
    }
}

fn run(program: &str, arguments: &[&str], path: &Path) -> bool {
    let output = Command::new(program).args(arguments).arg(path).output();
    output.is_ok_and(|output| output.status.success())
}

#[test]
fn a_store_that_cannot_be_written_still_answers() {
    let Some(mount) = Mount::new("20m") else { return };
    let known = Run::new("known");
    let cold = Run::new("cold");
    let store = open(&mount.store());
    let id = known.record(&store);
    cold.record(&store);
    let request = RequestId(Digest::of(b"r"));
    store.remember(&request, b"facts");
    let secret = store.secret();
    std::fs::remove_file(mount.store().join("hot/k").join({
        let hex = cold.key().to_string();
        format!("{}/{}", hex.get(..1).unwrap(), hex.get(1..).unwrap())
    }))
    .unwrap();
    drop(store);
    mount.make_read_only();
    let store = LocalStore::open(&mount.store(), &StoreOptions::default()).unwrap();
    assert_eq!(known.replay(&store).unwrap().0, known.stdout);
    assert_eq!(cold.replay(&store).unwrap().0, cold.stdout);
    assert_eq!(Recall::find(&store, &request), Some(b"facts".to_vec()));
    assert_eq!(store.secret(), secret);
    assert_eq!(store.log(Filter::default()).count(), 2);
    assert_eq!(store.stats().unwrap().commits, 2);
    let mut writer = store.write().unwrap();
    writer.write_all(b"new").unwrap();
    assert_eq!(writer.finish().unwrap_err().kind(), Kind::Io(io::ErrorKind::ReadOnlyFilesystem));
    assert!(!store.claim(&known.key(), &mut || {}).unwrap().is_locked());
    // None of these may fail or wait.
    store.note(&Event::Hit { commit: id, at: crate::support::TODAY });
    store.distrust(&known.key(), &id);
    store.renew(&known.key(), &known.find(&store)[0]);
    store.remember(&request, b"other");
    store.fold().unwrap();
    store.settle();
    assert!(store.exclusive().is_err());
    assert_eq!(known.replay(&store).unwrap().0, known.stdout);
    assert!(store.check(false, &mut |_| {}).unwrap().damage.is_empty());
}

#[test]
fn a_full_store_answers_and_says_that_it_is_full() {
    let Some(mount) = Mount::new("3m") else { return };
    let known = Run::new("known");
    let store = open(&mount.store());
    known.record(&store);
    // A small blob, a large one, and a filler for the rest.
    for bytes in [noise(4 << 20, 1), noise(12 << 20, 2)] {
        let mut writer = store.write().unwrap();
        let written = writer.write_all(&bytes);
        let ended = written.map_err(|error| error.kind()).and_then(|()| {
            writer.finish().map(|_| ()).map_err(|error| match error.kind() {
                Kind::Io(kind) => kind,
                other => panic!("{other:?}"),
            })
        });
        assert_eq!(ended, Err(io::ErrorKind::StorageFull));
    }
    let filler = mount.directory.path().join("filler");
    let mut file = std::fs::File::create(&filler).unwrap();
    while file.write_all(&[1; 1024]).is_ok() {}
    let other = Run::new("other");
    let claim = store.claim(&other.key(), &mut || {});
    let refused = claim.and_then(|claim| {
        let mut writer = store.write()?;
        writer.write_all(&other.stdout).unwrap();
        writer.finish().map(|_| drop(claim))
    });
    assert!(matches!(refused.unwrap_err().kind(), Kind::Io(io::ErrorKind::StorageFull)));
    assert_eq!(known.replay(&store).unwrap().0, known.stdout);
    drop(store);
    let store = open(&mount.store());
    assert_eq!(known.replay(&store).unwrap().0, known.stdout);
    drop(file);
    std::fs::remove_file(filler).unwrap();
    other.record(&store);
    assert_eq!(other.replay(&store).unwrap().0, other.stdout);
    assert!(store.check(false, &mut |_| {}).unwrap().damage.is_empty());
}

#[test]
fn anothers_store_is_refused_unless_it_was_named() {
    let place = Place::new();
    let run = Run::new("a");
    run.record(&place.open());
    if chown(&place.path, Some(4242), None).is_err() {
        println!("skipped: giving a directory away needs root");
        return;
    }
    let found = StoreOptions { create: true, ..StoreOptions::default() };
    let error = LocalStore::open(&place.path, &found).unwrap_err();
    assert_eq!(error.kind(), Kind::ForeignStore);
    assert!(error.hint().is_some());
    let named = StoreOptions { trust_owner: true, ..StoreOptions::default() };
    let store = LocalStore::open(&place.path, &named).unwrap();
    assert_eq!(run.replay(&store).unwrap().0, run.stdout);
}

#[test]
fn a_link_of_another_user_is_refused() {
    let place = Place::new();
    Run::new("a").record(&place.open());
    let link = place.path.parent().unwrap().join("link");
    std::os::unix::fs::symlink(&place.path, &link).unwrap();
    LocalStore::open(&link, &StoreOptions::default()).unwrap();
    if std::os::unix::fs::lchown(&link, Some(4242), None).is_err() {
        println!("skipped: giving a link away needs root");
        return;
    }
    let error = LocalStore::open(&link, &StoreOptions::default()).unwrap_err();
    assert_eq!(error.kind(), Kind::ForeignStore);
}

#[test]
fn a_file_is_not_a_store() {
    let place = Place::new();
    std::fs::write(&place.path, b"x").unwrap();
    let error = LocalStore::open(&place.path, &StoreOptions { create: true, ..StoreOptions::default() });
    assert_eq!(error.unwrap_err().kind(), Kind::Io(io::ErrorKind::NotADirectory));
}

#[test]
fn a_durable_store_does_the_same() {
    let place = Place::new();
    let options = StoreOptions { create: true, durable: true, ..StoreOptions::default() };
    let store = LocalStore::open(&place.path, &options).unwrap();
    let mut run = Run::new("a");
    run.files = vec![("large", noise(9 << 20, 1))];
    run.record(&store);
    assert_eq!(run.replay(&store).unwrap().1, [noise(9 << 20, 1)]);
}

/// Peak resident memory of this process, in bytes.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

/// Runs in a separate process, so that the peak is that of this test.
#[test]
fn memory_stays_flat_however_large_a_blob_is() {
    const ALONE: &str = "CASHET_TEST_ALONE";
    if std::env::var_os(ALONE).is_none() {
        let name = "limits::memory_stays_flat_however_large_a_blob_is";
        let alone = Command::new(std::env::current_exe().unwrap())
            .args([name, "--exact", "--test-threads=1"])
            .env(ALONE, "1")
            .output()
            .unwrap();
        assert!(alone.status.success(), "{}", String::from_utf8_lossy(&alone.stdout));
        return;
    }
    let place = Place::new();
    let store = place.open();
    let part = crate::support::text(1 << 20);
    let mut writer = store.write().unwrap();
    for _ in 0..256 {
        writer.write_all(&part).unwrap();
    }
    let content = writer.finish().unwrap();
    assert_eq!(content.size, 256 << 20);
    let read_all = || {
        let mut reader = store.read(&content.blob).unwrap();
        let mut buffer = vec![0; 1 << 20];
        for _ in 0..256 {
            reader.read_exact(&mut buffer).unwrap();
            assert!(buffer == part);
        }
        assert_eq!(reader.read(&mut buffer).unwrap(), 0);
    };
    read_all();
    assert!(store.open_raw(&content.blob).unwrap().is_some());
    // A commit needs it, so collection compresses it.
    let mut run = Run::new("a");
    run.files = vec![("small", b"x".to_vec())];
    let claim = store.claim(&run.key(), &mut || {}).unwrap();
    let mut draft = run.draft(&store);
    draft.commit.stdout = content;
    store.commit(claim, draft).unwrap();
    let now = crate::support::TODAY;
    let plan = store.plan(&cashet::store::Policy::default(), now).unwrap();
    store.exclusive().unwrap().apply(&plan, now, true, &mut |_| {}).unwrap();
    assert!(store.open_raw(&content.blob).unwrap().is_none());
    read_all();
    assert!(store.check(false, &mut |_| {}).unwrap().damage.is_empty());
    put(&store, b"and one more");
    let peak = peak_memory();
    assert!(peak <= 64 << 20, "{} MiB", peak >> 20);
}
