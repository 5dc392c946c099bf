//! Creating, moving, removing and altering files, by their real paths: links on the way do not change.

use super::access::{How, Observer};
use super::modes::Creating;
use super::paths::{Found, Named, Physical};
use super::process::as_path;
use crate::exec::{FirstChange, Prior};
use std::os::unix::fs::MetadataExt;

impl Observer<'_> {
    /// Creates a directory, which may exist already.
    pub(super) fn make_directory(&mut self, named: &Named, creating: Creating) {
        if !self.is_ignored(&named.path)
            && let Some(there) = self.resolve(&named.path, false)
        {
            match there.found {
                Found::Missing => self.modes.created(&there.path, creating),
                // One that has another mode keeps it: what is made where it is gone has this one.
                Found::Directory(_) if has_mode(&there.path, creating.mode()) => {
                    self.modes.kept(&there.path, creating);
                }
                _ => {}
            }
        }
        self.make(named);
        if !self.is_ignored(&named.path)
            && let Some(there) = self.resolve(&named.path, false)
            && self.is_known(&there.path)
        {
            let accepts = self.caller().accepts_directories;
            let access = self.access(&there.path);
            access.asked_to_make = true;
            access.made_where_missing |= accepts;
        }
    }

    /// Creates a directory, link, node or socket, which must not exist yet.
    pub(super) fn make(&mut self, named: &Named) {
        if self.is_ignored(&named.path) {
            return;
        }
        let Some(there) = self.resolve(&named.path, false) else { return };
        match there.found {
            Found::Missing => {
                let is_new = self.is_new(&there.path);
                self.change(&there.path, How::Made);
                self.made_below(there.path, is_new);
            }
            _ => self.look(&Named { path: there.path, as_directory: false }, false),
        }
    }

    /// Removes a name.
    pub(super) fn remove(&mut self, named: &Named, directory: bool) {
        if self.is_ignored(&named.path) {
            return;
        }
        let Some(there) = self.resolve(&named.path, false) else { return };
        match there.found {
            Found::Missing => {
                if !directory {
                    self.may_be_tested(&there.path);
                }
                self.missing(&there.path);
                if !directory {
                    self.is_to_go(&there.path);
                }
            }
            Found::Directory(_) if directory => {
                // Only an empty directory can be removed.
                self.open_for_reading(&Named { path: there.path.clone(), as_directory: true }, false);
                self.list(&there.path);
                if may_be_empty(&there.path) {
                    self.change(&there.path, How::Removed);
                    self.own_below(there.path);
                }
            }
            Found::Directory(_) => self.look(&Named { path: there.path, as_directory: false }, false),
            _ if directory => self.look(&Named { path: there.path, as_directory: false }, false),
            _ => {
                self.was_opened_to_remove(&there.path);
                self.gone(there.path);
            }
        }
    }

    fn gone(&mut self, path: Vec<u8>) {
        self.is_to_go(&path);
        self.change(&path, How::Removed);
        self.own_below(path);
    }

    /// Moves, or exchanges, or moves only where nothing is.
    pub(super) fn rename(&mut self, from: &Named, to: &Named, exchange: bool, no_replace: bool) {
        if self.is_ignored(&from.path) && self.is_ignored(&to.path) {
            return;
        }
        let Some(old) = self.resolve(&from.path, false) else { return };
        if matches!(old.found, Found::Missing) {
            return self.would_be_taken(&old.path);
        }
        let Some(new) = self.resolve(&to.path, false) else { return };
        let missing = matches!(new.found, Found::Missing);
        if exchange && missing {
            return self.missing(&new.path);
        }
        if no_replace && !missing {
            self.look(&Named { path: old.path, as_directory: false }, false);
            return self.look(&Named { path: new.path, as_directory: false }, false);
        }
        if matches!(new.found, Found::Directory(_)) {
            // Only an empty directory can be replaced.
            self.open_for_reading(&Named { path: new.path.clone(), as_directory: true }, false);
            self.list(&new.path);
        }
        self.is_taken_along(&old.path);
        if exchange {
            self.is_taken_along(&new.path);
        }
        self.change(&old.path, if exchange { How::Replaced } else { How::Removed });
        if exchange {
            self.modes.exchanged(&old.path, &new.path);
        } else {
            self.modes.moved(&old.path, &new.path, matches!(old.found, Found::Directory(_)));
        }
        let how = if missing { How::Made } else { How::Replaced };
        self.change_first(&new.path, how, FirstChange::Put);
        self.own_below(old.path);
        self.own_below(new.path);
    }

    /// Nothing is at `path`. What is there the next time is read, or gets another name.
    pub(super) fn would_be_taken(&mut self, path: &[u8]) {
        self.missing(path);
        if !self.is_ignored(path) && !self.is_own(path) {
            self.used(path, Prior::Consulted);
        }
    }

    /// The file at `path` gets another name, so that the result at that name depends on it.
    fn is_taken_along(&mut self, path: &[u8]) {
        if !self.is_ignored(path) && !self.is_own(path) {
            self.access(path);
            self.used(path, Prior::Consulted);
        }
    }

    /// Makes another name for a file.
    pub(super) fn link(&mut self, from: &Named, to: &Named, follow: bool) {
        let Some(old) = self.resolve(&from.path, follow) else { return };
        if matches!(old.found, Found::Missing) {
            return self.would_be_taken(&old.path);
        }
        let Some(new) = self.resolve(&to.path, false) else { return };
        if matches!(new.found, Found::Missing) {
            self.is_taken_along(&old.path);
            self.change(&old.path, How::Altered);
            self.modes.linked(&old.path, &new.path);
            self.change(&new.path, How::Made);
            if matches!(old.found, Found::Link) {
                self.own_below(new.path);
            }
        } else {
            self.look(&Named { path: old.path, as_directory: false }, false);
            self.look(&Named { path: new.path, as_directory: false }, false);
        }
    }

    /// A file without a name (`O_TMPFILE`), or whose old name is unknown, gets a name.
    pub(super) fn appear(&mut self, to: &Named) {
        let Some(new) = self.resolve(&to.path, false) else { return };
        if matches!(new.found, Found::Missing) {
            self.change(&new.path, How::Made);
        } else {
            self.look(&Named { path: new.path, as_directory: false }, false);
        }
    }

    /// Changes attributes of a file.
    pub(super) fn alter(&mut self, named: &Named, follow: bool) {
        self.change_in_place(named, follow, How::Altered);
    }

    /// Sets the permission bits of a file.
    pub(super) fn set_mode(&mut self, named: &Named, follow: bool, mode: u32) {
        if let Some(there) = self.resolve(&named.path, follow || named.as_directory) {
            let nature = self.caller();
            self.modes.set(&there.path, mode, &nature);
        }
        self.alter(named, follow);
    }

    /// Changes the size of a file by its path.
    pub(super) fn cut(&mut self, named: &Named) {
        self.change_in_place(named, true, How::Opened);
    }

    fn change_in_place(&mut self, named: &Named, follow: bool, how: How) {
        if self.is_ignored(&named.path) {
            return;
        }
        let Some(there) = self.resolve(&named.path, follow || named.as_directory) else { return };
        match there.found {
            Found::Missing => self.missing(&there.path),
            Found::Special(_) | Found::Hidden => self.look(named, follow),
            _ => self.change(&there.path, how),
        }
    }

    /// The real path of a path that is to change. If it leads nowhere: `None`, and the cause is observed.
    pub(super) fn resolve(&mut self, path: &[u8], follow: bool) -> Option<Physical> {
        let there = self.resolver.physical(path, follow);
        for link in &there.links {
            self.look(&Named { path: link.clone(), as_directory: false }, false);
            self.text_is_read(link, false);
        }
        if !there.cut {
            return Some(there);
        }
        match there.found {
            Found::Missing => self.missing(&there.path),
            _ => self.look(&Named { path: there.path, as_directory: false }, true),
        }
        None
    }
}

/// Whether a directory is empty, or cannot be read.
fn may_be_empty(path: &[u8]) -> bool {
    std::fs::read_dir(as_path(path)).map_or(true, |mut entries| entries.next().is_none())
}

/// Whether what is at `path` has these permission bits.
fn has_mode(path: &[u8], mode: u32) -> bool {
    let found = std::fs::symlink_metadata(as_path(path));
    found.is_ok_and(|found| found.mode() & 0o7777 == mode & 0o7777)
}
