//! Files beside the root, or beside a directory above it, that code finds from its own place without `..`:
//! `dirname(dirname(abspath(__file__)))`. Of another clone, other files are beside it.

use super::Observer;
use super::above::relative;
use crate::profiles::attributes::is_of_system;
use crate::record::{Base, FileState, Observation, StoredPath};
use memchr::memmem;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Larger files are not searched for paths.
const LARGEST: u64 = 1 << 20;

impl Observer<'_> {
    /// Observes what was found there a second time, relative to the root, unless something names the place by its absolute path.
    pub(super) fn beside(&mut self) {
        let root = self.run.places.root.clone();
        let mut beside: BTreeMap<PathBuf, Vec<(usize, PathBuf)>> = BTreeMap::new();
        for (number, (observation, _)) in self.observed.observations.iter().enumerate() {
            let Some(path) = observation.path().filter(|path| path.base() == Base::Absolute) else {
                continue;
            };
            let path = Path::new(OsStr::from_bytes(path.rest()));
            if let Some(place) = self.place_beside(&root, path) {
                beside.entry(place).or_default().push((number, path.to_path_buf()));
            }
        }
        beside.retain(|place, _| !self.is_named(place));
        for (number, path) in beside.into_values().flatten() {
            let Some((observation, evidence)) = self.observed.observations.get(number).cloned() else {
                continue;
            };
            if let Some(rest) = relative(&root, &path)
                && let Some(again) = observation.at(StoredPath::in_root(rest))
            {
                self.observed.observations.push((again, evidence));
            }
        }
    }

    /// The entry of a directory above the root that is, or contains, `path`, and does not contain the root.
    fn place_beside(&self, root: &Path, path: &Path) -> Option<PathBuf> {
        let shared = root.ancestors().skip(1).find(|above| path.starts_with(above))?;
        let name = path.strip_prefix(shared).ok()?.iter().next()?;
        let is_shared_by_all =
            shared == Path::new("/") || self.watcher.tables.is_temporary(shared) || is_of_system(path);
        (!is_shared_by_all && !root.starts_with(path)).then(|| shared.join(name))
    }

    /// Whether an argument, a variable, a link, or a file that was read contains this path.
    fn is_named(&self, place: &Path) -> bool {
        let place = place.as_os_str().as_bytes();
        let has = |text: &[u8]| memmem::find(text, place).is_some();
        let captured = self.run.captured;
        let in_link = |observation: &Observation| matches!(observation, Observation::State { state: FileState::Symlink { text }, .. } if has(text));
        let in_file = |path: &Path| {
            let is_small = fs::metadata(path).is_ok_and(|found| found.is_file() && found.len() <= LARGEST);
            is_small && fs::read(path).is_ok_and(|text| has(&text))
        };
        self.run.words.iter().any(|word| has(word.as_bytes()))
            || captured.environment.iter().any(|(_, value)| has(value.as_bytes()))
            || captured.sources.iter().any(|source| has(&source.bytes))
            || self.observed.observations.iter().any(|(observation, _)| in_link(observation))
            || self.contents.iter().any(|(path, _)| in_file(path))
    }
}
