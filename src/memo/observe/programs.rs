//! Which programs a run looked for on PATH.

use crate::exec::Trace;
use crate::hash::search;
use crate::record::{Observation, Places};
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// The observation that every name which was looked for in a directory of PATH leads where it leads now.
pub(super) fn observe(
    trace: &Trace,
    environment: &[(OsString, OsString)],
    places: &Places,
) -> Option<Observation> {
    let path = environment.iter().find(|(name, _)| name == OsStr::new("PATH")).map(|(_, value)| value)?;
    let directories: BTreeSet<PathBuf> = std::env::split_paths(path).collect();
    let accesses =
        trace.accesses.iter().filter(|(_, access)| access.executed || access.looked || access.absent);
    let on_path =
        accesses.filter(|(asked, _)| asked.parent().is_some_and(|parent| directories.contains(parent)));
    let names = on_path.filter_map(|(asked, _)| asked.file_name()).map(|name| name.as_bytes().to_vec());
    let names: BTreeSet<Vec<u8>> = names.collect();
    let names: Vec<Vec<u8>> = names.into_iter().collect();
    (!names.is_empty()).then(|| search::observe(&names, environment, places))
}
