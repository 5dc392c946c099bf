//! Statistics: totals, hits, misses, and the state of the clock. They are not verified, and no answer depends on them.

use super::Index;
use super::write::read_clock;
use crate::digest::{CommitId, Digest};
use crate::error::Result;
use crate::record::Timestamp;
use crate::store::Event;
use crate::store::clock::Clock;
use rusqlite::{OptionalExtension, Row, Transaction, params};
use std::collections::HashMap;

/// Maximum number of kinds of missed events that are stored.
const MOST_MISSED: i64 = 10_000;

pub(super) const STORED: &str = "SELECT stored, blobs, commits FROM totals";

/// Totals over the whole store.
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

/// Runs whose result was not cached, for one reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missed {
    /// Stable machine-readable code of the reason.
    pub reason: String,
    /// The detail, for example a path.
    pub detail: String,
    /// The command line.
    pub command: Vec<u8>,
    /// Number of runs.
    pub times: u64,
    /// Time of the last one.
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

    /// Bytes that all blobs take, and the numbers of blobs and commits, at the last count.
    pub(crate) fn stored(&self) -> Result<(u64, u64, u64)> {
        let read = |row: &Row<'_>| Ok((count(row, 0), count(row, 1), count(row, 2)));
        self.reading(|connection| connection.prepare_cached(STORED)?.query_row([], read))
    }

    /// Adds the events of a log, unless they were added before.
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
            let mut unrecorded: i64 = 0;
            for event in events {
                match event {
                    Event::Hit { commit, at } => {
                        let (times, newest) = hits.entry(*commit).or_insert((0, *at));
                        *times += 1;
                        *newest = (*newest).max(*at);
                    }
                    Event::Missed { command, reason, detail, recorded, at } => {
                        fold_missed(transaction, command, reason, detail, *at)?;
                        if !recorded {
                            unrecorded += 1;
                        }
                    }
                }
            }
            let mut clock = read_clock(transaction)?;
            for (commit, (times, newest)) in hits {
                fold_hits(transaction, &commit, times, newest)?;
                clock = clock.see(newest);
            }
            write_clock(transaction, clock)?;
            transaction.execute(
                "UPDATE totals SET folded = ?1, missed = missed + ?2",
                params![log.as_bytes(), unrecorded],
            )?;
            bound_missed(transaction)
        })
    }

    /// Runs whose result was not cached, newest first.
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

    /// Updates the state of the clock with the system time `now`, and returns it.
    pub(crate) fn see(&mut self, now: Timestamp) -> Result<Clock> {
        self.writing(|transaction| {
            let clock = read_clock(transaction)?.see(now);
            write_clock(transaction, clock)?;
            Ok(clock)
        })
    }

    /// Deletes missed events before `time`.
    pub(crate) fn forget_missed(&mut self, time: Timestamp) -> Result<()> {
        self.writing(|transaction| {
            transaction.execute("DELETE FROM missed WHERE newest < ?1", [time.0]).map(|_| ())
        })
    }

    /// Subtracts deleted blobs from the totals.
    pub(crate) fn lose_blobs(&mut self, blobs: u64, bytes: u64) -> Result<()> {
        let number = |value| i64::try_from(value).unwrap_or(i64::MAX);
        self.writing(|transaction| {
            let sql = "UPDATE totals SET blobs = max(blobs - ?1, 0), stored = max(stored - ?2, 0)";
            transaction.execute(sql, params![number(blobs), number(bytes)]).map(|_| ())
        })
    }
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
    Ok(())
}

/// Deletes the oldest kinds of missed events beyond the maximum.
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
