//! Queries. Rows that do not verify are skipped.

use super::Index;
use super::record::{
    BRIEF, Brief, State, bytes, digest, read_body, seal_of_edge, seal_of_product, seal_of_tag, short,
};
use crate::digest::{CommitId, Digest, Key, LineageId};
use crate::error::Result;
use crate::record::{Commit, Timestamp, questions};
use rusqlite::types::Value;
use rusqlite::{Connection, Params, Row, params, params_from_iter};
use std::collections::HashMap;

/// Selects commits. Fields that are `None` or empty select all.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Of this lineage.
    pub lineage: Option<LineageId>,
    /// Whose function's name contains these bytes.
    pub function: Option<Vec<u8>>,
    /// With these tags, each with a certain value or any.
    pub tags: Vec<(String, Option<String>)>,
    /// Ended in this way.
    pub status: Option<StatusFilter>,
    /// Started at this time or later.
    pub since: Option<Timestamp>,
    /// Whether they may answer a call.
    pub replayable: Option<bool>,
}

/// Ends of runs that a filter selects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusFilter {
    /// With exit status 0.
    Succeeded,
    /// With another status, or by a signal.
    Failed,
    /// By a signal.
    Signaled,
    /// With this status.
    Exited(u8),
}

/// A commit with its row and its tags.
#[derive(Clone, Debug)]
pub(crate) struct Listed {
    pub(crate) brief: Brief,
    pub(crate) commit: Commit,
    pub(crate) manifest: Vec<u8>,
    pub(crate) tags: Vec<(String, String)>,
}

/// The columns of a commit and its body, and the tables that they are in.
fn whole_from(condition: &str) -> String {
    let columns: Vec<String> = BRIEF.split(", ").map(|column| format!("commits.{}", column.trim())).collect();
    format!(
        "SELECT {}, bodies.body, bodies.manifest, bodies.seal \
         FROM commits JOIN bodies ON bodies.sequence = commits.sequence WHERE {condition}",
        columns.join(", ")
    )
}

/// Whether there are rows of replayable commits of a key.
pub(super) const HAS_REPLAYABLE: &str = "SELECT 1 FROM commits WHERE key = ?1 AND state = 0";

/// Number of columns of [`BRIEF`].
const BODY: usize = 16;

fn read_whole(row: &Row<'_>, connection: &Connection) -> Option<(Brief, Commit, Vec<u8>)> {
    let brief = Brief::read(row)?;
    let (commit, manifest) = read_body(row, BODY, &brief, connection)?;
    Some((brief, commit, manifest))
}

/// The first `limit` rows that verify.
fn collect<T>(
    connection: &Connection,
    sql: &str,
    parameters: impl Params,
    limit: usize,
    read: impl Fn(&Row<'_>) -> Option<T>,
) -> rusqlite::Result<Vec<T>> {
    let mut query = connection.prepare_cached(sql)?;
    let mut rows = query.query(parameters)?;
    let mut found = Vec::new();
    while found.len() < limit
        && let Some(row) = rows.next()?
    {
        found.extend(read(row));
    }
    Ok(found)
}

impl Index {
    /// Whether there are rows of replayable commits of `key`. They are not verified.
    pub(crate) fn has_replayable(&self, key: &Key) -> Result<bool> {
        self.reading(|connection| connection.prepare_cached(HAS_REPLAYABLE)?.exists([key.0.as_bytes()]))
    }

    /// The newest commits of `key` that may be replayed, newest first.
    pub(crate) fn replayable(&self, key: &Key, limit: usize) -> Result<Vec<(Brief, Commit)>> {
        let sql = whole_from("commits.key = ?1 AND commits.state = 0 ORDER BY commits.sequence DESC");
        self.reading(|connection| {
            let read = |row: &Row<'_>| read_whole(row, connection).map(|(brief, commit, _)| (brief, commit));
            collect(connection, &sql, [key.0.as_bytes()], limit, read)
        })
    }

    /// The newest commits of `key` that may be replayed and have these questions and answers, newest first.
    pub(crate) fn answering(
        &self,
        key: &Key,
        (questions, answers): (&Digest, &Digest),
        limit: usize,
    ) -> Result<Vec<(Brief, Commit)>> {
        let condition = "commits.state = 0 AND commits.sequence IN (SELECT sequence FROM answers \
             WHERE key = ?1 AND questions = ?2 AND answers = ?3) ORDER BY commits.sequence DESC";
        let sql = whole_from(condition);
        let wanted = params![short(&key.0), short(questions), short(answers)];
        self.reading(|connection| {
            let read = |row: &Row<'_>| {
                let (brief, commit, _) = read_whole(row, connection)?;
                let split = questions::split_all(&commit.observations, &commit.products);
                let is_it = brief.key == *key && questions::digests(&split) == (*questions, *answers);
                is_it.then_some((brief, commit))
            };
            collect(connection, &sql, wanted, limit, read)
        })
    }

    /// For each set of questions of `key` the newest commit that has it, newest first.
    pub(crate) fn newest_of_sets(&self, key: &Key, limit: usize) -> Result<Vec<(Brief, Commit)>> {
        let newest = "SELECT max(sequence) AS newest FROM answers JOIN commits USING (sequence) \
             WHERE answers.key = ?1 AND commits.state = 0 GROUP BY questions ORDER BY newest DESC LIMIT ?2";
        let sql = whole_from(&format!("commits.sequence IN ({newest}) ORDER BY commits.sequence DESC"));
        let wanted = params![short(&key.0), i64::try_from(limit).unwrap_or(i64::MAX)];
        self.reading(|connection| {
            let read = |row: &Row<'_>| read_whole(row, connection).map(|(brief, commit, _)| (brief, commit));
            collect(connection, &sql, wanted, limit, read)
        })
    }

    /// Number of rows of replayable commits of `key`, at most `most`. They are not verified.
    pub(crate) fn count_replayable(&self, key: &Key, most: usize) -> Result<usize> {
        let sql = "SELECT count(*) FROM (SELECT 1 FROM commits WHERE key = ?1 AND state = 0 LIMIT ?2)";
        let wanted = params![key.0.as_bytes(), i64::try_from(most).unwrap_or(i64::MAX)];
        self.reading(|connection| {
            connection.prepare_cached(sql)?.query_row(wanted, |row| row.get::<_, i64>(0))
        })
        .map(|count| usize::try_from(count).unwrap_or(usize::MAX))
    }

    /// The ids of the newest commits of `key` that may be replayed, newest first.
    pub(crate) fn replayable_ids(&self, key: &Key, limit: usize) -> Result<Vec<CommitId>> {
        let sql = format!("SELECT {BRIEF} FROM commits WHERE key = ?1 AND state = 0 ORDER BY sequence DESC");
        let read = |row: &Row<'_>| Brief::read(row).map(|brief| brief.id);
        self.reading(|connection| collect(connection, &sql, [key.0.as_bytes()], limit, read))
    }

    /// The newest commits of a lineage and their manifests, newest first.
    pub(crate) fn of_lineage(
        &self,
        lineage: &LineageId,
        limit: usize,
    ) -> Result<Vec<(Brief, Commit, Vec<u8>)>> {
        let sql = whole_from("commits.lineage = ?1 ORDER BY commits.sequence DESC");
        self.reading(|connection| {
            collect(connection, &sql, [lineage.0.as_bytes()], limit, |row| read_whole(row, connection))
        })
    }

    /// The newest commits of a function and their manifests, newest first.
    pub(crate) fn of_function(
        &self,
        function: &Digest,
        limit: usize,
    ) -> Result<Vec<(Brief, Commit, Vec<u8>)>> {
        let sql = whole_from("commits.function = ?1 ORDER BY commits.sequence DESC");
        self.reading(|connection| {
            collect(connection, &sql, [function.as_bytes()], limit, |row| read_whole(row, connection))
        })
    }

    /// One commit.
    pub(crate) fn commit(&self, id: &CommitId) -> Result<Option<Listed>> {
        let sql = whole_from("commits.id = ?1");
        self.reading(|connection| {
            let found = collect(connection, &sql, [id.0.as_bytes()], 1, |row| read_whole(row, connection))?;
            found.into_iter().next().map(|whole| with_tags(connection, whole)).transpose()
        })
    }

    /// The key of a commit.
    pub(crate) fn key_of(&self, id: &CommitId) -> Result<Option<Key>> {
        let sql = format!("SELECT {BRIEF} FROM commits WHERE id = ?1");
        let found =
            self.reading(|connection| collect(connection, &sql, [id.0.as_bytes()], 1, Brief::read))?;
        Ok(found.first().map(|brief| brief.key))
    }

    /// The state of a commit; `None` where there is no such commit.
    pub(crate) fn state_of(&self, id: &CommitId) -> Result<Option<State>> {
        let sql = format!("SELECT {BRIEF} FROM commits WHERE id = ?1");
        let found =
            self.reading(|connection| collect(connection, &sql, [id.0.as_bytes()], 1, Brief::read))?;
        Ok(found.first().map(|brief| brief.state))
    }

    /// Up to `limit` commits that `filter` selects, newest first, with sequence numbers below `before`.
    pub(crate) fn list(&self, filter: &Filter, before: i64, limit: usize) -> Result<Vec<Listed>> {
        let (condition, values) = condition_of(filter, before);
        let sql = whole_from(&format!("{condition} ORDER BY commits.sequence DESC"));
        self.reading(|connection| {
            let found = collect(connection, &sql, params_from_iter(values), limit, |row| {
                read_whole(row, connection)
            })?;
            found.into_iter().map(|whole| with_tags(connection, whole)).collect()
        })
    }

    /// Up to `limit` ids between two digests.
    pub(crate) fn between(&self, low: &Digest, high: &Digest, limit: usize) -> Result<Vec<CommitId>> {
        let sql = format!("SELECT {BRIEF} FROM commits WHERE id BETWEEN ?1 AND ?2 ORDER BY id");
        let range = params![low.as_bytes(), high.as_bytes()];
        self.reading(|connection| {
            let found = collect(connection, &sql, range, limit, Brief::read)?;
            Ok(found.into_iter().map(|brief| brief.id).collect())
        })
    }

    /// The commit that has `skipped` newer ones.
    pub(crate) fn nth_newest(&self, skipped: u64) -> Result<Option<CommitId>> {
        let sql = format!("SELECT {BRIEF} FROM commits ORDER BY sequence DESC LIMIT 16 OFFSET ?1");
        let skipped = i64::try_from(skipped).unwrap_or(i64::MAX);
        self.reading(|connection| {
            let found = collect(connection, &sql, [skipped], 1, Brief::read)?;
            Ok(found.first().map(|brief| brief.id))
        })
    }

    /// The commits that produced `product`, with its path (empty for stdout), newest first.
    pub(crate) fn producers(&self, product: &Digest) -> Result<Vec<(CommitId, Vec<u8>)>> {
        let sql = "SELECT products.sequence, products.path, products.seal, commits.id FROM products \
             JOIN commits ON commits.sequence = products.sequence \
             WHERE products.digest = ?1 ORDER BY products.sequence DESC";
        let read = |row: &Row<'_>| {
            let sequence = row.get_ref(0).ok()?.as_i64().ok()?;
            let path = bytes(row, 1)?;
            let whole = bytes(row, 2)? == seal_of_product(product, sequence, path);
            whole.then_some((CommitId(digest(row, 3)?), path.to_vec()))
        };
        self.reading(|connection| collect(connection, sql, [product.as_bytes()], usize::MAX, read))
    }

    /// The commits that consumed `product`, newest first.
    pub(crate) fn consumers(&self, product: &Digest) -> Result<Vec<CommitId>> {
        let sql = "SELECT edges.sequence, edges.seal, commits.id FROM edges \
             JOIN commits ON commits.sequence = edges.sequence \
             WHERE edges.digest = ?1 ORDER BY edges.sequence DESC";
        let read = |row: &Row<'_>| {
            let sequence = row.get_ref(0).ok()?.as_i64().ok()?;
            let whole = bytes(row, 1)? == seal_of_edge(product, sequence);
            whole.then_some(CommitId(digest(row, 2)?))
        };
        self.reading(|connection| collect(connection, sql, [product.as_bytes()], usize::MAX, read))
    }

    /// Calls `each` with every commit after the sequence number `after`, oldest first, without its body. Returns the number of rows
    /// that did not verify.
    pub(crate) fn each_brief(&self, after: i64, mut each: impl FnMut(Brief)) -> Result<u64> {
        let sql = format!("SELECT {BRIEF} FROM commits WHERE sequence > ?1 ORDER BY sequence");
        self.reading(|connection| {
            let mut query = connection.prepare_cached(&sql)?;
            let mut rows = query.query([after])?;
            let mut untrue = 0;
            while let Some(row) = rows.next()? {
                match Brief::read(row) {
                    Some(brief) => each(brief),
                    None => untrue += 1,
                }
            }
            Ok(untrue)
        })
    }

    /// The products of other commits that each commit consumed, by its sequence number.
    pub(crate) fn all_edges(&self) -> Result<HashMap<i64, Vec<Digest>>> {
        self.reading(|connection| {
            let mut query = connection.prepare_cached("SELECT digest, sequence, seal FROM edges")?;
            let mut rows = query.query([])?;
            let mut edges: HashMap<i64, Vec<Digest>> = HashMap::new();
            while let Some(row) = rows.next()? {
                let sequence: i64 = row.get(1)?;
                let product = digest(row, 0);
                if let Some(product) = product.filter(|product| {
                    bytes(row, 2).is_some_and(|seal| seal == seal_of_edge(product, sequence))
                }) {
                    edges.entry(sequence).or_default().push(product);
                }
            }
            Ok(edges)
        })
    }

    /// The tags of a commit, sorted by name.
    pub(crate) fn tags_of(&self, id: &CommitId) -> Result<Vec<(String, String)>> {
        let sql = "SELECT tags.sequence, tags.name, tags.value, tags.seal FROM tags JOIN commits \
             ON commits.sequence = tags.sequence WHERE commits.id = ?1 ORDER BY tags.name";
        let read = |row: &Row<'_>| read_tag(row).map(|(_, name, value)| (name, value));
        self.reading(|connection| collect(connection, sql, [id.0.as_bytes()], usize::MAX, read))
    }

    /// The commits that have the tag `name`, with its value.
    pub(crate) fn tagged(&self, name: &str) -> Result<Vec<(i64, String)>> {
        let sql = "SELECT sequence, name, value, seal FROM tags WHERE name = ?1";
        let read = |row: &Row<'_>| read_tag(row).map(|(sequence, _, value)| (sequence, value));
        self.reading(|connection| collect(connection, sql, [name], usize::MAX, read))
    }
}

fn condition_of(filter: &Filter, before: i64) -> (String, Vec<Value>) {
    let mut condition = "commits.sequence < ?1".to_owned();
    let mut values = vec![Value::Integer(before)];
    let mut add = |words: &str, new: Vec<Value>| {
        let mut words = words.to_owned();
        for value in new {
            values.push(value);
            words = words.replacen('?', &format!("\u{1}{}", values.len()), 1);
        }
        condition.push_str(" AND ");
        condition.push_str(&words.replace('\u{1}', "?"));
    };
    if let Some(lineage) = &filter.lineage {
        add("commits.lineage = ?", vec![Value::Blob(lineage.0.as_bytes().to_vec())]);
    }
    if let Some(part) = &filter.function {
        add("instr(commits.name, ?) > 0", vec![Value::Blob(part.clone())]);
    }
    for (name, value) in &filter.tags {
        let name = Value::Text(name.clone());
        match value {
            None => add("commits.sequence IN (SELECT sequence FROM tags WHERE name = ?)", vec![name]),
            Some(value) => add(
                "commits.sequence IN (SELECT sequence FROM tags WHERE name = ? AND value = ?)",
                vec![name, Value::Text(value.clone())],
            ),
        }
    }
    match filter.status {
        None => {}
        Some(StatusFilter::Succeeded) => add("commits.status = 0", Vec::new()),
        Some(StatusFilter::Failed) => add("commits.status <> 0", Vec::new()),
        Some(StatusFilter::Signaled) => add("commits.status >= 256", Vec::new()),
        Some(StatusFilter::Exited(status)) => {
            add("commits.status = ?", vec![Value::Integer(i64::from(status))]);
        }
    }
    if let Some(since) = filter.since {
        add("commits.started >= ?", vec![Value::Integer(since.0)]);
    }
    match filter.replayable {
        None => {}
        Some(true) => add("commits.state = 0", Vec::new()),
        Some(false) => add("commits.state <> 0", Vec::new()),
    }
    (condition, values)
}

fn with_tags(connection: &Connection, whole: (Brief, Commit, Vec<u8>)) -> rusqlite::Result<Listed> {
    let (brief, commit, manifest) = whole;
    let sql = "SELECT sequence, name, value, seal FROM tags WHERE sequence = ?1 ORDER BY name";
    let read = |row: &Row<'_>| read_tag(row).map(|(_, name, value)| (name, value));
    let tags = collect(connection, sql, [brief.sequence], usize::MAX, read)?;
    Ok(Listed { brief, commit, manifest, tags })
}

fn read_tag(row: &Row<'_>) -> Option<(i64, String, String)> {
    let text = |column| row.get_ref(column).ok()?.as_str().ok();
    let (sequence, name, value) = (row.get_ref(0).ok()?.as_i64().ok()?, text(1)?, text(2)?);
    let whole = bytes(row, 3)? == seal_of_tag(sequence, name, value);
    whole.then(|| (sequence, name.to_owned(), value.to_owned()))
}
