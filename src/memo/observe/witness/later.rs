//! Digests of changed files after the command has ended: of those that the watcher did not read while a process was stopped.

use super::{Before, Watcher};
use crate::digest::Digest;
use crate::exec::Trace;
use crate::hash::files;
use crate::memo::observe::masks;
use crate::record::{Evidence, FileState};
use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

impl Watcher<'_> {
    /// After the command has ended: digests the files that were left for later, at their present paths. A file that no longer
    /// exists or was written keeps only size and time. Paths through links that are gone get their real names in `trace`.
    pub(in crate::memo) fn settle(&mut self, trace: Option<&mut Trace>, umask: u32) {
        if let Some(trace) = trace {
            self.follow_replaced_links(trace);
            self.merge_aliases(trace);
            masks::follow(trace, umask, self.captured);
        }
        let mut known: HashMap<(u64, u64), (Evidence, Digest)> = HashMap::new();
        for (path, evidence, digest) in self.background.finish() {
            known.insert((evidence.device, evidence.inode), (evidence, digest));
            self.is_digested(&path, &evidence, digest);
        }
        let mut moved: HashMap<(u64, u64), PathBuf> = HashMap::new();
        for path in std::mem::take(&mut self.later) {
            let Some(evidence) = self.before.get(&path).and_then(|before| before.evidence) else { continue };
            let is_there =
                fs::symlink_metadata(&path).is_ok_and(|now| Evidence::of(&now).inode == evidence.inode);
            match known.get(&(evidence.device, evidence.inode)) {
                Some((then, digest)) if is_same_content(then, &evidence) => {
                    self.is_digested(&path, &evidence, *digest);
                }
                // The directory stayed where it was, and nothing was learned of the file.
                _ if is_there => {}
                _ => {
                    moved.insert((evidence.device, evidence.inode), path);
                }
            }
        }
        if moved.is_empty() {
            return;
        }
        let (now, before): (Vec<PathBuf>, Vec<PathBuf>) = self.places_of(moved).into_iter().unzip();
        for (path, digested) in before.iter().zip(files::digest_many(&now)) {
            let then = self.before.get(path).and_then(|before| before.evidence);
            if let (Ok((digest, evidence)), Some(then)) = (digested, then)
                && is_same_content(&then, &evidence)
            {
                self.is_digested(path, &then, digest);
            }
        }
    }

    /// New and old paths of files that were moved with a directory.
    fn places_of(&self, mut moved: HashMap<(u64, u64), PathBuf>) -> Vec<(PathBuf, PathBuf)> {
        let mut found = Vec::new();
        let is_new = |before: &Before| !matches!(before.state, FileState::Directory { .. });
        let came = self.before.iter().filter(|(path, before)| is_new(before) && path.starts_with(self.root));
        for (path, _) in came {
            for entry in walkdir::WalkDir::new(path).into_iter().flatten() {
                let Ok(there) = entry.metadata() else { continue };
                if let Some(before) = moved.remove(&(there.dev(), there.ino())) {
                    found.push((entry.into_path(), before));
                }
            }
        }
        found
    }

    fn is_digested(&mut self, path: &Path, evidence: &Evidence, digest: Digest) {
        let mode = evidence.mode & 0o7777;
        if let Some(before) = self.before.get_mut(path).filter(|before| before.evidence.is_some()) {
            before.state = FileState::File { mode, digest };
        }
    }
}

/// Whether the content of a file is certainly unchanged: a new name or mode changes only the inode's time.
fn is_same_content(then: &Evidence, now: &Evidence) -> bool {
    (then.device, then.inode, then.size, then.modified) == (now.device, now.inode, now.size, now.modified)
}
