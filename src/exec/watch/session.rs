//! A watched run from its start to its end.

use super::access::{Observer, gains_rights};
use super::descriptors::Inherited;
use super::filter::{Seen, program};
use super::install::{Installed, install};
use super::listener::Listener;
use super::orphans::Adoption;
use super::supervisor;
use crate::exec::spawn::Plan;
use crate::exec::watch::StartError;
use crate::exec::{Hazard, Trace, Witness};
use nix::errno::Errno;
use nix::unistd::gettid;
use std::fs;
use std::io::{self, PipeWriter};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{Builder, Scope};
use std::time::Duration;

/// A watched run that goes on. Dropped before its end, it goes on unseen.
#[derive(Debug)]
pub(in crate::exec) struct Session {
    pid: libc::pid_t,
    ended: OwnedFd,
    trace: Receiver<Trace>,
    /// Closed when the command has been waited for: then the thread that started it may end. (A process may have
    /// asked to be killed when the thread that started it ends.)
    starter: Option<Sender<()>>,
    /// Closed to tell the supervisor that it is to stop.
    stop: Option<PipeWriter>,
    _adoption: Adoption,
}

/// Starts `plan` under watch. `witness` is told of changes before they happen; what is below `unobserved` is nobody's
/// input or output.
///
/// # Errors
/// When watching is impossible, or the command could not be started. Nothing was started then.
pub(in crate::exec) fn start<'scope>(
    scope: &'scope Scope<'scope, '_>,
    plan: &'scope Plan,
    witness: &'scope mut dyn Witness,
    unobserved: &'scope [PathBuf],
) -> Result<Session, StartError> {
    let descriptors = Inherited::gather(plan.inherits_stdin(), plan.variable("MAKEFLAGS"))
        .map_err(|error| unavailable("list its descriptors", &error))?;
    let mut adoption = Adoption::begin();
    let (starter, installed) = Starter::launch(scope, plan, &descriptors)?;
    let Installed { listener, lost_privileges: lost } = installed;
    let listener = listener
        .ok_or_else(|| io::Error::from_raw_os_error(libc::ENOSYS))
        .and_then(Listener::new)
        .map_err(|error| unavailable("use its listener", &error))?;
    let program = plan.program();
    if lost && fs::metadata(program).is_ok_and(|it| gains_rights(program.as_os_str().as_bytes(), &it)) {
        let reason = format!("{} gains rights by being started, which watching forbids", program.display());
        return Err(StartError::Unavailable(reason));
    }
    let (stopped, stop) = io::pipe().map_err(|error| unavailable("open a pipe", &error))?;
    let stopped = OwnedFd::from(stopped);
    let (give_trace, trace) = channel();
    let own = starter.thread;
    Builder::new()
        .name("cashet-watch".to_owned())
        .spawn_scoped(scope, move || {
            let observer = Observer::new(witness, unobserved, descriptors, lost);
            // Nobody takes it if the session was dropped.
            let _ = give_trace.send(supervisor::serve(listener, &stopped, own, observer));
        })
        .map_err(|error| unavailable("start a thread", &error))?;
    let (pid, release) = starter.go()?;
    adoption.except(pid);
    let ended = pidfd(pid).map_err(StartError::Spawn)?;
    Ok(Session { pid, ended, trace, starter: Some(release), stop: Some(stop), _adoption: adoption })
}

impl Session {
    /// The process of the command.
    pub(in crate::exec) fn pid(&self) -> libc::pid_t {
        self.pid
    }

    /// Readable when the command itself has ended.
    pub(in crate::exec) fn ended(&self) -> BorrowedFd<'_> {
        self.ended.as_fd()
    }

    /// Waits for the end of the command and collects how it ended and what it took.
    ///
    /// # Errors
    /// The system's.
    pub(in crate::exec) fn reap(&mut self) -> io::Result<(libc::c_int, libc::rusage)> {
        let ended = wait(self.pid);
        self.starter = None;
        ended
    }

    /// Waits at most `grace` for processes that outlive the command. Those that are there still are a hazard, and
    /// live on.
    pub(in crate::exec) fn finish(mut self, grace: Duration) -> Trace {
        self.starter = None;
        let trace = match self.trace.recv_timeout(grace) {
            Err(RecvTimeoutError::Timeout) => {
                self.stop = None;
                self.trace.recv().ok()
            }
            trace => trace.ok(),
        };
        trace.unwrap_or_else(|| Trace {
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
    ) -> Result<(Self, Installed), StartError> {
        let filter = program(&descriptors.numbers(), Seen::Notify);
        let (give_installed, installed) = channel();
        let (go, wait_for_go) = channel::<()>();
        let (give_started, started) = channel();
        let (release, wait_for_release) = channel::<()>();
        let work = move || {
            let installed = install(&filter, true);
            let is_installed = installed.is_ok();
            let _ = give_installed.send((gettid().as_raw(), installed));
            if !is_installed || wait_for_go.recv().is_err() {
                return;
            }
            let _ = give_started.send(plan.spawn());
            let _ = wait_for_release.recv();
        };
        Builder::new()
            .name("cashet-start".to_owned())
            .spawn_scoped(scope, work)
            .map_err(|error| unavailable("start a thread", &error))?;
        let (thread, installed) = installed.recv().map_err(|_| lost_thread())?;
        let installed = installed.map_err(|error| unavailable("install its filter", &error))?;
        Ok((Self { thread, go, started, release }, installed))
    }

    fn go(self) -> Result<(libc::pid_t, Sender<()>), StartError> {
        self.go.send(()).map_err(|_| lost_thread())?;
        let pid = self.started.recv().map_err(|_| lost_thread())?.map_err(StartError::Spawn)?;
        Ok((pid, self.release))
    }
}

fn unavailable(operation: &str, error: &io::Error) -> StartError {
    StartError::Unavailable(format!("watching could not {operation}: {error}"))
}

fn lost_thread() -> StartError {
    StartError::Unavailable("the thread that starts the command ended".to_owned())
}

#[expect(unsafe_code, reason = "pidfd_open and wait4 with resources are not wrapped")]
fn pidfd(pid: libc::pid_t) -> io::Result<OwnedFd> {
    // SAFETY: takes numbers; a non-negative answer is a new descriptor that is nobody else's.
    unsafe {
        let number = Errno::result(libc::syscall(libc::SYS_pidfd_open, pid, 0))?;
        Ok(OwnedFd::from_raw_fd(libc::c_int::try_from(number).unwrap_or(-1)))
    }
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
