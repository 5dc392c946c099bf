//! One run of a recorded command: moves its outputs away before, compares and restores them after.

use super::outputs::{Outputs, termination_fingerprint};
use super::signals::Noted;
use super::streams::Follower;
use super::undo::Undo;
use super::{Fingerprints, How, Item, Mismatch, Obstacle, Recorded, Silent, VerifyContext, call};
use crate::error::{Error, Kind, Result};
use crate::exec::{Finished, Output, Size, Spec, StreamEnd, Tty, WatchMode};
use crate::hash::capture::{self, Captured};
use crate::hash::globs::Patterns;
use crate::hash::holds::Present;
use crate::hash::request::Request;
use crate::memo::compare::differences;
use crate::memo::policy::Policy;
use crate::memo::products::Others;
use crate::memo::stdin::StdinAtStart;
use crate::record::{Commit, Coverage, Interleaving, Observation, Replay, Stream, Timestamp};
use crate::store::Candidate;
use std::fs::{File, OpenOptions};
use std::os::fd::AsFd;
use std::path::Path;

/// Input of a run.
pub(super) struct Attempt<'a> {
    pub(super) context: &'a VerifyContext<'a>,
    pub(super) recorded: Recorded<'a>,
    pub(super) request: &'a Request,
    pub(super) captured: &'a Captured,
    pub(super) noted: &'a Noted,
}

/// Outcome of a run.
pub(super) enum Attempted {
    Ran { mismatches: Vec<Mismatch>, fingerprints: Fingerprints },
    CannotRun(Vec<Obstacle>),
    Interrupted(i32),
}

impl Attempt<'_> {
    /// Runs the command once, and restores the previous state before it returns.
    ///
    /// # Errors
    /// The recorded result cannot be read; something could not be put back.
    pub(super) fn run(&self) -> Result<Attempted> {
        let mut follower =
            Follower::new(self.context.store, self.recorded.commit.stdout, self.recorded.commit.stderr)?;
        let declared =
            Patterns::outputs(&self.request.outputs, &self.request.directory, self.context.places)?;
        let directory = self.context.directory;
        let mut ignored = self.request.ignored.clone();
        ignored.writes.extend(self.context.ignored_writes.iter().cloned());
        let ignored = ignored.written(directory, self.context.places)?;
        let outputs = Outputs {
            store: self.context.store,
            places: self.context.places,
            recorded: self.recorded,
            declared: &declared,
            ignored: &ignored,
        };
        let mut undo = Undo::new(self.context.places, self.context.store.workspace());
        let attempted = self.between(&outputs, &mut undo, &mut follower);
        undo.put_back()?;
        match self.noted.seen() {
            Some(signal) => Ok(Attempted::Interrupted(signal)),
            None => attempted,
        }
    }

    /// The part between moving away and restoring.
    fn between(
        &self,
        outputs: &Outputs<'_>,
        undo: &mut Undo<'_>,
        follower: &mut Follower<'_>,
    ) -> Result<Attempted> {
        let refused = |error: &Error| Ok(Attempted::CannotRun(vec![Obstacle::Other(error.to_string())]));
        if let Err(error) = undo.begin().and_then(|()| outputs.set_aside(undo)) {
            return refused(&error);
        }
        if undo.is_stuck() {
            // The cause is reported after the restore.
            return Ok(Attempted::CannotRun(Vec::new()));
        }
        let obstacles = self.obstacles();
        if !obstacles.is_empty() {
            return Ok(Attempted::CannotRun(obstacles));
        }
        if let Some(signal) = self.noted.seen() {
            return Ok(Attempted::Interrupted(signal));
        }
        let finished = match self.execute(undo, follower) {
            Ok(finished) => finished,
            Err(error) => return refused(&error),
        };
        for path in outputs.unseen(undo)? {
            undo.made(&path);
        }
        if let Some(signal) = finished.signal {
            return Ok(Attempted::Interrupted(signal));
        }
        let (mut mismatches, mut fingerprints) = (Vec::new(), Fingerprints::new());
        self.streams(&finished, follower, &mut mismatches, &mut fingerprints)?;
        outputs.compare(undo, &mut mismatches, &mut fingerprints)?;
        if !mismatches.is_empty()
            && let Some(path) = capture::moved(self.captured, self.request, self.context.recall.secret())
        {
            return Ok(Attempted::CannotRun(vec![Obstacle::Moved(path)]));
        }
        Ok(Attempted::Ran { mismatches, fingerprints })
    }

    /// Dependencies of the recorded run that have changed.
    fn obstacles(&self) -> Vec<Obstacle> {
        let commit = self.recorded.commit;
        if commit.replay != Replay::Allowed {
            // Its observations were not recorded.
            return Vec::new();
        }
        let secret = || self.context.recall.secret();
        let present = Present {
            places: self.context.places,
            environment: &self.captured.environment,
            circumstances: self.context.executor.circumstances(),
            secret: &secret,
            now: Timestamp::now(),
            seen: None,
        };
        // The recorded standard input is supplied again.
        let is_stdin = |observation: &Observation| {
            matches!(
                observation,
                Observation::Stdin(_)
                    | Observation::StdinKind(_)
                    | Observation::StdinTerminal(_)
                    | Observation::StdinName(_)
            )
        };
        let mut candidate = self.candidate();
        let (observations, evidence) = candidate
            .commit
            .observations
            .into_iter()
            .zip(candidate.evidence)
            .filter(|(observation, _)| !is_stdin(observation))
            .unzip();
        (candidate.commit.observations, candidate.evidence) = (observations, evidence);
        let policy = Policy { allow_network: true, ..Policy::default() };
        let stdin = StdinAtStart::Empty;
        let silent = Silent(self.context.recall);
        let facts = std::cell::OnceCell::new();
        let others = Others { candidates: [&[], &[]], results: None, facts: &facts };
        let found = differences(&mut candidate, &others, &present, &policy, || &stdin, &silent);
        found.differences.into_iter().map(|difference| Obstacle::Differs(Box::new(difference))).collect()
    }

    /// The run with evidence for its observations, where the store has some.
    fn candidate(&self) -> Candidate {
        let commit = self.recorded.commit;
        let candidates = self.context.store.find(&commit.key).unwrap_or_default();
        let known = candidates.into_iter().find(|candidate| candidate.id == self.recorded.id);
        let mut candidate = known.unwrap_or_else(|| Candidate {
            id: self.recorded.id,
            commit: commit.clone(),
            evidence: Vec::new(),
            outputs: None,
            output_evidence: Vec::new(),
            irrelevant_env: Vec::new(),
            inline: Vec::new(),
            strict: Vec::new(),
        });
        candidate.evidence.resize(candidate.commit.observations.len(), None);
        candidate
    }

    fn execute(&self, undo: &mut Undo<'_>, follower: &mut Follower<'_>) -> Result<Finished> {
        let declared = self.recorded.commit.coverage == Coverage::Declared;
        let first = if self.is_merged() { WatchMode::Off } else { WatchMode::Require };
        match self.start(first, undo, follower) {
            Err(error) if error.kind() == Kind::CannotWatch && declared => {
                self.start(WatchMode::Off, undo, follower)
            }
            other => other,
        }
    }

    /// Whether both streams shared one pipe.
    fn is_merged(&self) -> bool {
        self.recorded.commit.order.interleaving == Interleaving::Merged
    }

    fn start(&self, watch: WatchMode, undo: &mut Undo<'_>, follower: &mut Follower<'_>) -> Result<Finished> {
        let stdin = call::stdin(self.context, self.request, self.recorded.commit);
        let stdin = stdin.map_err(Error::usage)?;
        let null = Path::new("/dev/null");
        let nowhere: File =
            OpenOptions::new().write(true).open(null).map_err(|error| Error::io("open", null, error))?;
        let unobserved = [self.context.store.workspace().root().to_path_buf()];
        let merged = self.is_merged();
        let spec = Spec {
            program: &self.captured.program,
            words: &self.request.words,
            environment: &self.captured.passed_on,
            directory: &self.request.directory,
            stdin,
            stdout: nowhere.as_fd(),
            stderr: nowhere.as_fd(),
            output: if merged { Output::Merged { spool: None } } else { Output::Recorded { spool: None } },
            tty: terminals(self.recorded.commit),
            watch,
            unobserved: &unobserved,
            behind_shim: self.captured.behind_shim.as_deref(),
            followed: &[],
        };
        self.context.executor.run(spec, follower, undo)
    }

    fn streams(
        &self,
        finished: &Finished,
        follower: &mut Follower<'_>,
        mismatches: &mut Vec<Mismatch>,
        fingerprints: &mut Fingerprints,
    ) -> Result<()> {
        let (then, now) = (self.recorded.commit.termination, finished.termination);
        fingerprints.insert(Item::Termination, termination_fingerprint(now));
        if then != now {
            let how = How::Ended { then, now };
            mismatches.push(Mismatch { item: Item::Termination, how, causes: Vec::new() });
        }
        for (stream, item, end) in
            [(Stream::Stdout, Item::Stdout, finished.stdout), (Stream::Stderr, Item::Stderr, finished.stderr)]
        {
            let (found, print) = follower.finish(stream)?;
            fingerprints.insert(item.clone(), print);
            if end == StreamEnd::StillHeld {
                mismatches.push(Mismatch { item, how: How::StillHeld, causes: Vec::new() });
            } else if let Some(found) = found {
                let causes = found.causes.clone();
                mismatches.push(Mismatch { item, how: How::Content(found), causes });
            }
        }
        Ok(())
    }
}

/// The terminals that a run had, of the same size.
fn terminals(commit: &Commit) -> Tty {
    let size = commit.terminals.iter().flatten().next();
    let size = size.map(|made| Size { columns: made.columns, rows: made.rows });
    match size {
        None => Tty::Never,
        size => Tty::These(commit.terminals.map(|made| made.is_some()), size),
    }
}
