//! Starts a program that outlives this process, for work in the background: in a session of its own, without a terminal, and
//! without the caller's descriptors. No parent has to wait for it: when this process has ended, init adopts it.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

/// Descriptors up to this are marked one by one where the system cannot mark all at once.
#[cfg(target_os = "linux")]
const MOST_DESCRIPTORS: libc::c_int = 4096;

/// Starts `command`, whose standard streams are to be set by the caller, so that it goes on by itself. To be called shortly
/// before this process ends.
///
/// # Errors
/// When it cannot be started.
pub fn start_detached(command: &mut Command) -> io::Result<()> {
    start(command).map(drop)
}

/// Starts the helper program of a shared cache, whose streams are closed: it starts itself once more, as nobody's child, and
/// ends at once. Not below another call, which would take the process for one that its command left behind.
///
/// # Errors
/// When it cannot be started, or fails; [`io::ErrorKind::Unsupported`] below another call.
pub fn start_helper(command: &mut Command) -> io::Result<()> {
    if is_nested() {
        return Err(io::Error::new(io::ErrorKind::Unsupported, "a call below another one does not start it"));
    }
    run_helper(command)
}

/// The same for a process that stands in for a job, whose parent is the call that submitted it and watches nothing.
///
/// # Errors
/// When it cannot be started, or fails; [`io::ErrorKind::Unsupported`] where another call watches this process.
pub fn start_helper_of_job(command: &mut Command) -> io::Result<()> {
    if super::nested::is_watched() {
        return Err(io::Error::new(io::ErrorKind::Unsupported, "a watched call does not start it"));
    }
    run_helper(command)
}

fn run_helper(command: &mut Command) -> io::Result<()> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let status = start(command)?.wait()?;
    if status.success() { Ok(()) } else { Err(io::Error::other(status.to_string())) }
}

#[expect(unsafe_code, reason = "what is done between fork and exec can be said in no other way")]
fn start(command: &mut Command) -> io::Result<Child> {
    // SAFETY: the closure makes plain system calls only, and allocates nothing.
    unsafe {
        command.pre_exec(|| {
            // The first process of a group cannot begin a session; a child just forked is none.
            libc::setsid();
            keep_standard_streams_only();
            Ok(())
        });
    }
    command.spawn()
}

/// Marks every descriptor but 0, 1 and 2 as close-on-exec. They are not closed at once, since one of them reports a failed exec.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "after fork, only plain system calls")]
fn keep_standard_streams_only() {
    let (first, last): (libc::c_uint, libc::c_uint) = (3, libc::c_uint::MAX);
    // SAFETY: the calls take numbers only. Descriptors that are not open are left out or refused.
    unsafe {
        if libc::syscall(libc::SYS_close_range, first, last, libc::CLOSE_RANGE_CLOEXEC) != 0 {
            for descriptor in 3..MOST_DESCRIPTORS {
                libc::fcntl(descriptor, libc::F_SETFD, libc::FD_CLOEXEC);
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
#[expect(unsafe_code, reason = "after fork, only plain system calls")]
fn keep_standard_streams_only() {
    // SAFETY: as above.
    unsafe {
        for descriptor in 3..4096 {
            libc::fcntl(descriptor, libc::F_SETFD, libc::FD_CLOEXEC);
        }
    }
}

/// Whether one of our ancestors runs the same program. A process that we leave behind would then seem to be left by the command
/// of that ancestor.
#[must_use]
pub fn is_nested() -> bool {
    let program = |process: i32| std::fs::read_link(format!("/proc/{process}/exe")).ok();
    let Some(ours) = std::env::current_exe().ok() else { return false };
    let mut process = nix::unistd::getppid().as_raw();
    // The depth is limited, since processes come and go while we look.
    for _ in 0..64 {
        if process <= 1 {
            return false;
        }
        if program(process).as_ref() == Some(&ours) {
            return true;
        }
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
        let parent = status.lines().find_map(|line| line.strip_prefix("PPid:")?.trim().parse().ok());
        process = parent.unwrap_or(0);
    }
    false
}

/// Whether our parent has other children that run the same program and write to the same standard error, as those of
/// `xargs -P` and a shell's background jobs do.
#[must_use]
pub fn has_siblings() -> bool {
    let Some(ours) = std::env::current_exe().ok() else { return false };
    let (parent, own) = (nix::unistd::getppid(), nix::unistd::getpid().to_string());
    let children =
        std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap_or_default();
    let screen = |process: &str| std::fs::read_link(format!("/proc/{process}/fd/2")).ok();
    let Some(our_screen) = screen(&own) else { return false };
    let mut others = children.split_ascii_whitespace().filter(|child| *child != own);
    others.any(|child| {
        std::fs::read_link(format!("/proc/{child}/exe")).is_ok_and(|program| program == ours)
            && screen(child).as_ref() == Some(&our_screen)
    })
}
