//! Standard output as a page: what is shown on it, how wide it is, and whether it is coloured.
//!
//! Knows nothing of what is shown. A page can also be a buffer, so that every view can be looked at in a test.

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

/// How much is written at once.
const BUFFER: usize = 64 * 1024;

/// Narrowest page that is taken seriously.
const NARROWEST: usize = 40;

/// How views are made.
#[derive(Clone, Debug)]
pub struct Look {
    /// Maximum number of columns of a line; `None` for a pipe or file, where nothing is cut.
    pub width: Option<usize>,
    /// Whether there are colours.
    pub coloured: bool,
    /// The present moment, for ages.
    pub now: Timestamp,
    /// The zone in which moments are shown to people.
    pub zone: TimeZone,
}

impl Look {
    /// As standard output is.
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

/// Width of the terminal that standard output is; else what `COLUMNS` says.
fn width() -> Option<usize> {
    let told = || std::env::var("COLUMNS").ok()?.parse().ok().filter(|columns| *columns > 0);
    let asked = || termios::tcgetwinsize(io::stdout()).ok().map(|size| usize::from(size.ws_col));
    let width = asked().filter(|columns| *columns > 0).or_else(told);
    let default = io::stdout().is_terminal().then_some(80);
    width.or(default).map(|columns| columns.max(NARROWEST))
}

/// Takes what is shown. Errors of the sink are [`Error`]s; a reader that went away is distinguished by
/// [`is_reader_gone`].
pub struct Page<'a> {
    sink: Box<dyn Write + 'a>,
    /// How views on this page are made.
    pub look: Look,
    terminal: bool,
}

impl Page<'static> {
    /// Standard output.
    #[must_use]
    pub fn stdout(now: Timestamp) -> Self {
        let look = Look::of_stdout(now);
        // Rust's own standard output looks for line ends in all that passes.
        let sink: Box<dyn Write> = match io::stdout().as_fd().try_clone_to_owned() {
            Ok(descriptor) => Box::new(BufWriter::with_capacity(BUFFER, File::from(descriptor))),
            Err(_) => Box::new(io::stdout().lock()),
        };
        Self { sink, look, terminal: io::stdout().is_terminal() && io::stdin().is_terminal() }
    }
}

impl<'a> Page<'a> {
    /// Any sink.
    pub fn to(sink: impl Write + 'a, look: Look) -> Self {
        Self { sink: Box::new(sink), look, terminal: false }
    }

    /// Whether a user reads it who can answer questions.
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

    /// Shows text that brings its own line ends.
    pub fn write(&mut self, text: &str) -> Result<()> {
        self.bytes(text.as_bytes())
    }

    /// Writes bytes as they are: for `get` alone.
    pub fn bytes(&mut self, bytes: &[u8]) -> Result<()> {
        self.sink.write_all(bytes).map_err(not_written)
    }

    /// Writes one JSON value as a line.
    pub fn json(&mut self, value: &serde_json::Value) -> Result<()> {
        self.line(&value.to_string())
    }

    /// Writes out what was shown so far: what comes next is said on standard error.
    pub fn flush(&mut self) -> Result<()> {
        self.sink.flush().map_err(not_written)
    }

    /// Sees to it that everything is written.
    pub fn finish(mut self) -> Result<()> {
        self.sink.flush().map_err(not_written)
    }
}

/// Whether `error` means that the reader of standard output went away: the end of the work, not a failure.
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

    /// A look for tests: this wide, plain, at noon of 2026-11-22 UTC.
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
