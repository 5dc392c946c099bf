//! Counts pairs of sources by the verdicts of the oracle and the normal form.

use std::collections::BTreeMap;

/// Counts for one kind of change.
#[derive(Default)]
struct Row {
    different: u64,
    broken: u64,
    same: u64,
    kept: u64,
    exact: u64,
}

/// Counts by kind of change, and every pair with wrongly equal forms.
#[derive(Default)]
pub(crate) struct Tally {
    rows: BTreeMap<String, Row>,
    pub(crate) false_equal: Vec<String>,
    /// The first pairs of equal programs with different forms.
    pub(crate) false_different: Vec<String>,
}

impl Tally {
    /// Counts a pair whose original has no normal form: it is compared byte for byte.
    pub(crate) fn exact(&mut self, kind: &str) {
        self.rows.entry(kind.to_owned()).or_default().exact += 1;
    }

    /// Counts one pair: the trees of the oracle (`None`: it does not parse), and whether the forms are equal.
    pub(crate) fn pair(
        &mut self,
        kind: &str,
        trees: (&str, Option<&str>),
        equal: bool,
        shown: impl Fn() -> String,
    ) {
        let row = self.rows.entry(kind.to_owned()).or_default();
        let (one, other) = trees;
        match other {
            Some(other) if one == other => {
                row.same += 1;
                if equal {
                    row.kept += 1;
                } else if self.false_different.len() < 40 {
                    self.false_different.push(shown());
                }
                return;
            }
            Some(_) => row.different += 1,
            None => row.broken += 1,
        }
        if equal {
            self.false_equal.push(shown());
        }
    }

    /// Number of pairs that differ according to the oracle, or do not parse.
    pub(crate) fn unequal(&self) -> u64 {
        self.rows.values().map(|row| row.different + row.broken).sum()
    }

    pub(crate) fn same(&self) -> u64 {
        self.rows.values().map(|row| row.same).sum()
    }

    pub(crate) fn kept(&self) -> u64 {
        self.rows.values().map(|row| row.kept).sum()
    }

    /// Prints the counts.
    pub(crate) fn print(&self, title: &str) {
        eprintln!(
            "{title}: {} false equal; same {}, kept {}",
            self.false_equal.len(),
            self.same(),
            self.kept()
        );
        for (kind, row) in &self.rows {
            let Row { different, broken, same, kept, exact } = row;
            eprintln!(
                "  {kind:18} different {different:6}  broken {broken:6}  same {same:6}  kept {kept:6}  exact {exact:6}"
            );
        }
        for shown in self.false_different.iter().take(if super::full() { 40 } else { 0 }) {
            eprintln!("  not kept: {shown:.200}");
        }
    }

    /// Fails where two different programs have the same form.
    pub(crate) fn assert_sound(&self) {
        let first: Vec<&String> = self.false_equal.iter().take(5).collect();
        assert!(first.is_empty(), "{} pairs wrongly equal, the first:\n{first:#?}", self.false_equal.len());
    }
}
