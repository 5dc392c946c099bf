//! Outputs: collected after a run, and restored by a hit.
//!
//! Everything is accessed through descriptors below the root that follow no link, so that nothing outside of the root can be
//! read as an output or overwritten by a hit.

mod apply;
mod beneath;
mod collect;
pub(crate) mod extract;
mod failure;
mod holes;
mod plan;
mod restore;
mod stage;
mod times;

pub(super) use beneath::Beneath;
pub(super) use collect::{ByTime, Collected, Origin, Owner, OwnerOf, collect};
pub(super) use failure::RestoreError;
pub(super) use holes::holds;
pub(crate) use holes::whole;
pub(super) use plan::has_bytes;
pub(super) use restore::{Grounds, Restore};
