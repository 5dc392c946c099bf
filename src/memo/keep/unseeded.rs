//! Whether a run that was cached for the first time drew random numbers: the first ones are repeated from now on.

use super::super::event::Event;
use crate::hash::capture::Captured;
use crate::hash::entry::LanguageKind;
use crate::profiles::randomness::{self, Dialect};

/// The warning about the run, if there is one.
pub(super) fn warning(captured: &Captured) -> Option<Event> {
    let dialect = match captured.command.entry.language {
        LanguageKind::Python => Dialect::Python,
        LanguageKind::JavaScript | LanguageKind::TypeScript => Dialect::JavaScript,
        LanguageKind::Perl => Dialect::Perl,
        LanguageKind::Ruby => Dialect::Ruby,
        LanguageKind::R => Dialect::R,
        _ => return None,
    };
    let sources = captured.sources.iter().map(|source| source.bytes.as_slice());
    let (place, call) = randomness::unseeded(dialect, sources)?;
    let path = captured.sources.get(place)?.path.clone();
    Some(Event::Unseeded { path, call })
}
