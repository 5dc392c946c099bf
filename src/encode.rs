//! The one canonical encoding of everything that is digested or stored.
//!
//! Every value has exactly one encoding and every field is framed, so that two different values never
//! encode to the same bytes: integers are LEB128 in their shortest form, byte strings and lists carry
//! their length, variants a tag. Decoding accepts only what encoding produces, never allocates more
//! than the bytes at hand could fill, and never panics.

use crate::digest::{DIGEST_LENGTH, Digest};
use std::fmt;

/// Deepest nesting that a decoder follows.
pub const DEEPEST_NESTING: usize = 256;

/// Why bytes are no encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// The bytes end too early, or a length says more than there is.
    Truncated,
    /// Bytes are left over.
    TrailingBytes,
    /// A value is not in its one canonical form.
    NotCanonical,
    /// A tag that this version does not know.
    UnknownTag(u64),
    /// Text that is not UTF-8.
    NotText,
    /// Deeper than [`DEEPEST_NESTING`].
    TooDeep,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => formatter.write_str("ends too early"),
            Self::TrailingBytes => formatter.write_str("has bytes left over"),
            Self::NotCanonical => formatter.write_str("is not in canonical form"),
            Self::UnknownTag(tag) => write!(formatter, "has an unknown tag {tag}"),
            Self::NotText => formatter.write_str("has text that is not UTF-8"),
            Self::TooDeep => formatter.write_str("is nested too deeply"),
        }
    }
}

impl std::error::Error for DecodeError {}

/// A value with a canonical encoding.
pub trait Encode {
    /// Appends the encoding.
    fn encode(&self, to: &mut Encoder);

    /// The encoding by itself.
    fn to_bytes(&self) -> Vec<u8> {
        let mut encoder = Encoder::new();
        self.encode(&mut encoder);
        encoder.finish()
    }
}

/// A value that can be read back from its canonical encoding.
pub trait Decode: Sized {
    /// Reads one value.
    ///
    /// # Errors
    /// Any [`DecodeError`].
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError>;

    /// Reads one value that takes up all of `bytes`.
    ///
    /// # Errors
    /// Any [`DecodeError`].
    fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut decoder = Decoder::new(bytes);
        let value = Self::decode(&mut decoder)?;
        decoder.finish()?;
        Ok(value)
    }
}

/// Collects an encoding.
#[derive(Default)]
pub struct Encoder {
    bytes: Vec<u8>,
}

impl Encoder {
    /// An empty encoder.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends an unsigned integer.
    pub fn unsigned(&mut self, mut value: u64) -> &mut Self {
        loop {
            let low = u8::try_from(value & 127).unwrap_or(0);
            value >>= 7;
            if value == 0 {
                self.bytes.push(low);
                return self;
            }
            self.bytes.push(low | 128);
        }
    }

    /// Appends a signed integer (zigzag).
    pub fn signed(&mut self, value: i64) -> &mut Self {
        self.unsigned((value.cast_unsigned() << 1) ^ (value >> 63).cast_unsigned())
    }

    /// Appends a truth value.
    pub fn flag(&mut self, value: bool) -> &mut Self {
        self.bytes.push(u8::from(value));
        self
    }

    /// Appends a byte string with its length.
    pub fn bytes(&mut self, value: &[u8]) -> &mut Self {
        self.length(value.len());
        self.bytes.extend_from_slice(value);
        self
    }

    /// Appends text with its length.
    pub fn text(&mut self, value: &str) -> &mut Self {
        self.bytes(value.as_bytes())
    }

    /// Appends the 32 bytes of a digest.
    pub fn digest(&mut self, value: &Digest) -> &mut Self {
        self.bytes.extend_from_slice(value.as_bytes());
        self
    }

    /// Appends the number of items that follow.
    pub fn length(&mut self, value: usize) -> &mut Self {
        self.unsigned(u64::try_from(value).unwrap_or(u64::MAX))
    }

    /// Appends another value.
    pub fn value(&mut self, value: &impl Encode) -> &mut Self {
        value.encode(self);
        self
    }

    /// Appends a list: its length, then its items.
    pub fn list<T: Encode>(&mut self, items: &[T]) -> &mut Self {
        self.length(items.len());
        for item in items {
            item.encode(self);
        }
        self
    }

    /// Appends whether there is a value, then the value.
    pub fn option<T: Encode>(&mut self, value: Option<&T>) -> &mut Self {
        self.flag(value.is_some());
        if let Some(value) = value {
            value.encode(self);
        }
        self
    }

    /// The bytes collected.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

/// Reads an encoding.
pub struct Decoder<'a> {
    rest: &'a [u8],
    depth: usize,
}

impl<'a> Decoder<'a> {
    /// Reads from the beginning of `bytes`.
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
    pub fn unsigned(&mut self) -> Result<u64, DecodeError> {
        // Most are short, and a hit reads many.
        if let Some((byte, rest)) = self.rest.split_first()
            && *byte < 128
        {
            self.rest = rest;
            return Ok(u64::from(*byte));
        }
        let mut value: u64 = 0;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.rest.split_first().ok_or(DecodeError::Truncated)?;
            self.rest = rest;
            let byte = *byte;
            let low = u64::from(byte & 127);
            if low << shift >> shift != low {
                return Err(DecodeError::NotCanonical);
            }
            value |= low << shift;
            if byte & 128 == 0 {
                let shortest = byte != 0 || shift == 0;
                return if shortest { Ok(value) } else { Err(DecodeError::NotCanonical) };
            }
        }
        Err(DecodeError::NotCanonical)
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

    /// Reads a truth value.
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
    /// [`DecodeError::Truncated`] when it says to be longer than what is left.
    pub fn bytes(&mut self) -> Result<&'a [u8], DecodeError> {
        let length = usize::try_from(self.unsigned()?).map_err(|_| DecodeError::Truncated)?;
        self.take(length)
    }

    /// Reads text.
    ///
    /// # Errors
    /// [`DecodeError::NotText`] when it is not UTF-8.
    pub fn text(&mut self) -> Result<&'a str, DecodeError> {
        std::str::from_utf8(self.bytes()?).map_err(|_| DecodeError::NotText)
    }

    /// Reads a digest.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`].
    pub fn digest(&mut self) -> Result<Digest, DecodeError> {
        let bytes = self.take(DIGEST_LENGTH)?;
        Ok(Digest::from_bytes(bytes.try_into().map_err(|_| DecodeError::Truncated)?))
    }

    /// Reads a number of items; every item takes at least one byte, so a number beyond what is left is
    /// refused before anything is allocated.
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
        // An item in memory is larger than its shortest encoding: grow as items come.
        let mut items = Vec::with_capacity(length.min(1024));
        for _ in 0..length {
            items.push(T::decode(self)?);
        }
        self.depth -= 1;
        Ok(items)
    }

    /// Reads a value that may be missing.
    ///
    /// # Errors
    /// Those of the value.
    pub fn option<T: Decode>(&mut self) -> Result<Option<T>, DecodeError> {
        if self.flag()? { T::decode(self).map(Some) } else { Ok(None) }
    }

    /// Says that everything must have been read.
    ///
    /// # Errors
    /// [`DecodeError::TrailingBytes`].
    pub const fn finish(&self) -> Result<(), DecodeError> {
        if self.rest.is_empty() { Ok(()) } else { Err(DecodeError::TrailingBytes) }
    }
}

impl Encode for Digest {
    fn encode(&self, to: &mut Encoder) {
        to.digest(self);
    }
}

impl Decode for Digest {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        from.digest()
    }
}

impl Encode for Vec<u8> {
    fn encode(&self, to: &mut Encoder) {
        to.bytes(self);
    }
}

impl Decode for Vec<u8> {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        from.bytes().map(<[u8]>::to_vec)
    }
}

impl Encode for String {
    fn encode(&self, to: &mut Encoder) {
        to.text(self);
    }
}

impl Decode for String {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        from.text().map(str::to_owned)
    }
}

impl Encode for u64 {
    fn encode(&self, to: &mut Encoder) {
        to.unsigned(*self);
    }
}

impl Decode for u64 {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        from.unsigned()
    }
}

macro_rules! encode_id {
    ($($name:ident)*) => {$(
        impl Encode for crate::digest::$name {
            fn encode(&self, to: &mut Encoder) {
                to.digest(&self.0);
            }
        }

        impl Decode for crate::digest::$name {
            fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
                from.digest().map(Self)
            }
        }
    )*};
}

encode_id! { BlobId Key CommitId LineageId RequestId }

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn integers_go_both_ways(unsigned: u64, signed: i64) {
            let mut encoder = Encoder::new();
            encoder.unsigned(unsigned).signed(signed);
            let bytes = encoder.finish();
            let mut decoder = Decoder::new(&bytes);
            prop_assert_eq!(decoder.unsigned(), Ok(unsigned));
            prop_assert_eq!(decoder.signed(), Ok(signed));
            prop_assert_eq!(decoder.finish(), Ok(()));
        }

        #[test]
        fn any_bytes_decode_or_fail_and_what_decodes_encodes_to_itself(bytes: Vec<u8>) {
            if let Ok(list) = Vec::<u8>::from_bytes(&bytes) {
                prop_assert_eq!(list.to_bytes(), bytes.clone());
            }
            let mut decoder = Decoder::new(&bytes);
            if let Ok(value) = decoder.unsigned() {
                let mut encoder = Encoder::new();
                encoder.unsigned(value);
                prop_assert!(bytes.starts_with(&encoder.finish()));
            }
        }
    }

    #[test]
    fn a_length_beyond_the_bytes_is_refused_before_allocation() {
        let mut encoder = Encoder::new();
        encoder.unsigned(u64::MAX);
        let bytes = encoder.finish();
        assert_eq!(Decoder::new(&bytes).length(), Err(DecodeError::Truncated));
        assert_eq!(Decoder::new(&bytes).bytes(), Err(DecodeError::Truncated));
        assert_eq!(Decoder::new(&bytes).list::<u64>(), Err(DecodeError::Truncated));
    }

    #[test]
    fn a_longer_form_is_refused() {
        assert_eq!(Decoder::new(&[128, 0]).unsigned(), Err(DecodeError::NotCanonical));
        assert_eq!(Decoder::new(&[2]).flag(), Err(DecodeError::NotCanonical));
    }
}
