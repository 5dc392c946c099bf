//! cashet makes any command remember.
//!
//! A command is run once and watched; what it printed, how it ended and which files it left are kept; and they
//! are replayed for as long as everything that decided them is the same.

pub mod commands;
pub mod digest;
pub mod encode;
pub mod error;
pub mod exec;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
pub mod hash;
pub mod memo;
pub mod project;
pub mod record;
pub mod store;
pub mod ui;
