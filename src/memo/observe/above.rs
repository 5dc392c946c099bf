//! Look-ups above the root, stored so that they are the same wherever the root is.
//!
//! A name that is looked for in each directory up to `/` is one question. A path with `..` is relative to the root. All other
//! paths above the root are absolute.

use super::Observer;
use super::session::says;
use crate::hash::upward;
use crate::record::{Base, FileState, Observation, StoredPath};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Observations of a name in the directories above the root, by level.
#[derive(Default)]
struct Asked {
    /// Indices of observations that the name is absent.
    absent: BTreeMap<usize, usize>,
    /// Indices of observations that the name exists.
    present: BTreeMap<usize, StoredPath>,
}

impl Observer<'_> {
    /// The stored form of a path: one above the root that was reached by `..` from inside is relative to the root.
    pub(super) fn stored(&self, path: &Path) -> StoredPath {
        let root = self.run.places.root.as_path();
        let reached = self.trace.upward.get(path).filter(|reached| reached.from.starts_with(root));
        // A path beside the root in HOME may also have been named through HOME.
        let is_beside = || {
            let shared = root.ancestors().find(|above| path.starts_with(above));
            let home = self.run.places.home.as_deref();
            !home.zip(shared).is_some_and(|(home, shared)| home.starts_with(shared)) || says(self.run, "..")
        };
        let reached = reached.filter(|reached| reached.by_dots || is_beside());
        match reached.and_then(|_| relative(root, path)) {
            Some(rest) => StoredPath::in_root(rest),
            None => self.run.places.store(path),
        }
    }

    /// Combines look-ups of one name in each directory above the root, and removes observations that these directories exist.
    pub(super) fn above(&mut self) {
        let root = self.run.places.root.clone();
        let above: Vec<&Path> = root.ancestors().skip(1).collect();
        let mut asked: BTreeMap<Vec<u8>, Asked> = BTreeMap::new();
        let mut dropped = vec![false; self.observed.observations.len()];
        for (number, (observation, _)) in self.observed.observations.iter().enumerate() {
            let (Observation::State { path, .. } | Observation::Content { path, .. }) = observation else {
                continue;
            };
            let place = self.absolute(path);
            // What HOME leads to is elsewhere where HOME is elsewhere, unless the root lies in it.
            let is_beside = path.base() == Base::Home
                && !self.run.places.home.as_deref().is_some_and(|home| root.starts_with(home));
            if place.starts_with(&root) || is_beside {
                continue;
            }
            let is_directory =
                matches!(observation, Observation::State { state: FileState::Directory { .. }, .. });
            if root.starts_with(&place) {
                if let Some(dropped) =
                    dropped.get_mut(number).filter(|_| is_directory && path.base() != Base::Root)
                {
                    *dropped = true;
                }
                continue;
            }
            let Some((level, name)) = above.iter().enumerate().find_map(|(level, above)| {
                Some((level, place.strip_prefix(above).ok()?.as_os_str().as_bytes()))
            }) else {
                continue;
            };
            let asked = asked.entry(name.to_vec()).or_default();
            if matches!(observation, Observation::State { state: FileState::Absent, .. }) {
                asked.absent.insert(level, number);
            } else {
                asked.present.insert(level, path.clone());
            }
        }
        let mut questions = Vec::new();
        for (name, asked) in asked {
            let absent = (0..above.len()).take_while(|level| asked.absent.contains_key(level)).count();
            let is_relative = |level: usize| {
                let number =
                    asked.absent.get(&level).and_then(|number| self.observed.observations.get(*number));
                matches!(number, Some((Observation::State { path, .. }, _)) if path.base() == Base::Root)
            };
            let found = asked.present.get(&absent).cloned();
            let is_nearest_only = absent == 1 && found.is_none();
            if absent == 0 || (is_nearest_only && (is_relative(0) || is_in_directory_beside(&root, &name))) {
                continue;
            }
            if found.is_none() && !matches!(upward::first(&root, &name), Ok(None)) {
                continue;
            }
            for level in 0..absent {
                let is_home =
                    above.get(level).is_some_and(|above| Some(*above) == self.run.places.home.as_deref());
                if let Some(number) = asked.absent.get(&level).filter(|_| !is_home)
                    && let Some(dropped) = dropped.get_mut(*number)
                {
                    *dropped = true;
                }
            }
            questions.push((Observation::Upward { name, found }, None));
        }
        let kept = std::mem::take(&mut self.observed.observations).into_iter().zip(dropped);
        self.observed.observations = kept.filter(|(_, dropped)| !dropped).map(|(kept, _)| kept).collect();
        self.observed.observations.extend(questions);
    }

    /// The absolute path of a stored one, without `..`.
    pub(super) fn absolute(&self, path: &StoredPath) -> PathBuf {
        let mut place = self.run.places.root.as_path();
        let mut rest = path.rest();
        if path.base() != Base::Root || !rest.starts_with(b"..") {
            return self.run.places.resolve(path);
        }
        while let Some(after) = rest.strip_prefix(b"..") {
            place = place.parent().unwrap_or(Path::new("/"));
            rest = after.strip_prefix(b"/").unwrap_or(after);
        }
        place.join(OsStr::from_bytes(rest))
    }
}

/// Whether `name`, which was looked for beside the root alone, would be in a directory that exists there: then the program knew that
/// directory, and searched no others.
fn is_in_directory_beside(root: &Path, name: &[u8]) -> bool {
    let first = name.split(|byte| *byte == b'/').next().filter(|first| first.len() < name.len());
    let beside = root.parent().zip(first).map(|(above, first)| above.join(OsStr::from_bytes(first)));
    beside.is_some_and(|beside| beside.is_dir())
}

/// `path`, which is not below `root`, relative to it; `None` if they share only `/`.
pub(super) fn relative(root: &Path, path: &Path) -> Option<Vec<u8>> {
    let (level, rest) = root
        .ancestors()
        .enumerate()
        .find_map(|(level, above)| Some((level, path.strip_prefix(above).ok()?)))?;
    let is_top = root.ancestors().nth(level) == Some(Path::new("/"));
    if level == 0 || (is_top && root.parent() != Some(Path::new("/"))) {
        return None;
    }
    let mut relative = b"../".repeat(level);
    relative.extend_from_slice(rest.as_os_str().as_bytes());
    if relative.ends_with(b"/") {
        relative.pop();
    }
    Some(relative)
}

#[cfg(test)]
mod tests {
    use super::{is_in_directory_beside, relative};
    use std::fs;
    use std::path::Path;

    #[test]
    fn a_name_in_a_directory_beside_the_root_is_no_search_upward() {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().join("project");
        fs::create_dir(&root).unwrap();
        fs::create_dir(place.path().join("site")).unwrap();
        fs::write(place.path().join("file"), "").unwrap();
        for (name, expected) in [
            ("site/package/module.so", true),
            ("site", false),
            ("other/x", false),
            ("file/x", false),
            ("", false),
        ] {
            assert_eq!(is_in_directory_beside(&root, name.as_bytes()), expected, "{name}");
        }
        assert!(!is_in_directory_beside(Path::new("/"), b"tmp/x"));
    }

    #[test]
    fn paths_above_are_reached_from_the_root() {
        for (path, expected) in [
            ("/w/a/data", Some("../data")),
            ("/w/x/y", Some("../../x/y")),
            ("/w/a", Some("..")),
            ("/w", Some("../..")),
            ("/usr/lib", None),
            ("/w/a/root/x", None),
        ] {
            let found = relative(Path::new("/w/a/root"), Path::new(path));
            assert_eq!(found.as_deref(), expected.map(str::as_bytes), "{path}");
        }
    }
}
