//! The algorithm: look up, claim, run, keep.
