//! What an open descriptor gives from its offset on.
//!
//! Offsets are never moved.

use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::hash::files::{digest_from, fresh};
use crate::record::{Evidence, Timestamp};
use std::fs::File;
use std::io;
use std::os::fd::BorrowedFd;
use std::path::Path;

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

/// What can be read from `descriptor`; `None` where it is not a regular file. Its offset stays.
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

fn rest_from(file: &File, offset: u64) -> io::Result<Rest> {
    let now = Timestamp::now();
    let before = Evidence::of(&file.metadata()?);
    let (digest, _) = digest_from(file, offset)?;
    let after = Evidence::of(&file.metadata()?);
    // There is no path by which the kind of file system could be asked: the longer age is demanded.
    let evidence = (before == after && fresh(&before, now, false)).then_some(before);
    Ok(Rest { offset, size: after.size, digest, evidence })
}
