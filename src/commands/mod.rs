//! One file per command: its arguments and one function over library calls.

pub mod revision;
pub mod values;
