//! Source code of the function that asks for attributes of files: found by names in the text.

use crate::exec::Shows;
use crate::hash::capture::{Captured, Source};
use crate::hash::entry::{LanguageKind, What};
use crate::profiles::code_names::{
    ASKS_ALL, ASKS_IDS, ASKS_MODES, ASKS_OWNERS, ASKS_TIMES, MODE, NAMES_STAT, PERL_ASKS, RENAMES_STAT,
    SHELL_ASKS,
};
use crate::profiles::users::TESTS_OWNER;
use std::os::unix::ffi::OsStrExt;

/// Words before a parenthesis that do not make it a call.
const NO_CALLS: &[&[u8]] = &[b"if", b"while", b"return", b"and", b"or", b"not", b"in", b"switch", b"await"];

/// Whether code contains one of `needles`.
pub(super) fn mentions(code: &[u8], needles: &[&str]) -> bool {
    needles.iter().any(|needle| {
        let mut places = memchr::memmem::find_iter(code, needle.as_bytes());
        let is_word = *needle == MODE || ASKS_IDS.contains(needle);
        places.any(|at| !is_word || !code.get(at + needle.len()).is_some_and(|next| is_of_name(*next)))
    })
}

/// The attributes that the function's own code asks for, by the names in it. (A shell itself asks for little besides the order of
/// times.) `looks_up` says whether the run looked up users or groups.
pub(super) fn asked_by(captured: &Captured, looks_up: bool) -> Shows {
    let entry = &captured.command.entry;
    // Other languages use other names for this.
    let (times, modes): (&[&str], &[&str]) = match entry.language {
        LanguageKind::Shell => (SHELL_ASKS, &[]),
        LanguageKind::Perl => (PERL_ASKS, &["File::Copy"]),
        LanguageKind::R => (&["file.info", "mtime"], &["file.mode"]),
        LanguageKind::Lua => (&["lfs", "io.popen"], &[]),
        _ => (ASKS_TIMES, ASKS_MODES),
    };
    let inline = match &entry.what {
        What::Inline { code, .. } => code.as_slice(),
        // Python's standard modules are not sources: `-m zipfile`.
        What::Module(name) => name.as_bytes(),
        _ => &[],
    };
    let is_python = entry.language == LanguageKind::Python && !matches!(entry.what, What::Module(_));
    let asks_times = |code: &[u8]| {
        let counts = |name: &str| !(name == "zipfile" && is_python && !packs(code));
        times.iter().any(|name| mentions(code, &[name]) && counts(name))
            || (times == ASKS_TIMES
                && (looks_up && mentions(code, ASKS_OWNERS)
                    || mentions(code, ASKS_IDS) && mentions(code, NAMES_STAT)))
    };
    let codes = || codes(captured).chain([inline]);
    let takes_all = |code: &[u8]| !matches!(entry.language, LanguageKind::Shell) && takes_whole(code);
    if codes().any(|code| asks_times(code) || takes_all(code) || mentions(code, TESTS_OWNER)) {
        Shows::Times
    } else if codes().any(|code| mentions(code, modes)) {
        Shows::Modes
    } else {
        Shows::Nothing
    }
}

/// The sources of the function.
pub(super) fn codes(captured: &Captured) -> impl Iterator<Item = &[u8]> {
    captured.sources.iter().map(|source| code_of(captured, source))
}

/// The code of one of them.
pub(super) fn code_of<'c>(captured: &Captured, source: &'c Source) -> &'c [u8] {
    let is_perl = captured.command.entry.language == LanguageKind::Perl;
    if is_perl { code_of_perl(&source.bytes) } else { &source.bytes }
}

/// Perl's code without what follows its end: documentation, unless the code reads it as data.
fn code_of_perl(bytes: &[u8]) -> &[u8] {
    let end = memchr::memmem::find(bytes, b"\n__END__\n").filter(|_| !mentions(bytes, &["DATA"]));
    end.and_then(|end| bytes.get(..end)).unwrap_or(bytes)
}

/// Whether Python's code that names zip files may put files into one, with their times.
fn packs(code: &[u8]) -> bool {
    let writes = memchr::memmem::find_iter(code, b"write").any(|at| {
        let rest = code.get(at..).unwrap_or_default();
        !rest.starts_with(b"writestr(")
    });
    writes || mentions(code, &["from_file", "getattr", "caller", "__import__", "import_module"])
}

/// Whether code passes on all attributes of a file, or reads one by number: `print(os.stat(f))`, `s = stat(f)` and `s[0]`.
pub(super) fn takes_whole(code: &[u8]) -> bool {
    if mentions(code, RENAMES_STAT) {
        return true;
    }
    ASKS_ALL.iter().any(|call| {
        memchr::memmem::find_iter(code, call.as_bytes()).any(|at| {
            let end = at.saturating_add(call.len());
            let rest = code.get(end..).unwrap_or_default();
            let Some(length) = closed(rest) else { return false };
            let arguments = rest.get(..length).unwrap_or_default();
            let is_callback = mentions(arguments, &["=>", "function"]);
            let after = rest.get(length.saturating_add(1)..).unwrap_or_default();
            let line_begin = code.get(..at).and_then(|before| before.iter().rposition(|byte| *byte == b'\n'));
            let before =
                code.get(line_begin.map_or(0, |place| place.saturating_add(1))..at).unwrap_or_default();
            let next = after.iter().find(|byte| !matches!(byte, b' ' | b'\t')).copied();
            !is_callback
                && match next {
                    Some(b'[' | b')' | b',') => true,
                    Some(b'.') => false,
                    _ => {
                        is_destructured(before)
                            || assigned(before).is_some_and(|name| is_taken_whole(code, name))
                    }
                }
        })
    })
}

/// The distance to the matching closing parenthesis.
fn closed(code: &[u8]) -> Option<usize> {
    let mut depth = 0_usize;
    code.iter().position(|byte| match byte {
        b'(' => {
            depth = depth.saturating_add(1);
            false
        }
        b')' if depth == 0 => true,
        b')' => {
            depth = depth.saturating_sub(1);
            false
        }
        _ => false,
    })
}

const fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$'
}

/// Whether a line with this beginning assigns to several names: `const { mode } = …`, `mode, *rest = …`.
fn is_destructured(line: &[u8]) -> bool {
    let line = line.rsplit(|byte| *byte == b';').next().unwrap_or_default();
    let Some(sign) = line.iter().rposition(|byte| *byte == b'=') else { return false };
    let left = line.get(..sign).unwrap_or_default().trim_ascii_end();
    left.ends_with(b"}") || (left.contains(&b',') && !left.contains(&b'('))
}

/// The name to which a line with this beginning assigns.
fn assigned(line: &[u8]) -> Option<&[u8]> {
    let line = line.rsplit(|byte| *byte == b';').next().unwrap_or_default();
    let sign = line.iter().position(|byte| *byte == b'=')?;
    let left = line.get(..sign)?.trim_ascii_end();
    let left = left.strip_suffix(b":").unwrap_or(left).trim_ascii_end();
    let begin = left.iter().rposition(|byte| !is_of_name(*byte)).map_or(0, |place| place.saturating_add(1));
    left.get(begin..).filter(|name| !name.is_empty())
}

/// Whether code passes on the variable of this name, or reads a part of it by number.
fn is_taken_whole(code: &[u8], name: &[u8]) -> bool {
    memchr::memmem::find_iter(code, name).any(|at| {
        let (before, after) = code.split_at_checked(at).unwrap_or_default();
        let after = after.get(name.len()..).unwrap_or_default();
        let is_spread = before.ends_with(b"...");
        if !is_spread && before.last().is_some_and(|byte| is_of_name(*byte) || *byte == b'.') {
            return false;
        }
        match after.first() {
            Some(b'[') => true,
            Some(b')' | b',' | b'}') => {
                let before = before.trim_ascii_end();
                let opened = before.strip_suffix(b"(").unwrap_or_default();
                let begin = opened
                    .iter()
                    .rposition(|byte| !is_of_name(*byte))
                    .map_or(0, |place| place.saturating_add(1));
                let call = opened.get(begin..).unwrap_or_default();
                (!call.is_empty() && !NO_CALLS.contains(&call))
                    || before.ends_with(b",")
                    || before.ends_with(b"...")
            }
            _ => false,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_that_takes_all_that_is_known_of_a_file_is_told_apart() {
        for code in [
            "print(os.stat('f'))",
            "x = os.stat('f')[0]",
            "s = os.stat(f)\nprint(s[0])",
            "s = p.stat()\nshow(1, s)",
            "getattr(p.stat(), name)",
            "mode, *rest = os.stat(f)",
            "from os import stat as look\nprint(look(f)[0])",
            "const { mode, uid } = fs.statSync(f)",
            "const a = 1; const s = fs.statSync(f); console.log(Object.values(s)[1])",
            "const s = fs.statSync(f)\nconsole.log(s)",
            "const s = await fs.stat(f);\nshow({...s})",
            "console.log(Object.values(fs.statSync(name(f))))",
        ] {
            assert!(takes_whole(code.as_bytes()), "{code}");
        }
        for code in [
            "n = os.stat('f').st_size",
            "s = os.stat(f)\nprint(s.st_size)",
            "os.stat(f)\n",
            "const s = fs.statSync(f)\nif (s) console.log(s.size)",
            "fs.stat(f, (error, s) => show(s.size))",
            "files.filter(f => fs.statSync(f).isFile())",
        ] {
            assert!(!takes_whole(code.as_bytes()), "{code}");
        }
    }

    #[test]
    fn a_mode_is_a_word() {
        assert!(mentions(b"s.mode & 7", ASKS_MODES) && mentions(b"s.mode", ASKS_MODES));
        assert!(!mentions(b"from sklearn.model_selection import KFold", ASKS_MODES));
    }

    #[test]
    fn code_that_packs_files_is_told_from_code_that_packs_texts() {
        assert!(!packs(b"z.writestr(zipfile.ZipInfo('a'), open('a').read())"));
        for code in ["z.write('a')", "add = z.write", "zipfile.PyZipFile(f).writepy(d)", "getattr(z, n)(f)"] {
            assert!(packs(code.as_bytes()), "{code}");
        }
    }
}
