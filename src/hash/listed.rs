//! The literal filters of code that lists directories.
//!
//! If a filter is not literal, every name may count.

mod javascript;
mod shell;

use super::entry::LanguageKind;
use super::language::Python;
pub use super::language::{Filter, Listed, is_like, is_special};
pub use shell::Globs;
use std::path::Path;

/// What a source in this language lists. In an unknown language it may list anything.
#[must_use]
pub fn listed(language: Option<LanguageKind>, path: &Path, source: &[u8]) -> Listed {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    let language = match extension {
        "py" => Some(LanguageKind::Python),
        "js" | "mjs" | "cjs" | "ts" | "mts" | "cts" | "tsx" | "jsx" => Some(LanguageKind::JavaScript),
        "" => language,
        _ => language.filter(|_| !matches!(extension, "pl" | "pm" | "rb" | "R" | "r" | "lua" | "php")),
    };
    match language {
        Some(LanguageKind::Python) => Python::newest().listed(source),
        Some(LanguageKind::JavaScript | LanguageKind::TypeScript) => javascript::of(source),
        _ => Listed::UNKNOWN,
    }
}

#[cfg(test)]
mod tests;
