//! The output of runs of a sweep, read from their files: the last line for the board, lines with a prefix, or everything.

use super::{colour, escape};
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;

/// The files that contain the output of a run.
#[derive(Debug)]
pub struct Output {
    /// Its standard output.
    pub stdout: File,
    /// Its standard error.
    pub stderr: File,
}

impl Output {
    /// Creates files without names in the temporary directory.
    ///
    /// # Errors
    /// When they cannot be created.
    pub fn new() -> io::Result<Self> {
        Ok(Self { stdout: tempfile::tempfile()?, stderr: tempfile::tempfile()? })
    }

    /// The reason why one of them cannot be written any more, if there is one.
    #[must_use]
    pub fn shortage(&self) -> Option<io::Error> {
        [&self.stdout, &self.stderr].into_iter().find_map(|file| {
            let size = file.metadata().ok()?.len();
            // One page is more than the rest of the last block.
            let failed = file.write_all_at(&[0; 8192], size).err();
            let _ = file.set_len(size);
            failed
        })
    }
}

/// Number of bytes at the end of a file that are searched for the last line.
const END: u64 = 4096;

/// Maximum length of a line that is kept, in bytes.
const LONGEST: usize = 1024;

/// The last line that is not blank, without text that a carriage return overwrote.
#[must_use]
pub fn last_line(file: &File) -> Option<String> {
    let end = end(file)?;
    let mut lines = end.rsplit(|byte| *byte == b'\n' || *byte == b'\r');
    let line = lines.find(|line| !line.iter().all(u8::is_ascii_whitespace))?;
    Some(escape::line(line.trim_ascii()).into_owned())
}

/// Finds the last line, as [`last_line`] does, in text that arrives in pieces.
#[derive(Clone, Debug, Default)]
pub struct LastLine {
    ended: Vec<u8>,
    begun: Vec<u8>,
}

impl LastLine {
    /// Adds a piece. Very long lines are shortened.
    pub fn take(&mut self, piece: &[u8]) {
        for byte in piece {
            match byte {
                b'\n' | b'\r' => {
                    if !self.begun.iter().all(u8::is_ascii_whitespace) {
                        std::mem::swap(&mut self.ended, &mut self.begun);
                    }
                    self.begun.clear();
                }
                _ if self.begun.len() < LONGEST => self.begun.push(*byte),
                _ => {}
            }
        }
    }

    /// The line, escaped.
    #[must_use]
    pub fn shown(&self) -> Option<String> {
        let mut both = [&self.begun, &self.ended].into_iter();
        let line = both.find(|line| !line.iter().all(u8::is_ascii_whitespace))?;
        let plain = colour::stripped(&String::from_utf8_lossy(line));
        Some(escape::line(plain.trim().as_bytes()).into_owned())
    }
}

/// The end of a file.
#[must_use]
pub fn end(file: &File) -> Option<Vec<u8>> {
    let size = file.metadata().ok()?.len();
    let mut bytes = vec![0; usize::try_from(size.min(END)).unwrap_or(0)];
    let read = file.read_at(&mut bytes, size.saturating_sub(END)).ok()?;
    bytes.truncate(read);
    Some(bytes)
}

/// The stream whose last line changed last.
#[derive(Debug, Default)]
pub struct Watched {
    sizes: (u64, u64),
    errors: bool,
}

impl Watched {
    /// The last line of that stream.
    pub fn last_line(&mut self, output: &Output) -> Option<String> {
        let size = |file: &File| file.metadata().map_or(0, |metadata| metadata.len());
        let sizes = (size(&output.stdout), size(&output.stderr));
        if sizes.0 != self.sizes.0 {
            self.errors = false;
        } else if sizes.1 != self.sizes.1 {
            self.errors = true;
        }
        self.sizes = sizes;
        last_line(if self.errors { &output.stderr } else { &output.stdout })
    }
}

/// Position up to which the lines of a run were printed.
#[derive(Debug, Default)]
pub struct Shown {
    stdout: u64,
    stderr: u64,
}

impl Shown {
    /// Writes new lines, each after `prefix`; with `ended`, also an incomplete last line.
    ///
    /// # Errors
    /// When they cannot be read or written.
    pub fn more(&mut self, output: &Output, prefix: &str, ended: bool) -> io::Result<()> {
        self.stdout = lines(&output.stdout, self.stdout, prefix, ended, &mut io::stdout().lock())?;
        self.stderr = lines(&output.stderr, self.stderr, prefix, ended, &mut io::stderr().lock())?;
        Ok(())
    }
}

fn lines(file: &File, from: u64, prefix: &str, ended: bool, to: &mut impl Write) -> io::Result<u64> {
    /// Size of one read, in bytes. A longer line is printed in pieces.
    const MOST: usize = 64 * 1024;
    let mut at = from;
    let mut bytes = vec![0; MOST];
    loop {
        let read = file.read_at(&mut bytes, at)?;
        let new = bytes.get(..read).unwrap_or_default();
        let end = new.iter().rposition(|byte| *byte == b'\n').map(|place| place + 1);
        let end = match end {
            Some(end) => end,
            None if read == MOST || (ended && read > 0) => read,
            None => return Ok(at),
        };
        for line in new.get(..end).unwrap_or_default().split_inclusive(|byte| *byte == b'\n') {
            to.write_all(prefix.as_bytes())?;
            to.write_all(line)?;
            if line.last() != Some(&b'\n') {
                to.write_all(b"\n")?;
            }
        }
        to.flush()?;
        at = at.saturating_add(u64::try_from(end).unwrap_or(0));
    }
}

/// Copies the output of a run to our own standard output and error.
///
/// # Errors
/// When it cannot be read or written.
pub fn all(output: &Output) -> io::Result<()> {
    pass(&output.stdout, &mut io::stdout().lock())?;
    pass(&output.stderr, &mut io::stderr().lock())
}

fn pass(file: &File, to: &mut impl Write) -> io::Result<()> {
    let mut at = 0;
    let mut bytes = vec![0; 64 * 1024];
    loop {
        let read = file.read_at(&mut bytes, at)?;
        if read == 0 {
            return to.flush();
        }
        to.write_all(bytes.get(..read).unwrap_or_default())?;
        at = at.saturating_add(u64::try_from(read).unwrap_or(0));
    }
}
