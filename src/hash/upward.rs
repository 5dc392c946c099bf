//! Names that are looked for in the directories above the root, from the nearest on: one question, wherever the root is.

use crate::error::means_absent;
use crate::record::{Places, StoredPath};
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The first path of this name in the directories above `root`; `None` where there is none up to `/`.
///
/// # Errors
/// The system's, where it is unknown whether one exists.
pub fn first(root: &Path, name: &[u8]) -> io::Result<Option<PathBuf>> {
    for above in root.ancestors().skip(1) {
        let path = above.join(OsStr::from_bytes(name));
        match fs::symlink_metadata(&path) {
            Ok(_) => return Ok(Some(path)),
            Err(error) if means_absent(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// Whether the name is found where it was.
pub(super) fn holds(name: &[u8], found: Option<&StoredPath>, places: &Places) -> bool {
    let found = found.map(|found| places.resolve(found));
    first(&places.root, name).is_ok_and(|now| now == found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_counts() {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().join("a/b/root");
        fs::create_dir_all(&root).unwrap();
        let name = b"cashet-upward-test";
        let file = |directory: &str| place.path().join(directory).join("cashet-upward-test");
        fs::write(root.join("cashet-upward-test"), "").unwrap();
        assert_eq!(first(&root, name).unwrap(), None);
        fs::write(file("."), "").unwrap();
        assert_eq!(first(&root, name).unwrap(), Some(file("")));
        let places = Places { root: root.clone(), home: None };
        let found = places.store(&file(""));
        assert!(holds(name, Some(&found), &places) && !holds(name, None, &places));
        fs::write(file("a"), "").unwrap();
        assert!(!holds(name, Some(&found), &places));
        assert_eq!(first(&root, name).unwrap(), Some(file("a")));
    }
}
