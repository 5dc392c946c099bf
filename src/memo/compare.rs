//! What does not hold of a recorded run now.

use super::asked::answer;
use super::observe::{named_by_values, times_again};
use super::policy::Policy;
use super::products::{self, Others, Standing};
use super::reason::Difference;
use super::stdin::StdinAtStart;
use crate::hash::environment;
use crate::hash::holds::{self, Present};
use crate::hash::look;
use crate::hash::modules::INLINE;
use crate::hash::occurrence::{NameSearch, Printed, colors_of};
use crate::record::{Commit, Coverage, FileState, Observation, Recall, StdinUse, StoredPath, questions};
use crate::store::Candidate;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

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
    let products = &candidate.commit.products;
    let observations = &candidate.commit.observations;
    for number in holds::settle_all(observations, &candidate.evidence, present).open {
        let (Some(observation), Some(evidence)) =
            (observations.get(number), candidate.evidence.get_mut(number))
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
pub(super) fn beside<'s>(
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
pub(super) fn difference<'s>(
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
    let root = present.places.root.as_path();
    let files: Vec<_> = files.into_iter().map(|path| (path, None)).collect();
    let Commit { terminals, stdout, stderr, words, .. } = &candidate.commit;
    let printed = Printed::of(*terminals != [None; 2], stdout.size.saturating_add(stderr.size));
    let colors = colors_of((printed, present.environment), words, (&files, root), recall);
    let search = search.within(root).with_colors(colors);
    let mut found: BTreeSet<Vec<u8>> = search.search_seen_files(&files, recall).into_iter().collect();
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
            let value = value.map(|value| {
                environment::variable_digest(name, value.as_bytes(), present.places, &(present.secret)())
            });
            (then.clone(), Observation::Variable { name: name.clone(), value })
        }
        Observation::Umask(_) | Observation::UmaskAtLeast(_) => {
            (then.clone(), Observation::Umask(present.circumstances.umask()))
        }
        Observation::Superuser(_) => {
            (then.clone(), Observation::Superuser(present.circumstances.is_superuser()))
        }
        Observation::User { .. } => {
            (then.clone(), Observation::User { digest: present.circumstances.user() })
        }
        _ => (then.clone(), times_again(then, present.places).unwrap_or_else(|| then.clone())),
    }
}
