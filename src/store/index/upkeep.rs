//! Deleting rows, checkpoints, and returning free pages to the file system.

use super::{Index, failed};
use crate::error::Result;
use crate::record::Timestamp;
use rusqlite::{OptionalExtension, Row, Transaction, params};

/// Maximum number of pages that one transaction moves to shorten the file.
const MOST_MOVED: i64 = 1024;

impl Index {
    /// Deletes rows by their sequence numbers.
    pub(crate) fn delete_untrue(&mut self, sequences: &[i64]) -> Result<()> {
        self.writing(|transaction| {
            sequences.iter().try_for_each(|sequence| delete_one(transaction, *sequence))
        })
    }

    /// Number of times that a commit got its missing blobs back: from then on an old row needs blobs that it did not need before.
    pub(crate) fn revived(&self) -> Result<i64> {
        self.reading(|connection| connection.query_row("SELECT revived FROM totals", [], |row| row.get(0)))
    }

    /// When the store was last collected because of its cap, if ever.
    pub(crate) fn trimmed(&self) -> Result<Option<Timestamp>> {
        let read = |row: &Row<'_>| row.get::<_, Option<i64>>(0);
        let time = self.reading(|connection| connection.query_row("SELECT trimmed FROM totals", [], read))?;
        Ok(time.map(Timestamp))
    }

    /// Notes that the store is collected now because of its cap.
    pub(crate) fn set_trimmed(&mut self, now: Timestamp) -> Result<()> {
        self.writing(|transaction| transaction.execute("UPDATE totals SET trimmed = ?1", [now.0]).map(|_| ()))
    }

    /// Returns up to `pages` free pages to the file system; returns whether there are more. If almost all pages are free, all are
    /// returned at once: for each single page SQLite searches the list of free pages, which takes longer the longer it is.
    pub(crate) fn shrink(&mut self, pages: u32) -> Result<bool> {
        let number = |name| {
            self.reading(|connection| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)))
        };
        let (free, all) = (number("freelist_count")?, number("page_count")?);
        if free == 0 {
            return Ok(false);
        }
        if all.saturating_sub(free) <= MOST_MOVED {
            self.shrink_at_once()?;
            return Ok(false);
        }
        self.reading(|connection| {
            let mut statement = connection.prepare(&format!("PRAGMA incremental_vacuum({pages})"))?;
            let mut rows = statement.query([])?;
            while rows.next()?.is_some() {}
            Ok(free > i64::from(pages))
        })
    }

    /// Returns all free pages at the end of the transaction, which moves the others to the front of the file.
    fn shrink_at_once(&mut self) -> Result<()> {
        let shrunk = self.writing(|transaction| {
            transaction.pragma_update(None, "auto_vacuum", "FULL")?;
            transaction.execute("UPDATE totals SET one = one", []).map(|_| ())
        });
        // In any case: no other transaction may do so.
        let usual = self.writing(|transaction| transaction.pragma_update(None, "auto_vacuum", "INCREMENTAL"));
        shrunk.and(usual)
    }

    /// Writes the log back into the database and empties it, as far as other readers allow.
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
                // Emptying it needs a moment without readers. It does not wait for one.
                connection.busy_timeout(std::time::Duration::ZERO)?;
                connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
                connection.busy_timeout(std::time::Duration::from_secs(30))?;
            }
            let usual = if self.durable { "FULL" } else { "OFF" };
            connection.pragma_update(None, "synchronous", usual)
        };
        run().map_err(|error| self.failed("write", &error))
    }

    /// Closes the connection, so that the file can be moved.
    pub(crate) fn close(self) -> Result<()> {
        self.connection.close().map_err(|(_, error)| failed("close", &self.path, &error))
    }
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
