//! Text without the escape sequences that were meant for a terminal.

use anstream::adapter::StripBytes;
use std::io::{self, Read};

/// Leaves the sequences out of text that comes in pieces.
#[derive(Default)]
pub(super) struct Stripper(StripBytes);

impl Stripper {
    /// What is left of the next piece.
    pub(super) fn strip(&mut self, piece: &[u8]) -> Vec<u8> {
        self.0.strip_next(piece).flatten().copied().collect()
    }
}

/// Reads what is left.
pub(super) struct Stripped<R> {
    from: R,
    stripper: Stripper,
    /// What is left of the last piece, and how much of that was handed out.
    left: Vec<u8>,
    done: usize,
}

impl<R: Read> Stripped<R> {
    /// Of what comes `from` there.
    pub(super) fn new(from: R) -> Self {
        Self { from, stripper: Stripper::default(), left: Vec::new(), done: 0 }
    }
}

impl<R: Read> Read for Stripped<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.done >= self.left.len() {
            let mut piece = [0; 8192];
            let length = self.from.read(&mut piece)?;
            if length == 0 {
                return Ok(0);
            }
            let piece = piece.get(..length).unwrap_or_default();
            self.left = self.stripper.strip(piece);
            self.done = 0;
        }
        let mut rest = self.left.get(self.done..).unwrap_or_default();
        let length = rest.read(into)?;
        self.done += length;
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hands out one byte at a time.
    struct Slow<'a>(&'a [u8]);

    impl Read for Slow<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let some = into.len().min(1);
            self.0.read(&mut into[..some])
        }
    }

    #[test]
    fn escape_sequences_are_left_out_wherever_they_are_cut() {
        let text = b"\x1b[1mbold\x1b[0m \x1b]0;title\x07plain\r\n\x1b[38;5;1mred";
        let mut left = String::new();
        Stripped::new(Slow(text)).read_to_string(&mut left).unwrap();
        assert_eq!(left, "bold plain\r\nred");
    }
}
