//! Copies large files in the kernel, which shares blocks where the file system can, and digests the copy meanwhile.
//!
//! File systems let only one thread at a time write to a file. So one thread copies, and the others follow it and digest
//! what is already in the copy.

use super::read::SEGMENT;
use super::segments::{self, Scratch};
use crate::buffer::Buffer;
use crate::digest::Digest;
use crate::store::lock::hold;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::{Condvar, Mutex, PoisonError};

/// Buffer size where the kernel cannot copy, in bytes.
const BUFFER: usize = 256 << 10;

/// Bytes copied per step while other threads follow.
const STEP: u64 = 4 << 20;

/// Copies the first `size` bytes of `from` to the same offsets of `to`, which is empty. No file offset moves.
///
/// # Errors
/// When `from` cannot be read, `to` cannot be written, or `from` is shorter than `size`.
pub fn copy_file(from: &File, to: &File, size: u64) -> io::Result<()> {
    if is_shared(from, to, size)? { Ok(()) } else { copy_range(from, to, 0, size) }
}

/// Like [`copy_file`], and returns the digest of the bytes in `to`, even if `from` changes meanwhile. Calls `see` with every
/// piece and its offset, from any thread.
pub(super) fn copy_digesting(
    from: &File,
    to: &File,
    size: u64,
    see: &(dyn Fn(u64, &[u8]) -> io::Result<()> + Sync),
) -> io::Result<Digest> {
    let progress = Progress::default();
    let copy = || {
        let leader = Leader(&progress);
        if is_shared(from, to, size)? {
            leader.reach(size);
            return Ok(());
        }
        let mut offset = 0;
        while offset < size {
            let length = (size - offset).min(STEP);
            copy_range(from, to, offset, length)?;
            offset += length;
            leader.reach(offset);
        }
        Ok(())
    };
    segments::digest_behind(size, SEGMENT, copy, |index, length, scratch: &mut Scratch| {
        let offset = index.saturating_mul(SEGMENT);
        progress.wait_for(offset.saturating_add(length as u64))?;
        scratch.bytes.resize(length);
        to.read_exact_at(&mut scratch.bytes, offset)?;
        see(offset, &scratch.bytes)
    })
}

/// Progress of a copy, shared between threads.
#[derive(Default)]
struct Progress {
    /// Bytes copied so far, and whether the copy has ended.
    state: Mutex<(u64, bool)>,
    moved: Condvar,
}

impl Progress {
    /// Waits until this many bytes are copied.
    fn wait_for(&self, bytes: u64) -> io::Result<()> {
        let mut state = hold(&self.state);
        while state.0 < bytes {
            if state.1 {
                return Err(io::Error::other("the copy was not finished"));
            }
            state = self.moved.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        Ok(())
    }
}

/// The copying thread. Dropping it, for any reason, wakes all waiting threads.
struct Leader<'a>(&'a Progress);

impl Leader<'_> {
    fn reach(&self, bytes: u64) {
        hold(&self.0.state).0 = bytes;
        self.0.moved.notify_all();
    }
}

impl Drop for Leader<'_> {
    fn drop(&mut self) {
        hold(&self.0.state).1 = true;
        self.0.moved.notify_all();
    }
}

/// Clones the blocks of `from` into `to` where the file system can; returns whether it did.
#[cfg(target_os = "linux")]
fn is_shared(from: &File, to: &File, size: u64) -> io::Result<bool> {
    if size <= STEP || rustix::fs::ioctl_ficlone(to, from).is_err() {
        return Ok(false);
    }
    // A clone shares all of `from`, whose length may have changed.
    if to.metadata()?.len() < size {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    to.set_len(size).map(|()| true)
}

#[cfg(not(target_os = "linux"))]
fn is_shared(_from: &File, _to: &File, _size: u64) -> io::Result<bool> {
    Ok(false)
}

fn copy_range(from: &File, to: &File, offset: u64, length: u64) -> io::Result<()> {
    let end = offset.saturating_add(length);
    let (mut read, mut written) = (offset, offset);
    while read < end {
        let left = usize::try_from(end - read).unwrap_or(usize::MAX).min(1 << 30);
        match rustix::fs::copy_file_range(from, Some(&mut read), to, Some(&mut written), left) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::NOSPC) => return Err(rustix::io::Errno::NOSPC.into()),
            // The files are on different file systems, or this one cannot copy in the kernel.
            Err(_) => return copy_by_hand(from, to, read, end),
        }
    }
    Ok(())
}

fn copy_by_hand(from: &File, to: &File, mut offset: u64, end: u64) -> io::Result<()> {
    let mut buffer = Buffer::new(BUFFER);
    while offset < end {
        let room = usize::try_from(end - offset).unwrap_or(BUFFER).min(BUFFER);
        let piece = buffer.get_mut(..room).unwrap_or_default();
        let count = match from.read_at(piece, offset) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        to.write_all_at(piece.get(..count).unwrap_or_default(), offset)?;
        offset += count as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::blobs::segments::ONE_THREAD;

    /// Creates a file for writing and reading.
    fn create(path: &std::path::Path) -> File {
        File::options().read(true).write(true).create(true).truncate(true).open(path).unwrap()
    }

    #[test]
    fn any_size_arrives_whole() {
        let directory = tempfile::tempdir().unwrap();
        let border = usize::try_from(ONE_THREAD).unwrap();
        for size in [0, 1, 70_000, border, border + 1, 2 * border + 12_345] {
            let byte = |place: usize| u8::try_from((place * 31 + place / 997) % 256).unwrap();
            let bytes: Vec<u8> = (0..size).map(byte).collect();
            let (from, to) = (directory.path().join("from"), directory.path().join("to"));
            std::fs::write(&from, &bytes).unwrap();
            copy_file(&File::open(&from).unwrap(), &create(&to), size as u64).unwrap();
            assert!(std::fs::read(&to).unwrap() == bytes, "{size}");
            copy_by_hand(&File::open(&from).unwrap(), &create(&to), 0, size as u64).unwrap();
            assert!(std::fs::read(&to).unwrap() == bytes, "{size} by hand");
            let seen = Mutex::new(0);
            let see = |_: u64, piece: &[u8]| {
                *hold(&seen) += piece.len();
                Ok(())
            };
            let digest = copy_digesting(&File::open(&from).unwrap(), &create(&to), size as u64, &see);
            assert_eq!((digest.unwrap(), *hold(&seen)), (Digest::of(&bytes), size), "{size}, digesting");
            assert!(std::fs::read(&to).unwrap() == bytes, "{size}, digesting");
        }
    }

    #[test]
    fn a_shorter_file_is_an_error_and_no_thread_waits_for_the_rest() {
        let directory = tempfile::tempdir().unwrap();
        let from = directory.path().join("from");
        let size = 3 * usize::try_from(ONE_THREAD).unwrap();
        std::fs::write(&from, vec![7; size]).unwrap();
        let (from, to) = (File::open(&from).unwrap(), create(&directory.path().join("to")));
        let error = copy_file(&from, &to, size as u64 + 1).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        let error = copy_digesting(&from, &to, size as u64 + STEP, &|_, _| Ok(())).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn the_digest_is_of_the_copy_whatever_becomes_of_the_source() {
        let directory = tempfile::tempdir().unwrap();
        let (from, to) = (directory.path().join("from"), directory.path().join("to"));
        let size = 4 * usize::try_from(ONE_THREAD).unwrap();
        std::fs::write(&from, vec![0; size]).unwrap();
        let writer = File::options().write(true).open(&from).unwrap();
        let over = std::sync::atomic::AtomicBool::new(false);
        let digest = std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut byte = 0_u8;
                while !over.load(std::sync::atomic::Ordering::Relaxed) {
                    byte = byte.wrapping_add(1);
                    writer.write_all_at(&[byte; 4096], u64::from(byte) << 17).unwrap();
                }
            });
            let digest =
                copy_digesting(&File::open(&from).unwrap(), &create(&to), size as u64, &|_, _| Ok(()));
            over.store(true, std::sync::atomic::Ordering::Relaxed);
            digest.unwrap()
        });
        assert_eq!(digest, Digest::of(&std::fs::read(&to).unwrap()));
    }
}
