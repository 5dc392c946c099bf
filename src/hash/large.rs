//! Digests of large files for shared caches. A run that only looked at such a file records its size and time, since reading it would
//! make hits slow. Times differ on other machines, so a published record needs the digest.

use super::files::{digest_file, trusted};
use super::look::{modified, stat};
use super::user_digests;
use crate::digest::Digest;
use crate::record::{Evidence, FileState, Timestamp};
use std::fmt;
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Maximum size in bytes. For a larger file, another machine would have to read too much before a hit.
const LARGEST: u64 = 1 << 30;

/// Why the digest at the time of the run is unavailable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unavailable {
    /// The file changed, or may have changed, since the run began.
    Changed,
    /// It is larger than 1 GiB.
    TooLarge,
    /// It cannot be read.
    Unreadable,
}

impl fmt::Display for Unavailable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Changed => "it changed since the run began",
            Self::TooLarge => "it is larger than 1 GiB",
            Self::Unreadable => "it cannot be read",
        })
    }
}

/// Checks what [`content`] checks before it reads the file.
///
/// # Errors
/// Why the digest is unavailable.
pub fn check(path: &Path, follow: bool, state: &FileState, started: Timestamp) -> Result<(), Unavailable> {
    unchanged(path, follow, state, started)?;
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
    let opened = OpenOptions::new().read(true).custom_flags(flags).open(path);
    opened.map(drop).map_err(|_| Unavailable::Unreadable)
}

/// The digest of the regular file at `path`, if it did not change since a run that began at `started` found it in `state` (size and
/// time). The digest is remembered for the user.
///
/// # Errors
/// Why the digest is unavailable.
pub fn content(
    path: &Path,
    follow: bool,
    state: &FileState,
    started: Timestamp,
) -> Result<Digest, Unavailable> {
    let expected = unchanged(path, follow, state, started)?;
    if let Some(digest) = user_digests::find(path, &expected) {
        return Ok(digest);
    }
    let (digest, found) = digest_file(path).map_err(|_| Unavailable::Unreadable)?;
    if found != expected {
        return Err(Unavailable::Changed);
    }
    user_digests::learn(path, &expected, &digest);
    Ok(digest)
}

/// Evidence of the file, if it is in `state` and has not changed since `started`.
fn unchanged(
    path: &Path,
    follow: bool,
    state: &FileState,
    started: Timestamp,
) -> Result<Evidence, Unavailable> {
    let FileState::LargeFile { size, modified: time, .. } = state else { return Err(Unavailable::Changed) };
    let found = stat(path, follow).map_err(|_| Unavailable::Changed)?;
    if !found.is_file() || found.len() != *size || modified(&found) != *time {
        return Err(Unavailable::Changed);
    }
    let evidence = trusted(path, Evidence::of(&found), started).ok_or(Unavailable::Changed)?;
    if *size > LARGEST { Err(Unavailable::TooLarge) } else { Ok(evidence) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, File};
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::time::Duration;

    /// The state of a file as it is recorded, and a time after which it is trusted.
    fn recorded(path: &Path) -> (FileState, Timestamp) {
        let found = fs::metadata(path).unwrap();
        let state = FileState::LargeFile { mode: 0o644, size: found.len(), modified: modified(&found) };
        (state, Timestamp(Timestamp::now().0 + 10_000_000_000))
    }

    #[test]
    fn an_unchanged_file_has_a_digest_and_a_changed_one_has_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "content").unwrap();
        let (state, started) = recorded(&path);
        assert_eq!(check(&path, true, &state, started), Ok(()));
        assert_eq!(content(&path, true, &state, started), Ok(Digest::of(b"content")));
        // The run began before the file was there.
        let before = Timestamp(started.0 - 60_000_000_000);
        assert_eq!(content(&path, true, &state, before), Err(Unavailable::Changed));
        let link = folder.path().join("link");
        symlink(&path, &link).unwrap();
        assert_eq!(content(&link, true, &state, started), Ok(Digest::of(b"content")));
        assert_eq!(content(&link, false, &state, started), Err(Unavailable::Changed));
        let file = File::options().write(true).open(&path).unwrap();
        file.set_modified(std::time::SystemTime::now() - Duration::from_mins(1)).unwrap();
        assert_eq!(content(&path, true, &state, started), Err(Unavailable::Changed));
        let (state, started) = recorded(&path);
        fs::write(&path, "longer content").unwrap();
        assert_eq!(check(&path, true, &state, started), Err(Unavailable::Changed));
        fs::remove_file(&path).unwrap();
        assert_eq!(content(&path, true, &state, started), Err(Unavailable::Changed));
    }

    #[test]
    fn a_file_that_is_too_large_or_not_readable_has_no_digest() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        File::create(&path).unwrap().set_len(LARGEST + 1).unwrap();
        let (state, started) = recorded(&path);
        assert_eq!(check(&path, true, &state, started), Err(Unavailable::TooLarge));
        assert_eq!(content(&path, true, &state, started), Err(Unavailable::TooLarge));
        fs::write(&path, "content").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
        let (state, started) = recorded(&path);
        // Root reads it nevertheless.
        if File::open(&path).is_err() {
            assert_eq!(check(&path, true, &state, started), Err(Unavailable::Unreadable));
            assert_eq!(content(&path, true, &state, started), Err(Unavailable::Unreadable));
        }
    }
}
