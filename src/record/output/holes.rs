//! Reading a file with large holes from what is stored of it.

use super::parts::Extent;
use std::io::{self, ErrorKind, Read};
use std::iter::Peekable;
use std::vec::IntoIter;

/// All bytes of a sparse file: those of its extents, and zeros between them.
#[derive(Debug)]
pub struct WithHoles<R> {
    data: R,
    extents: Peekable<IntoIter<Extent>>,
    size: u64,
    place: u64,
}

impl<R: Read> WithHoles<R> {
    /// A file of `size` bytes; `data` gives the bytes of its `extents`, one after the other.
    pub fn new(data: R, extents: Vec<Extent>, size: u64) -> Self {
        Self { data, extents: extents.into_iter().peekable(), size, place: 0 }
    }
}

impl<R: Read> Read for WithHoles<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let place = self.place;
        let is_past = |extent: &Extent| place >= extent.offset.saturating_add(extent.length);
        while self.extents.next_if(is_past).is_some() {}
        let (is_data, end) = match self.extents.peek() {
            Some(extent) if place >= extent.offset => (true, extent.offset.saturating_add(extent.length)),
            Some(extent) => (false, extent.offset),
            None => (false, self.size),
        };
        let left = usize::try_from(end.saturating_sub(place)).unwrap_or(usize::MAX);
        let length = left.min(buffer.len());
        let Some(buffer) = buffer.get_mut(..length) else { return Ok(0) };
        let length = if is_data && length > 0 {
            match self.data.read(buffer)? {
                0 => return Err(ErrorKind::UnexpectedEof.into()),
                length => length,
            }
        } else {
            buffer.fill(0);
            length
        };
        self.place = place.saturating_add(length as u64);
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(extents: &[(u64, u64)], size: u64, data: &[u8]) -> io::Result<Vec<u8>> {
        let extents: Vec<Extent> =
            extents.iter().map(|(offset, length)| Extent { offset: *offset, length: *length }).collect();
        let mut bytes = Vec::new();
        WithHoles::new(data, extents, size).read_to_end(&mut bytes).map(|_| bytes)
    }

    #[test]
    fn holes_are_zeros() {
        assert_eq!(whole(&[], 3, b"").unwrap(), b"\0\0\0");
        assert_eq!(whole(&[(0, 2), (4, 1)], 6, b"abc").unwrap(), b"ab\0\0c\0");
        assert_eq!(whole(&[(3, 3)], 6, b"abc").unwrap(), b"\0\0\0abc");
        assert!(whole(&[(3, 3)], 6, b"ab").is_err());
    }
}
