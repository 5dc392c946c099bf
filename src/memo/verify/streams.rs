//! Compares what a run prints with the recorded streams while it runs: output that is equal is not stored.
//!
//! From the first difference on, the output is written to an unnamed file for the final comparison.

use super::contents::{Contrast, contrast};
use crate::digest::{BlobId, Digest, Hasher};
use crate::error::{Error, Result};
use crate::exec::Recorder;
use crate::record::{Content, Stream};
use crate::store::Store;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};

/// Compares both streams of a run with recorded ones.
pub(super) struct Follower<'a> {
    store: &'a dyn Store,
    stdout: Side,
    stderr: Side,
}

impl<'a> Follower<'a> {
    /// Opens the recorded streams.
    ///
    /// # Errors
    /// When one is damaged or no longer stored.
    pub(super) fn new(store: &'a dyn Store, stdout: Content, stderr: Content) -> Result<Self> {
        Ok(Self { store, stdout: Side::new(store, stdout)?, stderr: Side::new(store, stderr)? })
    }

    /// The difference of `stream`, if there is one, and the digest of the output.
    ///
    /// # Errors
    /// When the contents cannot be read, or the output could not be stored.
    pub(super) fn finish(&mut self, stream: Stream) -> Result<(Option<Contrast>, Digest)> {
        let store = self.store;
        let side = match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        };
        side.finish(store)
    }
}

impl Recorder for Follower<'_> {
    fn chunk(&mut self, stream: Stream, bytes: &[u8]) {
        let directory = self.store.workspace().temporary();
        let side = match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        };
        if side.trouble.is_none()
            && let Err(error) = side.take(bytes, &directory)
        {
            side.trouble = Some(error);
        }
    }
}

struct Side {
    content: Content,
    recorded: Box<dyn Read + Send>,
    /// Number of leading bytes that are equal.
    same: u64,
    buffer: Vec<u8>,
    /// The output from the first difference on.
    tail: Option<File>,
    hasher: Hasher,
    trouble: Option<io::Error>,
}

impl Side {
    fn new(store: &dyn Store, content: Content) -> Result<Self> {
        Ok(Self {
            content,
            recorded: store.read(&content.blob)?,
            same: 0,
            buffer: Vec::new(),
            tail: None,
            hasher: Hasher::new(),
            trouble: None,
        })
    }

    fn take(&mut self, bytes: &[u8], directory: &std::path::Path) -> io::Result<()> {
        self.hasher.update(bytes);
        if let Some(tail) = &mut self.tail {
            return tail.write_all(bytes);
        }
        self.buffer.clear();
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.recorded.by_ref().take(length).read_to_end(&mut self.buffer)?;
        let same = bytes.iter().zip(&self.buffer).take_while(|(one, other)| one == other).count();
        self.same += u64::try_from(same).unwrap_or(0);
        match bytes.get(same..) {
            Some(different) if !different.is_empty() => {
                let tail = tempfile::tempfile_in(directory).or_else(|_| tempfile::tempfile())?;
                self.tail.insert(tail).write_all(different)
            }
            _ => Ok(()),
        }
    }

    fn finish(&mut self, store: &dyn Store) -> Result<(Option<Contrast>, Digest)> {
        if let Some(error) = self.trouble.take() {
            return Err(Error::io("compare", std::path::Path::new("the command's output"), error));
        }
        let digest = self.hasher.finish();
        if self.tail.is_none() && self.same == self.content.size {
            return Ok((None, digest));
        }
        let (blob, same, tail): (BlobId, u64, &Option<File>) = (self.content.blob, self.same, &self.tail);
        let then = || Ok(store.read(&blob)? as Box<dyn Read>);
        let now = || {
            let start = store.read(&blob)?.take(same);
            let unreadable = |error| Error::io("read", std::path::Path::new("the command's output"), error);
            Ok(match tail {
                None => Box::new(start) as Box<dyn Read>,
                Some(tail) => {
                    let mut tail = tail.try_clone().map_err(unreadable)?;
                    // The copies share one offset: each is read to its end before the next one starts.
                    tail.seek(SeekFrom::Start(0)).map_err(unreadable)?;
                    Box::new(start.chain(tail))
                }
            })
        };
        Ok((contrast(&then, &now)?, digest))
    }
}
