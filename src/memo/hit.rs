//! Replays a commit that holds: verifies all of it, restores outputs, then replays the streams. Or checks whether it could.

use super::event::Event;
use super::event::Parted;
use super::explain::explain;
use super::look_up::{Found, ValidCandidate, find};
use super::outputs::{Grounds, Restore, RestoreError};
use super::policy::{Mode, Policy};
use super::reason::{MissReason, Outcome};
use super::replay::{Replay, Replayed};
use super::shared::Seeking;
use super::shown::Shown;
use super::stdin::StdinAtStart;
use super::tail::Tail;
use super::{Answer, Checked, Context, Miss, bypass_of};
use crate::digest::{BlobId, Key};
use crate::error::{Kind, Result};
use crate::exec;
use crate::hash::capture;
use crate::hash::globs::Patterns;
use crate::hash::holds::Present;
use crate::hash::request::Request;
use crate::record::{
    Base, Coverage, Evidence, FactKind, FactScope, Observation, Places, ProductClass, StdinUse, StoredPath,
    Stream, Termination, Timestamp, with_text,
};
use crate::store::{self, BlobStore, Candidate, Store};
use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io::{Cursor, Read};
use std::os::unix::ffi::OsStrExt;

/// The bytes of a blob, from the candidate or from the store.
fn bytes(candidate: &mut Candidate, store: &dyn BlobStore, blob: BlobId) -> Result<Box<dyn Read + Send>> {
    match candidate.inline.iter_mut().find(|(id, _)| *id == blob) {
        Some((_, bytes)) => Ok(Box::new(Cursor::new(bytes.clone()))),
        None => store.read(&blob),
    }
}

/// A commit that holds now.
pub(super) struct Holding<'a> {
    pub(super) held: ValidCandidate,
    /// Returns the newest modification time of the files in the key.
    pub(super) newest: &'a dyn Fn() -> Timestamp,
    /// What was shown of the run while it was active.
    pub(super) shown: Option<&'a Shown>,
}

/// What the command wrote to stdout and stderr, or why it is not available.
fn streams(candidate: &mut Candidate, store: &dyn BlobStore) -> Result<Vec<Box<dyn Read + Send>>, Miss> {
    let contents = [candidate.commit.stdout, candidate.commit.stderr];
    let read = contents.iter().map(|content| {
        bytes(candidate, store, content.blob).map_err(|error| {
            if error.kind() == Kind::Damaged {
                return Miss::Damaged(content.blob);
            }
            // Perhaps this user alone cannot read it: nothing is wrong with the result.
            Miss::NotRestored(error.to_string())
        })
    });
    read.collect()
}

/// What to do with the outputs of a candidate that holds.
#[derive(Clone, Copy)]
enum Outputs {
    PutBack,
    Plan,
}

/// New evidence for restored outputs.
type Renewed = Option<Vec<Option<Evidence>>>;

/// Restores the outputs of a candidate that holds, or checks whether they could be restored. The inner error is the reason why
/// not.
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
    let tree = tree.under(|| context.executor.circumstances().umask());
    let facts = OnceCell::new();
    let knows_link = |path: &[u8], text: &[u8]| {
        let facts = facts.get_or_init(|| store.facts(&candidate.commit).unwrap_or_default());
        facts.has(FactScope::Function, FactKind::LeavesLink, &with_text(path, text))
    };
    let restore = Restore {
        places: &request.places,
        store,
        tree: &tree,
        evidence: &candidate.output_evidence,
        newest_input: newest_observed(candidate, &request.places).max(newest()),
        observer: context.observer,
        grounds: &grounds,
        knows_link: &knows_link,
    };
    let done = match work {
        Outputs::PutBack => restore.run(),
        Outputs::Plan => restore.plan_all().map(|_| None),
    };
    Ok(match done {
        Ok(renewed) => Ok(renewed),
        Err(RestoreError::Damaged(blob, _)) => Err(Miss::Damaged(blob)),
        Err(RestoreError::Blocked(reason)) => Err(Miss::NotRestored(reason.to_string())),
    })
}

/// Replays a commit: everything is verified before anything becomes visible.
pub(super) fn replay(
    context: &Context<'_>,
    store: &dyn Store,
    request: &Request,
    key: &Key,
    policy: &Policy,
    holding: Holding<'_>,
) -> Result<Result<Answer, Miss>> {
    let Holding { held: ValidCandidate { mut candidate, stale, learned, is_on_own }, newest, shown } =
        holding;
    let distrust = |candidate: &Candidate, blob: BlobId| {
        if !store.distrust(key, &candidate.id) {
            // A collection or `rm` removed it meanwhile.
            return Miss::Dropped;
        }
        context.observer.on(&Event::Healed(blob));
        Miss::Damaged(blob)
    };
    let written = [(Stream::Stdout, &candidate.commit.stdout), (Stream::Stderr, &candidate.commit.stderr)];
    if written.iter().any(|(stream, content)| content.size > 0 && exec::was_closed(*stream)) {
        // The command sees that it cannot write, and may fail.
        return Ok(Err(Miss::NotRestored("a standard stream is closed".to_owned())));
    }
    let proven = match streams(&mut candidate, store) {
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
    let mut streams = [stdout, stderr];
    let shown = match shown {
        Some(shown) if shown.is_start_of(&candidate.commit, &mut streams) => Some(shown),
        Some(shown) => {
            context.observer.on(&Event::Parted(shown.tail(), Parted::Differs));
            // Bytes that were read for the comparison are read again.
            match self::streams(&mut candidate, store).map(<[_; 2]>::try_from) {
                Ok(Ok(again)) => streams = again,
                Ok(Err(_)) => return Ok(Err(Miss::Unknown)),
                Err(miss) => return Ok(Err(miss)),
            }
            None
        }
        None => None,
    };
    let [stdout, stderr] = streams;
    let replay = Replay { stdout, stderr, to_stdout: context.stdout, to_stderr: context.stderr };
    let (replayed, tail) = if policy.written_hits.contain(candidate.commit.termination) {
        replay.run(&candidate.commit.order, shown)?
    } else {
        (Replayed::Whole, Tail::default())
    };
    context.observer.on(&Event::Ended(tail));
    for observation in &candidate.commit.observations {
        if let Observation::Stdin(used @ StdinUse::Content { .. }) = observation {
            StdinAtStart::look(context.stdin).leave(used);
        }
    }
    if !policy.is_own_run {
        store.note(&store::Event::Hit { commit: candidate.id, at: Timestamp::now() });
    }
    if renewed || learned {
        store.renew(key, &candidate);
    }
    let termination = match replayed {
        Replayed::Whole => candidate.commit.termination,
        Replayed::ReaderGone => Termination::Signaled(libc::SIGPIPE),
    };
    Ok(Ok(Answer {
        outcome: Outcome::Hit {
            stale,
            accepted: candidate.commit.accepted.is_some(),
            own_output: is_on_own,
            from: None,
        },
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

/// Why outputs may replace existing files; all observations of `candidate` hold.
fn grounds(
    candidate: &Candidate,
    request: &Request,
    policy: &Policy,
) -> Result<impl Fn(&[u8]) -> Grounds + use<>> {
    let declared = Patterns::outputs(&request.outputs, &request.directory, &request.places)?;
    let all_declared = policy.pure || candidate.commit.coverage == Coverage::Declared;
    let mut observed = BTreeSet::new();
    let mut take = |path: &StoredPath| {
        if path.base() == Base::Root {
            observed.insert(path.rest().to_vec());
        }
    };
    for observation in &candidate.commit.observations {
        match observation {
            Observation::State { path, follow: false, .. } => take(path),
            Observation::Settled { states } => states.iter().for_each(|state| take(&state.path)),
            _ => {}
        }
    }
    let products = candidate.commit.products.clone();
    let root = request.places.root.clone();
    Ok(move |path: &[u8]| {
        let product = products.find(path);
        match product.map(|product| product.class) {
            Some(ProductClass::Appended) => return Grounds::Appended,
            Some(ProductClass::Mode) => return Grounds::Attributes,
            _ => {}
        }
        if all_declared || declared.matches(&root.join(OsStr::from_bytes(path))) {
            Grounds::Declared
        } else if let Some(product) = product {
            match product.class {
                class if product.is_tool_state && product.removed_first => {
                    Grounds::Removed { is_known: class == ProductClass::Consulted }
                }
                ProductClass::Blind | ProductClass::Looked => {
                    Grounds::Free { keeps_mode: product.in_place && !product.attributes_set }
                }
                _ => {
                    let is_kept = product.in_place && !product.attributes_set;
                    Grounds::Observed { keeps_mode: is_kept && product.before.mode_is_left() }
                }
            }
        } else if observed.contains(path) {
            Grounds::Observed { keeps_mode: false }
        } else {
            Grounds::Emptied
        }
    })
}

/// The newest modification time of the observed files from which the result was made.
fn newest_observed(candidate: &Candidate, places: &Places) -> Timestamp {
    let observations = &candidate.commit.observations;
    capture::newest(observations.iter().zip(candidate.evidence.iter().map(Option::as_ref)), places)
}

/// The same steps as a call, without running, replaying or recording.
pub(super) fn check(context: &Context<'_>, request: &Request, policy: &Policy) -> Result<Checked> {
    check_with(context, request, policy, false)
}

/// The same; `shared` says that the shared caches were asked already.
fn check_with(context: &Context<'_>, request: &Request, policy: &Policy, shared: bool) -> Result<Checked> {
    let now = Timestamp::now();
    let captured = capture::capture(request, context.recall)?;
    if let Some(bypass) = bypass_of(captured.sensitive.as_ref(), captured.volatile.as_deref(), policy) {
        return Ok(Checked::Bypass(bypass));
    }
    let Some(store) = context.store else {
        return Ok(Checked::Miss { why: MissReason::First, manifest: Some(captured.manifest) });
    };
    let secret = || context.recall.secret();
    let present = Present {
        places: &request.places,
        environment: &captured.environment,
        circumstances: context.executor.circumstances(),
        secret: &secret,
        now,
        seen: None,
    };
    let miss = match policy.mode {
        Mode::Refresh => Miss::Forced,
        _ => match find(context, store, &captured.key, &present, policy) {
            Found::Hit(held) => {
                let mut candidate = held.candidate;
                let newest = || super::newest_of(&captured, request);
                let planned = match streams(&mut candidate, store) {
                    Ok(_) => {
                        let found = (&candidate, &newest as &dyn Fn() -> Timestamp);
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
            Found::Miss(miss) => {
                let seeking =
                    Seeking { context, request, store, policy, captured: &captured, recall: context.recall };
                if !shared && !policy.history_only && seeking.take().is_some() {
                    return check_with(context, request, policy, true);
                }
                miss
            }
        },
    };
    let why = explain(store, &captured, request, miss);
    Ok(Checked::Miss { why, manifest: Some(captured.manifest) })
}
