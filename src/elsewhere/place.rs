//! The directory of a job in the store: its call, its state and its result.
//!
//! | file | written by | what |
//! |---|---|---|
//! | `call` | the caller, before the directory has its name | directory, words, key: never changed |
//! | `submitting`, `running` | – | locked by the process that submits the job, or runs it |
//! | `token` | the caller | the name of its array and its number there, if it is submitted in one |
//! | `id` | the caller | what the engine calls the job |
//! | `attempt.N`, `stdout.N`, `stderr.N` | the worker | machine and process of each attempt, and what it prints |
//! | `log` | the engine | its own messages |
//! | `result` | the worker, whole | how the call was answered, as `--report` says it |
//! | `collected` | the caller | the result was handed to the user |

use super::call::Call;
use super::lock::{Lock, is_locked, lock};
use crate::digest::Digest;
use crate::encode::{Decode, Encode};
use crate::error::{Error, Kind, Result};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The directory of a store that holds the jobs.
pub(super) const JOBS: &str = "jobs";

/// How the name of a copied tree begins.
pub(super) const TREE: &str = ".tree-";

/// Whether a call already has a job.
#[derive(Debug)]
pub enum Found {
    /// It has none: this process is to submit it.
    Ours(Lock),
    /// It was submitted before.
    Theirs,
}

/// The directory of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place(PathBuf);

impl Place {
    /// That of the job called `name` in the store at `store`.
    #[must_use]
    pub fn new(store: &Path, name: &str) -> Self {
        Self(store.join(JOBS).join(name))
    }

    /// The directory itself, named by the engine's command.
    #[must_use]
    pub fn at(directory: PathBuf) -> Self {
        Self(directory)
    }

    /// A directory for files that several jobs share.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn shared(store: &Path, name: &str) -> Result<PathBuf> {
        let path = store.join(JOBS).join(name);
        make(&path).map_err(|error| Error::io("create", &path, error))?;
        Ok(path)
    }

    /// Where the tree called `token` is copied to, for `--snapshot`.
    #[must_use]
    pub fn tree(store: &Path, token: &str) -> PathBuf {
        store.join(JOBS).join(format!("{TREE}{token}"))
    }

    /// The path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The name of the job.
    #[must_use]
    pub fn name(&self) -> String {
        self.0.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Where the engine's messages go.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.0.join("log")
    }

    /// Creates the directory for `call`, unless it exists. It gets its name when it is complete.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn claim(&self, call: &Call) -> Result<Found> {
        let failed = |error| Error::io("create", &self.0, error);
        if self.0.is_dir() {
            return Ok(Found::Theirs);
        }
        let parent = self.0.parent().unwrap_or(Path::new("."));
        make(parent).map_err(failed)?;
        let new = parent.join(format!(".{}", call.token));
        make(&new).map_err(failed)?;
        let (lock, bytes) = (lock(&new.join("submitting")).map_err(failed)?, call.to_bytes());
        let sealed = [Digest::of(&bytes).as_bytes().as_slice(), &bytes].concat();
        write_new(&new.join("call"), &sealed).map_err(failed)?;
        let Some(lock) = lock else { return Ok(Found::Theirs) };
        match fs::rename(&new, &self.0) {
            Ok(()) => Ok(Found::Ours(lock)),
            Err(error) => {
                let _ = fs::remove_dir_all(&new);
                // A directory takes the place of an empty one only.
                let taken = [libc::ENOTEMPTY, libc::EEXIST];
                if error.raw_os_error().is_some_and(|errno| taken.contains(&errno)) {
                    Ok(Found::Theirs)
                } else {
                    Err(failed(error))
                }
            }
        }
    }

    /// Writes the call, and the name by which the engine will know the job, to the disk: a job that continues while this machine
    /// restarts is then found again.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn persist(&self) -> Result<()> {
        sync(&self.0.join("call"))?;
        let token = self.0.join("token");
        if token.exists() {
            sync(&token)?;
        }
        sync_names(&self.0)
    }

    /// Writes a file that jobs share to their directory, and to the disk.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub(super) fn persist_shared(directory: &Path, name: &str, bytes: &[u8]) -> Result<()> {
        let path = directory.join(name);
        write_new(&path, bytes).map_err(|error| Error::io("write", &path, error))?;
        sync(&path)?;
        sync_names(directory)
    }

    /// The call; `None` where there is no such job.
    #[must_use]
    pub fn call(&self) -> Option<Call> {
        let bytes = fs::read(self.0.join("call")).ok()?;
        let (check, bytes) = bytes.split_at_checked(crate::digest::DIGEST_LENGTH)?;
        (Digest::of(bytes).as_bytes() == check).then(|| Call::from_bytes(bytes).ok())?
    }

    /// Notes by which name the engine knows the job, where that is not the token of its call.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn set_token(&self, token: &str) -> Result<()> {
        self.put("token", token.as_bytes())
    }

    /// The name by which the engine knows the job.
    #[must_use]
    pub fn token(&self) -> Option<String> {
        self.note("token").or_else(|| self.call().map(|call| call.token))
    }

    /// Takes over a job whose submitter died.
    #[must_use]
    pub fn resubmit(&self) -> Option<Lock> {
        lock(&self.0.join("submitting")).ok().flatten()
    }

    /// Whether a process submits it just now.
    #[must_use]
    pub fn is_submitting(&self) -> bool {
        is_locked(&self.0.join("submitting"))
    }

    /// The right to run the job; `None` where another process does.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn run(&self) -> Result<Option<Lock>> {
        let path = self.0.join("running");
        lock(&path).map_err(|error| Error::io("lock", &path, error))
    }

    /// Whether a worker runs it just now, as far as locks reach.
    #[must_use]
    pub fn is_running(&self) -> bool {
        is_locked(&self.0.join("running"))
    }

    /// Notes what the engine calls the job.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn set_id(&self, id: &str) -> Result<()> {
        self.put("id", id.as_bytes())
    }

    /// What the engine calls the job, if that is known yet.
    #[must_use]
    pub fn id(&self) -> Option<String> {
        self.note("id")
    }

    /// Writes the result.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn set_result(&self, result: &[u8]) -> Result<()> {
        self.put("result", result)
    }

    /// The result, if there is one.
    #[must_use]
    pub fn result(&self) -> Option<Vec<u8>> {
        // Listing the directory makes a network file system ask its server.
        drop(fs::read_dir(&self.0));
        fs::read(self.0.join("result")).ok().filter(|result| !result.is_empty())
    }

    /// Notes that the result was handed to the user.
    pub fn collect(&self) {
        // If that fails, it is handed over once more.
        let _ = File::create(self.0.join("collected"));
    }

    /// Whether the result was handed to the user.
    #[must_use]
    pub fn is_collected(&self) -> bool {
        self.0.join("collected").exists()
    }

    /// Deletes the directory, for another job of this name. Returns whether this process did.
    #[must_use]
    pub fn discard(&self) -> bool {
        let aside = self.0.with_file_name(format!(".gone-{}-{}", self.name(), std::process::id()));
        let moved = fs::rename(&self.0, &aside).is_ok();
        if moved {
            let _ = fs::remove_dir_all(&aside);
        }
        moved
    }

    /// A note, if there is one. A crash of the machine may leave an empty file, which counts as missing.
    pub(super) fn note(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.0.join(name)).ok().filter(|note| !note.is_empty())
    }

    /// Writes a complete note. A crash of the machine may lose it, unless [`Place::persist`] follows: a later call then finds the
    /// job by the engine, or its run in the store.
    pub(super) fn put(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let path = self.0.join(name);
        let new = self.0.join(format!(".{name}.{}", std::process::id()));
        let written = fs::remove_file(&new).or(Ok(())).and_then(|()| write_new(&new, bytes));
        written.and_then(|()| fs::rename(&new, &path)).map_err(|error| Error::io("write", &path, error))
    }
}

fn make(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).recursive(true).create(path)
}

/// Writes the bytes of a file, or the names in a directory, to the disk.
fn sync(path: &Path) -> Result<()> {
    File::open(path).and_then(|file| file.sync_all()).map_err(|error| Error::io("write", path, error))
}

/// The same for the names in a directory, and for its own name. Some network file systems refuse this and do not need it.
fn sync_names(directory: &Path) -> Result<()> {
    let needs_none = |error: &Error| error.kind() == Kind::Io(io::ErrorKind::InvalidInput);
    for path in [Some(directory), directory.parent()].into_iter().flatten() {
        sync(path).or_else(|error| if needs_none(&error) { Ok(()) } else { Err(error) })?;
    }
    Ok(())
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)
}

#[cfg(test)]
mod tests {
    use super::super::list::{list, sweep};
    use super::*;
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;

    fn call(token: &str) -> Call {
        Call {
            token: token.to_owned(),
            executor: "gpu".to_owned(),
            directory: "/p".into(),
            words: vec!["--".into(), OsString::from_vec(vec![b'x', 0xff])],
            manifest: Some(vec![1, 2]),
            latest: false,
            snapshot: Some("/p/t".into()),
            umask: 0o27,
        }
    }

    #[test]
    fn one_of_several_callers_submits() {
        let store = tempfile::tempdir().unwrap();
        let place = Place::new(store.path(), "k");
        let Found::Ours(lock) = place.claim(&call("a")).unwrap() else { panic!("it is not ours") };
        assert!(matches!(place.claim(&call("b")).unwrap(), Found::Theirs));
        assert_eq!(place.call(), Some(call("a")));
        assert!(place.is_submitting() && place.resubmit().is_none());
        drop(lock);
        assert!(!place.is_submitting() && place.resubmit().is_some());
        assert_eq!(list(store.path()), std::slice::from_ref(&place));
        assert!(place.discard() && !place.discard());
        assert!(matches!(place.claim(&call("b")).unwrap(), Found::Ours(_)));
    }

    #[test]
    fn a_call_that_was_damaged_is_none() {
        let store = tempfile::tempdir().unwrap();
        let place = Place::new(store.path(), "k");
        drop(place.claim(&call("a")).unwrap());
        let path = place.path().join("call");
        let mut bytes = fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(&path, bytes).unwrap();
        assert_eq!(place.call(), None);
    }

    #[test]
    fn results_are_whole() {
        let store = tempfile::tempdir().unwrap();
        let place = Place::new(store.path(), "k");
        drop(place.claim(&call("a")).unwrap());
        assert_eq!(place.result(), None);
        place.set_result(b"{}").unwrap();
        place.set_result(b"{ }").unwrap();
        assert_eq!(place.result().unwrap(), b"{ }");
        assert!(!place.is_collected());
        place.collect();
        assert!(place.is_collected());
        sweep(store.path());
        assert!(place.call().is_some());
    }

    #[test]
    fn empty_notes_are_none() {
        let store = tempfile::tempdir().unwrap();
        let place = Place::new(store.path(), "k");
        drop(place.claim(&call("a")).unwrap());
        place.persist().unwrap();
        place.set_id("7").unwrap();
        place.set_token("array_1").unwrap();
        place.set_result(b"{}").unwrap();
        place.persist().unwrap();
        let found = || (place.id(), place.token().unwrap(), place.result());
        assert_eq!(found(), (Some("7".to_owned()), "array_1".to_owned(), Some(b"{}".to_vec())));
        for name in ["id", "token", "result"] {
            fs::write(place.path().join(name), "").unwrap();
        }
        assert_eq!(found(), (None, "a".to_owned(), None));
    }
}
