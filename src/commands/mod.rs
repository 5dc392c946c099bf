//! One file per command, each its arguments and one function.

pub mod options;
