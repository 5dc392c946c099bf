//! Runs a command and records what can be kept.

use super::beside::beside;
use super::call::{Call, Noting};
use super::event::Event;
use super::observe::{self, Observed, Watcher};
use super::outputs::{Beneath, Collected, collect};
use super::reason::{Kept, NotKept, Outcome};
use super::settle::never_settles;
use super::stdin::{GivenStdin, StdinAtStart};
use super::tee::{Streams, Tee};
use super::{Answer, Miss, answer_of, declared::Declared, file_clock, look_up};
use crate::digest::{CommitId, Digest};
use crate::encode::Encode;
use crate::error::{Error, Result};
use crate::exec::{Finished, Spec, StreamEnd, Unwatched, WatchMode};
use crate::hash::capture::{self, Captured};
use crate::hash::entry::LanguageKind;
use crate::hash::manifest::{Part, Value};
use crate::hash::request::{Request, StdinPart};
use crate::record::{
    Commit, Content, Coverage, Evidence, Observation, OutputTree, Recall, Replay, SourceFile, StdinUse,
    Timestamp,
};
use crate::store::{Claim, Draft, Next, Store};
use std::ffi::OsString;
use std::fs::File;
use std::io::{IsTerminal, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// A command about to run, or run.
struct Keeping<'a> {
    request: &'a Request,
    store: &'a dyn Store,
    captured: &'a Captured,
    policy: &'a super::Policy,
    secret: [u8; 32],
    recall: &'a dyn Recall,
    watched: bool,
    declared: Declared,
    /// By the fine clock, for the record.
    started: Timestamp,
    /// By the clock of files.
    file_started: Timestamp,
    stdin: StdinAtStart,
    /// What the child reads in its place, and the evidence for its digest.
    given: Option<(File, Option<Evidence>)>,
}

/// The words of a command as they are noted: each is ended by a NUL, which no word can hold.
pub(super) fn noted_words(request: &Request) -> Vec<u8> {
    request.shown_words().iter().flat_map(|word| [word.as_bytes(), b"\0"].concat()).collect()
}

/// What is told of a reason, as it may be stored.
pub(super) fn shown_detail(request: &Request, detail: &str) -> String {
    String::from_utf8_lossy(&request.shown_text(detail.as_bytes())).into_owned()
}

/// Runs the command and records it under `claim`, unless `not_kept` says from the start that it will not be.
#[expect(clippy::too_many_arguments, reason = "one call, from one place: a struct would only rename them")]
pub(super) fn run(
    call: &mut Call<'_>,
    request: &Request,
    store: &dyn Store,
    captured: &Captured,
    recall: &Noting<'_>,
    watch: WatchMode,
    claim: Option<Claim>,
    not_kept: Option<NotKept>,
    why: Miss,
) -> Result<Answer> {
    let stdin = StdinAtStart::look(call.context.stdin);
    let given = call.stdin.as_ref().and_then(|given| Some((given.file.try_clone().ok()?, given.evidence)));
    let declared = Declared::new(request, call.policy)?;
    let mut environment = captured.environment.clone();
    unbuffered(call, captured, &mut environment);
    let mut keeping = Keeping {
        request,
        store,
        captured,
        policy: call.policy,
        secret: call.context.recall.secret(),
        recall: call.context.recall,
        watched: watch != WatchMode::Off,
        declared,
        started: Timestamp::now(),
        file_started: file_clock(),
        stdin,
        given,
    };
    let recording = claim.is_some();
    keeping.declared.before(recording && call.policy.clean_outputs, store.directory())?;
    let root = request.places.root.as_os_str().as_bytes();
    let mut tee = Tee::new(recording.then_some(store), root, &captured.environment);
    let mut watcher = Watcher::new(&request.places.root, captured, keeping.file_started);
    let unobserved = [store.directory().to_path_buf()];
    let followed = observe::followed(captured);
    let spec = Spec {
        program: &captured.program,
        words: &request.words,
        environment: &environment,
        stdin: call.child_stdin(request),
        stdout: call.context.stdout,
        stderr: call.context.stderr,
        watch,
        unobserved: &unobserved,
        behind_shim: captured.behind_shim.as_deref(),
        followed: &followed,
    };
    let is_first = matches!(why, Miss::Unknown);
    let meanwhile = || {
        let why = look_up::explain(store, captured, request, why);
        if recording {
            store.prepare(Next::Commit);
        }
        recall.settle();
        why
    };
    let (finished, why) = beside(meanwhile, || call.context.executor.run(spec, &mut tee, &mut watcher));
    let finished = match finished {
        Ok(finished) => finished,
        Err(error) => {
            keeping.declared.put_back();
            return Err(error);
        }
    };
    if !call.policy.kept_statuses.keep(finished.termination) {
        keeping.declared.put_back();
    }
    let (kept, commit, extra) = match claim {
        None => (Kept::No(not_kept.unwrap_or(NotKept::ReadOnly)), None, Extra::default()),
        Some(claim) => keeping.keep(call, claim, &finished, tee, &watcher, is_first),
    };
    if let Kept::No(reason) = &kept
        && !matches!(reason, NotKept::HistoryOnly | NotKept::ReadOnly | NotKept::Interrupted(_))
    {
        store.note(&crate::store::Event::Missed {
            command: noted_words(request),
            reason: reason.code().to_owned(),
            detail: shown_detail(request, &reason.detail()),
            recorded: commit.is_some(),
            at: Timestamp::now(),
        });
    }
    keeping.declared.done();
    let mut answer = answer_of(&finished, Outcome::Ran { why, kept });
    answer.key = Some(captured.key);
    answer.commit = commit;
    answer.outputs = extra.outputs;
    answer.observations = extra.observations;
    answer.manifest = Some(captured.manifest.clone());
    Ok(answer)
}

/// Python holds back what it prints into a pipe; a person at a terminal wants to see it come.
fn unbuffered(call: &Call<'_>, captured: &Captured, environment: &mut Vec<(OsString, OsString)>) {
    let python = captured.command.entry.language == LanguageKind::Python;
    let set = environment.iter().any(|(name, _)| name == "PYTHONUNBUFFERED");
    if python && !set && call.context.stdout.is_terminal() {
        environment.push(("PYTHONUNBUFFERED".into(), "1".into()));
    }
}

/// What the answer tells of a recorded run.
#[derive(Default)]
struct Extra {
    outputs: usize,
    observations: Vec<Observation>,
}

impl Keeping<'_> {
    /// Decides, records, and tells what became of it; `is_first` says that nothing is recorded under the key.
    fn keep(
        &self,
        call: &Call<'_>,
        mut claim: Claim,
        finished: &Finished,
        tee: Tee<'_>,
        watcher: &Watcher<'_>,
        is_first: bool,
    ) -> (Kept, Option<CommitId>, Extra) {
        let lost = |claim: &mut Claim, reason: NotKept| {
            claim.abandon();
            (Kept::No(reason), None, Extra::default())
        };
        if let Some(reason) = unrecordable(finished) {
            return lost(&mut claim, reason);
        }
        let streams = match tee.finish() {
            Ok(streams) => streams,
            Err(reason) => {
                call.context.observer.on(&Event::StoreTrouble(reason.clone()));
                return lost(&mut claim, NotKept::Store(reason));
            }
        };
        let result = self.result(finished, watcher, &streams);
        let not_kept = result.as_ref().err().cloned();
        if not_kept.is_some() {
            claim.abandon();
        }
        let result = result.unwrap_or_default();
        let extra = Extra {
            outputs: result.tree.as_ref().map_or(0, |tree| tree.entries().len()),
            observations: result.observations.iter().map(|(observation, _)| observation.clone()).collect(),
        };
        let recorded = self.draft(finished, streams, result, not_kept.as_ref(), call.policy.tags.clone());
        let recorded = recorded.and_then(|draft| self.store.commit(claim, draft));
        match (recorded, not_kept) {
            (Ok(id), None) => {
                if !is_first && let Some((paths, own)) = never_settles(self.store, &self.captured.key) {
                    call.context.observer.on(&Event::NeverSettles { paths, own });
                }
                (Kept::Yes, Some(id), extra)
            }
            (Ok(id), Some(reason)) => (Kept::No(reason), Some(id), extra),
            (Err(error), reason) => {
                call.context.observer.on(&Event::StoreTrouble(error.to_string()));
                (
                    Kept::No(reason.unwrap_or_else(|| NotKept::Store(error.to_string()))),
                    None,
                    Extra::default(),
                )
            }
        }
    }

    /// What decided the result and what the run left.
    fn result(
        &self,
        finished: &Finished,
        watcher: &Watcher<'_>,
        streams: &Streams,
    ) -> Result<Outputs, NotKept> {
        if !self.policy.kept_statuses.keep(finished.termination) {
            return Err(NotKept::Failed(finished.termination));
        }
        if self.policy.history_only {
            return Err(NotKept::HistoryOnly);
        }
        let observed = match &finished.trace {
            Ok(trace) => {
                let run = observe::Run {
                    captured: self.captured,
                    policy: self.policy,
                    places: &self.request.places,
                    directory: &self.request.directory,
                    words: &self.request.words,
                    secret: self.secret,
                    recall: self.recall,
                    started: self.file_started,
                    stdin: Some(&self.stdin).filter(|_| self.request.stdin == StdinPart::None),
                    declared_inputs: &self.declared.inputs,
                    declared_outputs: &self.declared.outputs,
                    ignored_writes: &self.declared.ignored,
                };
                observe::observe(&run, trace, watcher)?
            }
            Err(Unwatched::Off | Unwatched::Unavailable(_)) => Observed::default(),
        };
        if let Some(path) = capture::moved(self.captured, self.request, self.secret) {
            return Err(NotKept::InputMoved(path));
        }
        let given = self.given.as_ref();
        let in_key = self.request.stdin != StdinPart::None;
        if given.is_some_and(|(file, evidence)| GivenStdin::moved(file, evidence.as_ref()))
            || (in_key && given.is_none() && self.stdin.moved())
        {
            return Err(NotKept::InputMoved("standard input".into()));
        }
        let mut paths = observed.outputs;
        paths.extend(self.declared.after(self.watched)?);
        let mut beneath = Beneath::open(&self.request.places.root)
            .map_err(|errno| NotKept::Store(format!("cannot open the root: {errno}")))?;
        let collected = collect(&mut beneath, &paths, self.store, &self.request.places.root)?;
        let mut observations = observed.observations;
        if observed.created || !paths.is_empty() {
            observations.push((Observation::Umask(crate::exec::umask()), None));
            observations.push((Observation::Superuser(rustix::process::geteuid().is_root()), None));
        }
        if streams.contains_root || collected.contains_root {
            let root = self.request.places.root.as_os_str().as_bytes().to_vec();
            observations.push((Observation::Root(root), None));
        }
        for (name, _) in streams.places.iter().filter(|(_, found)| *found) {
            let known = self.captured.manifest.get(&Part::Variable(name.as_bytes().to_vec())).is_some();
            let place = observe::variable(&self.captured.environment, name, &self.secret);
            if !known && !observations.iter().any(|(seen, _)| *seen == place) {
                observations.push((place, None));
            }
        }
        let Collected { tree, evidence, .. } = collected;
        let tree = Some(tree).filter(|tree| !tree.entries().is_empty());
        Ok(Outputs { observations, tree, evidence, indifferent: observed.indifferent })
    }

    fn draft(
        &self,
        finished: &Finished,
        streams: Streams,
        result: Outputs,
        not_kept: Option<&NotKept>,
        tags: Vec<(String, String)>,
    ) -> Result<Draft> {
        let (observations, evidence): (Vec<_>, Vec<_>) = result.observations.into_iter().unzip();
        let outputs = match &result.tree {
            Some(tree) => Some(self.blob(&tree.to_bytes())?),
            None => None,
        };
        let mut sources = Vec::new();
        for source in &self.captured.sources {
            // What the source is now is what it was: that was checked after the run.
            let blob = self.blob(&source.bytes)?.blob;
            sources.push(SourceFile { path: source.path.clone(), blob });
        }
        let mut accounted = result.indifferent;
        accounted.extend(self.captured.manifest.facts().filter_map(|(part, _)| match part {
            Part::Variable(name) => Some(name.clone()),
            _ => None,
        }));
        accounted.sort();
        accounted.dedup();
        let consumed = self.consumed(&observations);
        let commit = Commit {
            key: self.captured.key,
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
            order: streams.order,
            outputs,
            observations,
            indifferent: accounted,
            coverage: if finished.trace.is_ok() { Coverage::Watched } else { Coverage::Declared },
            replay: match not_kept {
                None => Replay::Allowed,
                Some(reason) => Replay::Never {
                    reason: reason.code().to_owned(),
                    detail: shown_detail(self.request, &reason.detail()),
                },
            },
        };
        Ok(Draft {
            commit,
            manifest: self.captured.manifest.to_bytes(),
            tags,
            evidence,
            outputs: result.tree,
            output_evidence: result.evidence,
            consumed,
        })
    }

    fn blob(&self, bytes: &[u8]) -> Result<Content> {
        let mut writer = self.store.write()?;
        writer.write_all(bytes).map_err(|error| Error::io("write to", self.store.directory(), error))?;
        writer.finish()
    }

    /// Digests of the content that went in: the edges of the provenance graph begin with them.
    fn consumed(&self, observations: &[Observation]) -> Vec<Digest> {
        let declared = self.captured.manifest.facts().filter_map(|(part, value)| match (part, value) {
            (Part::Input(_), Value::File { digest, .. }) | (Part::Stdin, Value::Digest(digest)) => {
                Some(*digest)
            }
            _ => None,
        });
        let seen = observations.iter().filter_map(|observation| match observation {
            Observation::Content { digest, .. }
            | Observation::Stdin(StdinUse::Content { offset: 0, digest, .. }) => Some(*digest),
            _ => None,
        });
        let mut consumed: Vec<Digest> = declared.chain(seen).collect();
        consumed.extend(self.request.references.iter().map(|reference| reference.digest));
        if let StdinPart::Content(digest) = self.request.stdin {
            consumed.push(digest);
        }
        consumed.sort();
        consumed.dedup();
        consumed
    }
}

/// Why nothing at all can be recorded of a run, not even for the history: what came is not all there was.
fn unrecordable(finished: &Finished) -> Option<NotKept> {
    if let Some(signal) = finished.signal {
        return Some(NotKept::Interrupted(signal));
    }
    let end = |end: StreamEnd| match end {
        StreamEnd::Complete => None,
        StreamEnd::ReaderGone => Some(NotKept::ReaderGone),
        StreamEnd::WriteFailed(errno) => Some(NotKept::WriteFailed(errno)),
        StreamEnd::StillHeld => Some(NotKept::StillHeld),
    };
    end(finished.stdout).or_else(|| end(finished.stderr))
}

/// What a run left, and what decided it.
#[derive(Default)]
struct Outputs {
    observations: Vec<(Observation, Option<Evidence>)>,
    tree: Option<OutputTree>,
    evidence: Vec<Option<Evidence>>,
    indifferent: Vec<Vec<u8>>,
}
