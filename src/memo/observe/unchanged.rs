//! Whether a file is unchanged since the run looked at it first.

use super::Observer;
use crate::digest::Digest;
use crate::hash::expected::digest_expected;
use crate::hash::look;
use crate::record::{Evidence, FileState, Timestamp};
use std::fs;
use std::path::Path;

impl Observer<'_> {
    /// Whether a file with new times has the same content: only another name of it was made elsewhere.
    pub(super) fn is_same_content(&mut self, path: &Path, now: &Evidence, digest: Digest) -> bool {
        let Some(first) = self.watcher.first(path).filter(|first| !self.is_young(first)) else {
            return false;
        };
        let alike = first.modified == now.modified && first.inode == now.inode && first.mode == now.mode;
        alike && self.memory.recalled(path, &first) == Some(digest)
    }

    pub(super) fn is_same_state(&mut self, path: &Path, follow: bool, state: &FileState) -> bool {
        let FileState::File { digest, .. } = state else { return false };
        let now = if follow { fs::metadata(path) } else { fs::symlink_metadata(path) };
        now.is_ok_and(|now| self.is_same_content(path, &Evidence::of(&now), *digest))
    }

    /// The content of a regular file that did not change from before the run to its first look, nor since then; with its state at
    /// that look and whether that can be trusted.
    pub(super) fn unchanged_content(
        &mut self,
        path: &Path,
        follow: bool,
    ) -> Option<(Digest, Evidence, Option<Evidence>)> {
        let first = self.watcher.first(path)?;
        if self.is_young(&first) || first.size > look::LARGEST_DIGESTED {
            return None;
        }
        let now = Timestamp::now();
        if let Some(digest) = self.memory.recalled(path, &first) {
            let there = if follow { fs::metadata(path) } else { fs::symlink_metadata(path) };
            return (Evidence::of(&there.ok()?) == first).then_some((digest, first, Some(first)));
        }
        let digest = digest_expected(path, follow, &first)?;
        Some((digest, first, self.memory.learn(path, digest, first, now)))
    }

    /// Like [`Observer::unchanged_content`], without reading the file.
    pub(super) fn remembered_content(&mut self, path: &Path) -> Option<(Digest, Evidence, Option<Evidence>)> {
        let first = self.watcher.first(path)?;
        let is_known = self.memory.recalled(path, &first).is_some();
        is_known.then(|| self.unchanged_content(path, true)).flatten()
    }

    /// Whether the path exists now and did not at the first look, or the reverse.
    pub(super) fn appeared_or_vanished(&self, path: &Path, follow: bool, now: &FileState) -> bool {
        if !follow {
            return *now == FileState::Absent;
        }
        let is_directory = matches!(now, FileState::Directory { .. });
        match self.watcher.known(path) {
            Some(Some(first)) => {
                *now == FileState::Absent || is_directory != (first.mode & libc::S_IFMT == libc::S_IFDIR)
            }
            Some(None) => !matches!(now, FileState::Absent | FileState::Unreadable { .. }),
            None => false,
        }
    }

    /// Whether the times of a file do not prove that it is unchanged since the run began.
    pub(super) fn is_young(&self, evidence: &Evidence) -> bool {
        evidence.changed >= self.run.started || evidence.modified >= self.run.started
    }
}
