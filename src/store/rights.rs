//! Access rights that the owner of a store removed from its files: the error message, and how to restore them.
//!
//! Files of another user are never changed.

use crate::error::{Error, Result};
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

/// The error of a file that could not be opened, with a hint where its owner removed the right.
pub(crate) fn without_rights(path: &Path, error: io::Error) -> Error {
    let denied = error.kind() == io::ErrorKind::PermissionDenied;
    let error = Error::io("read", path, error);
    if denied && lacks_rights(path).is_some() {
        return error.with_hint("'cashet fsck --repair' restores the access rights");
    }
    error
}

/// The mode that a file or directory should have, if it belongs to this user and cannot be read or written.
fn lacks_rights(path: &Path) -> Option<u32> {
    let found = fs::symlink_metadata(path).ok()?;
    let ours = found.uid() == rustix::process::geteuid().as_raw();
    let wanted = if found.is_dir() { 0o700 } else { 0o600 };
    let lacks = (found.is_dir() || found.is_file()) && found.mode() & wanted != wanted;
    (ours && lacks).then_some(found.mode() & 0o777 | wanted)
}

/// Restores this user's right to read and write `path`.
pub(super) fn regain(path: &Path) -> Result<()> {
    let Some(mode) = lacks_rights(path) else { return Ok(()) };
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
        .map_err(|source| Error::io("change the mode of", path, source))
}
