//! Knowledge of particular programs, as tables of data and the few questions that are asked of them.
//!
//! Nothing here runs, reads or remembers anything: names and paths in, answers out.

pub mod git_index;
pub mod state;
