//! The content of large files that a run only looked at. The record has their size and time, since reading them would take too long
//! before a hit. Another machine has other times, so a record for others needs the digest.

use super::files::{digest_file, trusted};
use super::look::{modified, stat};
use super::user_digests;
use crate::digest::Digest;
use crate::record::{Evidence, FileState, Timestamp};
use std::fmt;
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// A larger file is not digested: others would have to read theirs before each command that looks at it.
const LARGEST: u64 = 1 << 30;

/// Why the content at the time of the run cannot be told now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Untold {
    /// The file changed, or may have changed, since the run began.
    Changed,
    /// It is larger than 1 GiB.
    TooLarge,
    /// It cannot be read.
    Unreadable,
}

impl fmt::Display for Untold {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Changed => "it changed since the run began",
            Self::TooLarge => "it is larger than 1 GiB",
            Self::Unreadable => "it cannot be read",
        })
    }
}

/// Whether [`content`] can be told, without reading the file.
///
/// # Errors
/// Why not.
pub fn may_be_told(path: &Path, follow: bool, state: &FileState, started: Timestamp) -> Result<(), Untold> {
    still(path, follow, state, started)?;
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
    let opened = OpenOptions::new().read(true).custom_flags(flags).open(path);
    opened.map(drop).map_err(|_| Untold::Unreadable)
}

/// The digest of the regular file at `path`, which a run that began at `started` found in `state`, a size and a time. It is remembered
/// for the user.
///
/// # Errors
/// Why it cannot be told.
pub fn content(path: &Path, follow: bool, state: &FileState, started: Timestamp) -> Result<Digest, Untold> {
    let expected = still(path, follow, state, started)?;
    if let Some(digest) = user_digests::find(path, &expected) {
        return Ok(digest);
    }
    let (digest, found) = digest_file(path).map_err(|_| Untold::Unreadable)?;
    if found != expected {
        return Err(Untold::Changed);
    }
    user_digests::learn(path, &expected, &digest);
    Ok(digest)
}

/// What `stat` says of the file, if it is still as it was when the run began.
fn still(path: &Path, follow: bool, state: &FileState, started: Timestamp) -> Result<Evidence, Untold> {
    let FileState::LargeFile { size, modified: time, .. } = state else { return Err(Untold::Changed) };
    let found = stat(path, follow).map_err(|_| Untold::Changed)?;
    if !found.is_file() || found.len() != *size || modified(&found) != *time {
        return Err(Untold::Changed);
    }
    let evidence = trusted(path, Evidence::of(&found), started).ok_or(Untold::Changed)?;
    if *size > LARGEST { Err(Untold::TooLarge) } else { Ok(evidence) }
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
    fn what_is_still_there_is_told_and_what_changed_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "content").unwrap();
        let (state, started) = recorded(&path);
        assert_eq!(may_be_told(&path, true, &state, started), Ok(()));
        assert_eq!(content(&path, true, &state, started), Ok(Digest::of(b"content")));
        // The run began before the file was there.
        let before = Timestamp(started.0 - 60_000_000_000);
        assert_eq!(content(&path, true, &state, before), Err(Untold::Changed));
        let link = folder.path().join("link");
        symlink(&path, &link).unwrap();
        assert_eq!(content(&link, true, &state, started), Ok(Digest::of(b"content")));
        assert_eq!(content(&link, false, &state, started), Err(Untold::Changed));
        let file = File::options().write(true).open(&path).unwrap();
        file.set_modified(std::time::SystemTime::now() - Duration::from_mins(1)).unwrap();
        assert_eq!(content(&path, true, &state, started), Err(Untold::Changed));
        let (state, started) = recorded(&path);
        fs::write(&path, "longer content").unwrap();
        assert_eq!(may_be_told(&path, true, &state, started), Err(Untold::Changed));
        fs::remove_file(&path).unwrap();
        assert_eq!(content(&path, true, &state, started), Err(Untold::Changed));
    }

    #[test]
    fn what_is_too_large_or_not_readable_is_not_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        File::create(&path).unwrap().set_len(LARGEST + 1).unwrap();
        let (state, started) = recorded(&path);
        assert_eq!(may_be_told(&path, true, &state, started), Err(Untold::TooLarge));
        assert_eq!(content(&path, true, &state, started), Err(Untold::TooLarge));
        fs::write(&path, "content").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
        let (state, started) = recorded(&path);
        // Root reads it nevertheless.
        if File::open(&path).is_err() {
            assert_eq!(may_be_told(&path, true, &state, started), Err(Untold::Unreadable));
            assert_eq!(content(&path, true, &state, started), Err(Untold::Unreadable));
        }
    }
}
