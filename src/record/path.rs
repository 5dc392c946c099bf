//! Paths as they are stored: relative to the root, to HOME, or absolute, in that order.
//!
//! Purely by words: nothing is looked up and no link is followed, so that a path means the same
//! place as the one that the command asked for.

use crate::encode::{Decode, DecodeError, Decoder, Encode, Encoder};
use std::borrow::Cow;
use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// What a [`StoredPath`] is relative to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Base {
    /// The root of the project.
    Root,
    /// The user's home directory.
    Home,
    /// Nothing: the path begins with `/`.
    Absolute,
}

/// A path relative to one of the [`Places`].
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StoredPath {
    base: Base,
    /// Without a leading `/` below a root or HOME; empty for the place itself.
    rest: Vec<u8>,
}

impl StoredPath {
    /// A path below the root, as bytes without a leading `/`.
    #[must_use]
    pub fn in_root(rest: impl Into<Vec<u8>>) -> Self {
        Self { base: Base::Root, rest: rest.into() }
    }

    /// What the path is relative to.
    #[must_use]
    pub const fn base(&self) -> Base {
        self.base
    }

    /// The bytes after the base; absolute paths begin with `/`.
    #[must_use]
    pub fn rest(&self) -> &[u8] {
        &self.rest
    }

    /// The directory that the path is in, by words alone: what it counts from, and the bytes after that.
    #[must_use]
    pub fn place(&self) -> (Base, &[u8]) {
        let end = memchr::memrchr(b'/', &self.rest).map_or(0, |place| place.max(1));
        (self.base, self.rest.get(..end).unwrap_or_default())
    }

    /// Whether the path is in the directory that [`StoredPath::place`] returned for another one; quicker than to ask for both.
    #[must_use]
    pub fn is_in(&self, base: Base, directory: &[u8]) -> bool {
        let below = |rest: &[u8]| match directory {
            [] | b"/" => !rest.contains(&b'/'),
            _ => matches!(rest.split_first(), Some((b'/', name)) if !name.contains(&b'/')),
        };
        self.base == base && self.rest.strip_prefix(directory).is_some_and(below)
    }

    /// The directory that the path is in, and its name there; a base itself has no name. By words alone.
    #[must_use]
    pub fn split(&self) -> (Self, &[u8]) {
        let (directory, name) = match self.rest.iter().rposition(|byte| *byte == b'/') {
            Some(place) => self.rest.split_at_checked(place.max(usize::from(place == 0))).unwrap_or_default(),
            None => (&b""[..], self.rest.as_slice()),
        };
        let name = name.strip_prefix(b"/").unwrap_or(name);
        (Self { base: self.base, rest: directory.to_vec() }, name)
    }

    /// The path of `name` in this directory; without a name, this path.
    #[must_use]
    pub fn join(&self, name: &[u8]) -> Self {
        let mut rest = self.rest.clone();
        if !rest.is_empty() && !name.is_empty() && rest.last() != Some(&b'/') {
            rest.push(b'/');
        }
        rest.extend_from_slice(name);
        Self { base: self.base, rest }
    }

    /// The path as people read it: `src/main.rs`, `~/.config/x`, `/usr/bin/env`, `.` for the root.
    #[must_use]
    pub fn shown(&self) -> PathBuf {
        let rest = OsStr::from_bytes(&self.rest);
        match self.base {
            Base::Root if self.rest.is_empty() => PathBuf::from("."),
            Base::Root | Base::Absolute => PathBuf::from(rest),
            Base::Home => Path::new("~").join(rest),
        }
    }
}

impl fmt::Debug for StoredPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}", self.shown())
    }
}

impl Encode for StoredPath {
    fn encode(&self, to: &mut Encoder) {
        to.unsigned(match self.base {
            Base::Root => 0,
            Base::Home => 1,
            Base::Absolute => 2,
        });
        to.bytes(&self.rest);
    }
}

impl Decode for StoredPath {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let base = match from.unsigned()? {
            0 => Base::Root,
            1 => Base::Home,
            2 => Base::Absolute,
            tag => return Err(DecodeError::UnknownTag(tag)),
        };
        let rest = from.bytes()?;
        let absolute = rest.first() == Some(&b'/');
        // A hit decodes thousands of short paths. On these, `contains` is faster than a vectorized search, which is selected at runtime.
        if rest.contains(&0) || absolute != (base == Base::Absolute) {
            return Err(DecodeError::NotCanonical);
        }
        Ok(Self { base, rest: rest.to_vec() })
    }
}

/// The directories that stored paths are relative to. All are absolute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// The root of the project.
    pub root: PathBuf,
    /// HOME, if it is set, absolute, and not `/`.
    pub home: Option<PathBuf>,
}

impl Places {
    /// How `path`, which must be absolute, is stored. `.` and doubled slashes are dropped; `..` stays,
    /// since what it means depends on links, and a path with a `..` below a base does not count as
    /// below it.
    #[must_use]
    pub fn store(&self, path: &Path) -> StoredPath {
        let path = without_dots(path);
        if let Some(rest) = below(&path, &self.root) {
            return StoredPath { base: Base::Root, rest };
        }
        if let Some(rest) = self.home.as_deref().and_then(|home| below(&path, home)) {
            return StoredPath { base: Base::Home, rest };
        }
        StoredPath { base: Base::Absolute, rest: path.into_owned().into_os_string().into_vec() }
    }

    /// The absolute path that `stored` means here.
    #[must_use]
    pub fn resolve(&self, stored: &StoredPath) -> PathBuf {
        let base = match stored.base {
            Base::Root => &self.root,
            // A path below a HOME that is not there names nothing.
            Base::Home => match &self.home {
                Some(home) => home,
                None => Path::new("/nonexistent"),
            },
            Base::Absolute => return PathBuf::from(OsStr::from_bytes(&stored.rest)),
        };
        if stored.rest.is_empty() { base.to_path_buf() } else { base.join(OsStr::from_bytes(&stored.rest)) }
    }

    /// The last name of the root's path; empty for `/`.
    #[must_use]
    pub fn root_name(&self) -> &[u8] {
        self.root.file_name().map(OsStr::as_bytes).unwrap_or_default()
    }

    /// Whether `path` (absolute) is the root or below it, by words.
    #[must_use]
    pub fn in_root(&self, path: &Path) -> bool {
        below(&without_dots(path), &self.root).is_some()
    }
}

/// `path` without `.` components and doubled slashes. `..` stays: what it means depends on links.
fn without_dots(path: &Path) -> Cow<'_, Path> {
    let bytes = path.as_os_str().as_bytes();
    let mut names = bytes.split(|byte| *byte == b'/');
    let is_absolute = names.next().is_some_and(<[u8]>::is_empty);
    if bytes == b"/" || (is_absolute && names.all(|name| !name.is_empty() && name != b".")) {
        return Cow::Borrowed(path);
    }
    Cow::Owned(path.components().collect())
}

/// The bytes of `path`, which is [`without_dots`], after `base` and its slash, if it is `base` or below it. A `..` after the base
/// would lead out again, so such a path is not below.
fn below(path: &Path, base: &Path) -> Option<Vec<u8>> {
    // By bytes: comparing components takes ten times as long.
    let base = without_dots(base);
    let base = base.as_os_str().as_bytes();
    let rest = path.as_os_str().as_bytes().strip_prefix(base)?;
    let rest = match rest.strip_prefix(b"/") {
        Some(below) => below,
        None if rest.is_empty() || base == b"/" => rest,
        None => return None,
    };
    let leaves = rest.split(|byte| *byte == b'/').any(|name| name == b"..");
    (!leaves).then(|| rest.to_vec())
}

impl Encode for Vec<StoredPath> {
    fn encode(&self, to: &mut Encoder) {
        to.list(self);
    }
}

impl Decode for Vec<StoredPath> {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        from.list()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places() -> Places {
        Places { root: "/home/user/project".into(), home: Some("/home/user".into()) }
    }

    #[test]
    fn the_root_comes_before_home_before_absolute() {
        for (path, shown) in [
            ("/home/user/project", "."),
            ("/home/user/project/src/./a//b", "src/a/b"),
            ("/home/user/.config/x", "~/.config/x"),
            ("/home/user/project2/x", "~/project2/x"),
            ("/usr/bin/env", "/usr/bin/env"),
            ("/home/user/project/../secret", "/home/user/project/../secret"),
        ] {
            let stored = places().store(Path::new(path));
            assert_eq!(stored.shown(), Path::new(shown), "{path}");
        }
    }

    #[test]
    fn a_path_is_in_its_place_and_in_no_other() {
        let absolute = ["/", "/x", "/x/", "/x/y", "/xy/z", "/x/y/z"].map(|rest| (Base::Absolute, rest));
        let below = ["", "a", "a/b", "ab/c", "a/b/c", "a/"].map(|rest| (Base::Root, rest));
        let home = [(Base::Home, "a/b")];
        let paths: Vec<StoredPath> = absolute.into_iter().chain(below).chain(home).map(stored).collect();
        for one in &paths {
            for other in &paths {
                let (base, directory) = other.place();
                assert_eq!(one.is_in(base, directory), one.place() == other.place(), "{one:?} {other:?}");
            }
        }
    }

    fn stored((base, rest): (Base, &str)) -> StoredPath {
        StoredPath { base, rest: rest.into() }
    }

    #[test]
    fn a_path_is_its_directory_and_its_name() {
        for path in
            ["/home/user/project", "/home/user/project/a", "/home/user/project/a/b", "/etc/hosts", "/x", "/"]
        {
            let stored = places().store(Path::new(path));
            let (directory, name) = stored.split();
            assert!(!name.contains(&b'/'), "{path}");
            assert_eq!(directory.join(name), stored, "{path}");
            assert_eq!(StoredPath::from_bytes(&directory.to_bytes()), Ok(directory), "{path}");
        }
    }

    #[test]
    fn a_stored_path_means_the_same_place_again() {
        for path in ["/home/user/project", "/home/user/project/a b/c", "/home/user/x", "/etc/hosts", "/"] {
            let stored = places().store(Path::new(path));
            assert_eq!(places().resolve(&stored), Path::new(path));
            assert_eq!(StoredPath::from_bytes(&stored.to_bytes()), Ok(stored));
        }
    }

    proptest::proptest! {
        #[test]
        fn storing_goes_by_components(
            path in "/([a.]{0,2}/?){0,5}",
            root in "/([a.]{0,2}/?){0,3}",
            home in "/([a.]{0,2}/?){0,3}",
        ) {
            let by_components = |base: &str| {
                let path: PathBuf = Path::new(&path).components().collect();
                let rest = path.strip_prefix(base).ok()?;
                let leaves = rest.components().any(|part| part == std::path::Component::ParentDir);
                (!leaves).then(|| rest.as_os_str().as_bytes().to_vec())
            };
            let places = Places { root: root.clone().into(), home: Some(home.clone().into()) };
            let stored = places.store(Path::new(&path));
            let clean: PathBuf = Path::new(&path).components().collect();
            let expected = match (by_components(&root), by_components(&home)) {
                (Some(rest), _) => StoredPath { base: Base::Root, rest },
                (None, Some(rest)) => StoredPath { base: Base::Home, rest },
                (None, None) => StoredPath { base: Base::Absolute, rest: clean.into_os_string().into_vec() },
            };
            proptest::prop_assert_eq!(&stored, &expected);
            proptest::prop_assert_eq!(places.in_root(Path::new(&path)), expected.base == Base::Root);
        }
    }
}
