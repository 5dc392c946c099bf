//! Applies to the project what a command did to a tree.

use super::enter::{Entered, mark, through};
use super::take::copy;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

impl Entered {
    /// Applies to the project what the command made, changed and removed, and unmounts the tree. A file that was edited in the
    /// project after the job was submitted stays as it is; the command's version goes into `aside`. Returns messages about
    /// what was not applied.
    pub fn leave(self, aside: &Path) -> Vec<String> {
        let mut settling =
            Settling { entered: &self, below: through(&self.below), aside, trouble: Vec::new() };
        settling.directory(Path::new(""));
        let trouble = settling.trouble;
        self.unlay();
        trouble
    }

    /// Unmounts the tree without applying what an interrupted command did.
    pub fn abandon(self) {
        self.unlay();
    }
}

struct Settling<'a> {
    entered: &'a Entered,
    /// The project below the tree.
    below: PathBuf,
    aside: &'a Path,
    trouble: Vec<String>,
}

impl Settling<'_> {
    /// What was done in a directory of the uppermost layer.
    fn directory(&mut self, path: &Path) {
        for entry in fs::read_dir(self.below.join(path)).into_iter().flatten().flatten() {
            let own = path.join(entry.file_name());
            let is_gone = fs::symlink_metadata(self.entered.root.join(&own)).is_err();
            if is_gone && !self.entered.hidden.contains(&own) {
                self.remove(&own);
            }
        }
        for entry in fs::read_dir(self.upper(path)).into_iter().flatten().flatten() {
            let own = path.join(entry.file_name());
            match fs::symlink_metadata(self.upper(&own)) {
                Ok(found) if found.is_dir() => {
                    if let Err(error) = self.make(&own, &found) {
                        self.trouble.push(format!("{}: {error}", own.display()));
                    }
                    self.directory(&own);
                }
                Ok(found) if found.is_file() || found.is_symlink() => self.file(&own, &found),
                // Marks of the overlay, and what cannot be copied.
                _ => {}
            }
        }
    }

    fn upper(&self, path: &Path) -> PathBuf {
        self.entered.scratch.join("upper").join(path)
    }

    /// Makes a directory in the project, unless it is there.
    fn make(&self, path: &Path, found: &Metadata) -> io::Result<()> {
        let to = self.below.join(path);
        if to.is_dir() || self.entered.files.join(path).is_dir() {
            return Ok(());
        }
        if self.is_as_submitted(path) && fs::symlink_metadata(&to).is_ok() {
            fs::remove_file(&to)?;
        }
        fs::create_dir_all(&to)?;
        fs::set_permissions(&to, found.permissions())
    }

    /// Brings a file or link into the project, if it is new or changed.
    fn file(&mut self, path: &Path, found: &Metadata) {
        if self.entered.copied.get(path) == Some(&mark(found)) {
            return;
        }
        let (from, to) = (self.upper(path), self.below.join(path));
        let has_mode = fs::symlink_metadata(&to).is_ok_and(|there| there.mode() == found.mode());
        if has_mode && is_same(&from, &to) {
            return;
        }
        if self.is_as_submitted(path) {
            match put(&from, &to, found) {
                Ok(()) => return,
                Err(error) => self.trouble.push(format!("{}: {error}", path.display())),
            }
        }
        let aside = self.aside.join(path);
        let kept = aside.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| put(&from, &aside, found));
        self.trouble.push(match kept {
            Ok(()) => format!(
                "{} was edited after the job was submitted and stays; what the run wrote is {}",
                path.display(),
                aside.display()
            ),
            Err(error) => format!("{} did not come into the project: {error}", path.display()),
        });
    }

    /// Removes what the command removed.
    fn remove(&mut self, path: &Path) {
        let there = self.below.join(path);
        let Ok(found) = fs::symlink_metadata(&there) else { return };
        if found.is_dir() {
            for entry in fs::read_dir(&there).into_iter().flatten().flatten() {
                self.remove(&path.join(entry.file_name()));
            }
            // One that still holds something stays.
            let _ = fs::remove_dir(&there);
        } else if !self.is_as_submitted(path) {
            self.trouble.push(format!(
                "{} was edited after the job was submitted and stays; the run removed it",
                path.display()
            ));
        } else if let Err(error) = fs::remove_file(&there) {
            self.trouble.push(format!("{} cannot be removed: {error}", path.display()));
        }
    }

    /// Whether a path of the project is still what the copied tree has, or was never copied.
    fn is_as_submitted(&self, path: &Path) -> bool {
        let copied = self.entered.files.join(path);
        fs::symlink_metadata(&copied).is_err() || copied.is_dir() || is_same(&copied, &self.below.join(path))
    }
}

/// Whether two files, or two links, hold the same.
fn is_same(one: &Path, other: &Path) -> bool {
    let (Ok(first), Ok(second)) = (fs::symlink_metadata(one), fs::symlink_metadata(other)) else {
        return false;
    };
    if first.is_symlink() && second.is_symlink() {
        return fs::read_link(one).ok() == fs::read_link(other).ok();
    }
    let is_file = first.is_file() && second.is_file() && !first.file_type().is_fifo();
    is_file && first.len() == second.len() && has_same_bytes(one, other).unwrap_or(false)
}

fn has_same_bytes(one: &Path, other: &Path) -> io::Result<bool> {
    use std::io::Read;
    let mut files = [fs::File::open(one)?, fs::File::open(other)?].map(io::BufReader::new);
    let [first, second] = &mut files;
    let (mut a, mut b) = ([0; 16 * 1024], [0; 16 * 1024]);
    loop {
        let read = first.read(&mut a)?;
        let (Some(a), Some(b)) = (a.get(..read), b.get_mut(..read)) else { return Ok(false) };
        if read == 0 {
            return Ok(true);
        }
        second.read_exact(b)?;
        if a != b {
            return Ok(false);
        }
    }
}

/// Writes a copy whole.
fn put(from: &Path, to: &Path, found: &Metadata) -> io::Result<()> {
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent)?;
    }
    let mut name = to.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".cashet-{}", std::process::id()));
    let new = to.with_file_name(name);
    let _ = fs::remove_file(&new);
    copy(from, &new, found).and_then(|()| fs::rename(&new, to)).inspect_err(|_| {
        let _ = fs::remove_file(&new);
    })
}
