//! Runs a program under ptrace and asks at the beginning of each of its system calls what is to happen: go on, die
//! there, or be told that the call failed. All threads of the program count, its children do not.
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

/// After this the program hangs.
const PATIENCE: Duration = Duration::from_secs(30);

/// A system call that is about to begin.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    /// Which one of all calls of the program, from one on.
    pub(crate) nth: usize,
    /// Its number.
    pub(crate) number: i64,
    /// Its first three arguments.
    pub(crate) arguments: [u64; 3],
    /// The thread that makes it.
    tid: Pid,
}

impl Call {
    /// What the first argument leads to, taken for a descriptor.
    pub(crate) fn descriptor(&self) -> Option<PathBuf> {
        std::fs::read_link(format!("/proc/{}/fd/{}", self.tid, self.arguments[0])).ok()
    }

    /// The first short number of what an argument points to.
    pub(crate) fn first_of(&self, argument: usize) -> Option<i32> {
        let address = usize::try_from(self.arguments[argument]).ok()?;
        let word = ptrace::read(self.tid, std::ptr::without_provenance_mut(address)).ok()?;
        Some(i32::from(i16::from_le_bytes([word.to_le_bytes()[0], word.to_le_bytes()[1]])))
    }
}

/// What happens to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    /// Nothing.
    Go,
    /// The program is killed before the call.
    Kill,
    /// The call gets half of its third argument, a length; then the program is killed.
    Tear,
    /// The call is not made and returns this error. One that gives back a descriptor is made all the same.
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

/// What came of a program.
pub(crate) struct Traced {
    pub(crate) end: End,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
    /// How many calls it made.
    pub(crate) calls: usize,
    /// The call that something was done to.
    pub(crate) met: Option<Call>,
}

/// What is to happen at the end of a thread's present call.
#[derive(Clone, Copy, PartialEq, Eq)]
enum AtEnd {
    Nothing,
    Return(i32),
    Kill,
}

#[expect(clippy::zombie_processes, reason = "it is waited for by its number")]
/// Runs `command` to its end; then nothing that it started is left.
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
    // Processes of the command that it left behind are ours, since orphans come to us.
    let _ = killpg(leader, Signal::SIGKILL);
    while !matches!(waitpid(Pid::from_raw(-leader.as_raw()), Some(WaitPidFlag::__WALL)), Err(Errno::ECHILD)) {
    }
    let mut bytes = [Vec::new(), Vec::new()];
    stdout.read_to_end(&mut bytes[0]).unwrap();
    stderr.read_to_end(&mut bytes[1]).unwrap();
    let [stdout, stderr] = bytes;
    Traced { end, stdout, stderr, calls: tracer.calls, met: tracer.met }
}

/// The same command behind a shell that stops before it becomes it, in a process group of its own.
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
    /// Threads that are inside a call, and what is to happen at its end.
    inside: HashMap<Pid, AtEnd>,
    calls: usize,
    met: Option<Call>,
    /// Whether everything was done that was to be: the rest goes by itself.
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

    /// Whether it had to.
    fn stop(self) -> bool {
        self.over.store(true, Ordering::Release);
        self.thread.thread().unpark();
        self.thread.join().unwrap()
    }
}
