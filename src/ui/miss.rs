//! Why a call is a miss, in words: for the status line, for `check` and `why`, and for `--report`.
//!
//! Knows nothing of how a difference was found.

use super::changes::{self, Background};
use super::{escape, human, pieces, seen};
use crate::digest::CommitId;
use crate::hash::manifest::{Change, Part};
use crate::memo::{Difference, MissReason, cure};
use crate::record::{Base, FileState, Interleaving, Observation, Places, StoredPath};
use crate::store::LocalStore;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

/// How many differences the status line names.
pub const MOST_NAMED: usize = 3;

/// What a call was about.
#[derive(Clone, Copy)]
pub struct Call<'a> {
    /// The words of the command.
    pub words: &'a [OsString],
    /// Where its paths are.
    pub places: &'a Places,
    /// The store, if there is one.
    pub store: Option<&'a LocalStore>,
}

impl Call<'_> {
    /// The words of the command as bytes.
    #[must_use]
    pub fn words(&self) -> Vec<Vec<u8>> {
        self.words.iter().map(|word| word.as_bytes().to_vec()).collect()
    }
}

/// Why nothing was replayed, in one line that names at most three differences; `made` is what the run was recorded as.
#[must_use]
pub fn line(call: &Call<'_>, why: &MissReason, made: Option<CommitId>) -> String {
    let named = human::list(&reasons(call, why, made), MOST_NAMED);
    match why {
        MissReason::Changed { since, is_newest: false, .. } => format!("{named} since {}", since.short()),
        _ => named,
    }
}

/// What would make the next call of this kind a hit, where one thing would.
#[must_use]
pub fn cure_of(why: &MissReason) -> Option<String> {
    match why {
        MissReason::NeverKept { reason, detail, .. } => cure(reason, detail),
        MissReason::Evicted => Some("CASHET_MAX_SIZE sets how large the store may be".to_owned()),
        MissReason::Damaged(_) => Some("'cashet fsck' checks the store".to_owned()),
        MissReason::Changed { changes, .. } => {
            let options: Option<Vec<String>> = changes.iter().map(variable_option).collect();
            let options = options.filter(|options| options.len() <= MOST_NAMED)?;
            (!options.is_empty()).then(|| format!("{} if that does not matter", options.join(" ")))
        }
        _ => None,
    }
}

/// `--ignore-env NAME`, where the difference is the value of a variable that a call can leave out.
fn variable_option(difference: &Difference) -> Option<String> {
    let (Difference::Known(Change { part: Part::Variable(name), .. })
    | Difference::Seen { then: Observation::Variable { name, .. }, .. }) = difference
    else {
        return None;
    };
    (name != b"PATH").then(|| format!("--ignore-env {}", escape::word(name)))
}

/// Every reason for a miss, one phrase each, the most decisive first.
#[must_use]
pub fn reasons(call: &Call<'_>, why: &MissReason, made: Option<CommitId>) -> Vec<String> {
    vec![match why {
        MissReason::Changed { since, changes, .. } => return differences(call, changes, since, made),
        MissReason::First => "first run".to_owned(),
        MissReason::Forced => "asked for".to_owned(),
        MissReason::Evicted => "its result was evicted".to_owned(),
        MissReason::Order(Interleaving::Merged) => {
            "its record has stdout and stderr in one stream".to_owned()
        }
        MissReason::Terminal => "its output was recorded at a terminal, and would differ here".to_owned(),
        MissReason::Order(_) => "its record does not have the order of stdout and stderr".to_owned(),
        MissReason::Expired(age) => format!("{} old", human::duration(*age)),
        MissReason::Damaged(blob) => format!("stored bytes {} were damaged", blob.short()),
        MissReason::NotRestored(reason) => reason.clone(),
        MissReason::Moved(path) => format!("{} changed after this call began", path.shown().display()),
        MissReason::NeverKept { since, reason, .. } => format!("{} was not cached ({reason})", since.short()),
    }]
}

/// Differences from the commit `since` in words, the most decisive first.
#[must_use]
pub fn differences(
    call: &Call<'_>,
    differences: &[Difference],
    since: &CommitId,
    made: Option<CommitId>,
) -> Vec<String> {
    let known: Vec<Change> = differences
        .iter()
        .filter_map(|difference| match difference {
            Difference::Known(change) => Some(change.clone()),
            Difference::Seen { .. } => None,
        })
        .collect();
    let words = call.words();
    let pieces = |path: &StoredPath, form: &str| match (call.store, &made) {
        (Some(store), Some(made)) => pieces::changed_between(store, (since, made), path, form),
        _ => Vec::new(),
    };
    let there = |path: &StoredPath| Some(call.places.resolve(path).symlink_metadata().is_ok());
    let background = Background { words: &words, pieces: &pieces, there: &there };
    let mut phrases = changes::phrases(&known, background);
    let mut seen: Vec<(&Observation, &Observation)> = differences
        .iter()
        .filter_map(|difference| match difference {
            Difference::Seen { then, now } => Some((then, now)),
            Difference::Known(_) => None,
        })
        .collect();
    seen.sort_by_key(|(then, _)| rank(then));
    phrases.extend(seen.into_iter().map(|(then, now)| seen::observed(Some(then), Some(now))));
    // A file that several programs looked at differently is named once.
    let mut said = std::collections::BTreeSet::new();
    phrases.retain(|phrase| said.insert(phrase.clone()));
    phrases
}

/// How decisive a difference in what was observed is: what a user edits first, what follows from it later.
fn rank(then: &Observation) -> u8 {
    let inside = |path: &StoredPath| path.base() == Base::Root;
    match then {
        Observation::Content { path, .. } if inside(path) => 0,
        Observation::State { path, state: FileState::Directory { .. }, .. } if inside(path) => 2,
        Observation::State { path, .. } | Observation::Index { path, .. } if inside(path) => 1,
        Observation::Listing { path, .. } | Observation::Entries { path, .. } if inside(path) => 2,
        Observation::Variable { .. } | Observation::Stdin(_) | Observation::Unset { .. } => 2,
        Observation::Content { .. } | Observation::State { .. } => 3,
        Observation::TimeOrder { .. } | Observation::Around { .. } | Observation::Modified { .. } => 5,
        _ => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;

    fn content(path: StoredPath, text: &[u8]) -> Observation {
        Observation::Content { path, digest: Digest::of(text) }
    }

    fn changed(changes: Vec<Difference>, is_newest: bool) -> MissReason {
        MissReason::Changed { since: CommitId(Digest::of(b"older")), changes, is_newest }
    }

    fn file(path: StoredPath) -> Difference {
        Difference::Seen { then: content(path.clone(), b"1"), now: content(path, b"2") }
    }

    fn variable(name: &str) -> Difference {
        let value = |text: &[u8]| Observation::Variable { name: name.into(), value: Some(Digest::of(text)) };
        Difference::Seen { then: value(b"1"), now: value(b"2") }
    }

    fn shown(why: &MissReason) -> String {
        let places = Places { root: "/r".into(), home: None };
        let call = Call { words: &["make".into()], places: &places, store: None };
        line(&call, why, None)
    }

    #[test]
    fn the_most_decisive_comes_first_and_lists_end_after_three() {
        let order = |path: &str| vec![vec![StoredPath::in_root(path)]];
        let times = Difference::Seen {
            then: Observation::TimeOrder { groups: order("a") },
            now: Observation::TimeOrder { groups: order("b") },
        };
        let mut all = vec![times.clone(), variable("LR"), file(StoredPath::in_root("data.csv"))];
        assert_eq!(
            shown(&changed(all.clone(), true)),
            "data.csv changed, LR changed, order of modification times changed"
        );
        all.extend((0..10).map(|number| file(StoredPath::in_root(format!("f{number}")))));
        assert_eq!(
            shown(&changed(all.clone(), true)),
            "data.csv changed, f0 changed, f1 changed and 10 others"
        );
        all.truncate(4);
        assert!(shown(&changed(all, true)).ends_with(" and 1 other"));
    }

    #[test]
    fn an_older_run_is_named() {
        let since = CommitId(Digest::of(b"older")).short();
        let line = shown(&changed(vec![file(StoredPath::in_root("a"))], false));
        assert_eq!(line, format!("a changed since {since}"));
    }

    #[test]
    fn variables_alone_have_a_cure() {
        let cure = |changes| cure_of(&changed(changes, true));
        assert_eq!(
            cure(vec![variable("A"), variable("B")]).as_deref(),
            Some("--ignore-env A --ignore-env B if that does not matter")
        );
        assert_eq!(cure(vec![variable("A"), file(StoredPath::in_root("a"))]), None);
        assert_eq!(cure(vec![variable("PATH")]), None);
        assert_eq!(cure(["A", "B", "C", "D"].map(variable).to_vec()), None);
        let never = |reason: &str, detail: &str| MissReason::NeverKept {
            since: CommitId(Digest::of(b"x")),
            reason: reason.to_owned(),
            detail: detail.to_owned(),
        };
        assert_eq!(cure_of(&never("failed", "exit status 3")).as_deref(), Some("--cache-exit 3 caches it"));
        assert_eq!(cure_of(&MissReason::First), None);
    }
}
