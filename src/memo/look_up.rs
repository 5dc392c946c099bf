//! From a key to a commit that holds now, or to the reason why none does.

use super::event::Event;
use super::observe::{named_by_values, times_again};
use super::policy::Policy;
use super::products::{self, Others};
use super::reason::{Difference, MissReason};
use super::stdin::StdinAtStart;
use super::terminals::Terminals;
use super::{Context, Miss};
use crate::digest::Key;
use crate::encode::Decode;
use crate::exec::one_target;
use crate::hash::capture::Captured;
use crate::hash::environment;
use crate::hash::holds::{self, Looks, Present, Settled};
use crate::hash::look;
use crate::hash::manifest::{Change, Manifest};
use crate::hash::modules::INLINE;
use crate::hash::occurrence::NameSearch;
use crate::hash::request::Request;
use crate::record::{
    Base, Commit, Coverage, Evidence, FileState, Interleaving, Observation, Products, Recall, Replay,
    StdinUse, StoredPath,
};
use crate::store::{Candidate, Store};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

/// So many commits of a key are compared whole, to name one that differs least.
const COMPARED: usize = 4;

/// So many runs of a command line are looked through for the one that differs least.
const RECENT: usize = 8;

/// What looking for a commit came to.
pub(super) enum Found {
    /// This one holds.
    Hit(Box<Held>),
    /// None does.
    Miss(Miss),
}

/// A commit whose observations hold.
pub(super) struct Held {
    pub(super) candidate: Candidate,
    /// It is older than `--stale` says.
    pub(super) stale: bool,
    /// Something was learned of it that spares the next hit a closer look.
    pub(super) learned: bool,
    /// Its output is there: it is answered on top of that.
    pub(super) is_on_own: bool,
}

/// The first commit of `key` whose observations all hold now and that the policy admits.
pub(super) fn find(
    context: &Context<'_>,
    store: &dyn Store,
    key: &Key,
    present: &Present<'_>,
    policy: &Policy,
) -> Found {
    let mut candidates = match store.find(key) {
        Ok(candidates) => candidates,
        Err(error) => {
            context.observer.on(&Event::StoreTrouble(error.to_string()));
            return Found::Miss(Miss::Unknown);
        }
    };
    let terminals = Terminals::new(context, policy);
    terminals.prefer(&mut candidates);
    let (stdin, facts) = (std::cell::OnceCell::new(), std::cell::OnceCell::new());
    let mut miss = Miss::Unknown;
    let mut compared = 0;
    // The first that would make a directory again which its run found: one that began without the directory is better.
    let mut fallback = None;
    for place in 0..candidates.len() {
        let (before, rest) = candidates.split_at_mut(place);
        let Some((candidate, after)) = rest.split_first_mut() else { break };
        if !policy.kept_statuses.keep(candidate.commit.termination) {
            continue;
        }
        // What seems to come from the future may be of any age.
        let age = present.now.0.saturating_sub(candidate.commit.started.0);
        let age = u64::try_from(age).unwrap_or(u64::MAX);
        if policy.time_to_live.is_some_and(|limit| age >= limit) {
            if matches!(miss, Miss::Unknown) {
                miss = Miss::Expired(age);
            }
            continue;
        }
        if !candidate.commit.order.fits(|| one_target(context.stdout, context.stderr)) {
            continue;
        }
        if !terminals.answered_by(&candidate.commit) {
            continue;
        }
        let stdin = || stdin.get_or_init(|| StdinAtStart::look(context.stdin));
        // Of the newest few it is worth knowing all that changed: after an edit was taken back, the newest is not the nearest.
        let every = compared < COMPARED;
        compared += 1;
        let others = Others { candidates: [before, after], store: Some(store), facts: &facts };
        let Compared { differences, learned, is_on_own, makes_missing } =
            differences(candidate, &others, present, policy, stdin, context.recall, every);
        if differences.is_empty() {
            let stale = policy.stale_after.is_some_and(|limit| age >= limit);
            if stale && candidate.commit.outputs.is_some() {
                miss = Miss::Expired(age);
                continue;
            }
            if makes_missing {
                fallback = fallback.or(Some((place, stale, learned, is_on_own)));
                continue;
            }
            let candidate = candidates.swap_remove(place);
            return Found::Hit(Box::new(Held { candidate, stale, learned, is_on_own }));
        }
        let newest = match &miss {
            Miss::Changed { changes, newest, .. } if every && differences.len() < changes.len() => {
                Some(*newest)
            }
            Miss::Unknown => Some(candidate.id),
            _ => None,
        };
        if let Some(newest) = newest {
            miss = Miss::Changed { newest, since: candidate.id, changes: differences };
        }
    }
    if let Some((place, stale, learned, is_on_own)) = fallback {
        let candidate = candidates.swap_remove(place);
        return Found::Hit(Box::new(Held { candidate, stale, learned, is_on_own }));
    }
    Found::Miss(miss)
}

/// What comparing a candidate with the present came to.
pub(super) struct Compared {
    /// What does not hold of it.
    pub(super) differences: Vec<Difference>,
    /// Whether it has other evidence now, or knows more variables that do not matter.
    pub(super) learned: bool,
    /// Its output is there.
    pub(super) is_on_own: bool,
    /// A directory that the run found is not there, and would be made.
    pub(super) makes_missing: bool,
}

/// What does not hold of a candidate; only the first of it, unless `every` is asked for. Renews its evidence.
pub(super) fn differences<'s>(
    candidate: &mut Candidate,
    others: &Others<'_>,
    present: &Present<'_>,
    policy: &Policy,
    stdin: impl Fn() -> &'s StdinAtStart,
    recall: &dyn Recall,
    every: bool,
) -> Compared {
    let mut differences = Vec::new();
    let (mut learned, mut is_on_own, mut makes_missing) = (false, false, false);
    candidate.evidence.resize(candidate.commit.observations.len(), None);
    let mut looks = Looks::new(present.places, present.seen, present.now);
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
            match closer(observation, evidence.as_ref(), products, (present, policy), &stdin) {
                holds::Held::Yes => {}
                holds::Held::Renewed(renewed) => {
                    *evidence = renewed;
                    learned = true;
                }
                holds::Held::No => {
                    let (then, now) = match observation {
                        Observation::StdinKind(_) => {
                            (observation.clone(), Observation::StdinKind(stdin().kind()))
                        }
                        _ => now(observation, present),
                    };
                    differences.push(Difference::Seen { then, now });
                    if !every {
                        return Compared { differences, learned, is_on_own, makes_missing };
                    }
                }
            }
        }
    }
    if every || differences.is_empty() {
        let standing = products::compare(candidate, others, present, every);
        differences.extend(standing.differences);
        (is_on_own, makes_missing) = (standing.is_on_own, standing.makes_missing);
    }
    if differences.is_empty() {
        for (number, absent) in settled.learned {
            if let Some(evidence) = candidate.evidence.get_mut(number) {
                *evidence = Some(absent);
                learned = true;
            }
        }
        // With --pure nothing decides the result but what is in the manifest.
        if !policy.pure {
            let known = candidate.indifferent.len();
            differences.extend(new_variables(candidate, present, stdin, recall));
            learned |= candidate.indifferent.len() != known;
        }
    }
    Compared { differences, learned, is_on_own, makes_missing }
}

/// Whether an observation holds that a look does not settle.
fn closer<'s>(
    observation: &Observation,
    evidence: Option<&Evidence>,
    products: &Products,
    (present, policy): (&Present<'_>, &Policy),
    stdin: &impl Fn() -> &'s StdinAtStart,
) -> holds::Held {
    let when = |holds| if holds { holds::Held::Yes } else { holds::Held::No };
    match observation {
        Observation::Stdin(_)
        | Observation::StdinKind(_)
        | Observation::StdinTerminal(_)
        | Observation::StdinName(_) => when(stdin().holds(observation)),
        Observation::Network => when(policy.allow_network || policy.time_to_live.is_some()),
        // Nothing else is in a directory of the run's own that is gone.
        Observation::Entries { path, digest, .. }
            if *digest == look::of_nothing()
                && path.base() == Base::Root
                && products.find(path.rest()).is_some()
                && look::is_gone(&present.places.resolve(path)) =>
        {
            holds::Held::Yes
        }
        _ => holds::holds(observation, evidence, present),
    }
}

/// Variables that were not set when the run was recorded, and whose names occur in what it read.
pub(super) fn new_variables<'s>(
    candidate: &mut Candidate,
    present: &Present<'_>,
    stdin: impl Fn() -> &'s StdinAtStart,
    recall: &dyn Recall,
) -> Vec<Difference> {
    let accounted = |name: &[u8]| {
        let known = |names: &[Vec<u8>]| names.binary_search_by(|known| known.as_slice().cmp(name)).is_ok();
        known(&candidate.commit.indifferent) || known(&candidate.indifferent)
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
    // What inline code names is in the key: it is a word.
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
    // Which variables counted by their value is not known here: any of them may name others.
    named_by_values(&search, present.environment, &|_| true, &mut found);
    let differences = found.iter().map(|name| {
        let (then, now) = now(&Observation::Variable { name: name.clone(), value: None }, present);
        Difference::Seen { then, now }
    });
    let differences = differences.collect();
    candidate.indifferent.extend(unknown.iter().map(|name| name.as_bytes().to_vec()));
    candidate.indifferent.retain(|name| !found.contains(name));
    candidate.indifferent.sort();
    differences
}

/// An observation that does not hold, and the same made now, so that the two can be compared.
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
        Observation::Umask(_) => (then.clone(), Observation::Umask((present.umask)())),
        Observation::Superuser(_) => (then.clone(), Observation::Superuser(present.superuser)),
        _ => (then.clone(), times_again(then, present.places).unwrap_or_else(|| then.clone())),
    }
}

/// Says in terms of the nearest earlier commit why nothing was replayed.
pub(super) fn explain(store: &dyn Store, captured: &Captured, request: &Request, miss: Miss) -> MissReason {
    match miss {
        Miss::Forced => return MissReason::Forced,
        Miss::Expired(age) => return MissReason::Expired(age),
        Miss::Dropped => return MissReason::Evicted,
        Miss::Damaged(blob) => return MissReason::Damaged(blob),
        Miss::NotRestored(reason) => return MissReason::NotRestored(reason),
        Miss::Moved(path) => return MissReason::Moved(path),
        Miss::Changed { since, changes, .. } => {
            let newest = store.recent(&captured.lineage, 1).ok().and_then(|found| found.into_iter().next());
            let is_newest = newest.is_none_or(|(newest, _)| newest.id() == since);
            return MissReason::Changed { since, changes, is_newest };
        }
        Miss::Unknown => {}
    }
    let words: Vec<Vec<u8>> = request.shown_words().into_iter().map(OsStringExt::into_vec).collect();
    let Some(Nearest { commit, changes, is_newest }) = nearest(store, captured, &words) else {
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

/// A recorded run that differs least from what was looked for.
struct Nearest {
    commit: Commit,
    changes: Vec<Change>,
    is_newest: bool,
}

/// Of the last few runs of the command line the one with the fewest differences, the newest of several; where it never ran,
/// the nearest run of the same function.
fn nearest(store: &dyn Store, captured: &Captured, words: &[Vec<u8>]) -> Option<Nearest> {
    let own = store.recent(&captured.lineage, RECENT).ok()?;
    let own = own.into_iter().enumerate().filter_map(|(place, (commit, manifest))| {
        let changes = captured.manifest.diff(&Manifest::from_bytes(&manifest).ok()?);
        Some(Nearest { commit, changes, is_newest: place == 0 })
    });
    own.min_by_key(|near| near.changes.len()).or_else(|| {
        let (commit, manifest) = store.nearest(&captured.lineage, &captured.function_id, words).ok()??;
        let changes = captured.manifest.diff(&Manifest::from_bytes(&manifest).ok()?);
        Some(Nearest { commit, changes, is_newest: true })
    })
}
