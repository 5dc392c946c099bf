//! The bytes of a store in a directory.

use crate::digest::BlobId;
use crate::error::{Error, Result};
use crate::record::Content;
use crate::store::LocalStore;
use crate::store::blobs::is_empty;
use crate::store::{BlobStore, BlobWriter, Bring};
use std::fs::File;
use std::io::{Read, Write};

impl BlobStore for LocalStore {
    fn write(&self) -> Result<Box<dyn BlobWriter>> {
        self.ready()?;
        Ok(Box::new(self.blobs.write()))
    }

    fn read(&self, blob: &BlobId) -> Result<Box<dyn Read + Send>> {
        self.blobs.read(blob)
    }

    fn copy_to(&self, blob: &BlobId, to: &File) -> Result<bool> {
        self.blobs.copy_to(blob, to)
    }

    fn take_file(&self, file: &File, sought: &[u8]) -> Result<(Content, bool)> {
        self.ready()?;
        self.blobs.put_file(file, sought)
    }

    fn has(&self, content: &Content) -> bool {
        is_empty(&content.blob) || self.size_of(&content.blob) == Some(content.size)
    }

    fn scratch(&self) -> Result<File> {
        self.ready()?;
        let directory = self.layout().temporary();
        tempfile::tempfile_in(&directory).map_err(|source| Error::io("write to", &directory, source))
    }

    fn receive(&self, size: u64, wants_spare: bool, bring: Bring<'_>) -> Result<Option<Content>> {
        self.ready()?;
        self.blobs.receive(size, wants_spare, bring)
    }

    fn take_spare(&self, blob: &BlobId) -> Option<File> {
        self.blobs.take_spare(blob)
    }

    fn put(&self, bytes: &[u8]) -> Result<Content> {
        let mut writer = self.write()?;
        writer.write_all(bytes).map_err(|source| Error::io("write to", self.directory(), source))?;
        writer.finish()
    }
}
