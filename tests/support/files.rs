//! Files as tests write them.

use rustix::fs::{FlockOperation, flock};
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

/// Writes a file that may be executed at once.
///
/// A process that another thread is just starting holds a copy of our descriptor until it executes its program, and as
/// long as anybody holds one that writes, the file cannot be executed (`Text file busy`). All copies share one lock: when
/// that can be had anew, none is left.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    flock(&file, FlockOperation::LockExclusive)?;
    file.write_all(bytes)?;
    drop(file);
    // What may not be read will not be executed by us.
    if let Ok(file) = File::open(path) {
        flock(&file, FlockOperation::LockExclusive)?;
    }
    Ok(())
}
