//! The program under faults: killed at every system call, one failing call, every file of the store damaged, hidden
//! edits of files, hundreds of invalid calls.
//!
//! All test runs include a small scale; `CASHET_TEST_SCALE=full` runs everything. `CASHET_TEST_SEED=N` repeats a run.

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
mod sharing;
mod starting;
mod tracer;
