//! Runs that are active, as other processes see them: their marks, and what they have written so far.
//!
//! A frame of output: the stream (1 byte, 0 for stdout, 1 for stderr), the number of bytes (4, little endian), the bytes.

use super::local::LocalStore;
use super::running::{Begun, is_held, marks, read};
use crate::record::{Commit, Stream};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

/// Bytes before those of a frame.
const FRAME: usize = 5;

/// What is read at once.
const PIECE: usize = 64 * 1024;

/// Appends a frame of output to `frames`.
pub fn frame(stream: Stream, bytes: &[u8], frames: &mut Vec<u8>) {
    for piece in bytes.chunks(PIECE) {
        frames.push(u8::from(stream == Stream::Stderr));
        frames.extend_from_slice(&u32::try_from(piece.len()).unwrap_or(0).to_le_bytes());
        frames.extend_from_slice(piece);
    }
}

/// Whether a run is in progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunState {
    /// It is.
    Active,
    /// It has ended.
    Ended,
    /// Its process was killed.
    Killed,
}

/// An active run.
#[derive(Debug)]
pub struct Active {
    /// What is known of it before it ends.
    pub commit: Commit,
    /// Its tags.
    pub tags: Vec<(String, String)>,
    /// The process that records it.
    pub process: u32,
    path: PathBuf,
    file: File,
    /// Where the next frame begins.
    next: u64,
}

impl Active {
    fn open(path: PathBuf) -> Option<Self> {
        let file = File::open(&path).ok().filter(|_| is_held(&path))?;
        let (Begun { commit, tags, process, .. }, next) = read(&file)?;
        Some(Self { commit, tags, process: u32::try_from(process).unwrap_or(0), path, file, next })
    }

    /// Whether it is in progress.
    #[must_use]
    pub fn state(&self) -> RunState {
        if is_held(&self.path) {
            RunState::Active
        } else if self.path.exists() {
            RunState::Killed
        } else {
            RunState::Ended
        }
    }

    /// The next bytes that it wrote, from its beginning; `None` where no more are there yet.
    ///
    /// # Errors
    /// When the mark cannot be read.
    pub fn read_next(&mut self) -> io::Result<Option<(Stream, Vec<u8>)>> {
        let mut head = [0; FRAME];
        if !self.fill(self.next, &mut head)? {
            return Ok(None);
        }
        let [stream, length @ ..] = head;
        let length = u32::from_le_bytes(length);
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(usize::MAX).min(PIECE)];
        let start = self.next.saturating_add(FRAME as u64);
        if bytes.is_empty() || !self.fill(start, &mut bytes)? {
            return Ok(None);
        }
        self.next = start.saturating_add(bytes.len() as u64);
        Ok(Some((if stream == 0 { Stream::Stdout } else { Stream::Stderr }, bytes)))
    }

    /// Reads exactly what `into` holds from `place`; `false` where it is not all there.
    fn fill(&self, place: u64, into: &mut [u8]) -> io::Result<bool> {
        match self.file.read_exact_at(into, place) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl LocalStore {
    /// The runs that are active, in no order.
    pub fn all_active(&self) -> Vec<Active> {
        marks(&self.layout().temporary()).filter_map(Active::open).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::layout::tests::empty;
    use super::super::running::mark;
    use super::super::running::tests::draft;
    use super::*;

    fn all(run: &mut Active) -> Vec<(Stream, String)> {
        let mut all = Vec::new();
        while let Some((stream, bytes)) = run.read_next().unwrap() {
            all.push((stream, String::from_utf8(bytes).unwrap()));
        }
        all
    }

    #[test]
    fn what_a_run_wrote_is_read_while_it_goes_on() {
        let (_directory, layout) = empty();
        let running = mark(&layout, &draft()).unwrap();
        let path = marks(&layout.temporary()).next().unwrap();
        let mut active = Active::open(path.clone()).unwrap();
        assert_eq!((active.commit.key, active.process), (draft().commit.key, std::process::id()));
        assert_eq!(all(&mut active), []);
        let mut frames = Vec::new();
        frame(Stream::Stdout, b"one\n", &mut frames);
        frame(Stream::Stderr, b"", &mut frames);
        frame(Stream::Stderr, b"two\n", &mut frames);
        // A frame that is written in part is read when it is whole.
        running.add(&frames[..frames.len() - 2]).unwrap();
        assert_eq!(all(&mut active), [(Stream::Stdout, "one\n".to_owned())]);
        running.add(&frames[frames.len() - 2..]).unwrap();
        assert_eq!(all(&mut active), [(Stream::Stderr, "two\n".to_owned())]);
        assert_eq!(active.state(), RunState::Active);
        let mut other = Active::open(path).unwrap();
        drop(running);
        assert_eq!(all(&mut other).len(), 2);
        assert_eq!(other.state(), RunState::Ended);
    }

    #[test]
    fn a_mark_that_nobody_holds_is_that_of_a_killed_run() {
        let (_directory, layout) = empty();
        let running = mark(&layout, &draft()).unwrap();
        let path = marks(&layout.temporary()).next().unwrap();
        let active = Active::open(path.clone()).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        drop(running);
        std::fs::write(&path, bytes).unwrap();
        assert_eq!(active.state(), RunState::Killed);
        assert!(Active::open(path).is_none());
    }
}
