//! Processes whose parent has ended. While a run goes on they become our children, so that we may inspect them and none stays a
//! zombie. Processes that outlive the run also outlive us.

use super::listener::Listener;
use crate::exec::takeover;
use nix::errno::Errno;
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::Pid;
use std::collections::BTreeSet;
use std::fs;
use std::os::fd::AsRawFd;
use std::sync::{Mutex, PoisonError};

/// The number of present runs and of those without a command, whether we adopted orphans before the first, and the commands
/// that other code waits for.
#[derive(Debug)]
struct Runs {
    count: usize,
    starting: usize,
    before: bool,
    commands: BTreeSet<libc::pid_t>,
}

static RUNS: Mutex<Runs> =
    Mutex::new(Runs { count: 0, starting: 0, before: false, commands: BTreeSet::new() });

/// As long as one lives, orphans are adopted.
#[derive(Debug)]
pub(super) struct Adoption {
    command: Option<libc::pid_t>,
}

impl Adoption {
    /// Begins to adopt.
    pub(super) fn begin() -> Self {
        let mut runs = RUNS.lock().unwrap_or_else(PoisonError::into_inner);
        if runs.count == 0 {
            runs.before = nix::sys::prctl::get_child_subreaper().unwrap_or(false);
            let _ = nix::sys::prctl::set_child_subreaper(true);
        }
        runs.count += 1;
        runs.starting += 1;
        Self { command: None }
    }

    /// `pid` is a command whose end other code waits for. It is not an orphan.
    pub(super) fn except(&mut self, pid: libc::pid_t) {
        let mut runs = RUNS.lock().unwrap_or_else(PoisonError::into_inner);
        runs.starting -= usize::from(self.command.is_none());
        runs.commands.insert(pid);
        self.command = Some(pid);
    }
}

impl Drop for Adoption {
    fn drop(&mut self) {
        let mut runs = RUNS.lock().unwrap_or_else(PoisonError::into_inner);
        match self.command {
            Some(pid) => {
                runs.commands.remove(&pid);
            }
            None => runs.starting -= 1,
        }
        runs.count -= 1;
        if runs.count == 0 && !runs.before {
            let _ = nix::sys::prctl::set_child_subreaper(false);
        }
    }
}

/// Collects watched processes that ended as our children and that we did not start. They have more filters than we do.
pub(super) fn collect() {
    if RUNS.lock().unwrap_or_else(PoisonError::into_inner).starting > 0 {
        return;
    }
    // Any child that has ended, including the command. Without one there is nothing to collect.
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    if matches!(waitid(Id::All, flags), Ok(WaitStatus::StillAlive) | Err(_)) {
        return;
    }
    let own = filters("self").unwrap_or(0);
    let us = std::process::id().to_string();
    let Ok(processes) = fs::read_dir("/proc") else { return };
    for entry in processes.flatten() {
        let name = entry.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse::<libc::pid_t>().ok()) else { continue };
        let stat = fs::read(entry.path().join("stat")).unwrap_or_default();
        // The name of the program may hold anything; the last parenthesis ends it.
        let after = stat.iter().rposition(|byte| *byte == b')').and_then(|at| stat.get(at + 1..));
        let mut words = after.unwrap_or_default().split(|byte| *byte == b' ').skip(1);
        let is_ours = words.next() == Some(b"Z") && words.next() == Some(us.as_bytes());
        let is_command = || RUNS.lock().unwrap_or_else(PoisonError::into_inner).commands.contains(&pid);
        if is_ours && filters(&pid.to_string()).is_some_and(|theirs| theirs > own) && !is_command() {
            let _ = waitpid(Pid::from_raw(pid), Some(WaitPidFlag::WNOHANG));
        }
    }
}

/// How many filters a process has.
fn filters(pid: &str) -> Option<u32> {
    let status = fs::read(format!("/proc/{pid}/status")).ok()?;
    let line = status.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(b"Seccomp_filters:"))?;
    std::str::from_utf8(line).ok()?.trim().parse().ok()
}

/// Forks a small process that continues the calls at `listener` until the last process with the filter is gone. Without an
/// answer, all calls would fail.
#[expect(unsafe_code, reason = "fork is the only way to outlive ourselves")]
pub(super) fn answer_from_now_on(listener: &Listener) {
    let Ok(descriptor) = listener.descriptor() else { return };
    let number = descriptor.as_raw_fd();
    // SAFETY: the child calls nothing but what is safe after a fork of a process with threads, and never returns.
    match unsafe { libc::fork() } {
        0 => unsafe {
            // A grandchild, so that no process has to wait for it.
            if libc::fork() == 0 {
                takeover::resume_all(number);
            }
            libc::_exit(0);
        },
        child if child > 0 => while waitpid(Pid::from_raw(child), None) == Err(Errno::EINTR) {},
        // The descriptor stays open, so that calls at least wait as long as we live.
        _ => std::mem::forget(descriptor),
    }
}
