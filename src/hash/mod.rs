//! A request becomes a manifest.
//!
//! Knows nothing of stores (it is handed a `Recall`), of how commands run, or of the terminal.

pub mod entry;
pub mod environment;
pub mod exclude;
pub mod files;
pub mod language;
pub mod look;
pub mod manifest;
pub mod request;
pub mod world;
