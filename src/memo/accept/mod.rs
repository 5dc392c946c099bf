//! `accept`: the present code or inputs count as equal to those of a recorded run.
//!
//! Nothing runs. The questions of the recorded run are asked again, and the present answers are recorded with the old result as a
//! new commit, which names the user. That commit is looked up like any other: a later change makes the command run.

mod again;
mod making;

use super::look_up::{self, Found};
use super::reason::{Bypass, Difference};
use super::{Context, Policy, bypass_of};
use crate::digest::CommitId;
use crate::error::{Error, Kind, Result};
use crate::hash::capture::{self, Captured};
use crate::hash::holds::Present;
use crate::hash::manifest::{Manifest, Part};
use crate::hash::request::Request;
use crate::record::{Acceptance, Commit, Timestamp};
use crate::store::{Claims, Draft};
use making::Making;

/// A recorded run whose result may be taken for that of the present.
#[derive(Clone, Copy, Debug)]
pub struct Recorded<'a> {
    /// Its id.
    pub id: CommitId,
    /// The commit.
    pub commit: &'a Commit,
    /// What was known before it ran.
    pub manifest: &'a Manifest,
}

/// The outcome of comparing a recorded run with the present state.
#[derive(Debug)]
pub enum Proposal {
    /// Nothing: the call is answered by this commit already.
    Answered(CommitId),
    /// This; taking it as equal would record the draft.
    Differs {
        /// What differs.
        differences: Vec<Difference>,
        /// The facts known before a run now.
        captured: Box<Captured>,
        /// What would be recorded; the reason and the user are still to be filled in.
        draft: Box<Draft>,
    },
    /// Something that the user cannot wave through, in words.
    Refused(String),
}

/// Compares a recorded run with the present.
///
/// # Errors
/// The call is wrong; the store cannot be read or written.
pub fn propose(
    context: &Context<'_>,
    request: &Request,
    policy: &Policy,
    recorded: Recorded<'_>,
) -> Result<Proposal> {
    let Some(store) = context.store else {
        return Ok(Proposal::Refused("there is no store".to_owned()));
    };
    let captured = capture::capture(request, context.recall)?;
    if let Some(bypass) = bypass_of(captured.sensitive.as_ref(), captured.volatile.as_deref(), policy) {
        return Ok(Proposal::Refused(never(&bypass)));
    }
    let changes = captured.manifest.diff(recorded.manifest);
    if let Some(change) = changes.iter().find(|change| !may_differ(&change.part)) {
        return Ok(Proposal::Refused(other_call(&change.part)));
    }
    let secret = || context.recall.secret();
    let present = Present {
        places: &request.places,
        environment: &captured.environment,
        circumstances: context.executor.circumstances(),
        secret: &secret,
        now: Timestamp::now(),
        seen: None,
    };
    if let Found::Hit(held) = look_up::find(context, store, &captured.key, &present, policy) {
        return Ok(Proposal::Answered(held.candidate.id));
    }
    let candidates = store.find(&recorded.commit.key)?;
    let Some(candidate) = candidates.into_iter().find(|candidate| candidate.id == recorded.id) else {
        return Ok(Proposal::Refused("its result can no longer be replayed".to_owned()));
    };
    let making = Making { context, results: store, request, policy, present: &present, captured: &captured };
    let mut differences: Vec<Difference> = changes.into_iter().map(Difference::Known).collect();
    match making.draft(candidate, &mut differences)? {
        Ok(_) if differences.is_empty() => {
            Ok(Proposal::Refused("nothing differs, and its result is not replayed all the same".to_owned()))
        }
        Ok(draft) => {
            Ok(Proposal::Differs { differences, captured: Box::new(captured), draft: Box::new(draft) })
        }
        Err(stands) => Ok(Proposal::Refused(stands)),
    }
}

/// Records what was proposed, if it is still what the user saw: `draft` is what [`propose`] made before the question.
///
/// # Errors
/// Something changed since; the store does not take it.
pub fn accept(
    context: &Context<'_>,
    request: &Request,
    policy: &Policy,
    recorded: Recorded<'_>,
    (seen, mut acceptance): (&Draft, Acceptance),
) -> Result<CommitId> {
    let moved = || {
        Error::new(Kind::Other, "something changed in the meantime").with_hint("look at the difference again")
    };
    let store = context.store.ok_or_else(moved)?;
    let Proposal::Differs { mut draft, captured, .. } = propose(context, request, policy, recorded)? else {
        return Err(moved());
    };
    if draft.commit != seen.commit {
        return Err(moved());
    }
    for source in &captured.sources {
        store.put(&source.bytes)?;
    }
    acceptance.of = recorded.id;
    draft.commit.accepted = Some(acceptance);
    let claim = store.claim(&draft.commit.key, &mut || ())?;
    store.commit(claim, *draft)
}

/// Whether the store can be written to, as far as that is known before writing.
///
/// # Errors
/// It cannot.
pub fn can_record(claims: &dyn Claims, recorded: &Commit) -> Result<()> {
    let claim = claims.claim(&recorded.key, &mut || ())?;
    if claim.is_locked() {
        return Ok(());
    }
    Err(Error::new(Kind::Other, "the store cannot be written: nothing can be accepted"))
}

fn never(bypass: &Bypass) -> String {
    format!("it is never replayed: {}", bypass.detail())
}

/// Code, inputs and surroundings may be taken as equal; what was asked for may not.
#[must_use]
pub fn may_differ(part: &Part) -> bool {
    !matches!(
        part,
        Part::Platform | Part::Directory | Part::Word(_) | Part::Output(_) | Part::Salt | Part::Flag(_)
    )
}

fn other_call(part: &Part) -> String {
    let what = match part {
        Part::Platform => "on another platform",
        Part::Directory => "in another directory",
        Part::Word(_) => "with other arguments",
        _ => "with other options of cashet",
    };
    format!("it ran {what}")
}
