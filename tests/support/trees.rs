//! Comparing directories in tests.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

/// Waits for the next tick of the clock for file timestamps: younger evidence is not trusted, and the number of runs
/// would depend on timing.
pub(crate) fn settle() {
    thread::sleep(Duration::from_millis(25));
}

/// Type, mode and content of everything below `root`, except entries with one of these names. The caller maps link
/// targets, since they may differ between two trees.
pub(crate) fn tree(root: &Path, but: &[&str], link: impl Fn(&Path) -> String) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let wanted = |entry: &walkdir::DirEntry| !but.iter().any(|name| entry.file_name() == *name);
    for entry in walkdir::WalkDir::new(root).min_depth(1).into_iter().filter_entry(wanted) {
        let entry = match entry {
            // Its mode is recorded already.
            Err(error) if is_out_of_reach(error.io_error()) => continue,
            entry => entry.unwrap(),
        };
        let path = entry.path();
        let metadata = path.symlink_metadata();
        if is_out_of_reach(metadata.as_ref().err()) {
            continue;
        }
        let metadata = metadata.unwrap();
        let mode = metadata.permissions().mode() & 0o7777;
        let text = if metadata.is_symlink() {
            link(&fs::read_link(path).unwrap())
        } else if metadata.is_dir() {
            format!("directory {mode:o}")
        } else if metadata.is_file() {
            let read = fs::read(path);
            let bytes = if is_out_of_reach(read.as_ref().err()) {
                b"may not be read".to_vec()
            } else {
                read.unwrap()
            };
            format!("file {mode:o} {}", content(&bytes))
        } else {
            format!("special {mode:o}")
        };
        found.insert(path.strip_prefix(root).unwrap().to_path_buf(), text);
    }
    found
}

/// Whether this is the error for a path that an ordinary user may not access, or for a path that is too long.
fn is_out_of_reach(error: Option<&std::io::Error>) -> bool {
    use std::io::ErrorKind::{InvalidFilename, PermissionDenied};
    error.is_some_and(|error| matches!(error.kind(), InvalidFilename | PermissionDenied))
}

/// The content if it is short enough to be shown, otherwise its digest.
fn content(bytes: &[u8]) -> String {
    if bytes.len() > 1000 { blake3::hash(bytes).to_string() } else { bytes.escape_ascii().to_string() }
}
