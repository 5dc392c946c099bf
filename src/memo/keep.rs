//! Runs a command and records the result.
//!
//! `result` builds the record; this module runs the command and decides.

mod begun;
mod live;
mod loaded;
mod modes;
mod result;
mod shown_lines;
mod unseeded;

pub(super) use result::consumed;

use super::beside::{End, beside};
use super::deferred_recall::DeferredRecall;
use super::event::Event;
use super::invocation::Call;
use super::observe::{self, Watcher};
use super::reason::{Kept, MissReason, NotKept, Outcome};
use super::settle::never_settles;
use super::stdin::{Given, StdinAtStart};
use super::tail::Tailing;
use super::tee::Tee;
use super::{Answer, Miss, answer_of, declared::Declared, explain, file_clock, unrecorded};
use crate::digest::CommitId;
use crate::error::Result;
use crate::exec::{Finished, Output, Spec, StreamEnd, Tty, WatchMode, one_target};
use crate::hash::capture::Captured;
use crate::hash::entry::LanguageKind;
use crate::hash::request::Request;
use crate::record::{Circumstances, Observation, Recall, Timestamp};
use crate::store::{Claim, Next, Store};
use live::{Followed, Live};
use std::ffi::OsString;
use std::io::IsTerminal;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

/// A run that is shorter than this is not marked as active.
const SHORT: Duration = Duration::from_millis(20);

/// A command that is about to run, or has run.
struct Keeping<'a> {
    request: &'a Request,
    store: &'a dyn Store,
    captured: &'a Captured,
    policy: &'a super::Policy,
    secret: [u8; 32],
    recall: &'a dyn Recall,
    circumstances: &'a dyn Circumstances,
    watched: bool,
    declared: Declared,
    /// Start time by the precise clock, for the record.
    started: Timestamp,
    /// Start time by the coarse clock of file timestamps.
    file_started: Timestamp,
    stdin: StdinAtStart,
    /// Standard input of the child in its place.
    given: Option<&'a Given>,
}

/// The words of a command for an event: each is ended by a NUL, which no word can contain.
pub(super) fn noted_words(request: &Request) -> Vec<u8> {
    request.shown_words().iter().flat_map(|word| [word.as_bytes(), b"\0"].concat()).collect()
}

/// The detail of a reason, in the form that may be stored.
pub(super) fn shown_detail(request: &Request, detail: &str) -> String {
    String::from_utf8_lossy(&request.shown_text(detail.as_bytes())).into_owned()
}

/// Notes for the history why the result of a run was not kept; `recorded` says whether the run is in the store all the same.
fn note_missed(store: &dyn Store, request: &Request, reason: &NotKept, recorded: bool) {
    if matches!(reason, NotKept::HistoryOnly | NotKept::ReadOnly | NotKept::Interrupted(_)) {
        return;
    }
    store.note(&crate::store::Event::Missed {
        command: noted_words(request),
        reason: reason.code().to_owned(),
        detail: shown_detail(request, &reason.detail()),
        recorded,
        at: Timestamp::now(),
    });
}

/// A command that is about to run.
#[derive(Clone, Copy)]
pub(super) struct Command<'a> {
    pub(super) request: &'a Request,
    pub(super) store: &'a dyn Store,
    pub(super) captured: &'a Captured,
    pub(super) recall: &'a DeferredRecall<'a>,
    pub(super) watch: WatchMode,
}

/// Runs the command and records it under its claim; without one, `claim` says why it will not be recorded. `why`
/// explains the miss.
pub(super) fn run(
    call: &Call<'_>,
    command: Command<'_>,
    claim: Result<Claim, NotKept>,
    why: Miss,
) -> Result<Answer> {
    let Command { request, store, captured, recall, watch } = command;
    let recording = claim.is_ok();
    // A run that is not recorded is not watched.
    let watch = if recording { watch } else { WatchMode::Off };
    let at_start = StdinAtStart::look(call.context.stdin);
    let stdin = call.child_stdin(request)?;
    let declared = Declared::new(request)?;
    let environment = environment_of(call, captured, recording);
    let mut keeping = Keeping {
        request,
        store,
        captured,
        policy: call.policy,
        secret: call.context.recall.secret(),
        recall: call.context.recall,
        circumstances: call.context.executor.circumstances(),
        watched: watch != WatchMode::Off,
        declared,
        started: Timestamp::now(),
        file_started: file_clock(),
        stdin: at_start,
        given: call.stdin.as_ref(),
    };
    keeping.declared.before(recording && call.policy.clean_outputs, store.workspace())?;
    let mut tee = Tee::new(recording.then_some(store), Some(&request.places), &captured.environment);
    let mut watcher = Watcher::new(&request.places, captured, keeping.file_started, keeping.circumstances);
    let unobserved = [store.workspace().root().to_path_buf()];
    let spool = store.workspace().temporary();
    let followed = observe::followed(captured);
    let spec = Spec {
        program: &captured.program,
        words: &request.words,
        environment: &environment,
        directory: &request.directory,
        stdin,
        stdout: call.context.stdout,
        stderr: call.context.stderr,
        output: output(call, watch, recording.then_some(spool.as_path())),
        tty: if recording { call.policy.tty } else { Tty::Never },
        watch,
        unobserved: &unobserved,
        behind_shim: captured.behind_shim.as_deref(),
        followed: &followed,
    };
    let is_first = matches!(why, Miss::Unknown);
    let (started, tags) = (keeping.started, &call.policy.tags);
    let live = Live::new(recording);
    let meanwhile = |end: &End| {
        let why = explain::explain(store, captured, request, why);
        if recording {
            store.prepare(Next::Commit);
        }
        recall.settle();
        if recording && !end.comes_within(SHORT) {
            live.marked(store.begin(&begun::draft(request, captured, started, tags.clone())));
        }
        why
    };
    let mut recorder = Followed::new(&mut tee, &live);
    let mut recorder = Tailing::new(&mut recorder);
    let (finished, why) = beside(meanwhile, || call.context.executor.run(spec, &mut recorder, &mut watcher));
    call.context.observer.on(&Event::Ended(recorder.tail));
    let mut finished = match finished {
        Ok(finished) => finished,
        Err(error) => {
            keeping.declared.put_back(call.context.observer);
            return Err(error);
        }
    };
    if !call.policy.kept_statuses.keep(finished.termination) {
        keeping.declared.put_back(call.context.observer);
    }
    if recording {
        watcher.settle(finished.trace.as_mut().ok(), call.context.executor.circumstances().umask());
    }
    let (kept, commit, extra) = match claim {
        Err(not_kept) => (Kept::No(not_kept), None, Extra::default()),
        Ok(claim) => keeping.keep(call, claim, &finished, tee, &watcher, is_first),
    };
    // Printed only for the first cached run of a command.
    if matches!((&kept, &why), (Kept::Yes, MissReason::First))
        && call.policy.time_to_live.is_none()
        && let Some(event) = unseeded::warning(captured)
    {
        call.context.observer.on(&event);
    }
    drop(live);
    // The key is released, so slow readers delay no other process.
    let undelivered = std::mem::take(&mut finished.backlog).deliver();
    if let Kept::No(reason) = &kept {
        note_missed(store, request, reason, commit.is_some());
    }
    keeping.declared.done(call.context.observer);
    let mut answer = answer_of(&finished, Outcome::Ran { why, kept });
    answer.lost_output = answer.lost_output.or(undelivered);
    answer.key = Some(captured.key);
    answer.commit = commit;
    answer.outputs = extra.outputs;
    answer.observations = extra.observations;
    answer.manifest = Some(captured.manifest.clone());
    Ok(answer)
}

/// How the command's output reaches the user; recorded output waits in `spool` for a slow reader.
fn output<'a>(call: &Call<'_>, watch: WatchMode, spool: Option<&'a Path>) -> Output<'a> {
    let spool = match spool {
        Some(spool) => Some(spool),
        None => return unrecorded(call.context),
    };
    if watch == WatchMode::Off && one_target(call.context.stdout, call.context.stderr) {
        Output::Merged { spool }
    } else {
        Output::Recorded { spool }
    }
}

/// The environment of the command. Python prints without buffering where the run is recorded: it buffers output to a pipe, but a
/// user at a terminal expects to see it immediately.
fn environment_of(call: &Call<'_>, captured: &Captured, recording: bool) -> Vec<(OsString, OsString)> {
    let mut environment = captured.passed_on.clone();
    let python = recording && captured.command.entry.language == LanguageKind::Python;
    let set = environment.iter().any(|(name, _)| name == "PYTHONUNBUFFERED");
    if python && !set && call.policy.tty == Tty::Never && call.context.stdout.is_terminal() {
        environment.push(("PYTHONUNBUFFERED".into(), "1".into()));
    }
    environment
}

/// The reported facts of a recorded run.
#[derive(Default)]
struct Extra {
    outputs: usize,
    observations: Vec<Observation>,
}

impl Keeping<'_> {
    /// Decides, records, and reports the outcome; `is_first` means that nothing is recorded under the key yet.
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
        let streams = match tee.finish(finished.interleaving) {
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
        let mut result = result.unwrap_or_default();
        let counted = if not_kept.is_none() { self.counted(finished, watcher) } else { None };
        let key = counted.as_ref().map_or(self.captured.key, |counted| counted.manifest.key());
        // A call that waits for the former key finds nothing under it, and runs.
        let before = if key == self.captured.key {
            None
        } else {
            match self.store.claim_while(&key, &mut |_| false) {
                Ok(Some(other)) => Some(std::mem::replace(&mut claim, other)),
                Ok(None) => return lost(&mut claim, NotKept::Alongside),
                Err(error) => return lost(&mut claim, NotKept::Store(error.to_string())),
            }
        };
        result.manifest = counted.as_ref().map(|counted| counted.manifest.clone());
        let extra = Extra {
            outputs: result.tree.as_ref().map_or(0, |tree| tree.entries().len()),
            observations: result.observations.iter().map(|(observation, _)| observation.clone()).collect(),
        };
        let recorded = self.draft(finished, streams, result, not_kept.as_ref(), call.policy.tags.clone());
        let recorded = recorded.and_then(|draft| self.store.commit(claim, draft));
        match (recorded, not_kept) {
            (Ok(id), None) => {
                if let Some(counted) = &counted {
                    self.remember_loaded(counted);
                }
                drop(before);
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
}

/// Why a run cannot be recorded at all, not even for the history: its output is incomplete. An interrupted run is
/// recorded, since its output is known to be incomplete.
fn unrecordable(finished: &Finished) -> Option<NotKept> {
    if finished.signal.is_some() {
        return None;
    }
    let end = |end: StreamEnd| match end {
        StreamEnd::Complete => None,
        StreamEnd::ReaderGone => Some(NotKept::ReaderGone),
        StreamEnd::WriteFailed(errno) | StreamEnd::HandedOver(errno) => Some(NotKept::WriteFailed(errno)),
        StreamEnd::StillHeld => Some(NotKept::StillHeld),
    };
    end(finished.stdout).or_else(|| end(finished.stderr))
}
