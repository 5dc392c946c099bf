//! Regions of paths: inside the root, in a version control system's directory, in the store, or outside.

use crate::hash::exclude::{self, Excluded};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The region of a path, for writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Region {
    /// In the root.
    Inside,
    /// cashet's own: the directory of a store, or the file that is cashet's stdout or stderr.
    Own,
    /// In a version control system's own directory inside the root.
    Repository,
    /// Outside.
    Outside,
}

/// The regions of one call.
pub(super) struct Scope {
    root: PathBuf,
    /// cashet's stdout and stderr, if they are files.
    own_streams: Vec<PathBuf>,
}

impl Scope {
    pub(super) fn new(root: &Path) -> Self {
        let own_streams = ["/proc/self/fd/1", "/proc/self/fd/2"].iter();
        let own_streams = own_streams.filter_map(|link| std::fs::read_link(link).ok()).collect();
        Self { root: root.to_path_buf(), own_streams }
    }

    /// The region of `path`, which is absolute.
    pub(super) fn region(&self, path: &Path) -> Region {
        if self.is_own(path) {
            return Region::Own;
        }
        let Ok(rest) = path.strip_prefix(&self.root) else { return Region::Outside };
        let of_repository = |name| exclude::excluded(name) == Some(Excluded::VersionControl);
        if rest.iter().any(of_repository) { Region::Repository } else { Region::Inside }
    }

    /// Whether `path` is cashet's own, so that neither reads nor writes of it count.
    pub(super) fn is_own(&self, path: &Path) -> bool {
        let rest = path.strip_prefix(&self.root).unwrap_or(path);
        rest.iter().any(exclude::is_store) || self.own_streams.iter().any(|own| own == path)
    }

    /// Whether `path` is the root.
    pub(super) fn is_root(&self, path: &Path) -> bool {
        path == self.root
    }

    /// `path` relative to the root, as bytes.
    pub(super) fn relative<'p>(&self, path: &'p Path) -> Option<&'p [u8]> {
        path.strip_prefix(&self.root)
            .ok()
            .map(|rest| rest.as_os_str().as_bytes())
            .filter(|rest| !rest.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_by_place_and_name() {
        let scope = Scope::new(Path::new("/home/u/x~/root"));
        for (path, region) in [
            ("/home/u/x~/root/a", Region::Inside),
            ("/home/u/x~/root/a~", Region::Inside),
            ("/home/u/x~/root/__pycache__/a.pyc", Region::Inside),
            ("/home/u/x~/root/.cashet/tmp/x", Region::Own),
            ("/home/u/x~/root/.git/index", Region::Repository),
            ("/home/u/x~/root/sub/.hg/x", Region::Repository),
            ("/home/u/x~/other", Region::Outside),
            ("/tmp/other", Region::Outside),
            ("/etc/passwd", Region::Outside),
        ] {
            assert_eq!(scope.region(Path::new(path)), region, "{path}");
        }
    }
}
