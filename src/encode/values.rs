//! Encodings of the basic values: digests and ids, byte strings, text, numbers.

use super::{Decode, DecodeError, Decoder, Encode, Encoder};
use crate::digest::Digest;

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
