//! Writing files in tests.

use rustix::fs::{FlockOperation, flock};
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

/// Writes a file that can be executed immediately.
///
/// A process that another thread is starting holds a copy of the descriptor until it executes its program. While any
/// process holds a writable descriptor, the file cannot be executed (`Text file busy`). All copies share one lock:
/// once it can be taken again, no copy is left.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    flock(&file, FlockOperation::LockExclusive)?;
    file.write_all(bytes)?;
    drop(file);
    // A file that cannot be read will not be executed here.
    if let Ok(file) = File::open(path) {
        flock(&file, FlockOperation::LockExclusive)?;
    }
    Ok(())
}
