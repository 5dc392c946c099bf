//! What a command's code is, end to end: which changes of sources, packages, interpreters and variables run it again,
//! what the miss names, and which changes are none. Each both watched and declared.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(clippy::print_stdout, reason = "tests say what they skip")]

mod cost;
mod data;
#[path = "../support/files.rs"]
mod files;
mod javascript;
mod layout;
mod packages;
mod project;
mod python;
mod settings;
mod shell;
