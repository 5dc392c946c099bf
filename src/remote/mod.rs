//! A cache that several machines share: what is written to it, and what carries it.
//!
//! Knows nothing of stores, of how questions are answered, or of runs: bytes in, values out.

pub mod carrier;
pub mod client;
pub mod directory;
pub mod execution;
mod fields;
mod frames;
pub mod journal;
pub mod keys;
pub mod portable;
pub mod protocol;
pub mod records;
pub mod tier;
pub mod toolchain;

pub use tier::{Opened, Remote, Upload, Writing};

use carrier::{Carrier, Failure};
use client::{Client, Settings};
use std::path::Path;

/// What addresses of servers begin with; the helper program knows more about them.
const SCHEMES: &[&str] = &["grpc", "grpcs", "http", "https", "redis", "rediss", "s3"];

/// The carrier that an address names: `dir:/PATH`, or a server, which is reached with the first request.
///
/// # Errors
/// [`Failure::Invalid`] where it names none; [`Failure::Unreachable`] where no such directory is there.
pub fn open(url: &str, settings: &Settings) -> Result<Box<dyn Carrier + Send>, Failure> {
    known(url).map_err(Failure::Invalid)?;
    match url.strip_prefix("dir:") {
        Some(path) => Ok(Box::new(directory::Directory::open(Path::new(path).to_path_buf())?)),
        None => Ok(Box::new(Client::new(url, settings))),
    }
}

/// Whether an address is one of those that are known.
///
/// # Errors
/// What is wrong with it.
pub fn known(url: &str) -> Result<(), String> {
    match url.strip_prefix("dir:") {
        Some(path) if Path::new(path).is_absolute() => Ok(()),
        Some(_) => Err(format!("{url} needs an absolute path")),
        None if url.split_once("://").is_some_and(|(scheme, _)| SCHEMES.contains(&scheme)) => Ok(()),
        None => Err(format!("{url} is not an address of a shared cache")),
    }
}
