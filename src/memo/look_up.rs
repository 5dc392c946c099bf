//! From a key to a commit that holds now, or to the reason why there is none.

use super::asked::{Asked, Asking, answer};
use super::event::Event;
use super::observe::{named_by_values, times_again};
use super::policy::Policy;
use super::products::{self, Others, Standing};
use super::reason::{Difference, MissReason};
use super::stdin::StdinAtStart;
use super::terminals::Terminals;
use super::{Context, Miss};
use crate::digest::{CommitId, Key};
use crate::encode::Decode;
use crate::error::{Error, Result};
use crate::exec::one_target;
use crate::hash::capture::Captured;
use crate::hash::environment;
use crate::hash::holds::{self, Present, QuickCheck, Settled};
use crate::hash::look;
use crate::hash::manifest::{Change, Manifest};
use crate::hash::modules::INLINE;
use crate::hash::occurrence::NameSearch;
use crate::hash::request::Request;
use crate::record::{
    Commit, Coverage, FileState, Interleaving, Observation, Recall, Replay, StdinUse, StoredPath, questions,
};
use crate::store::{Candidate, Depends, Entry, Facts, QuestionSet, ResultIndex};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

/// Number of commits of a key that are compared completely, to report the one that differs least.
const COMPARED: usize = 4;

/// Number of runs of a command line that are searched for the one that differs least.
const RECENT: usize = 8;

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

/// The results of a key that were tried; none holds.
struct Tried<'a> {
    candidates: &'a [Candidate],
    depends: &'a [Depends],
    sets: &'a [QuestionSet],
    asked: &'a [Option<Asked>],
}

impl Tried<'_> {
    /// The reason for the miss: why the result that differs least does not hold.
    fn nearest<'s>(
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
enum Against {
    /// The policy, or the targets of the streams; with a reason worth reporting.
    Policy(Option<Miss>),
    /// Its age in nanoseconds, although it holds.
    Age(u64),
    /// These differences, although its questions have the same answers; and whether they are complete.
    Changes(Vec<Difference>, bool),
    /// Its questions have other answers.
    Answers,
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

/// Lends a candidate the observations and the evidence of its set, or takes them back.
fn swap_observations(set: &mut QuestionSet, candidate: &mut Candidate) {
    std::mem::swap(&mut set.observations, &mut candidate.commit.observations);
    std::mem::swap(&mut set.evidence, &mut candidate.evidence);
}

/// The result of comparing a candidate with the present state.
pub(super) struct Compared {
    /// What does not hold.
    pub(super) differences: Vec<Difference>,
    /// Whether its evidence has changed, or more variables are known not to matter.
    pub(super) learned: bool,
    /// Its output exists already.
    pub(super) is_on_own: bool,
    /// A directory that the run found is missing, and would be created.
    pub(super) makes_missing: bool,
}

/// Compares a candidate with the present state, and renews its evidence.
pub(super) fn differences<'s>(
    candidate: &mut Candidate,
    others: &Others<'_>,
    present: &Present<'_>,
    policy: &Policy,
    stdin: impl Fn() -> &'s StdinAtStart + Copy,
    recall: &dyn Recall,
) -> Compared {
    let mut differences = Vec::new();
    candidate.evidence.resize(candidate.commit.observations.len(), None);
    let mut looks = QuickCheck::new(present.places, present.seen, present.now);
    let products = &candidate.commit.products;
    let observations = &candidate.commit.observations;
    let (mut settled, mut next) = (Settled::default(), 0);
    while next < observations.len() {
        next = looks.settle(observations, &candidate.evidence, next, &mut settled);
        for number in &settled.open {
            let (Some(observation), Some(evidence)) =
                (observations.get(*number), candidate.evidence.get_mut(*number))
            else {
                continue;
            };
            let is_own = questions::is_own(observation, products);
            match answer(observation, evidence.as_ref(), is_own, (present, policy), &stdin) {
                holds::Validity::Valid => {}
                holds::Validity::Renewed(renewed) => *evidence = renewed,
                holds::Validity::Changed(..) | holds::Validity::Invalid => {
                    differences.push(difference(observation.clone(), present, stdin));
                }
            }
        }
    }
    if differences.is_empty() {
        return beside(candidate, others, (present, policy), stdin, recall, true);
    }
    let standing = products::compare(candidate, others, present, true);
    let Standing { differences: of_products, is_on_own, makes_missing } = standing;
    differences.extend(of_products);
    Compared { differences, learned: false, is_on_own, makes_missing }
}

/// Further differences of a candidate whose observations all hold: products and variables. Only the first one, unless `every` is
/// set.
fn beside<'s>(
    candidate: &mut Candidate,
    others: &Others<'_>,
    (present, policy): (&Present<'_>, &Policy),
    stdin: impl Fn() -> &'s StdinAtStart + Copy,
    recall: &dyn Recall,
    every: bool,
) -> Compared {
    let Standing { mut differences, is_on_own, makes_missing } =
        products::compare(candidate, others, present, every);
    let mut learned = false;
    // With --pure the result depends only on the manifest.
    if differences.is_empty() && !policy.pure {
        let known = candidate.irrelevant_env.len();
        differences.extend(new_variables(candidate, present, stdin, recall));
        learned = candidate.irrelevant_env.len() != known;
    }
    Compared { differences, learned, is_on_own, makes_missing }
}

/// The difference for an observation that does not hold.
fn difference<'s>(
    then: Observation,
    present: &Present<'_>,
    stdin: impl Fn() -> &'s StdinAtStart,
) -> Difference {
    let (then, now) = match then {
        Observation::StdinKind(_) => (then, Observation::StdinKind(stdin().kind())),
        _ => now(&then, present),
    };
    Difference::Seen { then, now }
}

/// Variables that were not set during the run, are set now, and whose names occur in what it read.
pub(super) fn new_variables<'s>(
    candidate: &mut Candidate,
    present: &Present<'_>,
    stdin: impl Fn() -> &'s StdinAtStart,
    recall: &dyn Recall,
) -> Vec<Difference> {
    let accounted = |name: &[u8]| {
        let known = |names: &[Vec<u8>]| names.binary_search_by(|known| known.as_slice().cmp(name)).is_ok();
        known(&candidate.commit.irrelevant_env) || known(&candidate.irrelevant_env)
    };
    let observed = |name: &[u8]| {
        let is_it = |observation: &Observation| match observation {
            Observation::Variable { name: known, .. } => known == name,
            Observation::Environment { .. } => true,
            _ => false,
        };
        candidate.commit.observations.iter().any(is_it)
    };
    let names = present.environment.iter().map(|(name, _)| name.as_os_str());
    let unknown = names.filter(|name| {
        !environment::is_session(name) && !accounted(name.as_bytes()) && !observed(name.as_bytes())
    });
    let unknown: Vec<&OsStr> = unknown.collect();
    if unknown.is_empty() || candidate.commit.coverage == Coverage::Declared {
        return Vec::new();
    }
    let contents = candidate.commit.observations.iter().filter_map(|observation| match observation {
        Observation::Content { path, .. } => Some(present.places.resolve(path)),
        _ => None,
    });
    // Variables named in inline code are in the key, since the code is an argument.
    let sources = candidate.commit.sources.iter().filter(|source| source.path != StoredPath::in_root(INLINE));
    let sources = sources.map(|source| present.places.resolve(&source.path));
    let files: Vec<PathBuf> = contents.chain(sources).collect();
    let search = NameSearch::new(unknown.iter().map(|name| name.as_bytes()));
    let search = search.within(&present.places.root);
    let mut found: BTreeSet<Vec<u8>> = search.search_files_remembered(&files, recall).into_iter().collect();
    if candidate
        .commit
        .observations
        .iter()
        .any(|seen| matches!(seen, Observation::Stdin(StdinUse::Content { .. })))
    {
        found.extend(stdin().mentions(&search));
    }
    // It is not known here which variables counted because of their value: any of them may name others.
    named_by_values(&search, present.environment, &|_| true, &mut found);
    let differences = found.iter().map(|name| {
        let (then, now) = now(&Observation::Variable { name: name.clone(), value: None }, present);
        Difference::Seen { then, now }
    });
    let differences = differences.collect();
    candidate.irrelevant_env.extend(unknown.iter().map(|name| name.as_bytes().to_vec()));
    candidate.irrelevant_env.retain(|name| !found.contains(name));
    candidate.irrelevant_env.sort();
    differences
}

/// An observation that does not hold, and the same observation made now, for comparison.
fn now(then: &Observation, present: &Present<'_>) -> (Observation, Observation) {
    let state = |path, follow| {
        let (state, _) = look::state(&present.places.resolve(path), follow);
        Observation::State { path: path.clone(), follow, state }
    };
    match then {
        Observation::Content { path, digest } => {
            let file = FileState::File { mode: 0, digest: *digest };
            (Observation::State { path: path.clone(), follow: true, state: file }, state(path, true))
        }
        Observation::State { path, follow, .. } => (then.clone(), state(path, *follow)),
        Observation::Variable { name, .. } => {
            let value = environment::lookup(present.environment, OsStr::from_bytes(name));
            let value =
                value.map(|value| environment::variable_digest(name, value.as_bytes(), &(present.secret)()));
            (then.clone(), Observation::Variable { name: name.clone(), value })
        }
        Observation::Umask(_) | Observation::UmaskAtLeast(_) => {
            (then.clone(), Observation::Umask(present.circumstances.umask()))
        }
        Observation::Superuser(_) => {
            (then.clone(), Observation::Superuser(present.circumstances.is_superuser()))
        }
        _ => (then.clone(), times_again(then, present.places).unwrap_or_else(|| then.clone())),
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
