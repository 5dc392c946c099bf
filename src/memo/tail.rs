//! How the output of a command ends, for later writes to the same screen.

use crate::buffer::Buffer;
use crate::exec::Recorder;
use crate::record::Stream;

/// The last bytes that were passed on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tail {
    stdout: Option<u8>,
    stderr: Option<u8>,
    last: Option<Stream>,
}

impl Tail {
    /// These bytes came on `stream`.
    pub(super) fn take(&mut self, stream: Stream, bytes: &[u8]) {
        if let Some(byte) = bytes.last() {
            match stream {
                Stream::Stdout => self.stdout = Some(*byte),
                Stream::Stderr => self.stderr = Some(*byte),
            }
            self.last = Some(stream);
        }
    }

    /// Whether the last line on the screen that shows stderr was not ended; `both` says that it shows stdout too.
    #[must_use]
    pub fn is_open(&self, both: bool) -> bool {
        let byte = match self.last {
            Some(Stream::Stdout) if both => self.stdout,
            _ => self.stderr,
        };
        byte.is_some_and(|byte| byte != b'\n')
    }
}

/// Looks at what comes on its way to another recorder.
pub(super) struct Tailing<'a> {
    inner: &'a mut dyn Recorder,
    pub(super) tail: Tail,
}

impl<'a> Tailing<'a> {
    pub(super) fn new(inner: &'a mut dyn Recorder) -> Self {
        Self { inner, tail: Tail::default() }
    }
}

impl Recorder for Tailing<'_> {
    fn chunk(&mut self, stream: Stream, bytes: &[u8]) {
        self.tail.take(stream, bytes);
        self.inner.chunk(stream, bytes);
    }

    fn buffer(&mut self, stream: Stream, buffer: &mut Buffer, length: usize) {
        self.tail.take(stream, buffer.get(..length).unwrap_or_default());
        self.inner.buffer(stream, buffer, length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Stream::{Stderr, Stdout};

    #[test]
    fn a_line_is_open_on_the_screen_that_shows_its_last_byte() {
        let tail = |pieces: &[(Stream, &str)]| {
            let mut tail = Tail::default();
            for (stream, text) in pieces {
                tail.take(*stream, text.as_bytes());
            }
            tail
        };
        for (pieces, both, alone) in [
            (&[][..], false, false),
            (&[(Stdout, "a\n")], false, false),
            (&[(Stdout, "a")], true, false),
            (&[(Stdout, "a"), (Stderr, "b\n")], false, false),
            (&[(Stderr, "b"), (Stdout, "a\n")], false, true),
            (&[(Stderr, "b\n"), (Stdout, "a")], true, false),
            (&[(Stderr, "b"), (Stdout, "")], true, true),
        ] {
            let tail = tail(pieces);
            assert_eq!((tail.is_open(true), tail.is_open(false)), (both, alone), "{pieces:?}");
        }
    }
}
