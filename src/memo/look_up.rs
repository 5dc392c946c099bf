//! From a key to a commit that holds now, or to the reason why there is none.

use super::asked::{Asked, Asking};
use super::compare::{Compared, beside};
use super::event::Event;
use super::explain::{Against, Tried};
use super::policy::Policy;
use super::products::Others;
use super::stdin::StdinAtStart;
use super::terminals::Terminals;
use super::{Context, Miss};
use crate::digest::Key;
use crate::error::{Error, Result};
use crate::exec::one_target;
use crate::hash::holds::Present;
use crate::store::{Candidate, Entry, QuestionSet, ResultIndex};

/// Number of commits of a key that are compared completely, to report the one that differs least.
const COMPARED: usize = 4;

/// The outcome of a look-up.
pub(super) enum Found {
    /// This commit holds.
    Hit(Box<ValidCandidate>),
    /// No commit holds.
    Miss(Miss),
}

/// A commit whose observations hold.
pub(super) struct ValidCandidate {
    pub(super) candidate: Candidate,
    /// It is older than `--stale` says.
    pub(super) stale: bool,
    /// The entry has new evidence, which saves the next hit a closer look.
    pub(super) learned: bool,
    /// Its output exists already; the hit is on top of it.
    pub(super) is_on_own: bool,
}

/// The first result of `key` that the policy admits, whose questions have the present answers, and whose products may be
/// restored. Results that are not in the entry are found by the answers.
pub(super) fn find(
    context: &Context<'_>,
    results: &dyn ResultIndex,
    key: &Key,
    present: &Present<'_>,
    policy: &Policy,
) -> Found {
    let trouble = |error: Error| {
        context.observer.on(&Event::StoreTrouble(error.to_string()));
        Found::Miss(Miss::Unknown)
    };
    let Entry { mut sets, results: mut candidates, mut depends, is_whole } = match results.look_up(key) {
        Ok(entry) => entry,
        Err(error) => return trouble(error),
    };
    let terminals = Terminals::new(context, policy);
    terminals.prefer(&mut candidates, &mut depends);
    let (stdin, facts) = (std::cell::OnceCell::new(), std::cell::OnceCell::new());
    let stdin = || stdin.get_or_init(|| StdinAtStart::look(context.stdin));
    let mut asking = Asking::new(present, policy, stdin);
    let mut asked: Vec<Option<Asked>> = sets.iter().map(|_| None).collect();
    let several = sets.len() > 1;
    let (mut against, mut compared) = (Vec::new(), 0);
    // The first result that would create a directory which its run found. A result of a run that began without the directory is
    // better.
    let (mut fallback, mut unlisted_fallback) = (None, None);
    for (place, depends) in depends.iter().enumerate() {
        let (before, rest) = candidates.split_at_mut(place);
        let Some((candidate, after)) = rest.split_first_mut() else { break };
        let age = match admitted(candidate, present, policy, (context, &terminals)) {
            Ok(age) => age,
            Err(why) => {
                against.push((place, Against::Policy(why)));
                continue;
            }
        };
        let (Some(set), Some(asked)) = (sets.get_mut(depends.set), asked.get_mut(depends.set)) else {
            continue;
        };
        let asked = asked.get_or_insert_with(|| asking.ask(set, several));
        // The newest few are compared completely: after an edit was undone, the newest is not the nearest.
        let every = compared < COMPARED;
        compared += 1;
        let others = Others { candidates: [before, after], results: Some(results), facts: &facts };
        if asked.answers == Some(depends.answers) {
            swap_observations(set, candidate);
            depends.leave(&mut candidate.commit.observations);
            let Compared { differences, learned, is_on_own, makes_missing } =
                beside(candidate, &others, (present, policy), stdin, context.recall, every);
            if differences.is_empty() {
                let stale = policy.stale_after.is_some_and(|limit| age >= limit);
                let learned = learned || asked.learned;
                if stale && candidate.commit.outputs.is_some() {
                    against.push((place, Against::Age(age)));
                } else if makes_missing {
                    fallback = fallback.or(Some((place, stale, learned, is_on_own)));
                } else {
                    let candidate = candidates.swap_remove(place);
                    return Found::Hit(Box::new(ValidCandidate { candidate, stale, learned, is_on_own }));
                }
            } else {
                against.push((place, Against::Changes(differences, every)));
            }
            swap_observations(set, candidate);
        } else if every {
            // Differences are computed only if no result holds: the recorded answers may be in the database.
            against.push((place, Against::Answers));
        }
    }
    for (set, asked) in sets.iter_mut().zip(&mut asked).filter(|_| !is_whole) {
        let asked = asked.get_or_insert_with(|| asking.ask(set, several));
        let Some(answers) = asked.answers else { continue };
        let found = match results.answering(key, &set.id, &answers) {
            Ok(found) => found,
            Err(error) => return trouble(error),
        };
        for mut candidate in found {
            let is_tried = candidates.iter().any(|tried| tried.id == candidate.id);
            let Ok(age) = admitted(&candidate, present, policy, (context, &terminals)) else { continue };
            let stale = policy.stale_after.is_some_and(|limit| age >= limit);
            if is_tried || stale && candidate.commit.outputs.is_some() {
                continue;
            }
            candidate.evidence.clone_from(&set.evidence);
            let candidates = [candidates.as_slice(), &[]];
            let others = Others { candidates, results: Some(results), facts: &facts };
            let compared = beside(&mut candidate, &others, (present, policy), stdin, context.recall, false);
            if compared.differences.is_empty() {
                // The entry has it from now on.
                let is_on_own = compared.is_on_own;
                let held = Box::new(ValidCandidate { candidate, stale, learned: true, is_on_own });
                if !compared.makes_missing {
                    return Found::Hit(held);
                }
                unlisted_fallback = unlisted_fallback.or(Some(held));
            }
        }
    }
    if let Some((place, stale, learned, is_on_own)) = fallback
        && let Some(depends) = depends.get(place)
        && let Some(set) = sets.get_mut(depends.set)
    {
        let mut candidate = candidates.swap_remove(place);
        swap_observations(set, &mut candidate);
        depends.leave(&mut candidate.commit.observations);
        return Found::Hit(Box::new(ValidCandidate { candidate, stale, learned, is_on_own }));
    }
    if let Some(held) = unlisted_fallback {
        return Found::Hit(held);
    }
    let tried = Tried { candidates: &candidates, depends: &depends, sets: &sets, asked: &asked };
    Found::Miss(tried.nearest(against, present, &stdin, (results, &facts)))
}

/// The age of a candidate in nanoseconds, if the policy and the targets of the streams admit it; otherwise the reason, if it is
/// worth reporting.
fn admitted(
    candidate: &Candidate,
    present: &Present<'_>,
    policy: &Policy,
    (context, terminals): (&Context<'_>, &Terminals<'_>),
) -> Result<u64, Option<Miss>> {
    if !policy.kept_statuses.keep(candidate.commit.termination) {
        return Err(None);
    }
    // A record from the future may have any age.
    let age = present.now.0.saturating_sub(candidate.commit.started.0);
    let age = u64::try_from(age).unwrap_or(u64::MAX);
    if policy.time_to_live.is_some_and(|limit| age >= limit) {
        return Err(Some(Miss::Expired(age)));
    }
    let fits = candidate.commit.order.fits(|| one_target(context.stdout, context.stderr));
    if fits && terminals.answered_by(&candidate.commit) { Ok(age) } else { Err(None) }
}

/// Lends a candidate the observations and the evidence of its set, or takes them back.
fn swap_observations(set: &mut QuestionSet, candidate: &mut Candidate) {
    std::mem::swap(&mut set.observations, &mut candidate.commit.observations);
    std::mem::swap(&mut set.evidence, &mut candidate.evidence);
}
