//! Programs of an engine: run to their end, within a time, without our terminal.

use crate::error::{Error, Kind, Result};
use rustix::io::{FdFlags, fcntl_setfd};
use std::io::{Read, Write};
use std::os::fd::BorrowedFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// What a program printed, and how it ended.
pub(super) struct Ended {
    pub(super) status: ExitStatus,
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: String,
}

impl Ended {
    /// The last line of its messages, for people.
    pub(super) fn complaint(&self) -> String {
        let mut lines = self.stderr.lines().rev().map(str::trim);
        lines.find(|line| !line.is_empty()).unwrap_or("it printed no message").to_owned()
    }
}

/// Runs `command` with `input` on its standard input; ends it when it takes longer than `limit`.
///
/// # Errors
/// When it cannot be started, or takes too long.
pub(super) fn run(command: &mut Command, input: &[u8], limit: Duration) -> Result<Ended> {
    run_holding(command, input, limit, &[])
}

/// The same; the program holds these descriptors, too: where this process dies, they stay open until the program ends.
///
/// # Errors
/// As [`run`].
pub(super) fn run_holding(
    command: &mut Command,
    input: &[u8],
    limit: Duration,
    held: &[BorrowedFd<'_>],
) -> Result<Ended> {
    let name = command.get_program().display().to_string();
    let failed = |error: std::io::Error| Error::new(Kind::Other, format!("cannot run {name}: {error}"));
    // A process group of its own: Ctrl-C is for this process, and the program runs to its end.
    command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let hand_on = |flags| {
        for held in held {
            // Where that fails, they close with this process.
            let _ = fcntl_setfd(held, flags);
        }
    };
    hand_on(FdFlags::empty());
    let spawned = command.spawn();
    hand_on(FdFlags::CLOEXEC);
    let mut child = spawned.map_err(failed)?;
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    std::thread::scope(|scope| {
        scope.spawn(move || {
            // It may end without reading all of it.
            let _ = stdin.map(|mut stdin| stdin.write_all(input));
        });
        let read = |from: Option<Box<dyn Read + Send>>| {
            scope.spawn(move || {
                let mut bytes = Vec::new();
                let _ = from.map(|mut from| from.read_to_end(&mut bytes));
                bytes
            })
        };
        let stdout = read(stdout.map(|stdout| Box::new(stdout) as Box<dyn Read + Send>));
        let stderr = read(stderr.map(|stderr| Box::new(stderr) as Box<dyn Read + Send>));
        let begun = Instant::now();
        let mut pause = Duration::from_millis(1);
        let ended = loop {
            match child.try_wait().map_err(failed)? {
                Some(status) => break Some(status),
                None if begun.elapsed() > limit => {
                    let group = i32::try_from(child.id()).unwrap_or(0);
                    let _ = nix::sys::signal::killpg(
                        nix::unistd::Pid::from_raw(group),
                        nix::sys::signal::Signal::SIGKILL,
                    );
                    let _ = child.wait();
                    break None;
                }
                None => std::thread::sleep(pause),
            }
            pause = (pause * 2).min(Duration::from_millis(20));
        };
        let stdout = stdout.join().unwrap_or_default();
        let stderr = String::from_utf8_lossy(&stderr.join().unwrap_or_default()).into_owned();
        match ended {
            Some(status) => Ok(Ended { status, stdout, stderr }),
            None => Err(Error::new(Kind::Other, format!("{name} took longer than {} s", limit.as_secs()))),
        }
    })
}
