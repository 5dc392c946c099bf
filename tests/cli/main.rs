//! The command line, run as its users run it: the built program, real files, real processes. One file per
//! subject; `support` holds the sandbox that all of them start from.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod sandbox;
mod support;
