//! Moments, and what `stat` said of a file: the evidence by which an observation is found unchanged at no cost.
//!
//! Knows nothing of what is observed.

use crate::encode::{Decode, DecodeError, Decoder, Encode, Encoder};
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::time::{SystemTime, UNIX_EPOCH};

/// Nanoseconds since the beginning of 1970, UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The present moment by the system's clock, which may jump.
    #[must_use]
    pub fn now() -> Self {
        match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => Self(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)),
            Err(before) => Self(-i64::try_from(before.duration().as_nanos()).unwrap_or(i64::MAX)),
        }
    }

    /// A moment given as whole seconds and nanoseconds, as `stat` tells it.
    #[must_use]
    pub const fn from_parts(seconds: i64, nanoseconds: i64) -> Self {
        Self(seconds.saturating_mul(1_000_000_000).saturating_add(nanoseconds))
    }
}

impl Encode for Timestamp {
    fn encode(&self, to: &mut Encoder) {
        to.signed(self.0);
    }
}

impl Decode for Timestamp {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        from.signed().map(Self)
    }
}

/// What `stat` said of a file when its content was read. The same evidence later means the same
/// content, provided that its times were old enough when it was taken (git's rule for racily clean
/// entries): evidence too young is not stored at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Evidence {
    /// Device number.
    pub device: u64,
    /// Inode number.
    pub inode: u64,
    /// Size in bytes.
    pub size: u64,
    /// Kind and permission bits.
    pub mode: u32,
    /// Time of the last change of content.
    pub modified: Timestamp,
    /// Time of the last change of content or inode.
    pub changed: Timestamp,
}

impl Evidence {
    /// The evidence that `metadata` gives.
    #[must_use]
    pub fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            mode: metadata.mode(),
            modified: Timestamp::from_parts(metadata.mtime(), metadata.mtime_nsec()),
            changed: Timestamp::from_parts(metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

impl Encode for Evidence {
    fn encode(&self, to: &mut Encoder) {
        to.unsigned(self.device).unsigned(self.inode).unsigned(self.size);
        to.unsigned(u64::from(self.mode)).value(&self.modified).value(&self.changed);
    }
}

impl Decode for Evidence {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            device: from.unsigned()?,
            inode: from.unsigned()?,
            size: from.unsigned()?,
            mode: from.unsigned32()?,
            modified: Timestamp::decode(from)?,
            changed: Timestamp::decode(from)?,
        })
    }
}
