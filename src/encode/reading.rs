//! Decoding: accepts only what encoding produces, allocates no more than the input could fill, and never panics.

use super::{DEEPEST_NESTING, Decode, DecodeError};
use crate::digest::{DIGEST_LENGTH, Digest};

/// Length of the longest encoding of a 64-bit integer, in bytes.
const LONGEST_INTEGER: usize = 10;

/// Reads values from an encoding.
pub struct Decoder<'a> {
    rest: &'a [u8],
    depth: usize,
}

impl<'a> Decoder<'a> {
    /// Creates a decoder at the start of `bytes`.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, depth: 0 }
    }

    /// Number of bytes not read yet.
    #[must_use]
    pub const fn remaining(&self) -> usize {
        self.rest.len()
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], DecodeError> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    /// Reads an unsigned integer.
    ///
    /// # Errors
    /// [`DecodeError::NotCanonical`] for a longer form than needed or more than 64 bits.
    #[inline]
    pub fn unsigned(&mut self) -> Result<u64, DecodeError> {
        // Fast path: most integers are short, and a hit decodes many.
        if let Some((byte, rest)) = self.rest.split_first()
            && *byte < 128
        {
            self.rest = rest;
            return Ok(u64::from(*byte));
        }
        self.long_unsigned()
    }

    /// The same for an integer of several bytes.
    fn long_unsigned(&mut self) -> Result<u64, DecodeError> {
        if let Some((value, length)) = self.rest.first_chunk().and_then(|bytes| unsigned_at_once(*bytes)) {
            self.rest = self.rest.get(length..).unwrap_or_default();
            return Ok(value);
        }
        let mut value: u64 = 0;
        // The tenth byte holds the one remaining bit.
        for (place, byte) in self.rest.iter().enumerate().take(LONGEST_INTEGER) {
            value |= u64::from(byte & 127) << (7 * place);
            if byte & 128 == 0 {
                let is_canonical = (*byte != 0 || place == 0) && (place < LONGEST_INTEGER - 1 || *byte == 1);
                if !is_canonical {
                    return Err(DecodeError::NotCanonical);
                }
                self.rest = self.rest.get(place + 1..).unwrap_or_default();
                return Ok(value);
            }
        }
        let is_cut = self.rest.len() < LONGEST_INTEGER;
        Err(if is_cut { DecodeError::Truncated } else { DecodeError::NotCanonical })
    }

    /// Reads an unsigned integer of at most 32 bits.
    ///
    /// # Errors
    /// [`DecodeError::NotCanonical`] when it is larger.
    pub fn unsigned32(&mut self) -> Result<u32, DecodeError> {
        u32::try_from(self.unsigned()?).map_err(|_| DecodeError::NotCanonical)
    }

    /// Reads a signed integer.
    ///
    /// # Errors
    /// As [`Decoder::unsigned`].
    pub fn signed(&mut self) -> Result<i64, DecodeError> {
        let value = self.unsigned()?;
        Ok((value >> 1).cast_signed() ^ -((value & 1).cast_signed()))
    }

    /// Reads a boolean.
    ///
    /// # Errors
    /// [`DecodeError::NotCanonical`] for anything but 0 and 1.
    pub fn flag(&mut self) -> Result<bool, DecodeError> {
        match self.take(1)? {
            [0] => Ok(false),
            [1] => Ok(true),
            _ => Err(DecodeError::NotCanonical),
        }
    }

    /// Reads a byte string.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] when its length exceeds the rest.
    pub fn bytes(&mut self) -> Result<&'a [u8], DecodeError> {
        let length = usize::try_from(self.unsigned()?).map_err(|_| DecodeError::Truncated)?;
        self.take(length)
    }

    /// Reads a list of byte strings without splitting it: their number, and the encoding of all of them.
    ///
    /// # Errors
    /// As [`Decoder::list`].
    pub fn framed_strings(&mut self) -> Result<(usize, &'a [u8]), DecodeError> {
        let count = self.length()?;
        if self.depth >= DEEPEST_NESTING {
            return Err(DecodeError::TooDeep);
        }
        let all = self.rest;
        for _ in 0..count {
            self.bytes()?;
        }
        let framed = all.get(..all.len() - self.rest.len()).unwrap_or_default();
        Ok((count, framed))
    }

    /// Reads text.
    ///
    /// # Errors
    /// [`DecodeError::NotText`] when it is not UTF-8.
    pub fn text(&mut self) -> Result<&'a str, DecodeError> {
        std::str::from_utf8(self.bytes()?).map_err(|_| DecodeError::NotText)
    }

    /// Reads bytes of a known number.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`].
    pub fn array<const LENGTH: usize>(&mut self) -> Result<&'a [u8; LENGTH], DecodeError> {
        let (bytes, rest) = self.rest.split_first_chunk().ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok(bytes)
    }

    /// Reads a digest.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`].
    pub fn digest(&mut self) -> Result<Digest, DecodeError> {
        Ok(Digest::from_bytes(*self.array::<DIGEST_LENGTH>()?))
    }

    /// Reads the number of items of a list. Every item takes at least one byte, so a number that exceeds the rest is rejected
    /// before anything is allocated.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`].
    pub fn length(&mut self) -> Result<usize, DecodeError> {
        let length = usize::try_from(self.unsigned()?).map_err(|_| DecodeError::Truncated)?;
        if length > self.rest.len() { Err(DecodeError::Truncated) } else { Ok(length) }
    }

    /// Reads a list.
    ///
    /// # Errors
    /// Those of its items; [`DecodeError::TooDeep`].
    pub fn list<T: Decode>(&mut self) -> Result<Vec<T>, DecodeError> {
        let length = self.length()?;
        if self.depth >= DEEPEST_NESTING {
            return Err(DecodeError::TooDeep);
        }
        self.depth += 1;
        // An item in memory is larger than its shortest encoding: the capacity grows with the items.
        let mut items = Vec::with_capacity(length.min(1024));
        for _ in 0..length {
            items.push(T::decode(self)?);
        }
        self.depth -= 1;
        Ok(items)
    }

    /// Reads an optional value.
    ///
    /// # Errors
    /// Those of the value.
    pub fn option<T: Decode>(&mut self) -> Result<Option<T>, DecodeError> {
        if self.flag()? { T::decode(self).map(Some) } else { Ok(None) }
    }

    /// Checks that all bytes were read.
    ///
    /// # Errors
    /// [`DecodeError::TrailingBytes`].
    pub const fn finish(&self) -> Result<(), DecodeError> {
        if self.rest.is_empty() { Ok(()) } else { Err(DecodeError::TrailingBytes) }
    }
}

/// An integer of two to nine bytes at the beginning of nine, in its shortest form, and its length: all of its groups of seven
/// bits are put together at once. `None` leaves it to the loop that looks at each byte.
fn unsigned_at_once(bytes: [u8; 9]) -> Option<(u64, usize)> {
    const GOES_ON: u64 = 0x8080_8080_8080_8080;
    let [first @ .., ninth] = bytes;
    let word = u64::from_le_bytes(first);
    let ends = !word & GOES_ON;
    if ends == 0 {
        let is_last = (1..128).contains(&ninth);
        return is_last.then(|| (joined(word) | u64::from(ninth) << 56, 9));
    }
    // Up to the highest bit of the byte that ends it.
    let last = ends.trailing_zeros();
    let word = word & (u64::MAX >> (63 - last));
    let is_shortest = word >> (last - 7) != 0;
    is_shortest.then(|| (joined(word), (last as usize + 1) / 8))
}

/// Eight groups of seven bits, the lowest of each byte.
const fn joined(word: u64) -> u64 {
    let word = word & 0x7f7f_7f7f_7f7f_7f7f;
    let pairs = word & 0x007f_007f_007f_007f | (word & 0x7f00_7f00_7f00_7f00) >> 1;
    let fours = pairs & 0x0000_3fff_0000_3fff | (pairs & 0x3fff_0000_3fff_0000) >> 2;
    fours & 0x0000_0000_0fff_ffff | (fours & 0x0fff_ffff_0000_0000) >> 4
}
