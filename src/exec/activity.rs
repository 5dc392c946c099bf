//! What another process and its descendants have done, as far as the system reports it. Waiting calls use it to notice a process
//! that makes no progress.

use std::collections::BTreeSet;
use std::fs;

/// Ticks of the processor's clock in a second, as `/proc` counts them.
const TICKS: u64 = 100;
/// Maximum number of processes that are followed.
const MOST: usize = 4096;

/// What a process has done so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Activity {
    /// It is stopped by a signal.
    pub is_stopped: bool,
    /// Processor time of it and its descendants, in milliseconds. Processes that have ended count where they were waited for.
    pub processor: u64,
    /// Bytes that it has written itself; 0 where the system does not report them.
    pub written: u64,
}

/// What `process` has done; `None` where the system does not report it.
#[must_use]
pub fn activity(process: u32) -> Option<Activity> {
    let own = Stat::read(process)?;
    let mut ticks = own.of_children;
    let mut known = BTreeSet::from([process]);
    let mut next = vec![process];
    while let Some(parent) = next.pop().filter(|_| known.len() < MOST) {
        for child in children(parent).into_iter().filter(|child| known.insert(*child)) {
            if let Some(stat) = Stat::read(child) {
                ticks = ticks.saturating_add(stat.own).saturating_add(stat.of_children);
            }
            next.push(child);
        }
    }
    let written = fs::read_to_string(format!("/proc/{process}/io")).unwrap_or_default();
    let written = written.lines().find_map(|line| line.strip_prefix("wchar: ")?.parse().ok());
    Some(Activity {
        is_stopped: own.state == b'T',
        processor: ticks.saturating_mul(1000 / TICKS),
        written: written.unwrap_or(0),
    })
}

/// Whether a thread of `process` runs, or waits for the processor or a disk; also where the process ends at this moment.
#[must_use]
pub(super) fn is_busy(process: u32) -> bool {
    let Ok(threads) = fs::read_dir(format!("/proc/{process}/task")) else { return true };
    threads.flatten().any(|thread| match fs::read(thread.path().join("stat")) {
        Ok(stat) => Stat::parse(&stat).is_some_and(|stat| matches!(stat.state, b'R' | b'D')),
        Err(_) => true,
    })
}

/// Whether a child of this process is busy.
#[must_use]
pub(super) fn has_busy_child() -> bool {
    children(std::process::id()).into_iter().any(is_busy)
}

/// The children of all threads of a process.
fn children(process: u32) -> Vec<u32> {
    let Ok(threads) = fs::read_dir(format!("/proc/{process}/task")) else { return Vec::new() };
    let listed =
        threads.flatten().filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    let words = listed
        .flat_map(|list| list.split_whitespace().filter_map(|word| word.parse().ok()).collect::<Vec<u32>>());
    words.collect()
}

/// Parts of `/proc/PID/stat`.
struct Stat {
    state: u8,
    own: u64,
    of_children: u64,
}

impl Stat {
    fn read(process: u32) -> Option<Self> {
        Self::parse(&fs::read(format!("/proc/{process}/stat")).ok()?)
    }

    fn parse(text: &[u8]) -> Option<Self> {
        // The name of the program may contain any character. The last parenthesis ends it.
        let after = text.iter().rposition(|byte| *byte == b')')?;
        let words = std::str::from_utf8(text.get(after + 1..)?).ok()?;
        let words: Vec<&str> = words.split_whitespace().collect();
        let number = |place: usize| words.get(place).and_then(|word| word.parse::<u64>().ok());
        let sum = |one, other| Some(number(one)?.saturating_add(number(other)?));
        Some(Self { state: words.first()?.bytes().next()?, own: sum(11, 12)?, of_children: sum(13, 14)? })
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::process::Command;
    use std::thread::sleep;
    use std::time::{Duration, Instant};

    #[test]
    fn a_stopped_process_is_told_from_one_that_works() {
        let script = "(while :; do :; done) & wait";
        let mut child = Command::new("sh").args(["-c", script]).spawn().unwrap();
        let began = Instant::now();
        let works = || activity(child.id()).is_some_and(|now| now.processor >= 20);
        while !works() && began.elapsed() < Duration::from_mins(1) {
            sleep(Duration::from_millis(5));
        }
        assert!(works());
        let send = |signal| {
            let pid = nix::unistd::Pid::from_raw(child.id().cast_signed());
            nix::sys::signal::kill(pid, signal).unwrap();
        };
        send(nix::sys::signal::Signal::SIGSTOP);
        while !activity(child.id()).unwrap().is_stopped {
            sleep(Duration::from_millis(1));
        }
        for inner in children(child.id()) {
            nix::sys::signal::kill(
                nix::unistd::Pid::from_raw(inner.cast_signed()),
                nix::sys::signal::Signal::SIGKILL,
            )
            .unwrap();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(activity(child.id()), None);
    }
}
