//! Statistics, folding of the log of hits, checkpoints, deletion of rows, and the check of the whole.

use super::record::{Brief, bytes, digest, read_body, seal_of_edge, seal_of_product, seal_of_tag};
use super::write::{read_clock, sequence_of};
use super::{Index, failed};
use crate::digest::{CommitId, Digest};
use crate::error::Result;
use crate::record::Timestamp;
use crate::store::Event;
use crate::store::clock::Clock;
use rusqlite::types::Value;
use rusqlite::{OptionalExtension, Row, Transaction, params};
use std::collections::HashMap;

/// Most kinds of missed events that are remembered.
const MOST_MISSED: i64 = 10_000;

/// Numbers over the whole store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) commits: u64,
    pub(crate) results: u64,
    pub(crate) blobs: u64,
    pub(crate) bytes: u64,
    pub(crate) stored: u64,
    pub(crate) recorded: u64,
    pub(crate) hits: u64,
    pub(crate) missed: u64,
    pub(crate) saved: u64,
}

/// Runs of which nothing was kept, for one reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missed {
    /// A word for the kind of reason.
    pub reason: String,
    /// What exactly.
    pub detail: String,
    /// The command line.
    pub command: Vec<u8>,
    /// How often.
    pub times: u64,
    /// When last.
    pub newest: Timestamp,
}

fn count(row: &Row<'_>, column: usize) -> u64 {
    row.get::<_, i64>(column).ok().and_then(|number| u64::try_from(number).ok()).unwrap_or(0)
}

impl Index {
    /// The totals.
    pub(crate) fn totals(&self) -> Result<Totals> {
        let sql = "SELECT commits, results, blobs, bytes, stored, recorded, hits, missed, saved FROM totals";
        let read = |row: &Row<'_>| {
            Ok(Totals {
                commits: count(row, 0),
                results: count(row, 1),
                blobs: count(row, 2),
                bytes: count(row, 3),
                stored: count(row, 4),
                recorded: count(row, 5),
                hits: count(row, 6),
                missed: count(row, 7),
                saved: count(row, 8),
            })
        };
        let totals = self.reading(|connection| connection.query_row(sql, [], read).optional())?;
        Ok(totals.unwrap_or_default())
    }

    /// Takes in what a log of events says, unless it was taken in before.
    pub(crate) fn fold(&mut self, events: &[Event], log: &Digest) -> Result<()> {
        self.writing(|transaction| {
            let folded: Option<Vec<u8>> = transaction
                .query_row("SELECT folded FROM totals", [], |row| row.get(0))
                .optional()?
                .flatten();
            if folded.as_deref() == Some(log.as_bytes()) {
                return Ok(());
            }
            let mut hits: HashMap<CommitId, (i64, Timestamp)> = HashMap::new();
            for event in events {
                match event {
                    Event::Hit { commit, at } => {
                        let (times, newest) = hits.entry(*commit).or_insert((0, *at));
                        *times += 1;
                        *newest = (*newest).max(*at);
                    }
                    Event::Missed { command, reason, detail, at } => {
                        fold_missed(transaction, command, reason, detail, *at)?;
                    }
                }
            }
            let mut clock = read_clock(transaction)?;
            for (commit, (times, newest)) in hits {
                fold_hits(transaction, &commit, times, newest)?;
                clock = clock.see(newest);
            }
            write_clock(transaction, clock)?;
            transaction.execute("UPDATE totals SET folded = ?1", params![log.as_bytes()])?;
            bound_missed(transaction)
        })
    }

    /// What was missed, newest first.
    pub(crate) fn missed(&self) -> Result<Vec<Missed>> {
        let sql = "SELECT reason, detail, command, times, newest FROM missed ORDER BY newest DESC";
        self.reading(|connection| {
            let mut query = connection.prepare_cached(sql)?;
            let rows = query.query_map([], |row| {
                Ok(Missed {
                    reason: row.get(0)?,
                    detail: row.get(1)?,
                    command: row.get(2)?,
                    times: count(row, 3),
                    newest: Timestamp(row.get(4)?),
                })
            })?;
            rows.collect()
        })
    }

    /// Looks at the time: tells what is believed of it, after `now`.
    pub(crate) fn see(&mut self, now: Timestamp) -> Result<Clock> {
        self.writing(|transaction| {
            let clock = read_clock(transaction)?.see(now);
            write_clock(transaction, clock)?;
            Ok(clock)
        })
    }

    /// Deletes the rows of commits. What points to them is pruned later.
    pub(crate) fn delete(&mut self, ids: &[CommitId]) -> Result<u64> {
        self.writing(|transaction| {
            let mut deleted = 0;
            for id in ids {
                let Some(sequence) = sequence_of(transaction, id)? else {
                    continue;
                };
                delete_one(transaction, sequence)?;
                deleted += 1;
            }
            Ok(deleted)
        })
    }

    /// Deletes rows by their sequence numbers.
    pub(crate) fn delete_untrue(&mut self, sequences: &[i64]) -> Result<()> {
        self.writing(|transaction| {
            sequences.iter().try_for_each(|sequence| delete_one(transaction, *sequence))
        })
    }

    /// Removes what points to commits that are gone, up to `limit` rows of each table. Tells whether there may be
    /// more.
    pub(crate) fn prune(&mut self, limit: u32) -> Result<bool> {
        self.writing(|transaction| {
            let mut removed = 0;
            for sql in [
                "DELETE FROM products WHERE (digest, sequence, path) IN (SELECT digest, sequence, path \
                 FROM products WHERE sequence NOT IN (SELECT sequence FROM commits) LIMIT ?1)",
                "DELETE FROM edges WHERE (digest, sequence) IN (SELECT digest, sequence \
                 FROM edges WHERE sequence NOT IN (SELECT sequence FROM commits) LIMIT ?1)",
                "DELETE FROM tags WHERE (sequence, name) IN (SELECT sequence, name \
                 FROM tags WHERE sequence NOT IN (SELECT sequence FROM commits) LIMIT ?1)",
            ] {
                removed += transaction.execute(sql, [limit])?;
            }
            Ok(removed > 0)
        })
    }

    /// Gives up to `pages` free pages back to the file system; tells whether there were any.
    pub(crate) fn shrink(&self, pages: u32) -> Result<bool> {
        self.reading(|connection| {
            let free: i64 = connection.pragma_query_value(None, "freelist_count", |row| row.get(0))?;
            if free > 0 {
                let mut statement = connection.prepare(&format!("PRAGMA incremental_vacuum({pages})"))?;
                let mut rows = statement.query([])?;
                while rows.next()?.is_some() {}
            }
            Ok(free > i64::from(pages))
        })
    }

    /// Forgets what was missed before `time`.
    pub(crate) fn forget_missed(&mut self, time: Timestamp) -> Result<()> {
        self.writing(|transaction| {
            transaction.execute("DELETE FROM missed WHERE newest < ?1", [time.0]).map(|_| ())
        })
    }

    /// Takes note that blobs are gone.
    pub(crate) fn lose_blobs(&mut self, blobs: u64, bytes: u64) -> Result<()> {
        let number = |value| i64::try_from(value).unwrap_or(i64::MAX);
        self.writing(|transaction| {
            let sql = "UPDATE totals SET blobs = max(blobs - ?1, 0), stored = max(stored - ?2, 0)";
            transaction.execute(sql, params![number(blobs), number(bytes)]).map(|_| ())
        })
    }

    /// Counts the commits anew and takes the counted blobs as they are told.
    pub(crate) fn recount(&mut self, blobs: u64, stored: u64) -> Result<()> {
        let (blobs, stored) =
            (i64::try_from(blobs).unwrap_or(i64::MAX), i64::try_from(stored).unwrap_or(i64::MAX));
        self.writing(|transaction| {
            transaction.execute("INSERT OR IGNORE INTO totals (one) VALUES (1)", [])?;
            transaction.execute(
                "UPDATE totals SET blobs = ?1, stored = ?2, (commits, results, bytes) = \
                 (SELECT count(*), coalesce(sum(state = 0), 0), coalesce(sum(size), 0) FROM commits)",
                params![blobs, stored],
            )?;
            Ok(())
        })
    }

    /// Writes the log into the database and cuts it, as far as nobody is reading.
    pub(crate) fn checkpoint(&self) -> Result<()> {
        if self.network {
            return Ok(());
        }
        let run = || -> rusqlite::Result<()> {
            let connection = &self.connection;
            connection.pragma_update(None, "synchronous", if self.durable { "FULL" } else { "NORMAL" })?;
            let read = |row: &Row<'_>| Ok((row.get::<_, i64>(1)?, row.get::<_, i64>(2)?));
            let (pages, written) = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], read)?;
            if pages == written {
                // Cutting it needs a moment without readers, for which nobody should wait.
                connection.busy_timeout(std::time::Duration::ZERO)?;
                connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
                connection.busy_timeout(std::time::Duration::from_secs(30))?;
            }
            let usual = if self.durable { "FULL" } else { "OFF" };
            connection.pragma_update(None, "synchronous", usual)
        };
        run().map_err(|error| self.failed("write", &error))
    }

    /// What SQLite finds wrong with the database, or nothing.
    pub(crate) fn check(&self, quick: bool) -> Result<Vec<String>> {
        let sql = if quick { "PRAGMA quick_check(20)" } else { "PRAGMA integrity_check(20)" };
        let lines = self.reading(|connection| {
            let mut query = connection.prepare(sql)?;
            let rows = query.query_map([], |row| row.get::<_, String>(0))?;
            rows.collect::<rusqlite::Result<Vec<String>>>()
        });
        let lines = match lines {
            Err(error) if error.kind() == crate::error::Kind::Damaged => vec![error.to_string()],
            other => other?,
        };
        Ok(lines.into_iter().filter(|line| line != "ok").collect())
    }

    /// The sequence numbers of commits whose row or body is not true; with `quick` only rows are looked at.
    pub(crate) fn untrue(&self, quick: bool) -> Result<Vec<i64>> {
        let columns: Vec<String> =
            super::record::BRIEF.split(", ").map(|column| format!("commits.{}", column.trim())).collect();
        let sql = format!(
            "SELECT {}, bodies.body, bodies.manifest, bodies.seal, commits.sequence FROM commits \
             LEFT JOIN bodies ON bodies.sequence = commits.sequence ORDER BY commits.sequence",
            columns.join(", ")
        );
        self.reading(|connection| {
            let mut query = connection.prepare(&sql)?;
            let mut rows = query.query([])?;
            let mut untrue = Vec::new();
            while let Some(row) = rows.next()? {
                let brief = Brief::read(row);
                let whole = brief.is_some_and(|brief| quick || read_body(row, 16, &brief).is_some());
                if !whole {
                    untrue.push(row.get(19)?);
                }
            }
            Ok(untrue)
        })
    }

    /// Deletes tags, products and edges that do not prove themselves, or with `look_only` counts them.
    pub(crate) fn untrue_links(&mut self, look_only: bool) -> Result<u64> {
        self.writing(|transaction| {
            let mut untrue = 0;
            untrue += untrue_of(transaction, "tags", "sequence, name, value", look_only, |row| {
                let text = |column| row.get_ref(column).ok()?.as_str().ok();
                Some(seal_of_tag(row.get(0).ok()?, text(1)?, text(2)?))
            })?;
            untrue += untrue_of(transaction, "products", "digest, sequence, path", look_only, |row| {
                Some(seal_of_product(&digest(row, 0)?, row.get(1).ok()?, bytes(row, 2)?))
            })?;
            untrue += untrue_of(transaction, "edges", "digest, sequence, NULL", look_only, |row| {
                Some(seal_of_edge(&digest(row, 0)?, row.get(1).ok()?))
            })?;
            Ok(untrue)
        })
    }

    /// Closes the connection, so that the file may be moved.
    pub(crate) fn close(self) -> Result<()> {
        self.connection.close().map_err(|(_, error)| failed("close", &self.path, &error))
    }
}

/// Rows of `table` whose `seal` is not the one that `seal_of` computes from `columns`.
fn untrue_of(
    transaction: &Transaction<'_>,
    table: &str,
    columns: &str,
    look_only: bool,
    seal_of: impl Fn(&Row<'_>) -> Option<[u8; 16]>,
) -> rusqlite::Result<u64> {
    let mut untrue: Vec<(Value, Value, Value)> = Vec::new();
    let mut query = transaction.prepare(&format!("SELECT {columns}, seal FROM {table}"))?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        let seal = seal_of(row);
        if seal.is_none() || bytes(row, 3) != seal.as_ref().map(<[u8; 16]>::as_slice) {
            untrue.push((row.get(0)?, row.get(1)?, row.get(2)?));
        }
    }
    if !look_only {
        let names: Vec<&str> = columns.split(", ").collect();
        let conditions: Vec<String> =
            names.iter().enumerate().map(|(place, name)| format!("{name} IS ?{}", place + 1)).collect();
        let mut delete =
            transaction.prepare(&format!("DELETE FROM {table} WHERE {}", conditions.join(" AND ")))?;
        for (first, second, third) in &untrue {
            delete.execute(params![first, second, third])?;
        }
    }
    Ok(untrue.len() as u64)
}

fn fold_hits(
    transaction: &Transaction<'_>,
    commit: &CommitId,
    times: i64,
    newest: Timestamp,
) -> rusqlite::Result<()> {
    let mut statement = transaction.prepare_cached(
        "UPDATE commits SET hits = hits + ?2, used = max(used, ?3) WHERE id = ?1 RETURNING wall",
    )?;
    let wall: Option<i64> =
        statement.query_row(params![commit.0.as_bytes(), times, newest.0], |row| row.get(0)).optional()?;
    let saved = wall.unwrap_or(0).max(0).saturating_mul(times);
    let mut statement =
        transaction.prepare_cached("UPDATE totals SET hits = hits + ?1, saved = saved + ?2")?;
    statement.execute(params![times, saved])?;
    Ok(())
}

fn fold_missed(
    transaction: &Transaction<'_>,
    command: &[u8],
    reason: &str,
    detail: &str,
    at: Timestamp,
) -> rusqlite::Result<()> {
    let mut statement = transaction.prepare_cached(
        "INSERT INTO missed VALUES (?1, ?2, ?3, 1, ?4) \
         ON CONFLICT DO UPDATE SET times = times + 1, newest = max(newest, excluded.newest)",
    )?;
    statement.execute(params![reason, detail, command, at.0])?;
    transaction.prepare_cached("UPDATE totals SET missed = missed + 1")?.execute([])?;
    Ok(())
}

/// Drops the oldest kinds of missed events beyond the most that are remembered.
fn bound_missed(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    let count: i64 = transaction.query_row("SELECT count(*) FROM missed", [], |row| row.get(0))?;
    if count > MOST_MISSED {
        transaction.execute(
            "DELETE FROM missed WHERE (reason, detail, command) IN \
             (SELECT reason, detail, command FROM missed ORDER BY newest LIMIT ?1)",
            [count - MOST_MISSED / 2],
        )?;
    }
    Ok(())
}

fn write_clock(transaction: &Transaction<'_>, clock: Clock) -> rusqlite::Result<()> {
    let (believed, suspect) = (clock.believed.map(|time| time.0), clock.suspect.map(|time| time.0));
    transaction
        .execute("UPDATE totals SET believed = ?1, suspect = ?2", params![believed, suspect])
        .map(|_| ())
}

fn delete_one(transaction: &Transaction<'_>, sequence: i64) -> rusqlite::Result<()> {
    let mut query = transaction.prepare_cached("SELECT state, size FROM commits WHERE sequence = ?1")?;
    let (state, size): (i64, i64) =
        query.query_row([sequence], |row| Ok((row.get(0)?, row.get(1)?))).optional()?.unwrap_or((1, 0));
    let mut statement = transaction.prepare_cached(
        "UPDATE totals SET commits = max(commits - 1, 0), results = max(results - ?1, 0), \
         bytes = max(bytes - ?2, 0)",
    )?;
    statement.execute(params![i64::from(state == 0), size])?;
    for sql in [
        "DELETE FROM commits WHERE sequence = ?1",
        "DELETE FROM bodies WHERE sequence = ?1",
        "DELETE FROM tags WHERE sequence = ?1",
    ] {
        transaction.prepare_cached(sql)?.execute([sequence])?;
    }
    Ok(())
}
