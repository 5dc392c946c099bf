//! The code of a command, end to end: which changes of sources, packages, interpreters and variables run it again,
//! what the miss reports, and which changes do not count. Each scenario watched and declared.

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
