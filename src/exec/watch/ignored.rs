//! Paths that count as neither input nor output.

use super::access::Observer;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// Devices on which no result depends, or that cannot be observed.
const IGNORED_DEVICES: &[&[u8]] =
    &[b"null", b"zero", b"full", b"random", b"urandom", b"ptmx", b"stdin", b"stdout", b"stderr"];

impl Observer<'_> {
    /// Whether `path` counts as neither input nor output.
    pub(super) fn is_ignored(&self, path: &[u8]) -> bool {
        if path.starts_with(b"/proc") || path.starts_with(b"/sys") || path.starts_with(b"/dev") {
            let rest = path.get(1..).unwrap_or_default();
            let mut names = rest.splitn(2, |byte| *byte == b'/');
            let (top, below) = (names.next(), names.next());
            match top {
                Some(b"proc" | b"sys") => return true,
                Some(b"dev") => {
                    let below = below.unwrap_or_default();
                    return IGNORED_DEVICES.contains(&below)
                        || below == b"fd"
                        || below.starts_with(b"fd/")
                        || is_terminal(path);
                }
                _ => {}
            }
        }
        let is_below = |directory: &PathBuf| {
            let rest = path.strip_prefix(directory.as_os_str().as_bytes());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
        };
        self.unobserved.iter().chain(&self.nested_stores).any(is_below)
    }
}

/// Whether `path` is a terminal, by its name.
pub(super) fn is_terminal(path: &[u8]) -> bool {
    path == b"/dev/tty" || path.starts_with(b"/dev/pts/")
}
