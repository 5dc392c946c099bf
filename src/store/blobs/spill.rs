//! Writes a large blob to a temporary file: a second thread digests and writes the buffers that arrive.

use super::Blobs;
use crate::buffer::Buffer;
use crate::digest::{Digest, Hasher};
use crate::store::files::new_temporary;
use std::fs::File;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;
use tempfile::TempPath;

/// Size of the buffers that the second thread receives, in bytes.
const BUFFER: usize = 256 << 10;

/// Maximum number of buffers in flight.
const BUFFERS: usize = 16;

/// A large blob that is being written. Its file is locked, so that collection does not delete it.
pub(super) struct Spill {
    path: TempPath,
    sink: Sink,
}

/// A buffer and its number of valid bytes.
type Filled = (Buffer, usize);

enum Sink {
    Thread {
        full: SyncSender<Filled>,
        empty: Receiver<Buffer>,
        /// Small pieces are gathered here: this many bytes.
        buffer: Buffer,
        gathered: usize,
        thread: thread::JoinHandle<io::Result<(File, Digest)>>,
    },
    /// Writing on the calling thread, where no thread could be started.
    Direct(File, Box<Hasher>),
    /// Writing failed.
    Broken,
}

impl Spill {
    /// Starts with `bytes`, which `digested` already covers.
    pub(super) fn begin(blobs: &Blobs, digested: Hasher, bytes: Vec<u8>) -> io::Result<Self> {
        let (file, path) = new_temporary(&blobs.layout.temporary())?.into_parts();
        file.lock()?;
        let direct = file.try_clone()?;
        let (full, take) = sync_channel(BUFFERS);
        let (give, empty) = channel();
        let begun = Arc::new((digested, bytes));
        let first = Arc::clone(&begun);
        let drain = move || {
            let hasher = write_first(&file, &first)?;
            drop(first);
            drain(file, hasher, &take, &give)
        };
        let thread = thread::Builder::new().name("blob".to_owned()).spawn(drain);
        let sink = if let Ok(thread) = thread {
            Sink::Thread { full, empty, buffer: Buffer::empty(), gathered: 0, thread }
        } else {
            let hasher = write_first(&direct, &begun)?;
            Sink::Direct(direct, Box::new(hasher))
        };
        Ok(Self { path, sink })
    }

    pub(super) fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        match &mut self.sink {
            Sink::Broken => return Err(io::Error::other("the blob could not be written before")),
            Sink::Direct(file, hasher) => {
                hasher.update(bytes);
                return file.write_all(bytes);
            }
            Sink::Thread { full, empty, buffer, gathered, .. } => {
                while !bytes.is_empty() {
                    buffer.resize(BUFFER);
                    let room = buffer.get_mut(*gathered..).unwrap_or_default();
                    let (now, later) = bytes.split_at_checked(room.len()).unwrap_or((bytes, &[]));
                    if let Some(room) = room.get_mut(..now.len()) {
                        room.copy_from_slice(now);
                    }
                    *gathered += now.len();
                    bytes = later;
                    if *gathered >= BUFFER {
                        let next = empty.try_recv().unwrap_or_default();
                        if full.send((std::mem::replace(buffer, next), *gathered)).is_err() {
                            break;
                        }
                        *gathered = 0;
                    }
                }
                if bytes.is_empty() {
                    return Ok(());
                }
            }
        }
        Err(self.failure())
    }

    /// Takes a buffer with `length` valid bytes by swapping it for an empty one of the same size.
    pub(super) fn take(&mut self, given: &mut Buffer, length: usize) -> io::Result<()> {
        let Sink::Thread { full, empty, buffer, gathered, .. } = &mut self.sink else {
            return self.write(given.get(..length).unwrap_or_default());
        };
        let mut next = empty.try_recv().unwrap_or_default();
        next.resize(given.len());
        let before = std::mem::take(gathered);
        let sent = (before == 0 || full.send((std::mem::take(buffer), before)).is_ok())
            && full.send((std::mem::replace(given, next), length)).is_ok();
        if sent { Ok(()) } else { Err(self.failure()) }
    }

    /// The error that ended the thread.
    fn failure(&mut self) -> io::Error {
        match self.end() {
            Ok(_) => io::Error::other("the blob could not be written"),
            Err(error) => error,
        }
    }

    /// Waits until everything is written.
    fn end(&mut self) -> io::Result<(File, Digest)> {
        match std::mem::replace(&mut self.sink, Sink::Broken) {
            Sink::Broken => Err(io::Error::other("the blob could not be written before")),
            Sink::Direct(file, hasher) => Ok((file, hasher.finish())),
            Sink::Thread { full, buffer, gathered, thread, .. } => {
                // If the thread has failed, joining it returns the error.
                let _ = full.send((buffer, gathered));
                drop(full);
                thread.join().unwrap_or_else(|_| Err(io::Error::other("the writing thread died")))
            }
        }
    }

    pub(super) fn finish(mut self) -> io::Result<(TempPath, File, Digest)> {
        let (file, digest) = self.end()?;
        Ok((self.path, file, digest))
    }
}

fn write_first(mut file: &File, (digested, bytes): &(Hasher, Vec<u8>)) -> io::Result<Hasher> {
    file.write_all(bytes)?;
    Ok(digested.clone())
}

/// The second thread: digests each buffer right after writing it, while it is in the core's cache.
fn drain(
    mut file: File,
    mut hasher: Hasher,
    full: &Receiver<Filled>,
    empty: &Sender<Buffer>,
) -> io::Result<(File, Digest)> {
    for (buffer, length) in full {
        let bytes = buffer.get(..length).unwrap_or_default();
        hasher.update(bytes);
        file.write_all(bytes)?;
        // The receiver is gone once the last buffer was sent.
        let _ = empty.send(buffer);
    }
    Ok((file, hasher.finish()))
}
