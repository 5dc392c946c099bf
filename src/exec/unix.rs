//! Spawning, pipes and signals on Unix.

/// Runs commands on this system.
#[derive(Debug, Default)]
pub struct Unix;
