//! Files and directories of a store: made under a temporary name, moved into place, removed.

use crate::error::{Error, Result};
use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::Path;

/// Creates a temporary file in `directory`, which is created if it is missing. Dropping the value removes the file.
pub(crate) fn new_temporary(directory: &Path) -> io::Result<tempfile::NamedTempFile> {
    new_temporary_like(directory, "blob-")
}

/// Creates a temporary file in `directory` whose name begins with `prefix`.
pub(crate) fn new_temporary_like(directory: &Path, prefix: &str) -> io::Result<tempfile::NamedTempFile> {
    let attempt = || tempfile::Builder::new().prefix(prefix).tempfile_in(directory);
    let made = match attempt() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            fs::DirBuilder::new().mode(0o700).recursive(true).create(directory)?;
            attempt()
        }
        other => other,
    };
    made.map_err(|error| plain(&error))
}

/// The system's error without the path that `tempfile` adds: our messages contain the path already.
pub(super) fn plain(error: &io::Error) -> io::Error {
    use io::ErrorKind;
    let errno = match error.kind() {
        ErrorKind::StorageFull => libc::ENOSPC,
        ErrorKind::QuotaExceeded => libc::EDQUOT,
        ErrorKind::FileTooLarge => libc::EFBIG,
        ErrorKind::ReadOnlyFilesystem => libc::EROFS,
        ErrorKind::PermissionDenied => libc::EACCES,
        ErrorKind::NotFound => libc::ENOENT,
        ErrorKind::NotADirectory => libc::ENOTDIR,
        other => return io::Error::new(other, error.to_string()),
    };
    io::Error::from_raw_os_error(errno)
}

/// Renames a complete temporary file to its final name, and creates the directory if it is missing. Returns whether the name was
/// free; an existing file is replaced.
pub(crate) fn rename_into_place(file: tempfile::TempPath, path: &Path) -> io::Result<bool> {
    let mut refused = match file.persist_noclobber(path) {
        Ok(()) => return Ok(true),
        Err(refused) => refused,
    };
    if refused.error.kind() == io::ErrorKind::NotFound
        && let Some(parent) = path.parent()
    {
        fs::DirBuilder::new().mode(0o700).recursive(true).create(parent)?;
        refused = match refused.path.persist_noclobber(path) {
            Ok(()) => return Ok(true),
            Err(refused) => refused,
        };
    }
    if refused.error.kind() != io::ErrorKind::AlreadyExists {
        return Err(plain(&refused.error));
    }
    if is_exchanged(&refused.path, path) {
        // The previous file has the temporary name now, and is removed with it.
        return Ok(false);
    }
    refused.path.persist(path).map_err(|refused| plain(&refused.error))?;
    Ok(false)
}

/// Removes a file. Returns whether it existed; a missing file is not an error.
pub(crate) fn remove_file(path: &Path) -> Result<bool> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(false)
        }
        Err(error) => Err(Error::io("remove", path, error)),
    }
}

/// Removes a file of any kind, or a directory with its content. Restores the owner's rights to directories first. Returns whether
/// anything existed; a missing file is not an error.
pub(crate) fn remove_any(path: &Path) -> Result<bool> {
    let gone =
        |error: &io::Error| matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory);
    let found = match fs::symlink_metadata(path) {
        Err(error) if gone(&error) => return Ok(false),
        other => other.map_err(|error| Error::io("inspect", path, error))?,
    };
    if !found.is_dir() {
        return remove_file(path);
    }
    let mut removed = fs::remove_dir_all(path);
    if removed.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied) {
        open_up(path);
        removed = fs::remove_dir_all(path);
    }
    match removed {
        Err(error) if !gone(&error) => Err(Error::io("remove", path, error)),
        _ => Ok(true),
    }
}

/// Gives the owner the right to list and change a directory and all directories below it. Errors are ignored.
fn open_up(directory: &Path) {
    let mut rest = vec![directory.to_owned()];
    while let Some(directory) = rest.pop() {
        let _ = fs::set_permissions(&directory, fs::Permissions::from_mode(0o700));
        let entries = fs::read_dir(&directory).into_iter().flatten().flatten();
        let directories = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        rest.extend(directories.map(|entry| entry.path()));
    }
}

/// Creates a directory that only this user can access. An existing one is not an error.
pub(super) fn make_directory(path: &Path) -> Result<()> {
    match fs::DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(Error::io("create", path, error)),
        _ => Ok(()),
    }
}

/// The owner of the file at `path`, and whether it is a directory. A link must have the same owner as its target.
pub(crate) fn owner(path: &Path) -> io::Result<(u32, bool)> {
    let link = fs::symlink_metadata(path)?;
    if !link.is_symlink() {
        return Ok((link.uid(), link.is_dir()));
    }
    let target = fs::metadata(path)?;
    let ours = rustix::process::geteuid().as_raw();
    let owner = if link.uid() == ours { target.uid() } else { link.uid() };
    Ok((owner, target.is_dir()))
}

/// 32 random bytes from the system.
pub(crate) fn random_bytes() -> Result<[u8; 32]> {
    let path = Path::new("/dev/urandom");
    let mut bytes = [0; 32];
    let read = fs::File::open(path).and_then(|mut file| file.read_exact(&mut bytes));
    read.map_err(|source| Error::io("read", path, source))?;
    Ok(bytes)
}

/// Renames a file to a name that is free; creates the directory if it is missing. Does not replace anything where the system
/// supports that.
#[cfg(target_os = "linux")]
pub(crate) fn rename_to_free_name(file: &Path, path: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    let rename = || renameat_with(CWD, file, CWD, path, RenameFlags::NOREPLACE).map_err(io::Error::from);
    match (rename(), path.parent()) {
        (Err(error), Some(parent)) if error.kind() == io::ErrorKind::NotFound => {
            fs::DirBuilder::new().mode(0o700).recursive(true).create(parent)?;
            rename()
        }
        (other, _) => other,
    }
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn rename_to_free_name(_file: &Path, _path: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Exchanges the names of two files, if both are files and the system supports it. This is faster than renaming one over the
/// other: then ext4 starts to write the new file to the disk before it returns, which self-verifying files do not need.
#[cfg(target_os = "linux")]
fn is_exchanged(one: &Path, other: &Path) -> bool {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    fs::symlink_metadata(other).is_ok_and(|metadata| metadata.is_file())
        && renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE).is_ok()
}

#[cfg(not(target_os = "linux"))]
fn is_exchanged(_one: &Path, _other: &Path) -> bool {
    false
}
