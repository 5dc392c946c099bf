//! Copying large files in the kernel, which shares blocks where the file system can, on all cores.
//!
//! Knows nothing of blobs.

use super::segments::{ONE_THREAD, threads};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::thread;

/// What is read and written at a time where the kernel cannot copy.
const BUFFER: usize = 256 << 10;

/// Copies the first `size` bytes of `from` to the same places of `to`. No offset moves.
///
/// # Errors
/// When one cannot be read, the other not written, or `from` is shorter.
pub fn copy_file(from: &File, to: &File, size: u64) -> io::Result<()> {
    if size <= ONE_THREAD {
        return copy_range(from, to, 0, size);
    }
    let parts = threads() as u64;
    // Whole pages for each.
    let length = (size.div_ceil(parts) + 0xffff) & !0xffff;
    thread::scope(|scope| {
        let work = |part: u64| {
            let offset = part.saturating_mul(length);
            copy_range(from, to, offset, size.saturating_sub(offset).min(length))
        };
        let started: Vec<_> = (1..parts)
            .map(|part| (part, thread::Builder::new().spawn_scoped(scope, move || work(part))))
            .collect();
        let mut all = work(0);
        for (part, thread) in started {
            let done = match thread {
                Ok(thread) => {
                    thread.join().unwrap_or_else(|_| Err(io::Error::other("a copying thread died")))
                }
                Err(_) => work(part),
            };
            all = all.and(done);
        }
        all
    })
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
            // Another file system, or one that cannot.
            Err(_) => return copy_by_hand(from, to, read, end),
        }
    }
    Ok(())
}

fn copy_by_hand(from: &File, to: &File, mut offset: u64, end: u64) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
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

    #[test]
    fn any_size_arrives_whole() {
        let directory = tempfile::tempdir().unwrap();
        let border = usize::try_from(ONE_THREAD).unwrap();
        for size in [0, 1, 70_000, border, border + 1, 2 * border + 12_345] {
            let byte = |place: usize| u8::try_from((place * 31 + place / 997) % 256).unwrap();
            let bytes: Vec<u8> = (0..size).map(byte).collect();
            let (from, to) = (directory.path().join("from"), directory.path().join("to"));
            std::fs::write(&from, &bytes).unwrap();
            copy_file(&File::open(&from).unwrap(), &File::create(&to).unwrap(), size as u64).unwrap();
            assert!(std::fs::read(&to).unwrap() == bytes, "{size}");
            let by_hand = File::create(&to).unwrap();
            copy_by_hand(&File::open(&from).unwrap(), &by_hand, 0, size as u64).unwrap();
            assert!(std::fs::read(&to).unwrap() == bytes, "{size} by hand");
        }
    }

    #[test]
    fn a_file_that_is_shorter_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let from = directory.path().join("from");
        std::fs::write(&from, [7; 100]).unwrap();
        let to = File::create(directory.path().join("to")).unwrap();
        let error = copy_file(&File::open(&from).unwrap(), &to, 101).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
