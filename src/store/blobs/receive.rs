//! Blobs that arrive from elsewhere: other threads follow the one that writes the file, digest what has arrived, and write the
//! copy that will be the output.
//!
//! Without this, a large output would be written, read for its digest, and copied one after the other; together they take
//! about as long as the arrival.

use super::read::{SEGMENT, digest_of_file};
use super::segments::{self, Scratch};
use super::{Blobs, SMALL};
use crate::digest::BlobId;
use crate::error::{Error, Result};
use crate::record::Content;
use crate::store::files::new_temporary;
use crate::store::lock::hold;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How long a thread sleeps until it looks again for more bytes.
const PAUSE: Duration = Duration::from_micros(500);

/// How the bytes of a blob arrived in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// They did not.
    Nothing,
    /// Each byte was written once.
    Once,
    /// Some were written again.
    Again,
}

impl Arrival {
    /// `is_again`: some bytes were written again.
    #[must_use]
    pub const fn of(is_there: bool, is_again: bool) -> Self {
        match (is_there, is_again) {
            (false, _) => Self::Nothing,
            (true, false) => Self::Once,
            (true, true) => Self::Again,
        }
    }
}

/// Writes the bytes of a blob to an empty file, from the first to the last.
pub type Bring<'b> = &'b mut dyn FnMut(&File) -> Arrival;

impl Blobs {
    /// Stores a blob of `size` bytes that `bring` writes to an empty file, from the first to the last. `None` where nothing
    /// arrives. With `wants_spare`, [`Blobs::take_spare`] has a second copy of a large blob, unless the file system shares
    /// blocks, which makes copies as fast.
    ///
    /// # Errors
    /// When writing to the store fails, or another number of bytes arrives.
    pub(crate) fn receive(&self, size: u64, wants_spare: bool, bring: Bring<'_>) -> Result<Option<Content>> {
        let directory = self.layout.temporary();
        let failed = |error| Error::io("write to", &directory, error);
        if size <= SMALL as u64 {
            let file = tempfile::tempfile_in(&directory).map_err(failed)?;
            return match bring(&file) {
                Arrival::Nothing => Ok(None),
                _ => self.put_file(&file, b"").map(|(content, _)| Some(content)),
            };
        }
        let arriving = new_temporary(&directory).map_err(failed)?;
        let file = arriving.as_file();
        file.lock().map_err(failed)?;
        let mut second = if wants_spare { Second::beside(file, &directory) } else { None };
        let (has_ended, mut arrival) = (AtomicBool::new(false), Arrival::Nothing);
        let lead = || {
            arrival = bring(file);
            has_ended.store(true, Ordering::Release);
            if arrival == Arrival::Once { Ok(()) } else { Err(io::ErrorKind::Interrupted.into()) }
        };
        let digest = segments::digest_behind(size, SEGMENT, lead, |index, length, scratch: &mut Scratch| {
            let offset = index.saturating_mul(SEGMENT);
            wait_for(file, offset.saturating_add(length as u64), &has_ended)?;
            scratch.bytes.resize(length);
            file.read_exact_at(&mut scratch.bytes, offset)?;
            if let Some(second) = &second {
                second.write(&scratch.bytes, offset);
            }
            Ok(())
        });
        let digest = match arrival {
            Arrival::Nothing => return Ok(None),
            Arrival::Once => digest,
            Arrival::Again => {
                // What was digested and copied may be other bytes.
                second = None;
                digest_of_file(file, size)
            }
        };
        let found = file.metadata().map_err(failed)?.len();
        if found != size {
            return Err(failed(io::Error::other(format!("{found} bytes arrived, not {size}"))));
        }
        let digest = digest.map_err(failed)?;
        if let Some(spare) = second.and_then(Second::whole) {
            hold(&self.spares).insert(BlobId(digest), spare);
        }
        let (file, path) = arriving.into_parts();
        self.place_file(digest, size, path, &file).map(Some)
    }

    /// The second copy of a blob that this process received, once: a file without a name, which may be linked where it is an output.
    pub(crate) fn take_spare(&self, blob: &BlobId) -> Option<File> {
        hold(&self.spares).remove(blob)
    }
}

/// A second copy in the making. It has no name, so that nothing is left of it, however this process ends. Where it cannot be
/// written, the blob is copied later.
struct Second {
    file: File,
    has_failed: AtomicBool,
}

impl Second {
    /// `None` where the file system shares blocks, or has no files without names.
    fn beside(arriving: &File, directory: &Path) -> Option<Self> {
        let file = nameless(directory)?;
        (!shares_blocks(arriving, &file)).then(|| Self { file, has_failed: AtomicBool::new(false) })
    }

    fn write(&self, bytes: &[u8], offset: u64) {
        if !self.has_failed.load(Ordering::Relaxed) && self.file.write_all_at(bytes, offset).is_err() {
            self.has_failed.store(true, Ordering::Relaxed);
        }
    }

    fn whole(self) -> Option<File> {
        (!self.has_failed.into_inner()).then_some(self.file)
    }
}

/// A file that gets a name later, if ever. (`tempfile` makes files that never get one.)
#[cfg(target_os = "linux")]
fn nameless(directory: &Path) -> Option<File> {
    use rustix::fs::{CWD, Mode, OFlags, openat};
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    openat(CWD, directory, flags, Mode::RUSR | Mode::WUSR).ok().map(File::from)
}

#[cfg(not(target_os = "linux"))]
fn nameless(_directory: &Path) -> Option<File> {
    None
}

#[cfg(target_os = "linux")]
fn shares_blocks(empty: &File, other: &File) -> bool {
    rustix::fs::ioctl_ficlone(other, empty).is_ok()
}

#[cfg(not(target_os = "linux"))]
fn shares_blocks(_empty: &File, _other: &File) -> bool {
    false
}

/// Waits until a file has this many bytes.
fn wait_for(file: &File, bytes: u64, has_ended: &AtomicBool) -> io::Result<()> {
    loop {
        // In this order: what arrived before the end is seen.
        let ended = has_ended.load(Ordering::Acquire);
        if file.metadata()?.len() >= bytes {
            return Ok(());
        }
        if ended {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        std::thread::sleep(PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;
    use crate::store::layout::tests::empty;
    use std::io::{Read, Write};

    const LARGE: usize = SMALL + 12_345;

    fn blobs() -> (tempfile::TempDir, Blobs) {
        let (folder, layout) = empty();
        std::fs::create_dir_all(layout.temporary()).unwrap();
        (folder, Blobs::new(layout, false))
    }

    fn bytes(size: usize) -> Vec<u8> {
        (0..size).map(|at| u8::try_from(at * 31 % 251).unwrap()).collect()
    }

    /// Writes in pieces, slowly enough for the threads to wait.
    fn send(mut file: &File, bytes: &[u8]) {
        for (number, piece) in bytes.chunks(700_000).enumerate() {
            file.write_all(piece).unwrap();
            if number % 4 == 0 {
                std::thread::sleep(PAUSE * 3);
            }
        }
    }

    fn left(blobs: &Blobs) -> usize {
        let names =
            std::fs::read_dir(blobs.layout.temporary()).unwrap().map(|entry| entry.unwrap().file_name());
        names.filter(|name| name.as_encoded_bytes().starts_with(b"blob-")).count()
    }

    #[test]
    fn what_arrives_is_stored_and_the_spare_copy_has_the_same_bytes() {
        for size in [0, 10, SMALL, SMALL + 1, LARGE, 3 * LARGE] {
            let ((_folder, blobs), bytes) = (blobs(), bytes(size));
            let content = blobs.receive(size as u64, true, &mut |file| {
                send(file, &bytes);
                Arrival::Once
            });
            let content = content.unwrap().unwrap();
            assert_eq!(content, Content { blob: BlobId(Digest::of(&bytes)), size: size as u64 });
            let mut stored = Vec::new();
            blobs.read(&content.blob).unwrap().read_to_end(&mut stored).unwrap();
            assert!(stored == bytes, "{size}");
            let spare = blobs.take_spare(&content.blob);
            assert!(spare.is_none() || size > SMALL);
            if let Some(spare) = spare {
                let mut copied = vec![0; size];
                spare.read_exact_at(&mut copied, 0).unwrap();
                assert!(copied == bytes && spare.metadata().unwrap().len() == size as u64, "{size}");
            }
            assert!(blobs.take_spare(&content.blob).is_none());
            assert_eq!(left(&blobs), 0, "{size}");
        }
    }

    #[test]
    fn what_is_written_again_is_digested_again() {
        let (folder, blobs) = blobs();
        let (first, second) = (vec![1; LARGE], bytes(LARGE));
        let content = blobs.receive(LARGE as u64, true, &mut |file| {
            send(file, &first[..LARGE / 2]);
            file.set_len(0).unwrap();
            std::thread::sleep(PAUSE * 3);
            file.write_all_at(&second, 0).unwrap();
            Arrival::Again
        });
        let content = content.unwrap().unwrap();
        assert_eq!(content.blob, BlobId(Digest::of(&second)));
        assert_eq!(blobs.verify(&content.blob).unwrap(), LARGE as u64);
        assert!(blobs.take_spare(&content.blob).is_none());
        assert_eq!(left(&blobs), 0);
        drop(folder);
    }

    #[test]
    fn what_does_not_arrive_whole_leaves_nothing() {
        let ((_folder, blobs), bytes) = (blobs(), bytes(LARGE));
        let refused = blobs.receive(LARGE as u64, true, &mut |file| {
            send(file, &bytes[..LARGE / 2]);
            Arrival::Nothing
        });
        assert!(refused.unwrap().is_none());
        for length in [LARGE / 2, LARGE - 1] {
            let short = blobs.receive(LARGE as u64, true, &mut |file| {
                send(file, &bytes[..length]);
                Arrival::Once
            });
            assert!(short.is_err(), "{length}");
        }
        let long = blobs.receive(LARGE as u64 - 1, true, &mut |file| {
            send(file, &bytes);
            Arrival::Once
        });
        assert!(long.is_err());
        assert_eq!(left(&blobs), 0);
    }
}
