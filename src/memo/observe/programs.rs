//! Programs that a run looked for on PATH, and programs that it started.

use super::Run;
use super::session::{says, variable};
use crate::exec::{Access, Trace};
use crate::hash::environment;
use crate::hash::search::{self, is_relative};
use crate::record::{Evidence, FileState, Observation};
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

/// Arguments that ask for all programs of a name.
const ASKS_FOR_ALL: &[&str] = &["which -a", "which --all", "type -a", "whereis", "where "];

/// Observes where each name that was looked for on PATH leads now, or PATH itself if this is not enough.
pub(super) fn observe(run: &Run<'_>, trace: &Trace) -> Vec<Observation> {
    let environment = &run.captured.environment;
    let whole = || variable(environment, "PATH", run.places, &run.secret);
    let Some(path) = environment::lookup(environment, OsStr::new("PATH")) else { return vec![whole()] };
    let places: Vec<&[u8]> = path.as_bytes().split(|byte| *byte == b':').collect();
    let directories: Vec<PathBuf> =
        places.iter().map(|place| cleaned(&run.directory.join(OsStr::from_bytes(place)))).collect();
    let known: BTreeSet<&PathBuf> = directories.iter().collect();
    let mut names = BTreeSet::new();
    for (asked, access) in &trace.accesses {
        let is_asked = access.executed || access.read || is_looked_for(access);
        if is_asked && asked.parent().is_some_and(|parent| known.contains(&parent.to_path_buf())) {
            names.extend(asked.file_name().map(|name| name.as_bytes().to_vec()));
        }
    }
    let names: Vec<Vec<u8>> = names.into_iter().collect();
    let mut observations = Vec::new();
    if !names.is_empty() {
        observations.push(search::observe(&names, trace.moved, environment, run.places));
    }
    let moves = trace.moved && places.iter().any(|place| is_relative(place));
    let asks_for_all = || {
        ASKS_FOR_ALL.iter().any(|words| says(run, words))
            || names.iter().any(|name| is_asked_for_everywhere(name, &directories, trace))
    };
    if moves || asks_for_all() {
        observations.push(whole());
    }
    observations
}

/// A directory on PATH that may not be entered counts like one in which nothing is, where a program is found elsewhere: another user
/// may enter it.
pub(super) fn pass_over(
    run: &Run<'_>,
    searches: &[Observation],
    seen: &mut Vec<(Observation, Option<Evidence>)>,
) {
    let around = (run.captured.environment.as_slice(), run.places);
    for (observation, evidence) in seen {
        if let Observation::State { path, state, .. } = observation
            && search::is_passed_over((path, state), searches.iter(), around)
        {
            let (path, state) = (path.clone(), FileState::Absent);
            (*observation, *evidence) = (Observation::State { path, follow: false, state }, None);
        }
    }
}

fn is_looked_for(access: &Access) -> bool {
    access.looked || access.looked_at_link || access.absent
}

/// Whether a name was also looked for in all directories after the one in which it was found.
fn is_asked_for_everywhere(name: &[u8], directories: &[PathBuf], trace: &Trace) -> bool {
    let access = |directory: &PathBuf| trace.accesses.get(&directory.join(OsStr::from_bytes(name)));
    let is_found = |directory: &PathBuf| access(directory).is_some_and(|access| !access.absent);
    let Some(at) = directories.iter().position(is_found) else { return false };
    let (before, behind) = directories.split_at(at + 1);
    let mut behind = behind.iter().filter(|directory| !before.contains(directory)).peekable();
    let is_asked = |directory: &PathBuf| {
        access(directory).is_some_and(|access| is_looked_for(access) && !access.executed)
    };
    behind.peek().is_some() && behind.all(is_asked)
}

/// `path` (absolute) without `.` and `..`, resolved as in the kernel: a link before a `..` is followed.
pub(super) fn cleaned(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for part in path.components() {
        if part != Component::ParentDir {
            clean.push(part);
            continue;
        }
        if fs::symlink_metadata(&clean).is_ok_and(|found| found.is_symlink())
            && let Ok(real) = fs::canonicalize(&clean)
        {
            clean = real;
        }
        clean.pop();
    }
    clean
}

/// The names of the started programs: their given names, the names of the files that links lead to, and the system program of
/// which they are a copy.
pub(super) fn names(trace: &Trace) -> BTreeSet<OsString> {
    let mut names = BTreeSet::new();
    for program in &trace.programs {
        names.extend(program.file_name().map(OsStr::to_owned));
        let real = fs::canonicalize(program).unwrap_or_else(|_| program.clone());
        names.extend(real.file_name().map(OsStr::to_owned));
        if !crate::profiles::attributes::is_of_system(&real) {
            names.extend(copied(&real));
        }
    }
    names
}

/// Programs that are recognized by their content, not by name.
const COPIED: &[&str] = &["/usr/bin/env", "/usr/bin/printenv", "/bin/busybox", "/usr/bin/busybox"];

/// The name of the program of which `path` is a copy.
fn copied(path: &Path) -> Option<OsString> {
    let size = fs::metadata(path).ok()?.len();
    let is_copy = |original: &&&str| {
        fs::metadata(original).is_ok_and(|original| original.len() == size)
            && fs::read(original)
                .ok()
                .zip(fs::read(path).ok())
                .is_some_and(|(original, copy)| original == copy)
    };
    COPIED.iter().find(is_copy).and_then(|original| Path::new(original).file_name().map(OsStr::to_owned))
}
