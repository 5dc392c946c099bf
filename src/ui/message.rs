//! Lines on standard error: `cashet: …`, `error: …`, `hint: …`.
//!
//! A message is one line. Errors of writing it are ignored.

use super::{colour, escape};
use crate::error::Error;
use std::io::{BufRead, Write};
use std::sync::atomic::{AtomicBool, Ordering};

/// Prints what cashet did or does.
pub fn status(text: &str) {
    write(&line("cashet:", text, colour::for_stderr(), colour::Role::Faint));
}

/// Width of the terminal at standard error; `None` where it is no terminal.
#[must_use]
pub fn width() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(std::io::stderr()).ok()?;
    Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
}

/// Number of columns for a message after its prefix, where standard error is a terminal.
#[must_use]
pub fn room() -> Option<usize> {
    width().map(|width| width.saturating_sub("cashet: ".len()).max(20))
}

/// `text` as one line, shortened to fit where standard error is a terminal.
#[must_use]
pub fn fitted(text: &str) -> String {
    match room() {
        Some(room) => escape::cut(&escape::line(text.as_bytes()), room).into_owned(),
        None => text.to_owned(),
    }
}

/// Prints a warning.
pub fn warning(text: &str) {
    write(&line("cashet:", text, colour::for_stderr(), colour::Role::Changed));
}

/// Prints an error, and its hint if there is one.
pub fn error(error: &Error) {
    write(&error_lines(error, colour::for_stderr()));
}

/// Asks a yes-or-no question. Any other answer than yes is no.
#[must_use]
pub fn is_confirmed(question: &str) -> bool {
    let line = line("cashet:", question, colour::for_stderr(), colour::Role::Changed);
    write(&format!("{}. Go on? [y/N] ", line.trim_end()));
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer);
    read.is_ok() && matches!(answer.trim().to_lowercase().as_str(), "y" | "yes")
}

/// Writes text unchanged, for programs.
pub fn raw(text: &str) {
    write(text);
}

/// The lines that [`error()`] writes.
#[must_use]
pub fn error_lines(error: &Error, coloured: bool) -> String {
    let mut lines = line("error:", &error.to_string(), coloured, colour::Role::Bad);
    if let Some(hint) = error.hint() {
        lines.push_str(&line("hint:", hint, coloured, colour::Role::Hint));
    }
    lines
}

fn line(prefix: &str, text: &str, coloured: bool, role: colour::Role) -> String {
    let prefix = colour::paint(prefix, role, coloured);
    format!("{prefix} {}\n", escape::readable(&escape::line(text.as_bytes())))
}

/// Whether nothing is printed, not even errors.
static MUTE: AtomicBool = AtomicBool::new(false);

/// Prints nothing from now on.
pub fn mute() {
    MUTE.store(true, Ordering::Relaxed);
}

/// Writes with a single call, so that lines of several processes do not mix.
fn write(lines: &str) {
    if MUTE.load(Ordering::Relaxed) {
        return;
    }
    let _ = std::io::stderr().lock().write_all(lines.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    #[test]
    fn an_error_is_one_line_and_a_hint_another() {
        let error = Error::usage("no such\nthing \x1b[1m").with_hint("look\nelsewhere");
        assert_eq!(error_lines(&error, false), "error: no such\\nthing \\x1b[1m\nhint: look\\nelsewhere\n");
        assert_eq!(error_lines(&Error::new(Kind::Other, "alone"), false), "error: alone\n");
    }

    #[test]
    fn colour_adds_nothing_but_colour() {
        let error = Error::usage("words").with_hint("more");
        let coloured = error_lines(&error, true);
        assert_ne!(coloured, error_lines(&error, false));
        assert_eq!(colour::stripped(&coloured), error_lines(&error, false));
    }
}
