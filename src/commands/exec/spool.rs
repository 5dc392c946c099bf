//! Standard input as a file with a known digest: copied to a temporary file, or used directly where it is a file already.

use crate::buffer::Buffer;
use crate::digest::{Digest, Hasher};
use crate::error::{Error, Result};
use crate::exec::nested::{Depends, tell};
use crate::hash::files;
use crate::memo::GivenStdin;
use crate::record::Evidence;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::fd::BorrowedFd;
use std::path::Path;

const PIECE: usize = 256 * 1024;

fn failed(error: std::io::Error) -> Error {
    Error::io("read", Path::new("standard input"), error)
}

/// Reads `descriptor` to its end. Returns a file with the content, at offset 0, and the digest.
///
/// # Errors
/// When it cannot be read, or there is no space for it.
pub(super) fn spool(descriptor: BorrowedFd<'_>, store: &Path) -> Result<(GivenStdin, Digest)> {
    tell(Depends::StdinContent);
    let file = File::from(descriptor.try_clone_to_owned().map_err(failed)?);
    digested(file, store)
}

/// Like [`spool`], for a file that is open already. A regular file is digested without a copy.
///
/// # Errors
/// As [`spool`].
pub(super) fn digested(mut file: File, store: &Path) -> Result<(GivenStdin, Digest)> {
    let metadata = file.metadata().map_err(failed)?;
    if metadata.is_file()
        && let Ok(offset) = file.stream_position()
    {
        let (digest, _) = files::digest_from(&file, offset).map_err(failed)?;
        return Ok((GivenStdin { file, evidence: Some(Evidence::of(&metadata)) }, digest));
    }
    let room = |error| Error::io("write", Path::new("a copy of standard input"), error);
    // In the store, or in the system's temporary directory where the store cannot be written.
    let mut copy =
        tempfile::tempfile_in(store.join("tmp")).or_else(|_| tempfile::tempfile()).map_err(room)?;
    let mut hasher = Hasher::new();
    let mut buffer = Buffer::new(PIECE);
    loop {
        let count = match file.read(&mut buffer) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            other => other.map_err(failed)?,
        };
        let Some(piece) = buffer.get(..count).filter(|piece| !piece.is_empty()) else { break };
        hasher.update(piece);
        copy.write_all(piece).map_err(room)?;
    }
    copy.seek(SeekFrom::Start(0)).map_err(room)?;
    Ok((GivenStdin { file: copy, evidence: None }, hasher.finish()))
}
