//! Bytes that wait for a slow reader: some in memory, the rest in a file without a name.

use std::collections::VecDeque;
use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Maximum number of bytes in memory.
const MEMORY: usize = 256 * 1024;
/// Maximum number of bytes on disk.
const MOST: u64 = 1 << 30;
/// What is read from the file at once.
const PIECE: usize = 64 * 1024;

/// Bytes that wait, first in first out.
#[derive(Default)]
pub(super) struct Spool {
    head: VecDeque<u8>,
    /// The directory of the file. Without one, or where creating the file fails, all bytes wait in memory.
    directory: Option<PathBuf>,
    file: Option<File>,
    /// The part of the file that waits, after what is in memory.
    start: u64,
    end: u64,
}

impl fmt::Debug for Spool {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "Spool({} bytes)", self.head.len() as u64 + self.end - self.start)
    }
}

impl Spool {
    /// An empty one, whose file is made in `directory`.
    pub(super) fn new(directory: Option<&Path>) -> Self {
        Self { directory: directory.map(Path::to_path_buf), ..Self::default() }
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.head.is_empty() && self.start == self.end
    }

    /// Whether no more should be added before something was taken.
    pub(super) fn is_full(&self) -> bool {
        let most = if self.directory.is_some() { MOST } else { 0 };
        self.end - self.start >= most && self.head.len() >= MEMORY
    }

    /// Adds `bytes` at the end.
    pub(super) fn add(&mut self, bytes: &[u8]) {
        let fits = self.start == self.end && self.head.len() + bytes.len() <= MEMORY;
        if fits || self.write(bytes).is_err() {
            // They come after what the file holds, so that becomes the memory's.
            let rest = self.read_all().unwrap_or_default();
            self.head.extend(rest);
            self.head.extend(bytes);
        }
    }

    /// Writes `bytes` at the end of the file.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let written = self.write_to_file(bytes);
        match written {
            Ok(()) => self.end += bytes.len() as u64,
            // The disk is full. There is no second attempt.
            Err(_) => self.directory = None,
        }
        written
    }

    fn write_to_file(&mut self, bytes: &[u8]) -> io::Result<()> {
        let directory = self.directory.as_ref().ok_or(io::ErrorKind::StorageFull)?;
        let file = match &self.file {
            Some(file) => file,
            None => self.file.insert(tempfile::tempfile_in(directory)?),
        };
        file.write_all_at(bytes, self.end)
    }

    /// All that waits in the file, which is empty then.
    fn read_all(&mut self) -> io::Result<Vec<u8>> {
        let mut rest = vec![0; usize::try_from(self.end - self.start).unwrap_or(0)];
        if let Some(file) = &self.file {
            file.read_exact_at(&mut rest, self.start)?;
        }
        (self.start, self.end) = (0, 0);
        Ok(rest)
    }

    /// The next bytes, at most what memory holds in one piece; empty only where nothing waits.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(super) fn next(&mut self) -> io::Result<&[u8]> {
        if self.head.is_empty()
            && let Some(file) = &self.file
            && self.start < self.end
        {
            let length = usize::try_from(self.end - self.start).unwrap_or(PIECE).min(PIECE);
            let mut piece = vec![0; length];
            file.read_exact_at(&mut piece, self.start)?;
            self.start += length as u64;
            self.head = piece.into();
            if self.start == self.end {
                // Frees the room on the disk. If that fails, only room is lost.
                let _ = file.set_len(0);
                (self.start, self.end) = (0, 0);
            }
        }
        Ok(self.head.as_slices().0)
    }

    /// The first `length` bytes of [`Spool::next`] need not wait any longer.
    pub(super) fn taken(&mut self, length: usize) {
        self.head.drain(..length.min(self.head.len()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_out_as_they_went_in() {
        let folder = tempfile::tempdir().unwrap();
        let mut spool = Spool::new(Some(folder.path()));
        let (mut given, mut got) = (Vec::new(), Vec::new());
        let mut seed = 7_u32;
        for round in 0..400 {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let piece = vec![u8::try_from(round % 251).unwrap(); (seed >> 12) as usize % 20_000];
            given.extend_from_slice(&piece);
            spool.add(&piece);
            if round % 3 == 0 {
                let length = spool.next().unwrap().len().min((seed >> 8) as usize % 9_000);
                got.extend_from_slice(&spool.next().unwrap()[..length]);
                spool.taken(length);
            }
        }
        while !spool.is_empty() {
            let next = spool.next().unwrap().to_vec();
            got.extend_from_slice(&next);
            spool.taken(next.len());
        }
        assert!(given == got, "{} bytes in, {} out", given.len(), got.len());
        assert_eq!(spool.file.unwrap().metadata().unwrap().len(), 0);
    }

    #[test]
    fn where_nothing_can_be_written_it_waits_in_memory() {
        let gone = Path::new("/nowhere/at/all");
        for directory in [None, Some(gone)] {
            let mut spool = Spool::new(directory);
            for byte in 0..4 {
                spool.add(&vec![byte; MEMORY]);
            }
            assert!(spool.is_full());
            for byte in 0..4 {
                assert!(spool.head.drain(..MEMORY).all(|got| got == byte));
            }
            assert!(spool.is_empty());
        }
    }
}
