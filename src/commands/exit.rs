//! How the program ends.
//!
//! A small module, so that commands need not know the dispatcher.

use crate::error::EXIT_NO;

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// By itself, with this status.
    Status(u8),
    /// Of this signal, as the command that it ran did.
    Signal(i32),
}

/// The command did what it was to do.
pub const DONE: Exit = Exit::Status(0);

/// The command says no: differs, damage.
pub const NO: Exit = Exit::Status(EXIT_NO);
