//! Commands at a real terminal: as they are bare, kept and replayed. One file per subject; `screen` holds the terminal.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::string_slice,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod followers;
mod keys;
mod kinds;
mod kinds_of_programs;
mod programs;
mod running;
mod scene;
mod screen;
