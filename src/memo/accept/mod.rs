//! `accept`: the present code or inputs count as equal to those of a recorded run.
//!
//! Nothing runs. What the recorded run depended on is asked anew, the answers of this moment are put beside the old result,
//! and both are recorded as a commit that says who took it so. That commit is looked up like any other: whatever changes
//! after this moment makes the command run.

mod again;

use super::keep::{consumed, put};
use super::look_up::{self, Found};
use super::products;
use super::reason::{Bypass, Difference};
use super::stdin::StdinAtStart;
use super::{Context, Policy, bypass_of};
use crate::digest::{BlobId, CommitId, Digest};
use crate::encode::Encode;
use crate::error::{Error, Kind, Result};
use crate::hash::capture::{self, Captured};
use crate::hash::holds::{self, Held, Present};
use crate::hash::manifest::{Manifest, Part};
use crate::hash::request::Request;
use crate::record::{
    Acceptance, Commit, Evidence, Observation, ProductClass, Products, SourceFile, StoredPath, Timestamp,
};
use crate::store::{Candidate, Draft, Store};
use again::{again, set_since, state_of, variable};
use std::cell::OnceCell;

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

/// What stands between a recorded run and the present.
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
    if let Some(bypass) = bypass_of(captured.sensitive.as_ref(), captured.moment.as_deref(), policy) {
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
        umask: crate::exec::umask,
        superuser: rustix::process::geteuid().is_root(),
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
    let making = Making { context, store, request, policy, present: &present, captured: &captured };
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
        put(store, &source.bytes)?;
    }
    acceptance.of = recorded.id;
    draft.commit.accepted = Some(acceptance);
    let claim = store.claim(&draft.commit.key, &mut || ())?;
    store.commit(claim, *draft)
}

/// Whether the store can be written to, as far as that can be told before it is.
///
/// # Errors
/// It cannot.
pub fn can_record(store: &dyn Store, recorded: &Commit) -> Result<()> {
    let claim = store.claim(&recorded.key, &mut || ())?;
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

/// What a draft is made with.
struct Making<'a> {
    context: &'a Context<'a>,
    store: &'a dyn Store,
    request: &'a Request,
    policy: &'a Policy,
    present: &'a Present<'a>,
    captured: &'a Captured,
}

impl Making<'_> {
    /// The old result beside the present answers; adds what differs to `differences`. The inner error says what cannot be
    /// taken as equal.
    fn draft(
        &self,
        mut candidate: Candidate,
        differences: &mut Vec<Difference>,
    ) -> Result<Result<Draft, String>> {
        let stdin = StdinAtStart::look(self.context.stdin);
        let compared = look_up::differences(
            &mut candidate,
            &products::Others { candidates: [&[], &[]], store: None, facts: &OnceCell::new() },
            self.present,
            self.policy,
            || &stdin,
            self.context.recall,
        );
        let observations = match self.observations(&candidate, &stdin) {
            Ok(observations) => observations,
            Err(observation) => return Ok(Err(cannot_stand(&observation))),
        };
        let products = begun_now(&candidate.commit.products, &compared.differences);
        differences.extend(compared.differences);
        let mut draft = self.put_together(candidate, observations, products);
        self.add_variables(&mut draft);
        sort_by_place(&mut draft);
        draft.consumed = consumed(self.captured, self.request, &draft.commit.observations);
        Ok(match self.stands_against(&draft, &stdin)? {
            None => Ok(draft),
            Some(difference) => Err(stands(&difference)),
        })
    }

    /// Every observation as it is now; the first that no present answer can stand for is the error.
    fn observations(
        &self,
        candidate: &Candidate,
        stdin: &StdinAtStart,
    ) -> Result<Vec<(Observation, Option<Evidence>)>, Observation> {
        let mut made = Vec::with_capacity(candidate.commit.observations.len());
        for (then, evidence) in candidate.commit.observations.iter().zip(&candidate.evidence) {
            let (holds, renewed) = match then {
                Observation::Stdin(_)
                | Observation::StdinKind(_)
                | Observation::StdinTerminal(_)
                | Observation::StdinName(_) => (stdin.holds(then), None),
                Observation::Network => {
                    (self.policy.allow_network || self.policy.time_to_live.is_some(), None)
                }
                _ => match holds::holds(then, evidence.as_ref(), self.present) {
                    Held::Yes => (true, *evidence),
                    Held::Renewed(renewed) => (true, renewed),
                    Held::Other(..) | Held::No => (false, None),
                },
            };
            if holds {
                made.push((then.clone(), renewed));
                continue;
            }
            made.push(again(then, self.present).ok_or_else(|| then.clone())?);
            made.extend(
                set_since(then, self.present).iter().map(|name| (variable(name, self.present), None)),
            );
        }
        Ok(made)
    }

    fn put_together(
        &self,
        candidate: Candidate,
        observations: Vec<(Observation, Option<Evidence>)>,
        products: Products,
    ) -> Draft {
        let (observations, evidence): (Vec<_>, Vec<_>) = observations.into_iter().unzip();
        let mut sources = Vec::new();
        for source in &self.captured.sources {
            sources.push(SourceFile { path: source.path.clone(), blob: BlobId(Digest::of(&source.bytes)) });
        }
        let mut accounted: Vec<Vec<u8>> = self
            .captured
            .manifest
            .facts()
            .filter_map(|(part, _)| match part {
                Part::Variable(name) => Some(name.clone()),
                _ => None,
            })
            .collect();
        accounted.sort();
        accounted.dedup();
        let commit = Commit {
            key: self.captured.key,
            parent: None,
            function: self.captured.function.clone(),
            function_id: self.captured.function_id,
            sources,
            observations,
            products,
            indifferent: accounted,
            accepted: None,
            ..candidate.commit
        };
        Draft {
            commit,
            manifest: self.captured.manifest.to_bytes(),
            tags: self.policy.tags.clone(),
            evidence,
            outputs: candidate.outputs,
            output_evidence: candidate.output_evidence,
            consumed: Vec::new(),
        }
    }

    /// Variables that the present content names, which the recorded run may not have known.
    fn add_variables(&self, draft: &mut Draft) {
        if self.policy.pure {
            return;
        }
        let stdin = StdinAtStart::look(self.context.stdin);
        let mut candidate = as_candidate(draft);
        let named = look_up::new_variables(&mut candidate, self.present, || &stdin, self.context.recall);
        for difference in named {
            if let Difference::Seen { now: now @ Observation::Variable { .. }, .. } = difference {
                draft.commit.observations.push(now);
                draft.evidence.push(None);
            }
        }
        draft.commit.indifferent.extend(candidate.indifferent);
        draft.commit.indifferent.sort();
        draft.commit.indifferent.dedup();
    }

    /// What would keep the draft from answering the next call. Whatever the present answers may have missed shows here.
    fn stands_against(&self, draft: &Draft, stdin: &StdinAtStart) -> Result<Option<Difference>> {
        let others = self.store.find(&draft.commit.key)?;
        let mut candidate = as_candidate(draft);
        let compared = look_up::differences(
            &mut candidate,
            &products::Others {
                candidates: [&others, &[]],
                store: Some(self.store),
                facts: &OnceCell::new(),
            },
            self.present,
            self.policy,
            || stdin,
            self.context.recall,
        );
        Ok(compared.differences.into_iter().next())
    }
}

/// The products of a run that begins now: what it takes up is as it is now.
fn begun_now(products: &Products, differences: &[Difference]) -> Products {
    let now = |path: &[u8]| {
        differences.iter().find_map(|difference| match difference {
            Difference::Seen { now, .. } => {
                let (at, state) = state_of(now)?;
                (*at == StoredPath::in_root(path)).then(|| state.clone())
            }
            Difference::Known(_) => None,
        })
    };
    let mut all = products.all().to_vec();
    for product in all.iter_mut().filter(|product| product.class == ProductClass::Consulted) {
        if let Some(state) = now(&product.path) {
            product.before = state;
        }
    }
    Products::new(all, products.holds_at_end)
}

/// A later call looks at observations directory by directory.
fn sort_by_place(draft: &mut Draft) {
    let observations = std::mem::take(&mut draft.commit.observations);
    let mut seen: Vec<_> = observations.into_iter().zip(std::mem::take(&mut draft.evidence)).collect();
    seen.sort_by(|(left, _), (right, _)| left.place().cmp(&right.place()));
    (draft.commit.observations, draft.evidence) = seen.into_iter().unzip();
}

fn as_candidate(draft: &Draft) -> Candidate {
    Candidate {
        id: draft.commit.id(),
        commit: draft.commit.clone(),
        evidence: draft.evidence.clone(),
        outputs: draft.outputs.clone(),
        output_evidence: draft.output_evidence.clone(),
        indifferent: Vec::new(),
        inline: Vec::new(),
        strict: Vec::new(),
    }
}

fn cannot_stand(observation: &Observation) -> String {
    match observation {
        Observation::Root(_) | Observation::RootName(_) => {
            "its result contains the path of the project, which is another one".to_owned()
        }
        Observation::Network => {
            "it used the network: --ttl or --allow-net says that this does not count".to_owned()
        }
        Observation::Descriptor { number, .. } => {
            format!("it read descriptor {number}, which is another one")
        }
        Observation::Stdin(_)
        | Observation::StdinKind(_)
        | Observation::StdinTerminal(_)
        | Observation::StdinName(_) => {
            "its standard input was another one: '< FILE' gives it again".to_owned()
        }
        _ => "something that it depends on cannot be looked at".to_owned(),
    }
}

fn stands(difference: &Difference) -> String {
    let path = match difference {
        Difference::Seen { then, .. } => super::observed_path(then),
        Difference::Known(_) => None,
    };
    match path {
        Some(path) => format!("{} is in the way of its result", path.shown().display()),
        None => "something that it depends on goes on changing".to_owned(),
    }
}
