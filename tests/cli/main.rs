//! The command line as its users run it: the built program, real files, real processes. One file per subject;
//! `support` contains the sandbox that all of them use.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::string_slice,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod accept;
mod exec_chain;
mod exec_control;
mod exec_declared;
mod exec_faithful;
mod exec_ignored;
mod exec_killed;
mod exec_limits;
mod exec_malformed;
mod exec_order;
mod exec_outputs;
mod exec_own_output;
mod exec_redact;
mod exec_settings;
mod exec_signals;
mod exec_status;
mod exec_stdin;
mod exec_store;
mod exec_streams;
mod exec_terminal_size;
mod exec_together;
mod exec_user_store;
mod exec_variables;
mod explain;
mod first_contact;
mod map;
mod sandbox;
mod support;
