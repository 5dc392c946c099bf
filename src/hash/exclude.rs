//! The fixed exclusion list: names that are left out of declared trees and of what an importer lists.
//!
//! By name alone; `.gitignore` is not consulted. To a program that lists, reads, makes or removes such a file itself it is
//! a file like any other.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};

/// Directories and files of caches and of this program.
const CACHES: &[&[u8]] = &[
    b"__pycache__",
    b".cashet",
    b".pytest_cache",
    b".mypy_cache",
    b".ruff_cache",
    b".ipynb_checkpoints",
    b".DS_Store",
];

/// Directories of version control.
const VERSION_CONTROL: &[&[u8]] = &[b".git", b".hg", b".svn", b".jj"];

/// Why a name does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Excluded {
    /// Never an input or an output.
    Always,
    /// A directory of version control: left out of trees; in listings its presence counts.
    VersionControl,
}

/// Whether the entry `name` of a directory is on the fixed exclusion list.
#[must_use]
pub fn excluded(name: &OsStr) -> Option<Excluded> {
    let name = name.as_bytes();
    if VERSION_CONTROL.contains(&name) {
        return Some(Excluded::VersionControl);
    }
    (CACHES.contains(&name) || name.ends_with(b".pyc") || is_editor_file(name)).then_some(Excluded::Always)
}

/// Whether `name` is that of a store's own directory, which is never an input or output.
#[must_use]
pub fn is_store(name: &OsStr) -> bool {
    name == ".cashet"
}

/// Whether any component of `path` is on the list.
#[must_use]
pub fn path_excluded(path: &Path) -> Option<Excluded> {
    path.components().find_map(|component| match component {
        Component::Normal(name) => excluded(name),
        _ => None,
    })
}

/// Swap, backup and lock files of editors: `.x.swp` and its kin and `4913` (vim), `x~` and `#x#` and `.#x`
/// (emacs and others), `.x.kate-swp`, `.goutputstream-…` (gedit).
fn is_editor_file(name: &[u8]) -> bool {
    let hidden = name.first() == Some(&b'.');
    let vim = hidden
        && matches!(name, [.., b'.', b's', b'w', last] if last.is_ascii_lowercase())
        && name.len() > b".x.swp".len() - 1;
    vim || (name.len() > 1 && name.ends_with(b"~"))
        || (name.len() > 2 && name.starts_with(b"#") && name.ends_with(b"#"))
        || name.starts_with(b".#")
        || name.starts_with(b".goutputstream-")
        || (hidden && name.ends_with(b".kate-swp"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_as_the_manual_says() {
        for name in [
            "__pycache__",
            "a.pyc",
            ".cashet",
            ".pytest_cache",
            ".mypy_cache",
            ".ruff_cache",
            ".ipynb_checkpoints",
            ".DS_Store",
            ".a.txt.swp",
            ".a.swo",
            "a.txt~",
            "#a#",
            ".#a",
        ] {
            assert_eq!(excluded(OsStr::new(name)), Some(Excluded::Always), "{name}");
        }
        for name in [".git", ".hg", ".svn", ".jj"] {
            assert_eq!(excluded(OsStr::new(name)), Some(Excluded::VersionControl), "{name}");
        }
        for name in ["a", "pyc", "~", "a.swp", ".gitignore", ".github", "a.py", ".env", "#", "##x", "cashet"]
        {
            assert_eq!(excluded(OsStr::new(name)), None, "{name}");
        }
    }

    #[test]
    fn a_path_is_excluded_with_any_of_its_directories() {
        assert_eq!(path_excluded(Path::new("a/.git/b")), Some(Excluded::VersionControl));
        assert_eq!(path_excluded(Path::new("/x/__pycache__/b.c")), Some(Excluded::Always));
        assert_eq!(path_excluded(Path::new("/x/../b.c")), None);
    }
}
