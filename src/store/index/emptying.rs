//! Removes almost all commits at once. One short transaction moves the remaining commits to new tables. Then the old tables are
//! deleted in steps, their indexes first: deleting single rows would change each index in a different place, and without indexes
//! the rows are contiguous.
//!
//! A process that dies meanwhile leaves old tables. No process reads them, and the next collection deletes them.

use super::schema::statements_of_tables;
use super::{Index, failed};
use crate::error::Result;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params_from_iter};

/// Prefix of the name of a detached table.
const APART: &str = "gone_";

/// Suffix of the name of a new table's index, while the old table's index has the plain name.
const OTHER: &str = "_2";

/// Tables whose rows belong to one commit, and their keys.
const OWNED: &[(&str, &str)] =
    &[("commits", "sequence"), ("bodies", "sequence"), ("tags", "sequence, name"), ("answers", "sequence")];

/// Tables with rows that point to commits but belong to none: they cannot be copied by commit.
const POINTING: &[(&str, &str)] = &[("products", "digest, sequence"), ("edges", "digest, sequence")];

impl Index {
    /// Keeps only the commits with the numbers `stay` and those after `after`, by moving them to new tables. The
    /// others are gone immediately; [`Index::drop_detached`] releases their space. Returns the number of remaining
    /// commits; does nothing and returns `None` while detached tables exist.
    pub(crate) fn detach_tables(&mut self, stay: &[i64], after: i64) -> Result<Option<u64>> {
        let new = statements_of_tables().map_err(|error| self.failed("write", &error))?;
        self.writing(|transaction| {
            if first_detached(transaction)?.is_some() {
                return Ok(None);
            }
            let late: bool =
                transaction.prepare("SELECT 1 FROM commits WHERE sequence > ?1")?.exists([after])?;
            let all_go = stay.is_empty() && !late;
            let tables = OWNED.iter().chain(if all_go { POINTING } else { &[] });
            for (table, _) in tables {
                detach_table(transaction, table, &new)?;
            }
            for (table, _) in OWNED {
                let copy = format!("INSERT INTO {table} SELECT * FROM {APART}{table} WHERE sequence");
                let mut one = transaction.prepare(&format!("{copy} = ?1"))?;
                for sequence in stay.iter().filter(|sequence| **sequence <= after) {
                    one.execute([sequence])?;
                }
                transaction.execute(&format!("{copy} > ?1"), [after])?;
            }
            transaction.execute(
                "UPDATE totals SET commits = (SELECT count(*) FROM commits), \
                 results = (SELECT count(*) FROM commits WHERE state = 0), \
                 bytes = (SELECT coalesce(sum(size), 0) FROM commits)",
                [],
            )?;
            let count: i64 = transaction.query_row("SELECT count(*) FROM commits", [], |row| row.get(0))?;
            Ok(Some(u64::try_from(count).unwrap_or(0)))
        })
    }

    /// Deletes up to `rows` rows of the detached tables, or one of their indexes; returns the number of deleted rows
    /// of commits, or `None` when no detached table is left.
    pub(crate) fn drop_detached(&mut self, rows: usize) -> Result<Option<u64>> {
        let path = &self.path;
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate);
        let step = |transaction: Transaction<'_>| {
            let gone = take_some(&transaction, rows)?;
            transaction.commit()?;
            Ok(gone)
        };
        transaction.and_then(step).map_err(|error| failed("write", path, &error))
    }
}

/// Renames a table and creates an empty one in its place.
fn detach_table(
    transaction: &Transaction<'_>,
    table: &str,
    new: &[(String, String, String)],
) -> rusqlite::Result<()> {
    transaction.execute(&format!("ALTER TABLE {table} RENAME TO {APART}{table}"), [])?;
    for (of, name, sql) in new.iter().filter(|(of, ..)| of == table) {
        let is_taken = of != name
            && transaction.prepare("SELECT 1 FROM sqlite_schema WHERE name = ?1")?.exists([name])?;
        let sql =
            if is_taken { sql.replacen(name.as_str(), &format!("{name}{OTHER}"), 1) } else { sql.clone() };
        transaction.execute(&sql, [])?;
    }
    Ok(())
}

/// The name of a detached table or index, and of its table; indexes first.
fn first_detached(connection: &Connection) -> rusqlite::Result<Option<(String, String)>> {
    let sql = "SELECT name, tbl_name FROM sqlite_schema \
         WHERE substr(tbl_name, 1, length(?1)) = ?1 AND sql IS NOT NULL ORDER BY type, tbl_name LIMIT 1";
    connection.query_row(sql, [APART], |row| Ok((row.get(0)?, row.get(1)?))).optional()
}

fn take_some(transaction: &Transaction<'_>, rows: usize) -> rusqlite::Result<Option<u64>> {
    let Some((name, table)) = first_detached(transaction)? else { return Ok(None) };
    if name != table {
        transaction.execute(&format!("DROP INDEX {}", quoted(&name)), [])?;
        return Ok(Some(0));
    }
    let whole = quoted(&table);
    let key = OWNED.iter().chain(POINTING).find(|(name, _)| table.strip_prefix(APART) == Some(name));
    let Some((own, key)) = key else {
        // None of ours.
        transaction.execute(&format!("DROP TABLE {whole}"), [])?;
        return Ok(Some(0));
    };
    let columns = key.split(',').count();
    let last: Option<Vec<Value>> = transaction
        .prepare_cached(&format!("SELECT {key} FROM {whole} ORDER BY {key} LIMIT 1 OFFSET ?1"))?
        .query_row([i64::try_from(rows).unwrap_or(i64::MAX)], |row| {
            (0..columns).map(|column| row.get(column)).collect()
        })
        .optional()?;
    let gone = if let Some(last) = last {
        let marks = vec!["?"; columns].join(", ");
        let sql = format!("DELETE FROM {whole} WHERE ({key}) <= ({marks})");
        transaction.prepare_cached(&sql)?.execute(params_from_iter(last))?
    } else {
        let count = format!("SELECT count(*) FROM {whole}");
        let count: i64 = transaction.query_row(&count, [], |row| row.get(0))?;
        transaction.execute(&format!("DROP TABLE {whole}"), [])?;
        usize::try_from(count).unwrap_or(0)
    };
    Ok(Some(if *own == "commits" { gone as u64 } else { 0 }))
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::super::Filter;
    use super::super::tests::{filled, new};
    use super::*;

    fn numbers(index: &Index) -> Vec<i64> {
        let listed = index.list(&Filter::default(), i64::MAX, usize::MAX).unwrap();
        listed.iter().map(|listed| listed.brief.sequence).collect()
    }

    fn objects(index: &Index) -> Vec<(String, String)> {
        let sql = "SELECT type, tbl_name FROM sqlite_schema ORDER BY type, tbl_name, name";
        let mut query = index.connection.prepare(sql).unwrap();
        let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        rows.map(Result::unwrap).collect()
    }

    fn take_all_apart(index: &mut Index, rows: usize) -> (u64, usize) {
        let (mut commits, mut steps) = (0, 0);
        while let Some(count) = index.drop_detached(rows).unwrap() {
            (commits, steps) = (commits + count, steps + 1);
        }
        (commits, steps)
    }

    fn is_whole(index: &mut Index) {
        assert_eq!(index.check(false).unwrap(), Vec::<String>::new());
        assert_eq!(index.untrue(false).unwrap(), Vec::<i64>::new());
        assert_eq!(index.untrue_links(true).unwrap(), 0);
        assert_eq!(index.survey(|_| {}).unwrap(), super::super::Drift::default());
    }

    #[test]
    fn what_stays_is_as_it_was_and_the_rest_is_gone_at_once() {
        let directory = tempfile::tempdir().unwrap();
        let mut index = filled(directory.path(), 600);
        let before = objects(&index);
        let listed = index.list(&Filter::default(), i64::MAX, usize::MAX).unwrap();
        let kept: Vec<_> = listed.iter().filter(|one| [7, 300, 600].contains(&one.brief.sequence)).collect();
        for one in &listed {
            assert!(index.tag(&one.brief.id, "name", "value").unwrap());
        }
        // 300 was not known when it was told what stays.
        assert_eq!(index.detach_tables(&[7], 299).unwrap(), Some(302));
        assert_eq!(numbers(&index), (300..=600).rev().chain([7]).collect::<Vec<_>>());
        assert_eq!(index.totals().unwrap().commits, 302);
        // One at a time; meanwhile the store is used.
        assert_eq!(index.detach_tables(&[], 600).unwrap(), None);
        index.insert(vec![new(1000, b"late")]).unwrap();
        assert_eq!(take_all_apart(&mut index, 50).0, 600);
        assert_eq!(index.detach_tables(&[7, 300, 600], 600).unwrap(), Some(4));
        assert_eq!(take_all_apart(&mut index, 100_000).0, 303);
        assert_eq!(numbers(&index), [601, 600, 300, 7]);
        for one in kept {
            let found = index.commit(&one.brief.id).unwrap().unwrap();
            assert_eq!(
                (&found.brief, &found.commit, &found.manifest),
                (&one.brief, &one.commit, &one.manifest)
            );
            assert_eq!(found.tags, [("name".to_owned(), "value".to_owned())]);
            assert_eq!(index.producers(&one.commit.stdout.blob.0).unwrap().len(), 1);
            assert_eq!(index.replayable_ids(&one.brief.key, 8).unwrap(), [one.brief.id]);
        }
        assert_eq!(objects(&index), before);
        is_whole(&mut index);
    }

    #[test]
    fn where_all_go_the_file_becomes_small_and_numbers_go_on() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("meta.db");
        let mut index = filled(directory.path(), 3000);
        let before = std::fs::metadata(&path).unwrap().len();
        assert_eq!(index.detach_tables(&[], 3000).unwrap(), Some(0));
        let (commits, steps) = take_all_apart(&mut index, 100);
        assert_eq!(commits, 3000);
        // No step does much at once: three tables of 3000 rows, and what has none.
        assert!(steps > 90, "{steps}");
        while index.shrink(10).unwrap() {}
        index.checkpoint().unwrap();
        let after = std::fs::metadata(&path).unwrap().len();
        assert!(after < 200_000 && before > 2_000_000, "{before} {after}");
        let mode: i64 = index.connection.pragma_query_value(None, "auto_vacuum", |row| row.get(0)).unwrap();
        assert_eq!(mode, 2);
        index.insert(vec![new(1, b"again")]).unwrap();
        assert_eq!(numbers(&index), [3001]);
        is_whole(&mut index);
    }

    #[test]
    fn what_a_dead_process_left_is_taken_apart_by_the_next() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("meta.db");
        let mut index = filled(directory.path(), 200);
        assert_eq!(index.detach_tables(&[5], 200).unwrap(), Some(1));
        index.drop_detached(10).unwrap();
        drop(index);
        let mut index = Index::open(&path, false, false, false).unwrap().unwrap();
        assert_eq!(numbers(&index), [5]);
        is_whole(&mut index);
        take_all_apart(&mut index, 1000);
        assert_eq!(numbers(&index), [5]);
        is_whole(&mut index);
    }
}
