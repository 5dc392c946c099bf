//! Events of a call while it is in progress; `ui` decides which of them are shown.

use super::reason::Unawaited;
use super::tail::Tail;
use crate::digest::BlobId;
use crate::record::{StoredPath, Timestamp};
use std::path::PathBuf;

/// Why the output of an identical run, which was shown, is not that of this call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parted {
    /// Its result is not cached.
    NotKept,
    /// Its process was killed.
    Killed,
    /// It is no longer waited for.
    NotAwaited(Unawaited),
    /// It is not what the command would give here and now.
    Differs,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// An identical command is running; this call waits for it. Told every tenth of a second.
    Waiting,
    /// The wait is over.
    WaitOver,
    /// What an identical run writes is shown from here on; it began then.
    Joined(Timestamp),
    /// What was shown since [`Event::Joined`] does not count; it ends so.
    Parted(Tail, Parted),
    /// The command has ended, or its result was replayed: the streams end so.
    Ended(Tail),
    /// A file of the user's was in the way of an output and was put aside.
    Replaced {
        /// Where it was.
        path: PathBuf,
        /// Where it is now.
        copy: PathBuf,
    },
    /// A file of the user's that a run which was killed had put aside is back in its place.
    PutBack {
        /// Where it is.
        path: PathBuf,
    },
    /// A file of the user's was put aside and cannot go back.
    LeftAside {
        /// Where it was.
        path: PathBuf,
        /// Where it is now.
        copy: PathBuf,
        /// Why.
        why: String,
    },
    /// Stored bytes did not verify; the command runs again.
    Healed(BlobId),
    /// Something of the store failed and the call went on without it.
    StoreTrouble(String),
    /// Something about a shared cache that the user may want to mend; the call went on without it.
    Shared(String),
    /// A command that ran for the first time, and was cached, draws random numbers without a seed.
    Unseeded {
        /// The source that does so.
        path: StoredPath,
        /// By this call.
        call: &'static str,
    },
    /// The last three commits of this key differ only in these paths.
    NeverSettles {
        /// The paths.
        paths: Vec<PathBuf>,
        /// Whether the command itself writes them.
        own: bool,
    },
}

/// Receives events.
pub trait Observer {
    /// `event` happened.
    fn on(&self, event: &Event);

    /// Whether it matters how the output of a command ends that is not recorded: then the command does not write to the
    /// user's descriptors itself.
    fn wants_tail(&self) -> bool {
        false
    }
}

/// Ignores all events.
impl Observer for () {
    fn on(&self, _: &Event) {}
}
