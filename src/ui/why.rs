//! Why a call is a hit or a miss, in at most ten lines: for `why`, `check --explain` and `exec --explain`.

use super::json::{self, Object};
use super::miss::{self, Call};
use super::{escape, facts, human};
use crate::digest::CommitId;
use crate::hash::manifest::{Change, Manifest, Part, Value};
use crate::memo::{Bypass, Checked, Difference, MissReason};
use crate::record::{FileState, Observation};
use std::os::unix::ffi::OsStrExt;

/// No explanation is longer.
pub const MOST_LINES: usize = 10;

/// So many reasons are named at most: one line is the head, three may say what to do.
const MOST_REASONS: usize = 6;

/// So many kinds of dependencies are named at most.
const MOST_KINDS: usize = 8;

/// So many dependencies of one kind are named at most.
const MOST_NAMED: usize = 3;

/// An explanation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Why {
    /// `hit`, `miss`, `bypass` or `ran`.
    pub outcome: &'static str,
    /// The run that it is about: the one that answers, or the one that was compared.
    pub commit: Option<CommitId>,
    /// What stands beside the outcome in the first line.
    pub about: Vec<String>,
    /// The reasons of a miss, the most decisive first; what a hit depends on.
    pub reasons: Vec<String>,
    /// What to do about it.
    pub cures: Vec<String>,
}

impl Why {
    /// Why a call would be answered so.
    #[must_use]
    pub fn of(call: &Call<'_>, checked: &Checked) -> Self {
        match checked {
            Checked::Hit { commit, observations } => {
                let manifest = call.store.and_then(|store| store.row(commit).ok().flatten());
                let manifest = manifest.and_then(|row| crate::encode::Decode::from_bytes(&row.manifest).ok());
                Self {
                    outcome: "hit",
                    commit: Some(*commit),
                    about: vec![commit.short()],
                    reasons: dependencies(call, observations, manifest.as_ref()),
                    cures: vec![format!("all of it: cashet show --all {}", commit.short())],
                }
            }
            Checked::Miss { why, .. } => Self::of_miss(call, why),
            Checked::Bypass(bypass) => Self::of_bypass(bypass),
        }
    }

    fn of_miss(call: &Call<'_>, why: &MissReason) -> Self {
        let mut made = Self { outcome: "miss", reasons: miss::reasons(call, why, None), ..Self::default() };
        let command = escape::words(&call.words());
        match why {
            MissReason::Changed { since, changes, .. } => {
                made.commit = Some(*since);
                made.about.push(format!("compared with {}", since.short()));
                let options: Vec<String> = options(changes);
                if !options.is_empty() {
                    made.cures.push(format!("to ignore that: {}", options.join(" ")));
                }
                if changes.iter().all(may_be_accepted) {
                    made.cures.push(format!("to accept the old result: cashet accept -- {command}"));
                }
            }
            MissReason::NeverKept { since, reason, detail } => {
                made.commit = Some(*since);
                let detail = if detail.is_empty() { reason } else { detail };
                made.reasons =
                    vec![format!("{} was not cached: {}", since.short(), escape::line(detail.as_bytes()))];
                made.cures.extend(miss::cure_of(why));
            }
            _ => made.cures.extend(miss::cure_of(why)),
        }
        made
    }

    fn of_bypass(bypass: &Bypass) -> Self {
        Self {
            outcome: "bypass",
            reasons: vec![bypass.detail()],
            cures: bypass.cure().into_iter().collect(),
            ..Self::default()
        }
    }

    /// The explanation in at most ten lines, of at most `width` columns each.
    #[must_use]
    pub fn lines(&self, width: Option<usize>) -> Vec<String> {
        let head = std::iter::once(self.outcome).chain(self.about.iter().map(String::as_str));
        let mut lines = vec![head.collect::<Vec<_>>().join(" · ")];
        let room = MOST_LINES - 1 - self.cures.len().min(MOST_LINES - 2);
        let most =
            if self.reasons.len() <= room { room } else { room.min(MOST_REASONS + 1).saturating_sub(1) };
        lines.extend(self.reasons.iter().take(most).map(|reason| format!("  {reason}")));
        if let Some(left) = self.reasons.len().checked_sub(most).filter(|left| *left > 0) {
            lines.push(format!("  and {}", human::others(left)));
        }
        lines.extend(self.cures.iter().take(MOST_LINES - 2).cloned());
        let fitted = lines.into_iter().map(|line| {
            let line = escape::line(line.as_bytes()).into_owned();
            width.map_or(line.clone(), |width| escape::cut(&line, width).into_owned())
        });
        fitted.collect()
    }

    /// The whole explanation for programs.
    #[must_use]
    pub fn json(&self) -> Object {
        let texts = |all: &[String]| all.iter().map(String::as_str).collect::<serde_json::Value>();
        Object::whole()
            .with("outcome", self.outcome)
            .with("commit", self.commit.map_or(serde_json::Value::Null, |commit| json::digest(&commit.0)))
            .with("reasons", texts(&self.reasons))
            .with("cures", texts(&self.cures))
    }
}

/// Options by which the differences would no longer count.
fn options(changes: &[Difference]) -> Vec<String> {
    let mut options: Vec<String> = changes
        .iter()
        .filter_map(|difference| match difference {
            Difference::Known(Change { part: Part::Variable(name), .. })
            | Difference::Seen { then: Observation::Variable { name, .. }, .. }
                if name != b"PATH" =>
            {
                Some(format!("--ignore-env {}", escape::word(name)))
            }
            Difference::Seen {
                then:
                    Observation::Content { path, .. }
                    | Observation::State { path, state: FileState::File { .. }, .. },
                ..
            } => Some(format!("--ignore-read {}", escape::word(path.shown().as_os_str().as_bytes()))),
            _ => None,
        })
        .collect();
    options.dedup();
    options.truncate(MOST_NAMED);
    options
}

/// Whether `accept` may take it as equal.
fn may_be_accepted(difference: &Difference) -> bool {
    match difference {
        Difference::Known(change) => crate::memo::accept::may_differ(&change.part),
        Difference::Seen { then, .. } => !matches!(
            then,
            Observation::Root(_) | Observation::RootName(_) | Observation::Network | Observation::Stdin(_)
        ),
    }
}

/// What a result depends on: for each kind its first few, those of the project first.
#[must_use]
pub fn dependencies(
    call: &Call<'_>,
    observations: &[Observation],
    manifest: Option<&Manifest>,
) -> Vec<String> {
    let words = call.words();
    let known = manifest.into_iter().flat_map(Manifest::facts).filter(|(part, value)| {
        !matches!(part, Part::Word(_) | Part::Platform | Part::Directory) && **value != Value::Absent
    });
    let known = known.map(|(part, value)| facts::fact(part, value, &words));
    let inside = observations.iter().filter(|observation| !facts::is_outside(observation));
    let mut kinds: Vec<(&'static str, Vec<String>)> = Vec::new();
    for line in known.chain(inside.map(facts::observation)) {
        let subject = if line.subject.is_empty() { line.value } else { line.subject };
        match kinds.iter_mut().find(|(kind, _)| *kind == line.kind) {
            Some((_, subjects)) => subjects.push(subject),
            None => kinds.push((line.kind, vec![subject])),
        }
    }
    let outside = observations.iter().filter(|observation| facts::is_outside(observation)).count();
    let left: usize = kinds.iter().skip(MOST_KINDS - 1).map(|(_, subjects)| subjects.len()).sum();
    kinds.truncate(MOST_KINDS - 1);
    let mut lines: Vec<String> = kinds
        .into_iter()
        .map(|(kind, mut subjects)| {
            subjects.dedup();
            format!("{kind}: {}", human::list(&subjects, MOST_NAMED))
        })
        .collect();
    if outside + left > 0 {
        lines.push(format!("and {}, {outside} of them outside the project", human::others(outside + left)));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;
    use crate::record::{Places, StoredPath};

    fn file(name: &str) -> Difference {
        let of =
            |text: &[u8]| Observation::Content { path: StoredPath::in_root(name), digest: Digest::of(text) };
        Difference::Seen { then: of(b"1"), now: of(b"2") }
    }

    fn explained(changes: Vec<Difference>) -> Why {
        let places = Places { root: "/r".into(), home: None };
        let call = Call { words: &["make".into(), "all".into()], places: &places, store: None };
        let why = MissReason::Changed { since: CommitId(Digest::of(b"x")), changes, is_newest: true };
        Why::of(&call, &Checked::Miss { why, manifest: None })
    }

    #[test]
    fn never_more_than_ten_lines_and_never_wider_than_the_screen() {
        for number in [0, 1, 2, 6, 7, 8, 9, 40] {
            let why = explained((0..number).map(|number| file(&format!("data/file-{number}.csv"))).collect());
            for width in [60, 80, 140] {
                let lines = why.lines(Some(width));
                assert!(lines.len() <= MOST_LINES, "{lines:#?}");
                assert!(lines.iter().all(|line| escape::columns(line) <= width), "{lines:#?}");
            }
            let named = why.lines(None).iter().filter(|line| line.ends_with(" changed")).count();
            let others = why.lines(None).iter().any(|line| line.starts_with("  and "));
            assert_eq!(named < number, others, "{:#?}", why.lines(None));
        }
    }

    #[test]
    fn it_says_what_to_do() {
        insta::assert_snapshot!(explained(vec![file("a.csv"), file("b.csv")]).lines(Some(80)).join("\n"), @r"
        miss · compared with 3ae7d805f678
          a.csv changed
          b.csv changed
        to ignore that: --ignore-read a.csv --ignore-read b.csv
        to accept the old result: cashet accept -- make all
        ");
    }
}
