//! Watching by ptrace, where the kernel gives no listener (below another watch): every call of every process stops.
//!
//! This is slower than a listener, but leaves no trace in the processes: if the tracing thread ends first, they continue
//! normally. The tracing thread also starts the command and waits for it.

use super::access::Observer;
use super::calls::observe;
use super::disguise::Disguise;
use super::filter::{HOST_ARCHITECTURE, Numbers};
use super::held;
use super::sockets::Sockets;
use super::stopped::Stopped;
use super::table;
use crate::exec::order::{Request, Then};
use crate::exec::spawn::Plan;
use crate::exec::{Hazard, Trace};
use nix::errno::Errno;
use rustc_hash::{FxHashMap, FxHashSet};
use std::io::{self, PipeReader, PipeWriter, Read};
use std::mem::MaybeUninit;
use std::ptr::null_mut;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

/// How the command ended and what it took.
pub(super) type Ended = (libc::c_int, libc::rusage);

/// Pause between looks for processes that outlive the command.
const PAUSE: Duration = Duration::from_micros(200);
/// `PTRACE_EVENT_STOP`.
const EVENT_STOP: libc::c_int = 128;
/// What a stop at a call has as its signal, by `PTRACE_O_TRACESYSGOOD`.
const CALL_STOP: libc::c_int = libc::SIGTRAP | 0x80;
const OPTIONS: libc::c_int = libc::PTRACE_O_TRACESYSGOOD
    | libc::PTRACE_O_TRACEFORK
    | libc::PTRACE_O_TRACEVFORK
    | libc::PTRACE_O_TRACECLONE
    | libc::PTRACE_O_TRACEEXEC;

/// Whom the tracer tells what.
pub(super) struct Report<'a> {
    /// That the command runs, or why it does not.
    pub(super) started: Sender<io::Result<libc::pid_t>>,
    /// How it ended.
    pub(super) ended: Sender<Ended>,
    /// Closed when it ended.
    pub(super) alive: PipeWriter,
    /// Asked, once it has ended, whether processes that outlive it are to be let go.
    pub(super) stop: &'a dyn Fn() -> bool,
}

/// A child of this thread, stopped and traced before it has done anything.
pub(super) struct Tracer {
    command: libc::pid_t,
    failure: PipeReader,
}

impl Tracer {
    /// Forks the child that will be the command.
    ///
    /// # Errors
    /// When it cannot be had or traced; then there is none.
    pub(super) fn attach(plan: &Plan) -> io::Result<Self> {
        let held = held::fork(plan)?;
        let command = held.pid;
        match seize(command).and_then(|()| held.release()) {
            Ok(failure) => Ok(Self { command, failure }),
            Err(error) => {
                // It was told to end by the closing of its pipe.
                let _ = wait(command, 0);
                Err(error)
            }
        }
    }

    /// Lets the child become the command, and serves all its processes until the last is gone, or until it is told to
    /// stop.
    pub(super) fn serve(
        mut self,
        mut observer: Observer<'_>,
        numbers: &Numbers,
        report: Report<'_>,
    ) -> Trace {
        let Report { started, ended, alive, stop } = report;
        let mut sockets = Sockets::default();
        let mut leaving = Leaving::default();
        let mut alive = Some(alive);
        let mut started = Some(started);
        let mut is_ended = false;
        loop {
            // As long as the command lives, something will happen; then it must be possible to stop waiting.
            let flags = if alive.is_some() { 0 } else { libc::WNOHANG };
            let (tid, status, usage) = match wait(-1, flags | libc::__WNOTHREAD) {
                Ok(Some(news)) => news,
                Ok(None) if stop() => {
                    observer.hazard(Hazard::LeftBehind);
                    break;
                }
                Ok(None) => {
                    std::thread::sleep(PAUSE);
                    continue;
                }
                Err(Errno::EINTR) => continue,
                Err(_) => break,
            };
            if libc::WIFSTOPPED(status) {
                if status >> 16 == libc::PTRACE_EVENT_EXEC
                    && tid == self.command
                    && let Some(started) = started.take()
                {
                    let _ = started.send(Ok(tid));
                }
                if libc::WSTOPSIG(status) == CALL_STOP {
                    stopped_at_call(tid, (numbers, &mut leaving), &mut observer, &mut sockets);
                }
                if alive.is_some() && !is_ended && observer.must_end() {
                    is_ended = true;
                    end(self.command);
                }
                if status >> 16 == EVENT_STOP && tid == self.command {
                    observer.descriptors.is_stopped(libc::WSTOPSIG(status));
                }
                resume(tid, status);
            } else if tid == self.command {
                if let Some(started) = started.take() {
                    let _ = started.send(Err(self.failure()));
                }
                alive = None;
                // Nobody takes it if the session was dropped.
                let _ = ended.send((status, usage));
            }
        }
        for hazard in sockets.into_hazards() {
            observer.hazard(hazard);
        }
        observer.into_trace()
    }

    /// Why the child did not become the command.
    fn failure(&mut self) -> io::Error {
        let mut number = [0; 4];
        match self.failure.read_exact(&mut number) {
            Ok(()) => io::Error::from_raw_os_error(i32::from_ne_bytes(number)),
            Err(error) => error,
        }
    }
}

/// Ends the command as a user would. It is a child of this thread that was not collected yet.
#[expect(unsafe_code, reason = "the number is all that there is")]
fn end(command: libc::pid_t) {
    // SAFETY: `kill` takes numbers only.
    unsafe { libc::kill(command, libc::SIGTERM) };
}

/// A thread stopped at a call: if it is at its beginning, and the call is one that is watched, it is taken in.
#[expect(unsafe_code, reason = "the kernel fills a structure")]
fn stopped_at_call(
    tid: libc::pid_t,
    (numbers, leaving): (&Numbers, &mut Leaving),
    observer: &mut Observer<'_>,
    sockets: &mut Sockets,
) {
    let mut info = MaybeUninit::<libc::ptrace_syscall_info>::zeroed();
    let size = size_of_val(&info);
    // SAFETY: the request fills at most `size` bytes of the structure.
    let filled = unsafe { libc::ptrace(libc::PTRACE_GET_SYSCALL_INFO, tid, size, info.as_mut_ptr()) };
    if filled <= 0 {
        if Errno::last() != Errno::ESRCH {
            observer.hazard(Hazard::Incomplete("a call that cannot be inspected".to_owned()));
        }
        return;
    }
    // SAFETY: all-zero is a valid structure, and the kernel filled part of it with numbers.
    let info = unsafe { info.assume_init() };
    if info.op == libc::PTRACE_SYSCALL_INFO_EXIT {
        return leave(tid, leaving, observer);
    }
    if info.op != libc::PTRACE_SYSCALL_INFO_ENTRY {
        return;
    }
    // SAFETY: at the beginning of a call this is the part of the union that the kernel filled.
    let (number, arguments) = unsafe { (info.u.entry.nr, info.u.entry.args) };
    let number = u32::try_from(number & 0xffff_ffff).unwrap_or(u32::MAX);
    let is_watched = info.arch != HOST_ARCHITECTURE
        || number >= super::filter::OTHER_ABI
        || table::find(number).is_some_and(|row| {
            // Under every number: each call stops anyway.
            let orders = observer.ordering.order().is_some() && row.call.may_order();
            orders || row.trap.applies(&arguments, numbers)
        });
    if is_watched {
        sockets.seen(tid);
        let stopped = Stopped { tid, architecture: info.arch, number, arguments, is_valid: &|| true };
        observe(&stopped, observer, sockets);
        if let Some(disguise) = observer.ordering.take_disguise() {
            leaving.disguised.insert(tid, disguise);
        }
        if let Some(then) = observer.ordering.take() {
            // When the call is over, what it wrote is there to be read.
            let is_write = matches!(then, Then::Write(_));
            settle(observer, tid, if is_write { Then::Nothing } else { then });
            if is_write {
                leaving.writing.insert(tid);
            }
        }
    }
}

/// What is to be done at the end of calls that have begun.
#[derive(Default)]
struct Leaving {
    /// They write to a stream.
    writing: FxHashSet<libc::pid_t>,
    /// They are to be answered in the kernel's place.
    disguised: FxHashMap<libc::pid_t, Disguise>,
}

/// A thread is stopped at the end of a call.
fn leave(tid: libc::pid_t, leaving: &mut Leaving, observer: &mut Observer<'_>) {
    if leaving.writing.remove(&tid) {
        settle(observer, tid, Then::Nothing);
    }
    if let Some(disguise) = leaving.disguised.remove(&tid)
        && disguise.value == 0
    {
        disguise.put_on(tid);
    }
}

/// Waits until the streams have been read so far.
fn settle(observer: &Observer<'_>, by: libc::pid_t, then: Then) {
    if let Some(order) = observer.ordering.order() {
        let (done, wait) = channel();
        order.ask(Request {
            by,
            then,
            release: Box::new(move || {
                // No thread waits if the tracer has ended.
                let _ = done.send(());
            }),
        });
        // There is no answer if the streams are not read any more.
        let _ = wait.recv();
    }
}

/// Attaches to a child of ours and stops it.
fn seize(pid: libc::pid_t) -> io::Result<()> {
    request(libc::PTRACE_SEIZE, pid, OPTIONS)?;
    request(libc::PTRACE_INTERRUPT, pid, 0)?;
    while wait(pid, libc::__WNOTHREAD) == Err(Errno::EINTR) {}
    Ok(request(libc::PTRACE_SYSCALL, pid, 0)?)
}

/// Continues a stopped thread until its next stop. If it has ended, there is nothing to do.
fn resume(tid: libc::pid_t, status: libc::c_int) {
    let signal = libc::WSTOPSIG(status);
    let _ = match status >> 16 {
        // Stopped by a signal of job control: it stays stopped until it is continued.
        EVENT_STOP if signal != libc::SIGTRAP => request(libc::PTRACE_LISTEN, tid, 0),
        0 if signal != CALL_STOP => request(libc::PTRACE_SYSCALL, tid, signal),
        _ => request(libc::PTRACE_SYSCALL, tid, 0),
    };
}

#[expect(unsafe_code, reason = "the requests of PTRACE_SEIZE are not wrapped")]
fn request(request: libc::c_uint, tid: libc::pid_t, data: libc::c_int) -> Result<(), Errno> {
    let data = libc::c_long::from(data);
    // SAFETY: these requests take numbers only.
    Errno::result(unsafe { libc::ptrace(request, tid, null_mut::<libc::c_void>(), data) }).map(|_| ())
}

/// Waits for a change of state of a child or traced thread. With `WNOHANG`, `None` if there is none now.
#[expect(unsafe_code, reason = "wait4 is not wrapped")]
fn wait(
    pid: libc::pid_t,
    flags: libc::c_int,
) -> Result<Option<(libc::pid_t, libc::c_int, libc::rusage)>, Errno> {
    let mut status = 0;
    let mut usage = MaybeUninit::zeroed();
    // SAFETY: both pointers are to room for what the call fills.
    let answer = unsafe { libc::wait4(pid, &raw mut status, flags | libc::__WALL, usage.as_mut_ptr()) };
    match Errno::result(answer)? {
        0 => Ok(None),
        // SAFETY: all-zero is a valid `rusage`, and the call wrote nothing else than one.
        tid => Ok(Some((tid, status, unsafe { usage.assume_init() }))),
    }
}
