//! A child that waits to be traced before it becomes the command. (`posix_spawn` leaves no moment for that.)

use crate::exec::spawn::{Descriptor, Parts, Plan};
use crate::exec::startup::initial;
use nix::errno::Errno;
use nix::sys::signal::{SigSet, SigmaskHow};
use std::ffi::{CStr, CString, c_char};
use std::io::{self, PipeReader, PipeWriter, Write};
use std::os::fd::{AsRawFd, RawFd};

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

/// What the child uses after the fork, prepared before it: nothing may be allocated there.
struct Prepared<'a> {
    program: &'a CStr,
    shell: Option<&'static CStr>,
    words: Vec<*const c_char>,
    with_shell: Vec<*const c_char>,
    environment: Vec<*const c_char>,
    descriptors: [Descriptor; 3],
    go: RawFd,
    keep_open: RawFd,
    failure: RawFd,
}

/// Forks a child of this thread that waits for [`Held::release`], and ends if that never comes.
///
/// # Errors
/// The system's.
#[expect(unsafe_code, reason = "a child that waits can only be had by fork")]
pub(super) fn fork(plan: &Plan) -> io::Result<Held> {
    let Parts { program, words, environment, descriptors, shell } = plan.parts();
    let descriptors = descriptors.ok_or(Errno::EBUSY)?;
    let (wait_for_go, go) = io::pipe()?;
    let (failure, fail) = io::pipe()?;
    let words = pointers(words.iter());
    let shell_first = [shell.unwrap_or(program).as_ptr(), program.as_ptr()];
    let prepared = Prepared {
        program,
        shell,
        with_shell: shell_first.into_iter().chain(words.iter().copied().skip(1)).collect(),
        words,
        environment: pointers(environment.iter()),
        descriptors,
        go: wait_for_go.as_raw_fd(),
        keep_open: go.as_raw_fd(),
        failure: fail.as_raw_fd(),
    };
    // No handler of ours may run in the child.
    let mask = SigSet::all().thread_swap_mask(SigmaskHow::SIG_SETMASK)?;
    // SAFETY: the child calls nothing but what is safe after a fork of a process with threads, and never returns.
    let forked = match unsafe { libc::fork() } {
        0 => unsafe { become_command(&prepared) },
        forked => Errno::result(forked),
    };
    mask.thread_set_mask()?;
    Ok(Held { pid: forked?, go, failure })
}

fn pointers<'a>(texts: impl Iterator<Item = &'a CString>) -> Vec<*const c_char> {
    texts.map(|text| text.as_ptr()).chain([std::ptr::null()]).collect()
}

/// # Safety
/// Only in a process that was forked for it.
#[expect(unsafe_code, reason = "raw calls are all that is safe after a fork")]
unsafe fn become_command(prepared: &Prepared<'_>) -> ! {
    // SAFETY: only system calls; what they point to was prepared before the fork and outlives this.
    unsafe {
        libc::close(prepared.keep_open);
        let mut byte = 0_u8;
        if libc::read(prepared.go, (&raw mut byte).cast(), 1) != 1 {
            libc::_exit(127);
        }
        for (number, descriptor) in (0..).zip(prepared.descriptors) {
            match descriptor {
                Descriptor::Inherited => {}
                Descriptor::Closed => {
                    libc::close(number);
                }
                Descriptor::Other(ours) if ours == number => {
                    libc::fcntl(number, libc::F_SETFD, 0);
                }
                Descriptor::Other(ours) => {
                    libc::dup2(ours, number);
                }
            }
        }
        if !initial().pipe_signal_ignored {
            libc::signal(libc::SIGPIPE, libc::SIG_DFL);
        }
        libc::sigprocmask(libc::SIG_SETMASK, initial().mask.as_ref(), std::ptr::null_mut());
        let environment = prepared.environment.as_ptr();
        libc::execve(prepared.program.as_ptr(), prepared.words.as_ptr(), environment);
        if let (libc::ENOEXEC, Some(shell)) = (Errno::last_raw(), prepared.shell) {
            libc::execve(shell.as_ptr(), prepared.with_shell.as_ptr(), environment);
        }
        let failed = Errno::last_raw();
        libc::write(prepared.failure, (&raw const failed).cast(), size_of_val(&failed));
        libc::_exit(127);
    }
}
