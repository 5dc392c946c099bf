//! Lines on standard error: `cashet: …`, `error: …`, `hint: …`.
//!
//! A message is one line. That it cannot be written is nobody's concern: such errors are ignored.

use super::{colour, escape};
use crate::error::Error;
use std::io::Write;

/// Tells what cashet did or does.
pub fn status(text: &str) {
    write(&line("cashet:", text, colour::for_stderr(), colour::Role::Faint));
}

/// Tells what the user should know although the command goes on.
pub fn warning(text: &str) {
    write(&line("cashet:", text, colour::for_stderr(), colour::Role::Changed));
}

/// Tells what failed, then the one thing to do about it, if there is one.
pub fn error(error: &Error) {
    write(&error_lines(error, colour::for_stderr()));
}

/// Writes text as it is, for programs.
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

/// One call of `write`, so that lines of several processes do not mix.
fn write(lines: &str) {
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
