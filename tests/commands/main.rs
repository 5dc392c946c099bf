//! The commands on the store, on real stores created through the library: the text at 60, 80 and 140 columns, the
//! JSON, and the errors.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test that looks beyond what is there has failed"
)]

mod beside;
mod collection;
mod comparison;
mod detached;
mod documents;
mod listing;
mod overview;
mod process;
mod products;
mod revisions;
mod runs;
mod scale;
mod shells;
mod showing;
mod support;
mod verify;
