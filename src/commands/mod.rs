//! One file per command: its arguments and one function over library calls.

pub mod values;
