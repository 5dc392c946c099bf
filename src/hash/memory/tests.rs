//! A recall in memory for all tests of this floor, and what is remembered of large files.

use super::*;
use crate::digest::DIGEST_LENGTH;
use std::cell::RefCell;
use std::collections::HashMap;
use std::fs::{File, FileTimes};
use std::os::unix::fs::symlink;
use std::time::Duration;

#[derive(Default)]
pub(in crate::hash) struct Memory {
    pub(in crate::hash) entries: RefCell<HashMap<RequestId, Vec<u8>>>,
    pub(in crate::hash) written: RefCell<usize>,
}

impl Recall for Memory {
    fn find(&self, request: &RequestId) -> Option<Vec<u8>> {
        self.entries.borrow().get(request).cloned()
    }

    fn remember(&self, request: &RequestId, bytes: &[u8]) {
        *self.written.borrow_mut() += 1;
        self.entries.borrow_mut().insert(*request, bytes.to_vec());
    }

    fn forget(&self, request: &RequestId) {
        self.entries.borrow_mut().remove(request);
    }

    fn secret(&self) -> [u8; DIGEST_LENGTH] {
        [7; DIGEST_LENGTH]
    }
}

/// A large file full of `byte`, and so old that its evidence is trusted.
fn old(path: &Path, byte: u8) {
    fs::write(path, vec![byte; 100_000]).unwrap();
    std::thread::sleep(Duration::from_millis(2100));
}

/// What another call would take for the digest of `path`, and whether it read the file for it: then it learned it.
fn asked(recall: &Memory, path: &Path) -> (Digest, bool) {
    let mut memory = FileMemory::new(recall);
    let (digest, _) = memory.digest(path).unwrap();
    let read = !memory.learned.is_empty();
    memory.keep();
    (digest, read)
}

fn digest(byte: u8) -> Digest {
    Digest::of(&vec![byte; 100_000])
}

#[test]
fn a_large_file_is_read_once_for_all_requests() {
    let directory = tempfile::tempdir().unwrap();
    let recall = Memory::default();
    let (file, link) = (directory.path().join("file"), directory.path().join("link"));
    old(&file, b'a');
    symlink(&file, &link).unwrap();
    assert_eq!(asked(&recall, &file), (digest(b'a'), true));
    assert_eq!(asked(&recall, &file), (digest(b'a'), false));
    // Another way to the same file is another fact.
    assert_eq!(asked(&recall, &link), (digest(b'a'), true));
    assert_eq!(asked(&recall, &link), (digest(b'a'), false));
    assert_eq!(asked(&recall, &file), (digest(b'a'), false));
}

#[test]
fn what_was_changed_and_made_to_look_old_is_read_again() {
    let directory = tempfile::tempdir().unwrap();
    let recall = Memory::default();
    let (file, other) = (directory.path().join("file"), directory.path().join("other"));
    old(&file, b'a');
    let times = |path: &Path| {
        let metadata = fs::metadata(path).unwrap();
        FileTimes::new().set_modified(metadata.modified().unwrap()).set_accessed(metadata.accessed().unwrap())
    };
    let then = times(&file);
    asked(&recall, &file);

    // As `touch -r` does it: the size and the time of before.
    fs::write(&file, vec![b'b'; 100_000]).unwrap();
    File::options().write(true).open(&file).unwrap().set_times(then).unwrap();
    assert_eq!(asked(&recall, &file).0, digest(b'b'));

    // An older file, made to look like this one, takes its place; no time of its own content moves.
    fs::write(&other, vec![b'c'; 100_000]).unwrap();
    File::options().write(true).open(&other).unwrap().set_times(then).unwrap();
    std::thread::sleep(Duration::from_millis(2100));
    asked(&recall, &file);
    fs::rename(&other, &file).unwrap();
    assert_eq!(asked(&recall, &file).0, digest(b'c'));
}

#[test]
fn a_link_that_is_turned_leads_to_the_other_file() {
    let directory = tempfile::tempdir().unwrap();
    let recall = Memory::default();
    let (first, second, link) =
        (directory.path().join("first"), directory.path().join("second"), directory.path().join("link"));
    fs::write(&second, vec![b'b'; 100_000]).unwrap();
    old(&first, b'a');
    symlink(&first, &link).unwrap();
    assert_eq!(asked(&recall, &link).0, digest(b'a'));
    fs::remove_file(&link).unwrap();
    symlink(&second, &link).unwrap();
    assert_eq!(asked(&recall, &link).0, digest(b'b'));
}

#[test]
fn what_is_too_young_or_of_the_future_is_not_remembered() {
    let directory = tempfile::tempdir().unwrap();
    let recall = Memory::default();
    let file = directory.path().join("file");
    fs::write(&file, vec![b'a'; 100_000]).unwrap();
    asked(&recall, &file);
    fs::write(&file, vec![b'b'; 100_000]).unwrap();
    assert_eq!(asked(&recall, &file).0, digest(b'b'));
    // The clock was an hour ahead when it was written, or is an hour behind now.
    let later = std::time::SystemTime::now() + Duration::from_hours(1);
    let times = FileTimes::new().set_modified(later);
    File::options().write(true).open(&file).unwrap().set_times(times).unwrap();
    std::thread::sleep(Duration::from_millis(2100));
    assert_eq!(*recall.written.borrow(), 0);
    asked(&recall, &file);
    assert_eq!(*recall.written.borrow(), 0, "nothing was trusted");
}

#[test]
fn a_damaged_table_is_none() {
    let directory = tempfile::tempdir().unwrap();
    let recall = Memory::default();
    let file = directory.path().join("file");
    old(&file, b'a');
    asked(&recall, &file);
    recall.entries.borrow_mut().values_mut().for_each(|bytes| bytes.truncate(bytes.len() - 1));
    assert_eq!(asked(&recall, &file), (digest(b'a'), true));
}

/// What a run of `function` is told of each of `paths` before it is read; then it reads and remembers it.
fn told(recall: &Memory, function: &str, paths: &[PathBuf]) -> Vec<Option<Digest>> {
    let mut memory = FileMemory::of_run(recall, &Digest::of(function.as_bytes()));
    let mut told = Vec::new();
    for path in paths {
        let evidence = Evidence::of(&fs::metadata(path).unwrap());
        told.push(memory.recalled(path, &evidence));
        memory.digest(path).unwrap();
        assert_eq!(memory.digest(path).unwrap().0, Digest::of(&fs::read(path).unwrap()));
    }
    memory.keep();
    told
}

fn many_small(directory: &Path) -> Vec<PathBuf> {
    let paths: Vec<PathBuf> = (0..40).map(|number| directory.join(format!("file{number}"))).collect();
    for path in &paths {
        fs::write(path, path.as_os_str().as_bytes()).unwrap();
    }
    std::thread::sleep(Duration::from_millis(2100));
    paths
}

#[test]
fn what_the_last_run_of_a_function_read_is_known_to_the_next() {
    let directory = tempfile::tempdir().unwrap();
    let recall = Memory::default();
    let paths = many_small(directory.path());
    let (few, rest) = paths.split_at(3);
    assert_eq!(told(&recall, "f", few), [None; 3]);
    assert_eq!(*recall.written.borrow(), 0, "few files are not worth a table");
    assert!(told(&recall, "f", &paths).iter().all(Option::is_none));
    assert_eq!(*recall.written.borrow(), 1);
    let known: Vec<_> = paths.iter().map(|path| Some(Digest::of(path.as_os_str().as_bytes()))).collect();
    assert_eq!(told(&recall, "f", &paths), known);
    assert_eq!(told(&recall, "f", rest), known[3..]);
    assert_eq!(*recall.written.borrow(), 1, "nothing was learned");
    assert!(told(&recall, "g", few).iter().all(Option::is_none), "another function has another table");
}

#[test]
fn small_files_that_moved_are_read_again() {
    let directory = tempfile::tempdir().unwrap();
    let recall = Memory::default();
    let paths = many_small(directory.path());
    told(&recall, "f", &paths);
    let metadata = fs::metadata(&paths[0]).unwrap();
    let times = FileTimes::new().set_modified(metadata.modified().unwrap());
    let content = vec![b'x'; usize::try_from(metadata.len()).unwrap()];
    fs::write(&paths[0], content).unwrap();
    File::options().write(true).open(&paths[0]).unwrap().set_times(times).unwrap();
    fs::rename(&paths[1], &paths[2]).unwrap();
    let there: Vec<PathBuf> = paths.iter().filter(|path| path.exists()).cloned().collect();
    let told = told(&recall, "f", &there);
    assert_eq!(told[..2], [None, None]);
    assert!(told[2..].iter().all(Option::is_some));
}

#[test]
fn young_small_files_are_not_remembered() {
    let directory = tempfile::tempdir().unwrap();
    let recall = Memory::default();
    let later = std::time::SystemTime::now() + Duration::from_hours(1);
    let paths: Vec<PathBuf> = (0..40).map(|number| directory.path().join(format!("file{number}"))).collect();
    for path in &paths {
        fs::write(path, "x").unwrap();
        File::options()
            .write(true)
            .open(path)
            .unwrap()
            .set_times(FileTimes::new().set_modified(later))
            .unwrap();
    }
    told(&recall, "f", &paths);
    assert_eq!(*recall.written.borrow(), 0);
    assert!(told(&recall, "f", &paths).iter().all(Option::is_none));
}

#[test]
fn much_is_prepared_at_once_and_only_what_is_as_it_was() {
    let directory = tempfile::tempdir().unwrap();
    let recall = Memory::default();
    let paths: Vec<PathBuf> = (0..200).map(|number| directory.path().join(format!("file{number}"))).collect();
    for path in &paths {
        fs::write(path, vec![b'a'; 60_000]).unwrap();
    }
    std::thread::sleep(Duration::from_millis(2100));
    let seen = |path: &PathBuf| (path.clone(), Evidence::of(&fs::metadata(path).unwrap()));
    let seen: Vec<_> = paths.iter().map(seen).collect();
    fs::write(&paths[0], vec![b'b'; 60_000]).unwrap();
    fs::remove_file(&paths[1]).unwrap();
    let mut memory = FileMemory::of_run(&recall, &Digest::of(b"f"));
    let borrowed: Vec<(&Path, Evidence)> =
        seen.iter().map(|(path, evidence)| (path.as_path(), *evidence)).collect();
    memory.prepare_seen(&borrowed);
    let expected = Digest::of(&vec![b'a'; 60_000]);
    for (place, (path, evidence)) in seen.iter().enumerate() {
        assert_eq!(memory.recalled(path, evidence), (place > 1).then_some(expected), "{place}");
    }
    memory.keep();
    assert!(told(&recall, "f", &paths[2..]).iter().all(Option::is_some));
}
