//! Long lists of observations are divided into parts. A part that several runs share is stored once.
//!
//! The digest of its content names and verifies a part. Bodies of commits refer to parts; collection removes those without a
//! reference.

use super::Index;
use super::record::{bytes, digest, pack, unpack};
use crate::digest::{DIGEST_LENGTH, Digest};
use crate::encode::{Decode, Decoder, Encode, Encoder};
use crate::error::Result;
use crate::record::Commit;
use crate::record::questions::{self, Split};
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use std::collections::HashSet;

/// First field of a body whose observations are in parts. In any other body the first field is the version, which never has this
/// value.
const IN_PARTS: u64 = 0;

const FIND: &str = "SELECT body FROM parts WHERE id = ?1";
const INSERT: &str = "INSERT OR REPLACE INTO parts (id, body) VALUES (?1, ?2)";

/// The body of a commit, and the parts that it refers to.
pub(super) struct Stored<'a> {
    pub(super) body: Vec<u8>,
    parts: Vec<(Digest, &'a [u8])>,
}

impl<'a> Stored<'a> {
    /// The body of the commit that is encoded as `whole` and whose observations are divided as in `split`.
    pub(super) fn of(commit: &mut Commit, whole: Vec<u8>, split: &'a [Split]) -> Self {
        if split.len() < 2 {
            return Self { body: whole, parts: Vec::new() };
        }
        let observations = std::mem::take(&mut commit.observations);
        let rest = commit.to_bytes();
        commit.observations = observations;
        let (mut to, mut parts) = (Encoder::new(), Vec::new());
        to.unsigned(IN_PARTS).length(split.len());
        for Split { questions, answers, left } in split {
            for part in [questions, answers] {
                let id = Digest::of(part);
                to.digest(&id);
                parts.push((id, part.as_slice()));
            }
            to.bytes(left);
        }
        to.bytes(&rest);
        Self { body: to.finish(), parts }
    }

    /// The concatenated names of the parts; `None` where there are none.
    pub(super) fn names(&self) -> Option<Vec<u8>> {
        let names = || self.parts.iter().flat_map(|(id, _)| id.as_bytes().iter().copied()).collect();
        (!self.parts.is_empty()).then(names)
    }

    /// Stores the parts that are missing or damaged.
    pub(super) fn insert(&self, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
        for (id, part) in &self.parts {
            if find(transaction, id)?.is_none() {
                transaction.prepare_cached(INSERT)?.execute(params![id.as_bytes(), pack(part)])?;
            }
        }
        Ok(())
    }
}

/// A part, if it exists and verifies.
fn find(connection: &Connection, id: &Digest) -> rusqlite::Result<Option<Vec<u8>>> {
    let mut query = connection.prepare_cached(FIND)?;
    let found = query.query_row([id.as_bytes()], |row| Ok(bytes(row, 0).and_then(unpack))).optional()?;
    Ok(found.flatten().filter(|part| Digest::of(part) == *id))
}

/// The commit with this body; `None` where the body does not verify or a part is missing.
pub(super) fn commit_of(body: &[u8], connection: &Connection) -> Option<Commit> {
    let mut from = Decoder::new(body);
    if from.unsigned().ok()? != IN_PARTS {
        return Commit::from_bytes(body).ok();
    }
    let part = |id: Digest| find(connection, &id).ok().flatten();
    let mut observations = Vec::new();
    for _ in 0..from.length().ok()? {
        let (asked, found) = (part(from.digest().ok()?)?, part(from.digest().ok()?)?);
        observations.extend(questions::join(&asked, &found, from.bytes().ok()?).ok()?.observations);
    }
    let mut commit = Commit::from_bytes(from.bytes().ok()?).ok()?;
    from.finish().ok()?;
    commit.observations = observations;
    Some(commit)
}

impl Index {
    /// Removes the parts that no body refers to; returns how many. This is one transaction, so that no commit is added meanwhile.
    pub(crate) fn prune_parts(&mut self) -> Result<u64> {
        self.writing(|transaction| {
            let mut needed: HashSet<Digest> = HashSet::new();
            let mut query = transaction.prepare("SELECT parts FROM bodies WHERE parts IS NOT NULL")?;
            let mut rows = query.query([])?;
            while let Some(row) = rows.next()? {
                let (names, _) = bytes(row, 0).unwrap_or_default().as_chunks::<DIGEST_LENGTH>();
                needed.extend(names.iter().map(|name| Digest::from_bytes(*name)));
            }
            let mut query = transaction.prepare("SELECT id FROM parts")?;
            let mut rows = query.query([])?;
            let mut spare = Vec::new();
            while let Some(row) = rows.next()? {
                spare.extend(digest(row, 0).filter(|id| !needed.contains(id)));
            }
            let mut delete = transaction.prepare("DELETE FROM parts WHERE id = ?1")?;
            spare.iter().try_for_each(|id| delete.execute([id.as_bytes()]).map(|_| ()))?;
            Ok(spare.len() as u64)
        })
    }

    /// Keeps those of `ids` that name no part.
    pub(crate) fn without_parts(&self, ids: &mut Vec<Digest>) -> Result<()> {
        self.reading(|connection| {
            let mut query = connection.prepare_cached("SELECT 1 FROM parts WHERE id = ?1")?;
            let mut spare = Vec::new();
            for id in ids.iter() {
                if !query.exists([id.as_bytes()])? {
                    spare.push(*id);
                }
            }
            *ids = spare;
            Ok(())
        })
    }

    /// Number of damaged parts. Removes them, except with `look_only`.
    pub(crate) fn untrue_parts(&mut self, look_only: bool) -> Result<u64> {
        self.writing(|transaction| {
            let mut query = transaction.prepare("SELECT id, body FROM parts")?;
            let mut rows = query.query([])?;
            let mut untrue: Vec<Vec<u8>> = Vec::new();
            while let Some(row) = rows.next()? {
                let is_true = digest(row, 0).is_some_and(|id| {
                    bytes(row, 1).and_then(unpack).is_some_and(|part| Digest::of(&part) == id)
                });
                if !is_true {
                    untrue.extend(bytes(row, 0).map(<[u8]>::to_vec));
                }
            }
            if !look_only {
                let mut delete = transaction.prepare("DELETE FROM parts WHERE id = ?1")?;
                untrue.iter().try_for_each(|id| delete.execute([id]).map(|_| ()))?;
            }
            Ok(untrue.len() as u64)
        })
    }
}
