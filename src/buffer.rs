//! Large buffers for reading and writing files.

use std::ops::{Deref, DerefMut};

/// Alignment of a buffer's first byte: a cache line.
const LINE: usize = 64;

/// Bytes that begin at a multiple of 64. What they hold after [`Buffer::resize`] is not defined.
///
/// The C library places each allocation of 128 KiB or more 16 bytes after the start of a page. Some processors (AMD's Zen 3
/// and 4) copy to there from the start of a page, as `read` does, at a fifth of their usual speed: a `read` of 1 GiB from
/// memory takes 0.7 s in place of 0.13 s. Writing from the start of a page can be slow too; writing from here is not.
#[derive(Debug, Default)]
pub struct Buffer {
    bytes: Vec<u8>,
    start: usize,
    length: usize,
}

impl Buffer {
    /// A buffer of no bytes.
    #[must_use]
    pub const fn empty() -> Self {
        Self { bytes: Vec::new(), start: 0, length: 0 }
    }

    /// A buffer of `length` bytes. Memory that is not used is not touched.
    #[must_use]
    pub fn new(length: usize) -> Self {
        let bytes = vec![0; length.saturating_add(LINE)];
        let start = bytes.as_ptr().align_offset(LINE).min(LINE);
        Self { bytes, start, length }
    }

    /// Gives the buffer another length, in bytes. Memory is only taken where it was never as long before.
    pub fn resize(&mut self, length: usize) {
        if self.start.saturating_add(length) > self.bytes.len() {
            *self = Self::new(length);
        } else {
            self.length = length;
        }
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes.get(self.start..self.start + self.length).unwrap_or_default()
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        self.bytes.get_mut(self.start..self.start + self.length).unwrap_or_default()
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_begins_at_a_cache_line() {
        let mut buffer = Buffer::default();
        assert!(buffer.is_empty());
        for length in [1, 64, 5000, 200_000, 100, 0, 1 << 20, (1 << 20) + 1] {
            buffer.resize(length);
            assert_eq!(buffer.len(), length);
            assert!(length == 0 || buffer.as_ptr().addr().is_multiple_of(LINE), "{length}");
            buffer.fill(7);
            assert!(buffer.iter().all(|byte| *byte == 7));
        }
        assert_eq!(Buffer::new(300_000).len(), 300_000);
    }
}
