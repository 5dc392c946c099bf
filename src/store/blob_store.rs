//! The bytes of a store: blobs, named by their digest.

use crate::buffer::Buffer;
use crate::digest::BlobId;
use crate::error::{Error, Result};
use crate::record::Content;
use crate::store::{Arrival, Bring};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

/// Writes one blob.
pub trait BlobWriter: Write + Send {
    /// Writes the first `length` bytes of `buffer`. May keep the buffer and leave another of the same length in its place.
    ///
    /// # Errors
    /// As for writing.
    fn write_buffer(&mut self, buffer: &mut Buffer, length: usize) -> io::Result<()> {
        self.write_all(buffer.get(..length).unwrap_or_default())
    }

    /// Puts the blob in place, unless it exists, and returns its name and size.
    ///
    /// # Errors
    /// When writing to the store fails (full, read-only).
    fn finish(self: Box<Self>) -> Result<Content>;
}

/// The bytes of a store.
pub trait BlobStore: Sync {
    /// Starts writing a blob.
    ///
    /// # Errors
    /// When the store cannot be written.
    fn write(&self) -> Result<Box<dyn BlobWriter>>;

    /// Opens a blob after verifying all of it. Reading then returns exactly the verified bytes.
    ///
    /// # Errors
    /// [`crate::error::Kind::Damaged`] when it is missing or damaged.
    fn read(&self, blob: &BlobId) -> Result<Box<dyn Read + Send>>;

    /// Copies a raw blob to `to`, an empty file, in the kernel, and verifies the copy; a failed copy may have written part of
    /// it. `false`, with nothing written, where the blob must be read with [`BlobStore::read`].
    ///
    /// # Errors
    /// As [`BlobStore::read`]; when `to` cannot be written.
    fn copy_to(&self, blob: &BlobId, to: &File) -> Result<bool> {
        let _ = (blob, to);
        Ok(false)
    }

    /// Stores all bytes of a file, whatever its file offset, which does not move. Also returns whether `sought`, unless empty,
    /// occurs in them.
    ///
    /// # Errors
    /// When the file cannot be read or writing to the store fails.
    fn take_file(&self, file: &File, sought: &[u8]) -> Result<(Content, bool)>;

    /// Whether a blob of this size is in place; its bytes are not read.
    fn has(&self, content: &Content) -> bool {
        let _ = content;
        false
    }

    /// An empty file without a name, for bytes on their way into the store.
    ///
    /// # Errors
    /// When it cannot be made.
    fn scratch(&self) -> Result<File> {
        tempfile::tempfile()
            .map_err(|source| Error::io("write to", Path::new("the temporary directory"), source))
    }

    /// Stores a blob of `size` bytes that `bring` writes to an empty file, from the first to the last. `None` where nothing
    /// arrives. With `wants_spare`, [`BlobStore::take_spare`] may have a second copy.
    ///
    /// # Errors
    /// When writing to the store fails, or another number of bytes arrives.
    fn receive(&self, size: u64, wants_spare: bool, bring: Bring<'_>) -> Result<Option<Content>> {
        let _ = (size, wants_spare);
        let file = self.scratch()?;
        match bring(&file) {
            Arrival::Nothing => Ok(None),
            _ => self.take_file(&file, b"").map(|(content, _)| Some(content)),
        }
    }

    /// A second copy of a blob that was received, if there is one; once. A file without a name, which may be linked.
    fn take_spare(&self, blob: &BlobId) -> Option<File> {
        let _ = blob;
        None
    }

    /// Stores bytes that are in memory.
    ///
    /// # Errors
    /// When writing to the store fails.
    fn put(&self, bytes: &[u8]) -> Result<Content> {
        let mut writer = self.write()?;
        writer.write_all(bytes).map_err(|source| Error::io("write to", Path::new("the store"), source))?;
        writer.finish()
    }
}
