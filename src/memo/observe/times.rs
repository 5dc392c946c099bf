//! The order of modification times, for `make` and similar programs.

use super::aside::settings_mind_results;
use super::session::{MAKES, says};
use super::{Observed, Observer, Run, evidence};
use crate::exec::{Access, Shows, Trace};
use crate::hash::entry::LanguageKind;
use crate::memo::reason::NotKept;
use crate::profiles::attributes::is_of_system;
use crate::profiles::code_names::COMPARES_TIMES;
use crate::profiles::makefile::{Targets, is_makefile, without_comments};
use crate::record::{Observation, Places, StoredPath, Timestamp};
use memchr::memmem;
use rustc_hash::FxHashSet;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// A file or directory whose time the run read.
#[derive(Debug)]
pub(super) struct Timed {
    pub(super) path: PathBuf,
    /// If it is already known.
    pub(super) modified: Option<Timestamp>,
    pub(super) access: Access,
    /// Whether its content was also used.
    pub(super) opened: bool,
    pub(super) is_file: bool,
}

/// With more pairs of a file that may be made and another one, the order of all counts.
const MOST_PAIRS: usize = 4096;
/// How much text is read to find the targets of a make.
const MOST_RULES: u64 = 16 << 20;

/// Whether the run compares times of files: by make, or by a shell operator in its own code.
pub(super) fn compares(run: &Run<'_>, trace: &Trace) -> bool {
    makes(trace) || says_order(run)
}

/// Whether make or ninja runs.
pub(super) fn makes(trace: &Trace) -> bool {
    let mut names = trace.programs.iter().filter_map(|program| program.file_name()?.to_str());
    names.any(|name| MAKES.contains(&name) || name == "ninja")
}

/// Whether the function's own code compares times by a shell operator.
fn says_order(run: &Run<'_>) -> bool {
    says(run, " -nt ") || says(run, " -ot ")
}

/// Whether a file that was read may make `make` read rules from other files, or compares times itself.
fn compares_otherwise(text: &[u8]) -> bool {
    const SAID: &[&str] = &[
        "make -f",
        "MAKE) -f",
        "MAKE} -f",
        "--file",
        "--makefile",
        "MAKEFILES",
        " -nt ",
        " -ot ",
        "newer",
        "mtime",
    ];
    SAID.iter().any(|said| memmem::find(text, said.as_bytes()).is_some())
}

/// Whether a file with another name in the directory of `path` is among `known`.
fn is_beside(known: &FxHashSet<&Path>, path: &Path) -> impl Fn(&OsStr) -> bool {
    |name| known.contains(path.with_file_name(name).as_path())
}

impl Observer<'_> {
    /// Whether the order of the time of `path` counts if it was looked at: for a file inside the root. If times are compared,
    /// also for a file of the user elsewhere, and for a directory inside the root of which only the time can have been read.
    pub(super) fn time_counts(&self, path: &Path, is_file: bool) -> bool {
        let is_inside = self.scope.relative(path).is_some();
        if is_file {
            return is_inside || (self.compares_times && !is_of_system(path));
        }
        let access = self.trace.accesses.get(path).copied().unwrap_or_default();
        // make also looks at the files that it lists, to know which exist.
        is_inside && self.compares_times && access.looked && !access.listed
    }

    /// Which of the existing files may be the target of a rule of make or ninja: only their times are compared with those of
    /// others.
    fn may_be_made(&self, timed: &[Timed]) -> Vec<usize> {
        let targets = self.makefiles();
        let known: FxHashSet<&Path> = timed.iter().map(|timed| timed.path.as_path()).collect();
        let may = |timed: &Timed| targets.may_make(&timed.path, is_beside(&known, &timed.path));
        timed.iter().enumerate().filter(|(_, timed)| may(timed)).map(|(place, _)| place).collect()
    }

    /// Observes the order of one file's time relative to those from which it may be made.
    fn beside_others(&mut self, timed: &[Timed], place: usize) -> Result<(), NotKept> {
        let Some(one) = timed.get(place) else { return Ok(()) };
        let time_of = |timed: &Timed| match timed.modified {
            Some(time) => Ok(Some(time)),
            None => modified(&timed.path),
        };
        let Some(time) = time_of(one)? else { return Ok(()) };
        let (mut older, mut same, mut newer) = (Vec::new(), Vec::new(), Vec::new());
        let known: FxHashSet<&Path> = timed.iter().map(|timed| timed.path.as_path()).collect();
        let targets = self.makefiles();
        let is_compared = |other: &&Timed| {
            other.path != one.path
                && targets.may_compare(&one.path, &other.path, is_beside(&known, &one.path))
        };
        for other in timed.iter().filter(is_compared) {
            let side = match time_of(other)? {
                Some(its) if its < time => &mut older,
                Some(its) if its > time => &mut newer,
                Some(_) => &mut same,
                None => continue,
            };
            side.push(self.stored_for_order(&other.path));
        }
        for side in [&mut older, &mut same, &mut newer] {
            side.sort();
            side.dedup();
        }
        let written = vec![self.stored_for_order(&one.path)];
        self.observe(Observation::Around { written, older, same, newer }, None);
        Ok(())
    }

    /// Whether settings may make a test runner put new files first: `addopts = --nf` of pytest, `--state=new` in prove's file.
    fn settings_compare_times(&self) -> bool {
        let reads =
            |name: &str| self.trace.accesses.iter().any(|(path, access)| access.read && path.ends_with(name));
        reads(".proverc") || settings_mind_results(self.run, self.trace)
    }

    /// Whether nothing ran but JavaScript of the project, all of which is known and asks for no times of files.
    fn is_timeless_code(&self) -> bool {
        let captured = self.run.captured;
        let is_javascript = captured.command.entry.language == LanguageKind::JavaScript;
        let runs_node = |program: &PathBuf| program.file_name().is_some_and(|name| name == "node");
        if !is_javascript || self.asked != Shows::Nothing || !self.trace.programs.iter().all(runs_node) {
            return false;
        }
        // Code that runs what it reads may run anything.
        let runs_texts = |source: &[u8]| {
            ["eval", "Function", "vm", "_compile"]
                .iter()
                .any(|name| memmem::find(source, name.as_bytes()).is_some())
        };
        if captured.sources.iter().any(|source| runs_texts(&source.bytes)) {
            return false;
        }
        let sources: FxHashSet<&Path> =
            captured.sources.iter().map(|source| source.absolute.as_path()).collect();
        let is_code = |path: &Path| {
            let ending = path.extension().and_then(OsStr::to_str).unwrap_or_default();
            ["", "js", "mjs", "cjs", "ts", "mts", "cts", "node", "wasm"].contains(&ending)
        };
        self.contents
            .iter()
            .all(|(path, _)| is_of_system(path) || sources.contains(path.as_path()) || !is_code(path))
    }

    /// What all makefiles that the run read say.
    pub(super) fn makefiles(&self) -> &Targets {
        self.makefiles.get_or_init(|| self.targets())
    }

    fn targets(&self) -> Targets {
        let mut targets = Targets::default();
        let words = || self.run.words.iter().map(|word| word.as_bytes());
        let named = words().zip(words().skip(1)).filter(|(option, _)| *option == b"-f").map(|(_, name)| name);
        let named: Vec<&Path> = named.map(|name| Path::new(OsStr::from_bytes(name))).collect();
        for word in words() {
            match word.iter().position(|byte| *byte == b'=') {
                Some(equals) => {
                    let (name, value) = word.split_at_checked(equals).unwrap_or_default();
                    targets.add_given(name);
                    targets.add_value(name, value);
                }
                None if word.len() > 2 && word.starts_with(b"-f") => targets.add_all(),
                None => {}
            }
            if compares_otherwise(word) {
                targets.add_all();
            }
        }
        let is_other_make = |program: &PathBuf| program.ends_with("bmake") || program.ends_with("remake");
        let sources = &self.run.captured.sources;
        let set = self.run.captured.environment.iter().any(|(name, _)| name == "MAKEFILES");
        if set
            || self.trace.programs.iter().any(is_other_make)
            || sources.iter().any(|source| compares_otherwise(&source.bytes))
        {
            targets.add_all();
        }
        for (name, value) in &self.run.captured.environment {
            targets.add_value(name.as_bytes(), value.as_bytes());
        }
        let mut left = MOST_RULES;
        for (path, access) in self.trace.accesses.iter().filter(|(_, access)| access.read || access.made) {
            if !is_makefile(path) && !named.iter().any(|name| path.ends_with(name)) {
                continue;
            }
            let text = fs::metadata(path).ok().filter(|found| found.is_file() && found.len() <= left);
            let Some(text) = text.and_then(|_| fs::read(path).ok()) else {
                // A file that is gone was made by the run. A file that cannot be read may say anything.
                if !access.changed {
                    targets.add_all();
                }
                continue;
            };
            left = left.saturating_sub(text.len() as u64);
            if path.extension().is_some_and(|ending| ending == "ninja") {
                targets.add_ninja(&text);
            } else {
                if compares_otherwise(&without_comments(&text)) {
                    targets.add_all();
                }
                targets.add_makefile(&text);
            }
        }
        targets.finished()
    }

    /// Observes the order of the times of files that were looked at by name. A program that opens every file that it looks at
    /// decides by content; if it leaves one unopened, it may have compared times.
    ///
    /// # Errors
    /// The times of a file are unknown.
    pub(super) fn order_of_times(&mut self) -> Result<(), NotKept> {
        let is_named = COMPARES_TIMES.iter().any(|name| says(self.run, name))
            || says_order(self.run)
            || self.cmake_asks()
            || (self.watcher.has_timeless && (self.code_compares_times() || self.settings_compare_times()));
        let mut timed = std::mem::take(&mut self.timed);
        // The run itself made such a directory newer: ninja looks at those of its outputs.
        timed.retain(|timed| timed.is_file || !self.obeying.contains(&timed.path));
        let made = if self.compares_times && !is_named { self.may_be_made(&timed) } else { Vec::new() };
        let is_small = made.len().saturating_mul(timed.len()) <= MOST_PAIRS;
        if !is_named && is_small {
            for place in &made {
                self.beside_others(&timed, *place)?;
            }
        }
        if !is_named && (is_small || made.is_empty()) {
            if self.is_timeless_code() {
                return Ok(());
            }
            timed.retain(|timed| {
                timed.access.times_compared && timed.is_file && self.scope.relative(&timed.path).is_some()
            });
            if timed.iter().all(|timed| timed.opened) {
                return Ok(());
            }
            // What make compares with a target counts by that target. The others cmake compares with each other.
            let checked = if self.builds_alone() { self.checked_by_cmake() } else { BTreeSet::new() };
            if timed.iter().all(|timed| timed.opened || checked.contains(&timed.path)) {
                timed.retain(|timed| checked.contains(&timed.path));
            }
        }
        let files = timed.into_iter().map(|timed| (self.stored_for_order(&timed.path), timed.modified));
        let files: Vec<_> = files.collect();
        observe(&mut self.observed, &files, self.run.places)
    }
}

/// Groups `files` by their modification time, oldest first, each group sorted. Files that are gone are left out.
fn order(
    files: &[(StoredPath, Option<Timestamp>)],
    places: &Places,
) -> Result<Vec<Vec<StoredPath>>, NotKept> {
    let mut timed: Vec<(Timestamp, StoredPath)> = Vec::with_capacity(files.len());
    for (path, known) in files {
        let time = if known.is_some() { *known } else { modified(&places.resolve(path))? };
        timed.extend(time.map(|time| (time, path.clone())));
    }
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
    Ok(groups)
}

/// Adds the order of the times of `files`, which were looked at inside the root and not written.
///
/// # Errors
/// The times of a file are unknown.
fn observe(
    observed: &mut Observed,
    files: &[(StoredPath, Option<Timestamp>)],
    places: &Places,
) -> Result<(), NotKept> {
    if files.len() > 1 {
        let groups = order(files, places)?;
        observed.observations.push((Observation::TimeOrder { groups }, None));
    }
    Ok(())
}

/// The same observation of times made now, if `then` is one, to name the difference.
pub(in crate::memo) fn again(then: &Observation, places: &Places) -> Option<Observation> {
    match then {
        Observation::TimeOrder { groups } => {
            let files: Vec<_> = groups.iter().flatten().map(|path| (path.clone(), None)).collect();
            Some(Observation::TimeOrder { groups: order(&files, places).ok()? })
        }
        Observation::Around { written, older, same, newer } => {
            let times = written.iter().filter_map(|path| modified(&places.resolve(path)).ok().flatten());
            let times: Vec<Timestamp> = times.collect();
            let (first, last) = (times.iter().min()?, times.iter().max()?);
            let mut sides: [Vec<StoredPath>; 3] = Default::default();
            let [before, among, after] = &mut sides;
            for path in older.iter().chain(same).chain(newer) {
                match modified(&places.resolve(path)).ok().flatten() {
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

/// The modification time of the target of `path`; `None` if nothing exists.
fn modified(path: &Path) -> Result<Option<Timestamp>, NotKept> {
    Ok(evidence(path, true)?.map(|evidence| evidence.modified))
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
        let files: Vec<(StoredPath, Option<Timestamp>)> =
            ["a", "b", "c", "d", "gone"].map(|name| (StoredPath::in_root(name), None)).into();
        let names =
            |group: &Vec<StoredPath>| group.iter().map(|path| path.shown().display().to_string()).collect();
        let groups: Vec<Vec<String>> = order(&files, &places).unwrap().iter().map(names).collect();
        assert_eq!(groups, [vec!["c"], vec!["a", "b"], vec!["d"]]);
    }
}
