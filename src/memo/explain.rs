//! The reason for a miss: the differences from the result that differs least.

use super::Miss;
use super::asked::Asked;
use super::compare::difference;
use super::products::{self, Others};
use super::reason::{Difference, MissReason};
use super::stdin::StdinAtStart;
use crate::digest::CommitId;
use crate::encode::Decode;
use crate::hash::capture::Captured;
use crate::hash::holds::Present;
use crate::hash::manifest::{Change, Manifest};
use crate::hash::request::Request;
use crate::record::{Commit, Interleaving, Replay};
use crate::store::{Candidate, Depends, Facts, QuestionSet, ResultIndex};
use std::os::unix::ffi::OsStringExt;

/// Number of runs of a command line that are searched for the one that differs least.
const RECENT: usize = 8;

/// The results of a key that were tried; none holds.
pub(super) struct Tried<'a> {
    pub(super) candidates: &'a [Candidate],
    pub(super) depends: &'a [Depends],
    pub(super) sets: &'a [QuestionSet],
    pub(super) asked: &'a [Option<Asked>],
}

impl Tried<'_> {
    /// The reason for the miss: why the result that differs least does not hold.
    pub(super) fn nearest<'s>(
        &self,
        against: Vec<(usize, Against)>,
        present: &Present<'_>,
        stdin: &dyn Fn() -> &'s StdinAtStart,
        (results, facts): (&dyn ResultIndex, &std::cell::OnceCell<Facts>),
    ) -> Miss {
        let mut miss = Miss::Unknown;
        for (place, against) in against {
            let (before, rest) = self.candidates.split_at(place.min(self.candidates.len()));
            let Some((candidate, after)) = rest.split_first() else { continue };
            miss = match against {
                Against::Policy(why) => instead(miss, why),
                Against::Age(age) => Miss::Expired(age),
                Against::Changes(changes, every) => nearer(miss, candidate.id, changes, every),
                Against::Answers => {
                    let Some(depends) = self.depends.get(place) else { continue };
                    let (Some(set), Some(Some(asked))) =
                        (self.sets.get(depends.set), self.asked.get(depends.set))
                    else {
                        continue;
                    };
                    let is_known = depends.answers == asked.before;
                    let recorded = if is_known { None } else { results.recorded(candidate).ok().flatten() };
                    let recorded = recorded.map(|recorded| recorded.commit.observations);
                    let differing = asked.differing(set, recorded.as_deref()).into_iter();
                    let mut changes: Vec<Difference> =
                        differing.map(|then| difference(then, present, stdin)).collect();
                    let others = Others { candidates: [before, after], results: Some(results), facts };
                    changes.extend(products::compare(candidate, &others, present, true).differences);
                    nearer(miss, candidate.id, changes, true)
                }
            };
        }
        miss
    }
}

/// Why a result is not replayed.
pub(super) enum Against {
    /// The policy, or the targets of the streams; with a reason worth reporting.
    Policy(Option<Miss>),
    /// Its age in nanoseconds, although it holds.
    Age(u64),
    /// These differences, although its questions have the same answers; and whether they are complete.
    Changes(Vec<Difference>, bool),
    /// Its questions have other answers.
    Answers,
}

/// The reason for a miss, after a candidate that does not hold: that of the nearest one that was compared completely.
fn nearer(miss: Miss, candidate: CommitId, changes: Vec<Difference>, every: bool) -> Miss {
    let newest = match &miss {
        Miss::Changed { changes: known, newest, .. } if every && changes.len() < known.len() => *newest,
        Miss::Unknown => candidate,
        _ => return miss,
    };
    Miss::Changed { newest, since: candidate, changes }
}

/// The reason for a miss if there was no candidate.
fn instead(miss: Miss, why: Option<Miss>) -> Miss {
    match (miss, why) {
        (Miss::Unknown, Some(why)) => why,
        (miss, _) => miss,
    }
}

/// Explains a miss by comparing with the nearest earlier commit.
pub(super) fn explain(
    results: &dyn ResultIndex,
    captured: &Captured,
    request: &Request,
    miss: Miss,
) -> MissReason {
    match miss {
        Miss::Forced => return MissReason::Forced,
        Miss::Expired(age) => return MissReason::Expired(age),
        Miss::Dropped => return MissReason::Evicted,
        Miss::Damaged(blob) => return MissReason::Damaged(blob),
        Miss::NotRestored(reason) => return MissReason::NotRestored(reason),
        Miss::Moved(path) => return MissReason::Moved(path),
        Miss::Changed { since, changes, .. } => {
            let newest = results.recent(&captured.lineage, 1).ok().and_then(|found| found.into_iter().next());
            let is_newest = newest.is_none_or(|(newest, _)| newest.id() == since);
            return MissReason::Changed { since, changes, is_newest };
        }
        Miss::Unknown => {}
    }
    let words: Vec<Vec<u8>> = request.shown_words().into_iter().map(OsStringExt::into_vec).collect();
    let Some(Nearest { commit, changes, is_newest }) = nearest(results, captured, &words) else {
        return MissReason::First;
    };
    let since = commit.id();
    if !changes.is_empty() {
        let changes = changes.into_iter().map(Difference::Known).collect();
        return MissReason::Changed { since, changes, is_newest };
    }
    match commit.replay {
        Replay::Never { reason, detail } => MissReason::NeverKept { since, reason, detail },
        Replay::Allowed if commit.order.interleaving != Interleaving::Exact => {
            MissReason::Order(commit.order.interleaving)
        }
        Replay::Allowed if commit.terminals != [None; 2] => MissReason::Terminal,
        Replay::Allowed => MissReason::Evicted,
    }
}

/// The recorded run that differs least from the call.
struct Nearest {
    commit: Commit,
    changes: Vec<Change>,
    is_newest: bool,
}

/// Of the last few runs of the command line, the one with the fewest differences, or the newest of several. If the command line
/// never ran, the nearest run of the same function.
fn nearest(results: &dyn ResultIndex, captured: &Captured, words: &[Vec<u8>]) -> Option<Nearest> {
    let own = results.recent(&captured.lineage, RECENT).ok()?;
    let own = own.into_iter().enumerate().filter_map(|(place, (commit, manifest))| {
        let changes = captured.manifest.diff(&Manifest::from_bytes(&manifest).ok()?);
        Some(Nearest { commit, changes, is_newest: place == 0 })
    });
    own.min_by_key(|near| near.changes.len()).or_else(|| {
        let (commit, manifest) = results.nearest(&captured.lineage, &captured.function_id, words).ok()??;
        let changes = captured.manifest.diff(&Manifest::from_bytes(&manifest).ok()?);
        Some(Nearest { commit, changes, is_newest: true })
    })
}
