//! Absent names: one look at their directory proves all of them absent, as long as its times show that no entry was created or
//! removed.

use crate::hash::files::fresh;
use crate::record::{Evidence, Timestamp};

/// If at least this many names are checked, the directory itself is looked at first.
pub(super) const WORTH_ASKING: usize = 3;

/// A name that was absent from a directory.
#[derive(Clone, Copy, Debug)]
pub(in crate::hash) struct Missing<'a> {
    pub(in crate::hash) name: &'a [u8],
    /// Whether a link of that name would have been followed.
    pub(in crate::hash) follow: bool,
    /// The evidence of the directory when it proved that the name is absent.
    pub(in crate::hash) evidence: Option<Evidence>,
}

/// Whether a directory that had this evidence before the first look and after the last one will show later entries by its times.
/// It must be unchanged for two seconds, on every file system: recording the state of a directory in use is not worth it. And
/// everyone must be allowed to search it, since another user may do the next look.
pub(super) fn proves_absence(directory: &Evidence, now: Timestamp) -> bool {
    directory.mode & libc::S_IFMT == libc::S_IFDIR
        && directory.mode & 0o111 == 0o111
        && fresh(directory, now, false)
}

#[cfg(test)]
mod tests {
    use super::Missing;
    use crate::hash::holds::QuickCheck;
    use crate::record::{Base, Evidence, Places, Timestamp};
    use std::fs;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    /// Whether names are still absent.
    #[derive(Debug, PartialEq, Eq)]
    enum Still {
        Absent,
        /// Absent as long as the directory has this evidence.
        Proven(Evidence),
        Not,
    }

    fn ask(path: &Path, names: &[(&'static [u8], bool)], evidence: Option<&Evidence>) -> Still {
        let places = Places { root: "/nowhere".into(), home: None };
        let mut looks = QuickCheck::new(&places, None, Timestamp::now());
        looks.enter(Base::Absolute, path.as_os_str().as_bytes(), 0);
        let name = |(name, follow): &(&'static [u8], bool)| Missing {
            name,
            follow: *follow,
            evidence: evidence.copied(),
        };
        let names: Vec<Missing<'_>> = names.iter().map(name).collect();
        let mut still = true;
        let proven = looks.absent(|| names.iter().copied(), names.len(), &mut |_, is_there| {
            still &= !is_there;
            still
        });
        match (still, proven) {
            (false, _) => Still::Not,
            (true, Some(evidence)) => Still::Proven(evidence),
            (true, None) => Still::Absent,
        }
    }

    #[test]
    fn names_are_absent_until_one_comes() {
        const MANY: [(&[u8], bool); 12] = {
            let mut names: [(&[u8], bool); 12] = [(b"other", true); 12];
            names[3] = (b"x", false);
            names[7] = (b"y", true);
            names
        };
        for names in [&MANY[..], &MANY[3..8]] {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path();
            fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
            // Too new to be trusted.
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
            // A dangling link is absent for a program that follows it, and the directory does not show when its target appears.
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
        let names: [(&'static [u8], bool); 4] = [(b"a", true), (b"b", true), (b"c", false), (b"d", true)];
        assert_eq!(ask(&path, &names, None), Still::Absent);
        fs::write(&path, "").unwrap();
        assert_eq!(ask(&path, &names, None), Still::Not);
    }
}
