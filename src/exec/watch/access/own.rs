//! Paths that the run itself made or removed. They are not inputs of the run.

use super::{Entry, Observer};
use crate::exec::Shows;
use crate::exec::watch::linux::paths::{Found, Named, upwards};
use crate::exec::watch::linux::process::as_path;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

/// How far the content of a path comes from the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Own {
    /// As it was when the run began.
    #[default]
    No,
    /// Changed by the run, and partly as it was.
    Partly,
    /// Made or removed by the run.
    Wholly,
}

impl Observer<'_> {
    /// From now on, the run made everything below `path`.
    pub(in crate::exec::watch) fn own_below(&mut self, path: Vec<u8>) {
        if !self.listed_by.is_empty() {
            // Earlier listings do not contain what is made there now.
            self.listed_by.retain(|listed, _| {
                !listed
                    .strip_prefix(path.as_slice())
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
            });
        }
        self.new_directories.remove(&path);
        self.own_directories.insert(path);
        self.resolver.forget();
        self.working.moves(self.touches.caller);
    }

    /// Whether the run made or removed what is at `path`.
    pub(in crate::exec::watch) fn is_own(&self, path: &[u8]) -> bool {
        self.entries.get(path).is_some_and(|entry| entry.own == Own::Wholly)
            || !self.own_directories.is_empty()
                && upwards(path).skip(1).any(|above| self.own_directories.contains(above))
    }

    /// The run makes a directory, link or node where nothing is.
    pub(in crate::exec::watch) fn made_below(&mut self, path: Vec<u8>, is_new: bool) {
        self.own_below(path.clone());
        if is_new {
            self.new_directories.insert(path);
        }
    }

    /// Whether nothing was at `path` when the run began, and nothing is: also below a directory that the run made where nothing
    /// was. Another run may find that directory, and something in it.
    pub(in crate::exec::watch) fn is_new(&mut self, path: &[u8]) -> bool {
        let is_changed = |entry: &Entry| entry.own == Own::Wholly || entry.access.changed;
        if self.entries.get(path).is_some_and(is_changed) {
            return false;
        }
        let all_new = upwards(path)
            .skip(1)
            .all(|above| !self.own_directories.contains(above) || self.new_directories.contains(above));
        all_new && matches!(self.resolver.look(path, false), Found::Missing)
    }

    /// The paths that the run did not make, and that `path`, which it made, leads to through links.
    pub(in crate::exec::watch) fn behind_own(&mut self, path: &[u8], follow: bool) -> Vec<Vec<u8>> {
        let there = self.resolver.physical(path, follow);
        if there.links.is_empty() {
            return Vec::new();
        }
        for link in &there.links {
            if !self.is_own(link) {
                self.look(&Named { path: link.clone(), as_directory: false }, false);
            }
        }
        if there.path == path || self.is_own(&there.path) { Vec::new() } else { vec![there.path] }
    }

    /// Whether what is at `path` changed since the run began, and the run changed it by its real path.
    pub(in crate::exec::watch) fn is_own_by_another_name(
        &mut self,
        path: &[u8],
        metadata: &Metadata,
    ) -> bool {
        let changed = i128::from(metadata.ctime()) * 1_000_000_000 + i128::from(metadata.ctime_nsec());
        if changed < self.started {
            return false;
        }
        let there = self.resolver.physical(path, true);
        there.path != path && self.is_own(&there.path)
    }

    /// The run looks at a file that it made. Its owner and mode depend on the user and the umask.
    pub(in crate::exec::watch) fn own_is_shown(&mut self) {
        self.own_shown |= self.caller().shows != Shows::Nothing;
    }

    /// `path` is read. The witness is called if the run made or changed it.
    pub(in crate::exec::watch) fn own_is_read(&mut self, path: &[u8]) {
        if self.is_own(path) || self.is_changed(path) {
            self.own_is_read_as(path);
        }
    }

    /// Notes that the run reads what it made at `path`, links followed.
    fn read_again(&mut self, path: &[u8]) {
        let real = self.resolver.physical(path, true).path;
        if let Some(entry) = self.entries.get_mut(&real) {
            entry.read_since |= entry.access.changed;
        }
    }

    /// A file that the run made is read by the name `path`.
    pub(in crate::exec::watch) fn own_is_read_as(&mut self, path: &[u8]) {
        self.read_again(path);
        if self.caller().reads_code {
            self.witness.about_to_read_own(as_path(path), false);
        }
    }

    /// A file that the run made or changed is executed.
    pub(in crate::exec::watch) fn own_is_executed(&mut self, path: &[u8]) {
        self.witness.about_to_read_own(as_path(path), true);
    }
}
