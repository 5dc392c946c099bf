//! Watching, with real commands and without declarations: hits, misses, runs that are not cached; every result equals
//! that of the bare command.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]
#![expect(clippy::print_stdout, reason = "tests say what they skip, and their seeds")]

mod builders;
mod cannot_watch;
mod commands;
mod differential;
mod directories;

mod everyday;
#[path = "../support/files.rs"]
mod files;
mod foretold;
mod ignored_names;
mod looks;
mod meanwhile;
mod mechanisms;
mod one_process;
mod ordinary;
mod other_names;
mod own_source;
mod products;
mod settings;
mod shown;
mod tool_state;
mod traps;
#[path = "../support/trees.rs"]
mod trees;
mod twin;
