//! Colours, by what they mean. They never carry meaning alone: without them every view says the same.
//!
//! Whether a stream is coloured follows `NO_COLOR`, `CLICOLOR_FORCE`, `CLICOLOR`, `TERM` and whether it is a
//! terminal, as the anstream crate has it.

use anstream::{AutoStream, ColorChoice};
use owo_colors::{OwoColorize, Style};
use std::borrow::Cow;

/// What a piece of text is, as far as its colour says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Nothing in particular.
    Plain,
    /// A heading.
    Heading,
    /// The name of a commit.
    Hash,
    /// Went well, added.
    Good,
    /// Went wrong, removed.
    Bad,
    /// Changed, or wants attention.
    Changed,
    /// Beside the point.
    Faint,
    /// Advice.
    Hint,
}

/// Whether standard output is coloured.
#[must_use]
pub fn for_stdout() -> bool {
    AutoStream::choice(&std::io::stdout()) != ColorChoice::Never
}

/// Whether standard error is coloured.
#[must_use]
pub fn for_stderr() -> bool {
    AutoStream::choice(&std::io::stderr()) != ColorChoice::Never
}

/// `text` in the colour of `role`, or as it is.
#[must_use]
pub fn paint(text: &str, role: Role, coloured: bool) -> Cow<'_, str> {
    if !coloured || role == Role::Plain || text.is_empty() {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.style(style(role)).to_string())
}

/// `text` without any colour.
#[must_use]
pub fn stripped(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}

/// Yellow, cyan and white vanish on a light ground, blue on a dark one: none of them is used.
const fn style(role: Role) -> Style {
    match role {
        Role::Plain => Style::new(),
        Role::Heading | Role::Changed | Role::Hint => Style::new().bold(),
        Role::Hash => Style::new().magenta(),
        Role::Good => Style::new().green(),
        Role::Bad => Style::new().red().bold(),
        Role::Faint => Style::new().dimmed(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_role_keeps_its_words() {
        let roles = [
            Role::Plain,
            Role::Heading,
            Role::Hash,
            Role::Good,
            Role::Bad,
            Role::Changed,
            Role::Faint,
            Role::Hint,
        ];
        for role in roles {
            assert_eq!(paint("words", role, false), "words");
            let painted = paint("words", role, true);
            assert_eq!(painted.contains('\x1b'), role != Role::Plain, "{role:?}");
            assert_eq!(stripped(&painted), "words");
        }
    }
}
