//! Digests of files and listings, and when metadata can be trusted in their place.
//!
//! Files are read and never mapped, since a mapped file that is truncated would kill the process. This module does not know keys.

use super::both::both;
use super::exclude::{Excluded, excluded};
use crate::buffer::Buffer;
use crate::digest::{Digest, Hasher};
use crate::encode::Encoder;
use crate::error::{Error, Kind, Result};
use crate::record::{Evidence, Timestamp};
use blake3::hazmat::{
    ChainingValue, HasherExt, Mode, left_subtree_len, merge_subtrees_non_root, merge_subtrees_root,
};
use std::cell::RefCell;
use std::ffi::OsString;
use std::fs::{self, File, FileType, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// A file larger than this is compared by size and time where it was only looked at.
pub const LARGEST_DIGESTED: u64 = 64 << 20;

/// Minimum number of bytes for which all cores are used, in one file or in all.
pub const WORTH_ALL_CORES: u64 = 8 << 20;

/// Bytes read at once: a power of two, small enough to stay in a core's own cache until they are digested.
const PIECE: usize = 256 << 10;

/// Bytes read at a time from a file that reports a smaller size.
const SMALL_PIECE: usize = 8 << 10;

/// How often a file that changes while it is read is read again.
const ATTEMPTS: usize = 5;

/// Minimum age, in nanoseconds, at which a file's times are trusted to show any later change: the clock of file times ticks every
/// few milliseconds on local file systems; two seconds is the coarsest in use (FAT).
const OLD_ENOUGH: i64 = 2_000_000_000;
const OLD_ENOUGH_LOCALLY: i64 = 20_000_000;

/// The digest of the content of the regular file at `path`, links followed, and its metadata while it was read.
///
/// # Errors
/// It is not a regular file, cannot be read, or keeps changing.
pub fn digest_file(path: &Path) -> Result<(Digest, Evidence)> {
    steadily(path, digest_open)
}

/// The content and digest of the regular file at `path`, links followed, and its metadata while it was read.
///
/// # Errors
/// As [`digest_file`].
pub fn read_file(path: &Path) -> Result<(Vec<u8>, Digest, Evidence)> {
    let read = |file: &File, size| {
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
        { file }.read_to_end(&mut bytes)?;
        let digest = Digest::of(&bytes);
        Ok((bytes, digest))
    };
    let ((bytes, digest), evidence) = steadily(path, read)?;
    Ok((bytes, digest, evidence))
}

/// [`digest_file`] for each of `paths`, in order; on all cores if there is much to read.
#[must_use]
pub fn digest_many(paths: &[PathBuf]) -> Vec<Result<(Digest, Evidence)>> {
    let mut total = 0;
    let much = paths.iter().any(|path| {
        total += fs::metadata(path).map_or(0, |metadata| metadata.len());
        total > WORTH_ALL_CORES
    });
    if !much {
        return paths.iter().map(|path| digest_file(path)).collect();
    }
    digest_halves(paths)
}

fn digest_halves(paths: &[PathBuf]) -> Vec<Result<(Digest, Evidence)>> {
    if paths.len() < 2 {
        return paths.iter().map(|path| digest_file(path)).collect();
    }
    let (left, right) = paths.split_at(paths.len() / 2);
    let (mut done, rest) = both(|| digest_halves(left), || digest_halves(right));
    done.extend(rest);
    done
}

/// Whether `evidence`, taken from `taken_at` on, proves the content for later: only if the file had not changed for
/// long enough then that any later change must show in its times (git's rule for racily clean entries). Times in the
/// future prove nothing. `local` says that the file system is a local one with fine times.
#[must_use]
pub fn fresh(evidence: &Evidence, taken_at: Timestamp, local: bool) -> bool {
    let newest = evidence.modified.max(evidence.changed);
    let margin = if local { OLD_ENOUGH_LOCALLY } else { OLD_ENOUGH };
    newest.0.saturating_add(margin) < taken_at.0
}

/// `evidence` if it is [`fresh`]; the file system of `path` is checked only if necessary.
#[must_use]
pub fn trusted(path: &Path, evidence: Evidence, taken_at: Timestamp) -> Option<Evidence> {
    let is = fresh(&evidence, taken_at, false) || (fresh(&evidence, taken_at, true) && is_local(path));
    is.then_some(evidence)
}

/// Whether `path` is on a local file system whose times are fine enough.
#[cfg(target_os = "linux")]
pub(super) fn is_local(path: &Path) -> bool {
    /// ext4, xfs, btrfs, tmpfs, zfs, by the numbers of `statfs(2)`.
    const LOCAL: [u64; 5] = [0xEF53, 0x5846_5342, 0x9123_683E, 0x0102_1994, 0x2FC1_2FC1];
    rustix::fs::statfs(path)
        .is_ok_and(|system| LOCAL.iter().any(|kind| i128::from(*kind) == i128::from(system.f_type)))
}

#[cfg(not(target_os = "linux"))]
pub(super) fn is_local(_path: &Path) -> bool {
    false
}

/// The kind of a directory entry, links not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A FIFO.
    Pipe,
    /// A socket.
    Socket,
    /// A device.
    Device,
}

impl EntryKind {
    /// From the system's file type.
    #[must_use]
    pub fn of(kind: FileType) -> Self {
        if kind.is_file() {
            Self::File
        } else if kind.is_dir() {
            Self::Directory
        } else if kind.is_symlink() {
            Self::Symlink
        } else if kind.is_fifo() {
            Self::Pipe
        } else if kind.is_socket() {
            Self::Socket
        } else {
            Self::Device
        }
    }

    const fn number(self) -> u64 {
        match self {
            Self::File => 0,
            Self::Directory => 1,
            Self::Symlink => 2,
            Self::Pipe => 3,
            Self::Socket => 4,
            Self::Device => 5,
        }
    }
}

/// The names and kinds of a directory's entries, sorted; without those that are never inputs unless `everything`.
///
/// # Errors
/// When it cannot be listed.
pub fn entries(directory: &Path, everything: bool) -> io::Result<Vec<(OsString, EntryKind)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        if everything || excluded(&name) != Some(Excluded::Always) {
            match entry.file_type() {
                Ok(kind) => found.push((name, EntryKind::of(kind))),
                // It was removed after the listing.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }
    found.sort();
    Ok(found)
}

/// The digest of names and kinds as [`entries`] gives them.
#[must_use]
pub fn listing_digest(entries: &[(OsString, EntryKind)]) -> Digest {
    let mut encoder = Encoder::new();
    for (name, kind) in entries {
        encoder.bytes(name.as_bytes()).unsigned(kind.number());
    }
    Digest::of(&encoder.finish())
}

/// The digest of everything in `file` from `offset` on, and how many bytes that is.
///
/// # Errors
/// When it cannot be read.
pub fn digest_from(file: &File, offset: u64) -> io::Result<(Digest, u64)> {
    let mut hasher = Hasher::new();
    let mut buffer = Buffer::new(PIECE);
    let mut total = 0;
    loop {
        let count = match file.read_at(&mut buffer, offset.saturating_add(total)) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if count == 0 {
            return Ok((hasher.finish(), total));
        }
        hasher.update(buffer.get(..count).unwrap_or_default());
        total += count as u64;
    }
}

/// Opens the regular file that `path` leads to and hands it with its size to `read`, until what `stat` says before and
/// after agrees.
fn steadily<T>(path: &Path, read: impl Fn(&File, u64) -> io::Result<T>) -> Result<(T, Evidence)> {
    let fail = |error| Error::io("read", path, error);
    // Opening a FIFO or a device can act on it, so what is there is asked first.
    regular(path, &fs::metadata(path).map_err(fail)?)?;
    for _ in 0..ATTEMPTS {
        let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
        let file = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(fail)?;
        let before = file.metadata().map_err(fail)?;
        regular(path, &before)?;
        let evidence = Evidence::of(&before);
        match read(&file, before.len()) {
            Ok(value) if Evidence::of(&file.metadata().map_err(fail)?) == evidence => {
                return Ok((value, evidence));
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {}
            Err(error) => return Err(fail(error)),
        }
    }
    Err(Error::new(Kind::Other, format!("{} changes while it is read", path.display())))
}

fn regular(path: &Path, metadata: &Metadata) -> Result<()> {
    if metadata.is_file() {
        return Ok(());
    }
    Err(Error::new(Kind::Other, format!("{} is not a regular file", path.display())))
}

/// The digest of an open file that says that it has this size.
///
/// # Errors
/// When it cannot be read.
pub fn digest_open(file: &File, size: u64) -> io::Result<Digest> {
    if size > WORTH_ALL_CORES {
        return digest_on_all_cores(file, size);
    }
    with_buffer(size, |buffer| {
        let mut hasher = Hasher::new();
        let mut total = 0;
        loop {
            match { file }.read(buffer) {
                Ok(0) => return Ok(hasher.finish()),
                Ok(count) => {
                    hasher.update(buffer.get(..count).unwrap_or_default());
                    total += count as u64;
                    // Files that are made as they are read say that they are empty.
                    if total == size {
                        return Ok(hasher.finish());
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    })
}

/// BLAKE3 is a tree of digests: each core reads and digests its own subtrees.
fn digest_on_all_cores(file: &File, size: u64) -> io::Result<Digest> {
    let middle = left_subtree_len(size);
    let (left, right) = both(|| subtree(file, 0, middle), || subtree(file, middle, size - middle));
    Ok(Digest::from_bytes(*merge_subtrees_root(&left?, &right?, Mode::Hash).as_bytes()))
}

fn subtree(file: &File, offset: u64, length: u64) -> io::Result<ChainingValue> {
    if length > PIECE as u64 {
        let middle = left_subtree_len(length);
        let (left, right) =
            both(|| subtree(file, offset, middle), || subtree(file, offset + middle, length - middle));
        return Ok(merge_subtrees_non_root(&left?, &right?, Mode::Hash));
    }
    with_buffer(length, |buffer| {
        let length = usize::try_from(length).unwrap_or(PIECE);
        let piece = buffer.get_mut(..length).unwrap_or_default();
        file.read_exact_at(piece, offset)?;
        Ok(blake3::Hasher::new().set_input_offset(offset).update(piece).finalize_non_root())
    })
}

thread_local! {
    static BUFFER: RefCell<Buffer> = const { RefCell::new(Buffer::empty()) };
}

/// A buffer for something of this size: no more of it is touched than that needs, and one byte, which shows the end.
fn with_buffer<T>(size: u64, work: impl FnOnce(&mut [u8]) -> T) -> T {
    let size = usize::try_from(size).unwrap_or(PIECE).saturating_add(1).clamp(SMALL_PIECE, PIECE);
    BUFFER.with_borrow_mut(|buffer| {
        if buffer.len() < size {
            buffer.resize(size);
        }
        work(buffer)
    })
}

#[cfg(test)]
mod tests;
