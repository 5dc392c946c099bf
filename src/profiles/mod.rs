//! Knowledge about particular programs: tables of data, and functions that query them.
//!
//! Pure functions of names and paths: nothing here runs programs or reads files.

pub mod attributes;
pub mod builders;
pub mod cmake;
pub mod code_names;
pub mod git_index;
pub mod introductions;
pub mod linkers;
pub mod makefile;
pub mod masks;
pub mod randomness;
pub mod state;
pub mod updating;
pub mod users;
