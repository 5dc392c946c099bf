//! The directory of a store, as calls use it for files that are no results.

use std::path::{Path, PathBuf};

/// The directory of a store: room for what a call needs on disk beside results. Nothing in it is an input or an output of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Workspace<'a> {
    root: &'a Path,
}

impl<'a> Workspace<'a> {
    /// The workspace in the directory `root`.
    #[must_use]
    pub const fn new(root: &'a Path) -> Self {
        Self { root }
    }

    /// The directory itself.
    #[must_use]
    pub const fn root(self) -> &'a Path {
        self.root
    }

    /// For files that go when the call ends. What lies there longer than a day is collected.
    #[must_use]
    pub fn temporary(self) -> PathBuf {
        self.root.join("tmp")
    }

    /// For read-only copies of what `cashet:REV` names.
    #[must_use]
    pub fn views(self) -> PathBuf {
        self.root.join("view")
    }

    /// For files of the user that were in the way.
    #[must_use]
    pub fn replaced(self) -> PathBuf {
        self.root.join("replaced")
    }

    /// For notes of changes that a call has begun. It exists only while there are notes.
    #[must_use]
    pub fn unfinished(self) -> PathBuf {
        self.root.join("unfinished")
    }
}
