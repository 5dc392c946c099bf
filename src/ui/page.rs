//! Standard output as a page: its width, its colours, and writing to it.
//!
//! A page can also write to a buffer, so that tests can check every view.

use super::colour::{self, Role};
use crate::error::{Error, Kind, Result};
use crate::record::Timestamp;
use jiff::tz::TimeZone;
use rustix::termios;
use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::os::fd::AsFd;
use std::path::Path;

/// Size of one write, in bytes.
const BUFFER: usize = 64 * 1024;

/// Minimum width of a page, in columns.
const NARROWEST: usize = 40;

/// The layout of views.
#[derive(Clone, Debug)]
pub struct Look {
    /// Maximum number of columns of a line; `None` for a pipe or file, where nothing is cut.
    pub width: Option<usize>,
    /// Whether there are colours.
    pub coloured: bool,
    /// The present time, for ages.
    pub now: Timestamp,
    /// The time zone for displayed times.
    pub zone: TimeZone,
}

impl Look {
    /// For standard output.
    #[must_use]
    pub fn of_stdout(now: Timestamp) -> Self {
        Self { width: width(), coloured: colour::for_stdout(), now, zone: TimeZone::system() }
    }

    /// `text` in the colour of `role`, if there are colours.
    #[must_use]
    pub fn paint<'t>(&self, text: &'t str, role: Role) -> Cow<'t, str> {
        colour::paint(text, role, self.coloured)
    }
}

/// Width of the terminal at standard output, or else the value of `COLUMNS`.
fn width() -> Option<usize> {
    let told = || std::env::var("COLUMNS").ok()?.parse().ok().filter(|columns| *columns > 0);
    let asked = || termios::tcgetwinsize(io::stdout()).ok().map(|size| usize::from(size.ws_col));
    let width = asked().filter(|columns| *columns > 0).or_else(told);
    let default = io::stdout().is_terminal().then_some(80);
    width.or(default).map(|columns| columns.max(NARROWEST))
}

/// Writes views to a sink. [`is_reader_gone`] distinguishes a reader that went away from other errors.
pub struct Page<'a> {
    sink: Box<dyn Write + 'a>,
    /// The layout of views on this page.
    pub look: Look,
    terminal: bool,
}

impl Page<'static> {
    /// A page on standard output.
    #[must_use]
    pub fn stdout(now: Timestamp) -> Self {
        let look = Look::of_stdout(now);
        // Rust's own standard output searches all bytes for line ends.
        let sink: Box<dyn Write> = match io::stdout().as_fd().try_clone_to_owned() {
            Ok(descriptor) => Box::new(BufWriter::with_capacity(BUFFER, File::from(descriptor))),
            Err(_) => Box::new(io::stdout().lock()),
        };
        Self { sink, look, terminal: io::stdout().is_terminal() && io::stdin().is_terminal() }
    }
}

impl<'a> Page<'a> {
    /// A page on any sink.
    pub fn to(sink: impl Write + 'a, look: Look) -> Self {
        Self { sink: Box::new(sink), look, terminal: false }
    }

    /// Whether a user can read it and answer questions.
    #[must_use]
    pub const fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// Shows a line.
    pub fn line(&mut self, text: &str) -> Result<()> {
        self.write(text)?;
        self.write("\n")
    }

    /// Shows a heading with an empty line before it.
    pub fn heading(&mut self, text: &str) -> Result<()> {
        let line = format!("\n{}\n", self.look.paint(text, Role::Heading));
        self.write(&line)
    }

    /// Shows text that contains its line ends.
    pub fn write(&mut self, text: &str) -> Result<()> {
        self.bytes(text.as_bytes())
    }

    /// Writes raw bytes; only for `get`.
    pub fn bytes(&mut self, bytes: &[u8]) -> Result<()> {
        self.sink.write_all(bytes).map_err(not_written)
    }

    /// Writes one JSON value as a line.
    pub fn json(&mut self, value: &serde_json::Value) -> Result<()> {
        self.line(&value.to_string())
    }

    /// Writes out everything so far, before a message on standard error.
    pub fn flush(&mut self) -> Result<()> {
        self.sink.flush().map_err(not_written)
    }

    /// Writes out everything.
    pub fn finish(mut self) -> Result<()> {
        self.sink.flush().map_err(not_written)
    }
}

/// Whether `error` means that the reader of standard output went away, which ends the command without a failure.
#[must_use]
pub fn is_reader_gone(error: &Error) -> bool {
    error.kind() == Kind::Io(io::ErrorKind::BrokenPipe)
}

fn not_written(error: io::Error) -> Error {
    Error::io("write to", Path::new("standard output"), error)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A layout for tests: with this width, without colours, at noon of 2026-11-22 UTC.
    pub(crate) fn look(width: usize) -> Look {
        let now = Timestamp(1_795_348_800_000_000_000);
        Look { width: Some(width), coloured: false, now, zone: TimeZone::UTC }
    }

    struct Full(io::ErrorKind);

    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_went_away_is_not_a_failure() {
        let error = Page::to(Full(io::ErrorKind::BrokenPipe), look(80)).line("x").unwrap_err();
        assert!(is_reader_gone(&error));
        let error = Page::to(Full(io::ErrorKind::StorageFull), look(80)).line("x").unwrap_err();
        assert!(!is_reader_gone(&error));
        assert!(error.to_string().starts_with("cannot write to standard output: "));
    }
}
