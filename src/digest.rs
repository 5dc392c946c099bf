//! BLAKE3 digests, and the id types built on them.
//!
//! Content, manifests and commits each have their own id type. There is no conversion between these types, so that a key
//! cannot be mistaken for a blob.

use std::fmt;

/// Length of a digest, in bytes.
pub const DIGEST_LENGTH: usize = 32;

/// Length of the shortest accepted hexadecimal prefix of an id.
pub const SHORTEST_PREFIX: usize = 4;

/// A BLAKE3 digest: 32 bytes, displayed as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; DIGEST_LENGTH]);

impl Digest {
    /// The digest of `bytes`, computed on the calling thread.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }

    /// The digest of `bytes` keyed with `key`: without the key it reveals nothing about the bytes.
    #[must_use]
    pub fn keyed(key: &[u8; DIGEST_LENGTH], bytes: &[u8]) -> Self {
        Self(*blake3::keyed_hash(key, bytes).as_bytes())
    }

    /// Creates a digest from its raw bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; DIGEST_LENGTH]) -> Self {
        Self(bytes)
    }

    /// The raw bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; DIGEST_LENGTH] {
        &self.0
    }

    /// 64 lower-case hexadecimal digits.
    #[must_use]
    pub fn to_hex(self) -> String {
        let mut text = String::with_capacity(2 * DIGEST_LENGTH);
        for byte in self.0 {
            text.push(hex_digit(byte >> 4));
            text.push(hex_digit(byte & 15));
        }
        text
    }

    /// Parses 64 hexadecimal digits of either case; `None` for anything else.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        let prefix = Prefix::parse(text)?;
        (prefix.digits == 2 * DIGEST_LENGTH).then_some(Self(prefix.low))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.to_hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.to_hex())
    }
}

fn hex_digit(nibble: u8) -> char {
    char::from(if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 })
}

/// Computes the digest of bytes that arrive in pieces, on the calling thread.
#[derive(Clone, Default)]
pub struct Hasher(blake3::Hasher);

impl Hasher {
    /// A hasher without input.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the next piece.
    pub fn update(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.update(bytes);
        self
    }

    /// The digest of all pieces so far.
    #[must_use]
    pub fn finish(&self) -> Digest {
        Digest(*self.0.finalize().as_bytes())
    }
}

/// A hexadecimal prefix of a digest, as typed by users.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix {
    low: [u8; DIGEST_LENGTH],
    high: [u8; DIGEST_LENGTH],
    digits: usize,
}

impl Prefix {
    /// Parses 1 to 64 hexadecimal digits of either case; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.len();
        if digits == 0 || digits > 2 * DIGEST_LENGTH {
            return None;
        }
        let mut prefix = Self { low: [0; DIGEST_LENGTH], high: [255; DIGEST_LENGTH], digits };
        let slots = prefix.low.iter_mut().zip(prefix.high.iter_mut());
        for (pair, (low, high)) in text.as_bytes().chunks(2).zip(slots) {
            let mut value = 0;
            let mut spread = 255;
            for (place, digit) in pair.iter().enumerate() {
                let digit = u8::try_from(char::from(*digit).to_digit(16)?).ok()?;
                let shift = if place == 0 { 4 } else { 0 };
                value |= digit << shift;
                spread = if place == 0 { 15 } else { 0 };
            }
            *low = value;
            *high = value | spread;
        }
        Some(prefix)
    }

    /// Number of hexadecimal digits.
    #[must_use]
    pub const fn digits(&self) -> usize {
        self.digits
    }

    /// The smallest and the largest digest with this prefix, for a range query.
    #[must_use]
    pub const fn range(&self) -> (Digest, Digest) {
        (Digest(self.low), Digest(self.high))
    }

    /// Whether `digest` has this prefix.
    #[must_use]
    pub fn matches(&self, digest: &Digest) -> bool {
        self.low <= digest.0 && digest.0 <= self.high
    }
}

macro_rules! digest_id {
    ($(#[$about:meta] $name:ident;)*) => {$(
        #[$about]
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub Digest);

        impl $name {
            /// The first twelve hexadecimal digits, as displayed in messages.
            #[must_use]
            pub fn short(&self) -> String {
                let mut text = self.0.to_hex();
                text.truncate(12);
                text
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, formatter)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, concat!(stringify!($name), "({})"), self.short())
            }
        }
    )*};
}

digest_id! {
    /// Id of stored bytes: the digest of the uncompressed content.
    BlobId;
    /// Id of a manifest: the digest of its encoding (the *fingerprint*).
    Key;
    /// Id of the record of one run: the digest of its encoding.
    CommitId;
    /// Id of a lineage: the sequence of runs of one command line in one place.
    LineageId;
    /// Id of a request, computed before anything else is read: the key of its remembered capture.
    RequestId;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_goes_both_ways() {
        let digest = Digest::of(b"cashet");
        assert_eq!(Digest::from_hex(&digest.to_hex()), Some(digest));
        assert_eq!(Digest::from_hex(&digest.to_hex().to_uppercase()), Some(digest));
        assert_eq!(Digest::from_hex("abcd"), None);
        assert_eq!(digest.to_hex().len(), 64);
    }

    #[test]
    fn a_prefix_is_a_range_of_digests() {
        let digest = Digest::of(b"cashet");
        let text = digest.to_hex();
        for digits in 1..=64 {
            let prefix = Prefix::parse(text.get(..digits).unwrap()).unwrap();
            assert!(prefix.matches(&digest), "{digits} digits");
            assert_eq!(prefix.digits(), digits);
        }
        let other = Digest::of(b"another");
        assert!(!Prefix::parse(text.get(..8).unwrap()).unwrap().matches(&other));
    }

    #[test]
    fn what_is_not_a_hexadecimal_is_not_a_prefix() {
        for text in ["", "xyz", "%", "_", "*", "../", "12 4", "é", &"a".repeat(65), &"a".repeat(100_000)] {
            assert_eq!(Prefix::parse(text), None, "{text:.20}");
        }
    }

    #[test]
    fn pieces_digest_as_the_whole() {
        let mut hasher = Hasher::new();
        hasher.update(b"cas").update(b"het");
        assert_eq!(hasher.finish(), Digest::of(b"cashet"));
    }
}
