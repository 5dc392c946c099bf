//! What a run did with the descriptors that it inherited.

use super::{Observer, code, unseen};
use crate::error::means_absent;
use crate::memo::reason::NotKept;
use std::fs;
use std::io;
use std::path::Path;

impl Observer<'_> {
    /// Observes how the run used the descriptors that it inherited.
    ///
    /// # Errors
    /// It used one of which nothing is known.
    pub(super) fn descriptors(&mut self) -> Result<(), NotKept> {
        if let Some(stdin) = self.run.stdin {
            let code_asks = |asks| code::asks_of_stdin(self.run, &self.contents, asks);
            for seen in stdin.observe(self.trace.stdin, &code_asks)? {
                self.observe(seen, None);
            }
        }
        for (number, used) in &self.trace.descriptors {
            if used.written || used.read {
                return Err(NotKept::UsedDescriptor(*number));
            }
        }
        let own = Path::new("/proc/self/fd");
        match inherited_directory(own).map_err(|error| unseen(own, &error))? {
            // Data read from there has no name.
            Some(number) => Err(NotKept::UsedDescriptor(number)),
            None => Ok(()),
        }
    }
}

/// The descriptor of a directory that the run inherited, above its three streams; `own` lists the descriptors.
fn inherited_directory(own: &Path) -> io::Result<Option<u32>> {
    for entry in fs::read_dir(own)? {
        let name = entry?.file_name();
        let Some(number) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        if number <= 2 {
            continue;
        }
        let is_directory = match fs::metadata(own.join(&name)) {
            Ok(found) => found.is_dir(),
            // The descriptor of the list itself, or of another thread.
            Err(error) if means_absent(&error) => false,
            Err(error) => return Err(error),
        };
        if is_directory && is_inherited(number)? {
            return Ok(Some(number));
        }
    }
    Ok(None)
}

/// Whether a child inherits descriptor `number`.
fn is_inherited(number: u32) -> io::Result<bool> {
    let text = match fs::read_to_string(format!("/proc/self/fdinfo/{number}")) {
        Ok(text) => text,
        Err(error) if means_absent(&error) => return Ok(false),
        Err(error) => return Err(error),
    };
    let flags = text.lines().find_map(|line| line.strip_prefix("flags:"));
    let flags = flags.and_then(|flags| i64::from_str_radix(flags.trim(), 8).ok());
    Ok(flags.is_none_or(|flags| flags & i64::from(libc::O_CLOEXEC) == 0))
}
