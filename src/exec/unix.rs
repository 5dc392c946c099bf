//! Running a command on a Unix system: plan, start, pass on, collect.
//!
//! Knows nothing about how each of these is done.

use super::process::Process;
use super::signals::Caught;
use super::spawn::{Given, Plan, failure};
use super::startup::{above_standard, initial};
use super::streams::Streams;
use super::terminal::{Control, Relay, Terminals, Wanted};
use super::watch::{self, StartError, Surroundings};
use super::{Backlog, Executor, Finished, Recorder, Spec, Stdin, Unwatched, WatchMode, Witness, pump, umask};
use crate::digest::Digest;
use crate::error::{Error, Kind, Result};
use crate::record::{Circumstances, Termination, user_digest};
use nix::errno::Errno;
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;
use std::thread::{Builder, Scope, scope};
use std::time::{Duration, Instant};

/// How long processes left behind are waited for when the command and its streams have ended.
const GRACE: Duration = Duration::from_millis(200);

/// Runs commands on this system.
#[derive(Debug, Default)]
pub struct Unix;

impl Circumstances for Unix {
    fn umask(&self) -> u32 {
        umask()
    }

    fn is_superuser(&self) -> bool {
        rustix::process::geteuid().is_root()
    }

    fn user(&self) -> Digest {
        use rustix::process::{getegid, geteuid, getgid, getgroups, getuid};
        let others: Vec<u32> = getgroups().unwrap_or_default().iter().map(|group| group.as_raw()).collect();
        user_digest([getuid().as_raw(), geteuid().as_raw()], [getgid().as_raw(), getegid().as_raw()], &others)
    }
}

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
            directory,
            stdin,
            stdout,
            stderr,
            output,
            tty,
            watch,
            unobserved,
            behind_shim,
            followed,
        } = spec;
        let inherits_stdin = matches!(stdin, Stdin::Inherit);
        let (ours, is_watched) = (io::stdin(), watch != WatchMode::Off);
        let own = (inherits_stdin && !initial().was_closed(0)).then(|| ours.as_fd());
        let wanted = Wanted { tty, output, stdin: own, to: [stdout, stderr], is_watched };
        let terminals = Terminals::make(wanted).map_err(|error| no_terminal(&error))?;
        let given = give_stdin(stdin, terminals.as_ref())?;
        let (mut streams, [given_stdout, given_stderr]) =
            Streams::new(output, [stdout, stderr], terminals.as_ref()).map_err(|error| no_pipe(&error))?;
        if inherits_stdin {
            streams.hold_back_if_read(io::stdin().as_fd());
        }
        let order = match watch {
            WatchMode::Off => None,
            _ => streams.order().map_err(|error| no_pipe(&error))?,
        };
        let plan = Plan::new(program, words, environment, [given, given_stdout, given_stderr])?
            .in_directory(directory)?;
        let session = terminals.as_ref().map(Terminals::controlling).transpose();
        let plan = plan.at(session.map_err(|error| no_terminal(&error))?);
        let control = terminals.as_ref().map(|terminals| Arc::clone(terminals.control()));
        streams.relay = terminals.and_then(Terminals::relay);
        let caught = Caught::begin(streams.relay.as_ref().map(Relay::session_terminal));
        scope(|scope| {
            let began = Instant::now();
            let (process, unwatched) = start(
                scope,
                &plan,
                watch,
                witness,
                Surroundings {
                    unobserved,
                    behind_shim,
                    followed,
                    order: order.as_ref(),
                    bystander: caught.bystander(),
                    terminal: control.as_ref(),
                },
            )?;
            if let Some(relay) = &mut streams.relay {
                relay.begun(process.pid(), plan.leader());
                if !process.reports_stops() {
                    let (pid, control) = (process.pid(), Arc::clone(&relay.control));
                    let look = move || stops(pid, &control);
                    // Where no thread can be started, a key cannot stop it.
                    let _ = Builder::new().name("cashet-stops".to_owned()).spawn_scoped(scope, look);
                }
            }
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
        if let Some(relay) = &mut self.streams.relay {
            relay.end(matches!(termination, Termination::Exited(_)));
        }
        let trace = self.process.finish(GRACE).ok_or(self.unwatched);
        if self.streams.held().iter().any(Option::is_some) {
            // What it writes comes after what waits.
            self.streams.write_waiting();
            if let Some(relay) = &self.streams.relay {
                relay.leave();
            }
            pump::take_over(self.streams.held());
        }
        let [stdout, stderr] = self.streams.ends();
        let made = self.streams.relay.as_ref().map_or([None; 2], Relay::made);
        let interleaving = self.streams.interleaving(trace.is_ok());
        let rests = self.streams.into_rests().map_err(|error| other("cannot pass on its output", &error))?;
        let signal = caught.noted();
        let backlog = Backlog { rests, is_interrupted: caught.seen().is_some() };
        Ok(Finished { termination, resources, signal, stdout, stderr, made, interleaving, backlog, trace })
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
fn give_stdin(stdin: Stdin, terminals: Option<&Terminals>) -> Result<Given> {
    if let (Stdin::Inherit, Some(terminals)) = (&stdin, terminals)
        && let Some(terminal) = terminals.stdin().map_err(|error| no_terminal(&error))?
    {
        return Ok(Given::Terminal(terminal));
    }
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

/// Reports to `control` whenever the process `pid` is stopped, until it has ended.
fn stops(pid: libc::pid_t, control: &Control) {
    let process = || Id::Pid(Pid::from_raw(pid));
    let changes = WaitPidFlag::WSTOPPED | WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT;
    loop {
        match waitid(process(), changes) {
            Ok(WaitStatus::Stopped(_, signal)) => {
                // Takes the stop, so that it is not reported again. The end is left for the thread that collects it.
                let _ = waitid(process(), WaitPidFlag::WSTOPPED | WaitPidFlag::WNOHANG);
                control.stopped(signal as i32);
            }
            Err(Errno::EINTR) => {}
            _ => return,
        }
    }
}

fn no_terminal(reason: &io::Error) -> Error {
    other("cannot make a terminal for the command", reason).with_hint("--tty=never does without")
}

fn no_pipe(reason: &io::Error) -> Error {
    other("cannot make a pipe for the command's output", reason)
}

fn other(what: &str, reason: &io::Error) -> Error {
    Error::new(Kind::Io(reason.kind()), format!("{what}: {reason}"))
}
