//! What an output is beside its kind: its time, its extended attributes, where its data lies between holes.

use crate::encode::{Decode, DecodeError, Decoder, Encode, Encoder};
use crate::record::{StoredPath, Timestamp};

/// The modification time with which an output is restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutputTime {
    /// The run wrote it: it gets the present time. Of two files that of the lower rank is the older one; those of equal
    /// rank are equally old. Always 0 for what is not a file.
    Written {
        /// Place in the order of times, from 0 on without gaps.
        rank: u32,
    },
    /// The run gave it another time than the present, or left it with the time that a file had before.
    Given {
        /// That time.
        time: Timestamp,
        /// Files with exactly this time that the run looked at, sorted: the newest of their present times is the one to
        /// restore. Empty where there was none.
        like: Vec<StoredPath>,
    },
}

impl Default for OutputTime {
    fn default() -> Self {
        Self::Written { rank: 0 }
    }
}

/// An extended attribute, an access control list among them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Attribute {
    /// As the system names it: `user.x`, `system.posix_acl_access`.
    pub name: Vec<u8>,
    /// Its bytes, as the system returns them.
    pub value: Vec<u8>,
}

/// A range of bytes of a file that are data, and no hole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Where it begins.
    pub offset: u64,
    /// Number of bytes, at least one.
    pub length: u64,
}

/// Whether `extents` are in order, apart from each other, within `size`, and `stored` bytes together.
pub(super) fn are_extents(extents: &[Extent], size: u64, stored: u64) -> bool {
    let mut end = 0;
    let mut total: u64 = 0;
    for extent in extents {
        let Some(next) = extent.offset.checked_add(extent.length) else { return false };
        let is_apart = extent.offset > end || (extent.offset == 0 && total == 0);
        if extent.length == 0 || !is_apart {
            return false;
        }
        end = next;
        total = total.saturating_add(extent.length);
    }
    end <= size && total == stored
}

impl Encode for Attribute {
    fn encode(&self, to: &mut Encoder) {
        to.bytes(&self.name).bytes(&self.value);
    }
}

impl Decode for Attribute {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        Ok(Self { name: from.bytes()?.to_vec(), value: from.bytes()?.to_vec() })
    }
}

impl Encode for Extent {
    fn encode(&self, to: &mut Encoder) {
        to.unsigned(self.offset).unsigned(self.length);
    }
}

impl Decode for Extent {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        Ok(Self { offset: from.unsigned()?, length: from.unsigned()? })
    }
}

impl Encode for OutputTime {
    fn encode(&self, to: &mut Encoder) {
        match self {
            Self::Written { rank } => to.unsigned(0).unsigned(u64::from(*rank)),
            Self::Given { time, like } => to.unsigned(1).value(time).list(like),
        };
    }
}

impl Decode for OutputTime {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        match from.unsigned()? {
            0 => Ok(Self::Written { rank: from.unsigned32()? }),
            1 => {
                let (time, like): (_, Vec<StoredPath>) = (Timestamp::decode(from)?, from.list()?);
                let sorted = like.iter().zip(like.iter().skip(1)).all(|(left, right)| left < right);
                if sorted { Ok(Self::Given { time, like }) } else { Err(DecodeError::NotCanonical) }
            }
            tag => Err(DecodeError::UnknownTag(tag)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extents_lie_apart_and_inside() {
        let extents = |pairs: &[(u64, u64)]| {
            pairs
                .iter()
                .map(|(offset, length)| Extent { offset: *offset, length: *length })
                .collect::<Vec<_>>()
        };
        assert!(are_extents(&[], 9, 0));
        assert!(are_extents(&extents(&[(0, 4), (6, 3)]), 9, 7));
        assert!(are_extents(&extents(&[(1, 4)]), 9, 4));
        for (wrong, size, stored) in [
            (vec![(0, 4), (4, 3)], 9, 7),
            (vec![(6, 3), (0, 4)], 9, 7),
            (vec![(0, 0)], 9, 0),
            (vec![(0, 4)], 3, 4),
            (vec![(0, 4)], 9, 5),
            (vec![(u64::MAX, 2)], 9, 2),
        ] {
            assert!(!are_extents(&extents(&wrong), size, stored), "{wrong:?}");
        }
    }
}
