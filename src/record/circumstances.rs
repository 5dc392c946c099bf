//! What a command finds of the process that starts it.

use crate::digest::{DIGEST_LENGTH, Digest};
use crate::encode::Encoder;

/// The circumstances in which an executor runs commands, as far as results depend on them.
pub trait Circumstances: Sync {
    /// The mode bits that new files do not get. Asked only where it counts, since that costs a tenth of a hit.
    fn umask(&self) -> u32;

    /// Whether commands run as root.
    fn is_superuser(&self) -> bool;

    /// The user and the groups as which commands run: see [`user_digest`].
    fn user(&self) -> Digest;
}

/// The digest of a user: real and effective user, real and effective group, and the other groups in any order, all by number.
#[must_use]
pub fn user_digest(users: [u32; 2], groups: [u32; 2], others: &[u32]) -> Digest {
    let mut others = others.to_vec();
    others.sort_unstable();
    others.dedup();
    let mut to = Encoder::new();
    for id in users.into_iter().chain(groups).chain(others) {
        to.unsigned(u64::from(id));
    }
    Digest::of(&to.finish())
}

/// Circumstances that are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// See [`Circumstances::umask`].
    pub umask: u32,
    /// See [`Circumstances::is_superuser`].
    pub is_superuser: bool,
    /// See [`Circumstances::user`].
    pub user: Digest,
}

impl Known {
    /// Usual circumstances, where the answer does not depend on them.
    pub const USUAL: Self =
        Self { umask: 0o22, is_superuser: false, user: Digest::from_bytes([0; DIGEST_LENGTH]) };
}

impl Circumstances for Known {
    fn umask(&self) -> u32 {
        self.umask
    }

    fn is_superuser(&self) -> bool {
        self.is_superuser
    }

    fn user(&self) -> Digest {
        self.user
    }
}
