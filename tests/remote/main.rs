//! Shared caches: what every carrier must do; the helper program that reaches servers, and servers that fail.
//!
//! The servers are real ones, started on loopback (`tests/servers/install`); the helper is built on its own
//! (`RUSTFLAGS= cargo build -p cashet-remote`). What is not there is skipped by name.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod conformance;
mod digests;
mod directory;
mod helper;
mod hostile;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod kills;
mod large;
mod machines;
mod network;
mod servers;
mod team;
mod toolchains;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[path = "../faults/tracer.rs"]
#[expect(dead_code, reason = "the tests of faults use more of it")]
mod tracer;
mod users;
