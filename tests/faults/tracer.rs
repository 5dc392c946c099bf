//! Runs a program under ptrace, and decides at the entry of each of its system calls: continue, kill the program, or
//! make the call fail. This includes all threads of the program, but not its children.
//!
//! Knows nothing of cashet.

use nix::errno::Errno;
use nix::libc;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use std::collections::HashMap;
use std::ffi::OsString;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// After this time the program counts as hung.
const PATIENCE: Duration = Duration::from_secs(30);

/// A system call on entry.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    /// Its index among all calls of the program, from one.
    pub(crate) nth: usize,
    /// Its number.
    pub(crate) number: i64,
    /// Its first three arguments.
    pub(crate) arguments: [u64; 3],
    /// The thread that makes it.
    tid: Pid,
}

impl Call {
    /// The path behind the first argument, interpreted as a descriptor.
    pub(crate) fn descriptor(&self) -> Option<PathBuf> {
        std::fs::read_link(format!("/proc/{}/fd/{}", self.tid, self.arguments[0])).ok()
    }

    /// The first 16-bit number at the address in an argument.
    pub(crate) fn first_of(&self, argument: usize) -> Option<i32> {
        let address = usize::try_from(self.arguments[argument]).ok()?;
        let word = ptrace::read(self.tid, std::ptr::without_provenance_mut(address)).ok()?;
        Some(i32::from(i16::from_le_bytes([word.to_le_bytes()[0], word.to_le_bytes()[1]])))
    }
}

/// The fate of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    /// Nothing.
    Go,
    /// The program is killed before the call.
    Kill,
    /// The third argument, a length, is halved; after the call the program is killed.
    Tear,
    /// The call is skipped and returns this error. A call that releases a descriptor is executed nevertheless.
    Fail(i32),
}

/// How the program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Status(i32),
    Signal(i32),
    /// It did not end and was killed.
    Hung,
}

/// The outcome of a program.
pub(crate) struct Traced {
    pub(crate) end: End,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
    /// Number of its calls.
    pub(crate) calls: usize,
    /// The call that was manipulated.
    pub(crate) met: Option<Call>,
}

/// The action at the exit of a thread's present call.
#[derive(Clone, Copy, PartialEq, Eq)]
enum AtEnd {
    Nothing,
    Return(i32),
    Kill,
}

#[expect(clippy::zombie_processes, reason = "it is waited for by its number")]
/// Runs `command` to its end, and ends all processes that it started.
pub(crate) fn trace(command: &Command, decide: &mut dyn FnMut(&Call) -> Deed) -> Traced {
    let mut held = held(command);
    let mut child = held.spawn().unwrap();
    let leader = Pid::from_raw(i32::try_from(child.id()).unwrap());
    let (mut stdout, mut stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    assert_eq!(
        waitpid(leader, Some(WaitPidFlag::WUNTRACED)),
        Ok(WaitStatus::Stopped(leader, Signal::SIGSTOP))
    );
    let options = Options::PTRACE_O_TRACESYSGOOD
        | Options::PTRACE_O_TRACECLONE
        | Options::PTRACE_O_TRACEEXEC
        | Options::PTRACE_O_EXITKILL;
    ptrace::seize(leader, options).unwrap();
    kill(leader, Signal::SIGCONT).unwrap();
    let watchdog = Watchdog::start(leader);
    let mut tracer =
        Tracer { leader, began: false, inside: HashMap::new(), calls: 0, met: None, is_over: false };
    let end = tracer.follow(decide);
    let end = if watchdog.stop() { End::Hung } else { end };
    // Orphans of the command are reparented to this process.
    let _ = killpg(leader, Signal::SIGKILL);
    while !matches!(waitpid(Pid::from_raw(-leader.as_raw()), Some(WaitPidFlag::__WALL)), Err(Errno::ECHILD)) {
    }
    let mut bytes = [Vec::new(), Vec::new()];
    stdout.read_to_end(&mut bytes[0]).unwrap();
    stderr.read_to_end(&mut bytes[1]).unwrap();
    let [stdout, stderr] = bytes;
    Traced { end, stdout, stderr, calls: tracer.calls, met: tracer.met }
}

/// The same command started by a shell that stops first and then executes it, in a separate process group.
pub(crate) fn held(command: &Command) -> Command {
    let mut held = Command::new("/bin/sh");
    held.args(["-c", "kill -STOP $$; exec \"$@\"", "sh"]).arg(command.get_program());
    held.args(command.get_args()).env_clear();
    let set = command.get_envs().filter_map(|(name, value)| Some((name, value?)));
    held.envs(set.map(|(name, value)| (OsString::from(name), OsString::from(value))));
    held.current_dir(command.get_current_dir().unwrap()).process_group(0);
    held.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    held
}

struct Tracer {
    leader: Pid,
    /// Whether the program itself runs, in place of the shell.
    began: bool,
    /// Threads inside a call, and the action at its exit.
    inside: HashMap<Pid, AtEnd>,
    calls: usize,
    met: Option<Call>,
    /// Whether the manipulation is done: the rest runs freely.
    is_over: bool,
}

impl Tracer {
    fn follow(&mut self, decide: &mut dyn FnMut(&Call) -> Deed) -> End {
        loop {
            let status = match waitpid(None, Some(WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD)) {
                Err(Errno::EINTR) => continue,
                other => other.unwrap(),
            };
            let (tid, signal) = match status {
                WaitStatus::Exited(pid, status) if pid == self.leader => return End::Status(status),
                WaitStatus::Signaled(pid, signal, _) if pid == self.leader => {
                    return End::Signal(signal as i32);
                }
                WaitStatus::PtraceSyscall(tid) => {
                    self.at_call(tid, decide);
                    (tid, None)
                }
                WaitStatus::PtraceEvent(tid, _, event) => {
                    if event == libc::PTRACE_EVENT_EXEC {
                        self.began = true;
                        self.inside.insert(tid, AtEnd::Nothing);
                    }
                    (tid, None)
                }
                WaitStatus::Stopped(tid, signal) => (tid, Some(signal)),
                _ => continue,
            };
            // A thread that was killed meanwhile cannot be resumed.
            let _ = match (self.began, self.is_over) {
                (_, true) => ptrace::detach(tid, signal),
                (true, false) => ptrace::syscall(tid, signal),
                (false, false) => ptrace::cont(tid, signal),
            };
        }
    }

    fn at_call(&mut self, tid: Pid, decide: &mut dyn FnMut(&Call) -> Deed) {
        let Ok(mut registers) = ptrace::getregs(tid) else { return };
        match self.inside.remove(&tid) {
            Some(AtEnd::Nothing) => {}
            Some(AtEnd::Return(error)) => {
                registers.rax = (-i64::from(error)).cast_unsigned();
                let _ = ptrace::setregs(tid, registers);
                self.is_over = true;
            }
            Some(AtEnd::Kill) => self.kill(),
            None => {
                self.calls += 1;
                let number = registers.orig_rax.cast_signed();
                let arguments = [registers.rdi, registers.rsi, registers.rdx];
                let call = Call { nth: self.calls, number, arguments, tid };
                let deed = decide(&call);
                if deed != Deed::Go {
                    self.met = Some(call);
                }
                let at_end = match deed {
                    Deed::Go => AtEnd::Nothing,
                    Deed::Kill => {
                        self.kill();
                        AtEnd::Nothing
                    }
                    Deed::Tear => {
                        registers.rdx /= 2;
                        let _ = ptrace::setregs(tid, registers);
                        AtEnd::Kill
                    }
                    Deed::Fail(error) => {
                        if number != libc::SYS_close {
                            registers.orig_rax = u64::MAX;
                            let _ = ptrace::setregs(tid, registers);
                        }
                        AtEnd::Return(error)
                    }
                };
                self.inside.insert(tid, at_end);
            }
        }
    }

    fn kill(&self) {
        let _ = kill(self.leader, Signal::SIGKILL);
    }
}

/// Kills a program that does not end.
struct Watchdog {
    over: Arc<AtomicBool>,
    thread: thread::JoinHandle<bool>,
}

impl Watchdog {
    fn start(leader: Pid) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&over);
        let thread = thread::spawn(move || {
            let begun = Instant::now();
            while !told.load(Ordering::Acquire) {
                if begun.elapsed() > PATIENCE {
                    let _ = killpg(leader, Signal::SIGKILL);
                    return true;
                }
                thread::park_timeout(PATIENCE);
            }
            false
        });
        Self { over, thread }
    }

    /// Stops the watchdog; returns whether it killed the program.
    fn stop(self) -> bool {
        self.over.store(true, Ordering::Release);
        self.thread.thread().unpark();
        self.thread.join().unwrap()
    }
}
