//! `dir:`: what only a directory can meet.

use cashet::remote::carrier::{Blob, Carrier, Failure, Name};
use cashet::remote::directory::{Collected, Directory};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

fn hex(bytes: [u8; 32]) -> String {
    blake3::Hash::from_bytes(bytes).to_hex().to_string()
}

fn path(top: &Path, area: &str, name: [u8; 32]) -> PathBuf {
    let hex = hex(name);
    let (fan, rest) = hex.split_at(2);
    top.join(area).join(fan).join(rest)
}

fn open(top: &Path) -> Directory {
    Directory::open(top.to_path_buf()).unwrap()
}

#[test]
fn files_cannot_be_written_to_and_directories_are_as_the_top_one() {
    let top = tempfile::tempdir().unwrap();
    fs::set_permissions(top.path(), fs::Permissions::from_mode(0o2775)).unwrap();
    let (mut directory, name) = (open(top.path()), Name([1; 32]));
    directory.add_result(&name, b"x", &[]).unwrap();
    directory.merge_questions(&name, &mut |_| Some(b"y".to_vec())).unwrap();
    for area in ["s", "w"] {
        let file = path(top.path(), area, name.0);
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o7777, 0o444);
        let fan = fs::metadata(file.parent().unwrap()).unwrap();
        assert_eq!(fan.permissions().mode() & 0o7777, 0o2775);
    }
}

#[test]
fn a_directory_that_is_gone_is_not_an_empty_one() {
    let top = tempfile::tempdir().unwrap();
    let inner = top.path().join("cache");
    assert!(matches!(Directory::open(inner.clone()), Err(Failure::Unreachable(_))));
    fs::create_dir(&inner).unwrap();
    let mut directory = open(&inner);
    fs::remove_dir(&inner).unwrap();
    let name = Name([1; 32]);
    assert!(matches!(directory.questions(&name), Err(Failure::Unreachable(_))));
    assert!(matches!(directory.results(&[name]), Err(Failure::Unreachable(_))));
    assert!(matches!(directory.add_result(&name, b"x", &[]), Err(Failure::Unreachable(_))));
    assert!(matches!(directory.missing(&[]), Err(Failure::Unreachable(_))));
    assert!(!inner.exists());
}

#[test]
fn an_old_lock_is_broken_and_a_young_one_is_waited_for() {
    let top = tempfile::tempdir().unwrap();
    let (mut directory, name) = (open(top.path()), Name([3; 32]));
    directory.merge_questions(&name, &mut |_| Some(b"one".to_vec())).unwrap();
    let lock = path(top.path(), "w", name.0).with_extension("lock");
    let held = fs::File::create(&lock).unwrap();
    held.set_modified(SystemTime::now() - Duration::from_mins(1)).unwrap();
    directory.merge_questions(&name, &mut |_| Some(b"two".to_vec())).unwrap();
    assert_eq!(directory.questions(&name).unwrap(), Some(b"two".to_vec()));
    assert!(!lock.exists());
    fs::write(&lock, "").unwrap();
    assert!(matches!(
        directory.merge_questions(&name, &mut |_| Some(b"three".to_vec())),
        Err(Failure::Unreachable(_))
    ));
    assert!(lock.exists());
    assert_eq!(directory.questions(&name).unwrap(), Some(b"two".to_vec()));
}

#[test]
fn what_is_not_a_regular_file_is_not_read() {
    let top = tempfile::tempdir().unwrap();
    let (mut directory, name) = (open(top.path()), Name([4; 32]));
    directory.add_result(&name, b"x", &[]).unwrap();
    let file = path(top.path(), "s", name.0);
    fs::remove_file(&file).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", &file).unwrap();
    assert!(directory.results(&[name]).is_err());
    fs::remove_file(&file).unwrap();
    let made = std::process::Command::new("mkfifo").arg(&file).status().unwrap();
    assert!(made.success());
    assert!(directory.results(&[name]).is_err());
    let large = vec![0; 5 << 20];
    fs::remove_file(&file).unwrap();
    fs::write(&file, large).unwrap();
    assert!(matches!(directory.results(&[name]), Err(Failure::Invalid(_))));
}

#[test]
fn a_blob_that_lost_its_end_is_written_again() {
    let top = tempfile::tempdir().unwrap();
    let mut directory = open(top.path());
    let bytes = tempfile::tempdir().unwrap();
    fs::write(bytes.path().join("b"), "whole").unwrap();
    let from = fs::File::open(bytes.path().join("b")).unwrap();
    let blob = Blob { digest: [5; 32], size: 5 };
    directory.add_blob(&blob, &from).unwrap();
    let file = path(top.path(), "cas", blob.digest);
    fs::remove_file(&file).unwrap();
    fs::write(&file, "wh").unwrap();
    assert_eq!(directory.missing(&[blob]).unwrap(), [blob]);
    let to = fs::File::create(bytes.path().join("c")).unwrap();
    assert!(matches!(directory.fetch(&blob, &to), Err(Failure::Invalid(_))));
    directory.add_blob(&blob, &from).unwrap();
    assert_eq!(fs::read(&file).unwrap(), b"whole");
}

#[test]
fn a_collection_goes_by_age_and_keeps_what_young_records_name() {
    let top = tempfile::tempdir().unwrap();
    let mut directory = open(top.path());
    let from = top.path().join("from");
    fs::write(&from, "blob!").unwrap();
    let from = fs::File::open(&from).unwrap();
    let (kept, dropped) = (Blob { digest: [1; 32], size: 5 }, Blob { digest: [2; 32], size: 5 });
    for blob in [kept, dropped] {
        directory.add_blob(&blob, &from).unwrap();
    }
    directory.add_result(&Name([1; 32]), &[1], &[kept]).unwrap();
    directory.add_result(&Name([2; 32]), &[2], &[dropped]).unwrap();
    let old = SystemTime::now() - Duration::from_hours(1);
    for file in
        [path(top.path(), "cas", [1; 32]), path(top.path(), "cas", [2; 32]), path(top.path(), "s", [2; 32])]
    {
        fs::File::open(file).unwrap().set_modified(old).unwrap();
    }
    let blobs_of = |record: &[u8]| vec![Blob { digest: [record.first().copied().unwrap(); 32], size: 5 }];
    let limit = SystemTime::now() - Duration::from_mins(1);
    let collected = directory.collect(limit, &blobs_of).unwrap();
    assert_eq!(collected, Collected { records: 1, blobs: 1, bytes: 6 });
    assert!(path(top.path(), "cas", [1; 32]).exists() && !path(top.path(), "cas", [2; 32]).exists());
}
