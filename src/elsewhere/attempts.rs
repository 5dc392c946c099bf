//! Attempts at a job: on which machine each runs, and what it prints.

use super::place::Place;
use crate::error::{Error, Result};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

/// One attempt at a job: it may be requeued.
#[derive(Debug)]
pub struct Attempt {
    /// From 0.
    pub number: u32,
    /// Where its standard output goes.
    pub stdout: File,
    /// Where its standard error goes.
    pub stderr: File,
}

impl Place {
    /// Begins an attempt, on `machine`.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn attempt(&self, machine: &str) -> Result<Attempt> {
        let failed = |error| Error::io("write in", self.path(), error);
        let new = |name: String| {
            OpenOptions::new().append(true).create_new(true).mode(0o600).open(self.path().join(name))
        };
        for number in 0..u32::MAX {
            let stdout = match new(format!("stdout.{number}")) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                other => other.map_err(failed)?,
            };
            let stderr = new(format!("stderr.{number}")).map_err(failed)?;
            let about = format!("{machine} {}", std::process::id());
            self.put(&format!("attempt.{number}"), about.as_bytes())?;
            return Ok(Attempt { number, stdout, stderr });
        }
        Err(failed(io::ErrorKind::AlreadyExists.into()))
    }

    /// The newest attempt that has begun: its number, machine and process.
    #[must_use]
    pub fn newest_attempt(&self, from: u32) -> Option<(u32, String, u32)> {
        let mut newest = None;
        // Files come before the note, which is missing where the worker's machine died between them.
        for number in (from..).take_while(|number| self.streams(*number).iter().any(|path| path.exists())) {
            let Some(about) = self.note(&format!("attempt.{number}")) else { continue };
            let (machine, process) = about.rsplit_once(' ').unwrap_or((about.as_str(), ""));
            newest = Some((number, machine.to_owned(), process.parse().unwrap_or(0)));
        }
        newest
    }

    /// The files that attempt `number` prints to: stdout and stderr.
    #[must_use]
    pub fn streams(&self, number: u32) -> [PathBuf; 2] {
        ["stdout", "stderr"].map(|name| self.path().join(format!("{name}.{number}")))
    }
}

/// The name of this machine.
#[must_use]
pub fn machine() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let name = name.or_else(|| std::env::var("HOSTNAME").ok()).unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "localhost".to_owned() } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_are_counted_and_one_without_a_note_does_not_hide_the_next() {
        let store = tempfile::tempdir().unwrap();
        let place = Place::at(store.path().to_path_buf());
        assert_eq!(place.newest_attempt(0), None);
        for number in 0..3 {
            assert_eq!(place.attempt("node 1").unwrap().number, number);
        }
        let newest = Some((2, "node 1".to_owned(), std::process::id()));
        assert_eq!(place.newest_attempt(1), newest);
        fs::write(store.path().join("attempt.0"), "").unwrap();
        fs::remove_file(store.path().join("attempt.1")).unwrap();
        assert_eq!(place.newest_attempt(0), newest);
        fs::write(store.path().join("attempt.2"), "").unwrap();
        assert_eq!(place.newest_attempt(0), None);
    }
}
