//! Access to paths below the root without following any link.

use rustix::fs::{AtFlags, CWD, Mode, OFlags, ResolveFlags, Stat, mkdirat, openat, openat2, statat};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::rc::Rc;

const DIRECTORY: OFlags = OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// The open root. Caches the directory used last, since paths arrive sorted.
pub(in crate::memo) struct Beneath {
    root: Rc<OwnedFd>,
    last: Option<(Vec<u8>, Rc<OwnedFd>)>,
}

/// A directory below the root, and a name in it.
pub(super) struct Place<'a> {
    directory: Rc<OwnedFd>,
    pub(super) name: &'a OsStr,
}

impl Place<'_> {
    pub(super) fn directory(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }

    /// The metadata of the entry, without following a link; `None` where it does not exist.
    pub(super) fn stat(&self) -> Result<Option<Stat>, Errno> {
        match statat(self.directory(), self.name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(errno),
        }
    }
}

/// Splits a path at its last slash.
fn split(path: &[u8]) -> (&[u8], &OsStr) {
    let cut = path.iter().rposition(|byte| *byte == b'/');
    let parent = cut.and_then(|cut| path.get(..cut)).unwrap_or_default();
    let name = cut.map_or(Some(path), |cut| path.get(cut + 1..)).unwrap_or_default();
    (parent, OsStr::from_bytes(name))
}

impl Beneath {
    /// Opens the root.
    pub(in crate::memo) fn open(root: &Path) -> Result<Self, Errno> {
        let descriptor =
            openat(CWD, root, OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::PATH, Mode::empty())?;
        Ok(Self { root: Rc::new(descriptor), last: None })
    }

    /// The directory that contains `path`, and the name in it. Fails with `Errno::LOOP` or `Errno::XDEV` where a directory on the
    /// path is a link, and with `Errno::NOENT` where one does not exist, unless `create` is set.
    pub(super) fn place<'a>(&mut self, path: &'a [u8], create: bool) -> Result<Place<'a>, Errno> {
        let (parent, name) = split(path);
        Ok(Place { directory: self.directory(parent, create)?, name })
    }

    fn directory(&mut self, path: &[u8], create: bool) -> Result<Rc<OwnedFd>, Errno> {
        if path.is_empty() {
            return Ok(Rc::clone(&self.root));
        }
        if let Some((last, descriptor)) = &self.last
            && last == path
        {
            return Ok(Rc::clone(descriptor));
        }
        let opened = match self.open_directory(path) {
            Err(Errno::NOENT) if create => {
                let (parent, name) = split(path);
                let parent = self.directory(parent, true)?;
                match mkdirat(&parent, name, Mode::from_raw_mode(0o777)) {
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(errno) => return Err(errno),
                }
                self.open_directory(path)?
            }
            other => other?,
        };
        let opened = Rc::new(opened);
        self.last = Some((path.to_vec(), Rc::clone(&opened)));
        Ok(opened)
    }

    fn open_directory(&self, path: &[u8]) -> Result<OwnedFd, Errno> {
        let path = OsStr::from_bytes(path);
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        match openat2(&self.root, path, DIRECTORY, Mode::empty(), resolve) {
            // Kernels before 5.6, and filters that reject unknown system calls.
            Err(Errno::NOSYS | Errno::PERM) => self.walk_to(path),
            other => other,
        }
    }

    fn walk_to(&self, path: &OsStr) -> Result<OwnedFd, Errno> {
        let mut descriptor = self.root.try_clone().map_err(|_| Errno::MFILE)?;
        for name in path.as_bytes().split(|byte| *byte == b'/') {
            descriptor = openat(&descriptor, OsStr::from_bytes(name), DIRECTORY, Mode::empty())?;
        }
        Ok(descriptor)
    }

    /// Drops the cached directory, since it may have been replaced.
    pub(super) fn forget(&mut self) {
        self.last = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_link_on_the_way_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("a/b")).unwrap();
        symlink(outside.path(), root.path().join("link")).unwrap();
        let mut beneath = Beneath::open(root.path()).unwrap();
        assert!(beneath.place(b"a/b/c", false).is_ok());
        assert!(beneath.place(b"link/c", true).is_err());
        assert!(beneath.walk_to(OsStr::new("link")).is_err());
        assert!(beneath.place(b"x/y/z", false).is_err());
        assert!(beneath.place(b"x/y/z", true).unwrap().stat().unwrap().is_none());
        assert!(root.path().join("x/y").is_dir());
        assert!(fs::read_dir(outside.path()).unwrap().next().is_none());
    }
}
