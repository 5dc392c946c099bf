//! Standard input: what it was, and how a run used it.

use crate::digest::Digest;
use crate::encode::{Decode, DecodeError, Decoder, Encode, Encoder};

/// How a run used its standard input, when that was a regular file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StdinUse {
    /// The run read it: the content from the offset on counts.
    Content {
        /// Offset when the run began.
        offset: u64,
        /// Digest of everything from there on.
        digest: Digest,
        /// Offset where the run left it.
        left_at: u64,
    },
    /// The run asked for its size or offset and read nothing.
    Place {
        /// Size in bytes.
        size: u64,
        /// Offset when the run began.
        offset: u64,
    },
}

impl Encode for StdinUse {
    fn encode(&self, to: &mut Encoder) {
        match self {
            Self::Content { offset, digest, left_at } => {
                to.unsigned(0).unsigned(*offset).digest(digest).unsigned(*left_at)
            }
            Self::Place { size, offset } => to.unsigned(1).unsigned(*size).unsigned(*offset),
        };
    }
}

impl Decode for StdinUse {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        Ok(match from.unsigned()? {
            0 => {
                Self::Content { offset: from.unsigned()?, digest: from.digest()?, left_at: from.unsigned()? }
            }
            1 => Self::Place { size: from.unsigned()?, offset: from.unsigned()? },
            tag => return Err(DecodeError::UnknownTag(tag)),
        })
    }
}

/// What standard input is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StdinKind {
    /// It is not open.
    Closed,
    /// A terminal.
    Terminal,
    /// A pipe or FIFO.
    Pipe,
    /// A regular file.
    File,
    /// `/dev/null`.
    Null,
    /// A socket.
    Socket,
    /// A directory.
    Directory,
    /// Another device, by its number.
    Device(u64),
}

impl Encode for StdinKind {
    fn encode(&self, to: &mut Encoder) {
        match self {
            Self::Closed => to.unsigned(0),
            Self::Terminal => to.unsigned(1),
            Self::Pipe => to.unsigned(2),
            Self::File => to.unsigned(3),
            Self::Null => to.unsigned(4),
            Self::Socket => to.unsigned(5),
            Self::Directory => to.unsigned(6),
            Self::Device(number) => to.unsigned(7).unsigned(*number),
        };
    }
}

impl Decode for StdinKind {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        Ok(match from.unsigned()? {
            0 => Self::Closed,
            1 => Self::Terminal,
            2 => Self::Pipe,
            3 => Self::File,
            4 => Self::Null,
            5 => Self::Socket,
            6 => Self::Directory,
            7 => Self::Device(from.unsigned()?),
            tag => return Err(DecodeError::UnknownTag(tag)),
        })
    }
}

impl StdinKind {
    /// A stable machine-readable word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Terminal => "terminal",
            Self::Pipe => "pipe",
            Self::File => "file",
            Self::Null => "null",
            Self::Socket => "socket",
            Self::Directory => "directory",
            Self::Device(_) => "device",
        }
    }
}
