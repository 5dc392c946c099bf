//! stdout and stderr of a run: their bytes as blobs, and the order in which their chunks came.

use crate::digest::BlobId;
use crate::encode::{Decode, DecodeError, Decoder, Encode, Encoder};

/// Which of the two streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stream {
    /// Descriptor 1.
    Stdout,
    /// Descriptor 2.
    Stderr,
}

/// Bytes of one stream that came before any of the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Whose bytes.
    pub stream: Stream,
    /// How many, at least one.
    pub length: u64,
}

/// How far the order of two recorded streams is that in which they were written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Interleaving {
    /// It is: the run was watched, or one of them had no bytes.
    #[default]
    Exact,
    /// It is the order in which they were found: good for two readers, not for one.
    Inexact,
    /// Both came through one pipe, and all bytes count as stdout's: good for one reader, not for two.
    Merged,
}

/// In which order the two streams came, as lengths. Neighbouring chunks of one stream are one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamOrder {
    chunks: Vec<Chunk>,
    /// How far it can be relied on.
    pub interleaving: Interleaving,
}

impl StreamOrder {
    /// Notes that `length` further bytes of `stream` came.
    pub fn push(&mut self, stream: Stream, length: u64) {
        match self.chunks.last_mut() {
            _ if length == 0 => {}
            Some(last) if last.stream == stream => last.length = last.length.saturating_add(length),
            _ => self.chunks.push(Chunk { stream, length }),
        }
    }

    /// The chunks, alternating between the streams.
    #[must_use]
    pub fn chunks(&self) -> &[Chunk] {
        &self.chunks
    }

    /// Whether a call can be answered whose two streams go to one file, or to two.
    #[must_use]
    pub fn fits(&self, to_one: impl FnOnce() -> bool) -> bool {
        match self.interleaving {
            Interleaving::Exact => true,
            Interleaving::Inexact => !to_one(),
            Interleaving::Merged => to_one(),
        }
    }
}

impl Encode for StreamOrder {
    fn encode(&self, to: &mut Encoder) {
        to.length(self.chunks.len());
        // The streams alternate: the first says it for all. Format 1 of the store says no more than that, and knew no exact
        // order.
        let begins_with_stderr = self.chunks.first().is_some_and(|chunk| chunk.stream == Stream::Stderr);
        let interleaving = match self.interleaving {
            Interleaving::Inexact => 0,
            Interleaving::Exact => 1,
            Interleaving::Merged => 2,
        };
        to.unsigned(interleaving << 1 | u64::from(begins_with_stderr));
        for chunk in &self.chunks {
            to.unsigned(chunk.length);
        }
    }
}

impl Decode for StreamOrder {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let count = from.length()?;
        let packed = from.unsigned()?;
        let mut stream = if packed & 1 == 1 { Stream::Stderr } else { Stream::Stdout };
        if count == 0 && stream == Stream::Stderr {
            return Err(DecodeError::NotCanonical);
        }
        let mut order = Self::default();
        for _ in 0..count {
            let length = from.unsigned()?;
            if length == 0 {
                return Err(DecodeError::NotCanonical);
            }
            order.chunks.push(Chunk { stream, length });
            stream = if stream == Stream::Stdout { Stream::Stderr } else { Stream::Stdout };
        }
        order.interleaving = match packed >> 1 {
            0 => Interleaving::Inexact,
            1 => Interleaving::Exact,
            2 => Interleaving::Merged,
            _ => return Err(DecodeError::NotCanonical),
        };
        Ok(order)
    }
}

/// Stored bytes and their number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Content {
    /// The bytes.
    pub blob: BlobId,
    /// How many.
    pub size: u64,
}

impl Encode for Content {
    fn encode(&self, to: &mut Encoder) {
        to.value(&self.blob).unsigned(self.size);
    }
}

impl Decode for Content {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        Ok(Self { blob: BlobId::decode(from)?, size: from.unsigned()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbouring_chunks_of_one_stream_are_one() {
        let mut order = StreamOrder::default();
        for (stream, length) in [
            (Stream::Stderr, 1),
            (Stream::Stderr, 0),
            (Stream::Stderr, 2),
            (Stream::Stdout, 4),
            (Stream::Stderr, 8),
        ] {
            order.push(stream, length);
        }
        assert_eq!(order.chunks().len(), 3);
        let lengths: Vec<_> = order.chunks().iter().map(|chunk| (chunk.stream, chunk.length)).collect();
        assert_eq!(lengths, [(Stream::Stderr, 3), (Stream::Stdout, 4), (Stream::Stderr, 8)]);
        for interleaving in [Interleaving::Exact, Interleaving::Inexact, Interleaving::Merged] {
            order.interleaving = interleaving;
            assert_eq!(StreamOrder::from_bytes(&order.to_bytes()).as_ref(), Ok(&order));
        }
        let mut bytes = order.to_bytes();
        // After the number of chunks.
        bytes[1] = 6;
        assert_eq!(StreamOrder::from_bytes(&bytes), Err(DecodeError::NotCanonical));
    }
}
