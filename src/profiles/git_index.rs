//! Reads git's index without the parts that only save git work: times, sizes and inode numbers of the files in the work tree,
//! and extensions that cache derived data.
//!
//! `git status` and `git diff` rewrite only these parts. Supports versions 2 to 4 with SHA-1 names; for anything else the
//! result is `None`, and the index counts byte for byte.

use std::path::Path;

/// Size of an object's name, in bytes.
const HASH: usize = 20;
/// Offset of the mode in an entry, in bytes: after two times, device, inode.
const BEFORE_MODE: usize = 24;
/// Offset of the object name in an entry, in bytes: after the above and mode, user, group, size.
const BEFORE_HASH: usize = 40;
/// Extensions that only cache: trees of unchanged directories, untracked files, the monitor's state, offsets.
const CACHES: &[&[u8; 4]] = &[b"TREE", b"UNTR", b"FSMN", b"EOIE", b"IEOT"];
/// Extensions with essential content.
const CONTENT: &[&[u8; 4]] = &[b"REUC"];
/// Flag of an entry that has sixteen more flags.
const EXTENDED: u16 = 0x4000;

/// Whether `path` has the name of a repository's index: of the repository itself, of a work tree, of a submodule.
#[must_use]
pub fn is_index(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == "index")
        && path.parent().is_some_and(|directory| {
            let names: Vec<_> = directory.iter().collect();
            match names.as_slice() {
                [.., last] if *last == ".git" => true,
                [.., git, kind, _] if *git == ".git" => *kind == "worktrees" || *kind == "modules",
                _ => false,
            }
        })
}

/// The staged content in the index, as bytes that are equal for equal content; `None` if `bytes` is not an index that is
/// fully understood.
#[must_use]
pub fn content_of(bytes: &[u8]) -> Option<Vec<u8>> {
    let body = bytes.get(..bytes.len().checked_sub(HASH)?)?;
    let mut from = Reader(body);
    let signature = from.take(4)?;
    let version = from.number()?;
    let count = from.number()?;
    if signature != b"DIRC" || !(2..=4).contains(&version) {
        return None;
    }
    let mut content = Vec::with_capacity(body.len());
    content.extend_from_slice(&version.to_be_bytes());
    content.extend_from_slice(&count.to_be_bytes());
    for _ in 0..count {
        let start = from.0.len();
        let fixed = from.take(BEFORE_HASH + HASH)?;
        content.extend_from_slice(fixed.get(BEFORE_MODE..BEFORE_MODE + 4)?);
        content.extend_from_slice(fixed.get(BEFORE_HASH..)?);
        let flags = from.take(2)?;
        content.extend_from_slice(flags);
        if u16::from_be_bytes(flags.try_into().ok()?) & EXTENDED != 0 {
            content.extend_from_slice(from.take(2)?);
        }
        if version == 4 {
            // The number of bytes cut off the previous name, as a variable-length number, then the bytes that are appended.
            content.extend_from_slice(from.until(|byte| byte & 0x80 == 0)?);
            content.extend_from_slice(from.until(|byte| byte == 0)?);
        } else {
            content.extend_from_slice(from.until(|byte| byte == 0)?);
            let length = start - from.0.len();
            from.take(length.next_multiple_of(8) - length)?;
        }
    }
    while !from.0.is_empty() {
        let name = from.take(4)?;
        let size = usize::try_from(from.number()?).ok()?;
        let bytes = from.take(size)?;
        if CONTENT.iter().any(|known| *known == name) {
            content.extend_from_slice(name);
            content.extend_from_slice(bytes);
        } else if !CACHES.iter().any(|known| *known == name) {
            return None;
        }
    }
    Some(content)
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }

    /// The bytes up to and including the first one that `ends` accepts.
    fn until(&mut self, ends: impl Fn(u8) -> bool) -> Option<&'a [u8]> {
        let end = self.0.iter().position(|byte| ends(*byte))?;
        self.take(end + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    fn git(root: &Path, words: &[&str]) {
        let mut git = Command::new("git");
        git.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
        git.args(["-c", "user.name=a", "-c", "user.email=a@b"]).args(words).current_dir(root);
        assert!(git.output().unwrap().status.success(), "{words:?}");
    }

    fn content(root: &Path) -> Vec<u8> {
        content_of(&std::fs::read(root.join(".git/index")).unwrap()).unwrap()
    }

    #[test]
    fn times_are_left_out_and_content_is_not() {
        for version in ["2", "3", "4"] {
            let root = tempfile::tempdir().unwrap();
            let root = root.path();
            std::fs::create_dir(root.join("d")).unwrap();
            for name in ["a", "d/b", "d/bc"] {
                std::fs::write(root.join(name), name).unwrap();
            }
            git(root, &["init", "-q"]);
            git(root, &["update-index", "--index-version", version]);
            git(root, &["add", "."]);
            if version == "3" {
                std::fs::write(root.join("n"), "n").unwrap();
                git(root, &["add", "-N", "n"]);
            }
            git(root, &["commit", "-qm", "one"]);
            let before = std::fs::read(root.join(".git/index")).unwrap();
            let first = content(root);
            // A new time for a file with unchanged content: the next `git status` updates the index.
            let file = std::fs::File::options().write(true).open(root.join("a")).unwrap();
            file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_500_000_001)).unwrap();
            git(root, &["status"]);
            assert_ne!(std::fs::read(root.join(".git/index")).unwrap(), before, "version {version}");
            assert_eq!(content(root), first, "version {version}");
            std::fs::write(root.join("a"), "other").unwrap();
            git(root, &["add", "a"]);
            assert_ne!(content(root), first, "version {version}");
        }
    }

    #[test]
    fn what_is_not_understood_is_nothing() {
        assert_eq!(content_of(b""), None);
        assert_eq!(content_of(&[0; 64]), None);
        let mut cut = b"DIRC\0\0\0\x02\0\0\0\x01".to_vec();
        cut.extend([0; 30]);
        assert_eq!(content_of(&cut), None);
        let mut unknown = b"DIRC\0\0\0\x02\0\0\0\0link\0\0\0\0".to_vec();
        unknown.extend([0; HASH]);
        assert_eq!(content_of(&unknown), None);
    }

    #[test]
    fn an_index_is_recognized_by_its_path() {
        for (path, is) in [
            ("/p/.git/index", true),
            ("/p/.git/worktrees/w/index", true),
            ("/p/.git/modules/m/index", true),
            ("/p/.git/refs/heads/index", false),
            ("/p/.git/x/index", false),
            ("/p/index", false),
            ("/p/.git/index.lock", false),
        ] {
            assert_eq!(is_index(Path::new(path)), is, "{path}");
        }
    }
}
