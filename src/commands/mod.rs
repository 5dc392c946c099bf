//! One file per command, each its arguments and one function over library calls.

pub mod options;
pub mod revision;
pub mod values;
