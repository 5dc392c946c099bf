//! What modification times decide by their order, for `make` and its kin.

use super::session::{MAKES, says};
use super::{Observed, Observer, Run, shown};
use crate::exec::Trace;
use crate::record::{Evidence, Observation, Places, StoredPath, Timestamp};
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Whether the run compares times of files: by a make, or by a shell's operators in its own code.
pub(super) fn compares(run: &Run<'_>, trace: &Trace) -> bool {
    let names = trace.programs.iter().filter_map(|program| program.file_name()?.to_str());
    let makes = names.into_iter().any(|name| MAKES.contains(&name) || name == "ninja");
    makes || says(run, " -nt ") || says(run, " -ot ")
}

impl Observer<'_> {
    /// Whether the order of the time of `path` counts where it was looked at: that of a file inside the root; and where times
    /// are compared, that of a file of the user's elsewhere, and that of a directory inside the root of which nothing
    /// but that can have been asked.
    pub(super) fn time_counts(&self, path: &Path, is_file: bool) -> bool {
        let is_inside = self.scope.relative(path).is_some();
        if is_file {
            return is_inside || (self.compares_times && !shown::is_of_system(path));
        }
        let access = self.trace.accesses.get(path).copied().unwrap_or_default();
        // What a make lists it looks at too, to know what is there.
        is_inside && self.compares_times && access.looked && !access.listed
    }
}

/// Groups `files` by their modification time, oldest first, each group sorted. Files that are gone are left out.
fn order(files: &[(PathBuf, Option<Timestamp>)], places: &Places) -> Vec<Vec<StoredPath>> {
    let timed = files
        .iter()
        .filter_map(|(path, known)| Some((known.or_else(|| modified(path, true))?, places.store(path))));
    let mut timed: Vec<(Timestamp, StoredPath)> = timed.collect();
    timed.sort();
    timed.dedup();
    let mut groups: Vec<Vec<StoredPath>> = Vec::new();
    let mut last = None;
    for (time, path) in timed {
        match groups.last_mut().filter(|_| last == Some(time)) {
            Some(group) => group.push(path),
            None => groups.push(vec![path]),
        }
        last = Some(time);
    }
    groups
}

/// Adds the order of the times of `files`, which were looked at inside the root and not written. (Whether they were opened
/// too says nothing: the one process may compare times and another read. So it is stricter than the specification.)
pub(super) fn observe(observed: &mut Observed, files: &[(PathBuf, Option<Timestamp>)], places: &Places) {
    if files.len() > 1 {
        let groups = order(files, places);
        observed.observations.push((Observation::TimeOrder { groups }, None));
    }
}

/// Adds how the times of `others`, which were looked at, stood to those of the files that were looked at and then
/// `written`, as they were before: by that `make` decides what to make anew, even if it comes out the same.
pub(super) fn around(
    observed: &mut Observed,
    written: &[(PathBuf, Timestamp)],
    others: &[PathBuf],
    places: &Places,
) {
    let others: BTreeMap<StoredPath, Timestamp> =
        others.iter().filter_map(|path| Some((places.store(path), modified(path, true)?))).collect();
    if others.is_empty() {
        return;
    }
    let mut alike: BTreeMap<[Vec<StoredPath>; 3], Vec<StoredPath>> = BTreeMap::new();
    for (path, time) in written {
        let those = |order: Ordering| {
            others
                .iter()
                .filter(|(_, other)| (*other).cmp(time) == order)
                .map(|(path, _)| path.clone())
                .collect()
        };
        let sides = [Ordering::Less, Ordering::Equal, Ordering::Greater].map(those);
        alike.entry(sides).or_default().push(places.store(path));
    }
    for ([older, same, newer], mut written) in alike {
        written.sort();
        observed.observations.push((Observation::Around { written, older, same, newer }, None));
    }
}

/// The same observation of times made now, where `then` is one: what differs can be named.
pub(in crate::memo) fn again(then: &Observation, places: &Places) -> Option<Observation> {
    match then {
        Observation::TimeOrder { groups } => {
            let files: Vec<_> = groups.iter().flatten().map(|path| (places.resolve(path), None)).collect();
            Some(Observation::TimeOrder { groups: order(&files, places) })
        }
        Observation::Around { written, older, same, newer } => {
            let times = written.iter().filter_map(|path| modified(&places.resolve(path), true));
            let times: Vec<Timestamp> = times.collect();
            let (first, last) = (times.iter().min()?, times.iter().max()?);
            let mut sides: [Vec<StoredPath>; 3] = Default::default();
            let [before, among, after] = &mut sides;
            for path in older.iter().chain(same).chain(newer) {
                match modified(&places.resolve(path), true) {
                    Some(time) if time < *first => before.push(path.clone()),
                    Some(time) if time > *last => after.push(path.clone()),
                    Some(_) => among.push(path.clone()),
                    None => {}
                }
            }
            for side in &mut sides {
                side.sort();
            }
            let [older, same, newer] = sides;
            Some(Observation::Around { written: written.clone(), older, same, newer })
        }
        _ => None,
    }
}

fn modified(path: &Path, follow: bool) -> Option<Timestamp> {
    evidence(path, follow).map(|evidence| evidence.modified)
}

fn evidence(path: &Path, follow: bool) -> Option<Evidence> {
    let metadata = if follow { fs::metadata(path) } else { fs::symlink_metadata(path) };
    metadata.ok().as_ref().map(Evidence::of)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn equal_times_stand_together() {
        let root = tempfile::tempdir().unwrap();
        let places = Places { root: root.path().to_path_buf(), home: None };
        for (name, seconds) in [("c", 1), ("a", 2), ("b", 2), ("d", 3)] {
            let file = File::create(root.path().join(name)).unwrap();
            file.set_modified(UNIX_EPOCH + Duration::from_secs(seconds)).unwrap();
        }
        let files: Vec<(PathBuf, Option<Timestamp>)> =
            ["a", "b", "c", "d", "gone"].iter().map(|name| (root.path().join(name), None)).collect();
        let names =
            |group: &Vec<StoredPath>| group.iter().map(|path| path.shown().display().to_string()).collect();
        let groups: Vec<Vec<String>> = order(&files, &places).iter().map(names).collect();
        assert_eq!(groups, [vec!["c"], vec!["a", "b"], vec!["d"]]);
    }
}
