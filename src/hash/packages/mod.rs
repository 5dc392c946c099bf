//! Third-party packages: from the names that sources import to names and versions.

pub(super) mod node;
pub(super) mod python;
