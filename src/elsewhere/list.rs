//! The jobs of a store: which there are, and which are no longer needed.

use super::place::{JOBS, Place, TREE};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Time after which a job whose result was handed over is deleted; until then its messages can be read.
const COLLECTED: Duration = Duration::from_hours(24);

/// Time after which a result that was never collected is deleted.
const FORGOTTEN: Duration = Duration::from_hours(30 * 24);

/// The jobs of a store, in the order of their names.
#[must_use]
pub fn list(store: &Path) -> Vec<Place> {
    let entries = fs::read_dir(store.join(JOBS)).into_iter().flatten().flatten();
    let mut places: Vec<Place> = entries
        .map(|entry| Place::at(entry.path()))
        .filter(|place| !place.name().starts_with('.') && place.path().join("call").is_file())
        .collect();
    places.sort_by_key(Place::name);
    places
}

/// Removes what is no longer needed: jobs that ended and were handed over a day ago, or that ended a month ago.
pub fn sweep(store: &Path) {
    let older = |path: &Path, age: Duration| {
        let modified = fs::metadata(path).and_then(|found| found.modified()).ok();
        let age_now = modified.and_then(|modified| SystemTime::now().duration_since(modified).ok());
        age_now.is_some_and(|now| now > age)
    };
    for place in list(store) {
        if older(&place.path().join("collected"), COLLECTED) || older(&place.path().join("result"), FORGOTTEN)
        {
            let _ = place.discard();
        }
    }
    let open: Vec<Place> = list(store).into_iter().filter(|place| !place.is_collected()).collect();
    let trees: Vec<PathBuf> =
        open.iter().filter_map(|place| place.call().and_then(|call| call.snapshot)).collect();
    for entry in fs::read_dir(store.join(JOBS)).into_iter().flatten().flatten() {
        let path = entry.path();
        let is_tree = entry.file_name().as_bytes().starts_with(TREE.as_bytes()) && path.extension().is_none();
        if is_tree && !trees.contains(&path) {
            let _ = fs::remove_dir_all(&path);
        }
    }
    // Directories of processes that died, and lists of arrays.
    for entry in fs::read_dir(store.join(JOBS)).into_iter().flatten().flatten() {
        let path = entry.path();
        if entry.file_name().as_bytes().starts_with(b".") && older(&path, FORGOTTEN) {
            let _ = fs::remove_dir_all(&path);
        }
    }
}
