//! Adding commits, and changing their state and tags.

use super::Index;
use super::parts::Stored;
use super::query::HAS_REPLAYABLE;
use super::record::{
    BRIEF, Brief, State, pack, seal_of_body, seal_of_edge, seal_of_product, seal_of_tag, short, status_of,
};
use super::statistics::STORED;
use crate::digest::{BlobId, CommitId, Digest};
use crate::encode::Encode;
use crate::error::Result;
use crate::record::{Commit, Replay, Timestamp, questions};
use crate::store::Next;
use crate::store::clock::Clock;
use rusqlite::{OptionalExtension, Row, Transaction, params};

/// How to determine the parent of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parent {
    /// The newest commit of its lineage.
    Newest,
    /// The one in the commit.
    AsRecorded,
}

/// A commit to be added.
pub(crate) struct NewCommit<'a> {
    pub(crate) commit: Commit,
    pub(crate) parent: Parent,
    pub(crate) manifest: &'a [u8],
    pub(crate) tags: &'a [(String, String)],
    /// Every blob that it needs.
    pub(crate) blobs: Vec<BlobId>,
    /// Digests and paths of what it produced; the path of stdout is empty.
    pub(crate) products: Vec<(Digest, Vec<u8>)>,
    /// Digests of what it consumed.
    pub(crate) consumed: &'a [Digest],
    /// Bytes that it produced.
    pub(crate) size: u64,
    /// Bytes that its blobs take on disk.
    pub(crate) stored: u64,
    /// Number of its blobs that are new, and bytes that those take on disk.
    pub(crate) added: (u64, u64),
}

const NEXT: &str = "SELECT max(next, coalesce((SELECT max(sequence) FROM commits), 0) + 1), believed, suspect \
     FROM totals WHERE one = 1";
const CLOCK: &str = "SELECT believed, suspect FROM totals WHERE one = 1";
const INSERT_BODY: &str =
    "INSERT INTO bodies (sequence, body, manifest, seal, parts) VALUES (?1, ?2, ?3, ?4, ?5)";
const INSERT_ANSWERS: &str = "INSERT OR REPLACE INTO answers VALUES (?1, ?2, ?3, ?4)";
const INSERT_PRODUCT: &str = "INSERT OR IGNORE INTO products VALUES (?1, ?2, ?3, ?4)";
const INSERT_EDGE: &str = "INSERT OR IGNORE INTO edges VALUES (?1, ?2, ?3)";
const FIND_PRODUCT: &str = "SELECT 1 FROM products WHERE digest = ?1 LIMIT 1";
const COUNT: &str = "UPDATE totals SET next = ?1, commits = commits + 1, results = results + ?2, blobs = blobs + ?3, \
     bytes = bytes + ?4, stored = stored + ?5, recorded = recorded + 1, believed = ?6, suspect = ?7 WHERE one = 1";

/// The statement that adds a commit. `otherwise` says what happens to an existing commit of the same id.
fn insert_brief_sql(otherwise: &str) -> String {
    format!(
        "INSERT OR {otherwise} INTO commits ({BRIEF}) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)"
    )
}

fn newest_of_lineage_sql() -> String {
    format!("SELECT {BRIEF} FROM commits WHERE lineage = ?1 ORDER BY sequence DESC LIMIT 4")
}

/// A number for a column. No number in use is near the limit.
fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

impl Index {
    /// Prepares the statements of the next request, which take half of the time of a short call.
    pub(crate) fn prepare(&self, next: Next) -> Result<()> {
        let newest = newest_of_lineage_sql();
        let insert = insert_brief_sql("IGNORE");
        let commit = [
            newest.as_str(),
            NEXT,
            insert.as_str(),
            INSERT_BODY,
            INSERT_ANSWERS,
            FIND_PRODUCT,
            INSERT_PRODUCT,
            COUNT,
            STORED,
        ];
        let statements: &[&str] = match next {
            Next::Find => &[HAS_REPLAYABLE],
            Next::Commit => &commit,
        };
        self.reading(|connection| {
            statements.iter().try_for_each(|sql| connection.prepare_cached(sql).map(|_| ()))
        })
    }

    /// Adds commits, all or none. Returns for each its id and whether anything changed. An existing commit stays unchanged, except that
    /// one with missing blobs gets them back.
    pub(crate) fn insert(&mut self, commits: Vec<NewCommit<'_>>) -> Result<Vec<(Commit, CommitId, bool)>> {
        self.writing(|transaction| {
            commits.into_iter().map(|commit| insert_one(transaction, commit)).collect()
        })
    }

    /// Adds bits to the states of commits, so that they answer no call any more.
    pub(crate) fn mark(&mut self, ids: &[CommitId], state: State) -> Result<()> {
        self.writing(|transaction| ids.iter().try_for_each(|id| mark_one(transaction, id, state)))
    }

    /// Sets a tag.
    pub(crate) fn tag(&mut self, id: &CommitId, name: &str, value: &str) -> Result<bool> {
        self.writing(|transaction| {
            let Some(sequence) = sequence_of(transaction, id)? else {
                return Ok(false);
            };
            insert_tag(transaction, sequence, name, value)?;
            Ok(true)
        })
    }

    /// Sets several tags; returns whether the commit exists.
    pub(crate) fn tag_all(&mut self, id: &CommitId, tags: &[(String, String)]) -> Result<bool> {
        self.writing(|transaction| {
            let Some(sequence) = sequence_of(transaction, id)? else {
                return Ok(false);
            };
            for (name, value) in tags {
                insert_tag(transaction, sequence, name, value)?;
            }
            Ok(true)
        })
    }

    /// Removes a tag; returns whether it was set.
    pub(crate) fn untag(&mut self, id: &CommitId, name: &str) -> Result<bool> {
        self.writing(|transaction| {
            let Some(sequence) = sequence_of(transaction, id)? else {
                return Ok(false);
            };
            let removed = transaction
                .execute("DELETE FROM tags WHERE sequence = ?1 AND name = ?2", params![sequence, name])?;
            Ok(removed > 0)
        })
    }
}

fn insert_one(
    transaction: &Transaction<'_>,
    new: NewCommit<'_>,
) -> rusqlite::Result<(Commit, CommitId, bool)> {
    let mut commit = new.commit;
    if new.parent == Parent::Newest {
        commit.parent = newest_of_lineage(transaction, &commit)?;
    }
    let body = commit.to_bytes();
    let id = CommitId(Digest::of(&body));
    let never = matches!(commit.replay, Replay::Never { .. });
    let state = if never { State::NEVER } else { State::REPLAYABLE };
    let (sequence, clock) = next_sequence(transaction)?;
    let clock = clock.see(commit.started);
    let brief = Brief {
        sequence,
        id,
        key: commit.key,
        lineage: commit.lineage,
        function: commit.function_id,
        name: commit.function.clone(),
        started: commit.started,
        wall: number(commit.resources.wall),
        status: status_of(commit.termination),
        state,
        size: number(new.size),
        stored: number(new.stored),
        hits: 0,
        // After the clock was set back, nothing may look old.
        used: clock.believed.map_or(commit.started, |believed| believed.max(commit.started)),
        blobs: new.blobs,
    };
    if !insert_brief(transaction, &brief, "IGNORE")? {
        if let Some(known) = brief_of(transaction, &id)? {
            let revived = known.state != state;
            if revived {
                revive(transaction, known, state, brief.blobs)?;
            }
            return Ok((commit, id, revived));
        }
        // The existing row does not verify.
        insert_brief(transaction, &brief, "REPLACE")?;
    }
    let split = questions::split_all(&commit.observations, &commit.products);
    let stored = Stored::of(&mut commit, body, &split);
    let (body, manifest) = (pack(&stored.body), pack(new.manifest));
    let seal = seal_of_body(sequence, &body, &manifest);
    let mut statement = transaction.prepare_cached(INSERT_BODY)?;
    statement.execute(params![sequence, body, manifest, seal, stored.names()])?;
    stored.insert(transaction)?;
    if !never {
        let (asked, found) = questions::digests(&split);
        let mut statement = transaction.prepare_cached(INSERT_ANSWERS)?;
        statement.execute(params![sequence, short(&commit.key.0), short(&asked), short(&found)])?;
    }
    for (name, value) in new.tags {
        insert_tag(transaction, sequence, name, value)?;
    }
    insert_edges(transaction, sequence, new.consumed)?;
    let mut statement = transaction.prepare_cached(INSERT_PRODUCT)?;
    for (digest, path) in &new.products {
        let seal = seal_of_product(digest, sequence, path);
        statement.execute(params![digest.as_bytes(), sequence, path, seal])?;
    }
    let mut statement = transaction.prepare_cached(COUNT)?;
    let (blobs, stored) = new.added;
    let (believed, suspect) = (clock.believed.map(|time| time.0), clock.suspect.map(|time| time.0));
    let results = i64::from(!never);
    statement.execute(params![
        sequence.saturating_add(1),
        results,
        number(blobs),
        brief.size,
        number(stored),
        believed,
        suspect
    ])?;
    Ok((commit, id, true))
}

/// The number of the next commit, and the state of the clock.
fn next_sequence(transaction: &Transaction<'_>) -> rusqlite::Result<(i64, Clock)> {
    transaction.prepare_cached(NEXT)?.query_row([], |row| Ok((row.get(0)?, clock_of(row, 1)?)))
}

/// Adds a row; returns `false` where one with this id exists.
fn insert_brief(transaction: &Transaction<'_>, brief: &Brief, otherwise: &str) -> rusqlite::Result<bool> {
    let mut statement = transaction.prepare_cached(&insert_brief_sql(otherwise))?;
    let added = statement.execute(params![
        brief.sequence,
        brief.id.0.as_bytes(),
        brief.key.0.as_bytes(),
        brief.lineage.0.as_bytes(),
        brief.function.as_bytes(),
        brief.name,
        brief.started.0,
        brief.wall,
        brief.status,
        brief.state.bits(),
        brief.size,
        brief.stored,
        brief.hits,
        brief.used.0,
        brief.packed_blobs(),
        brief.seal(),
    ])?;
    Ok(added > 0)
}

fn newest_of_lineage(transaction: &Transaction<'_>, commit: &Commit) -> rusqlite::Result<Option<CommitId>> {
    let mut query = transaction.prepare_cached(&newest_of_lineage_sql())?;
    let mut rows = query.query([commit.lineage.0.as_bytes()])?;
    while let Some(row) = rows.next()? {
        if let Some(brief) = Brief::read(row) {
            return Ok(Some(brief.id));
        }
    }
    Ok(None)
}

/// Those of the consumed digests that a recorded commit produced.
fn insert_edges(transaction: &Transaction<'_>, sequence: i64, consumed: &[Digest]) -> rusqlite::Result<()> {
    if consumed.is_empty() {
        return Ok(());
    }
    let mut find = transaction.prepare_cached(FIND_PRODUCT)?;
    for digest in consumed {
        if find.exists([digest.as_bytes()])? {
            let mut insert = transaction.prepare_cached(INSERT_EDGE)?;
            insert.execute(params![digest.as_bytes(), sequence, seal_of_edge(digest, sequence)])?;
        }
    }
    Ok(())
}

fn insert_tag(transaction: &Transaction<'_>, sequence: i64, name: &str, value: &str) -> rusqlite::Result<()> {
    let mut statement = transaction.prepare_cached("INSERT OR REPLACE INTO tags VALUES (?1, ?2, ?3, ?4)")?;
    statement.execute(params![sequence, name, value, seal_of_tag(sequence, name, value)])?;
    Ok(())
}

/// The sequence number of a commit whose row verifies.
pub(super) fn sequence_of(transaction: &Transaction<'_>, id: &CommitId) -> rusqlite::Result<Option<i64>> {
    Ok(brief_of(transaction, id)?.map(|brief| brief.sequence))
}

fn brief_of(transaction: &Transaction<'_>, id: &CommitId) -> rusqlite::Result<Option<Brief>> {
    let mut query = transaction.prepare_cached(&format!("SELECT {BRIEF} FROM commits WHERE id = ?1"))?;
    Ok(query.query_row([id.0.as_bytes()], |row| Ok(Brief::read(row))).optional()?.flatten())
}

fn mark_one(transaction: &Transaction<'_>, id: &CommitId, state: State) -> rusqlite::Result<()> {
    let Some(mut brief) = brief_of(transaction, id)? else {
        return Ok(());
    };
    let was = brief.state;
    brief.state = was.with(state);
    if brief.state.has(State::EVICTED) {
        brief.blobs.clear();
    }
    update_state(transaction, &brief)?;
    if was == State::REPLAYABLE && brief.state != was {
        transaction.execute("UPDATE totals SET results = max(results - 1, 0) WHERE one = 1", [])?;
    }
    Ok(())
}

/// Restores the state of a commit whose blobs are in place again.
fn revive(
    transaction: &Transaction<'_>,
    mut brief: Brief,
    state: State,
    blobs: Vec<BlobId>,
) -> rusqlite::Result<()> {
    (brief.state, brief.blobs) = (state, blobs);
    update_state(transaction, &brief)?;
    let results = i64::from(state == State::REPLAYABLE);
    transaction.execute("UPDATE totals SET results = results + ?1, revived = revived + 1", [results])?;
    Ok(())
}

fn update_state(transaction: &Transaction<'_>, brief: &Brief) -> rusqlite::Result<()> {
    let mut statement = transaction
        .prepare_cached("UPDATE commits SET state = ?2, blobs = ?3, seal = ?4 WHERE sequence = ?1")?;
    statement.execute(params![brief.sequence, brief.state.bits(), brief.packed_blobs(), brief.seal()])?;
    Ok(())
}

/// The state of the clock.
pub(super) fn read_clock(transaction: &Transaction<'_>) -> rusqlite::Result<Clock> {
    transaction.prepare_cached(CLOCK)?.query_row([], |row| clock_of(row, 0))
}

/// The state of the clock, as two columns.
fn clock_of(row: &Row<'_>, column: usize) -> rusqlite::Result<Clock> {
    let time = |column| row.get::<_, Option<i64>>(column).map(|time| time.map(Timestamp));
    Ok(Clock { believed: time(column)?, suspect: time(column + 1)? })
}
