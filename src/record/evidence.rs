//! Moments, and what `stat` said of a file: the evidence by which an observation is found unchanged at no cost.
//!
//! Knows nothing of what is observed.

use crate::encode::{Decode, DecodeError, Decoder, Encode, Encoder};
use rustix::process::{getegid, geteuid, getgroups};
use std::fs::Metadata;
use std::hash::{BuildHasher, BuildHasherDefault};
use std::os::unix::fs::MetadataExt;
use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

/// Nanoseconds since the beginning of 1970, UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The present moment by the system's clock, which may jump.
    #[must_use]
    pub fn now() -> Self {
        Self::of(SystemTime::now())
    }

    /// A moment of the system's clock.
    #[must_use]
    pub fn of(time: SystemTime) -> Self {
        match time.duration_since(UNIX_EPOCH) {
            Ok(since) => Self(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)),
            Err(before) => Self(-i64::try_from(before.duration().as_nanos()).unwrap_or(i64::MAX)),
        }
    }

    /// A moment given as whole seconds and nanoseconds, as `stat` returns it.
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
/// entries): evidence too young is not stored at all. It also means that the user who took it may read the file.
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
    /// Who took it, where that decides what the mode allows: [`viewer`].
    pub viewer: u32,
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
            viewer: viewer(metadata.mode(), metadata.uid()),
            modified: Timestamp::from_parts(metadata.mtime(), metadata.mtime_nsec()),
            changed: Timestamp::from_parts(metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// Reading, and executing or entering.
const READ_AND_ENTER: u32 = 0o5;
/// The same for the owner, the group and others.
const ALL_READ_AND_ENTER: u32 = 0o555;
/// Reading for all of them.
const ALL_READ: u32 = 0o444;

/// A number for who looks at something of this mode and owner. It is 0 where the mode allows us to read and enter what it
/// allows its owner: for the owner, for root, and for everybody where the mode treats all alike. Otherwise it distinguishes users and
/// their groups apart, since an access list may say more than the mode.
#[must_use]
pub fn viewer(mode: u32, owner: u32) -> u32 {
    // The usual modes, for which nobody needs to be asked who we are.
    match mode & ALL_READ_AND_ENTER {
        ALL_READ_AND_ENTER => return 0,
        ALL_READ if mode & libc::S_IFMT != libc::S_IFDIR => return 0,
        _ => {}
    }
    let [owners, groups, others] = [6, 3, 0].map(|class| mode >> class & READ_AND_ENTER);
    let user = geteuid();
    if user.is_root() {
        let may = 0o4 | (owners | groups | others) & 0o1;
        let may = if mode & libc::S_IFMT == libc::S_IFDIR { READ_AND_ENTER } else { may };
        return if may == owners { 0 } else { may };
    }
    if owners == groups && owners == others || user.as_raw() == owner { 0 } else { ourselves() }
}

/// A number, 16 or more, for our user and groups.
fn ourselves() -> u32 {
    static NUMBER: OnceLock<u32> = OnceLock::new();
    *NUMBER.get_or_init(|| {
        let mut groups: Vec<u32> =
            getgroups().unwrap_or_default().into_iter().map(rustix::fs::Gid::as_raw).collect();
        groups.push(getegid().as_raw());
        groups.sort_unstable();
        groups.dedup();
        let hash =
            BuildHasherDefault::<rustc_hash::FxHasher>::default().hash_one((geteuid().as_raw(), groups));
        u32::try_from(hash >> 40).unwrap_or(0) | 1 << 24
    })
}

/// Length of encoded evidence, in bytes: six numbers of 64 bits.
const LENGTH: usize = 48;

// Numbers of a fixed width: a hit decodes hundreds, and most of these numbers are long.
impl Encode for Evidence {
    fn encode(&self, to: &mut Encoder) {
        // The kind and the bits of a mode take 16 bits.
        let seen = u64::from(self.viewer) << 16 | u64::from(self.mode & 0xffff);
        let times = [self.modified, self.changed].map(|time| time.0.cast_unsigned());
        for number in [self.device, self.inode, self.size, seen].into_iter().chain(times) {
            to.framed(&number.to_le_bytes());
        }
    }
}

impl Decode for Evidence {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let (numbers, _) = from.array::<LENGTH>()?.as_chunks::<8>();
        let &[device, inode, size, seen, modified, changed] = numbers else {
            return Err(DecodeError::Truncated);
        };
        let number = u64::from_le_bytes;
        let time = |bytes| Timestamp(i64::from_le_bytes(bytes));
        let seen = number(seen);
        Ok(Self {
            device: number(device),
            inode: number(inode),
            size: number(size),
            mode: u32::try_from(seen & 0xffff).map_err(|_| DecodeError::NotCanonical)?,
            viewer: u32::try_from(seen >> 16).map_err(|_| DecodeError::NotCanonical)?,
            modified: time(modified),
            changed: time(changed),
        })
    }
}
