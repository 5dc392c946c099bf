//! The end of the program.
//!
//! A separate module, so that commands do not depend on the dispatcher.

use crate::error::EXIT_NO;

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// With this exit status.
    Status(u8),
    /// By this signal, like the command that it ran.
    Signal(i32),
}

/// Success.
pub const DONE: Exit = Exit::Status(0);

/// A negative result: a difference, damage.
pub const NO: Exit = Exit::Status(EXIT_NO);
