//! Reading blobs: a blob is verified completely, through the same descriptor, before the first byte is returned.

use super::copy::copy_digesting;
use super::packed::{FRAME, Packed, damaged};
use super::segments::{self, Scratch};
use super::{Blobs, is_empty};
use crate::digest::{BlobId, Digest};
use crate::error::{Error, Result};
use std::fs::File;
use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Blobs up to this size, in bytes, are returned from memory.
const IN_MEMORY: u64 = 1 << 20;

/// Bytes of a raw file that are read per step.
pub(super) const SEGMENT: u64 = 256 << 10;

/// The stored form of a blob.
pub(crate) enum Form {
    /// Uncompressed, with its size.
    Raw(File, u64),
    /// Compressed.
    Packed(Packed),
}

/// The result of opening a blob.
pub(crate) type Found = io::Result<Form>;

impl Blobs {
    /// Opens a blob and verifies all of it.
    ///
    /// # Errors
    /// [`crate::error::Kind::Damaged`] when it is missing or damaged; an I/O error when the process or the system ran out of
    /// a resource, or when this user may not read it.
    pub(crate) fn read(&self, blob: &BlobId) -> Result<Box<dyn Read + Send>> {
        if is_empty(blob) {
            return Ok(Box::new(io::empty()));
        }
        match self.open(blob).and_then(|form| prove(form, blob)) {
            Ok(reader) => Ok(reader),
            Err(error) => Err(failed(blob, &error)),
        }
    }

    /// All bytes of a verified blob of at most `limit` bytes; `None` where it is larger.
    ///
    /// # Errors
    /// As [`Blobs::read`].
    pub(crate) fn read_small(&self, blob: &BlobId, limit: u64) -> Result<Option<Vec<u8>>> {
        if is_empty(blob) {
            return Ok(Some(Vec::new()));
        }
        let read = || {
            let form = self.open(blob)?;
            if form.size() > limit {
                return Ok(None);
            }
            let mut bytes = Vec::new();
            prove(form, blob)?.read_to_end(&mut bytes)?;
            Ok(Some(bytes))
        };
        read().map_err(|error| failed(blob, &error))
    }

    /// The verified file of a raw blob, at offset 0, and its size. `None` for a blob that is compressed or empty.
    ///
    /// # Errors
    /// As [`Blobs::read`].
    pub(crate) fn open_raw(&self, blob: &BlobId) -> Result<Option<(File, u64)>> {
        if is_empty(blob) {
            return Ok(None);
        }
        let open = || match self.open(blob)? {
            Form::Raw(file, size) => {
                same(digest_of_file(&file, size)?, blob)?;
                Ok(Some((file, size)))
            }
            Form::Packed(_) => Ok(None),
        };
        open().map_err(|error| failed(blob, &error))
    }

    /// Copies a raw blob to `to`, an empty file, and verifies the copy, so that the bytes are read only once. `false`, with
    /// nothing written, for a blob that is compressed or empty.
    ///
    /// # Errors
    /// As [`Blobs::read`]; when `to` cannot be written.
    pub(crate) fn copy_to(&self, blob: &BlobId, to: &File) -> Result<bool> {
        if is_empty(blob) {
            return Ok(false);
        }
        let (from, size) = match self.open(blob) {
            Ok(Form::Raw(from, size)) => (from, size),
            Ok(Form::Packed(_)) => return Ok(false),
            Err(error) => return Err(failed(blob, &error)),
        };
        match copy_digesting(&from, to, size, &|_, _| Ok(())) {
            Ok(digest) => same(digest, blob).map(|()| true).map_err(|error| failed(blob, &error)),
            Err(error) => {
                // The copy may differ because of either file.
                self.verify(blob)?;
                Err(Error::io("copy", &self.layout.raw(blob), error))
            }
        }
    }

    /// Verifies a blob and returns its size.
    ///
    /// # Errors
    /// As [`Blobs::read`].
    pub(crate) fn verify(&self, blob: &BlobId) -> Result<u64> {
        if is_empty(blob) {
            return Ok(0);
        }
        let verify = || {
            let form = self.open(blob)?;
            same(form.digest()?, blob)?;
            Ok(form.size())
        };
        verify().map_err(|error| failed(blob, &error))
    }

    /// Opens a blob's file without verifying it.
    pub(crate) fn open(&self, blob: &BlobId) -> Found {
        let raw = self.layout.raw(blob);
        match open_raw_file(&raw) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => return other,
        }
        match File::open(self.layout.packed(blob)) {
            // Another process may have replaced one form by the other between the two attempts.
            Err(error) if error.kind() == io::ErrorKind::NotFound => open_raw_file(&raw),
            Err(error) => Err(error),
            Ok(file) => Packed::open(file).map(Form::Packed),
        }
    }
}

fn open_raw_file(path: &Path) -> Found {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_file() { Ok(Form::Raw(file, metadata.len())) } else { Err(damaged()) }
}

impl Form {
    /// Uncompressed size in bytes.
    pub(crate) const fn size(&self) -> u64 {
        match self {
            Self::Raw(_, size) => *size,
            Self::Packed(packed) => packed.size(),
        }
    }

    /// The digest of the uncompressed bytes.
    pub(crate) fn digest(&self) -> io::Result<Digest> {
        match self {
            Self::Raw(file, size) => digest_of_file(file, *size),
            Self::Packed(packed) => segments::digest(packed.size(), FRAME, |index, length, scratch| {
                packed.load(index, length, scratch)
            }),
        }
    }
}

/// The digest of the first `size` bytes of `file`; the file offset does not move. Uses all cores where that pays.
pub(crate) fn digest_of_file(file: &File, size: u64) -> io::Result<Digest> {
    segments::digest(size, SEGMENT, |index, length, scratch| {
        scratch.bytes.resize(length);
        file.read_exact_at(&mut scratch.bytes, index.saturating_mul(SEGMENT))
    })
}

fn same(found: Digest, blob: &BlobId) -> io::Result<()> {
    if found == blob.0 {
        Ok(())
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidData, "the bytes do not match the blob's name"))
    }
}

fn prove(form: Form, blob: &BlobId) -> io::Result<Box<dyn Read + Send>> {
    if form.size() <= IN_MEMORY {
        let length = usize::try_from(form.size()).map_err(|_| damaged())?;
        let mut scratch = Scratch::default();
        match &form {
            Form::Raw(file, _) => {
                scratch.bytes.resize(length);
                file.read_exact_at(&mut scratch.bytes, 0)?;
            }
            Form::Packed(packed) => packed.load(0, length, &mut scratch)?,
        }
        same(Digest::of(&scratch.bytes), blob)?;
        return Ok(Box::new(Cursor::new(scratch.bytes)));
    }
    same(form.digest()?, blob)?;
    match form {
        Form::Raw(mut file, size) => {
            file.seek(SeekFrom::Start(0))?;
            Ok(Box::new(file.take(size)))
        }
        Form::Packed(packed) => {
            Ok(Box::new(Frames { packed, next: 0, scratch: Scratch::default(), given: 0 }))
        }
    }
}

/// Reads a verified compressed blob, frame by frame.
struct Frames {
    packed: Packed,
    next: u64,
    scratch: Scratch,
    given: usize,
}

impl Read for Frames {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.given == self.scratch.bytes.len() {
            let left = self.packed.size().saturating_sub(self.next.saturating_mul(FRAME));
            if left == 0 {
                return Ok(0);
            }
            let length = usize::try_from(left.min(FRAME)).map_err(|_| damaged())?;
            self.packed.load(self.next, length, &mut self.scratch)?;
            self.next += 1;
            self.given = 0;
        }
        let mut rest = self.scratch.bytes.get(self.given..).unwrap_or_default();
        let count = rest.read(buffer)?;
        self.given += count;
        Ok(count)
    }
}

/// Maps a read error: the blob is damaged, unless the process or the system ran out of a resource, or this user may not read it.
fn failed(blob: &BlobId, error: &io::Error) -> Error {
    const OF_PROCESS: &[i32] =
        &[libc::EMFILE, libc::ENFILE, libc::ENOMEM, libc::EINTR, libc::EACCES, libc::EPERM];
    if error.raw_os_error().is_some_and(|errno| OF_PROCESS.contains(&errno)) {
        let source = io::Error::from_raw_os_error(error.raw_os_error().unwrap_or(libc::EIO));
        return Error::io("read", Path::new(&format!("blob {}", blob.short())), source);
    }
    match error.kind() {
        io::ErrorKind::NotFound => Error::damaged(format!("blob {} is missing", blob.short())),
        _ => Error::damaged(format!("blob {} is damaged", blob.short())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    #[test]
    fn only_what_is_wrong_with_the_bytes_is_damage() {
        let blob = BlobId(Digest::of(b"x"));
        for (errno, is_damaged) in [
            (libc::EACCES, false),
            (libc::EPERM, false),
            (libc::EMFILE, false),
            (libc::ENOENT, true),
            (libc::EIO, true),
        ] {
            let error = failed(&blob, &io::Error::from_raw_os_error(errno));
            assert_eq!(error.kind() == Kind::Damaged, is_damaged, "{error}");
        }
    }
}
