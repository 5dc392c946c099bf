//! The store with real files, processes and locks: it returns exactly what was recorded.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(clippy::print_stdout, reason = "a test that is skipped says so")]
#![expect(clippy::indexing_slicing, reason = "a test that looks beyond what is there has failed")]

mod archives;
mod collection;
mod damage;
mod formats;
mod history;
mod leftovers;
mod limits;
mod memoizing;
mod repair;
mod support;
mod together;
