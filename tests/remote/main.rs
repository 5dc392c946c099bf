//! Shared caches: what every carrier must do.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod conformance;
mod directory;
