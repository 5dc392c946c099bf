//! Tests for files in code of languages that are not parsed: found by their spellings.

use crate::hash::entry::LanguageKind;
use memchr::{memchr_iter, memmem};

/// Text that tests for a file in languages that are not parsed: Tcl, awk, Lua, Julia.
const UNPARSED: &[&str] = &[
    "file exists",
    "file isfile",
    "file isdirectory",
    "file readable",
    "file size",
    "file mtime",
    "file stat",
    "ispath",
    "filesize",
    " -nt ",
    " -ot ",
];

/// Whether code in this language, or in a file with this ending, may test for a file by a spelling of a language that is not parsed.
pub(super) fn may_test(language: Option<LanguageKind>, extension: &str, code: &[u8]) -> bool {
    let is_perl = matches!(extension, "pl" | "pm" | "t") || language == Some(LanguageKind::Perl);
    let is_parsed = language.is_some_and(|language| language != LanguageKind::Lua);
    is_perl && has_perl_test(code)
        || !is_parsed && UNPARSED.iter().any(|test| memmem::find(code, test.as_bytes()).is_some())
}

/// Whether code of Perl has an operator that tests a file: `-e $f`, `!-f "x"`, `-M _`.
fn has_perl_test(code: &[u8]) -> bool {
    memchr_iter(b'-', code).any(|at| {
        let before = at.checked_sub(1).and_then(|at| code.get(at));
        let [letter, after, ..] = code.get(at + 1..).unwrap_or_default() else { return false };
        b"edfszrwxMACl".contains(letter)
            && before.is_none_or(|byte| byte.is_ascii_whitespace() || b"(!&|{;,=?:".contains(byte))
            && (after.is_ascii_whitespace() || b"$(\"'_".contains(after))
    })
}
