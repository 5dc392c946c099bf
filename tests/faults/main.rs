//! The program under faults: killed at every system call, one call failing, every file of the store damaged, files
//! edited behind its back, wrong calls by the hundred.
//!
//! A small scale runs with all tests; `CASHET_TEST_SCALE=full` runs all of it. `CASHET_TEST_SEED=N` repeats a run.

#![cfg(all(target_os = "linux", target_arch = "x86_64"))]
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on has failed")]
#![expect(clippy::print_stdout, reason = "the suites tell their seeds and counts")]

mod calls;
mod damage;
mod edits;
mod failing;
#[path = "../support/files.rs"]
mod files;
mod kills;
mod malformed;
mod project;
mod races;
mod repairs;
mod replays;
mod scale;
mod scenarios;
mod starting;
mod tracer;
