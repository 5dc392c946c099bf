//! Notes in the store about changes that a call has begun. If the call is killed, the next one finishes or undoes them.
//!
//! A note is a file in the store's `unfinished`, which the call that wrote it holds a lock on while it lives. The directory exists
//! only while there are notes, so that a call without notes makes one system call.

use super::event::{Event, Observer};
use super::moving::{clear, move_path};
use crate::encode::{Decode, DecodeError, Decoder, Encode, Encoder};
use crate::error::{Error, Result, means_absent};
use crate::record::Timestamp;
use crate::store::Workspace;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Names of directories of staged outputs begin so; no other is removed.
pub(super) const STAGE: &str = ".cashet-restore-";
/// Maximum length of a note, in bytes.
const LONGEST: u64 = 64 << 20;
/// How often a note is written again that another call took for one of a dead call.
const TRIES: u32 = 100;

/// What was begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Begun {
    /// The user's files were moved away: from where, to where.
    Aside(Vec<(PathBuf, PathBuf)>),
    /// Outputs are written in this directory before they are put in their places.
    Stage(PathBuf),
}

impl Encode for Begun {
    fn encode(&self, to: &mut Encoder) {
        let path = |path: &Path, to: &mut Encoder| {
            to.bytes(path.as_os_str().as_bytes());
        };
        match self {
            Self::Aside(moved) => {
                to.unsigned(0).length(moved.len());
                for (from, aside) in moved {
                    path(from, to);
                    path(aside, to);
                }
            }
            Self::Stage(stage) => {
                to.unsigned(1);
                path(stage, to);
            }
        }
    }
}

impl Decode for Begun {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        fn path(from: &mut Decoder<'_>) -> Result<PathBuf, DecodeError> {
            let path = PathBuf::from(OsString::from_vec(from.bytes()?.to_vec()));
            if path.is_absolute() { Ok(path) } else { Err(DecodeError::NotCanonical) }
        }
        match from.unsigned()? {
            0 => {
                let count = from.length()?;
                let mut moved = Vec::new();
                for _ in 0..count {
                    moved.push((path(from)?, path(from)?));
                }
                Ok(Self::Aside(moved))
            }
            1 => Ok(Self::Stage(path(from)?)),
            tag => Err(DecodeError::UnknownTag(tag)),
        }
    }
}

/// A note of something that was begun; it goes when this does.
#[derive(Debug)]
#[must_use = "the note goes at once"]
pub(super) struct Note {
    path: PathBuf,
    _locked: File,
}

impl Note {
    /// Writes a note, before what it says is done.
    ///
    /// # Errors
    /// When writing to the store fails.
    pub(super) fn write(workspace: Workspace<'_>, begun: &Begun) -> io::Result<Self> {
        let directory = workspace.unfinished();
        for number in 0..TRIES {
            match fs::create_dir(&directory) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            }
            let path = directory.join(format!("{}-{}-{number}", Timestamp::now().0, std::process::id()));
            let mut file = match OpenOptions::new().write(true).create_new(true).open(&path) {
                // The last note of others went meanwhile, and the directory with it.
                Err(error) if means_absent(&error) => continue,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                other => other?,
            };
            file.lock()?;
            // Before it was locked, another call may have taken it for that of a dead one.
            let is_there =
                fs::symlink_metadata(&path).and_then(|there| Ok(there.ino() == file.metadata()?.ino()));
            if is_there.unwrap_or(false) {
                let note = Self { path, _locked: file.try_clone()? };
                file.write_all(&begun.to_bytes())?;
                return Ok(note);
            }
        }
        Err(io::Error::other("no note can be written there"))
    }
}

impl Drop for Note {
    fn drop(&mut self) {
        forget(&self.path);
    }
}

/// Removes a note, and the directory with the last one.
fn forget(note: &Path) {
    let _ = fs::remove_file(note);
    if let Some(directory) = note.parent() {
        let _ = fs::remove_dir(directory);
    }
}

/// Puts right what calls left that were killed: the user's files go back where nothing took their place, and are named
/// where something did; what was staged goes.
pub fn recover(workspace: Workspace<'_>, observer: &dyn Observer) {
    let Ok(notes) = fs::read_dir(workspace.unfinished()) else { return };
    for note in notes.flatten() {
        let path = note.path();
        // A call that lives holds its lock.
        let Some(mut file) = File::open(&path).ok().filter(|file| file.try_lock().is_ok()) else { continue };
        let mut bytes = Vec::new();
        let read = Read::by_ref(&mut file).take(LONGEST).read_to_end(&mut bytes);
        let is_done = match read.map(|_| Begun::from_bytes(&bytes)) {
            Ok(Ok(Begun::Aside(moved))) => {
                let all: Vec<bool> =
                    moved.iter().map(|(from, to)| is_put_right(from, to, observer)).collect();
                all.into_iter().all(|done| done)
            }
            Ok(Ok(Begun::Stage(stage))) => {
                let is_stage =
                    stage.file_name().is_some_and(|name| name.as_bytes().starts_with(STAGE.as_bytes()));
                !is_stage || clear(&stage).is_ok_and(|()| true) || !stage.exists()
            }
            // It was being written: nothing was done yet.
            Ok(Err(_)) => true,
            Err(_) => false,
        };
        if is_done {
            forget(&path);
        }
    }
}

/// Moves the user's files back, or says where they are. False where that is to be tried again.
fn is_put_right(from: &Path, to: &Path, observer: &dyn Observer) -> bool {
    if fs::symlink_metadata(to).is_err_and(|error| means_absent(&error)) {
        return true;
    }
    let (path, copy) = (from.to_path_buf(), to.to_path_buf());
    match put_back(from, to) {
        Ok(true) => {
            observer.on(&Event::PutBack { path });
            remove_empty(to);
        }
        Ok(false) => observer.on(&Event::LeftAside { path, copy, why: "something is there now".to_owned() }),
        Err(error) => observer.on(&Event::LeftAside { path, copy, why: error.to_string() }),
    }
    true
}

/// Moves what was put aside back, unless something is in its place; whether it did.
///
/// # Errors
/// When it cannot be moved.
pub(super) fn put_back(from: &Path, to: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(from) {
        Ok(_) => return Ok(false),
        Err(error) if means_absent(&error) => {}
        Err(error) => return Err(error),
    }
    if let Some(parent) = from.parent() {
        fs::create_dir_all(parent)?;
    }
    move_path(to, from).map(|()| true)
}

/// Removes the directory in which something was put aside, if that was the last of it.
pub(super) fn remove_empty(aside: &Path) {
    if let Some(directory) = aside.parent() {
        let _ = fs::remove_dir(directory);
    }
}

/// As [`Note::write`], with an error that names what it is about.
///
/// # Errors
/// When writing to the store fails.
pub(super) fn note(workspace: Workspace<'_>, begun: &Begun) -> Result<Note> {
    Note::write(workspace, begun).map_err(|error| Error::io("write below", &workspace.unfinished(), error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    struct Told(RefCell<Vec<Event>>);

    impl Observer for Told {
        fn on(&self, event: &Event) {
            self.0.borrow_mut().push(event.clone());
        }
    }

    #[test]
    fn notes_come_back() {
        for begun in [
            Begun::Aside(vec![("/a/b".into(), "/c".into()), ("/d".into(), "/e".into())]),
            Begun::Stage("/a/.cashet-restore-x".into()),
        ] {
            assert_eq!(Begun::from_bytes(&begun.to_bytes()), Ok(begun));
        }
        assert!(Begun::from_bytes(&Begun::Stage("relative".into()).to_bytes()).is_err());
    }

    #[test]
    fn what_the_dead_left_is_put_right_and_nothing_of_the_living() {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("store");
        let aside = store.join("replaced/outputs-1");
        fs::create_dir_all(&aside).unwrap();
        let paths = |name: &str| (folder.path().join(name), aside.join(name));
        for name in ["gone", "taken", "living"] {
            fs::write(paths(name).1, name).unwrap();
        }
        fs::write(paths("taken").0, "new").unwrap();
        let stage = folder.path().join(".cashet-restore-1");
        fs::create_dir(&stage).unwrap();
        fs::write(stage.join("1"), "half").unwrap();
        let other = folder.path().join("precious");
        fs::create_dir(&other).unwrap();
        let dead = |begun: &Begun| {
            let note = Note::write(Workspace::new(&store), begun).unwrap();
            let copy = note.path.with_extension("dead");
            fs::copy(&note.path, copy).unwrap();
        };
        let moved = ["gone", "taken", "never"].map(paths).into();
        let living = Note::write(Workspace::new(&store), &Begun::Aside(vec![paths("living")])).unwrap();
        dead(&Begun::Aside(moved));
        dead(&Begun::Stage(stage.clone()));
        dead(&Begun::Stage(other.clone()));
        fs::write(store.join("unfinished/torn"), "").unwrap();
        let told = Told(RefCell::default());
        recover(Workspace::new(&store), &told);
        assert_eq!(fs::read(paths("gone").0).unwrap(), b"gone");
        assert_eq!(fs::read(paths("taken").0).unwrap(), b"new");
        assert_eq!(fs::read(paths("taken").1).unwrap(), b"taken");
        assert!(!paths("living").0.exists() && !stage.exists() && other.exists());
        assert_eq!(told.0.borrow().len(), 2);
        recover(Workspace::new(&store), &told);
        assert_eq!(told.0.borrow().len(), 2);
        drop(living);
        assert!(!store.join("unfinished").exists());
    }
}
