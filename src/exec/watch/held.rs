//! A child that waits to be traced before it becomes the command.

use crate::exec::child::Prepared;
use crate::exec::spawn::Plan;
use crate::exec::terminal::leader::Beginning;
use nix::errno::Errno;
use nix::sys::signal::{SigSet, SigmaskHow};
use std::io::{self, PipeReader, PipeWriter, Write};
use std::os::fd::AsRawFd;

/// A child that has not begun.
pub(super) struct Held {
    pub(super) pid: libc::pid_t,
    go: PipeWriter,
    failure: PipeReader,
}

impl Held {
    /// Lets it begin. If it cannot become the command, the error number is what it writes.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn release(mut self) -> io::Result<PipeReader> {
        self.go.write_all(b"!")?;
        Ok(self.failure)
    }
}

/// Forks a child of this thread that waits for [`Held::release`], and ends if that never comes.
///
/// # Errors
/// The system's.
#[expect(unsafe_code, reason = "only fork creates a child that waits")]
pub(super) fn fork(plan: &Plan) -> io::Result<Held> {
    let (wait_for_go, go) = io::pipe()?;
    let (failure, fail) = io::pipe()?;
    let prepared = Prepared::new(plan.parts(plan.is_script()))?;
    let beginning = prepared.terminal().map(Beginning::new).transpose()?;
    plan.begins();
    // No handler of ours may run in the child.
    let mask = SigSet::all().thread_swap_mask(SigmaskHow::SIG_SETMASK)?;
    // SAFETY: the child calls nothing but what is safe after a fork of a process with threads, and never returns.
    let forked = match unsafe { libc::fork() } {
        0 => unsafe {
            if let Some(beginning) = &beginning {
                beginning.lead(prepared.withheld());
            }
            libc::close(go.as_raw_fd());
            let mut byte = 0_u8;
            if libc::read(wait_for_go.as_raw_fd(), (&raw mut byte).cast(), 1) == 1 {
                let failed = prepared.become_child();
                libc::write(fail.as_raw_fd(), (&raw const failed).cast(), size_of_val(&failed));
            }
            // The filter stops `exit_group`, and this process has the listener, too: if cashet was killed, it would wait for itself.
            loop {
                libc::syscall(libc::SYS_exit, 127);
            }
        },
        forked => Errno::result(forked),
    };
    mask.thread_set_mask()?;
    let mut pid = forked?;
    if let Some(beginning) = beginning {
        let begun = beginning.begun(pid)?;
        plan.is_led_by(Some(begun.leader));
        pid = begun.pid;
    }
    Ok(Held { pid, go, failure })
}
