//! Facts in the database: what runs of a function and of a key did with paths.

use super::Index;
use super::record::{bytes, digest, seal, seal_of_product};
use crate::digest::{Digest, Key};
use crate::encode::Encoder;
use crate::error::Result;
use crate::record::{Commit, Fact, FactKind, FactScope};
use crate::store::Facts;
use rusqlite::{Connection, Transaction, params};

/// Number of scopes that one step of dropping examines.
const SCOPES: usize = 64;

/// The digest that verifies a row of `facts`.
fn seal_of_fact(scope: &Digest, path: &[u8], kind: i64) -> [u8; 16] {
    let mut to = Encoder::new();
    to.text("fact").digest(scope).bytes(path).signed(kind);
    seal(to)
}

/// Added to the number of a kind where the path begins with the digest of the code that the call contains.
const INLINE: i64 = 16;

/// Reads the facts of one scope, for runs of this code.
fn read(
    connection: &Connection,
    (scope, of): (&Digest, FactScope),
    code: Option<&Digest>,
    facts: &mut Facts,
) -> rusqlite::Result<()> {
    let mut query = connection.prepare_cached("SELECT path, kind, seal FROM facts WHERE scope = ?1")?;
    let mut rows = query.query([scope.as_bytes()])?;
    while let Some(row) = rows.next()? {
        let fact = || {
            let (path, number) = (bytes(row, 0)?, row.get_ref(1).ok()?.as_i64().ok()?);
            if bytes(row, 2)? != seal_of_fact(scope, path, number) {
                return None;
            }
            let (path, number, of_code) = match path.split_first_chunk() {
                Some((code, path)) if number >= INLINE => {
                    (path, number - INLINE, Some(Digest::from_bytes(*code)))
                }
                _ => (path, number, None),
            };
            let kind = FactKind::ALL.into_iter().find(|kind| kind.number() == number)?;
            Some((of_code, Fact { scope: of, path: path.to_vec(), kind }))
        };
        // A damaged row may have said that a run read a file. To be safe, this then holds for every file.
        let lost = || Fact { scope: of, path: Vec::new(), kind: FactKind::Consults };
        match fact() {
            Some((of_code, fact)) if of_code.as_ref() == code => facts.insert(fact),
            Some(_) => {}
            None => facts.insert(lost()),
        }
    }
    Ok(())
}

impl Index {
    /// The facts about the key and the function of a commit.
    pub(crate) fn facts(&self, commit: &Commit) -> Result<Facts> {
        self.reading(|connection| {
            let (mut facts, code) = (Facts::default(), commit.inline_code());
            read(connection, (&commit.key.0, FactScope::Key), code.as_ref(), &mut facts)?;
            read(connection, (&commit.function_id, FactScope::Function), code.as_ref(), &mut facts)?;
            Ok(facts)
        })
    }

    /// Adds the facts of a run. Returns whether they make results of other runs of the function less often usable.
    pub(crate) fn note_facts(&mut self, commit: &Commit, facts: &[Fact]) -> Result<bool> {
        if facts.is_empty() {
            return Ok(false);
        }
        self.writing(|transaction| insert(transaction, commit, facts))
    }

    /// Whether a run of `function` left a file of this content at `path`.
    pub(crate) fn is_left(&self, function: &Digest, path: &[u8], content: &Digest) -> Result<bool> {
        self.reading(|connection| {
            let sql = "SELECT products.sequence, products.seal FROM products \
                 JOIN commits ON commits.sequence = products.sequence \
                 WHERE products.digest = ?1 AND products.path = ?2 AND commits.function = ?3";
            let mut query = connection.prepare_cached(sql)?;
            let mut rows = query.query(params![content.as_bytes(), path, function.as_bytes()])?;
            while let Some(row) = rows.next()? {
                let Ok(sequence) = row.get::<_, i64>(0) else { continue };
                if bytes(row, 1) == Some(&seal_of_product(content, sequence, path)[..]) {
                    return Ok(true);
                }
            }
            Ok(false)
        })
    }

    /// The keys under which runs of a function are recorded.
    pub(crate) fn keys_of_function(&self, function: &Digest) -> Result<Vec<Key>> {
        self.reading(|connection| {
            let mut query = connection.prepare("SELECT DISTINCT key FROM commits WHERE function = ?1")?;
            let mut rows = query.query([function.as_bytes()])?;
            let mut keys = Vec::new();
            while let Some(row) = rows.next()? {
                keys.extend(digest(row, 0).map(Key));
            }
            Ok(keys)
        })
    }

    /// Scopes of facts without recorded runs.
    pub(crate) fn scopes_without_runs(&self) -> Result<Vec<Digest>> {
        self.reading(|connection| {
            let sql = "SELECT DISTINCT scope FROM facts WHERE NOT EXISTS \
                 (SELECT 1 FROM commits WHERE commits.key = facts.scope) AND NOT EXISTS \
                 (SELECT 1 FROM commits WHERE commits.function = facts.scope)";
            let mut query = connection.prepare(sql)?;
            let mut rows = query.query([])?;
            let mut scopes = Vec::new();
            while let Some(row) = rows.next()? {
                scopes.extend(digest(row, 0));
            }
            Ok(scopes)
        })
    }

    /// Deletes the facts of some of these scopes, unless they have recorded runs. Returns the remaining scopes.
    pub(crate) fn drop_facts<'s>(&mut self, scopes: &'s [Digest]) -> Result<&'s [Digest]> {
        let (these, rest) = scopes.split_at_checked(SCOPES).unwrap_or((scopes, &[]));
        self.writing(|transaction| {
            let sql = "DELETE FROM facts WHERE scope = ?1 AND NOT EXISTS \
                 (SELECT 1 FROM commits WHERE commits.key = ?1) AND NOT EXISTS \
                 (SELECT 1 FROM commits WHERE commits.function = ?1)";
            let mut delete = transaction.prepare_cached(sql)?;
            these.iter().try_for_each(|scope| delete.execute([scope.as_bytes()]).map(|_| ()))
        })?;
        Ok(rest)
    }
}

fn insert(transaction: &Transaction<'_>, commit: &Commit, facts: &[Fact]) -> rusqlite::Result<bool> {
    let mut add = transaction.prepare_cached("INSERT OR IGNORE INTO facts VALUES (?1, ?2, ?3, ?4)")?;
    let mut known =
        transaction.prepare_cached("SELECT 1 FROM facts WHERE scope = ?1 AND path = ?2 AND kind = ?3")?;
    let code = commit.inline_code();
    let mut is_stricter = false;
    for fact in facts {
        let scope = match fact.scope {
            FactScope::Key => &commit.key.0,
            FactScope::Function => &commit.function_id,
        };
        let (path, of_code) = match &code {
            Some(code) => ([code.as_bytes(), fact.path.as_slice()].concat(), INLINE),
            None => (fact.path.clone(), 0),
        };
        let number = fact.kind.number() + of_code;
        let seal = seal_of_fact(scope, &path, number);
        let is_new = add.execute(params![scope.as_bytes(), path, number, seal])? > 0;
        if is_new && fact.kind.is_strict() && !is_stricter {
            let makes = FactKind::Makes.number() + of_code;
            is_stricter = fact.path.is_empty() || known.exists(params![scope.as_bytes(), path, makes])?;
        }
    }
    Ok(is_stricter)
}

/// The strict facts about the products of a commit.
pub(crate) fn strict_of(commit: &Commit, facts: &Facts) -> Vec<Fact> {
    let products = commit.products.all().iter();
    let each = products.flat_map(|product| {
        let has = |kind| facts.has(FactScope::Function, kind, &product.path);
        let kinds = [FactKind::Consults, FactKind::Clears].into_iter().filter(move |kind| has(*kind));
        kinds.map(|kind| Fact { scope: FactScope::Function, path: product.path.clone(), kind })
    });
    each.collect()
}
