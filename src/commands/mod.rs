//! One file per command, each its arguments and one function.
