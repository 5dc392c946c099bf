//! Operations on many rows, for collection: a quick pass over all commits, deleting many rows at once, and deleting rows that point
//! to deleted commits.

use super::record::{bytes, digest};
use super::{Index, failed};
use crate::digest::{CommitId, Digest, Key};
use crate::error::Result;
use crate::record::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, TransactionBehavior, params};
use std::path::Path;

/// Memory for pages of the database while many rows change, in KiB: the changes are spread over all of an index.
const PAGES: i64 = 64 << 10;

/// The part of a commit that collection needs. The row is not verified: a damaged one keeps more blobs, never fewer.
pub(crate) struct Surveyed<'a> {
    pub(crate) sequence: i64,
    pub(crate) id: CommitId,
    pub(crate) key: Key,
    pub(crate) used: Timestamp,
    /// The concatenated names of its blobs.
    pub(crate) blobs: &'a [u8],
}

/// Difference between the stored totals and the rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Drift {
    commits: i64,
    results: i64,
    bytes: i64,
}

/// A commit by its number and its id, since another commit may have the number by now.
pub(crate) type Named = (i64, CommitId);

/// A transaction that removes commits. Dropping it without [`Removal::commit`] removes nothing.
pub(crate) struct Removal<'a> {
    transaction: Transaction<'a>,
    path: &'a Path,
    rows: Vec<Going>,
    /// Whether no other commit has a number between the first and the last.
    alone: bool,
    /// Whether a number has become another commit's.
    stale: bool,
}

struct Going {
    sequence: i64,
    key: Key,
    replayable: bool,
    size: i64,
}

impl Index {
    /// Lets the database use more memory, for a long operation.
    pub(crate) fn widen(&self) -> Result<()> {
        self.reading(|connection| connection.pragma_update(None, "cache_size", -PAGES))
    }

    /// Calls `each` with every commit, oldest first. Returns the difference of the totals.
    pub(crate) fn survey(&mut self, mut each: impl FnMut(Surveyed<'_>)) -> Result<Drift> {
        let sql = "SELECT sequence, id, key, state, size, used, blobs FROM commits ORDER BY sequence";
        let totals = "SELECT commits, results, bytes FROM totals";
        let mut count = |connection: &Connection| {
            let mut found = Drift::default();
            let mut query = connection.prepare_cached(sql)?;
            let mut rows = query.query([])?;
            while let Some(row) = rows.next()? {
                found.commits += 1;
                found.results += i64::from(row.get_ref(3)?.as_i64() == Ok(0));
                found.bytes = found.bytes.saturating_add(row.get_ref(4)?.as_i64().unwrap_or(0));
                if let Some(commit) = surveyed(row) {
                    each(commit);
                }
            }
            let told = connection
                .query_row(totals, [], |row| Ok([row.get::<_, i64>(0)?, row.get(1)?, row.get(2)?]))
                .optional()?
                .unwrap_or_default();
            let [commits, results, bytes] = told;
            Ok(Drift {
                commits: found.commits.saturating_sub(commits),
                results: found.results.saturating_sub(results),
                bytes: found.bytes.saturating_sub(bytes),
            })
        };
        // One transaction, so that both reads see the same state.
        let path = &self.path;
        let read = || -> rusqlite::Result<Drift> {
            let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Deferred)?;
            count(&transaction)
        };
        let mut read = read;
        read().map_err(|error| failed("read", path, &error))
    }

    /// Corrects the totals and sets the given number and size of blobs.
    pub(crate) fn set_right(&mut self, drift: Drift, blobs: u64, stored: u64) -> Result<()> {
        let number = |value| i64::try_from(value).unwrap_or(i64::MAX);
        self.writing(|transaction| {
            transaction.execute("INSERT OR IGNORE INTO totals (one) VALUES (1)", [])?;
            transaction.execute(
                "UPDATE totals SET blobs = ?1, stored = ?2, commits = max(commits + ?3, 0), \
                 results = max(results + ?4, 0), bytes = max(bytes + ?5, 0)",
                params![number(blobs), number(stored), drift.commits, drift.results, drift.bytes],
            )?;
            Ok(())
        })
    }

    /// The numbers of commits by their ids. Missing and damaged ones are omitted.
    pub(crate) fn named(&mut self, ids: &[CommitId]) -> Result<Vec<Named>> {
        self.writing(|transaction| {
            let mut found = Vec::with_capacity(ids.len());
            for id in ids {
                found.extend(super::write::sequence_of(transaction, id)?.map(|sequence| (sequence, *id)));
            }
            Ok(found)
        })
    }

    /// Begins to remove the commits `named`, sorted by number.
    pub(crate) fn begin_removal(&mut self, named: &[Named]) -> Result<Removal<'_>> {
        let path = self.path.as_path();
        let error = |error: rusqlite::Error| failed("write", path, &error);
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(error)?;
        let (rows, alone, stale) = going(&transaction, named).map_err(error)?;
        Ok(Removal { transaction, path, rows, alone, stale })
    }

    /// Removes rows that point to deleted commits: a limited number of rows, after the position `after`. `is_gone` is an estimate for a
    /// number, which is checked in the database. Returns the position where to continue.
    pub(crate) fn prune(
        &mut self,
        table: Pointing,
        after: Option<Pointer>,
        is_gone: impl Fn(i64) -> bool,
    ) -> Result<Option<Pointer>> {
        let (found, last) = self.reading(|connection| table.found(connection, after, is_gone))?;
        if !found.is_empty() {
            self.writing(|transaction| {
                let mut delete = transaction.prepare_cached(table.deletion())?;
                found.iter().try_for_each(|(digest, sequence)| {
                    delete.execute(params![digest.as_bytes(), sequence]).map(|_| ())
                })
            })?;
        }
        Ok(last)
    }
}

impl Index {
    /// Removes those of `pointers` that point to a deleted commit.
    pub(crate) fn remove_pointers(&mut self, pointers: &[Pointer]) -> Result<()> {
        self.writing(|transaction| {
            let mut delete = transaction.prepare_cached(Pointing::Products.deletion())?;
            pointers.iter().try_for_each(|(digest, sequence)| {
                delete.execute(params![digest.as_bytes(), sequence]).map(|_| ())
            })
        })
    }
}

/// A digest, and the number of the commit that produced or consumed content with this digest.
pub(crate) type Pointer = (Digest, i64);

/// A table whose rows point from a digest to a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pointing {
    /// Products of commits.
    Products,
    /// Products that commits consumed.
    Edges,
}

/// Maximum number of digests that one step examines, and of rows that it removes.
const LOOKED_AT: usize = 20_000;
const PRUNED: usize = 2048;

impl Pointing {
    const fn selection(self) -> &'static str {
        match self {
            Self::Products => {
                "SELECT digest, sequence FROM products WHERE (digest, sequence) > (?1, ?2) ORDER BY digest, sequence"
            }
            Self::Edges => {
                "SELECT digest, sequence FROM edges WHERE (digest, sequence) > (?1, ?2) ORDER BY digest, sequence"
            }
        }
    }

    const fn deletion(self) -> &'static str {
        match self {
            Self::Products => {
                "DELETE FROM products WHERE digest = ?1 AND sequence = ?2 \
                 AND NOT EXISTS (SELECT 1 FROM commits WHERE sequence = ?2)"
            }
            Self::Edges => {
                "DELETE FROM edges WHERE digest = ?1 AND sequence = ?2 \
                 AND NOT EXISTS (SELECT 1 FROM commits WHERE sequence = ?2)"
            }
        }
    }

    /// Rows that point to deleted commits, and the position up to which rows were examined, if there are more.
    fn found(
        self,
        connection: &Connection,
        after: Option<Pointer>,
        is_gone: impl Fn(i64) -> bool,
    ) -> rusqlite::Result<(Vec<Pointer>, Option<Pointer>)> {
        let mut query = connection.prepare_cached(self.selection())?;
        let mut rows = match &after {
            Some((digest, sequence)) => query.query(params![digest.as_bytes(), sequence])?,
            None => query.query(params![[0_u8; 0], i64::MIN])?,
        };
        let (mut found, mut seen, mut last) = (Vec::new(), 0_usize, None);
        while let Some(row) = rows.next()? {
            seen += 1;
            let Some(here) = digest(row, 0).zip(row.get_ref(1)?.as_i64().ok()) else { continue };
            // A commit may have produced the same bytes under several paths.
            if last == Some(here) {
                continue;
            }
            if seen > LOOKED_AT || found.len() >= PRUNED {
                return Ok((found, last));
            }
            if is_gone(here.1) {
                found.push(here);
            }
            last = Some(here);
        }
        Ok((found, None))
    }
}

impl Removal<'_> {
    /// The keys of the commits.
    pub(crate) fn keys(&self) -> Vec<Key> {
        self.rows.iter().map(|row| row.key).collect()
    }

    /// Whether a number has become another commit's, which stays.
    pub(crate) const fn is_stale(&self) -> bool {
        self.stale
    }

    /// Deletes the rows of the commits. Rows that point to them are deleted later.
    pub(crate) fn delete(&self) -> Result<()> {
        self.delete_rows().map_err(|error| failed("write", self.path, &error))
    }

    fn delete_rows(&self) -> rusqlite::Result<()> {
        let (Some(first), Some(last)) = (self.rows.first(), self.rows.last()) else {
            return Ok(());
        };
        for table in ["commits", "bodies", "tags", "answers"] {
            let sql = format!("DELETE FROM {table} WHERE sequence BETWEEN ?1 AND ?2");
            let mut statement = self.transaction.prepare_cached(&sql)?;
            if self.alone {
                statement.execute([first.sequence, last.sequence])?;
                continue;
            }
            for row in &self.rows {
                statement.execute([row.sequence, row.sequence])?;
            }
        }
        let results = self.rows.iter().filter(|row| row.replayable).count();
        let bytes = self.rows.iter().fold(0_i64, |sum, row| sum.saturating_add(row.size));
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let mut statement = self.transaction.prepare_cached(
            "UPDATE totals SET commits = max(commits - ?1, 0), results = max(results - ?2, 0), \
             bytes = max(bytes - ?3, 0)",
        )?;
        statement.execute(params![number(self.rows.len()), number(results), bytes])?;
        Ok(())
    }

    /// Commits the transaction; returns the number of removed commits.
    pub(crate) fn commit(self) -> Result<u64> {
        let (count, path) = (self.rows.len() as u64, self.path);
        self.transaction.commit().map_err(|error| failed("write", path, &error))?;
        Ok(count)
    }
}

fn surveyed<'a>(row: &'a Row<'_>) -> Option<Surveyed<'a>> {
    let number = |column| row.get_ref(column).ok()?.as_i64().ok();
    Some(Surveyed {
        sequence: number(0)?,
        id: CommitId(digest(row, 1)?),
        key: Key(digest(row, 2)?),
        used: Timestamp(number(5)?),
        blobs: bytes(row, 6)?,
    })
}

/// The rows of the commits `named`; whether no other commit has a number between them; and whether a number belongs to another
/// commit by now.
fn going(connection: &Connection, named: &[Named]) -> rusqlite::Result<(Vec<Going>, bool, bool)> {
    let (Some((first, _)), Some((last, _))) = (named.first(), named.last()) else {
        return Ok((Vec::new(), true, false));
    };
    let (mut rows, mut alone, mut stale) = (Vec::with_capacity(named.len()), true, false);
    let mut query = connection.prepare_cached(
        "SELECT sequence, id, key, state, size FROM commits WHERE sequence BETWEEN ?1 AND ?2 ORDER BY sequence",
    )?;
    let mut take = |row: &Row<'_>, expected: Option<&Named>| -> rusqlite::Result<()> {
        let sequence: i64 = row.get(0)?;
        match (expected, digest(row, 1), digest(row, 2)) {
            (Some((_, id)), Some(found), Some(key)) if found == id.0 => {
                let replayable = row.get_ref(3)?.as_i64() == Ok(0);
                let size = row.get_ref(4)?.as_i64().unwrap_or(0);
                rows.push(Going { sequence, key: Key(key), replayable, size });
            }
            (expected, ..) => {
                alone = false;
                stale |= expected.is_some();
            }
        }
        Ok(())
    };
    let span = u64::try_from(last.saturating_sub(*first)).unwrap_or(u64::MAX);
    if span > (named.len() as u64).saturating_mul(4) {
        for one in named {
            let mut found = query.query([one.0, one.0])?;
            while let Some(row) = found.next()? {
                take(row, Some(one))?;
            }
        }
        return Ok((rows, false, stale));
    }
    let mut expected = named.iter().peekable();
    let mut found = query.query([*first, *last])?;
    while let Some(row) = found.next()? {
        let sequence: i64 = row.get(0)?;
        while expected.next_if(|(other, _)| *other < sequence).is_some() {}
        take(row, expected.next_if(|(other, _)| *other == sequence))?;
    }
    Ok((rows, alone, stale))
}
