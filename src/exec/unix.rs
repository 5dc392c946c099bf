//! Running a command on a Unix system: plan, start, pass on, collect.
//!
//! Knows nothing of how any of these is done.

use super::process::Process;
use super::signals::Caught;
use super::spawn::{Given, Plan, failure};
use super::startup::initial;
use super::streams::{Streams, above_standard};
use super::watch::{self, StartError, Surroundings};
use super::{Backlog, Executor, Finished, Recorder, Spec, Stdin, Unwatched, WatchMode, Witness, pump};
use crate::error::{Error, Kind, Result};
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::thread::{Scope, scope};
use std::time::{Duration, Instant};

/// How long processes left behind are waited for when the command and its streams have ended.
const GRACE: Duration = Duration::from_millis(200);

/// Runs commands on this system.
#[derive(Debug, Default)]
pub struct Unix;

impl Executor for Unix {
    fn run(
        &self,
        spec: Spec<'_>,
        recorder: &mut dyn Recorder,
        witness: &mut dyn Witness,
    ) -> Result<Finished> {
        let Spec {
            program,
            words,
            environment,
            stdin,
            stdout,
            stderr,
            output,
            watch,
            unobserved,
            behind_shim,
            followed,
        } = spec;
        let inherits_stdin = matches!(stdin, Stdin::Inherit);
        let given = give_stdin(stdin)?;
        let (mut streams, [given_stdout, given_stderr]) =
            Streams::new(output, [stdout, stderr]).map_err(|error| no_pipe(&error))?;
        if inherits_stdin {
            streams.hold_back_if_read(io::stdin().as_fd());
        }
        let order = match watch {
            WatchMode::Off => None,
            _ => streams.order().map_err(|error| no_pipe(&error))?,
        };
        let plan = Plan::new(program, words, environment, [given, given_stdout, given_stderr])?;
        let caught = Caught::begin();
        scope(|scope| {
            let began = Instant::now();
            let (process, unwatched) = start(
                scope,
                &plan,
                watch,
                witness,
                Surroundings { unobserved, behind_shim, followed, order: order.as_ref() },
            )?;
            caught.started(process.pid(), plan.began());
            let run = Run { process, unwatched, began, streams };
            run.finish(&caught, recorder)
        })
    }
}

/// A command that is running.
struct Run<'a> {
    process: Process,
    unwatched: Unwatched,
    began: Instant,
    streams: Streams<'a>,
}

impl Run<'_> {
    fn finish(mut self, caught: &Caught, recorder: &mut dyn Recorder) -> Result<Finished> {
        let ended = self.streams.pass_on(&self.process, caught, recorder);
        let ended = ended.map_err(|error| other("cannot wait for the command", &error))?;
        caught.ended();
        let collected = self.process.reap();
        let (termination, mut resources) =
            collected.map_err(|error| other("cannot learn how the command ended", &error))?;
        let wall = ended.saturating_duration_since(self.began).as_nanos();
        resources.wall = u64::try_from(wall).unwrap_or(u64::MAX);
        let trace = self.process.finish(GRACE).ok_or(self.unwatched);
        if self.streams.held().iter().any(Option::is_some) {
            // What it writes comes after what waits.
            self.streams.write_waiting();
            pump::take_over(self.streams.held());
        }
        let [stdout, stderr] = self.streams.ends();
        let interleaving = self.streams.interleaving(trace.is_ok());
        let rests = self.streams.into_rests().map_err(|error| other("cannot pass on its output", &error))?;
        let signal = caught.noted();
        let backlog = Backlog { rests, is_interrupted: caught.seen().is_some() };
        Ok(Finished { termination, resources, signal, stdout, stderr, interleaving, backlog, trace })
    }
}

/// Starts the command, under watch if it shall and can be; else with the reason why not.
fn start<'scope>(
    scope: &'scope Scope<'scope, '_>,
    plan: &'scope Plan,
    mode: WatchMode,
    witness: &'scope mut dyn Witness,
    surroundings: Surroundings<'scope>,
) -> Result<(Process, Unwatched)> {
    let unwatched = if mode == WatchMode::Off {
        Unwatched::Off
    } else {
        match watch::start(scope, plan, witness, surroundings) {
            Ok(session) => return Ok((Process::Watched(session), Unwatched::Off)),
            Err(StartError::Spawn(error)) => return Err(failure(plan.program(), &error)),
            Err(StartError::Unavailable(reason)) if mode == WatchMode::Require => {
                let error = Error::new(Kind::CannotWatch, format!("cannot watch the run: {reason}"));
                return Err(error.with_hint("--trace auto runs it unwatched"));
            }
            Err(StartError::Unavailable(reason)) => Unwatched::Unavailable(reason),
        }
    };
    let process = Process::bare(plan).map_err(|error| failure(plan.program(), &error))?;
    Ok((process, unwatched))
}

/// What the child gets as standard input. If ours was closed when we were started, it gets it closed.
fn give_stdin(stdin: Stdin) -> Result<Given> {
    let null = Path::new("/dev/null");
    let file = match stdin {
        Stdin::Inherit if initial().was_closed(0) => return Ok(Given::Closed),
        Stdin::Inherit => return Ok(Given::Inherited),
        Stdin::Null => File::open(null).map_err(|error| Error::io("open", null, error))?,
        Stdin::File(file) => file,
    };
    let descriptor =
        above_standard(file.into()).map_err(|error| other("cannot pass on standard input", &error))?;
    Ok(Given::Other(descriptor))
}

fn no_pipe(reason: &io::Error) -> Error {
    other("cannot make a pipe for the command's output", reason)
}

fn other(what: &str, reason: &io::Error) -> Error {
    Error::new(Kind::Io(reason.kind()), format!("{what}: {reason}"))
}
