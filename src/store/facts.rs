//! Facts: what recorded runs of a key and of its function did with paths. Hot entries contain a copy of those that count for them.
//!
//! A strict fact makes results less often usable. It holds for every result of the function, whether recorded before or later. So
//! hot entries that do not contain it are removed.

use super::flat::{self, Area};
use super::index::strict_of;
use super::local::LocalStore;
use super::lock;
use super::recall::write_hot;
use super::{Candidate, Entry};
use crate::digest::Key;
use crate::error::Result;
use crate::record::{Commit, Fact, FactKind, FactScope, OutputTree};
use std::collections::HashSet;
use std::fs::File;
use std::thread;
use std::time::Duration;

/// Number of attempts to lock a key whose hot entry is to be removed.
const TRIES: u32 = 20;

/// Facts about a key and its function.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    known: HashSet<Fact>,
}

impl Facts {
    /// Adds a fact.
    pub fn insert(&mut self, fact: Fact) {
        self.known.insert(fact);
    }

    /// Whether there is this fact about `path`.
    #[must_use]
    pub fn has(&self, scope: FactScope, kind: FactKind, path: &[u8]) -> bool {
        let is_known = |path: &[u8]| self.known.contains(&Fact { scope, path: path.to_vec(), kind });
        is_known(path) || (kind == FactKind::Consults && is_known(b""))
    }
}

impl LocalStore {
    /// Adds the facts of a run, before it is recorded. Removes hot entries that do not contain a fact that now counts for them. The
    /// caller holds the store's lock.
    pub(super) fn note_facts(&self, commit: &Commit, outputs: Option<&OutputTree>) -> Result<()> {
        let facts = commit.facts(outputs);
        let (key, function) = (&commit.key, &commit.function_id);
        if !self.with_index(|index| index.note_facts(commit, &facts))? {
            return Ok(());
        }
        for other in self.with_index(|index| index.keys_of_function(function))? {
            // A process that updates the entry holds the lock for a moment only. A process that runs the command writes the entry again.
            let path = self.layout().lock(&other.0.to_hex());
            let _claim = (0..TRIES).filter(|_| other != *key).find_map(|_| {
                let claim = lock::try_claim(&path).ok().flatten();
                if claim.is_none() {
                    thread::sleep(Duration::from_millis(1));
                }
                claim
            });
            flat::remove(self.layout(), Area::Keys, &other.0)?;
        }
        Ok(())
    }

    /// The strict facts about the products of candidates of one key, read once for all of them.
    fn strict(&self, candidates: &[Candidate]) -> Result<Vec<Vec<Fact>>> {
        let mut with_products =
            candidates.iter().filter(|candidate| !candidate.commit.products.all().is_empty());
        let facts = match with_products.next() {
            // Callers hold the store's lock. The next access sets a damaged database aside.
            Some(candidate) => self.read_index_locked(|index| index.facts(&candidate.commit))?,
            None => Facts::default(),
        };
        Ok(candidates.iter().map(|candidate| strict_of(&candidate.commit, &facts)).collect())
    }

    /// Sets the strict facts about their products in candidates of one key.
    pub(super) fn fill_strict(&self, candidates: &mut [Candidate]) -> Result<()> {
        let strict = self.strict(candidates)?;
        for (candidate, strict) in candidates.iter_mut().zip(strict) {
            candidate.strict = strict;
        }
        Ok(())
    }

    /// Writes a hot entry with the present facts about its products. Removes it if there are more facts afterwards.
    pub(super) fn write_hot_as_known(&self, key: &Key, entry: &mut Entry, lock: Option<&File>) -> Result<()> {
        self.fill_strict(&mut entry.results)?;
        write_hot(self.layout(), key, entry, lock)?;
        let again = self.strict(&entry.results)?;
        if entry.results.iter().zip(again).any(|(candidate, strict)| candidate.strict != strict) {
            return flat::remove(self.layout(), Area::Keys, &key.0);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fact(path: &str, kind: FactKind) -> Fact {
        Fact { scope: FactScope::Function, path: path.into(), kind }
    }

    #[test]
    fn a_file_that_was_read_says_nothing_of_others_unless_that_is_said_of_all() {
        let mut facts = Facts::default();
        facts.insert(fact("a", FactKind::Consults));
        let has =
            |facts: &Facts, path: &str| facts.has(FactScope::Function, FactKind::Consults, path.as_bytes());
        assert!(has(&facts, "a") && !has(&facts, "b"));
        assert!(!facts.has(FactScope::Key, FactKind::Consults, b"a"));
        assert!(!facts.has(FactScope::Function, FactKind::Overwrites, b"a"));
        facts.insert(fact("", FactKind::Consults));
        assert!(has(&facts, "b") && !facts.has(FactScope::Function, FactKind::Overwrites, b"b"));
    }
}
