//! A watched run from its start to its end.

use super::access::Observer;
use super::descriptors::Inherited;
use super::filter::program;
use super::install::{Installed, install};
use super::listener::{self, Listener};
use super::opening::gains_rights;
use super::orphans::Adoption;
use super::ptrace::{Ended, Report, Tracer};
use super::supervisor;
use crate::error::is_inconclusive;
use crate::exec::activity;
use crate::exec::pidfd;
use crate::exec::spawn::Plan;
use crate::exec::watch::StartError;
use crate::exec::watch::Surroundings;
use crate::exec::{Hazard, Trace, Witness};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::{Pid, gettid};
use std::fs;
use std::io::{self, PipeReader, PipeWriter};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{Builder, Scope};
use std::time::{Duration, Instant};

/// The name of the thread that watches.
const THREAD: &str = "cashet-watch";

/// How long processes that outlive the command are waited for while one of them is busy: it may be about to end, but not have
/// had the processor yet.
const BUSY_GRACE: Duration = Duration::from_secs(1);
/// Interval of looks whether one is.
const LOOK: Duration = Duration::from_millis(20);

/// An error that cannot occur: that thread ends only after it has sent a message.
const LOST: &str = "the thread that starts the command ended";

/// The mechanism by which a run is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mechanism {
    /// Seccomp's user notification.
    Notify,
    /// ptrace.
    Trace,
}

/// A watched run that is going on. If this is dropped before its end, the command is killed, unless it is traced.
#[derive(Debug)]
pub(in crate::exec) struct Session {
    pid: libc::pid_t,
    ended: Option<OwnedFd>,
    ending: Ending,
    trace: Receiver<Trace>,
    /// When this closes, the watching thread stops.
    stop: Option<PipeWriter>,
    adoption: Adoption,
}

/// How the end of the command becomes known.
#[derive(Debug)]
enum Ending {
    /// By waiting for it; the number is what the supervisor knows it by. The sender is dropped then, and the thread that started it may end. (A process may have asked
    /// to be killed when the thread that started it ends.)
    Wait(Option<Sender<()>>, Arc<AtomicI32>),
    /// From the tracing thread.
    Told(Receiver<Ended>),
}

/// Starts `plan` under watch. `witness` is called before changes happen. What is unobserved by the `surroundings` counts as
/// neither input nor output.
///
/// # Errors
/// When watching is impossible, or the command could not be started. Nothing was started then.
pub(in crate::exec) fn start<'scope>(
    scope: &'scope Scope<'scope, '_>,
    plan: &'scope Plan,
    witness: &'scope mut dyn Witness,
    surroundings: Surroundings<'scope>,
) -> Result<Session, StartError> {
    start_with(&[Mechanism::Notify, Mechanism::Trace], scope, plan, witness, surroundings)
}

/// Like [`start`], by the first of these mechanisms that is available.
///
/// # Errors
/// Those of [`start`].
pub(super) fn start_with<'scope>(
    mechanisms: &[Mechanism],
    scope: &'scope Scope<'scope, '_>,
    plan: &'scope Plan,
    witness: &'scope mut dyn Witness,
    surroundings: Surroundings<'scope>,
) -> Result<Session, StartError> {
    let descriptors =
        Inherited::gather(plan.stdin_given(), plan.variable("MAKEFLAGS"), surroundings.terminal)
            .map_err(|error| unavailable("list its descriptors", &error))?;
    let run = Run { scope, plan, witness, surroundings, descriptors };
    let mut refused = Vec::new();
    for mechanism in mechanisms {
        match mechanism {
            Mechanism::Notify => match Starter::launch(scope, plan, &run.descriptors, surroundings) {
                Ok((starter, installed)) => return run.notify(starter, installed),
                Err(reason) => refused.push(reason),
            },
            Mechanism::Trace => match run.trace() {
                Err(StartError::Unavailable(reason)) => {
                    refused.push(reason);
                    break;
                }
                started => return started,
            },
        }
    }
    Err(StartError::Unavailable(refused.join("; ")))
}

/// What is to be started and watched.
struct Run<'scope, 'env> {
    scope: &'scope Scope<'scope, 'env>,
    plan: &'scope Plan,
    witness: &'scope mut dyn Witness,
    surroundings: Surroundings<'scope>,
    descriptors: Inherited,
}

impl Run<'_, '_> {
    fn notify(self, starter: Starter, installed: Installed) -> Result<Session, StartError> {
        let Self { scope, plan, witness, surroundings, descriptors } = self;
        let lost = installed.lost_privileges;
        refuse_privileged(plan, lost)?;
        let listener = Arc::new(Listener::new(installed.listener));
        let served = Arc::clone(&listener);
        let (stopped, stop) = io::pipe().map_err(|error| unavailable("open a pipe", &error))?;
        let stopped = OwnedFd::from(stopped);
        let (give_trace, trace) = channel();
        let own = starter.thread;
        let command = Arc::new(AtomicI32::new(0));
        let known = Arc::clone(&command);
        let mut adoption = Adoption::begin();
        let work = move || {
            let observer = Observer::new(witness, surroundings, descriptors, lost);
            // It has no receiver if the session was dropped.
            let _ = give_trace.send(supervisor::serve(&served, &stopped, (own, &known), observer));
        };
        let thread = Builder::new().name(THREAD.to_owned());
        thread.spawn_scoped(scope, work).map_err(|error| unavailable("start a thread", &error))?;
        let (pid, release) = starter.go()?;
        command.store(pid, SeqCst);
        if let Some(bystander) = surroundings.bystander {
            listener.entrust_to(bystander);
        }
        drop(listener);
        adoption.except(pid);
        let ended = pidfd::open(pid);
        Ok(Session {
            pid,
            ended,
            ending: Ending::Wait(Some(release), command),
            trace,
            stop: Some(stop),
            adoption,
        })
    }

    fn trace(self) -> Result<Session, StartError> {
        let Self { scope, plan, witness, surroundings, descriptors } = self;
        // Only for root, who may inspect any process, do set-id programs gain rights.
        let lost = !rustix::process::geteuid().is_root();
        refuse_privileged(plan, lost)?;
        let pipe = || io::pipe().map_err(|error| unavailable("open a pipe", &error));
        let ((stopped, stop), (ended, alive)) = (pipe()?, pipe()?);
        let (give_trace, trace) = channel();
        let (give_attached, attached) = channel();
        let (give_started, started) = channel();
        let (give_ended, told) = channel();
        let mut adoption = Adoption::begin();
        let work = move || {
            let tracer = match Tracer::attach(plan) {
                Ok(tracer) => tracer,
                Err(error) => return drop(give_attached.send(Err(error))),
            };
            let _ = give_attached.send(Ok(()));
            let numbers = descriptors.numbers_with(surroundings.order.map(AsRef::as_ref));
            let observer = Observer::new(witness, surroundings, descriptors, lost);
            let stop = || is_closed(&stopped);
            let report = Report { started: give_started, ended: give_ended, alive, stop: &stop };
            let _ = give_trace.send(tracer.serve(observer, &numbers, report));
        };
        let thread = Builder::new().name(THREAD.to_owned());
        thread.spawn_scoped(scope, work).map_err(|error| unavailable("start a thread", &error))?;
        let attached = attached.recv().map_err(|_| lost_thread())?;
        attached.map_err(|error| unavailable("trace a child", &error))?;
        let pid = started.recv().map_err(|_| lost_thread())?.map_err(StartError::Spawn)?;
        plan.started();
        adoption.except(pid);
        let ending = Ending::Told(told);
        Ok(Session { pid, ended: Some(ended.into()), ending, trace, stop: Some(stop), adoption })
    }
}

/// Refuses a program that gains rights by being started. Under watch it would gain none.
fn refuse_privileged(plan: &Plan, lost_privileges: bool) -> Result<(), StartError> {
    let program = plan.program();
    let gains = |metadata| gains_rights(program.as_os_str().as_bytes(), &metadata);
    if lost_privileges && fs::metadata(program).map_or_else(|error| is_inconclusive(&error), gains) {
        let shown = program.display();
        let reason = format!("{shown} gains rights by being started, which watching forbids");
        return Err(StartError::Unavailable(reason));
    }
    Ok(())
}

impl Session {
    /// The process of the command.
    pub(in crate::exec) fn pid(&self) -> libc::pid_t {
        self.pid
    }

    /// Whether it is traced. Then only the tracing thread notices when it is stopped.
    pub(in crate::exec) fn is_traced(&self) -> bool {
        matches!(self.ending, Ending::Told(_))
    }

    /// Readable when the command itself has ended; `None` where there was no descriptor left for it.
    pub(in crate::exec) fn ended(&self) -> Option<BorrowedFd<'_>> {
        self.ended.as_ref().map(AsFd::as_fd)
    }

    /// Waits for the end of the command and collects how it ended and what it took.
    ///
    /// # Errors
    /// The system's.
    pub(in crate::exec) fn reap(&mut self) -> io::Result<Ended> {
        match &mut self.ending {
            Ending::Wait(starter, command) => {
                wait_until_ended(self.pid);
                // From now on the number may belong to another process.
                command.store(0, SeqCst);
                let ended = wait(self.pid);
                *starter = None;
                ended
            }
            Ending::Told(told) => told.recv().map_err(|_| io::Error::from(Errno::ECHILD)),
        }
    }

    /// Waits at most `grace` for processes that outlive the command, and up to [`BUSY_GRACE`] while one of them waits for the
    /// processor. If some remain, that is a hazard, and they continue.
    pub(in crate::exec) fn finish(self, grace: Duration) -> Trace {
        let Self { ending, trace, stop, adoption, .. } = self;
        drop(ending);
        let began = Instant::now();
        let mut seen = trace.recv_timeout(grace);
        while matches!(seen, Err(RecvTimeoutError::Timeout))
            && began.elapsed() < BUSY_GRACE
            && activity::has_busy_child()
        {
            seen = trace.recv_timeout(LOOK);
        }
        let seen = match seen {
            Err(RecvTimeoutError::Timeout) => {
                drop(stop);
                trace.recv().ok()
            }
            seen => seen.ok(),
        };
        drop(adoption);
        seen.unwrap_or_else(|| Trace {
            hazards: vec![Hazard::Incomplete("the watching thread ended".to_owned())],
            ..Trace::default()
        })
    }
}

/// The thread that has the filter and starts the command.
struct Starter {
    thread: libc::pid_t,
    go: Sender<()>,
    started: Receiver<io::Result<libc::pid_t>>,
    release: Sender<()>,
}

impl Starter {
    fn launch<'scope>(
        scope: &'scope Scope<'scope, '_>,
        plan: &'scope Plan,
        descriptors: &Inherited,
        surroundings: Surroundings<'_>,
    ) -> Result<(Self, Installed), String> {
        listener::check().map_err(|error| failed("use a listener", &error))?;
        let order = surroundings.order.map(AsRef::as_ref);
        let filter = program(&descriptors.numbers_with(order));
        let (give_installed, installed) = channel();
        let (go, wait_for_go) = channel::<()>();
        let (give_started, started) = channel();
        let (release, wait_for_release) = channel::<()>();
        let work = move || {
            let installed = install(&filter);
            let is_installed = installed.is_ok();
            let _ = give_installed.send((gettid().as_raw(), installed));
            if !is_installed || wait_for_go.recv().is_err() {
                return;
            }
            let _ = give_started.send(plan.spawn());
            let _ = wait_for_release.recv();
        };
        let thread = Builder::new().name("cashet-start".to_owned());
        thread.spawn_scoped(scope, work).map_err(|error| failed("start a thread", &error))?;
        let (thread, installed) = installed.recv().map_err(|_| LOST.to_owned())?;
        let installed = installed.map_err(|error| failed("install its filter", &error))?;
        Ok((Self { thread, go, started, release }, installed))
    }

    fn go(self) -> Result<(libc::pid_t, Sender<()>), StartError> {
        self.go.send(()).map_err(|_| lost_thread())?;
        let pid = self.started.recv().map_err(|_| lost_thread())?.map_err(StartError::Spawn)?;
        Ok((pid, self.release))
    }
}

fn unavailable(operation: &str, error: &io::Error) -> StartError {
    StartError::Unavailable(failed(operation, error))
}

fn failed(operation: &str, error: &io::Error) -> String {
    format!("watching could not {operation}: {error}")
}

fn lost_thread() -> StartError {
    StartError::Unavailable(LOST.to_owned())
}

/// Whether the other end of a pipe was closed.
fn is_closed(pipe: &PipeReader) -> bool {
    let mut asked = [PollFd::new(pipe.as_fd(), PollFlags::POLLIN)];
    !matches!(poll(&mut asked, PollTimeout::ZERO), Ok(0))
}

/// Waits until it has ended, without collecting it.
fn wait_until_ended(pid: libc::pid_t) {
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT;
    while waitid(Id::Pid(Pid::from_raw(pid)), flags) == Err(Errno::EINTR) {}
}

#[expect(unsafe_code, reason = "wait4 is not wrapped")]
fn wait(pid: libc::pid_t) -> io::Result<(libc::c_int, libc::rusage)> {
    let mut status = 0;
    let mut usage = MaybeUninit::zeroed();
    loop {
        // SAFETY: both pointers are to room for what the call fills.
        match Errno::result(unsafe { libc::wait4(pid, &raw mut status, 0, usage.as_mut_ptr()) }) {
            // SAFETY: all-zero is a valid `rusage`, and the call wrote nothing else than one.
            Ok(_) => return Ok((status, unsafe { usage.assume_init() })),
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}
