//! Names that a directory did not have: one look at the directory stands for all of them, as long as its times prove
//! that no entry has come or gone.
//!
//! Knows nothing of what the names are for.

use super::files::{fresh, is_local};
use super::glance::{look, open_directory};
use super::sights::Sights;
use crate::record::{Evidence, Timestamp};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// From so many names on the directory itself is looked at first.
pub(super) const WORTH_ASKING: usize = 3;

/// From so many looks below one directory on, it is opened first: that takes as long as a tenth of the way saved by each.
pub(super) const WORTH_OPENING: usize = 10;

/// A name that was absent, and whether a link of that name would have been followed.
pub(super) type Name<'a> = (&'a [u8], bool);

/// Whether names are still absent from a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Still {
    /// All are.
    Absent,
    /// All are, and as long as the directory has this evidence, they will be.
    Proven(Evidence),
    /// Something else is found at one of them.
    Not,
}

/// Looks whether all of `names` are still absent from the directory that `path` leads to. Where `evidence` is given and the
/// directory still has it, that is one look. `now` is a moment that is not after this call.
pub(super) fn still_absent(
    path: &[u8],
    names: &[Name<'_>],
    evidence: Option<&Evidence>,
    now: Timestamp,
    seen: &mut Sights,
) -> Still {
    let directory = if names.len() >= WORTH_ASKING { seen.look(path) } else { Err(Errno::NOENT) };
    if evidence.is_some_and(|evidence| directory == Ok(*evidence)) {
        return Still::Absent;
    }
    let open = (names.len() >= WORTH_OPENING).then(|| open_directory(path)).flatten();
    let mut whole = path.to_vec();
    if whole.last() != Some(&b'/') {
        whole.push(b'/');
    }
    let length = whole.len();
    let mut find = |name: &[u8], follow: bool| {
        if let Some(directory) = &open {
            return look(Some(directory.as_fd()), name, follow);
        }
        whole.truncate(length);
        whole.extend_from_slice(name);
        look(None, &whole, follow)
    };
    let mut provable = directory.ok().filter(|directory| proves_absence(directory, now));
    for (name, follow) in names {
        // A link that leads nowhere is an entry of the directory: where it leads is not told by the directory's times.
        let mut found = find(name, *follow && provable.is_none());
        if *follow && provable.is_some() && found != Err(Errno::NOENT) {
            provable = None;
            found = find(name, true);
        }
        if found != Err(Errno::NOENT) {
            return Still::Not;
        }
    }
    match provable {
        Some(before)
            if look(None, path, true) == Ok(before) && is_local(Path::new(OsStr::from_bytes(path))) =>
        {
            Still::Proven(before)
        }
        _ => Still::Absent,
    }
}

/// Whether a directory that has this evidence from before the first look to after the last one will show any entry that
/// comes later by its times. It must have rested for two seconds, whatever the file system: to write down what a busy
/// directory shows is not worth it. And whoever looks there must be let in, be it another user.
pub(super) fn proves_absence(directory: &Evidence, now: Timestamp) -> bool {
    directory.mode & libc::S_IFMT == libc::S_IFDIR
        && directory.mode & 0o111 == 0o111
        && fresh(directory, now, false)
}

#[cfg(test)]
mod tests {
    use super::{Name, Still, still_absent};
    use crate::hash::sights::Sights;
    use crate::record::{Evidence, Timestamp};
    use std::fs;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    fn ask(path: &Path, names: &[Name<'_>], evidence: Option<&Evidence>) -> Still {
        still_absent(path.as_os_str().as_bytes(), names, evidence, Timestamp::now(), &mut Sights::default())
    }

    #[test]
    fn names_are_absent_until_one_comes() {
        const MANY: [Name<'_>; 12] = {
            let mut names: [Name<'_>; 12] = [(b"other", true); 12];
            names[3] = (b"x", false);
            names[7] = (b"y", true);
            names
        };
        for names in [&MANY[..], &MANY[3..8]] {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path();
            fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
            // Too young to be believed.
            assert_eq!(ask(path, names, None), Still::Absent);
            std::thread::sleep(std::time::Duration::from_millis(2100));
            let rest = Evidence::of(&fs::metadata(path).unwrap());
            assert_eq!(ask(path, names, None), Still::Proven(rest));
            assert_eq!(ask(path, names, Some(&rest)), Still::Absent);
            for name in ["x", "y"] {
                fs::write(path.join(name), "").unwrap();
                assert_eq!(ask(path, names, Some(&rest)), Still::Not);
                fs::remove_file(path.join(name)).unwrap();
            }
            assert_eq!(ask(path, names, Some(&rest)), Still::Absent);
            // A link that leads nowhere is nothing to whom follows it, and the directory does not tell what comes there.
            symlink(path.join("target"), path.join("y")).unwrap();
            std::thread::sleep(std::time::Duration::from_millis(2100));
            assert_eq!(ask(path, names, None), Still::Absent);
            fs::write(path.join("target"), "").unwrap();
            assert_eq!(ask(path, names, None), Still::Not);
            fs::remove_file(path.join("target")).unwrap();
            fs::rename(path.join("y"), path.join("x")).unwrap();
            assert_eq!(ask(path, names, Some(&rest)), Still::Not);
        }
    }

    #[test]
    fn in_a_directory_that_is_not_there_nothing_is() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("none");
        let names: [Name<'_>; 4] = [(b"a", true), (b"b", true), (b"c", false), (b"d", true)];
        assert_eq!(ask(&path, &names, None), Still::Absent);
        fs::write(&path, "").unwrap();
        assert_eq!(ask(&path, &names, None), Still::Not);
    }
}
