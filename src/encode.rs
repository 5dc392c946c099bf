//! The canonical encoding of everything that is digested or stored.
//!
//! Every value has exactly one encoding and every field is framed, so that two different values never have the same
//! encoding: integers are LEB128 in their shortest form, byte strings and lists have a length, variants have a tag. Decoding
//! accepts only what encoding produces, never allocates more than the input could fill, and never panics.

mod reading;
mod values;

pub use reading::Decoder;

use crate::digest::Digest;

/// Maximum nesting depth that a decoder accepts.
pub const DEEPEST_NESTING: usize = 256;

/// Why bytes cannot be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The bytes end too early, or a length exceeds the rest.
    #[error("ends too early")]
    Truncated,
    /// Bytes are left over.
    #[error("has bytes left over")]
    TrailingBytes,
    /// A value is not in its canonical form.
    #[error("is not in canonical form")]
    NotCanonical,
    /// A tag that this version does not support.
    #[error("has an unknown tag {0}")]
    UnknownTag(u64),
    /// Text that is not UTF-8.
    #[error("has text that is not UTF-8")]
    NotText,
    /// Deeper than [`DEEPEST_NESTING`].
    #[error("is nested too deeply")]
    TooDeep,
}

/// A value with a canonical encoding.
pub trait Encode {
    /// Appends the encoding.
    fn encode(&self, to: &mut Encoder);

    /// The encoding as bytes.
    fn to_bytes(&self) -> Vec<u8> {
        let mut encoder = Encoder::new();
        self.encode(&mut encoder);
        encoder.finish()
    }
}

/// A value that can be decoded from its canonical encoding.
pub trait Decode: Sized {
    /// Decodes one value.
    ///
    /// # Errors
    /// Any [`DecodeError`].
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError>;

    /// Decodes one value that spans all of `bytes`.
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

/// Builds an encoding.
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

    /// Appends a boolean.
    pub fn flag(&mut self, value: bool) -> &mut Self {
        self.bytes.push(u8::from(value));
        self
    }

    /// Appends the length of a byte string, then the bytes.
    pub fn bytes(&mut self, value: &[u8]) -> &mut Self {
        self.length(value.len());
        self.bytes.extend_from_slice(value);
        self
    }

    /// Appends byte strings that are already encoded, each with its length.
    pub fn framed(&mut self, framed: &[u8]) -> &mut Self {
        self.bytes.extend_from_slice(framed);
        self
    }

    /// Appends the length of a text, then the text.
    pub fn text(&mut self, value: &str) -> &mut Self {
        self.bytes(value.as_bytes())
    }

    /// Appends the 32 bytes of a digest.
    pub fn digest(&mut self, value: &Digest) -> &mut Self {
        self.bytes.extend_from_slice(value.as_bytes());
        self
    }

    /// Appends the number of items of a list.
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

    /// Appends whether a value exists, then the value.
    pub fn option<T: Encode>(&mut self, value: Option<&T>) -> &mut Self {
        self.flag(value.is_some());
        if let Some(value) = value {
            value.encode(self);
        }
        self
    }

    /// The encoded bytes.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

#[cfg(test)]
mod tests;
