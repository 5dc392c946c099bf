//! How a command ended, and the resources that it used.

use crate::encode::{Decode, DecodeError, Decoder, Encode, Encoder};

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Termination {
    /// By itself, with this exit status.
    Exited(u8),
    /// Killed by this signal.
    Signaled(i32),
}

/// The resources that a run used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resources {
    /// From start to end, in nanoseconds.
    pub wall: u64,
    /// Processor time in the program, in nanoseconds.
    pub user: u64,
    /// Processor time in the system for the program, in nanoseconds.
    pub system: u64,
    /// Largest resident memory of any one process, in bytes.
    pub peak_memory: u64,
}

impl Encode for Termination {
    fn encode(&self, to: &mut Encoder) {
        match self {
            Self::Exited(status) => to.unsigned(0).unsigned(u64::from(*status)),
            Self::Signaled(signal) => to.unsigned(1).signed(i64::from(*signal)),
        };
    }
}

impl Decode for Termination {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let tag = from.unsigned()?;
        match tag {
            0 => Ok(Self::Exited(u8::try_from(from.unsigned()?).map_err(|_| DecodeError::NotCanonical)?)),
            1 => Ok(Self::Signaled(i32::try_from(from.signed()?).map_err(|_| DecodeError::NotCanonical)?)),
            _ => Err(DecodeError::UnknownTag(tag)),
        }
    }
}

impl Encode for Resources {
    fn encode(&self, to: &mut Encoder) {
        to.unsigned(self.wall).unsigned(self.user).unsigned(self.system).unsigned(self.peak_memory);
    }
}

impl Decode for Resources {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            wall: from.unsigned()?,
            user: from.unsigned()?,
            system: from.unsigned()?,
            peak_memory: from.unsigned()?,
        })
    }
}
