//! The tables, their versions, and how a connection is set up.

use super::{Index, failed};
use crate::error::{Error, Kind, Result};
use crate::store::layout::FORMAT;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use std::path::Path;
use std::time::Duration;

/// How long a statement waits for another process's transaction.
const BUSY: Duration = Duration::from_secs(30);

/// How many statements are kept ready: more than one call asks.
const STATEMENTS: usize = 32;

/// For each format the statements that make it from the one before. The first makes it from nothing.
const MIGRATIONS: &[&str] = &[
    "
    CREATE TABLE commits (
        sequence INTEGER PRIMARY KEY,
        id BLOB NOT NULL, key BLOB NOT NULL, lineage BLOB NOT NULL, function BLOB NOT NULL,
        name BLOB NOT NULL, started INTEGER NOT NULL, wall INTEGER NOT NULL, status INTEGER NOT NULL,
        state INTEGER NOT NULL, size INTEGER NOT NULL, stored INTEGER NOT NULL,
        hits INTEGER NOT NULL, used INTEGER NOT NULL, blobs BLOB NOT NULL, seal BLOB NOT NULL);
    CREATE UNIQUE INDEX commits_id ON commits (id);
    CREATE INDEX commits_key ON commits (key);
    CREATE INDEX commits_lineage ON commits (lineage);
    CREATE INDEX commits_function ON commits (function);
    CREATE TABLE bodies (
        sequence INTEGER PRIMARY KEY, body BLOB NOT NULL, manifest BLOB NOT NULL, seal BLOB NOT NULL);
    CREATE TABLE tags (
        sequence INTEGER NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, seal BLOB NOT NULL,
        PRIMARY KEY (sequence, name)) WITHOUT ROWID;
    CREATE INDEX tags_name ON tags (name, value);
    CREATE TABLE products (
        digest BLOB NOT NULL, sequence INTEGER NOT NULL, path BLOB NOT NULL, seal BLOB NOT NULL,
        PRIMARY KEY (digest, sequence, path)) WITHOUT ROWID;
    CREATE TABLE edges (
        digest BLOB NOT NULL, sequence INTEGER NOT NULL, seal BLOB NOT NULL,
        PRIMARY KEY (digest, sequence)) WITHOUT ROWID;
    CREATE TABLE missed (
        reason TEXT NOT NULL, detail TEXT NOT NULL, command BLOB NOT NULL,
        times INTEGER NOT NULL, newest INTEGER NOT NULL,
        PRIMARY KEY (reason, detail, command)) WITHOUT ROWID;
    CREATE TABLE totals (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        next INTEGER NOT NULL DEFAULT 1, commits INTEGER NOT NULL DEFAULT 0,
        results INTEGER NOT NULL DEFAULT 0, blobs INTEGER NOT NULL DEFAULT 0,
        bytes INTEGER NOT NULL DEFAULT 0, stored INTEGER NOT NULL DEFAULT 0,
        recorded INTEGER NOT NULL DEFAULT 0, hits INTEGER NOT NULL DEFAULT 0,
        missed INTEGER NOT NULL DEFAULT 0, saved INTEGER NOT NULL DEFAULT 0,
        revived INTEGER NOT NULL DEFAULT 0, trimmed INTEGER,
        believed INTEGER, suspect INTEGER, folded BLOB);
    INSERT INTO totals (one) VALUES (1);
",
    "
    CREATE TABLE facts (
        scope BLOB NOT NULL, path BLOB NOT NULL, kind INTEGER NOT NULL, seal BLOB NOT NULL,
        PRIMARY KEY (scope, path, kind)) WITHOUT ROWID;
    ALTER TABLE bodies ADD COLUMN parts BLOB;
    CREATE TABLE parts (id BLOB PRIMARY KEY, body BLOB NOT NULL);
    CREATE TABLE answers (
        sequence INTEGER PRIMARY KEY, key BLOB NOT NULL, questions BLOB NOT NULL, answers BLOB NOT NULL);
    CREATE INDEX answers_key ON answers (key, questions, answers);
",
];

impl Index {
    /// Opens the database. With `make`, creates a new one and migrates one of an older format; only one process may do so at a
    /// time. Without `make`, returns `None` for such a database.
    pub(crate) fn open(path: &Path, network: bool, durable: bool, make: bool) -> Result<Option<Self>> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let open = || -> rusqlite::Result<Option<(Connection, u64)>> {
            let mut connection = Connection::open_with_flags(path, flags)?;
            prepare(&connection)?;
            let mut found = version(&connection)?;
            let old = found < FORMAT;
            if old && !make {
                return Ok(None);
            }
            connection.pragma_update(None, "synchronous", synchronous(durable, network))?;
            if old {
                // Collection returns free pages in steps. This must be set before there are tables.
                connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
            }
            if old || network {
                let mode = if network { "DELETE" } else { "WAL" };
                connection.pragma_update_and_check(None, "journal_mode", mode, |_| Ok(()))?;
                migrate(&mut connection, MIGRATIONS)?;
                found = version(&connection)?;
            }
            connection.pragma_update(None, "wal_autocheckpoint", 0)?;
            Ok(Some((connection, found)))
        };
        let Some((connection, found)) = open().map_err(|error| failed("open", path, &error))? else {
            return Ok(None);
        };
        check_version(found, path)?;
        Ok(Some(Self { connection, path: path.to_owned(), network, durable }))
    }

    /// Opens the database of a store that cannot be written.
    pub(crate) fn open_read_only(path: &Path) -> Result<Self> {
        let plain = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let usable = |connection: Connection| -> rusqlite::Result<(Connection, u64)> {
            prepare(&connection)?;
            let found = version(&connection)?;
            Ok((connection, found))
        };
        let mut opened = Connection::open_with_flags(path, plain).and_then(usable);
        if opened.is_err() && log_is_empty(path) {
            // Without a log and without a writer, the file alone is the whole database.
            let uri = format!("file:{}?immutable=1", escaped(path));
            opened = Connection::open_with_flags(uri, plain | OpenFlags::SQLITE_OPEN_URI).and_then(usable);
        }
        let (connection, found) = opened.map_err(|error| failed("open", path, &error))?;
        check_version(found, path)?;
        Ok(Self { connection, path: path.to_owned(), network: false, durable: false })
    }

    /// The format number in the database: 0 for a new one.
    pub(crate) fn format_of(path: &Path) -> Result<u64> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let read = || -> rusqlite::Result<u64> {
            let connection = Connection::open_with_flags(path, flags)?;
            prepare(&connection)?;
            version(&connection)
        };
        read().map_err(|error| failed("open", path, &error))
    }
}

/// In WAL mode the database itself is only changed by checkpoints, which flush; without a flush at each commit, a
/// power cut can cost the newest rows but damage nothing.
const fn synchronous(durable: bool, network: bool) -> &'static str {
    match (durable, network) {
        (true, _) => "FULL",
        (false, true) => "NORMAL",
        (false, false) => "OFF",
    }
}

fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    // No query plan depends on bound values. Otherwise a statement would be prepared again when values are bound.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.pragma_update(None, "cell_size_check", true)
}

fn version(connection: &Connection) -> rusqlite::Result<u64> {
    let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    // The header's field is a signed number. Format numbers are never negative.
    Ok(u64::try_from(found).unwrap_or(u64::MAX))
}

fn check_version(found: u64, path: &Path) -> Result<()> {
    match found.cmp(&FORMAT) {
        std::cmp::Ordering::Equal => Ok(()),
        std::cmp::Ordering::Less => Err(Error::damaged(format!("{} has no tables", path.display()))),
        std::cmp::Ordering::Greater => Err(Error::new(
            Kind::NewerFormat,
            format!("{} has format {found}, newer than {FORMAT}", path.display()),
        )),
    }
}

/// Runs the missing ones of `migrations`, in one transaction.
fn migrate(connection: &mut Connection, migrations: &[&str]) -> rusqlite::Result<()> {
    let target = migrations.len() as u64;
    if version(connection)? >= target {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found = version(&transaction)?;
    let pending = usize::try_from(found).ok().and_then(|found| migrations.get(found..)).unwrap_or_default();
    for statements in pending {
        transaction.execute_batch(statements)?;
    }
    transaction.pragma_update(None, "user_version", i64::try_from(target.max(found)).unwrap_or(i64::MAX))?;
    transaction.commit()
}

/// For each table and index of a new database: its table, its name, and the statement that creates it.
pub(super) fn statements_of_tables() -> rusqlite::Result<Vec<(String, String, String)>> {
    let mut connection = Connection::open_in_memory()?;
    migrate(&mut connection, MIGRATIONS)?;
    // Tables before their indexes.
    let sql = "SELECT tbl_name, name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY type DESC, name";
    let mut query = connection.prepare(sql)?;
    let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    rows.collect()
}

fn log_is_empty(path: &Path) -> bool {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    std::fs::metadata(log).map_or(true, |metadata| metadata.len() == 0)
}

/// A path in the form that SQLite's URIs require.
fn escaped(path: &Path) -> String {
    let escape = |byte: &u8| {
        if byte.is_ascii_alphanumeric() || b"/._-".contains(byte) {
            char::from(*byte).to_string()
        } else {
            format!("%{byte:02X}")
        }
    };
    path.as_os_str().as_encoded_bytes().iter().map(escape).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_reached_one_after_the_other_or_not_at_all() {
        let mut connection = Connection::open_in_memory().unwrap();
        let first = "CREATE TABLE a (x); INSERT INTO a VALUES (1);";
        migrate(&mut connection, &[first]).unwrap();
        assert_eq!(version(&connection).unwrap(), 1);
        let second = "ALTER TABLE a ADD COLUMN y DEFAULT 7";
        migrate(&mut connection, &[first, second, "CREATE TABLE oops ("]).unwrap_err();
        assert_eq!(version(&connection).unwrap(), 1);
        connection.prepare("SELECT y FROM a").unwrap_err();
        migrate(&mut connection, &[first, second]).unwrap();
        let y: i64 = connection.query_row("SELECT y FROM a", [], |row| row.get(0)).unwrap();
        assert_eq!((version(&connection).unwrap(), y), (2, 7));
        migrate(&mut connection, &[first]).unwrap();
        assert_eq!(version(&connection).unwrap(), 2);
    }

    #[test]
    fn the_formats_are_as_many_as_the_store_knows() {
        assert_eq!(MIGRATIONS.len() as u64, FORMAT);
    }

    #[test]
    fn a_newer_database_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("meta.db");
        assert!(Index::open(&path, false, false, false).unwrap().is_none());
        drop(Index::open(&path, false, false, true).unwrap().unwrap());
        Connection::open(&path)
            .unwrap()
            .pragma_update(None, "user_version", i64::try_from(FORMAT + 1).unwrap())
            .unwrap();
        assert_eq!(Index::open(&path, false, false, true).unwrap_err().kind(), Kind::NewerFormat);
        assert_eq!(Index::open_read_only(&path).unwrap_err().kind(), Kind::NewerFormat);
    }
}
