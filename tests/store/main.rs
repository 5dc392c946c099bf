//! The store with real files, processes and locks: what is recorded comes back, and nothing else ever does.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]
#![expect(clippy::indexing_slicing, reason = "a test that looks beyond what is there has failed")]

mod archives;
mod collection;
mod damage;
mod history;
mod limits;
mod memoizing;
mod support;
mod together;
