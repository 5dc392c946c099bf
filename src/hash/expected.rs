//! Digests of files that were looked at before: one that is still what it was then is opened, read and closed, and nothing
//! more is asked.
//!
//! What `stat` says of the open file after the last byte was read proves that it was the expected one all the time.

use super::both::both;
use super::files::{WORTH_ALL_CORES, digest_open, is_local};
use crate::digest::Digest;
use crate::record::Evidence;
use std::cell::RefCell;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Any user may read an empty file of this mode.
const ALL_MAY_READ: u32 = 0o444;

/// The digest of the content of the regular file that `path` leads to, if that is still what `stat` said of it before;
/// `path` itself is not a link unless `follow`. With `None`, the file must be looked at again.
#[must_use]
pub fn digest_expected(path: &Path, follow: bool, expected: &Evidence) -> Option<Digest> {
    // A FIFO or device is never opened: opening one can act on it.
    if expected.mode & libc::S_IFMT != libc::S_IFREG || expected.size > WORTH_ALL_CORES {
        return None;
    }
    if expected.size == 0
        && expected.mode & ALL_MAY_READ == ALL_MAY_READ
        && is_on_local(path, expected.device)
    {
        let now = if follow { fs::metadata(path) } else { fs::symlink_metadata(path) };
        return (Evidence::of(&now.ok()?) == *expected).then(|| Digest::of(&[]));
    }
    let unless_link = if follow { 0 } else { libc::O_NOFOLLOW };
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY | unless_link;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).ok()?;
    let digest = digest_open(&file, expected.size).ok()?;
    (Evidence::of(&file.metadata().ok()?) == *expected).then_some(digest)
}

/// [`digest_expected`] for each, links followed, in order and with all cores.
#[must_use]
pub fn digest_expected_many(expected: &[(PathBuf, Evidence)]) -> Vec<Option<Digest>> {
    if let [(path, evidence)] = expected {
        return vec![digest_expected(path, true, evidence)];
    }
    if expected.is_empty() {
        return Vec::new();
    }
    let (left, right) = expected.split_at(expected.len() / 2);
    let (mut done, rest) = both(|| digest_expected_many(left), || digest_expected_many(right));
    done.extend(rest);
    done
}

thread_local! {
    /// Devices that were asked for the kind of their file system.
    static LOCAL: RefCell<Vec<(u64, bool)>> = const { RefCell::new(Vec::new()) };
}

/// Whether the file system of `path`, which is `device`, is one on which an empty file is empty: others make what is
/// read while it is read.
fn is_on_local(path: &Path, device: u64) -> bool {
    LOCAL.with_borrow_mut(|known| {
        if let Some((_, local)) = known.iter().find(|(one, _)| *one == device) {
            return *local;
        }
        let local = is_local(path);
        known.push((device, local));
        local
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn seen(path: &Path) -> Evidence {
        Evidence::of(&fs::symlink_metadata(path).unwrap())
    }

    #[test]
    fn what_is_still_there_is_digested() {
        let folder = tempfile::tempdir().unwrap();
        for content in [&b""[..], b"content"] {
            let path = folder.path().join(format!("file{}", content.len()));
            fs::write(&path, content).unwrap();
            let expected = seen(&path);
            for follow in [false, true] {
                assert_eq!(digest_expected(&path, follow, &expected), Some(Digest::of(content)));
            }
        }
    }

    #[test]
    fn what_moved_is_not() {
        let folder = tempfile::tempdir().unwrap();
        for (name, before, after) in [("empty", "", "x"), ("emptied", "x", ""), ("same-size", "x", "y")] {
            let path = folder.path().join(name);
            fs::write(&path, before).unwrap();
            let expected = seen(&path);
            let other = folder.path().join("other");
            fs::write(&other, after).unwrap();
            fs::rename(&other, &path).unwrap();
            assert_eq!(digest_expected(&path, true, &expected), None, "{name}");
            fs::remove_file(&path).unwrap();
            assert_eq!(digest_expected(&path, true, &expected), None, "{name} is gone");
        }
    }

    #[test]
    fn a_link_is_not_taken_for_what_it_leads_to() {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in [("empty", ""), ("full", "x")] {
            let (path, link) = (folder.path().join(name), folder.path().join(format!("{name}-link")));
            fs::write(&path, content).unwrap();
            symlink(&path, &link).unwrap();
            assert_eq!(digest_expected(&link, false, &seen(&path)), None);
            assert_eq!(digest_expected(&link, true, &seen(&path)), Some(Digest::of(content.as_bytes())));
        }
    }

    #[test]
    fn what_is_made_while_it_is_read_is_not_taken_for_empty() {
        let path = Path::new("/proc/self/status");
        let digest = digest_expected(path, true, &seen(path));
        assert_ne!(digest, Some(Digest::of(&[])));
    }

    #[test]
    fn other_kinds_are_never_opened() {
        let folder = tempfile::tempdir().unwrap();
        let fifo = folder.path().join("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert_eq!(digest_expected(&fifo, true, &seen(&fifo)), None);
        assert_eq!(digest_expected(folder.path(), true, &seen(folder.path())), None);
    }
}
