//! How capture looks at the world: every look is a fact that must still hold for the capture to be valid.
//!
//! The readers of languages and packages get this trait; the real implementation records each look with
//! its evidence, so that a later call can check them all without reading anything.

use std::ffi::{OsStr, OsString};
use std::path::Path;

/// What a path leads to, links followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Nothing, or nothing that can be reached.
    Absent,
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// Anything else.
    Other,
}

/// The world as far as capture looks at it. All paths are absolute.
pub trait World {
    /// What `path` leads to.
    fn kind(&mut self, path: &Path) -> Kind;

    /// The content of the regular file that `path` leads to; `None` where there is none or it cannot be read.
    fn read(&mut self, path: &Path) -> Option<Vec<u8>>;

    /// The names in a directory and what each is (links not followed: a link is [`Kind::Other`]), sorted;
    /// `None` where there is no directory or it cannot be read.
    fn entries(&mut self, directory: &Path) -> Option<Vec<(OsString, Kind)>>;

    /// The text of the symbolic link `path`; `None` where it is none.
    fn link(&mut self, path: &Path) -> Option<OsString>;

    /// The value that the child will find in the environment under `name`.
    fn variable(&mut self, name: &OsStr) -> Option<OsString>;
}
