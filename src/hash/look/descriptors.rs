//! What an open descriptor gives from its offset on.
//!
//! Offsets are never moved.

use super::Held;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::hash::files::{digest_from, fresh};
use crate::record::{Evidence, StdinUse, Timestamp};
use std::fs::{self, File, Metadata};
use std::io;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};

/// What can be read from an open regular file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rest {
    /// The present offset.
    pub offset: u64,
    /// Size of the whole file in bytes.
    pub size: u64,
    /// Digest of everything from the offset on.
    pub digest: Digest,
    /// Trusted evidence of the whole file, if there is any.
    pub evidence: Option<Evidence>,
}

/// What can be read from `descriptor`; `None` where it is no regular file. Its offset stays.
///
/// # Errors
/// When it cannot be read.
pub fn rest_of(descriptor: BorrowedFd<'_>) -> Result<Option<Rest>> {
    let shown = Path::new("an open descriptor");
    let fail = |error: io::Error| Error::io("read", shown, error);
    let file = File::from(descriptor.try_clone_to_owned().map_err(fail)?);
    if !file.metadata().map_err(fail)?.is_file() {
        return Ok(None);
    }
    let offset = rustix::fs::tell(&file).map_err(|error| fail(error.into()))?;
    rest_from(&file, offset).map(Some).map_err(fail)
}

/// What can be read from the inherited descriptor `number`; `None` where it is no regular file or not open.
///
/// # Errors
/// When it cannot be read.
pub fn rest_of_descriptor(number: u32) -> Result<Option<Rest>> {
    let path = PathBuf::from(format!("/proc/self/fd/{number}"));
    let fail = |error| Error::io("read", &path, error);
    if !fs::metadata(&path).is_ok_and(|metadata| metadata.is_file()) {
        return Ok(None);
    }
    let Some(offset) = offset_of(number) else {
        return Ok(None);
    };
    // A second opening has an offset of its own: the first is not moved.
    let file = File::open(&path).map_err(fail)?;
    rest_from(&file, offset).map(Some).map_err(fail)
}

fn offset_of(number: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/self/fdinfo/{number}")).ok()?;
    text.lines().find_map(|line| line.strip_prefix("pos:"))?.trim().parse().ok()
}

fn rest_from(file: &File, offset: u64) -> io::Result<Rest> {
    let now = Timestamp::now();
    let before = Evidence::of(&file.metadata()?);
    let (digest, _) = digest_from(file, offset)?;
    let after = Evidence::of(&file.metadata()?);
    // There is no path by which the kind of file system could be asked: the longer age is demanded.
    let evidence = (before == after && fresh(&before, now, false)).then_some(before);
    Ok(Rest { offset, size: after.size, digest, evidence })
}

/// Whether standard input is still what a run used.
#[must_use]
pub fn stdin_holds(used: &StdinUse, evidence: Option<&Evidence>, stdin: BorrowedFd<'_>) -> Held {
    let Ok(file) = stdin.try_clone_to_owned().map(File::from) else {
        return Held::No;
    };
    let (Ok(metadata), Ok(position)) = (file.metadata(), rustix::fs::tell(&file)) else {
        return Held::No;
    };
    if !metadata.is_file() {
        return Held::No;
    }
    match used {
        StdinUse::Place { size, offset } => Held::when(metadata.len() == *size && position == *offset),
        StdinUse::Content { offset, .. } if position != *offset => Held::No,
        StdinUse::Content { digest, .. } => rest_holds(&file, &metadata, position, digest, evidence),
    }
}

/// Whether an inherited descriptor above 2 still gives what a run read from it.
#[must_use]
pub fn descriptor_holds(number: u32, offset: u64, digest: &Digest, evidence: Option<&Evidence>) -> Held {
    let path = PathBuf::from(format!("/proc/self/fd/{number}"));
    if offset_of(number) != Some(offset) {
        return Held::No;
    }
    match fs::metadata(&path) {
        Ok(metadata) if metadata.is_file() => match File::open(&path) {
            Ok(file) => rest_holds(&file, &metadata, offset, digest, evidence),
            Err(_) => Held::No,
        },
        _ => Held::No,
    }
}

fn rest_holds(
    file: &File,
    metadata: &Metadata,
    offset: u64,
    digest: &Digest,
    evidence: Option<&Evidence>,
) -> Held {
    if evidence.is_some_and(|evidence| Evidence::of(metadata) == *evidence) {
        return Held::Yes;
    }
    match rest_from(file, offset) {
        Ok(rest) => Held::renewed(rest.digest == *digest, evidence, rest.evidence),
        Err(_) => Held::No,
    }
}
