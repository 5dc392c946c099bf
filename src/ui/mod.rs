//! The only place that prints: views for people, JSON for programs, messages.
//!
//! Knows nothing about how anything is stored, hashed or run. The caller passes values, and this floor puts them into words.

mod ages;
pub mod audit;
pub mod board;
pub mod call_report;
pub mod changes;
pub mod colour;
pub mod commits;
pub mod compare;
pub mod diff;
pub mod doctor;
pub mod drawing;
pub mod escape;
pub mod executors;
pub mod facts;
pub mod graph;
pub mod human;
pub mod json;
pub mod message;
pub mod miss;
pub mod page;
pub mod pieces;
pub mod progress;
pub mod relay;
pub mod report;
pub mod seen;
pub mod status;
pub mod table;
pub mod top;
pub mod verify;
pub mod why;
