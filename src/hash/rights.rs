//! What we may do with what is at a path.

use crate::record::FileState;
use rustix::fs::{Access, AtFlags, CWD, accessat};
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// To read it and to write to it.
const READ_AND_WRITE: u32 = 0o6;

/// What we may do with what is at `path`, its last link followed or not; `None` where nothing is, or where it is a link.
#[must_use]
pub fn at(path: &Path, follow: bool) -> Option<u32> {
    let metadata = if follow { fs::metadata(path) } else { fs::symlink_metadata(path) };
    let metadata = metadata.ok()?;
    (!metadata.is_symlink()).then(|| of(path, &metadata))
}

/// The permission bits for ourselves of what is at `path`, of which `metadata` was seen, as 0 to 7. An access list may say more than the mode to all but the owner.
pub(super) fn of(path: &Path, metadata: &Metadata) -> u32 {
    let user = rustix::process::geteuid();
    let own = metadata.mode() >> 6 & 0o7;
    if metadata.uid() == user.as_raw() && (!user.is_root() || own == 0o7) {
        return own;
    }
    let may = |access: Access| accessat(CWD, path, access, AtFlags::EACCESS).is_ok();
    let bit = |access: Access, bit: u32| if may(access) { bit } else { 0 };
    let read_and_write = if metadata.uid() == user.as_raw() && own & READ_AND_WRITE == READ_AND_WRITE {
        READ_AND_WRITE
    } else {
        bit(Access::READ_OK, 4) | bit(Access::WRITE_OK, 2)
    };
    read_and_write | bit(Access::EXEC_OK, 1)
}

/// Whether the mode of what is at `path`, of which `found` was seen, is the one that is expected, as far as it counts.
#[must_use]
pub fn hold(expected: &FileState, found: &Metadata, path: &Path) -> bool {
    match (expected.mode(), expected.rights()) {
        (Some(_), Some(rights)) => expected.has_special_bits_of(found.mode()) && of(path, found) == rights,
        (Some(mode), None) => found.mode() & 0o7777 == mode,
        (None, _) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_mode_counts_by_what_it_allows_us() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("f");
        fs::write(&path, "x").unwrap();
        let with = |mode: u32| {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            at(&path, true).unwrap()
        };
        assert_eq!(with(0o644), with(0o600));
        assert_eq!(with(0o755), with(0o700));
        assert_ne!(with(0o644), with(0o755));
        if !rustix::process::geteuid().is_root() {
            assert_ne!(with(0o644), with(0o444));
        }
        assert_eq!(at(&directory.path().join("gone"), true), None);
    }
}
