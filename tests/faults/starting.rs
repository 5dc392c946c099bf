//! The program is killed while it starts a command: at every system call of its own threads and of the child, from the
//! filter to the command's first call. Nothing hangs, and the next call of the same key gets its lock.

use crate::project::Project;
use crate::scale::{Random, Tally, scaled, seed, shared};
use crate::tracer::held;
use nix::errno::Errno;
use nix::libc;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use std::collections::HashSet;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// After this time a process counts as hung.
const PATIENCE: Duration = Duration::from_secs(30);
/// `seccomp`'s operation and flag by which the filter is installed.
const INSTALL: (u64, u64) = (1, 8);

#[test]
fn killed_while_it_starts_the_command() {
    let tally = Tally::default();
    let kills = scaled(40, 1000);
    shared(kills, Project::new, |project, number| {
        let mut random = Random::new(seed() + number as u64);
        let word = format!("w{number}");
        let call = ["exec", "--", "./job", &word];
        let total = Start::of(&project.command(&["exec", "--no-cache", "--", "./job", "count"]), None).calls;
        assert!(total > 20, "only {total} calls");
        // Few trials are spread over all points; many trials take each point in turn, then random ones.
        let nth = match number {
            _ if kills < total => number * total / kills,
            _ if number < total => number,
            _ => random.below(total),
        };
        let start = Start::of(&project.command(&call), Some(nth));
        if !start.was_killed {
            return;
        }
        tally.trial();
        if start.hung {
            tally.wrong(format!("killed at call {nth} of {total}: a process was left waiting"));
            return;
        }
        project.clear();
        let mut again = Command::new("timeout");
        let inner = project.command(&call);
        again.args(["60"]).arg(inner.get_program()).args(inner.get_args()).env_clear();
        again.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
        again.current_dir(inner.get_current_dir().unwrap()).stdin(Stdio::null());
        let output = again.output().unwrap();
        if let Some(wrong) = project.wrong_answer(&word, &output) {
            tally.wrong(format!("killed at call {nth} of {total}, then: {wrong}"));
        }
        project.clear();
    });
    assert!(tally.trials() >= kills / 2, "{} kills", tally.trials());
    tally.judge("kills at the start");
}

/// The outcome of a start.
struct Start {
    /// Number of calls from the filter to the command, entries and exits.
    calls: usize,
    was_killed: bool,
    /// Whether a process did not end in time.
    hung: bool,
}

struct Tracer {
    leader: Pid,
    nth: Option<usize>,
    /// The child that will become the command.
    child: Option<Pid>,
    inside: HashSet<Pid>,
    counts: bool,
    is_over: bool,
    start: Start,
}

impl Start {
    /// Runs `command`, killed at the `nth` call.
    #[expect(clippy::zombie_processes, reason = "it is waited for by its number")]
    fn of(command: &Command, nth: Option<usize>) -> Self {
        let mut held = held(command);
        held.stdout(Stdio::null()).stderr(Stdio::null());
        let child = held.spawn().unwrap();
        let leader = Pid::from_raw(i32::try_from(child.id()).unwrap());
        let stopped = waitpid(leader, Some(WaitPidFlag::WUNTRACED));
        assert_eq!(stopped, Ok(WaitStatus::Stopped(leader, Signal::SIGSTOP)));
        let options = Options::PTRACE_O_TRACESYSGOOD
            | Options::PTRACE_O_TRACECLONE
            | Options::PTRACE_O_TRACEVFORK
            | Options::PTRACE_O_TRACEEXEC
            | Options::PTRACE_O_EXITKILL;
        ptrace::seize(leader, options).unwrap();
        kill(leader, Signal::SIGCONT).unwrap();
        let start = Self { calls: 0, was_killed: false, hung: false };
        let inside = HashSet::new();
        let mut tracer = Tracer { leader, nth, child: None, inside, counts: false, is_over: false, start };
        tracer.follow();
        // Its processes must not disturb the next trial.
        let _ = killpg(leader, Signal::SIGKILL);
        let group = Pid::from_raw(-leader.as_raw());
        while !matches!(waitpid(group, Some(WaitPidFlag::__WALL)), Err(Errno::ECHILD)) {}
        tracer.start
    }
}

impl Tracer {
    fn follow(&mut self) {
        let begun = Instant::now();
        loop {
            let flags = WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD | WaitPidFlag::WNOHANG;
            let (tid, signal) = match waitpid(None, Some(flags)) {
                Ok(WaitStatus::StillAlive) if begun.elapsed() > PATIENCE => {
                    self.start.hung = true;
                    return;
                }
                Ok(WaitStatus::StillAlive) => {
                    thread::sleep(Duration::from_micros(100));
                    continue;
                }
                Err(Errno::EINTR) => continue,
                // All have ended.
                Err(_) => return,
                Ok(WaitStatus::PtraceSyscall(tid)) => {
                    self.at_call(tid);
                    (tid, None)
                }
                Ok(WaitStatus::PtraceEvent(tid, _, event)) => {
                    self.at_event(tid, event);
                    (tid, None)
                }
                Ok(WaitStatus::Stopped(tid, signal)) => (tid, Some(signal)),
                Ok(_) => continue,
            };
            // A thread that was killed meanwhile cannot be resumed. No thread is detached, since only traced ones can
            // be waited for.
            let _ = if self.is_over { ptrace::cont(tid, signal) } else { ptrace::syscall(tid, signal) };
        }
    }

    fn at_event(&mut self, tid: Pid, event: i32) {
        match event {
            libc::PTRACE_EVENT_VFORK => {
                self.child = ptrace::getevent(tid).ok().map(|pid| Pid::from_raw(i32::try_from(pid).unwrap()));
            }
            libc::PTRACE_EVENT_EXEC if self.child == Some(tid) => self.is_over = true,
            libc::PTRACE_EVENT_EXEC => {
                self.inside.insert(tid);
            }
            _ => {}
        }
    }

    fn at_call(&mut self, tid: Pid) {
        let begins = !self.inside.remove(&tid);
        if begins {
            self.inside.insert(tid);
        }
        if self.counts {
            self.start.calls += 1;
            if self.nth.is_some_and(|nth| self.start.calls > nth) {
                let _ = kill(self.leader, Signal::SIGKILL);
                self.start.was_killed = true;
                self.is_over = true;
            }
        } else if begins
            && let Ok(registers) = ptrace::getregs(tid)
            && registers.orig_rax.cast_signed() == libc::SYS_seccomp
        {
            self.counts = registers.rdi == INSTALL.0 && registers.rsi & INSTALL.1 != 0;
        }
    }
}
