//! What is found at a path, as far as it can decide what a command does.
//!
//! Knows nothing of how it is looked at.

use super::evidence::Timestamp;
use crate::digest::Digest;
use crate::encode::{Decode, DecodeError, Decoder, Encode, Encoder};

/// What is found at a path, as far as it can decide what a command does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileState {
    /// Nothing.
    Absent,
    /// A regular file.
    File {
        /// All permission bits, set-id and sticky included; and what they let us do, where that alone counts.
        mode: u32,
        /// Its content.
        digest: Digest,
    },
    /// A regular file too large to be digested for a mere look.
    LargeFile {
        /// All permission bits.
        mode: u32,
        /// Size in bytes.
        size: u64,
        /// Time of the last change.
        modified: Timestamp,
    },
    /// A directory.
    Directory {
        /// All permission bits.
        mode: u32,
    },
    /// A symbolic link, looked at as a link.
    Symlink {
        /// Its text.
        text: Vec<u8>,
    },
    /// A socket, FIFO or device.
    Special {
        /// Kind and permission bits.
        mode: u32,
    },
    /// Something that cannot be inspected (no permission, a loop of links).
    Unreadable {
        /// The system's error number.
        errno: i32,
    },
}

/// What a mode allows; the bits above it (set-id and sticky) count in any case.
const ALLOWS: u32 = 0o777;
/// Position of the rights of the present user, if they count.
const RIGHTS_AT: u32 = 16;
/// In a mode: only the rights of the present user count, not the permission bits.
const BY_RIGHTS: u32 = 1 << 19;
/// Position of the rights that the run asked for. They count for every user.
const ASKED_AT: u32 = 20;
/// In a mode: the permission bits are those before the umask was applied.
const FRESH: u32 = 1 << 23;
/// In the mode of a directory: of the rights of the present user, only the one to enter it counts.
const PASSED: u32 = 1 << 24;

/// Which part of the permission bits of a file counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ModeRule {
    /// Only the rights that the bits give to the present user.
    pub by_rights: bool,
    /// Rights that the run asked for, as a sum of 4 (read), 2 (write) and 1 (execute). They count for every user.
    pub asked: u8,
    /// Whether the bits come from the usual ones (0666, 0777) by the umask. Then the usual ones count.
    pub fresh: bool,
    /// Of the rights of the present user, only the one to enter: of a directory that was looked at on the way to something below
    /// it. Only together with `by_rights`.
    pub passed: bool,
}

impl FileState {
    /// Its permission bits, if it has any that can count by what they let us do.
    #[must_use]
    pub const fn mode(&self) -> Option<u32> {
        match self {
            Self::File { mode, .. } | Self::LargeFile { mode, .. } | Self::Directory { mode } => {
                Some(*mode & 0o7777)
            }
            _ => None,
        }
    }

    /// The rights of the present user, where they count: the sum of 4 (read), 2 (write) and 1 (execute or enter).
    #[must_use]
    pub const fn rights(&self) -> Option<u32> {
        match self {
            Self::File { mode, .. } | Self::LargeFile { mode, .. } | Self::Directory { mode }
                if *mode & (BY_RIGHTS | 0o7 << ASKED_AT) != 0 =>
            {
                Some(*mode >> RIGHTS_AT & 0o7)
            }
            _ => None,
        }
    }

    /// Which part of its mode counts.
    #[must_use]
    pub const fn mode_rule(&self) -> ModeRule {
        let (Self::File { mode, .. } | Self::LargeFile { mode, .. } | Self::Directory { mode }) = self else {
            return ModeRule { by_rights: false, asked: 0, fresh: false, passed: false };
        };
        ModeRule {
            by_rights: *mode & BY_RIGHTS != 0,
            asked: (*mode >> ASKED_AT & 0o7) as u8,
            fresh: *mode & FRESH != 0,
            passed: *mode & PASSED != 0,
        }
    }

    /// Whether only the rights of the present user count, not the permission bits themselves.
    #[must_use]
    pub const fn mode_is_left(&self) -> bool {
        let rule = self.mode_rule();
        rule.by_rights && !rule.fresh
    }

    /// The same state, whose mode counts by `rule`, with these bits and rights.
    #[must_use]
    pub fn with_rule(mut self, rule: ModeRule, bits: u32, rights: u32) -> Self {
        if let Self::File { mode, .. } | Self::LargeFile { mode, .. } | Self::Directory { mode } = &mut self {
            let flag = |is: bool, flag: u32| if is { flag } else { 0 };
            *mode = bits & 0o7777
                | flag(rule.by_rights, BY_RIGHTS)
                | u32::from(rule.asked & 0o7) << ASKED_AT
                | flag(rule.fresh, FRESH)
                | flag(rule.passed, PASSED)
                | flag(rule.by_rights || rule.asked != 0, (rights & 0o7) << RIGHTS_AT);
        }
        self
    }

    /// Of its mode what does not count by itself, but by what it lets us do; nothing where all of it counts.
    #[must_use]
    pub const fn shown_bits(&self) -> Option<u32> {
        match self {
            Self::File { mode, .. } | Self::LargeFile { mode, .. } | Self::Directory { mode }
                if *mode & (BY_RIGHTS | FRESH) == BY_RIGHTS =>
            {
                Some(*mode & ALLOWS)
            }
            _ => None,
        }
    }

    /// Sets these bits where they count by what they let us do. Returns whether they do.
    pub const fn set_shown_bits(&mut self, bits: u32) -> bool {
        match self {
            Self::File { mode, .. } | Self::LargeFile { mode, .. } | Self::Directory { mode }
                if *mode & (BY_RIGHTS | FRESH) == BY_RIGHTS =>
            {
                *mode = *mode & !ALLOWS | bits & ALLOWS;
                true
            }
            _ => false,
        }
    }

    /// The same with these bits where they count by what they let us do.
    #[must_use]
    pub fn with_bits(mut self, bits: u32) -> Self {
        self.set_shown_bits(bits);
        self
    }

    /// Whether what counts of both modes beside what they let us do is the same: set-id and sticky bits.
    #[must_use]
    pub fn has_special_bits_of(&self, mode: u32) -> bool {
        self.mode().is_none_or(|own| own & !ALLOWS == mode & 0o7777 & !ALLOWS)
    }

    /// The same with the mode of `other`, where both have one.
    #[must_use]
    pub fn with_mode_of(mut self, other: &Self) -> Self {
        if let (
            Self::File { mode, .. } | Self::LargeFile { mode, .. } | Self::Directory { mode },
            Self::File { mode: its, .. } | Self::LargeFile { mode: its, .. } | Self::Directory { mode: its },
        ) = (&mut self, other)
        {
            *mode = *its;
        }
        self
    }
}

impl Encode for FileState {
    fn encode(&self, to: &mut Encoder) {
        match self {
            Self::Absent => to.unsigned(0),
            Self::File { mode, digest } => to.unsigned(1).unsigned(u64::from(*mode)).digest(digest),
            Self::LargeFile { mode, size, modified } => {
                to.unsigned(2).unsigned(u64::from(*mode)).unsigned(*size).value(modified)
            }
            Self::Directory { mode } => to.unsigned(3).unsigned(u64::from(*mode)),
            Self::Symlink { text } => to.unsigned(4).bytes(text),
            Self::Special { mode } => to.unsigned(5).unsigned(u64::from(*mode)),
            Self::Unreadable { errno } => to.unsigned(6).signed(i64::from(*errno)),
        };
    }
}

impl Decode for FileState {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        Ok(match from.unsigned()? {
            0 => Self::Absent,
            1 => Self::File { mode: from.unsigned32()?, digest: from.digest()? },
            2 => Self::LargeFile {
                mode: from.unsigned32()?,
                size: from.unsigned()?,
                modified: Timestamp::decode(from)?,
            },
            3 => Self::Directory { mode: from.unsigned32()? },
            4 => Self::Symlink { text: from.bytes()?.to_vec() },
            5 => Self::Special { mode: from.unsigned32()? },
            6 => Self::Unreadable {
                errno: i32::try_from(from.signed()?).map_err(|_| DecodeError::NotCanonical)?,
            },
            tag => return Err(DecodeError::UnknownTag(tag)),
        })
    }
}
