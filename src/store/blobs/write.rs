//! Writing blobs: small ones stay in memory until their digest is known, large ones go to a temporary file that is renamed
//! at the end.

use super::copy::copy_digesting;
use super::read::digest_of_file;
use super::spill::Spill;
use super::{Added, Blobs, SMALL, TINY, is_empty, packed};
use crate::buffer::Buffer;
use crate::digest::{BlobId, Digest, Hasher};
use crate::error::{Error, Result};
use crate::record::Content;
use crate::store::BlobWriter;
use crate::store::files::{new_temporary, rename_into_place};
use crate::store::lock::hold;
use memchr::memmem::Finder;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tempfile::TempPath;

/// zstd level for blobs that are compressed immediately: the fastest that compresses text well.
const LEVEL: i32 = 1;

/// Buffers with at least this many bytes are taken over without a copy; smaller ones are gathered first.
const WORTH_TAKING: usize = 32 << 10;

/// Writes one blob.
pub(crate) struct Writer {
    blobs: Arc<Blobs>,
    hasher: Hasher,
    size: u64,
    bytes: Vec<u8>,
    spill: Option<Spill>,
}

impl Writer {
    pub(crate) fn new(blobs: Arc<Blobs>) -> Self {
        Self { blobs, hasher: Hasher::new(), size: 0, bytes: Vec::new(), spill: None }
    }
}

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.size = self.size.saturating_add(bytes.len() as u64);
        if let Some(spill) = &mut self.spill {
            spill.write(bytes)?;
        } else if self.bytes.len().saturating_add(bytes.len()) <= SMALL {
            self.hasher.update(bytes);
            self.bytes.extend_from_slice(bytes);
        } else {
            self.spill()?.write(bytes)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Writer {
    /// Moves the bytes so far to a spill file, where later ones follow.
    fn spill(&mut self) -> io::Result<&mut Spill> {
        let digested = std::mem::take(&mut self.hasher);
        let spill = Spill::begin(&self.blobs, digested, std::mem::take(&mut self.bytes))?;
        Ok(self.spill.insert(spill))
    }
}

impl BlobWriter for Writer {
    fn write_buffer(&mut self, buffer: &mut Buffer, length: usize) -> io::Result<()> {
        match &mut self.spill {
            Some(spill) if length >= WORTH_TAKING => {
                self.size = self.size.saturating_add(length as u64);
                spill.take(buffer, length)
            }
            _ => self.write_all(buffer.get(..length).unwrap_or_default()),
        }
    }

    fn finish(self: Box<Self>) -> Result<Content> {
        match self.spill {
            None => self.blobs.place_bytes(self.hasher.finish(), &self.bytes),
            Some(spill) => {
                let (path, file, digest) = spill
                    .finish()
                    .map_err(|source| Error::io("write", &self.blobs.layout.temporary(), source))?;
                self.blobs.place_file(digest, self.size, path, &file)
            }
        }
    }
}

impl Blobs {
    /// Stores bytes under their digest, unless an intact blob exists.
    pub(super) fn place_bytes(&self, digest: Digest, bytes: &[u8]) -> Result<Content> {
        let blob = BlobId(digest);
        let content = Content { blob, size: bytes.len() as u64 };
        if is_empty(&blob) {
            return Ok(content);
        }
        let _shared = self.lock.shared()?;
        hold(&self.pending).add(&self.layout, blob)?;
        if let Ok(form) = self.open(&blob)
            && form.digest().is_ok_and(|found| found == digest)
        {
            let stored = self.file_size(&blob);
            self.note_added(blob, stored, false);
            return Ok(content);
        }
        // A damaged raw file exists. Readers would prefer it, so it is the one to replace.
        let replace = std::fs::symlink_metadata(self.layout.raw(&blob)).is_ok();
        let form = if bytes.len() > TINY && !replace { packed::pack_if_it_pays(bytes, LEVEL) } else { None };
        let (path, stored) = match &form {
            Some(form) => (self.layout.packed(&blob), form.as_slice()),
            None => (self.layout.raw(&blob), bytes),
        };
        let failed = |source| Error::io("write", &path, source);
        let mut file = new_temporary(&self.layout.temporary()).map_err(failed)?;
        file.write_all(stored).map_err(failed)?;
        if self.durable {
            file.as_file().sync_all().map_err(failed)?;
        }
        let new = rename_into_place(file.into_temp_path(), &path).map_err(failed)?;
        self.after_rename(&path)?;
        self.note_added(blob, stored.len() as u64, new);
        Ok(content)
    }

    /// Moves a complete file of uncompressed bytes into place, unless an intact raw file exists.
    pub(super) fn place_file(
        &self,
        digest: Digest,
        size: u64,
        path: TempPath,
        file: &File,
    ) -> Result<Content> {
        let blob = BlobId(digest);
        let final_path = self.layout.raw(&blob);
        let failed = |source| Error::io("write", &final_path, source);
        // Verified before the lock is taken, so that a deleting process does not wait for it.
        let known = File::open(&final_path).is_ok_and(|there| {
            there.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.len() == size)
                && digest_of_file(&there, size).is_ok_and(|found| found == digest)
        });
        if self.durable && !known {
            file.sync_all().map_err(failed)?;
        }
        let _shared = self.lock.shared()?;
        hold(&self.pending).add(&self.layout, blob)?;
        if known && std::fs::symlink_metadata(&final_path).is_ok_and(|there| there.len() == size) {
            self.note_added(blob, size, false);
            return Ok(Content { blob, size });
        }
        let new = rename_into_place(path, &final_path).map_err(failed)?;
        self.after_rename(&final_path)?;
        self.note_added(blob, size, new);
        Ok(Content { blob, size })
    }

    /// Stores all of `source`, whatever its file offset: copies it in the kernel, which shares blocks where the file system can,
    /// and digests the copy meanwhile. This is the fastest way to store a file. Also returns whether `sought` occurs in
    /// the bytes; an empty `sought` is not searched for.
    pub(crate) fn put_file(&self, source: &File, sought: &[u8]) -> Result<(Content, bool)> {
        let directory = self.layout.temporary();
        let failed = |error| Error::io("write", &directory, error);
        let size = source.metadata().map_err(failed)?.len();
        let finder = Finder::new(sought);
        if size <= SMALL as u64 {
            let mut bytes = vec![0; usize::try_from(size).unwrap_or(0)];
            source.read_exact_at(&mut bytes, 0).map_err(failed)?;
            let found = !sought.is_empty() && finder.find(&bytes).is_some();
            return Ok((self.put(&bytes)?, found));
        }
        let copy = new_temporary(&directory).map_err(failed)?;
        copy.as_file().lock().map_err(failed)?;
        let found = AtomicBool::new(false);
        let file = copy.as_file();
        let digest = copy_digesting(source, file, size, &|offset, piece| {
            if sought.is_empty() || found.load(Ordering::Relaxed) {
                return Ok(());
            }
            // Occurrences that cross the border to the previous piece are searched separately.
            let reach = (sought.len() - 1) as u64;
            let before = offset.saturating_sub(reach);
            let after = offset.saturating_add(reach).min(size);
            let mut border = vec![0; usize::try_from(after - before).unwrap_or(0)];
            file.read_exact_at(&mut border, before)?;
            if finder.find(piece).is_some() || finder.find(&border).is_some() {
                found.store(true, Ordering::Relaxed);
            }
            Ok(())
        });
        let digest = digest.map_err(failed)?;
        let (file, path) = copy.into_parts();
        Ok((self.place_file(digest, size, path, &file)?, found.into_inner()))
    }

    fn file_size(&self, blob: &BlobId) -> u64 {
        let size = |path| std::fs::symlink_metadata(path).ok().map(|metadata| metadata.len());
        size(self.layout.raw(blob)).or_else(|| size(self.layout.packed(blob))).unwrap_or(0)
    }

    fn note_added(&self, blob: BlobId, stored: u64, new: bool) {
        let mut added = hold(&self.added);
        let before = added.get(&blob).is_some_and(|added| added.new);
        added.insert(blob, Added { stored, new: new || before });
    }

    fn after_rename(&self, path: &std::path::Path) -> Result<()> {
        match path.parent() {
            Some(parent) if self.durable => {
                let synced = File::open(parent).and_then(|directory| directory.sync_all());
                synced.map_err(|source| Error::io("flush", parent, source))
            }
            _ => Ok(()),
        }
    }
}

/// A complete blob in a temporary file, not yet in place.
pub(crate) struct Staged {
    /// The blob's name and size.
    pub(crate) content: Content,
    /// `None` for the empty blob.
    file: Option<(TempPath, bool, u64)>,
}

impl Writer {
    /// Completes the blob without putting it in place.
    ///
    /// # Errors
    /// When writing to the store fails.
    pub(crate) fn stage(self) -> Result<Staged> {
        let directory = self.blobs.layout.temporary();
        let failed = |source| Error::io("write", &directory, source);
        if self.size == 0 {
            let content = Content { blob: BlobId(self.hasher.finish()), size: 0 };
            return Ok(Staged { content, file: None });
        }
        let (path, file, digest, packed, stored) = if let Some(spill) = self.spill {
            let (path, file, digest) = spill.finish().map_err(failed)?;
            (path, file, digest, false, self.size)
        } else {
            let large = self.bytes.len() > TINY;
            let form = if large { packed::pack_if_it_pays(&self.bytes, LEVEL) } else { None };
            let bytes = form.as_ref().unwrap_or(&self.bytes);
            let mut file = new_temporary(&directory).map_err(failed)?;
            file.write_all(bytes).map_err(failed)?;
            let (file, path) = file.into_parts();
            (path, file, self.hasher.finish(), form.is_some(), bytes.len() as u64)
        };
        if self.blobs.durable {
            file.sync_all().map_err(failed)?;
        }
        let content = Content { blob: BlobId(digest), size: self.size };
        Ok(Staged { content, file: Some((path, packed, stored)) })
    }
}

impl Blobs {
    /// Moves a staged blob into place, unless an intact one exists.
    ///
    /// # Errors
    /// When writing to the store fails.
    pub(crate) fn place(&self, staged: Staged) -> Result<Content> {
        let Some((path, packed, stored)) = staged.file else {
            return Ok(staged.content);
        };
        let blob = staged.content.blob;
        let _shared = self.lock.shared()?;
        hold(&self.pending).add(&self.layout, blob)?;
        if self.verify(&blob).is_ok() {
            self.note_added(blob, self.file_size(&blob), false);
            return Ok(staged.content);
        }
        let final_path = if packed { self.layout.packed(&blob) } else { self.layout.raw(&blob) };
        let failed = |source| Error::io("write", &final_path, source);
        let raw = self.layout.raw(&blob);
        if packed && std::fs::symlink_metadata(&raw).is_ok() {
            // Readers would prefer the damaged raw file: it is renamed to the compressed name and so replaced.
            std::fs::rename(&raw, &final_path).map_err(failed)?;
        }
        let new = rename_into_place(path, &final_path).map_err(failed)?;
        self.after_rename(&final_path)?;
        self.note_added(blob, stored, new);
        Ok(staged.content)
    }
}
