//! Which paths count: inside the root, excluded, a version control system's, tolerated outside, or outside.

use crate::hash::exclude::{self, Excluded};
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Where a path lies, as far as a write to it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Region {
    /// In the root.
    Inside,
    /// Never an input or output by its name.
    Excluded,
    /// In a version control system's own directory inside the root.
    Repository,
    /// Outside of the root, in a place where programs keep what is their own.
    Tolerated,
    /// Anywhere else.
    Outside,
}

/// State that tools keep below HOME and that is nobody's result.
const TOOL_STATE: &[&str] = &[
    ".cache",
    ".npm",
    ".cargo/registry",
    ".cargo/git",
    ".cargo/.package-cache",
    ".cargo/.package-cache-mutate",
    ".cargo/.global-cache",
    ".gradle",
    ".m2/repository",
    ".yarn",
    ".ccache",
    ".local/state",
    "go/pkg/mod/cache",
];

/// Variables that move such state elsewhere.
const TOOL_VARIABLES: &[&str] = &[
    "CARGO_HOME",
    "CCACHE_DIR",
    "GOCACHE",
    "GOMODCACHE",
    "PIP_CACHE_DIR",
    "npm_config_cache",
    "XDG_CACHE_HOME",
    "TMPDIR",
];

/// Tells regions apart for one call.
pub(super) struct Scope {
    root: PathBuf,
    tolerated: Vec<PathBuf>,
    /// Paths on the exclusion list that the command's own words name: observed in spite of their names.
    named: BTreeSet<PathBuf>,
    /// Our own stdout and stderr, where they are files.
    own_streams: Vec<PathBuf>,
}

impl Scope {
    pub(super) fn new(
        root: &Path,
        home: Option<&Path>,
        environment: &[(OsString, OsString)],
        directory: &Path,
        words: &[OsString],
    ) -> Self {
        let mut tolerated: Vec<PathBuf> = ["/tmp", "/var/tmp", "/dev"].iter().map(PathBuf::from).collect();
        tolerated.extend(TOOL_STATE.iter().filter_map(|state| Some(home?.join(state))));
        let set = |name: &&str| environment.iter().find(|(given, _)| given == OsStr::new(name));
        let moved = TOOL_VARIABLES.iter().filter_map(set).map(|(_, value)| PathBuf::from(value));
        tolerated.extend(moved.filter(|path| path.is_absolute() && path != Path::new("/")));
        // `pytest .` names everything; only a word that is itself on the list means what is on it.
        let named = words.iter().flat_map(|word| parts(word));
        let named = named.filter(|part| exclude::path_excluded(Path::new(part)).is_some());
        let named = named.map(|part| directory.join(part).components().collect()).collect();
        let own_streams = ["/proc/self/fd/1", "/proc/self/fd/2"].iter();
        let own_streams = own_streams.filter_map(|link| std::fs::read_link(link).ok()).collect();
        Self { root: root.to_path_buf(), tolerated, named, own_streams }
    }

    /// Where `path` (absolute) lies.
    pub(super) fn region(&self, path: &Path) -> Region {
        if self.own_streams.iter().any(|own| own == path) {
            return Region::Excluded;
        }
        let Ok(rest) = path.strip_prefix(&self.root) else {
            let tolerated = self.tolerated.iter().any(|place| path.starts_with(place));
            return match tolerated {
                true => Region::Tolerated,
                // An editable install's first run leaves its bytecode where its sources are.
                false if is_bytecode(path) && !self.is_named(path) => Region::Excluded,
                false => Region::Outside,
            };
        };
        match exclude::path_excluded(rest) {
            _ if self.is_named(path) => Region::Inside,
            Some(Excluded::Always) => Region::Excluded,
            Some(Excluded::VersionControl) => Region::Repository,
            None => Region::Inside,
        }
    }

    /// Whether reads of `path` never count.
    pub(super) fn ignores(&self, path: &Path) -> bool {
        let excluded = exclude::path_excluded(path) == Some(Excluded::Always);
        (excluded && !self.is_named(path)) || self.own_streams.iter().any(|own| own == path)
    }

    /// Whether the command's own words name `path`, or a directory above it, that is on the exclusion list.
    pub(super) fn is_named(&self, path: &Path) -> bool {
        !self.named.is_empty() && path.ancestors().any(|above| self.named.contains(above))
    }

    /// Whether `path` is strictly below a tolerated place, and none itself: a TMPDIR below `/tmp` is no scratch.
    pub(super) fn may_be_scratch(&self, path: &Path) -> bool {
        !path.starts_with(&self.root)
            && self.tolerated.iter().any(|place| path.starts_with(place))
            && self.tolerated.iter().all(|place| path != place)
    }

    /// `path` relative to the root, as bytes.
    pub(super) fn relative<'p>(&self, path: &'p Path) -> Option<&'p [u8]> {
        path.strip_prefix(&self.root)
            .ok()
            .map(|rest| rest.as_os_str().as_bytes())
            .filter(|rest| !rest.is_empty())
    }
}

/// A word, and what may be a path in it: the value of an option, or a word of code.
fn parts(word: &OsStr) -> impl Iterator<Item = &OsStr> {
    let ends = |byte: &u8| byte.is_ascii_whitespace() || b"=\"';&|<>()`,".contains(byte);
    let within = word.as_bytes().split(ends).map(OsStr::from_bytes);
    std::iter::once(word).chain(within.filter(move |part| !part.is_empty() && *part != word))
}

/// Whether `path` is Python's bytecode by its name, or the directory of it.
fn is_bytecode(path: &Path) -> bool {
    let in_cache = |path: &Path| path.file_name() == Some(OsStr::new("__pycache__"));
    in_cache(path) || path.parent().is_some_and(in_cache)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(words: &[&str]) -> Scope {
        let environment = [("GOCACHE".into(), "/big/go".into()), ("TMPDIR".into(), "/scratch/job".into())];
        let words: Vec<OsString> = words.iter().map(OsString::from).collect();
        Scope::new(
            Path::new("/tmp/root"),
            Some(Path::new("/home/u")),
            &environment,
            Path::new("/tmp/root"),
            &words,
        )
    }

    #[test]
    fn regions_by_place_and_name() {
        for (path, region) in [
            ("/tmp/root/a", Region::Inside),
            ("/tmp/root/__pycache__/a.pyc", Region::Excluded),
            ("/tmp/root/.git/index", Region::Repository),
            ("/tmp/other", Region::Tolerated),
            ("/home/u/.cache/x", Region::Tolerated),
            ("/home/u/.cargo/bin/x", Region::Outside),
            ("/big/go/x", Region::Tolerated),
            ("/scratch/job/x", Region::Tolerated),
            ("/etc/passwd", Region::Outside),
            ("/home/u/lib/__pycache__", Region::Excluded),
            ("/home/u/lib/__pycache__/a.pyc.140", Region::Excluded),
            ("/home/u/lib/__pycache__/a/b", Region::Outside),
            ("/home/u/lib/a~", Region::Outside),
        ] {
            assert_eq!(scope(&[]).region(Path::new(path)), region, "{path}");
        }
    }

    #[test]
    fn what_the_words_name_counts_in_spite_of_its_name() {
        let named = scope(&["ls", "__pycache__"]);
        assert_eq!(named.region(Path::new("/tmp/root/__pycache__/a.pyc")), Region::Inside);
        assert!(!named.ignores(Path::new("/tmp/root/__pycache__")));
        assert!(scope(&["ls"]).ignores(Path::new("/tmp/root/__pycache__")));
        for words in [["sh", "-c", "cat a;ls 'd/__pycache__'"], ["x", "y", "--in=d/__pycache__"]] {
            assert!(!scope(&words).ignores(Path::new("/tmp/root/d/__pycache__/a")), "{words:?}");
        }
    }

    #[test]
    fn scratch_lies_strictly_below() {
        assert!(!scope(&[]).may_be_scratch(Path::new("/tmp")));
        assert!(scope(&[]).may_be_scratch(Path::new("/tmp/pytest-1")));
        assert!(!scope(&[]).may_be_scratch(Path::new("/tmp/root/x")));
    }
}
