//! Kernel file locks: one for the store, shared by readers and writers and exclusive for deleting, and one for each key, held
//! while its command runs. The kernel releases a lock when its process dies; there are no leases.
//!
//! Lock order: a key's lock before the store's, never the other way round.

use super::layout::Layout;
use crate::digest::Key;
use crate::error::{Error, Result};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Name of the store's lock file.
pub(crate) const STORE_LOCK: &str = "store";

/// Locks a mutex and ignores poisoning: a thread that panicked leaves no partial state that later checks would miss.
pub(crate) fn hold<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The store's lock as one process holds it: shared by any number of threads.
#[derive(Debug)]
pub(crate) struct StoreLock {
    path: PathBuf,
    state: Mutex<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    file: Option<File>,
    holders: usize,
}

/// The store's lock, held shared.
#[derive(Debug)]
pub(crate) struct SharedGuard<'a>(&'a StoreLock);

/// The store's lock, held exclusively: proof that deleting is allowed.
#[derive(Debug)]
pub(crate) struct ExclusiveGuard {
    _file: File,
}

impl StoreLock {
    pub(crate) fn new(layout: &Layout) -> Self {
        Self { path: layout.lock(STORE_LOCK), state: Mutex::default() }
    }

    /// Waits until no process deletes. Needs no lock in a store that cannot be written: no process deletes there, and the lock
    /// file may be missing.
    pub(crate) fn shared(&self) -> Result<SharedGuard<'_>> {
        let mut state = hold(&self.state);
        if state.holders == 0 {
            if state.file.is_none() {
                state.file = open_lock(&self.path)?;
            }
            if let Some(file) = &state.file {
                uninterrupted(|| file.lock_shared())
                    .map_err(|source| Error::io("lock", &self.path, source))?;
            }
        }
        state.holders += 1;
        Ok(SharedGuard(self))
    }

    /// Waits until no other process reads or writes the store.
    pub(crate) fn exclusive(&self) -> Result<ExclusiveGuard> {
        let failed = |source| Error::io("lock", &self.path, source);
        let file = create_lock(&self.path).map_err(failed)?;
        uninterrupted(|| file.lock()).map_err(failed)?;
        Ok(ExclusiveGuard { _file: file })
    }
}

impl Drop for SharedGuard<'_> {
    fn drop(&mut self) {
        let mut state = hold(&self.0.state);
        state.holders = state.holders.saturating_sub(1);
        if state.holders == 0
            && let Some(file) = &state.file
            && file.unlock().is_err()
        {
            // Closing the file releases the lock too.
            state.file = None;
        }
    }
}

pub(super) fn uninterrupted(mut operation: impl FnMut() -> io::Result<()>) -> io::Result<()> {
    loop {
        match operation() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

fn create_lock(path: &Path) -> io::Result<File> {
    let open =
        || OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
    match (open(), path.parent()) {
        (Err(error), Some(parent)) if error.kind() == io::ErrorKind::NotFound => {
            match fs::create_dir(parent) {
                // Another process creates the same store.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                made => made?,
            }
            open()
        }
        // No process can open a link that leads to itself, and a lock file holds nothing that could be lost.
        (Err(error), _) if error.raw_os_error() == Some(libc::ELOOP) && path.is_symlink() => {
            fs::remove_file(path)?;
            open()
        }
        (other, _) => other,
    }
}

/// Opens a lock file for sharing; `None` where it does not exist and cannot be created.
fn open_lock(path: &Path) -> Result<Option<File>> {
    match create_lock(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if cannot_write(&error) => match File::open(path) {
            Ok(file) => Ok(Some(file)),
            Err(error) if cannot_write(&error) || error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io("open", path, error)),
        },
        Err(error) => Err(Error::io("open", path, error)),
    }
}

/// Whether an error means that the store cannot be written.
pub(crate) fn cannot_write(error: &io::Error) -> bool {
    use io::ErrorKind;
    matches!(
        error.kind(),
        ErrorKind::PermissionDenied
            | ErrorKind::ReadOnlyFilesystem
            | ErrorKind::StorageFull
            | ErrorKind::QuotaExceeded
            | ErrorKind::FileTooLarge
    )
}

/// Waits until no other process holds the lock file `path`, and takes it.
pub(crate) fn wait_for(path: &Path) -> Result<File> {
    let failed = |source| Error::io("lock", path, source);
    let file = create_lock(path).map_err(failed)?;
    uninterrupted(|| file.lock()).map_err(failed)?;
    Ok(file)
}

/// A key's lock that was taken.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) file: File,
    /// Whether another process held it first.
    pub(crate) waited: bool,
    /// Whether a process abandoned the key meanwhile: its run left no result to keep.
    pub(crate) abandoned: bool,
}

/// Result of claiming a key.
#[derive(Debug)]
pub(crate) enum Claimed {
    /// The lock was taken.
    Taken(Taken),
    /// The store cannot be written.
    Unwritable,
    /// Another process holds it, and `waits` ended the wait.
    GivenUp,
}

/// Takes the lock of `key`. Waits for the process that holds it while `waits` returns true: it is called with the holder's
/// process, where that is known, immediately and then about every fiftieth of a second. Who holds it is asked every tenth.
///
/// The length of the lock file counts how often the key was abandoned: a waiting process compares it with the length at the
/// beginning of the wait. A holder that dies does not count.
pub(crate) fn claim(
    layout: &Layout,
    key: &Key,
    waits: &mut dyn FnMut(Option<u32>) -> bool,
) -> Result<Claimed> {
    let path = layout.lock(&key.0.to_hex());
    let mut pause = Duration::from_millis(1);
    let mut asked: Option<(Instant, Option<u32>)> = None;
    let mut given_up = None;
    let length = |path: &Path| fs::metadata(path).map_or(0, |metadata| metadata.len());
    loop {
        match try_claim(&path) {
            Ok(Some(file)) => {
                let now = file.metadata().map_or(0, |metadata| metadata.len());
                let abandoned = given_up.is_some_and(|then| now > then);
                return Ok(Claimed::Taken(Taken { file, waited: given_up.is_some(), abandoned }));
            }
            Ok(None) => {}
            Err(error) if cannot_write(&error) => return Ok(Claimed::Unwritable),
            Err(error) => return Err(Error::io("lock", &path, error)),
        }
        given_up.get_or_insert_with(|| length(&path));
        let holder = match asked {
            Some((when, known)) if when.elapsed() < Duration::from_millis(100) => known,
            _ => asked.insert((Instant::now(), holder(&path))).1,
        };
        if !waits(holder) {
            return Ok(Claimed::GivenUp);
        }
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

/// The process that holds the lock file `path`, according to the kernel's list of locks.
fn holder(path: &Path) -> Option<u32> {
    let file = fs::metadata(path).ok()?;
    let locks = fs::read_to_string("/proc/locks").ok()?;
    // `1: FLOCK  ADVISORY  WRITE 1234 08:01:5678 0 EOF`; a waiting process has `->` before `FLOCK`.
    locks.lines().find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [_, "FLOCK", _, "WRITE", process, place, ..] = words.as_slice() else { return None };
        let number: u64 = place.rsplit(':').next()?.parse().ok()?;
        if number == file.ino() { process.parse().ok() } else { None }
    })
}

/// Signals to the processes that wait for the lock in `file` that the key was abandoned.
pub(crate) fn give_up(file: &File) {
    // If that fails, they wait for one another, which is slower and still correct.
    let _ = file.metadata().and_then(|metadata| file.set_len(metadata.len() + 1));
}

/// Takes the lock of a lock file if it is free. A file that was removed meanwhile does not count, since later processes lock
/// another one.
pub(crate) fn try_claim(path: &Path) -> io::Result<Option<File>> {
    loop {
        let file = create_lock(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let ours = file.metadata()?;
        match fs::symlink_metadata(path) {
            Ok(named) if (named.dev(), named.ino()) == (ours.dev(), ours.ino()) => return Ok(Some(file)),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::layout::tests::empty;
    use super::*;
    use crate::digest::Digest;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn taken(claimed: Result<Claimed>) -> Taken {
        match claimed.unwrap() {
            Claimed::Taken(taken) => taken,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn one_claim_of_a_key_at_a_time() {
        let (_directory, layout) = empty();
        let key = Key(Digest::of(b"key"));
        let inside = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| {
                    let claim = taken(claim(&layout, &key, &mut |_| true));
                    assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                    thread::sleep(Duration::from_millis(1));
                    inside.fetch_sub(1, Ordering::SeqCst);
                    drop(claim);
                });
            }
        });
    }

    #[test]
    fn a_removed_lock_file_cannot_be_locked_twice() {
        let (_directory, layout) = empty();
        let key = Key(Digest::of(b"key"));
        let path = layout.lock(&key.0.to_hex());
        let first = taken(claim(&layout, &key, &mut |_| true));
        assert!(try_claim(&path).unwrap().is_none());
        fs::remove_file(&path).unwrap();
        let second = try_claim(&path).unwrap().unwrap();
        assert_ne!(first.file.metadata().unwrap().ino(), second.metadata().unwrap().ino());
    }

    #[test]
    fn a_waiting_process_learns_that_it_waited() {
        let (_directory, layout) = empty();
        let key = Key(Digest::of(b"key"));
        let mut first = Some(taken(claim(&layout, &key, &mut |_| true)));
        let mut told = 0;
        let second = taken(claim(&layout, &key, &mut |holder| {
            assert!(holder.is_none_or(|holder| holder == std::process::id()), "{holder:?}");
            told += 1;
            if told == 2 {
                first = None;
            }
            true
        }));
        assert!(second.waited);
        assert_eq!(told, 2);
        let third = claim(&layout, &key, &mut |_| false).unwrap();
        assert!(matches!(third, Claimed::GivenUp));
    }

    #[test]
    fn deleting_waits_for_every_reader() {
        let (_directory, layout) = empty();
        let (one, other) = (StoreLock::new(&layout), StoreLock::new(&layout));
        let shared = (one.shared().unwrap(), one.shared().unwrap(), other.shared().unwrap());
        let deleting = AtomicUsize::new(0);
        thread::scope(|scope| {
            scope.spawn(|| {
                let _exclusive = other.exclusive().unwrap();
                deleting.store(1, Ordering::SeqCst);
            });
            thread::sleep(Duration::from_millis(20));
            drop(shared.0);
            drop(shared.2);
            thread::sleep(Duration::from_millis(20));
            assert_eq!(deleting.load(Ordering::SeqCst), 0);
            drop(shared.1);
        });
        assert_eq!(deleting.load(Ordering::SeqCst), 1);
    }
}
