//! Moving, copying and removing paths, with modes, owners, times and attributes.

use super::attributes;
use crate::record::{Evidence, Timestamp};
use nix::sys::stat::{UtimensatFlags, utimensat};
use nix::sys::time::TimeSpec;
use std::fs::{self, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown, symlink};
use std::path::Path;

/// Moves `from` to `to`, where nothing is. To another file system it is copied whole before it is removed.
pub(super) fn move_path(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
            if let Err(error) = copy(from, to) {
                // The partial copy is useless, and `from` is still complete.
                let _ = clear(to);
                return Err(error);
            }
            clear(from)
        }
        other => other,
    }
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let metadata = fs::symlink_metadata(from)?;
    let kind = metadata.file_type();
    if kind.is_symlink() {
        symlink(fs::read_link(from)?, to)?;
        set_time(to, Evidence::of(&metadata).modified);
        return Ok(());
    }
    if kind.is_file() {
        return copy_file(from, to, &metadata);
    }
    if !kind.is_dir() {
        return Err(io::Error::new(io::ErrorKind::Unsupported, "neither file, directory nor link"));
    }
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        copy(&entry.path(), &to.join(entry.file_name()))?;
    }
    attributes::copy(from, to);
    settle(to, &metadata)
}

/// Copies a regular file with its mode, owner and time.
pub(super) fn copy_file(from: &Path, to: &Path, metadata: &Metadata) -> io::Result<()> {
    fs::copy(from, to)?;
    attributes::copy(from, to);
    settle(to, metadata)
}

fn settle(path: &Path, metadata: &Metadata) -> io::Result<()> {
    // Only root may give a file away; to anybody else it belongs already.
    let _ = lchown(path, Some(metadata.uid()), Some(metadata.gid()));
    fs::set_permissions(path, Permissions::from_mode(metadata.mode() & 0o7777))?;
    set_time(path, Evidence::of(metadata).modified);
    Ok(())
}

/// Sets the time of the last change. An error is ignored, since only the time is lost.
pub(super) fn set_time(path: &Path, time: Timestamp) {
    let nanoseconds = time.0.rem_euclid(1_000_000_000);
    let time = TimeSpec::new(time.0.div_euclid(1_000_000_000), nanoseconds);
    let unchanged = TimeSpec::UTIME_OMIT;
    let _ = utimensat(nix::fcntl::AT_FDCWD, path, &unchanged, &time, UtimensatFlags::NoFollowSymlink);
}

/// Removes whatever is at `path`. A directory is removed with its content, also where a run removed its own right to do so.
pub(super) fn clear(path: &Path) -> io::Result<()> {
    let is_directory = fs::symlink_metadata(path)?.is_dir();
    if !is_directory {
        return fs::remove_file(path);
    }
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            open_up(path)?;
            fs::remove_dir_all(path)
        }
        other => other,
    }
}

/// Makes every directory from `path` down writable.
fn open_up(path: &Path) -> io::Result<()> {
    fs::set_permissions(path, Permissions::from_mode(0o700))?;
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            open_up(&entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_to_another_file_system_is_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let from = folder.path().join("from");
        fs::create_dir_all(from.join("a/b")).unwrap();
        fs::write(from.join("a/file"), "text").unwrap();
        fs::set_permissions(from.join("a/file"), Permissions::from_mode(0o640)).unwrap();
        set_time(&from.join("a/file"), Timestamp(1_000_000_007));
        symlink("nowhere", from.join("a/link")).unwrap();
        let to = folder.path().join("to");
        copy(&from, &to).unwrap();
        let file = fs::metadata(to.join("a/file")).unwrap();
        assert_eq!((file.mode() & 0o7777, file.mtime(), file.mtime_nsec()), (0o640, 1, 7));
        assert_eq!(fs::read_link(to.join("a/link")).unwrap(), Path::new("nowhere"));
        assert!(to.join("a/b").is_dir());
        clear(&from).unwrap();
        assert!(!from.exists());
    }
}
