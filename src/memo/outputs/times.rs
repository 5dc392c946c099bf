//! Modification times of outputs: which ones differ from the time of writing, and in which order the others were written.
//!
//! A time before the run was set explicitly (`touch -d`, `cp -p`, `tar x`), or belongs to a file that was moved or linked. A
//! time within the run counts as the present, regardless of how it was set.

use super::collect::Origin;
use crate::record::{Evidence, OutputEntry, OutputKind, OutputTime, Timestamp};
use rustix::fs::Stat;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

/// Maximum number of files with the same time that are recorded as possible sources of an output's time.
const MOST_ALIKE: usize = 16;
const SECOND: i64 = 1_000_000_000;

/// State of an output's path after the run.
pub(super) struct Left {
    pub(super) entry: OutputEntry,
    /// Trusted evidence that it is in place, if there is any.
    pub(super) evidence: Option<Evidence>,
    /// Modification and change time; `None` where it does not exist.
    times: Option<(Timestamp, Timestamp)>,
}

impl Left {
    pub(super) fn removed(path: &[u8]) -> Self {
        Self { entry: OutputEntry::new(path, OutputKind::Removed), evidence: None, times: None }
    }

    pub(super) fn of(entry: OutputEntry, stat: &Stat) -> Self {
        let time = |seconds, nanoseconds: u64| {
            Timestamp::from_parts(seconds, i64::try_from(nanoseconds).unwrap_or(0))
        };
        let modified = time(stat.st_mtime, stat.st_mtime_nsec);
        Self { entry, evidence: None, times: Some((modified, time(stat.st_ctime, stat.st_ctime_nsec))) }
    }

    /// The same file under another path.
    pub(super) fn under_another_name(&self, path: &[u8]) -> Self {
        let link_to = Some(self.entry.link_to.clone().unwrap_or_else(|| self.entry.path.clone()));
        let entry = OutputEntry { path: path.to_vec(), link_to, ..self.entry.clone() };
        Self { entry, evidence: self.evidence, times: self.times }
    }
}

/// Determines the time of each entry.
pub(super) fn tell(found: &mut [Left], origin: &Origin<'_>) {
    let now = Timestamp::now();
    let given = |(modified, changed): (Timestamp, Timestamp)| {
        // A file system may store whole seconds only.
        let is_coarse = modified.0 % SECOND == 0 && changed.0 % SECOND == 0;
        let started = if is_coarse { origin.started.0.div_euclid(SECOND) * SECOND } else { origin.started.0 };
        modified.0 < started || modified > now
    };
    let times = |left: &Left| left.times.filter(|times| given(*times)).map(|(modified, _)| modified);
    let wanted: BTreeSet<Timestamp> = found.iter().filter_map(times).collect();
    let alike = if wanted.is_empty() { BTreeMap::new() } else { (origin.with_times)(&wanted) };
    let is_file = |left: &Left| left.entry.kind.stored().is_some();
    let mut written: Vec<Timestamp> = found
        .iter()
        .filter(|left| is_file(left))
        .filter_map(|left| left.times.filter(|times| !given(*times)).map(|(modified, _)| modified))
        .collect();
    written.sort_unstable();
    written.dedup();
    for left in found.iter_mut() {
        let Some((modified, _)) = left.times else { continue };
        left.entry.time = if times(left).is_some() {
            let path = origin.places.root.join(OsStr::from_bytes(&left.entry.path));
            let like = alike.get(&modified).map(|paths| nearest(&path, paths)).unwrap_or_default();
            let mut like: Vec<_> =
                like.iter().take(MOST_ALIKE).map(|path| origin.places.store(path)).collect();
            like.sort();
            like.dedup();
            OutputTime::Given { time: modified, like }
        } else {
            let rank = if is_file(left) { written.binary_search(&modified).unwrap_or(0) } else { 0 };
            OutputTime::Written { rank: u32::try_from(rank).unwrap_or(u32::MAX) }
        };
    }
    if found.iter().all(|left| left.entry.link_to.is_none()) {
        return;
    }
    // All names of one file have the time of the first one.
    let first: BTreeMap<Vec<u8>, OutputTime> = found
        .iter()
        .filter(|left| is_file(left) && left.entry.link_to.is_none())
        .map(|left| (left.entry.path.clone(), left.entry.time.clone()))
        .collect();
    for left in found.iter_mut() {
        if let Some(time) = left.entry.link_to.as_ref().and_then(|path| first.get(path)) {
            left.entry.time = time.clone();
        }
    }
}

/// The files in `others`, which have the same time as `path`, that are its likely source by name: itself, one with the same
/// last components, or a similar name; otherwise all of them.
fn nearest<'p>(path: &Path, others: &'p BTreeSet<PathBuf>) -> Vec<&'p PathBuf> {
    let names = |path: &Path| {
        let names = path.components().rev().take_while(|name| matches!(name, Component::Normal(_)));
        names.map(|name| name.as_os_str().to_owned()).collect::<Vec<_>>()
    };
    let own = names(path);
    let shared =
        |other: &Path| own.iter().zip(names(other)).take_while(|(left, right)| *left == right).count();
    let most = others.iter().map(|other| shared(other)).max().unwrap_or(0);
    if most > 0 {
        return others.iter().filter(|other| shared(other) == most).collect();
    }
    let name = |path: &Path| path.file_name().map(|name| name.as_bytes().to_vec()).unwrap_or_default();
    let own = name(path);
    let stem = |name: &[u8]| name.split(|byte| *byte == b'.').next().unwrap_or_default().to_vec();
    let is_alike = |other: &&PathBuf| {
        let other = name(other);
        !stem(&own).is_empty()
            && (stem(&own) == stem(&other) || own.starts_with(&other) || other.starts_with(&own))
    };
    let like: Vec<&PathBuf> = others.iter().filter(is_alike).collect();
    if like.is_empty() { others.iter().collect() } else { like }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_taken() {
        let found = |path: &str, others: &[&str]| -> Vec<String> {
            let others: BTreeSet<PathBuf> = others.iter().map(PathBuf::from).collect();
            nearest(Path::new(path), &others).iter().map(|path| path.display().to_string()).collect()
        };
        assert_eq!(found("/r/f", &["/r/a", "/r/f", "/r/f.c"]), ["/r/f"]);
        assert_eq!(found("/r/new/b/f", &["/r/old/b/f", "/r/old/c/f", "/r/x"]), ["/r/old/b/f"]);
        assert_eq!(found("/r/f.gz", &["/r/Makefile", "/r/f"]), ["/r/f"]);
        assert_eq!(found("/r/f", &["/r/Makefile", "/r/f.gz"]), ["/r/f.gz"]);
        assert_eq!(found("/r/a", &["/r/b", "/r/c"]), ["/r/b", "/r/c"]);
    }
}
