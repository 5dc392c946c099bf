//! From a key to a commit that holds now, and from that to the answer.

use super::event::Event;
use super::observe::named_by_values;
use super::outputs::{Grounds, Restore, RestoreError};
use super::policy::{Mode, Policy};
use super::reason::{Difference, MissReason, Outcome};
use super::replay::{Replay, Replayed};
use super::stdin::StdinAtStart;
use super::{Answer, Checked, Context, Miss, bypass_of};
use crate::digest::{BlobId, Key};
use crate::encode::Decode;
use crate::error::{Kind, Result};
use crate::hash::capture::{self, Captured};
use crate::hash::environment;
use crate::hash::glance::Looks;
use crate::hash::globs::Patterns;
use crate::hash::look::{self, Held, Present};
use crate::hash::manifest::Manifest;
use crate::hash::modules::INLINE;
use crate::hash::occurrence::NameSearch;
use crate::hash::request::Request;
use crate::record::{
    Base, Coverage, Evidence, FileState, Observation, Places, Recall, StdinUse, StoredPath, Termination,
    Timestamp,
};
use crate::store::{self, Candidate, Store};
use std::collections::{BTreeSet, HashSet};
use std::ffi::OsStr;
use std::io::{Cursor, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

/// What looking for a commit came to.
pub(super) enum Found {
    /// This one holds; whether it is older than `--stale` says.
    Hit(Box<Candidate>, bool),
    /// None does.
    Miss(Miss),
}

/// The first commit of `key` whose observations all hold now and that the policy admits.
pub(super) fn find(
    context: &Context<'_>,
    store: &dyn Store,
    key: &Key,
    present: &Present<'_>,
    policy: &Policy,
) -> Found {
    let candidates = match store.find(key) {
        Ok(candidates) => candidates,
        Err(error) => {
            context.observer.on(&Event::StoreTrouble(error.to_string()));
            return Found::Miss(Miss::Unknown);
        }
    };
    let stdin = std::cell::OnceCell::new();
    let mut miss = Miss::Unknown;
    for mut candidate in candidates {
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
        let stdin = || stdin.get_or_init(|| StdinAtStart::look(context.stdin));
        // Only of the newest is it worth saying all that changed.
        let every = matches!(miss, Miss::Unknown);
        let differences = differences(&mut candidate, present, policy, stdin, context.recall, every);
        if differences.is_empty() {
            let stale = policy.stale_after.is_some_and(|limit| age >= limit);
            if stale && candidate.commit.outputs.is_some() {
                miss = Miss::Expired(age);
                continue;
            }
            return Found::Hit(Box::new(candidate), stale);
        }
        if every {
            miss = Miss::Changed(candidate.id, differences);
        }
    }
    Found::Miss(miss)
}

/// What does not hold of a candidate; only the first of it, unless `every` is asked for. Renews its evidence.
pub(super) fn differences<'s>(
    candidate: &mut Candidate,
    present: &Present<'_>,
    policy: &Policy,
    stdin: impl Fn() -> &'s StdinAtStart,
    recall: &dyn Recall,
    every: bool,
) -> Vec<Difference> {
    let mut differences = Vec::new();
    candidate.evidence.resize(candidate.commit.observations.len(), None);
    let mut looks = Looks::new(present.places);
    for (observation, evidence) in candidate.commit.observations.iter().zip(&mut candidate.evidence) {
        if looks.settle(observation, evidence.as_ref()) {
            continue;
        }
        let held = match observation {
            Observation::Stdin(then) => {
                if stdin().holds(then) {
                    Held::Yes
                } else {
                    Held::No
                }
            }
            Observation::Network => {
                let admitted = policy.allow_network || policy.time_to_live.is_some();
                if admitted { Held::Yes } else { Held::No }
            }
            _ => look::holds(observation, evidence.as_ref(), present),
        };
        match held {
            Held::Yes => {}
            Held::Renewed(renewed) => *evidence = renewed,
            Held::No => {
                let (then, now) = now(observation, present);
                differences.push(Difference::Seen { then, now });
                if !every {
                    return differences;
                }
            }
        }
    }
    if differences.is_empty() {
        // With --pure nothing decides the result but what is in the manifest.
        if !policy.pure {
            differences.extend(new_variables(candidate, present, stdin, recall));
        }
    }
    differences
}

/// Variables that were not set when the run was recorded, and whose names occur in what it read.
fn new_variables<'s>(
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
        _ => (then.clone(), then.clone()),
    }
}

/// The bytes of a blob that came along, or of the store.
fn bytes(candidate: &mut Candidate, store: &dyn Store, blob: BlobId) -> Result<Box<dyn Read + Send>> {
    match candidate.inline.iter_mut().find(|(id, _)| *id == blob) {
        Some((_, bytes)) => Ok(Box::new(Cursor::new(bytes.clone()))),
        None => store.read(&blob),
    }
}

/// A commit that holds now.
pub(super) struct Holding<'a> {
    pub(super) candidate: Candidate,
    /// It is older than `--stale` says.
    pub(super) stale: bool,
    /// Tells the newest time of what the key was made from.
    pub(super) newest: &'a dyn Fn() -> Timestamp,
}

/// What the command wrote to stdout and stderr, or why it cannot be had.
fn streams(
    context: &Context<'_>,
    candidate: &mut Candidate,
    store: &dyn Store,
) -> Result<Vec<Box<dyn Read + Send>>, Miss> {
    let contents = [candidate.commit.stdout, candidate.commit.stderr];
    let read = contents.iter().map(|content| {
        bytes(candidate, store, content.blob).map_err(|error| {
            if error.kind() == Kind::Damaged {
                return Miss::Damaged(content.blob);
            }
            context.observer.on(&Event::StoreTrouble(error.to_string()));
            Miss::Unknown
        })
    });
    read.collect()
}

/// What is done with the outputs of a candidate that holds.
#[derive(Clone, Copy)]
enum Outputs {
    PutBack,
    Plan,
}

/// The evidence for outputs that were put back, where it is new.
type Renewed = Option<Vec<Option<Evidence>>>;

/// Puts the outputs of a candidate that holds back, if it has any, or finds out whether that would be done. The inner error
/// is what stands against it.
fn with_outputs(
    context: &Context<'_>,
    store: &dyn Store,
    request: &Request,
    policy: &Policy,
    (candidate, newest): (&Candidate, &dyn Fn() -> Timestamp),
    work: Outputs,
) -> Result<Result<Renewed, Miss>> {
    let tree = match (&candidate.outputs, &candidate.commit.outputs) {
        (Some(tree), Some(_)) => tree,
        (None, Some(tree)) => return Ok(Err(Miss::Damaged(tree.blob))),
        (_, None) => return Ok(Ok(None)),
    };
    let grounds = grounds(candidate, request, policy)?;
    let restore = Restore {
        root: &request.places.root,
        store,
        tree,
        evidence: &candidate.output_evidence,
        newest_input: newest_observed(candidate, &request.places).max(newest()),
        observer: context.observer,
        grounds: &grounds,
    };
    let done = match work {
        Outputs::PutBack => restore.run(),
        Outputs::Plan => restore.plan_all().map(|_| None),
    };
    Ok(match done {
        Ok(renewed) => Ok(renewed),
        Err(RestoreError::Damaged(blob)) => Err(Miss::Damaged(blob)),
        Err(RestoreError::Blocked(reason)) => Err(Miss::NotRestored(reason)),
    })
}

/// Replays a commit: everything is proven before anything becomes visible.
pub(super) fn replay(
    context: &Context<'_>,
    store: &dyn Store,
    request: &Request,
    key: &Key,
    policy: &Policy,
    holding: Holding<'_>,
) -> Result<Result<Answer, Miss>> {
    let Holding { mut candidate, stale, newest } = holding;
    let distrust = |candidate: &Candidate, blob: BlobId| {
        store.distrust(key, &candidate.id);
        context.observer.on(&Event::Healed(blob));
        Miss::Damaged(blob)
    };
    let evidence_before = candidate.evidence.clone();
    let proven = match streams(context, &mut candidate, store) {
        Ok(proven) => with_outputs(context, store, request, policy, (&candidate, newest), Outputs::PutBack)?
            .map(|restored| (proven, restored)),
        Err(miss) => Err(miss),
    };
    let (mut streams, restored) = match proven {
        Ok(proven) => proven,
        Err(Miss::Damaged(blob)) => return Ok(Err(distrust(&candidate, blob))),
        Err(miss) => return Ok(Err(miss)),
    };
    let renewed = restored.is_some();
    if let Some(evidence) = restored {
        candidate.output_evidence = evidence;
    }
    let (Some(stderr), Some(stdout)) = (streams.pop(), streams.pop()) else { return Ok(Err(Miss::Unknown)) };
    let replay = Replay { stdout, stderr, to_stdout: context.stdout, to_stderr: context.stderr };
    let replayed = replay.run(&candidate.commit.order)?;
    for observation in &candidate.commit.observations {
        if let Observation::Stdin(used @ StdinUse::Content { .. }) = observation {
            StdinAtStart::look(context.stdin).leave(used);
        }
    }
    store.note(&store::Event::Hit { commit: candidate.id, at: Timestamp::now() });
    if renewed || evidence_before != candidate.evidence || !candidate.indifferent.is_empty() {
        store.renew(key, &candidate);
    }
    let termination = match replayed {
        Replayed::Whole => candidate.commit.termination,
        Replayed::ReaderGone => Termination::Signaled(libc::SIGPIPE),
    };
    Ok(Ok(Answer {
        outcome: Outcome::Hit { stale },
        termination,
        key: Some(*key),
        commit: Some(candidate.id),
        resources: candidate.commit.resources,
        outputs: candidate.outputs.map_or(0, |tree| tree.entries().len()),
        observations: candidate.commit.observations,
        lost_output: None,
        manifest: None,
    }))
}

/// On what grounds outputs may take the place of what is there, all observations of `candidate` holding.
fn grounds(
    candidate: &Candidate,
    request: &Request,
    policy: &Policy,
) -> Result<impl Fn(&[u8]) -> Grounds + use<>> {
    let declared = Patterns::outputs(&request.outputs, &request.directory, &request.places)?;
    let all_declared = policy.pure || candidate.commit.coverage == Coverage::Declared;
    let observed = candidate.commit.observations.iter().filter_map(|observation| match observation {
        Observation::State { path, follow: false, .. } if path.base() == Base::Root => {
            Some(path.rest().to_vec())
        }
        _ => None,
    });
    let observed: HashSet<Vec<u8>> = observed.collect();
    let root = request.places.root.clone();
    Ok(move |path: &[u8]| {
        if all_declared || declared.matches(&root.join(OsStr::from_bytes(path))) {
            Grounds::Declared
        } else if observed.contains(path) {
            Grounds::Observed
        } else {
            Grounds::Emptied
        }
    })
}

/// The newest time of what was observed of the files that the result was made from.
fn newest_observed(candidate: &Candidate, places: &Places) -> Timestamp {
    let observations = &candidate.commit.observations;
    capture::newest(observations.iter().zip(candidate.evidence.iter().map(Option::as_ref)), places)
}

/// Says in terms of the nearest earlier commit why nothing was replayed.
pub(super) fn explain(store: &dyn Store, captured: &Captured, request: &Request, miss: Miss) -> MissReason {
    match miss {
        Miss::Forced => return MissReason::Forced,
        Miss::Expired(age) => return MissReason::Expired(age),
        Miss::Damaged(blob) => return MissReason::Damaged(blob),
        Miss::NotRestored(reason) => return MissReason::NotRestored(reason),
        Miss::Changed(since, changes) => return MissReason::Changed { since, changes },
        Miss::Unknown => {}
    }
    let words: Vec<Vec<u8>> = request.shown_words().into_iter().map(OsStringExt::into_vec).collect();
    let Ok(Some((commit, manifest))) = store.nearest(&captured.lineage, &captured.function_id, &words) else {
        return MissReason::First;
    };
    let since = commit.id();
    let Ok(older) = Manifest::from_bytes(&manifest) else { return MissReason::First };
    let changes = captured.manifest.diff(&older);
    if !changes.is_empty() {
        return MissReason::Changed { since, changes: changes.into_iter().map(Difference::Known).collect() };
    }
    match commit.replay {
        crate::record::Replay::Never { reason, .. } => MissReason::NeverKept { since, reason },
        crate::record::Replay::Allowed => MissReason::Evicted,
    }
}

/// The same steps as a call, without running, replaying or recording.
pub(super) fn check(context: &Context<'_>, request: &Request, policy: &Policy) -> Result<Checked> {
    let now = Timestamp::now();
    let captured = capture::capture(request, context.recall, now)?;
    if let Some(bypass) = bypass_of(captured.sensitive.as_ref(), captured.moment.as_deref(), policy) {
        return Ok(Checked::Bypass(bypass));
    }
    let Some(store) = context.store else {
        return Ok(Checked::Miss { why: MissReason::First, manifest: Some(captured.manifest) });
    };
    let secret = || context.recall.secret();
    let present = Present {
        places: &request.places,
        environment: &captured.environment,
        umask: crate::exec::umask,
        superuser: rustix::process::geteuid().is_root(),
        secret: &secret,
        now,
    };
    let miss = match policy.mode {
        Mode::Refresh => Miss::Forced,
        _ => match find(context, store, &captured.key, &present, policy) {
            Found::Hit(mut candidate, _) => {
                let newest = || super::newest_of(&captured, request);
                let planned = match streams(context, &mut candidate, store) {
                    Ok(_) => {
                        let found = (&*candidate, &newest as &dyn Fn() -> Timestamp);
                        with_outputs(context, store, request, policy, found, Outputs::Plan)?
                    }
                    Err(miss) => Err(miss),
                };
                match planned {
                    Ok(_) => {
                        let observations = candidate.commit.observations;
                        return Ok(Checked::Hit { commit: candidate.id, observations });
                    }
                    Err(miss) => miss,
                }
            }
            Found::Miss(miss) => miss,
        },
    };
    let why = explain(store, &captured, request, miss);
    Ok(Checked::Miss { why, manifest: Some(captured.manifest) })
}
