//! Outputs: collected after a run, and restored by a hit.
//!
//! Everything is accessed through descriptors below the root that follow no link, so that nothing outside of the root can be
//! read as an output or overwritten by a hit.

mod beneath;
mod collect;
mod holes;
mod plan;
mod restore;
mod stage;
mod times;

pub(crate) use super::attributes::{set_lists, set_own};
pub(super) use beneath::Beneath;
pub(super) use collect::{ByTime, Collected, Origin, Owner, OwnerOf, collect};
pub(crate) use holes::{holds, whole, write};
pub(super) use plan::has_bytes;
pub(crate) use restore::set_modified;
pub(super) use restore::{Grounds, Restore, RestoreError};
