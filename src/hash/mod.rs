//! A request becomes a manifest.
//!
//! Knows nothing about stores (the caller passes a `Recall`), how commands run, or the terminal.

pub mod accounts;
mod both;
pub mod capture;
pub mod command;
pub mod entry;
pub mod environment;
pub mod exclude;
pub mod expected;
pub mod files;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod gather;
pub mod globs;
pub mod grammar;
pub mod holds;
pub mod ignored;
mod inputs;
pub mod interpreters;
pub mod language;
pub mod large;
pub mod launchers;
pub mod listed;
pub mod loaded;
pub mod loader;
pub mod look;
pub mod manifest;
pub mod memory;
pub mod modules;
mod naming;
pub mod nature;
pub mod occurrence;
mod packages;
pub mod program;
pub mod recording_fs;
mod redaction;
mod remembered;
pub mod request;
pub mod resume;
pub mod rights;
pub mod search;
pub mod shims;
pub mod stat_cache;
pub mod upward;
pub mod user_digests;
pub mod world;
