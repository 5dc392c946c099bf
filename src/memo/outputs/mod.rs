//! The files that a run leaves: taken down after it, put back by a hit.
//!
//! Everything goes through descriptors below the root that follow no link, so that nothing outside of it can
//! be read as an output or written by a hit.

mod beneath;
mod collect;
mod restore;
mod stage;

pub(super) use beneath::Beneath;
pub(super) use collect::{Collected, collect};
pub(super) use restore::{Grounds, Restore, RestoreError};
