//! Observations as bytes.

use super::super::evidence::Timestamp;
use super::super::names::Names;
use super::super::path::StoredPath;
use super::super::state::FileState;
use super::super::stdin::{StdinKind, StdinUse};
use super::Observation;
use crate::encode::{Decode, DecodeError, Decoder, Encode, Encoder};

impl Encode for Observation {
    fn encode(&self, to: &mut Encoder) {
        match self {
            Self::Content { path, digest } => to.unsigned(0).value(path).digest(digest),
            Self::State { path, follow, state } => to.unsigned(1).value(path).flag(*follow).value(state),
            Self::Listing { path, everything, digest } => {
                to.unsigned(2).value(path).flag(*everything).digest(digest)
            }
            Self::TimeOrder { groups } => to.unsigned(3).list(groups),
            Self::Modified { path, follow, time, changed } => {
                to.unsigned(4).value(path).flag(*follow).value(time).value(changed)
            }
            Self::Stdin(used) => to.unsigned(5).value(used),
            Self::Descriptor { number, offset, digest } => {
                to.unsigned(6).unsigned(u64::from(*number)).unsigned(*offset).digest(digest)
            }
            Self::Variable { name, value } => to.unsigned(7).bytes(name).option(value.as_ref()),
            Self::Environment { digest } => to.unsigned(8).digest(digest),
            Self::Umask(mask) => to.unsigned(9).unsigned(u64::from(*mask)),
            Self::UmaskAtLeast(mask) => to.unsigned(36).unsigned(u64::from(*mask)),
            Self::Superuser(is) => to.unsigned(10).flag(*is),
            Self::User { digest } => to.unsigned(41).digest(digest),
            Self::NotInHome { name } => to.unsigned(42).bytes(name),
            Self::Root(path) => to.unsigned(11).bytes(path),
            Self::Importable { path, names, digest } => {
                to.unsigned(12).value(path).value(names).digest(digest)
            }
            Self::Entries { path, aside, digest } => to.unsigned(32).value(path).value(aside).digest(digest),
            Self::Exists { path } => to.unsigned(33).value(path),
            Self::Index { path, digest } => to.unsigned(34).value(path).digest(digest),
            Self::Settled { states } => to.unsigned(35).list(states),
            Self::Network => to.unsigned(13),
            Self::Search { path, programs, moved } => {
                // Format 1 of the store knows none that moved.
                to.unsigned(if *moved { 60 } else { 14 }).digest(path).list(programs)
            }
            Self::Around { written, older, same, newer } => {
                to.unsigned(15).list(written).list(older).list(same).list(newer)
            }
            Self::RootName(name) => to.unsigned(24).bytes(name),
            Self::Unset { names } => to.unsigned(25).value(names),
            Self::Modules { path, digest } => to.unsigned(26).value(path).digest(digest),
            Self::Distributions { path, digest } => to.unsigned(27).value(path).digest(digest),
            Self::Loader { path, names, digest } => to.unsigned(28).value(path).value(names).digest(digest),
            Self::Accounts { path, ids, digest } => {
                to.unsigned(29).value(path).length(ids.len());
                for id in ids {
                    to.unsigned(u64::from(*id));
                }
                to.digest(digest)
            }
            Self::Upward { name, found } => to.unsigned(30).bytes(name).option(found.as_ref()),
            Self::Toolchain { token } => to.unsigned(40).bytes(token),
            Self::StdinKind(kind) => to.unsigned(16).value(kind),
            Self::StdinTerminal(is) => to.unsigned(17).flag(*is),
            Self::StdinName(name) => to.unsigned(18).bytes(name),
        };
    }
}

impl Decode for Observation {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        Ok(match from.unsigned()? {
            0 => Self::Content { path: StoredPath::decode(from)?, digest: from.digest()? },
            1 => Self::State {
                path: StoredPath::decode(from)?,
                follow: from.flag()?,
                state: FileState::decode(from)?,
            },
            2 => Self::Listing {
                path: StoredPath::decode(from)?,
                everything: from.flag()?,
                digest: from.digest()?,
            },
            3 => Self::TimeOrder { groups: from.list()? },
            4 => Self::Modified {
                path: StoredPath::decode(from)?,
                follow: from.flag()?,
                time: Timestamp::decode(from)?,
                changed: Timestamp::decode(from)?,
            },
            5 => Self::Stdin(StdinUse::decode(from)?),
            6 => Self::Descriptor {
                number: from.unsigned32()?,
                offset: from.unsigned()?,
                digest: from.digest()?,
            },
            7 => Self::Variable { name: from.bytes()?.to_vec(), value: from.option()? },
            8 => Self::Environment { digest: from.digest()? },
            9 => Self::Umask(from.unsigned32()?),
            36 => Self::UmaskAtLeast(from.unsigned32()?),
            10 => Self::Superuser(from.flag()?),
            41 => Self::User { digest: from.digest()? },
            42 => Self::NotInHome { name: from.bytes()?.to_vec() },
            11 => Self::Root(from.bytes()?.to_vec()),
            12 => Self::Importable {
                path: StoredPath::decode(from)?,
                names: Names::decode(from)?,
                digest: from.digest()?,
            },
            13 => Self::Network,
            tag @ (14 | 60) => {
                Self::Search { path: from.digest()?, programs: from.list()?, moved: tag == 60 }
            }
            15 => Self::Around {
                written: from.list()?,
                older: from.list()?,
                same: from.list()?,
                newer: from.list()?,
            },
            24 => Self::RootName(from.bytes()?.to_vec()),
            25 => Self::Unset { names: Names::decode(from)? },
            26 => Self::Modules { path: StoredPath::decode(from)?, digest: from.digest()? },
            27 => Self::Distributions { path: StoredPath::decode(from)?, digest: from.digest()? },
            28 => Self::Loader {
                path: StoredPath::decode(from)?,
                names: Names::decode(from)?,
                digest: from.digest()?,
            },
            29 => Self::Accounts {
                path: StoredPath::decode(from)?,
                ids: (0..from.length()?).map(|_| from.unsigned32()).collect::<Result<_, _>>()?,
                digest: from.digest()?,
            },
            30 => Self::Upward { name: from.bytes()?.to_vec(), found: from.option()? },
            32 => Self::Entries {
                path: StoredPath::decode(from)?,
                aside: Names::decode(from)?,
                digest: from.digest()?,
            },
            33 => Self::Exists { path: StoredPath::decode(from)? },
            34 => Self::Index { path: StoredPath::decode(from)?, digest: from.digest()? },
            35 => Self::Settled { states: from.list()? },
            40 => Self::Toolchain { token: from.bytes()?.to_vec() },
            16 => Self::StdinKind(StdinKind::decode(from)?),
            17 => Self::StdinTerminal(from.flag()?),
            18 => Self::StdinName(from.bytes()?.to_vec()),
            tag => return Err(DecodeError::UnknownTag(tag)),
        })
    }
}
