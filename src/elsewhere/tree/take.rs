//! Copies the tree of a project.

use super::{ABOUT, About, FILES};
use crate::encode::Encode;
use crate::error::{Error, Kind, Result};
use nix::fcntl::AT_FDCWD;
use nix::sys::stat::{UtimensatFlags, utimensat};
use nix::sys::time::TimeSpec;
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs::{self, DirBuilder, Metadata};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, lchown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Maximum size of a tree, in bytes.
const MOST: u64 = 1 << 30;

/// A file that git ignores is copied only up to this size, in bytes.
const LARGE: u64 = 64 << 20;

/// Copies the project at `root` to `to`: what git tracks or would track, without git the whole of it; and `read`, paths
/// relative to the root that the call is known to read. The store `store` and `.git` are left out.
///
/// # Errors
/// [`Kind::Usage`] for a tree that is too large; the error of a file that cannot be copied.
pub fn take(root: &Path, store: &Path, read: &[PathBuf], to: &Path) -> Result<()> {
    let new = to.with_extension(format!("new-{}", std::process::id()));
    let failed = |error| Error::io("create", &new, error);
    DirBuilder::new().mode(0o700).recursive(true).create(new.join(FILES)).map_err(failed)?;
    let mut taking = Taking { root, store, files: new.join(FILES), size: 0, copied: BTreeSet::new() };
    let taken = taking.all(read).and_then(|()| {
        let about = About { root: root.to_path_buf(), left: taking.left() };
        let path = new.join(ABOUT);
        fs::write(&path, about.to_bytes()).map_err(|error| Error::io("write", &path, error))?;
        // Another process may have made the same copy in the meantime.
        fs::rename(&new, to).or_else(|error| if super::is_taken(to) { Ok(()) } else { Err(failed(error)) })
    });
    if taken.is_err() || new.is_dir() {
        let _ = fs::remove_dir_all(&new);
    }
    taken
}

/// A copy that is being made.
struct Taking<'a> {
    root: &'a Path,
    store: &'a Path,
    files: PathBuf,
    /// Bytes copied so far.
    size: u64,
    /// What was copied, relative to the root; directories as well.
    copied: BTreeSet<PathBuf>,
}

impl Taking<'_> {
    fn all(&mut self, read: &[PathBuf]) -> Result<()> {
        match tracked(self.root)? {
            Some(paths) => paths.iter().try_for_each(|path| self.copy(path))?,
            None => self.below(Path::new(""))?,
        }
        for path in read {
            let small = fs::metadata(self.root.join(path)).is_ok_and(|found| {
                found.is_file() && found.len() <= LARGE && self.size.saturating_add(found.len()) <= MOST
            });
            if small && !self.copied.contains(path) {
                self.copy(path)?;
            }
        }
        // Last, since each new entry changes the times of its directory.
        for path in self.copied.iter().rev() {
            let copy = self.files.join(path);
            if fs::symlink_metadata(&copy).is_ok_and(|found| found.is_dir())
                && let Ok(found) = fs::symlink_metadata(self.root.join(path))
            {
                like(&copy, &found).map_err(|error| Error::io("copy", &copy, error))?;
            }
        }
        Ok(())
    }

    /// Copies what is below a directory, which is relative to the root.
    fn below(&mut self, directory: &Path) -> Result<()> {
        let path = self.root.join(directory);
        let entries = fs::read_dir(&path).map_err(|error| Error::io("list", &path, error))?;
        for entry in entries.flatten() {
            self.copy(&directory.join(entry.file_name()))?;
        }
        Ok(())
    }

    /// Copies one path with all that is below it. One that is gone is left out.
    fn copy(&mut self, path: &Path) -> Result<()> {
        let (from, to) = (self.root.join(path), self.files.join(path));
        if path.iter().any(|name| name == ".git") || from.starts_with(self.store) {
            return Ok(());
        }
        let Ok(found) = fs::symlink_metadata(&from) else { return Ok(()) };
        let failed = |error| Error::io("copy", &from, error);
        if let Some(parent) = path.parent() {
            self.directories(parent)?;
        }
        if found.is_dir() {
            self.directories(path)?;
            return self.below(path);
        }
        if found.is_file() {
            self.size = self.size.saturating_add(found.len());
            if self.size > MOST {
                let wrong = format!("--snapshot copies at most 1 GiB, and {} exceeds it", path.display());
                return Err(Error::usage(wrong).with_hint("what git ignores is not copied"));
            }
        } else if !found.is_symlink() {
            return Ok(());
        }
        copy(&from, &to, &found).map_err(failed)?;
        self.copied.insert(path.to_path_buf());
        Ok(())
    }

    /// Makes a directory of the copy and those above it.
    fn directories(&mut self, path: &Path) -> Result<()> {
        let mut above: Vec<&Path> = path.ancestors().collect();
        above.reverse();
        for directory in above {
            let new = self.copied.insert(directory.to_path_buf());
            let to = self.files.join(directory);
            if new && !to.is_dir() {
                fs::create_dir(&to).map_err(|error| Error::io("create", &to, error))?;
            }
        }
        Ok(())
    }

    /// What the copied directories have besides.
    fn left(&self) -> Vec<PathBuf> {
        let mut left = Vec::new();
        for directory in &self.copied {
            let path = self.root.join(directory);
            if !fs::symlink_metadata(self.files.join(directory)).is_ok_and(|found| found.is_dir()) {
                continue;
            }
            for entry in fs::read_dir(path).into_iter().flatten().flatten() {
                let path = directory.join(entry.file_name());
                if !self.copied.contains(&path) {
                    left.push(path);
                }
            }
        }
        left.sort();
        left
    }
}

/// Copies a file or a link with its mode, its time and, as far as that is allowed, its owner.
pub(super) fn copy(from: &Path, to: &Path, found: &Metadata) -> io::Result<()> {
    if found.is_symlink() {
        symlink(fs::read_link(from)?, to)?;
    } else {
        fs::copy(from, to)?;
    }
    like(to, found)
}

/// Gives a file, directory or link the mode and the time of `found`, and its owner where we may.
pub(super) fn like(path: &Path, found: &Metadata) -> io::Result<()> {
    if nix::unistd::geteuid().is_root() {
        let _ = lchown(path, Some(found.uid()), Some(found.gid()));
    }
    if !found.is_symlink() {
        fs::set_permissions(path, fs::Permissions::from_mode(found.mode() & 0o7777))?;
    }
    let modified = TimeSpec::new(found.mtime(), found.mtime_nsec());
    Ok(utimensat(AT_FDCWD, path, &TimeSpec::UTIME_OMIT, &modified, UtimensatFlags::NoFollowSymlink)?)
}

/// What git tracks at `root` and what it would track; `None` where there is no repository, or no git.
fn tracked(root: &Path) -> Result<Option<Vec<PathBuf>>> {
    let mut git = Command::new("git");
    git.arg("-C").arg(root).args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    git.stdin(Stdio::null());
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.as_bytes().starts_with(b"GIT_")) {
        git.env_remove(name);
    }
    let output = match git.output() {
        Ok(output) => output,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::new(Kind::Other, format!("cannot run git: {error}"))),
    };
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    if !output.status.success() {
        if complaint.contains("not a git repository") {
            return Ok(None);
        }
        let why = complaint.lines().last().unwrap_or_default();
        return Err(Error::new(Kind::Other, format!("git does not say what it tracks: {why}")));
    }
    let paths = output.stdout.split(|byte| *byte == 0).filter(|path| !path.is_empty());
    let mut paths: Vec<PathBuf> = paths
        .map(|path| PathBuf::from(OsString::from_vec(path.strip_suffix(b"/").unwrap_or(path).to_vec())))
        .collect();
    if paths.is_empty() {
        // A repository around it ignores it, or it is empty.
        return Ok(None);
    }
    // The settings count, whether git knows them or not.
    paths.push(OsStr::new("cashet.toml").into());
    paths.sort();
    paths.dedup();
    Ok(Some(paths))
}
