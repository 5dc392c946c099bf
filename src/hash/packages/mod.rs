//! Third-party packages: maps names that sources import to packages and versions.

pub(super) mod node;
pub(super) mod python;
