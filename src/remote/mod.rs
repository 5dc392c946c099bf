//! A cache that several machines share: what is written to it, and what carries it.
//!
//! Knows nothing of stores, of how questions are answered, or of runs: bytes in, values out.

pub mod carrier;
pub mod directory;

use carrier::{Carrier, Failure};
use std::path::Path;

/// The carrier that an address names: `dir:/PATH`.
///
/// # Errors
/// [`Failure::Invalid`] where it names none; [`Failure::Unreachable`] where nothing is there.
pub fn open(url: &str) -> Result<Box<dyn Carrier + Send>, Failure> {
    match url.strip_prefix("dir:") {
        Some(path) if Path::new(path).is_absolute() => {
            Ok(Box::new(directory::Directory::open(Path::new(path).to_path_buf())?))
        }
        Some(_) => Err(Failure::Invalid(format!("{url} needs an absolute path"))),
        None => Err(Failure::Invalid(format!("{url} is no address of a shared cache"))),
    }
}
