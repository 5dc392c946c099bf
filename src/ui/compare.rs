//! Two runs side by side: what they depended on, and their results.
//!
//! Compares values; reads no blob: equal content has an equal name. `diff` shows all of it, `history` a line.

use super::changes::{self, Background};
use super::human;
use super::seen;
use crate::digest::BlobId;
use crate::hash::manifest::{Change, Manifest, Part};
use crate::record::{Commit, Observation, OutputEntry, OutputKind, OutputTree, StoredPath};
use std::collections::BTreeMap;

/// A commit with what belongs to it.
#[derive(Clone, Copy, Debug)]
pub struct Side<'a> {
    /// The commit.
    pub commit: &'a Commit,
    /// Its manifest.
    pub manifest: &'a Manifest,
    /// What it left behind; `None` where that is no longer stored.
    pub outputs: Option<&'a OutputTree>,
}

/// Something that one side has in another form, or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair<T> {
    /// In the older commit.
    pub before: Option<T>,
    /// In the newer one.
    pub after: Option<T>,
}

/// All differences.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// Of the manifests.
    pub changes: Vec<Change>,
    /// Of what was observed, by subject; runs that took another course observe other things.
    pub observed: Vec<Pair<Observation>>,
    /// Of the text of sources, those included whose code is the same.
    pub sources: BTreeMap<StoredPath, Pair<BlobId>>,
    /// Whether they ended differently.
    pub termination: bool,
    /// Whether stdout differs.
    pub stdout: bool,
    /// Whether stderr differs.
    pub stderr: bool,
    /// Of the outputs, by path.
    pub outputs: BTreeMap<Vec<u8>, Pair<OutputEntry>>,
    /// Whether the outputs differ, and how is no longer stored.
    pub outputs_unknown: bool,
}

impl Comparison {
    /// Compares two commits.
    #[must_use]
    pub fn of(before: Side<'_>, after: Side<'_>) -> Self {
        let sources = |commit: &Commit| {
            commit.sources.iter().map(|source| (source.path.clone(), source.blob)).collect::<BTreeMap<_, _>>()
        };
        let entries = |tree: &OutputTree| {
            tree.entries().iter().map(|entry| (entry.path.clone(), entry.clone())).collect::<BTreeMap<_, _>>()
        };
        let outputs = match (before.outputs, after.outputs) {
            (Some(before), Some(after)) => Some(pairs(entries(before), entries(after))),
            _ => None,
        };
        let observations = |commit: &Commit| {
            let all = commit.observations.iter();
            all.map(|each| (seen::subject(each), each.clone())).collect::<BTreeMap<_, _>>()
        };
        let observed = pairs(observations(before.commit), observations(after.commit));
        Self {
            changes: after.manifest.diff(before.manifest),
            observed: observed.into_values().collect(),
            sources: pairs(sources(before.commit), sources(after.commit)),
            termination: before.commit.termination != after.commit.termination,
            stdout: before.commit.stdout != after.commit.stdout,
            stderr: before.commit.stderr != after.commit.stderr,
            outputs_unknown: outputs.is_none() && before.commit.outputs != after.commit.outputs,
            outputs: outputs.unwrap_or_default(),
        }
    }

    /// Whether anything differs but the moment and the duration.
    #[must_use]
    pub fn differs(&self) -> bool {
        !self.changes.is_empty() || !self.observed.is_empty() || self.differs_in_result()
    }

    /// Whether the results differ.
    #[must_use]
    pub fn differs_in_result(&self) -> bool {
        self.termination || self.stdout || self.stderr || !self.outputs.is_empty() || self.outputs_unknown
    }

    /// What decided the results differently, in words: facts, then observations that both runs made.
    #[must_use]
    pub fn causes(&self, background: Background<'_>) -> Vec<String> {
        let mut phrases = changes::phrases(&self.changes, background);
        phrases.extend(
            self.observed
                .iter()
                .filter(|pair| pair.before.is_some() && pair.after.is_some())
                .map(|pair| seen::observed(pair.before.as_ref(), pair.after.as_ref())),
        );
        phrases
    }

    /// What became different, in words: `exit 1, was ok`, `stdout differs`, `2 outputs differ`.
    #[must_use]
    pub fn effects(&self, before: &Commit, after: &Commit) -> Vec<String> {
        let mut phrases = Vec::new();
        if self.termination {
            let (was, is) = (human::termination(before.termination), human::termination(after.termination));
            phrases.push(format!("{is}, was {was}"));
        }
        if self.stdout {
            phrases.push("stdout differs".to_owned());
        }
        if self.stderr {
            phrases.push("stderr differs".to_owned());
        }
        if !self.outputs.is_empty() {
            let number = u64::try_from(self.outputs.len()).unwrap_or(u64::MAX);
            phrases.push(format!(
                "{} {}",
                human::count(number, "output"),
                if number == 1 { "differs" } else { "differ" }
            ));
        }
        if self.outputs_unknown {
            phrases.push("outputs differ".to_owned());
        }
        phrases
    }

    /// The changes of these parts, in words.
    #[must_use]
    pub fn changes_of(&self, wanted: impl Fn(&Part) -> bool, background: Background<'_>) -> Vec<String> {
        let of_parts: Vec<Change> =
            self.changes.iter().filter(|change| wanted(&change.part)).cloned().collect();
        changes::phrases(&of_parts, background)
    }
}

/// What is not the same in both.
fn pairs<K: Ord, V: PartialEq>(before: BTreeMap<K, V>, after: BTreeMap<K, V>) -> BTreeMap<K, Pair<V>> {
    let mut all: BTreeMap<K, Pair<V>> =
        before.into_iter().map(|(key, value)| (key, Pair { before: Some(value), after: None })).collect();
    for (key, value) in after {
        all.entry(key).or_insert(Pair { before: None, after: None }).after = Some(value);
    }
    all.retain(|_, pair| pair.before != pair.after);
    all
}

/// What became of an output, in words.
#[must_use]
pub fn output(pair: &Pair<OutputEntry>) -> String {
    match (&pair.before, &pair.after) {
        (None, Some(entry)) => format!("added: {}", what(&entry.kind)),
        (Some(entry), None) => format!("no longer: {}", what(&entry.kind)),
        (Some(before), Some(after)) => match (&before.kind, &after.kind) {
            (
                OutputKind::File { content: was, mode: first, .. },
                OutputKind::File { content: is, mode: second, .. },
            ) if was != is => {
                let mode = if first == second {
                    String::new()
                } else {
                    format!(", mode {first:03o} → {second:03o}")
                };
                format!("{} → {}{mode}", human::size(was.size), human::size(is.size))
            }
            (OutputKind::File { mode: first, .. }, OutputKind::File { mode: second, .. })
            | (OutputKind::Directory { mode: first }, OutputKind::Directory { mode: second })
                if first != second =>
            {
                format!("mode {first:03o} → {second:03o}")
            }
            (was, is) => format!("{} → {}", what(was), what(is)),
        },
        (None, None) => String::new(),
    }
}

/// How the permission bits of a file changed, if they did.
#[must_use]
pub fn modes(pair: &Pair<OutputEntry>) -> Option<String> {
    let mode = |entry: &Option<OutputEntry>| match entry.as_ref().map(|entry| &entry.kind) {
        Some(OutputKind::File { mode, .. } | OutputKind::Sparse { mode, .. }) => Some(*mode),
        _ => None,
    };
    let (first, second) = (mode(&pair.before)?, mode(&pair.after)?);
    (first != second).then(|| format!("mode {first:03o} → {second:03o}"))
}

/// What an output is, in words.
#[must_use]
pub fn what(kind: &OutputKind) -> String {
    match kind {
        OutputKind::File { content, .. } => human::size(content.size),
        OutputKind::Sparse { data, size, .. } => {
            format!("{}, {} without its holes", human::size(*size), human::size(data.size))
        }
        OutputKind::Directory { .. } => "directory".to_owned(),
        OutputKind::Symlink { text } => format!("→ {}", super::escape::line(text)),
        OutputKind::Removed => "removed".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::commits::tests::commit;
    use super::*;
    use crate::digest::Digest;
    use crate::hash::manifest::Value;
    use crate::record::{Content, Termination};

    fn file(path: &str, text: &str, mode: u32) -> OutputEntry {
        let content = Content { blob: BlobId(Digest::of(text.as_bytes())), size: text.len() as u64 };
        OutputEntry::new(path, OutputKind::File { content, mode, sparse: false })
    }

    #[test]
    fn what_differs_is_found_and_worded() {
        let (mut first, mut second) = (commit("python3 train.py", 100), commit("python3 train.py", 10));
        let mut older = Manifest::default();
        older.set(Part::Variable(b"LR".to_vec()), Value::Absent);
        let mut newer = older.clone();
        newer.set(Part::Variable(b"LR".to_vec()), Value::Digest(Digest::of(b"1")));
        let read = |text: &str| Observation::Content {
            path: StoredPath::in_root("data.csv"),
            digest: Digest::of(text.as_bytes()),
        };
        first.observations = vec![read("a"), Observation::Umask(0o22)];
        second.observations = vec![read("b")];
        second.termination = Termination::Exited(1);
        second.stderr = Content { blob: BlobId(Digest::of(b"error")), size: 5 };
        let before =
            OutputTree::new(vec![file("a", "1", 0o644), file("b", "2", 0o644), file("c", "3", 0o644)]);
        let after =
            OutputTree::new(vec![file("a", "1", 0o644), file("b", "22", 0o755), file("d", "4", 0o644)]);
        let compared = Comparison::of(
            Side { commit: &first, manifest: &older, outputs: Some(&before) },
            Side { commit: &second, manifest: &newer, outputs: Some(&after) },
        );
        let background =
            Background { words: &second.words, pieces: &changes::no_pieces, there: &changes::not_of_now };
        assert!(compared.differs() && compared.differs_in_result());
        assert_eq!(compared.causes(background), ["LR set", "data.csv changed"]);
        assert_eq!(
            compared.effects(&first, &second),
            ["exit 1, was ok", "stderr differs", "3 outputs differ"]
        );
        let outputs: Vec<String> = compared.outputs.values().map(output).collect();
        assert_eq!(outputs, ["1 B → 2 B, mode 644 → 755", "no longer: 1 B", "added: 1 B"]);
        assert_eq!(compared.observed.len(), 2);
    }

    #[test]
    fn a_commit_does_not_differ_from_itself() {
        let commit = commit("python3 train.py", 100);
        let (manifest, outputs) = (Manifest::default(), OutputTree::default());
        let side = Side { commit: &commit, manifest: &manifest, outputs: Some(&outputs) };
        assert!(!Comparison::of(side, side).differs());
    }
}
