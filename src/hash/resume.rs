//! Whether the function's own code goes on with a file that it finds.

use super::capture::Captured;
use super::entry::LanguageKind;
use super::language::{JavaScript, Python, Shell, StateUse};

/// What all sources of the function together do with files that they find. Of languages whose code is not read nothing is
/// known but what the run does.
#[must_use]
pub fn state_use(captured: &Captured) -> StateUse {
    let of_source = |path: &std::path::Path, bytes: &[u8]| {
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        match captured.command.entry.language {
            LanguageKind::Python => Python::newest().state_use(bytes),
            LanguageKind::JavaScript | LanguageKind::TypeScript => {
                JavaScript::for_extension(extension).state_use(bytes)
            }
            LanguageKind::Shell => Shell.state_use(bytes),
            _ => StateUse::default(),
        }
    };
    let each = captured.sources.iter().map(|source| of_source(&source.absolute, &source.bytes));
    each.fold(StateUse::default(), StateUse::and)
}
