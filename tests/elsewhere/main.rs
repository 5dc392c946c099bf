//! Commands that run elsewhere, against a real Slurm, a real sshd and a real buildbox-casd on this machine. Where they cannot be had, each test
//! says so by name and passes.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]
#![expect(clippy::print_stdout, reason = "tests say what they skip")]

mod combinations;
mod launchers;
mod reapi;
mod servers;
mod slurm;
mod snapshots;
mod stores;
#[path = "../cli/support/mod.rs"]
#[expect(dead_code, unused_imports, reason = "other crates of tests use more of it")]
mod support;
mod sweeps;
