//! Rules for whether an occurrence of a name counts, by the kind of file. A pure function of bytes and paths.

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

    /// Whether an occurrence of this length counts.
    pub(super) fn count(self, length: usize, word: bool, leading: bool) -> bool {
        match self {
            Self::Text => word,
            Self::Executable => word || !leading,
            Self::SystemLibrary | Self::Data => length > SHORT && (word || !leading),
        }
    }
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
