//! A request becomes a manifest.
//!
//! Knows nothing of stores (it is handed a `Recall`), of how commands run, or of the terminal.

pub mod entry;
pub mod language;
pub mod manifest;
pub mod modules;
mod packages;
pub mod request;
pub mod world;
