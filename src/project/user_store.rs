//! The location of a store shared by all clones and work trees of a project, in the user's cache directory.
//!
//! A repository is identified by its first commit, which every clone contains. Asking git for it takes a process, so the answer
//! is stored in the repository's own directory.

use crate::digest::Digest;
use crate::error::{Error, Kind, Result};
use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The file in a repository's directory that stores the hash of its first commit.
const REMEMBERED: &str = "cashet-first-commit";

/// Number of digits of a hash in the name of a store.
const DIGITS: usize = 16;

/// Variables that would make git use another repository.
const MISLEADING: &[&str] = &[
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_COMMON_DIR",
    "GIT_OBJECT_DIRECTORY",
    "GIT_NAMESPACE",
    "GIT_CEILING_DIRECTORIES",
];

/// The directory of the store for the project at `root`. `name` is the name in the settings; `cache` and `home` are the values
/// of `XDG_CACHE_HOME` and HOME.
///
/// # Errors
/// [`Kind::Usage`] where the name is invalid; [`Kind::Other`] where there is no cache directory.
pub(super) fn directory(
    root: &Path,
    name: Option<&str>,
    cache: Option<&OsStr>,
    home: Option<&Path>,
) -> Result<PathBuf> {
    let cache = cache.map(PathBuf::from).filter(|cache| cache.is_absolute());
    let Some(cache) = cache.or_else(|| home.map(|home| home.join(".cache"))) else {
        let words = "dir = \"user\" in cashet.toml needs HOME or XDG_CACHE_HOME";
        return Err(Error::new(Kind::Other, words));
    };
    let own = match name {
        Some(name) if is_name(name) => name.to_owned(),
        Some(_) => {
            return Err(Error::usage("cashet.toml: name in [store] is not a valid name")
                .with_hint("letters, digits, '.', '_' and '-', the first a letter or digit"));
        }
        None => of_project(root),
    };
    Ok(cache.join("cashet").join(own))
}

fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    name.len() <= 64
        && name.bytes().all(plain)
        && name.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric())
}

/// The store name for a project: from its repository and its place in it, or else from its path.
fn of_project(root: &Path) -> String {
    let by_path = || format!("path-{}", digits(&Digest::of(root.as_os_str().as_bytes()).to_hex(), DIGITS));
    let Some((top, common)) = repository(root) else { return by_path() };
    let Some(first) = first_commit(&top, &common) else { return by_path() };
    let first = digits(&first, DIGITS);
    match root.strip_prefix(&top) {
        Ok(inside) if !inside.as_os_str().is_empty() => {
            let inside = Digest::of(inside.as_os_str().as_bytes()).to_hex();
            format!("repo-{first}-{}", digits(&inside, 8))
        }
        _ => format!("repo-{first}"),
    }
}

fn digits(hash: &str, count: usize) -> &str {
    hash.get(..count).unwrap_or(hash)
}

/// The top of the work tree that contains `root`, and the directory that all work trees of its repository share.
fn repository(root: &Path) -> Option<(PathBuf, PathBuf)> {
    let top = root.ancestors().find(|ancestor| fs::symlink_metadata(ancestor.join(".git")).is_ok())?;
    let git = top.join(".git");
    if git.is_dir() {
        return Some((top.to_owned(), git));
    }
    // An additional work tree: a file names its directory, where another file names the shared one.
    let text = fs::read(&git).ok()?;
    let own = top.join(OsStr::from_bytes(text.strip_prefix(b"gitdir: ")?.trim_ascii()));
    let common = match fs::read(own.join("commondir")) {
        Ok(text) => own.join(OsStr::from_bytes(text.trim_ascii())),
        Err(_) => own,
    };
    Some((top.to_owned(), common))
}

/// The hash of a repository's first commit; `None` where it is unknown: no commit yet, or a shallow clone.
fn first_commit(top: &Path, common: &Path) -> Option<String> {
    let path = common.join(REMEMBERED);
    let remembered = fs::read_to_string(&path).ok().map(|text| text.trim().to_owned());
    if let Some(hash) = remembered.filter(|hash| is_hash(hash)) {
        return Some(hash);
    }
    if fs::symlink_metadata(common.join("shallow")).is_ok() {
        return None;
    }
    let mut git = Command::new("git");
    // Names the repository explicitly: otherwise git would search the parent directories if this is none.
    git.arg("--git-dir").arg(top.join(".git")).args(["rev-list", "--max-parents=0", "HEAD"]);
    git.stdin(Stdio::null()).stderr(Stdio::null());
    for name in MISLEADING {
        git.env_remove(name);
    }
    let output = git.output().ok().filter(|output| output.status.success())?;
    let text = String::from_utf8(output.stdout).ok()?;
    // Joined histories have several first commits: the oldest one is printed last.
    let hash = text.lines().last().filter(|hash| is_hash(hash))?.to_owned();
    let remember = || -> std::io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(common)?;
        writeln!(file, "{hash}")?;
        file.persist(&path)?;
        Ok(())
    };
    // If it cannot be stored, git is asked again next time.
    let _ = remember();
    Some(hash)
}

fn is_hash(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_named_store_is_the_same_from_everywhere() {
        let named = |root: &str, name: &str| {
            directory(Path::new(root), Some(name), None, Some(Path::new("/home/me")))
        };
        assert_eq!(named("/a", "x.y-1").unwrap(), Path::new("/home/me/.cache/cashet/x.y-1"));
        assert_eq!(named("/b", "x.y-1").unwrap(), named("/a", "x.y-1").unwrap());
        for wrong in ["", "..", ".x", "a/b", "-x", "a b", &"x".repeat(65)] {
            assert_eq!(named("/a", wrong).unwrap_err().kind(), Kind::Usage, "{wrong}");
        }
    }

    #[test]
    fn the_cache_directory_is_that_of_the_user() {
        let root = tempfile::tempdir().unwrap();
        let at = |cache: Option<&str>, home: Option<&str>| {
            directory(root.path(), None, cache.map(OsStr::new), home.map(Path::new))
        };
        assert!(at(Some("/c"), Some("/h")).unwrap().starts_with("/c/cashet"));
        assert!(at(Some("relative"), Some("/h")).unwrap().starts_with("/h/.cache/cashet"));
        assert_eq!(at(None, None).unwrap_err().kind(), Kind::Other);
        let other = tempfile::tempdir().unwrap();
        let elsewhere = directory(other.path(), None, Some(OsStr::new("/c")), None);
        assert_ne!(at(Some("/c"), None).unwrap(), elsewhere.unwrap());
    }
}
