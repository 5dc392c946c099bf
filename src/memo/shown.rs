//! The output of an identical run that was shown while a call waited for it: compared with the result when the run has ended.

use super::tail::Tail;
use crate::digest::Hasher;
use crate::record::{Commit, Stream, Timestamp};
use std::io::Read;

/// How much of the output of a run was shown.
pub(super) struct Shown {
    /// When the run began.
    pub(super) started: Timestamp,
    stdout: Part,
    stderr: Part,
    tail: Tail,
}

#[derive(Default)]
struct Part {
    length: u64,
    hasher: Hasher,
}

impl Shown {
    /// Nothing yet, of a run that began at `started`.
    pub(super) fn new(started: Timestamp) -> Self {
        Self { started, stdout: Part::default(), stderr: Part::default(), tail: Tail::default() }
    }

    const fn part(&self, stream: Stream) -> &Part {
        match stream {
            Stream::Stdout => &self.stdout,
            Stream::Stderr => &self.stderr,
        }
    }

    /// `bytes` of `stream` were shown.
    pub(super) fn took(&mut self, stream: Stream, bytes: &[u8]) {
        let part = match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        };
        part.length = part.length.saturating_add(bytes.len() as u64);
        part.hasher.update(bytes);
        self.tail.take(stream, bytes);
    }

    /// How many bytes of `stream` were shown.
    pub(super) const fn length(&self, stream: Stream) -> u64 {
        self.part(stream).length
    }

    /// How what was shown ends.
    pub(super) const fn tail(&self) -> Tail {
        self.tail
    }

    /// Whether it is the start of what `commit` wrote to stdout and stderr. Reads that much of each.
    pub(super) fn is_start_of(&self, commit: &Commit, streams: &mut [Box<dyn Read + Send>; 2]) -> bool {
        if commit.started != self.started {
            return false;
        }
        let mut both = streams.iter_mut().zip([&self.stdout, &self.stderr]);
        both.all(|(from, part)| {
            let (mut left, mut hasher, mut piece) = (part.length, Hasher::new(), vec![0; 64 * 1024]);
            while left > 0 {
                let length = usize::try_from(left).unwrap_or(usize::MAX).min(piece.len());
                let Some(piece) = piece.get_mut(..length) else { return false };
                if from.read_exact(piece).is_err() {
                    return false;
                }
                hasher.update(piece);
                left -= length as u64;
            }
            hasher.finish() == part.hasher.finish()
        })
    }
}
