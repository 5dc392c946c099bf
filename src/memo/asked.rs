//! Answers the questions of recorded runs. Each set is answered once, and each path that several sets ask about is looked at
//! once.
//!
//! If the present answers equal those of a result, everything that the result depends on is unchanged.

use super::policy::Policy;
use super::stdin::StdinAtStart;
use crate::digest::Digest;
use crate::hash::holds::{self, Present, Validity};
use crate::hash::{look, search};
use crate::record::{Evidence, FileState, Observation, StdinUse, questions};
use crate::store::QuestionSet;
use std::collections::{BTreeSet, HashMap};

/// Answers sets of questions for the present state.
pub(super) struct Asking<'a, Stdin> {
    pub(super) present: &'a Present<'a>,
    pub(super) policy: &'a Policy,
    pub(super) stdin: Stdin,
    known: HashMap<Vec<u8>, Answer>,
}

/// The present answer to a question.
#[derive(Clone)]
struct Answer {
    /// `None` if there is nothing to compare.
    now: Option<Observation>,
    evidence: Option<Evidence>,
}

/// The outcome for a set. The set itself has the present answers and evidence now.
pub(super) struct Asked {
    /// The digest of the earlier answers.
    pub(super) before: Digest,
    /// The digest of the present answers; `None` if one cannot be determined or compared.
    pub(super) answers: Option<Digest>,
    /// Whether evidence has changed.
    pub(super) learned: bool,
    /// Changed answers, by number: the earlier observation.
    changes: Vec<(usize, Observation)>,
    /// Numbers of observations that do not hold and have no present answer.
    untold: BTreeSet<usize>,
}

impl<'a, 's, Stdin: Fn() -> &'s StdinAtStart> Asking<'a, Stdin> {
    pub(super) fn new(present: &'a Present<'a>, policy: &'a Policy, stdin: Stdin) -> Self {
        Self { present, policy, stdin, known: HashMap::new() }
    }

    /// Answers a set. `others` says whether further sets will follow.
    pub(super) fn ask(&mut self, set: &mut QuestionSet, others: bool) -> Asked {
        let (before, is_first) = (set.answers, self.known.is_empty());
        let mut asked =
            Asked { before, answers: None, learned: false, changes: Vec::new(), untold: BTreeSet::new() };
        let found = if is_first { self.look_all(set) } else { self.look_rest(set) };
        for (number, held) in found {
            if self.is_passed_over(set, number, &held) {
                continue;
            }
            asked.take(set, number, held);
        }
        asked.answers = if !asked.untold.is_empty() {
            None
        } else if asked.changes.is_empty() {
            Some(before)
        } else {
            // If the present state needs another kind of question, no recorded answer is comparable.
            let (id, answers) = questions::digests(&set.split());
            (id == set.id).then_some(answers)
        };
        if let Some(answers) = asked.answers {
            set.answers = answers;
        }
        if others {
            self.keep(set, &asked.untold);
        }
        asked
    }

    /// The questions of a set with other answers, by number.
    fn look_all(&self, set: &QuestionSet) -> Vec<(usize, Validity)> {
        let settled = holds::settle_all(&set.observations, &set.evidence, self.present);
        let open = settled.open.into_iter();
        let open = open.filter_map(|number| Some((number, self.closer(set, number)?)));
        let renewed = |(number, proof)| (number, Validity::Renewed(Some(proof)));
        open.chain(settled.learned.into_iter().map(renewed)).collect()
    }

    /// The same, for a set of which most questions were already answered.
    fn look_rest(&self, set: &QuestionSet) -> Vec<(usize, Validity)> {
        let mut found = Vec::new();
        for (number, (then, evidence)) in set.observations.iter().zip(&set.evidence).enumerate() {
            let held = match self.known.get(&question(set, number)) {
                Some(Answer { now: None, .. }) => Validity::Invalid,
                Some(Answer { now: Some(now), evidence: fresh }) if is_same(now, then) => {
                    if fresh == evidence {
                        continue;
                    }
                    Validity::Renewed(*fresh)
                }
                Some(Answer { now: Some(now), evidence }) => {
                    Validity::Changed(Box::new(now.clone()), *evidence)
                }
                None => {
                    let (one, proof) = (std::slice::from_ref(then), std::slice::from_ref(evidence));
                    let settled = holds::settle_all(one, proof, self.present);
                    match (settled.open.is_empty(), self.closer(set, number)) {
                        (false, Some(held)) => held,
                        _ => continue,
                    }
                }
            };
            found.push((number, held));
        }
        found
    }

    /// Whether nothing was where a program was looked for on PATH, and now the directory may not be entered.
    fn is_passed_over(&self, set: &QuestionSet, number: usize, held: &Validity) -> bool {
        let Validity::Changed(now, _) = held else { return false };
        let (
            Some(Observation::State { state: FileState::Absent, .. }),
            Observation::State { path, state, .. },
        ) = (set.observations.get(number), &**now)
        else {
            return false;
        };
        let around = (self.present.environment, self.present.places);
        search::is_passed_over((path, state), set.observations.iter(), around)
    }

    fn closer(&self, set: &QuestionSet, number: usize) -> Option<Validity> {
        let observation = set.observations.get(number)?;
        let evidence = set.evidence.get(number)?.as_ref();
        let is_own = set.own.binary_search(&number).is_ok();
        let held = answer(observation, evidence, is_own, (self.present, self.policy), &self.stdin);
        (held != Validity::Valid).then_some(held)
    }

    fn keep(&mut self, set: &QuestionSet, untold: &BTreeSet<usize>) {
        for (number, (now, evidence)) in set.observations.iter().zip(&set.evidence).enumerate() {
            let now = (!untold.contains(&number)).then(|| now.clone());
            self.known.insert(question(set, number), Answer { now, evidence: *evidence });
        }
    }
}

impl Asked {
    fn take(&mut self, set: &mut QuestionSet, number: usize, held: Validity) {
        let (Some(then), Some(evidence)) = (set.observations.get_mut(number), set.evidence.get_mut(number))
        else {
            return;
        };
        match held {
            Validity::Valid => {}
            Validity::Renewed(fresh) => {
                *evidence = fresh;
                self.learned = true;
            }
            Validity::Changed(now, fresh) => {
                self.changes.push((number, std::mem::replace(then, *now)));
                *evidence = fresh;
                self.learned = true;
            }
            Validity::Invalid => {
                self.untold.insert(number);
            }
        }
    }

    /// The observations of a result that do not hold, as recorded. Without `recorded`, the answers are those that the set had
    /// before.
    pub(super) fn differing(&self, set: &QuestionSet, recorded: Option<&[Observation]>) -> Vec<Observation> {
        let differs = |number: usize, then: &Observation, now: &Observation| {
            self.untold.contains(&number) || !is_same(then, now)
        };
        if let Some(recorded) = recorded {
            let pairs = recorded.iter().zip(&set.observations).enumerate();
            return pairs
                .filter(|(number, (then, now))| differs(*number, then, now))
                .map(|(_, (then, _))| then.clone())
                .collect();
        }
        let untold = self.untold.iter().filter_map(|number| Some((*number, set.observations.get(*number)?)));
        let mut all: Vec<(usize, &Observation)> =
            self.changes.iter().map(|(number, then)| (*number, then)).chain(untold).collect();
        all.sort_by_key(|(number, _)| *number);
        all.dedup_by_key(|(number, _)| *number);
        all.into_iter().map(|(_, then)| then.clone()).collect()
    }
}

/// The encoded question of an observation of a set.
fn question(set: &QuestionSet, number: usize) -> Vec<u8> {
    let one = set.observations.get(number).map(std::slice::from_ref).unwrap_or_default();
    let is_own = set.own.binary_search(&number).is_ok();
    questions::split_all_by(one, &|_| is_own).pop().unwrap_or_default().questions
}

/// Whether two observations are the same for a comparison. The offset at which a run left standard input does not matter, nor
/// does a mode of which only the rights count.
fn is_same(one: &Observation, other: &Observation) -> bool {
    match (one, other) {
        (
            Observation::Stdin(StdinUse::Content { offset, digest, .. }),
            Observation::Stdin(StdinUse::Content { offset: at, digest: found, .. }),
        ) => offset == at && digest == found,
        (
            Observation::State { path, follow, state },
            Observation::State { path: its, follow: follows, state: found },
        ) if state.rights().is_some() && state.rights() == found.rights() => {
            (path, follow) == (its, follows) && state.clone().with_bits(0) == found.clone().with_bits(0)
        }
        _ => one == other,
    }
}

/// Whether an observation holds that the quick check did not confirm. `is_own` says that it is a listing of a directory that is
/// the run's own product.
pub(super) fn answer<'s>(
    observation: &Observation,
    evidence: Option<&Evidence>,
    is_own: bool,
    (present, policy): (&Present<'_>, &Policy),
    stdin: &impl Fn() -> &'s StdinAtStart,
) -> Validity {
    let other = |now: Option<Observation>| {
        now.map_or(Validity::Invalid, |now| Validity::Changed(Box::new(now), None))
    };
    match observation {
        Observation::Stdin(_)
        | Observation::StdinKind(_)
        | Observation::StdinTerminal(_)
        | Observation::StdinName(_) => {
            if stdin().holds(observation) {
                Validity::Valid
            } else {
                other(stdin().again(observation))
            }
        }
        Observation::Network => {
            if policy.allow_network || policy.time_to_live.is_some() {
                Validity::Valid
            } else {
                Validity::Invalid
            }
        }
        Observation::Toolchain { token } => {
            if policy.has_toolchain(token) {
                Validity::Valid
            } else {
                Validity::Invalid
            }
        }
        // A missing directory of the run, or one that its tool would make, has no other entries.
        Observation::Entries { path, aside, digest }
            if (is_own || look::may_be_missing(aside)) && look::is_gone(&present.places.resolve(path)) =>
        {
            if *digest == look::of_nothing() {
                Validity::Valid
            } else {
                let (path, aside) = (path.clone(), aside.clone());
                other(Some(Observation::Entries { path, aside, digest: look::of_nothing() }))
            }
        }
        _ => holds::holds(observation, evidence, present),
    }
}

#[cfg(test)]
mod tests;
