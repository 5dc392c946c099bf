//! Sources that a watched run did not touch do not count for its result: the key is decided when the run has ended.

use super::super::observe::Watcher;
use super::Keeping;
use crate::exec::Finished;
use crate::hash::capture::rekey;
use crate::hash::loaded::{self, Loaded};
use crate::hash::manifest::{Manifest, Part};
use crate::hash::modules::INLINE;
use crate::record::{Evidence, StoredPath};
use std::collections::HashSet;
use std::fs;
use std::path::Path;

/// What is known of a call after its run.
pub(super) struct Counted {
    pub(super) manifest: Manifest,
    /// The sources that count from now on; `None` for all, if the run was not watched.
    loaded: Option<Loaded>,
}

impl Keeping<'_> {
    /// The manifest with the sources that this run or an earlier one loaded; `None` if it is unchanged.
    pub(super) fn counted(&self, finished: &Finished, watcher: &Watcher<'_>) -> Option<Counted> {
        let captured = self.captured;
        let inline = StoredPath::in_root(INLINE);
        let modules = || captured.sources.iter().filter(|source| source.path != inline);
        if modules().count() < 2 {
            return None;
        }
        let loaded = match &finished.trace {
            Ok(trace) => {
                let touched = watcher.files_touched();
                let mut loaded = captured.loaded.clone();
                for source in modules() {
                    let path = source.absolute.as_path();
                    let is_loaded = trace.accesses.contains_key(path)
                        || trace.touches.contains_key(path)
                        || is_among(path, &touched);
                    loaded.note(&source.path, is_loaded);
                }
                if loaded == captured.loaded {
                    return None;
                }
                Some(loaded)
            }
            // cashet does not see what such a run loads.
            Err(_) if captured.left_out.is_empty() => return None,
            Err(_) => None,
        };
        let left_out = captured.left_out.iter().map(|(part, value)| (part, value));
        let mut manifest = Manifest::default();
        for (part, value) in captured.manifest.facts().chain(left_out) {
            let counts = match (part, &loaded) {
                (Part::Source(path), Some(loaded)) => loaded.counts(path),
                _ => true,
            };
            if counts {
                manifest.set(part.clone(), value.clone());
            }
        }
        Some(Counted { manifest, loaded })
    }

    /// Stores which sources count, for later calls.
    pub(super) fn remember_loaded(&self, counted: &Counted) {
        match &counted.loaded {
            Some(loaded) => loaded.remember(&self.captured.lineage, self.recall),
            None => loaded::forget(&self.captured.lineage, self.recall),
        }
        let key = counted.manifest.key();
        if key != self.captured.key {
            rekey(self.request, &key, self.recall);
        }
    }
}

/// Whether the file at `path` was touched, perhaps by another name. A file that cannot be inspected may have been.
fn is_among(path: &Path, touched: &HashSet<(u64, u64)>) -> bool {
    fs::metadata(path).map_or(true, |found| {
        let Evidence { device, inode, .. } = Evidence::of(&found);
        touched.contains(&(device, inode))
    })
}
