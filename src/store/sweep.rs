//! Deleting many rows, hot entries and blobs: in the order of deleting, in short batches with the lock held.

use super::blobs::Stored;
use super::exclusive::{Dropped, ExclusiveStore, OnProgress, Progress};
use super::files::remove_file;
use super::flat::{self, Area, in_fans};
use super::index::{Index, Named, Pointing, State};
use super::layout::Layout;
use super::roots::Roots;
use super::walking::{WORTH_THREADS, died, modified, on_all_cores};
use crate::digest::{CommitId, Key};
use crate::error::Result;
use crate::record::Timestamp;
use std::collections::VecDeque;
use std::thread;
use std::time::{Duration, Instant};

/// Number of rows deleted in the first transaction, and the minimum of every later one. It grows while transactions are fast,
/// since index pages are written once for all rows deleted in them.
const ROWS_AT_FIRST: usize = 256;

/// Maximum number of rows deleted in one transaction.
const MOST_ROWS: usize = 8192;

/// Time limit of one transaction.
const TRANSACTION: Duration = Duration::from_millis(35);

/// Number of files deleted between two checks of the time.
const FILES_AT_ONCE: usize = 1024;

impl ExclusiveStore<'_> {
    /// Deletes rows, their hot entries first. Returns whether every number still belonged to its commit, or to none.
    pub(super) fn remove_rows(
        &self,
        named: &[Named],
        dropped: &mut Dropped,
        progress: OnProgress<'_>,
    ) -> Result<bool> {
        let layout = self.store.layout();
        let (mut rest, mut size, mut as_named) = (named, ROWS_AT_FIRST, true);
        self.in_batches(|_proof, _| {
            let Some((part, after)) = rest.split_at_checked(size.min(rest.len())) else { return Ok(false) };
            if part.is_empty() {
                return Ok(false);
            }
            let begun = Instant::now();
            let (count, same) = self.store.with_index(|index| remove_some(index, layout, part))?;
            dropped.commits += count;
            as_named &= same;
            size = match begun.elapsed() {
                took if took > TRANSACTION => size / 2,
                took if took < TRANSACTION / 2 => size * 2,
                _ => size,
            };
            size = size.clamp(ROWS_AT_FIRST / 4, MOST_ROWS);
            rest = after;
            let done = (named.len() - rest.len()) as u64;
            progress(Progress { step: "dropping runs", done, total: named.len() as u64 });
            Ok(true)
        })?;
        Ok(as_named)
    }

    /// Deletes the rows of those commits that exist, their hot entries first.
    pub(super) fn remove_ids(
        &self,
        ids: &[CommitId],
        dropped: &mut Dropped,
        progress: OnProgress<'_>,
    ) -> Result<()> {
        let mut named = self.store.with_index(|index| index.named(ids))?;
        named.sort_unstable();
        named.dedup();
        self.remove_rows(&named, dropped, progress).map(|_| ())
    }

    /// Sets the state of rows, their hot entries removed first.
    pub(super) fn mark_rows(
        &self,
        ids: &[CommitId],
        state: State,
        dropped: &mut Dropped,
        progress: OnProgress<'_>,
    ) -> Result<()> {
        let mut parts = ids.chunks(ROWS_AT_FIRST);
        let mut done = 0;
        self.in_batches(|_proof, _| {
            let Some(part) = parts.next() else {
                return Ok(false);
            };
            for id in part {
                if let Some(key) = self.store.with_index(|index| index.key_of(id))? {
                    flat::remove(self.store.layout(), Area::Keys, &key.0)?;
                }
            }
            self.store.with_index(|index| index.mark(part, state))?;
            dropped.evicted += part.len() as u64;
            done += part.len() as u64;
            progress(Progress { step: "dropping results", done, total: ids.len() as u64 });
            Ok(true)
        })
    }

    /// Deletes the files of blobs that no root needs.
    pub(super) fn drop_blobs(
        &self,
        files: Vec<Stored>,
        roots: &mut Roots,
        dropped: &mut Dropped,
    ) -> Result<()> {
        let mut files: VecDeque<Stored> =
            files.into_iter().filter(|stored| !roots.has(&stored.blob)).collect();
        if files.is_empty() {
            return Ok(());
        }
        self.in_batches(|proof, first| {
            if first {
                self.refresh(roots, proof)?;
            }
            let part = files.drain(..files.len().min(FILES_AT_ONCE));
            let part: Vec<Stored> = part.filter(|stored| !roots.has(&stored.blob)).collect();
            let gone = on_all_cores(&part, |stored| {
                Ok(remove_file(&self.store.blobs.path_of(stored))?.then_some(stored.bytes))
            })?;
            for bytes in gone.into_iter().flatten() {
                dropped.blobs += 1;
                dropped.bytes += bytes;
            }
            Ok(!files.is_empty())
        })
    }

    /// Deletes hot entries of keys without commits, and captures older than `oldest`.
    pub(super) fn drop_hot(&self, roots: &mut Roots, oldest: Timestamp) -> Result<()> {
        let layout = self.store.layout();
        let old = |area| {
            in_fans(layout, area, |digest, path| {
                modified(path).is_some_and(|time| time < oldest).then_some(digest)
            })
        };
        let (captures, questions) = (old(Area::Captures)?, old(Area::Questions)?);
        self.drop_hot_keys(roots)?;
        on_all_cores(&captures, |capture| flat::remove(layout, Area::Captures, capture))?;
        on_all_cores(&questions, |part| flat::remove(layout, Area::Questions, part))?;
        flat::remove_former(layout)
    }

    /// Deletes hot entries of keys without commits.
    pub(super) fn drop_hot_keys(&self, roots: &mut Roots) -> Result<()> {
        let layout = self.store.layout();
        let known: &Roots = roots;
        let mut keys = VecDeque::from(hot_keys(layout, |key| (!known.has_key(&key)).then_some(key))?);
        self.in_batches(|proof, first| {
            if first {
                self.refresh(roots, proof)?;
            }
            let part = keys.drain(..keys.len().min(FILES_AT_ONCE));
            let part: Vec<Key> = part.filter(|key| !roots.has_key(key)).collect();
            on_all_cores(&part, |key| flat::remove(layout, Area::Keys, &key.0))?;
            Ok(!keys.is_empty())
        })
    }

    /// Removes pointers to commits that are gone.
    pub(super) fn prune(&self, roots: &Roots) -> Result<()> {
        for table in [Pointing::Products, Pointing::Edges] {
            let mut after = None;
            // With the lock held, which is released regularly: a process that waits for the database alone could wait for all steps.
            self.in_batches(|_proof, _| {
                let is_gone = |sequence| roots.is_gone(sequence);
                after = self.store.with_index(|index| index.prune(table, after, is_gone))?;
                Ok(after.is_some())
            })?;
        }
        self.store.with_index(Index::prune_parts)?;
        // What lies beside hot entries of a part that no run has any more.
        let layout = self.store.layout();
        let mut spare = in_fans(layout, Area::Questions, |digest, _| Some(digest))?;
        self.store.with_index(|index| index.without_parts(&mut spare))?;
        on_all_cores(&spare, |part| flat::remove(layout, Area::Questions, part))?;
        self.drop_facts()
    }

    /// Drops what is known of functions and keys of which no run is recorded any more. With the lock held: a run notes it
    /// before it is recorded.
    pub(super) fn drop_facts(&self) -> Result<()> {
        let scopes = self.store.with_index(|index| index.scopes_without_runs())?;
        let mut rest = scopes.as_slice();
        self.in_batches(|_proof, _| {
            rest = self.store.with_index(|index| index.drop_facts(rest))?;
            Ok(!rest.is_empty())
        })
    }
}

/// Removes commits, their hot entries first; returns how many, and whether every number still belonged to its commit.
fn remove_some(index: &mut Index, layout: &Layout, named: &[Named]) -> Result<(u64, bool)> {
    let removal = index.begin_removal(named)?;
    let as_named = !removal.is_stale();
    let keys = removal.keys();
    let unlink = || keys.iter().try_for_each(|key| flat::remove(layout, Area::Keys, &key.0));
    thread::scope(|scope| {
        // The file system and the database each keep one core busy.
        let other = (keys.len() >= WORTH_THREADS)
            .then(|| thread::Builder::new().spawn_scoped(scope, unlink).ok())
            .flatten();
        let deleted = removal.delete();
        let unlinked = match other {
            Some(other) => other.join().unwrap_or_else(|_| Err(died())),
            None => unlink(),
        };
        unlinked.and(deleted)
    })?;
    Ok((removal.commit()?, as_named))
}

/// The keys with a hot entry that `wanted` selects.
pub(super) fn hot_keys(layout: &Layout, wanted: impl Fn(Key) -> Option<Key> + Sync) -> Result<Vec<Key>> {
    in_fans(layout, Area::Keys, |digest, _| wanted(Key(digest)))
}
