//! Files and directories of a store: made under a temporary name, moved into place, removed.

use crate::error::{Error, Result};
use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::Path;

/// A file in `directory`, which is made if it is missing; removed when dropped.
pub(crate) fn new_temporary(directory: &Path) -> io::Result<tempfile::NamedTempFile> {
    new_temporary_like(directory, "blob-")
}

/// A file in `directory` whose name begins with `prefix`.
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

/// The system's error without the path that `tempfile` adds: ours name the path themselves.
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

/// Gives a finished temporary file its name; the directory is made if it is missing. Tells whether nothing had that
/// name; what had is replaced.
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
        // What was there has the temporary name now, and goes with it.
        return Ok(false);
    }
    refused.path.persist(path).map_err(|refused| plain(&refused.error))?;
    Ok(false)
}

/// Removes a file; that it was not there is fine. Tells whether it was.
pub(crate) fn remove_file(path: &Path) -> Result<bool> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(false)
        }
        Err(error) => Err(Error::io("remove", path, error)),
    }
}

/// Removes whatever has this name: a file, link, socket or FIFO, or a directory with all that is below it. Rights that its
/// owner took from a directory are given back first. That nothing was there is fine; tells whether something was.
pub(crate) fn remove_any(path: &Path) -> Result<bool> {
    let gone =
        |error: &io::Error| matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory);
    let found = match fs::symlink_metadata(path) {
        Err(error) if gone(&error) => return Ok(false),
        other => other.map_err(|error| Error::io("look at", path, error))?,
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

/// Lets the owner list and change a directory and all directories below it. What cannot be changed stays as it is.
fn open_up(directory: &Path) {
    let mut rest = vec![directory.to_owned()];
    while let Some(directory) = rest.pop() {
        let _ = fs::set_permissions(&directory, fs::Permissions::from_mode(0o700));
        let entries = fs::read_dir(&directory).into_iter().flatten().flatten();
        let directories = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        rest.extend(directories.map(|entry| entry.path()));
    }
}

/// Makes a directory for this user alone; that it was there is fine.
pub(super) fn make_directory(path: &Path) -> Result<()> {
    match fs::DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(Error::io("create", path, error)),
        _ => Ok(()),
    }
}

/// Who owns what `path` names, and whether that is a directory; a link must have the same owner as its target.
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

/// 32 bytes from the system's source of randomness.
pub(crate) fn random_bytes() -> Result<[u8; 32]> {
    let path = Path::new("/dev/urandom");
    let mut bytes = [0; 32];
    let read = fs::File::open(path).and_then(|mut file| file.read_exact(&mut bytes));
    read.map_err(|source| Error::io("read", path, source))?;
    Ok(bytes)
}

/// Gives a file a name that nothing has, where the system can; the directory is made if it is missing.
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

/// Lets two files change their names, if they are files and the system can. Where one is renamed over another, ext4 begins
/// to write the new one to the disk before it returns; what proves itself needs no such care.
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
