//! Files beside the root, or beside a directory above it, and entries of such a directory, that code finds from its own place
//! without `..`: `dirname(dirname(abspath(__file__)))`. Of another clone, other files are beside it.

use super::Observer;
use super::above::relative;
use crate::hash::environment;
use crate::hash::manifest::Part;
use crate::profiles::attributes::is_of_system;
use crate::profiles::users::IN_HOME;
use crate::record::{Base, FileState, Observation, StoredPath};
use memchr::memmem;
use std::collections::BTreeMap;
use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Larger files are not searched for paths.
const LARGEST: u64 = 1 << 20;

/// Directories of which the entries are named by their absolute paths, not from a project that is below.
const SHARED_BY_ALL: &[&str] = &["/", "/usr/local", "/var", "/home"];

impl Observer<'_> {
    /// Adds a second observation, relative to the root, of what was found there, unless something names the place by its absolute path.
    /// Where code takes the last name of the root, that counts, too: what it reads or makes may be named after it.
    pub(super) fn beside(&mut self) {
        self.observed.root_name_counts = self.takes_root_name();
        let root = self.run.places.root.clone();
        let path = environment::lookup(&self.run.captured.environment, OsStr::new("PATH"));
        let on_path: Vec<PathBuf> = path.iter().flat_map(|path| env::split_paths(&**path)).collect();
        let searches: Vec<(PathBuf, PathBuf)> = self
            .observed
            .observations
            .iter()
            .filter_map(|(observation, _)| self.search_above(observation))
            .collect();
        let mut beside: BTreeMap<PathBuf, Vec<(usize, PathBuf)>> = BTreeMap::new();
        for (number, (observation, _)) in self.observed.observations.iter().enumerate() {
            let Some(path) = observation.path().filter(|path| path.base() != Base::Root) else {
                continue;
            };
            let path = self.run.places.resolve(path);
            let Some(place) = self.place_beside(&root, &path, is_of_entries(observation)) else {
                continue;
            };
            // What PATH leads to has questions of its own.
            let is_on_path = path.parent().is_some_and(|above| on_path.iter().any(|known| known == above));
            let is_found = || searches.iter().any(|(name, found)| is_found_upward(&path, name, found));
            if (is_on_path && may_be_command(&path)) || is_found() {
                continue;
            }
            beside.entry(place).or_default().push((number, path));
        }
        beside.retain(|place, _| !self.is_named(&root, place));
        for (number, path) in beside.into_values().flatten() {
            let Some((observation, evidence)) = self.observed.observations.get(number).cloned() else {
                continue;
            };
            if let Some(path) = relative_to_root(&root, &path)
                && let Some(again) = observation.at(path)
            {
                self.observed.observations.push((again, evidence));
            }
        }
    }

    /// The entry of a directory above the root that is, or contains, `path`, and does not contain the root. Or that directory
    /// itself, with `is_of_entries`: if its entries are what was observed.
    fn place_beside(&self, root: &Path, path: &Path, is_of_entries: bool) -> Option<PathBuf> {
        let shared = root.ancestors().skip(1).find(|above| path.starts_with(above))?;
        let name = path.strip_prefix(shared).ok()?.iter().next();
        // What is directly in HOME is the user's, for all clones, if it is hidden or of a tool, or code finds it by HOME.
        let is_of_user = || {
            name.is_none_or(|name| {
                name.as_bytes().starts_with(b".") || IN_HOME.iter().any(|known| name == OsStr::new(known))
            }) || self.names_home()
        };
        let is_of_home = |home: &Path| {
            path.starts_with(home) && if shared == home { is_of_user() } else { !shared.starts_with(home) }
        };
        if (name.is_none() && !is_of_entries) || self.run.places.home.as_deref().is_some_and(is_of_home) {
            return None;
        }
        let is_top = |directory: &Path| directory.parent().is_none_or(|above| !is_of_system(above));
        let is_shared_by_all = SHARED_BY_ALL.iter().any(|known| shared == Path::new(known))
            || (is_of_system(shared) && is_top(shared))
            || self.watcher.tables.is_temporary(shared);
        let place = name.map_or_else(|| shared.to_path_buf(), |name| shared.join(name));
        let is_temporary = || {
            let within = path.ancestors().take_while(|within| within.starts_with(&place));
            within.into_iter().any(|within| self.watcher.tables.is_temporary(within))
        };
        (!is_shared_by_all && !is_temporary()).then_some(place)
    }

    /// The stored form of a path whose time is compared with those of other files: relative to the root if it lies beside it.
    pub(super) fn stored_for_order(&self, path: &Path) -> StoredPath {
        let root = self.run.places.root.as_path();
        let is_beside = self.place_beside(root, path, false).is_some();
        is_beside.then(|| relative_to_root(root, path)).flatten().unwrap_or_else(|| self.stored(path))
    }

    /// The name that was looked for in each directory above the root, and the path where it was found.
    fn search_above(&self, observation: &Observation) -> Option<(PathBuf, PathBuf)> {
        let Observation::Upward { name, found: Some(found) } = observation else {
            return None;
        };
        Some((PathBuf::from(OsStr::from_bytes(name)), self.absolute(found)))
    }

    /// Whether an argument, a variable that counts, a link, a file that was read, or the place of a program found on PATH contains this
    /// path: whatever else finds it there is the same for every clone.
    fn is_named(&self, root: &Path, place: &Path) -> bool {
        let is_above = root.starts_with(place);
        let has = |text: &[u8]| names(text, place.as_os_str().as_bytes(), is_above);
        let captured = self.run.captured;
        let in_seen = |observation: &Observation| match observation {
            Observation::State { state: FileState::Symlink { text }, .. } => has(text),
            Observation::Search { programs, .. } => {
                let found = programs.iter().filter_map(|program| program.program.as_ref());
                found.into_iter().any(|program| has(self.run.places.resolve(program).as_os_str().as_bytes()))
            }
            Observation::Variable { name, value: Some(_) } => {
                let value = environment::lookup(&captured.environment, OsStr::from_bytes(name));
                value.is_some_and(|value| has(value.as_bytes()))
            }
            _ => false,
        };
        let in_key = |(name, value): &(OsString, OsString)| {
            has(value.as_bytes())
                && captured.manifest.get(&Part::Variable(name.as_bytes().to_vec())).is_some()
        };
        let in_file = |path: &Path| {
            let is_small = fs::metadata(path).is_ok_and(|found| found.is_file() && found.len() <= LARGEST);
            is_small && fs::read(path).is_ok_and(|text| has(&text))
        };
        // What is there may well contain its own path.
        let mut others = self.contents.iter().filter(|(path, _)| !path.starts_with(place));
        self.run.words.iter().any(|word| has(word.as_bytes()))
            || captured.environment.iter().any(in_key)
            || captured.sources.iter().any(|source| has(&source.bytes))
            || self.observed.observations.iter().any(|(observation, _)| in_seen(observation))
            || others.any(|(path, _)| in_file(path))
    }
}

/// Whether `path` is what a search for `name` in the directories above the root came upon, or below that. The search ended at `found`;
/// the directories above `found` are the same for every clone whose search ends there.
fn is_found_upward(path: &Path, name: &Path, found: &Path) -> bool {
    let directory = |named: &Path| named.ancestors().nth(name.iter().count()).map(Path::to_path_buf);
    let mut searched = path.ancestors().filter(|within| within.ends_with(name)).filter_map(directory);
    searched.any(|searched| found.starts_with(searched))
}

/// Whether these are entries of a directory.
const fn is_of_entries(observation: &Observation) -> bool {
    matches!(
        observation,
        Observation::Listing { .. }
            | Observation::Importable { .. }
            | Observation::Modules { .. }
            | Observation::Distributions { .. }
            | Observation::Entries { .. }
    )
}

/// Whether a search for a command may have come upon `path`: nothing is there, or something that can be executed.
fn may_be_command(path: &Path) -> bool {
    fs::metadata(path).map_or(true, |found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// The same path relative to the root, if it lies beside the root or a directory above it.
fn relative_to_root(root: &Path, path: &Path) -> Option<StoredPath> {
    relative(root, path).map(StoredPath::in_root)
}

/// Whether `text` contains `path`, and not only as a part of another name. With `is_alone`, nothing below it is meant.
fn names(text: &[u8], path: &[u8], is_alone: bool) -> bool {
    let is_of_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    memmem::find_iter(text, path).any(|at| {
        let before = at.checked_sub(1).and_then(|at| text.get(at));
        let after = text.get(at + path.len()..).unwrap_or_default();
        let is_below = is_alone && matches!(after, [b'/', next, ..] if is_of_name(next));
        !before.is_some_and(is_of_name) && !after.first().is_some_and(is_of_name) && !is_below
    })
}

#[cfg(test)]
mod tests {
    use super::{is_found_upward, names};
    use std::path::Path;

    #[test]
    fn a_path_is_named_as_a_whole() {
        for text in ["/w/lib", "cat /w/lib/in", "X=\"/w/lib\"", "-L:/w/lib:/x"] {
            assert!(names(text.as_bytes(), b"/w/lib", false), "{text}");
        }
        for text in ["/w/library", "/w/lib.old", "x/w/lib", "/w", ""] {
            assert!(!names(text.as_bytes(), b"/w/lib", false), "{text}");
        }
        assert!(names(b"ls /w/lib", b"/w/lib", true) && names(b"ls /w/lib/", b"/w/lib", true));
        assert!(!names(b"PWD=/w/lib/project", b"/w/lib", true));
    }

    #[test]
    fn a_search_above_explains_what_it_found_and_what_lies_higher() {
        let explains = |path: &str| {
            is_found_upward(
                Path::new(path),
                Path::new(".cargo/config.toml"),
                Path::new("/w/a/.cargo/config.toml"),
            )
        };
        for path in ["/w/a/.cargo/config.toml", "/w/.cargo/config.toml", "/.cargo/config.toml"] {
            assert!(explains(path), "{path}");
        }
        for path in
            ["/w/a/b/.cargo/config.toml", "/w/ab/.cargo/config.toml", "/w/a/config.toml", "/w/a/.cargo"]
        {
            assert!(!explains(path), "{path}");
        }
    }
}
