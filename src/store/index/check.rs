//! The check of the database: the findings of SQLite, and rows that do not verify.

use super::Index;
use super::record::{BRIEF, Brief, bytes, digest, read_body, seal_of_edge, seal_of_product, seal_of_tag};
use crate::error::{Error, Kind, Result};
use rusqlite::types::Value;
use rusqlite::{Row, Transaction, params};
use std::io;

impl Index {
    /// The damage that SQLite finds in the database, if any.
    pub(crate) fn check(&self, quick: bool) -> Result<Vec<String>> {
        let sql = if quick { "PRAGMA quick_check(20)" } else { "PRAGMA integrity_check(20)" };
        let lines = self.reading(|connection| {
            let mut query = connection.prepare(sql)?;
            let rows = query.query_map([], |row| row.get::<_, String>(0))?;
            rows.collect::<rusqlite::Result<Vec<String>>>()
        });
        let lines = match lines {
            Err(error) if error.kind() == Kind::Damaged => vec![error.to_string()],
            other => other?,
        };
        // A read error is not damage.
        if let Some(line) = lines.iter().find(|line| is_of_the_system(line)) {
            let words = format!("cannot read {}: {line}", self.path.display());
            return Err(Error::new(Kind::Io(io::ErrorKind::Other), words));
        }
        Ok(lines.into_iter().filter(|line| line != "ok").collect())
    }

    /// The sequence numbers of commits whose row or body does not verify. With `quick`, only rows are checked.
    pub(crate) fn untrue(&self, quick: bool) -> Result<Vec<i64>> {
        let columns: Vec<String> =
            BRIEF.split(", ").map(|column| format!("commits.{}", column.trim())).collect();
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
                let whole =
                    brief.is_some_and(|brief| quick || read_body(row, 16, &brief, connection).is_some());
                if !whole {
                    untrue.push(row.get(19)?);
                }
            }
            Ok(untrue)
        })
    }

    /// Deletes tags, products, edges and parts of observations that do not verify; with `look_only` only counts them.
    pub(crate) fn untrue_links(&mut self, look_only: bool) -> Result<u64> {
        let parts = self.untrue_parts(look_only)?;
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
            Ok(untrue + parts)
        })
    }
}

/// Whether SQLite's check failed because of a system error, which is no damage: its message contains the error code.
fn is_of_the_system(line: &str) -> bool {
    const PRIMARY: u32 = 0xff;
    const OUT_OF_MEMORY: u32 = 7;
    const INPUT_OR_OUTPUT: u32 = 10;
    const SHORT_READ: u32 = INPUT_OR_OUTPUT | (2 << 8);
    let Some((_, after)) = line.rsplit_once("error code=") else { return false };
    let digits = after.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(after.len());
    let code: Option<u32> = after.get(..digits).and_then(|digits| digits.parse().ok());
    // A file that is too short is damage.
    code.is_some_and(|code| code != SHORT_READ && matches!(code & PRIMARY, OUT_OF_MEMORY | INPUT_OR_OUTPUT))
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

#[cfg(test)]
mod tests {
    use super::is_of_the_system;

    #[test]
    fn errors_of_the_system_are_told_from_faults() {
        for (line, expected) in [
            ("Tree 5 page 5: unable to get the page. error code=266", true),
            ("Freelist: failed to get page 9 error code=7", true),
            ("Tree 5 page 5: unable to get the page. error code=522", false),
            ("Tree 5 page 5: unable to get the page. error code=11", false),
            ("row 4 missing from index commits_id", false),
            ("ok", false),
        ] {
            assert_eq!(is_of_the_system(line), expected, "{line}");
        }
    }
}
