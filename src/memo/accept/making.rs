//! The draft that records a present state as equal: the old result with the present answers.

use super::again::{again, set_since, state_of, variable};
use crate::digest::{BlobId, Digest};
use crate::encode::Encode;
use crate::error::Result;
use crate::hash::capture::Captured;
use crate::hash::holds::{self, Present, Validity};
use crate::hash::manifest::Part;
use crate::hash::request::Request;
use crate::memo::keep::consumed;
use crate::memo::reason::{Difference, observed_path};
use crate::memo::stdin::StdinAtStart;
use crate::memo::{Context, Policy, compare, products};
use crate::record::{Commit, Evidence, Observation, ProductClass, Products, SourceFile, StoredPath};
use crate::store::{Candidate, Draft, ResultIndex};
use std::cell::OnceCell;

/// What a draft is made with.
pub(super) struct Making<'a> {
    pub(super) context: &'a Context<'a>,
    pub(super) results: &'a dyn ResultIndex,
    pub(super) request: &'a Request,
    pub(super) policy: &'a Policy,
    pub(super) present: &'a Present<'a>,
    pub(super) captured: &'a Captured,
}

impl Making<'_> {
    /// The old result with the present answers. Adds what differs to `differences`. The inner error says what cannot be accepted
    /// as equal.
    pub(super) fn draft(
        &self,
        mut candidate: Candidate,
        differences: &mut Vec<Difference>,
    ) -> Result<Result<Draft, String>> {
        let stdin = StdinAtStart::look(self.context.stdin);
        let compared = compare::differences(
            &mut candidate,
            &products::Others { candidates: [&[], &[]], results: None, facts: &OnceCell::new() },
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

    /// Every observation with its present answer. The error is the first one that has none.
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
                Observation::Toolchain { token } => (self.policy.has_toolchain(token), None),
                _ => match holds::holds(then, evidence.as_ref(), self.present) {
                    Validity::Valid => (true, *evidence),
                    Validity::Renewed(renewed) => (true, renewed),
                    Validity::Changed(..) | Validity::Invalid => (false, None),
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
            irrelevant_env: accounted,
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
        let named = compare::new_variables(&mut candidate, self.present, || &stdin, self.context.recall);
        for difference in named {
            if let Difference::Seen { now: now @ Observation::Variable { .. }, .. } = difference {
                draft.commit.observations.push(now);
                draft.evidence.push(None);
            }
        }
        draft.commit.irrelevant_env.extend(candidate.irrelevant_env);
        draft.commit.irrelevant_env.sort();
        draft.commit.irrelevant_env.dedup();
    }

    /// The first difference that would keep the draft from answering the next call. It shows whether the present answers are
    /// complete.
    fn stands_against(&self, draft: &Draft, stdin: &StdinAtStart) -> Result<Option<Difference>> {
        let others = self.results.find(&draft.commit.key)?;
        let mut candidate = as_candidate(draft);
        let compared = compare::differences(
            &mut candidate,
            &products::Others {
                candidates: [&others, &[]],
                results: Some(self.results),
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

/// The products of a run that begins now: files that it consults have their present state.
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
    Products::new(all, products.valid_as_left)
}

/// Sorts observations by directory, as look-ups need them.
fn sort_by_place(draft: &mut Draft) {
    let observations = std::mem::take(&mut draft.commit.observations);
    let mut seen: Vec<_> = observations.into_iter().zip(std::mem::take(&mut draft.evidence)).collect();
    seen.sort_by(|(left, _), (right, _)| left.place().cmp(&right.place()));
    (draft.commit.observations, draft.evidence) = seen.into_iter().unzip();
}

/// The draft in the form of a recorded run.
fn as_candidate(draft: &Draft) -> Candidate {
    Candidate {
        id: draft.commit.id(),
        commit: draft.commit.clone(),
        evidence: draft.evidence.clone(),
        outputs: draft.outputs.clone(),
        output_evidence: draft.output_evidence.clone(),
        irrelevant_env: Vec::new(),
        inline: Vec::new(),
        strict: Vec::new(),
    }
}

/// Why no present answer can replace that of `observation`.
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
        _ => "something that it depends on cannot be inspected".to_owned(),
    }
}

/// Why the draft would not answer the next call.
fn stands(difference: &Difference) -> String {
    let path = match difference {
        Difference::Seen { then, .. } => observed_path(then),
        Difference::Known(_) => None,
    };
    match path {
        Some(path) => format!("{} is in the way of its result", path.shown().display()),
        None => "something that it depends on keeps changing".to_owned(),
    }
}
