//! Writes recorded streams to stdout and stderr, in their recorded order.

use super::shown::Shown;
use super::tail::Tail;
use crate::buffer::Buffer;
use crate::error::{Error, Result};
use crate::record::{Stream, StreamOrder};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::io::Read;
use std::os::fd::BorrowedFd;
use std::path::Path;

/// Bytes passed on at a time.
const PIECE: usize = 256 * 1024;

/// How a replay ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Replayed {
    /// Everything was written.
    Whole,
    /// The reader closed the pipe.
    ReaderGone,
}

/// The sources and targets of the two streams.
pub(super) struct Replay<'a> {
    pub(super) stdout: Box<dyn Read + Send>,
    pub(super) stderr: Box<dyn Read + Send>,
    pub(super) to_stdout: BorrowedFd<'a>,
    pub(super) to_stderr: BorrowedFd<'a>,
}

impl Replay<'_> {
    /// Writes everything in `order`, except the part that was `shown` already; also returns how the output ends.
    ///
    /// # Errors
    /// A descriptor does not accept the bytes, or the store cannot provide them.
    pub(super) fn run(self, order: &StreamOrder, shown: Option<&Shown>) -> Result<(Replayed, Tail)> {
        let tail = shown.map(Shown::tail).unwrap_or_default();
        let skipped =
            [Stream::Stdout, Stream::Stderr].map(|stream| shown.map_or(0, |shown| shown.length(stream)));
        self.run_from(order, skipped, tail)
    }

    /// The same, after this many bytes of stdout and stderr were read; `tail` is how these end.
    ///
    /// # Errors
    /// As [`Replay::run`].
    pub(super) fn run_from(
        mut self,
        order: &StreamOrder,
        mut skipped: [u64; 2],
        mut tail: Tail,
    ) -> Result<(Replayed, Tail)> {
        let longest = order.chunks().iter().map(|chunk| chunk.length).max().unwrap_or(0);
        let mut buffer = Buffer::new(usize::try_from(longest).unwrap_or(PIECE).min(PIECE));
        for chunk in order.chunks() {
            let [of_stdout, of_stderr] = &mut skipped;
            let (from, to, skipped, name) = match chunk.stream {
                Stream::Stdout => (&mut self.stdout, self.to_stdout, of_stdout, "standard output"),
                Stream::Stderr => (&mut self.stderr, self.to_stderr, of_stderr, "standard error"),
            };
            let known = chunk.length.min(*skipped);
            *skipped -= known;
            let mut left = chunk.length - known;
            while left > 0 {
                let length = usize::try_from(left).unwrap_or(PIECE).min(buffer.len());
                let Some(piece) = buffer.get_mut(..length) else { break };
                from.read_exact(piece).map_err(|error| Error::io("read recorded", Path::new(name), error))?;
                match write_all(to, piece) {
                    Ok(()) => tail.take(chunk.stream, piece),
                    Err(Errno::EPIPE) => return Ok((Replayed::ReaderGone, tail)),
                    Err(errno) => return Err(Error::io("write to", Path::new(name), errno.into())),
                }
                left -= u64::try_from(length).unwrap_or(left);
            }
        }
        Ok((Replayed::Whole, tail))
    }
}

/// Writes all of `bytes`, and waits if the descriptor is not ready.
pub(super) fn write_all(to: BorrowedFd<'_>, mut bytes: &[u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        match nix::unistd::write(to, bytes) {
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            Err(Errno::EINTR) => {}
            Err(Errno::EAGAIN) => {
                let mut ready = [PollFd::new(to, PollFlags::POLLOUT)];
                match poll(&mut ready, PollTimeout::NONE) {
                    Ok(_) | Err(Errno::EINTR) => {}
                    Err(errno) => return Err(errno),
                }
            }
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}
