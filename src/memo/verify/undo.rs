//! Restores the work tree after a run: what was moved aside, and everything that the run changed.
//!
//! The state of each path is saved before its first change, while the process that is about to change it is stopped. Paths are
//! restored in reverse order.

use crate::error::{Error, Result, means_absent};
use crate::exec::{Fate, Seen, Witness};
use crate::hash::files;
use crate::memo::moving::{clear, copy_file, move_path, set_time};
use crate::record::{Evidence, Places};
use crate::store::Workspace;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// The saved state of a path.
enum Before {
    Nothing,
    /// It was moved to this path.
    Aside(PathBuf),
    /// A file, and a copy of it.
    File {
        evidence: Evidence,
        copy: PathBuf,
    },
    Link {
        text: PathBuf,
    },
    Directory {
        device: u64,
        inode: u64,
        mode: u32,
    },
    /// A socket, a FIFO, a device.
    Special,
}

/// The saved state of the work tree.
pub(super) struct Undo<'a> {
    places: &'a Places,
    /// The store's directory `replaced`.
    replaced: PathBuf,
    /// The directory for saved files, once there is one.
    directory: Option<PathBuf>,
    count: u64,
    steps: Vec<(PathBuf, Before)>,
    /// Paths that the run changed, or may have changed.
    touched: BTreeSet<PathBuf>,
    /// Directories whose entries change, with their times.
    times: BTreeMap<PathBuf, Evidence>,
    /// Errors in saving or restoring.
    troubles: Vec<Error>,
}

impl<'a> Undo<'a> {
    /// Starts without saved state.
    pub(super) fn new(places: &'a Places, workspace: Workspace<'_>) -> Self {
        Self {
            places,
            replaced: workspace.replaced(),
            directory: None,
            count: 0,
            steps: Vec::new(),
            touched: BTreeSet::new(),
            times: BTreeMap::new(),
            troubles: Vec::new(),
        }
    }

    /// Prepares the directory for saved files.
    ///
    /// # Errors
    /// When it cannot be created; then the command must not run.
    pub(super) fn begin(&mut self) -> Result<()> {
        self.place().map(|_| ())
    }

    /// Moves the entry at `path` aside until the end.
    ///
    /// # Errors
    /// When it cannot be moved; then it stays in place.
    pub(super) fn move_aside(&mut self, path: &Path) -> Result<()> {
        self.remember_time(path.parent());
        let to = self.free_name(path)?;
        // Noted before the move, so that a partial move is undone.
        self.steps.push((path.to_path_buf(), Before::Aside(to.clone())));
        match move_path(path, &to) {
            Ok(()) => Ok(()),
            Err(error) => {
                self.steps.pop();
                Err(Error::io("move aside", path, error))
            }
        }
    }

    /// Saves the state of `path` (absolute), unless it is already saved.
    pub(super) fn touch(&mut self, path: &Path) {
        if !self.places.in_root(path) || self.touched.contains(path) {
            return;
        }
        self.remember_time(path.parent());
        match self.take_down(path) {
            Ok(before) => {
                self.steps.push((path.to_path_buf(), before));
                self.touched.insert(path.to_path_buf());
            }
            Err(error) => self.troubles.push(error),
        }
    }

    /// Whether saving failed: the run should then stop before it changes more.
    pub(super) fn is_stuck(&self) -> bool {
        !self.troubles.is_empty()
    }

    fn take_down(&mut self, path: &Path) -> Result<Before> {
        let unseen = |error| Error::io("inspect", path, error);
        let metadata = match fs::symlink_metadata(path) {
            Ok(metadata) => metadata,
            Err(error) if means_absent(&error) => return Ok(Before::Nothing),
            Err(error) => return Err(unseen(error)),
        };
        let kind = metadata.file_type();
        if kind.is_dir() {
            self.times.entry(path.to_path_buf()).or_insert_with(|| Evidence::of(&metadata));
            let (device, inode, mode) = (metadata.dev(), metadata.ino(), metadata.mode());
            return Ok(Before::Directory { device, inode, mode });
        }
        if kind.is_symlink() {
            return Ok(Before::Link { text: fs::read_link(path).map_err(unseen)? });
        }
        if !kind.is_file() {
            return Ok(Before::Special);
        }
        let copy = self.free_name(path)?;
        copy_file(path, &copy, &metadata).map_err(|error| Error::io("copy aside", path, error))?;
        Ok(Before::File { evidence: Evidence::of(&metadata), copy })
    }

    /// The paths that have changed, except those moved aside.
    pub(super) fn changed(&self) -> Vec<PathBuf> {
        let steps = self.steps.iter().filter(|(path, before)| match (before, fs::symlink_metadata(path)) {
            (Before::Aside(_) | Before::Special, _) => false,
            (Before::Nothing, now) => now.is_ok(),
            (_, Err(_)) => true,
            (Before::File { evidence, copy }, Ok(now)) => {
                let mode = |mode: u32| mode & 0o7777;
                let digest = |path| files::digest_file(path).ok().map(|(digest, _)| digest);
                let same = Evidence::of(&now) == *evidence
                    || (now.is_file()
                        && mode(now.mode()) == mode(evidence.mode)
                        && now.len() == evidence.size
                        && digest(path) == digest(copy));
                !same
            }
            (Before::Link { text }, Ok(_)) => fs::read_link(path).ok().as_ref() != Some(text),
            (Before::Directory { mode, .. }, Ok(now)) => now.mode() != *mode,
        });
        steps.map(|(path, _)| path.clone()).collect()
    }

    /// Whether the run is known to have changed `path`.
    pub(super) fn has_touched(&self, path: &Path) -> bool {
        self.touched.contains(path)
    }

    /// Notes that the run created `path`, although watching did not report it.
    pub(super) fn made(&mut self, path: &Path) {
        if self.touched.insert(path.to_path_buf()) {
            self.steps.push((path.to_path_buf(), Before::Nothing));
        }
    }

    /// Restores everything.
    ///
    /// # Errors
    /// The first failure; the copies then stay in the store's `replaced`.
    pub(super) fn put_back(mut self) -> Result<()> {
        let steps = std::mem::take(&mut self.steps);
        for place in (0..steps.len()).rev() {
            let Some((path, before)) = steps.get(place) else { continue };
            if let Err(error) = put_back(path, before, &steps) {
                self.troubles.push(Error::io("put back", path, error));
            }
        }
        for (path, was) in self.times.iter().rev() {
            let same = fs::symlink_metadata(path).is_ok_and(|now| now.ino() == was.inode && now.is_dir());
            if same {
                set_time(path, was.modified);
            }
        }
        let kept = self.directory.take();
        if self.troubles.is_empty() {
            if let Some(directory) = kept {
                // It contains only copies of restored files.
                let _ = fs::remove_dir_all(directory);
            }
            return Ok(());
        }
        let first = self.troubles.swap_remove(0);
        Err(match kept {
            Some(directory) => first.with_hint(format!("the former content is in {}", directory.display())),
            None => first,
        })
    }

    /// An unused name in the directory for saved files. A list there maps names to paths, in case this process is killed.
    fn free_name(&mut self, path: &Path) -> Result<PathBuf> {
        let directory = self.place()?;
        self.count += 1;
        let line = [self.count.to_string().as_bytes(), b"\t", path.as_os_str().as_bytes(), b"\n"].concat();
        let list = directory.join("paths");
        let written = fs::OpenOptions::new().create(true).append(true).open(&list);
        let written = written.and_then(|mut list| list.write_all(&line));
        written.map_err(|error| Error::io("write to", &list, error))?;
        Ok(directory.join(self.count.to_string()))
    }

    fn place(&mut self) -> Result<PathBuf> {
        if let Some(directory) = &self.directory {
            return Ok(directory.clone());
        }
        let unmade = |error| Error::io("create a directory in", &self.replaced, error);
        fs::create_dir_all(&self.replaced).map_err(unmade)?;
        let made = tempfile::Builder::new().prefix("verify-").tempdir_in(&self.replaced);
        Ok(self.directory.insert(made.map_err(unmade)?.keep()).clone())
    }

    fn remember_time(&mut self, directory: Option<&Path>) {
        let Some(directory) = directory else { return };
        if !self.times.contains_key(directory)
            && let Ok(metadata) = fs::symlink_metadata(directory)
        {
            self.times.insert(directory.to_path_buf(), Evidence::of(&metadata));
        }
    }
}

impl Witness for Undo<'_> {
    fn about_to_look(&mut self, _: &Path, _: Seen<'_>) {}

    fn about_to_list(&mut self, _: &Path) {}

    fn about_to_change(&mut self, path: &Path, _: Fate) {
        self.touch(path);
    }

    fn must_end(&self) -> bool {
        self.is_stuck()
    }
}

fn put_back(path: &Path, before: &Before, steps: &[(PathBuf, Before)]) -> io::Result<()> {
    let now = match fs::symlink_metadata(path) {
        Ok(now) => Some(now),
        Err(error) if means_absent(&error) => None,
        Err(error) => return Err(error),
    };
    match before {
        Before::Nothing => match now {
            Some(now) => match home_of(&now, steps) {
                // The run renamed a directory of the user.
                Some(home) => fs::rename(path, home),
                None => clear(path),
            },
            None => Ok(()),
        },
        Before::Aside(from) => {
            if now.is_some() {
                clear(path)?;
            }
            move_path(from, path)
        }
        Before::File { evidence, copy } => match now {
            Some(now) if Evidence::of(&now) == *evidence => Ok(()),
            Some(now) if now.is_file() && now.ino() == evidence.inode && now.dev() == evidence.device => {
                // Written into the same file, so that other links and open descriptors see the former content.
                write_back(copy, path, evidence)
            }
            other => {
                if other.is_some() {
                    clear(path)?;
                }
                move_path(copy, path)
            }
        },
        Before::Link { text } => {
            if fs::read_link(path).is_ok_and(|now| now == *text) {
                return Ok(());
            }
            if now.is_some() {
                clear(path)?;
            }
            symlink(text, path)
        }
        Before::Directory { device, inode, mode } => {
            match now {
                Some(now) if now.is_dir() => {}
                other => {
                    if other.is_some() {
                        clear(path)?;
                    }
                    match moved_to(*device, *inode, steps) {
                        Some(elsewhere) => fs::rename(elsewhere, path)?,
                        None => fs::create_dir(path)?,
                    }
                }
            }
            fs::set_permissions(path, Permissions::from_mode(*mode & 0o7777))
        }
        Before::Special => Ok(()),
    }
}

/// The former path of a directory that is now elsewhere.
fn home_of<'s>(now: &fs::Metadata, steps: &'s [(PathBuf, Before)]) -> Option<&'s Path> {
    let is_it = |before: &Before| matches!(before, Before::Directory { device, inode, .. } if *device == now.dev() && *inode == now.ino());
    let (home, _) = steps.iter().find(|(_, before)| now.is_dir() && is_it(before))?;
    fs::symlink_metadata(home).is_err().then_some(home)
}

/// The present path of a directory that is no longer in its place.
fn moved_to(device: u64, inode: u64, steps: &[(PathBuf, Before)]) -> Option<&Path> {
    let is_it = |path: &Path| {
        fs::symlink_metadata(path).is_ok_and(|now| now.is_dir() && now.dev() == device && now.ino() == inode)
    };
    steps.iter().map(|(path, _)| path.as_path()).find(|path| is_it(path))
}

fn write_back(copy: &Path, path: &Path, evidence: &Evidence) -> io::Result<()> {
    let opened = fs::OpenOptions::new().write(true).truncate(true).open(path);
    let mut to = match opened {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            fs::set_permissions(path, Permissions::from_mode(0o600))?;
            fs::OpenOptions::new().write(true).truncate(true).open(path)?
        }
        other => other?,
    };
    io::copy(&mut fs::File::open(copy)?, &mut to)?;
    to.set_permissions(Permissions::from_mode(evidence.mode & 0o7777))?;
    drop(to);
    set_time(path, evidence.modified);
    Ok(())
}
