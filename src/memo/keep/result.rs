//! The result of a run: its dependencies, its outputs, and the record of both.
//!
//! Works on the trace of a finished run.

use super::super::observe::{self, Observed, Watcher};
use super::super::outputs::{Beneath, Collected, Origin, OwnerOf, collect};
use super::super::reason::NotKept;
use super::super::stdin::Given;
use super::super::tee::Streams;
use super::super::terminals::made;
use super::modes::{self, Mask};
use super::{Keeping, shown_detail};
use crate::digest::Digest;
use crate::encode::Encode;
use crate::error::Result;
use crate::exec::{Finished, Hazard, Trace, Unwatched};
use crate::hash::capture::{self, Captured};
use crate::hash::manifest::{Manifest, Part, Value};
use crate::hash::occurrence::Printed;
use crate::hash::request::{Request, StdinPart};
use crate::record::{
    Commit, Coverage, Evidence, Observation, OutputTree, Product, ProductClass, Products, Replay, SourceFile,
    StdinUse, StoredPath, Termination,
};
use crate::store::Draft;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// The outputs of a run, and its dependencies.
#[derive(Default)]
pub(super) struct Outputs {
    pub(super) observations: Vec<(Observation, Option<Evidence>)>,
    pub(super) tree: Option<OutputTree>,
    /// The facts that count, if the run has changed them.
    pub(super) manifest: Option<Manifest>,
    products: Products,
    evidence: Vec<Option<Evidence>>,
    irrelevant_env: Vec<Vec<u8>>,
    /// Code of the project asks whether a stream is a terminal.
    code_asks: bool,
}

impl Keeping<'_> {
    /// Determines the dependencies and the outputs of the run.
    pub(super) fn result(
        &self,
        finished: &Finished,
        watcher: &Watcher<'_>,
        streams: &Streams,
    ) -> Result<Outputs, NotKept> {
        if let Some(signal) = finished.signal {
            return Err(NotKept::Interrupted(signal));
        }
        if !self.policy.kept_statuses.keep(finished.termination) {
            return Err(NotKept::Failed(finished.termination));
        }
        if self.policy.history_only {
            return Err(NotKept::HistoryOnly);
        }
        if finished.made.iter().flatten().any(|made| made.is_size_asked && made.is_resized) {
            return Err(NotKept::Hazard(Hazard::TerminalSize));
        }
        let observed = match &finished.trace {
            Ok(Trace { own_output: Some(path), .. }) => return Err(NotKept::ReadOwnOutput(path.clone())),
            Ok(trace) => {
                let run = observe::Run {
                    captured: self.captured,
                    policy: self.policy,
                    places: &self.request.places,
                    directory: &self.request.directory,
                    words: &self.request.words,
                    secret: self.secret,
                    recall: self.recall,
                    circumstances: self.circumstances,
                    started: self.file_started,
                    stdin: Some(&self.stdin).filter(|_| self.request.stdin == StdinPart::None),
                    declared_inputs: &self.declared.inputs,
                    declared_outputs: &self.declared.outputs,
                    ignored_writes: &self.declared.ignored,
                    ignored_reads: &self.declared.unread,
                    exact_state: self.request.exact_state,
                    printed: printed(finished, streams),
                    failed: finished.termination != Termination::Exited(0),
                };
                observe::observe(&run, trace, watcher)?
            }
            Err(Unwatched::Off | Unwatched::Unavailable(_)) => Observed::default(),
        };
        if let Some(path) = capture::moved(self.captured, self.request, self.secret) {
            return Err(NotKept::InputMoved(path));
        }
        let in_key = self.request.stdin != StdinPart::None;
        if self.given.is_some_and(Given::moved) || (in_key && self.given.is_none() && self.stdin.moved()) {
            return Err(NotKept::InputMoved("standard input".into()));
        }
        let mut paths = observed.outputs;
        paths.extend(self.declared.after(self.watched)?);
        let mut beneath = Beneath::open(&self.request.places.root)
            .map_err(|errno| NotKept::Store(format!("cannot open the root: {errno}")))?;
        let gives_away = finished.trace.as_ref().is_ok_and(|trace| trace.owners_set);
        let owner = |path: &[u8]| watcher.owner_before(path);
        let origin = Origin {
            started: self.file_started,
            with_times: &|times| watcher.with_times(times),
            owners: Some(&owner as OwnerOf<'_>).filter(|_| gives_away),
            places: &self.request.places,
            appended: &observed.appended,
        };
        let collected = collect(&mut beneath, &paths, self.store, &origin)?;
        let mut observations = observed.observations;
        let Collected { tree, evidence, contains_root, contains_root_name } = collected;
        let shown = self.shown_sources(finished, streams, &tree).into_iter();
        let is_new = |shown: &(Observation, _)| !observations.iter().any(|(seen, _)| *seen == shown.0);
        observations.extend(shown.filter(is_new).collect::<Vec<_>>());
        let mask = self.circumstances.umask();
        let ask = |trace, tree, products: &[Product]| {
            modes::asked(trace, &self.request.places.root, tree, products, mask)
        };
        let mut products = observed.products;
        let (mut tree, by_modes) = match &finished.trace {
            Ok(trace) => ask(trace, tree, &products),
            // It is not known which process created which file with which mode.
            Err(_) if !paths.is_empty() => (tree, Mask::Exact),
            Err(_) => (tree, Mask::Any),
        };
        let is_unseen = finished.trace.is_err() && !paths.is_empty();
        let by_modes = if observed.umask_counts { Mask::Exact } else { by_modes };
        if by_modes != Mask::Any {
            // Other outputs may have the mode of this one. An existing file keeps its mode, so it has to be the same file.
            if modes::count_found(&mut products, &tree, mask)
                && let Ok(trace) = &finished.trace
            {
                (tree, _) = ask(trace, tree, &products);
            }
            for product in &mut products {
                product.attributes_set = true;
            }
            let exact = by_modes == Mask::Exact;
            let seen = if exact { Observation::Umask(mask) } else { Observation::UmaskAtLeast(mask) };
            observations.push((seen, None));
        }
        let who = [observed.user_counts || is_unseen, observed.identity_counts];
        observations.extend(self.seen_of_user(who).map(|seen| (seen, None)));
        let contained = (contains_root, contains_root_name || observed.root_name_counts);
        self.places_shown(streams, contained, &mut observations);
        let tree = Some(tree).filter(|tree| !tree.entries().is_empty());
        let mut consulted =
            products.iter().filter(|product| product.class == ProductClass::Consulted).peekable();
        // Tool state is then as the tools left it: they find nothing to do.
        let valid_as_left = consulted.peek().is_some() && consulted.all(|product| product.is_tool_state);
        let products = Products::new(products, valid_as_left);
        let Observed { irrelevant_env, code_asks, .. } = observed;
        Ok(Outputs { observations, tree, manifest: None, products, evidence, irrelevant_env, code_asks })
    }

    /// What counts of the user: whether that is root, and who it is.
    fn seen_of_user(&self, [superuser, identity]: [bool; 2]) -> impl Iterator<Item = Observation> {
        let root = superuser.then(|| Observation::Superuser(self.circumstances.is_superuser()));
        let user = identity.then(|| Observation::User { digest: self.circumstances.user() });
        root.into_iter().chain(user)
    }

    /// Adds the places that streams or outputs contain: the root, its name, those that variables name.
    fn places_shown(
        &self,
        streams: &Streams,
        (contains_root, contains_root_name): (bool, bool),
        observations: &mut Vec<(Observation, Option<Evidence>)>,
    ) {
        if streams.contains_root || contains_root {
            let root = self.request.places.root.as_os_str().as_bytes().to_vec();
            observations.push((Observation::Root(root), None));
        } else if streams.contains_root_name || contains_root_name {
            let name = self.request.places.root_name().to_vec();
            observations.push((Observation::RootName(name), None));
        }
        for (name, _) in streams.places.iter().filter(|(_, found)| *found) {
            let known = self.captured.manifest.get(&Part::Variable(name.as_bytes().to_vec())).is_some();
            let place =
                observe::variable(&self.captured.environment, name, &self.request.places, &self.secret);
            if !known && !observations.iter().any(|(seen, _)| *seen == place) {
                observations.push((place, None));
            }
        }
    }

    /// Builds the record.
    pub(super) fn draft(
        &self,
        finished: &Finished,
        streams: Streams,
        result: Outputs,
        not_kept: Option<&NotKept>,
        tags: Vec<(String, String)>,
    ) -> Result<Draft> {
        let mut seen = result.observations;
        // A later call checks them directory by directory.
        seen.sort_by(|(left, _), (right, _)| left.place().cmp(&right.place()));
        let (observations, evidence): (Vec<_>, Vec<_>) = seen.into_iter().unzip();
        let manifest = result.manifest.as_ref().unwrap_or(&self.captured.manifest);
        let outputs = match &result.tree {
            Some(tree) => Some(self.store.put(&tree.to_bytes())?),
            None => None,
        };
        let mut sources = Vec::new();
        let counts = |path| manifest.get(&Part::Source(StoredPath::clone(path))).is_some();
        for source in self.captured.sources.iter().filter(|source| counts(&source.path)) {
            // The source is unchanged: that was checked after the run.
            let blob = self.store.put(&source.bytes)?.blob;
            sources.push(SourceFile { path: source.path.clone(), blob });
        }
        let mut accounted = result.irrelevant_env;
        accounted.extend(self.captured.manifest.facts().filter_map(|(part, _)| match part {
            Part::Variable(name) => Some(name.clone()),
            _ => None,
        }));
        accounted.sort();
        accounted.dedup();
        let consumed = consumed(self.captured, self.request, &observations);
        let commit = Commit {
            key: manifest.key(),
            lineage: self.captured.lineage,
            parent: None,
            words: self.request.shown_words().into_iter().map(OsStringExt::into_vec).collect(),
            directory: self.request.places.store(&self.request.directory),
            function: self.captured.function.clone(),
            function_id: self.captured.function_id,
            sources,
            started: self.started,
            resources: finished.resources,
            termination: finished.termination,
            stdout: streams.stdout,
            stderr: streams.stderr,
            terminals: made(finished, &streams, result.code_asks),
            order: streams.order,
            outputs,
            observations,
            products: result.products,
            irrelevant_env: accounted,
            coverage: if finished.trace.is_ok() { Coverage::Watched } else { Coverage::Declared },
            replay: match not_kept {
                None => Replay::Allowed,
                Some(reason) => Replay::Never {
                    reason: reason.code().to_owned(),
                    detail: shown_detail(self.request, &reason.detail()),
                },
            },
            accepted: None,
        };
        Ok(Draft {
            commit,
            manifest: manifest.to_bytes(),
            tags,
            evidence,
            outputs: result.tree,
            output_evidence: result.evidence,
            consumed,
        })
    }
}

/// Digests of the consumed content: the edges of the provenance graph start there.
pub(in crate::memo) fn consumed(
    captured: &Captured,
    request: &Request,
    observations: &[Observation],
) -> Vec<Digest> {
    let declared = captured.manifest.facts().filter_map(|(part, value)| match (part, value) {
        (Part::Input(_), Value::File { digest, .. }) | (Part::Stdin, Value::Digest(digest)) => Some(*digest),
        _ => None,
    });
    let seen = observations.iter().filter_map(|observation| match observation {
        Observation::Content { digest, .. }
        | Observation::Stdin(StdinUse::Content { offset: 0, digest, .. }) => Some(*digest),
        _ => None,
    });
    let mut consumed: Vec<Digest> = declared.chain(seen).collect();
    consumed.extend(request.references.iter().map(|reference| reference.digest));
    if let StdinPart::Content(digest) = request.stdin {
        consumed.push(digest);
    }
    consumed.sort();
    consumed.dedup();
    consumed
}

/// What a run printed.
fn printed(finished: &Finished, streams: &Streams) -> Printed {
    Printed::of(finished.made != [None; 2], streams.stdout.size.saturating_add(streams.stderr.size))
}
