//! Rules for whether an occurrence of a name counts, by the kind of file. A pure function of bytes and paths.

use crate::hash::environment::Weight;
use std::path::Path;

/// Names up to this length, in bytes, occur by chance in any machine code.
const SHORT: usize = 2;

/// How occurrences in a file count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rules {
    Text,
    Executable,
    SystemLibrary,
    Data,
}

impl Rules {
    pub(super) fn of(head: &[u8], system_library: bool) -> Self {
        let magic: &[&[u8]] = &[
            b"\x7fELF",
            b"MZ",
            b"\xfe\xed\xfa\xce",
            b"\xfe\xed\xfa\xcf",
            b"\xce\xfa\xed\xfe",
            b"\xcf\xfa\xed\xfe",
            b"\xca\xfe\xba\xbe",
        ];
        let executable = magic.iter().any(|magic| head.starts_with(magic)) && head.contains(&0);
        match (executable, system_library) {
            (true, true) => Self::SystemLibrary,
            (true, false) => Self::Executable,
            (false, _) if head.contains(&0) => Self::Data,
            (false, _) => Self::Text,
        }
    }

    /// Whether an occurrence of a name, or of its prefix, counts; `of_project` means that the file belongs to the
    /// project.
    pub(super) fn count(
        self,
        found: Occurrence<'_>,
        leading: bool,
        weight: Weight,
        of_project: bool,
    ) -> bool {
        let Occurrence { bytes, start, end } = found;
        let length = end - start;
        let word = is_word(bytes, start, end);
        let anywhere = match self {
            Self::Text => word,
            Self::Executable => word || !leading,
            Self::SystemLibrary | Self::Data => length > SHORT && (word || !leading),
        };
        match (weight, self) {
            (Weight::Strong, _) => anywhere,
            (Weight::Weak, Self::Text) => word && (of_project || is_asked(bytes, start, end)),
            (Weight::Weak, Self::Executable) => {
                of_project && anywhere && (length > 3 || is_apart(bytes, start, end))
            }
            (Weight::Job, Self::Text) => of_project && word && !leading,
            (Weight::Session, Self::Text) => {
                of_project
                    && word
                    && !leading
                    && is_asked(bytes, start, end)
                    && !extends_path(bytes, start, end)
            }
            _ => false,
        }
    }
}

/// Position of a match.
#[derive(Clone, Copy)]
pub(super) struct Occurrence<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) start: usize,
    pub(super) end: usize,
}

/// Number of bytes before and after a name that are searched for an access to the environment.
pub(super) const BESIDE: usize = 200;

/// Whether a name is in a line that begins with `# `, a comment in shells, Python, Perl, Ruby and the like, and that cannot be part
/// of a text into which code puts values. A macro of C names a variable in quotation marks, so it is no such line.
fn is_in_comment(bytes: &[u8], start: usize, end: usize) -> bool {
    let before = bytes.get(start.saturating_sub(BESIDE)..start).unwrap_or_default();
    let after = bytes.get(end..bytes.len().min(end + BESIDE)).unwrap_or_default();
    let Some(begin) = before.iter().rposition(|byte| *byte == b'\n') else { return false };
    let Some(rest) = after.split(|byte| *byte == b'\n').next().filter(|rest| rest.len() < after.len()) else {
        return false;
    };
    let line = before.get(begin + 1..).unwrap_or_default();
    let puts_values = |byte: &u8| b"${}<>%`\"'\\".contains(byte);
    line.trim_ascii_start().starts_with(b"# ") && !line.iter().chain(rest).any(puts_values)
}

/// Whether code reads the variable at this position: by `$`, or near an access to the environment.
fn is_asked(bytes: &[u8], start: usize, end: usize) -> bool {
    if is_in_comment(bytes, start, end) {
        return false;
    }
    let before = |back: usize| start.checked_sub(back).and_then(|at| bytes.get(at));
    let is_dollar = before(1) == Some(&b'$')
        || (matches!(before(1), Some(b'{' | b'(' | b'!')) && before(2) == Some(&b'$'));
    let beside = bytes.get(start.saturating_sub(BESIDE)..bytes.len().min(end + BESIDE)).unwrap_or_default();
    is_dollar || beside.windows(3).any(|part| part.eq_ignore_ascii_case(b"env"))
}

/// Whether the name is PATH in a line that sets it: programs found through PATH count separately.
fn extends_path(bytes: &[u8], start: usize, end: usize) -> bool {
    if bytes.get(start..end) != Some(b"PATH") {
        return false;
    }
    let before =
        bytes.get(..start).unwrap_or_default().rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    let after = bytes.get(end..).unwrap_or_default().split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = [before, b"PATH", after].concat();
    let sets = |rest: &[u8]| {
        let rest = rest.trim_ascii_start();
        let rest =
            rest.strip_prefix(b":").or(rest.strip_prefix(b"?")).or(rest.strip_prefix(b"+")).unwrap_or(rest);
        rest.starts_with(b"=")
    };
    line.windows(4).enumerate().any(|(at, part)| part == b"PATH" && line.get(at + 4..).is_some_and(sets))
}

/// Whether a short name in machine code stands by itself, or among text: by chance it seldom does.
fn is_apart(bytes: &[u8], start: usize, end: usize) -> bool {
    let is_end = |byte: Option<&u8>| byte.is_none_or(|byte| *byte == 0);
    if is_end(start.checked_sub(1).and_then(|at| bytes.get(at))) && is_end(bytes.get(end)) {
        return true;
    }
    let is_text = |byte: &u8| *byte == 0 || (32..127).contains(byte);
    let (before, after) =
        (bytes.get(start.saturating_sub(4)..start), bytes.get(end..bytes.len().min(end + 4)));
    before.is_some_and(|before| before.iter().all(is_text))
        && after.is_some_and(|after| after.iter().all(is_text))
}

/// Whether the bytes from `start` to `end` are not part of a longer word.
pub(super) fn is_word(bytes: &[u8], start: usize, end: usize) -> bool {
    let belongs = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    let at = |place: Option<usize>| place.and_then(|place| bytes.get(place));
    let joined_before = belongs(at(start.checked_sub(1))) && belongs(at(Some(start)));
    let joined_after = belongs(at(Some(end))) && belongs(at(end.checked_sub(1)));
    !joined_before && !joined_after
}

/// Whether `path` is in a directory of system libraries.
pub(super) fn is_system_library(path: &Path) -> bool {
    let places =
        ["/lib", "/lib32", "/lib64", "/libx32", "/usr/lib", "/usr/lib32", "/usr/lib64", "/usr/libx32"];
    let nix = path.starts_with("/nix/store")
        && path.components().nth(4).is_some_and(|part| part.as_os_str() == "lib");
    nix || places.iter().any(|place| path.starts_with(place))
}
