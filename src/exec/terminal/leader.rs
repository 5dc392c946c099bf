//! The process that leads the session in which a command runs that has a terminal of its own.
//!
//! The command cannot be the leader itself: its end would hang up on all that it leaves behind, and a group of processes whose
//! parents are all elsewhere cannot be stopped by the terminal. So the leader stays beside it until it ends, and has a child in
//! the command's group, which does nothing. The command is our own child, not the leader's.

use crate::exec::child::Prepared;
use crate::exec::process_title;
use crate::exec::pump::close_range;
use nix::errno::Errno;
use std::ffi::CStr;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::time::{Duration, Instant};

/// The name of both in process lists.
const NAME: &CStr = c"terminal-leader";

const FOREGROUND: u8 = b'f';
const BACKGROUND: u8 = b'b';
const END: u8 = b'e';

/// The leader of a session; when it is dropped, it ends.
#[derive(Debug)]
pub(in crate::exec) struct Leader {
    pid: libc::pid_t,
    /// Closed, it ends.
    orders: Option<PipeWriter>,
}

impl Leader {
    /// Puts the group `command` in the foreground of the terminal whose other end is `master`. Returns when it is there.
    pub(super) fn foreground(&self, master: BorrowedFd<'_>, command: libc::pid_t) {
        self.order(FOREGROUND);
        wait_for_group(master, command);
    }

    /// Puts the command in the background: a process of it that reads what is typed is stopped.
    pub(super) fn background(&self, master: BorrowedFd<'_>) {
        self.order(BACKGROUND);
        wait_for_group(master, self.pid);
    }

    fn order(&self, order: u8) {
        if let Some(mut orders) = self.orders.as_ref() {
            // One that was killed does nothing any more.
            let _ = orders.write(&[order]);
        }
    }

    /// Gives up the terminal and ends. No process of the session gets SIGHUP.
    pub(super) fn end(self) {
        self.order(END);
    }
}

/// Waits until `group` is in the foreground of the terminal whose other end is `master`. Not forever, since the process that
/// brings it there may be killed.
fn wait_for_group(master: BorrowedFd<'_>, group: libc::pid_t) {
    const LONGEST: Duration = Duration::from_secs(1);
    let began = Instant::now();
    while nix::unistd::tcgetpgrp(master).is_ok_and(|now| now.as_raw() != group) && began.elapsed() < LONGEST {
        std::thread::sleep(Duration::from_millis(1));
    }
}

impl Drop for Leader {
    #[expect(unsafe_code, reason = "the number is all that there is")]
    fn drop(&mut self) {
        self.orders = None;
        // SAFETY: a null pointer says that the status is of no interest.
        while unsafe { libc::waitpid(self.pid, std::ptr::null_mut(), 0) } < 0 && Errno::last() == Errno::EINTR
        {
        }
    }
}

/// Pipes between us and a session that is about to begin.
#[derive(Debug)]
pub(in crate::exec) struct Beginning {
    terminal: RawFd,
    words: (usize, usize),
    said: PipeReader,
    say: PipeWriter,
    orders: PipeReader,
    order: PipeWriter,
    /// The command has a group.
    ready: PipeReader,
    is_ready: PipeWriter,
    /// All is in place.
    wait: PipeReader,
    go: PipeWriter,
}

/// A session that has begun.
#[derive(Debug)]
pub(in crate::exec) struct Begun {
    /// The process that is, or will be, the command.
    pub(in crate::exec) pid: libc::pid_t,
    /// Where it writes the error number if it cannot become the command.
    pub(in crate::exec) failure: PipeReader,
    pub(in crate::exec) leader: Leader,
}

impl Beginning {
    /// Of a session at `terminal`.
    ///
    /// # Errors
    /// When no pipe can be made.
    pub(in crate::exec) fn new(terminal: RawFd) -> io::Result<Self> {
        let ((said, say), (orders, order)) = (io::pipe()?, io::pipe()?);
        let ((ready, is_ready), (wait, go)) = (io::pipe()?, io::pipe()?);
        let words = process_title::words();
        Ok(Self { terminal, words, said, say, orders, order, ready, is_ready, wait, go })
    }

    /// In a process that was just forked: begins the session, and returns in the process that is to become the command. Where
    /// that is impossible, no process returns.
    ///
    /// # Safety
    /// Only in a process that was forked for it, with all signals blocked.
    #[expect(unsafe_code, reason = "after fork, only plain system calls")]
    pub(in crate::exec) unsafe fn lead(&self, withheld: &[RawFd]) {
        // SAFETY: plain system calls, on our own stack, in processes whose memory and descriptors nothing else uses.
        unsafe {
            for number in withheld {
                libc::close(*number);
            }
            libc::close(self.order.as_raw_fd());
            libc::setsid();
            if libc::ioctl(self.terminal, libc::TIOCSCTTY, 0) < 0 {
                exit();
            }
            // The child of the process that forked us.
            let command = fork(libc::CLONE_PARENT | libc::SIGCHLD);
            if command == 0 {
                libc::setpgid(0, 0);
                let own = libc::getpid();
                libc::ioctl(self.terminal, libc::TIOCSPGRP, &raw const own);
                let mut byte = 0_u8;
                libc::write(self.is_ready.as_raw_fd(), (&raw const byte).cast(), 1);
                libc::close(self.go.as_raw_fd());
                if libc::read(self.wait.as_raw_fd(), (&raw mut byte).cast(), 1) == 1 {
                    return;
                }
                exit();
            }
            if command < 0 {
                exit();
            }
            self.stay(command)
        }
    }

    /// # Safety
    /// As [`Beginning::lead`].
    #[expect(unsafe_code, reason = "after fork, only plain system calls")]
    unsafe fn stay(&self, command: libc::pid_t) -> ! {
        // SAFETY: as there.
        unsafe {
            libc::close(self.is_ready.as_raw_fd());
            let mut byte = 0_u8;
            libc::read(self.ready.as_raw_fd(), (&raw mut byte).cast(), 1);
            let companion = fork(libc::SIGCHLD);
            if companion == 0 {
                accompany(self.words);
            }
            libc::setpgid(companion, command);
            libc::write(self.say.as_raw_fd(), (&raw const command).cast(), size_of::<libc::pid_t>());
            libc::write(self.go.as_raw_fd(), (&raw const byte).cast(), 1);
            let (orders, terminal) = (self.orders.as_raw_fd(), self.terminal);
            let kept = [orders.min(terminal), orders.max(terminal)];
            let mut first = 0;
            for kept in kept {
                close_range(first, kept - 1, |_| false);
                first = kept + 1;
            }
            close_range(first, RawFd::MAX, |_| false);
            libc::chdir(c"/".as_ptr());
            process_title::set(NAME, self.words);
            let own = libc::getpid();
            let mut order = 0_u8;
            loop {
                let got = libc::read(orders, (&raw mut order).cast(), 1);
                if got < 0 {
                    continue;
                }
                match (got, order) {
                    (1, FOREGROUND) => {
                        libc::ioctl(terminal, libc::TIOCSPGRP, &raw const command);
                    }
                    (1, BACKGROUND) => {
                        libc::ioctl(terminal, libc::TIOCSPGRP, &raw const own);
                    }
                    _ => {
                        if got == 1 {
                            libc::ioctl(terminal, libc::TIOCSPGRP, &raw const own);
                            libc::ioctl(terminal, libc::TIOCNOTTY, 0);
                        }
                        libc::kill(companion, libc::SIGKILL);
                        libc::waitpid(companion, std::ptr::null_mut(), 0);
                        exit();
                    }
                }
            }
        }
    }

    /// What began, in the process that forked `leader`.
    ///
    /// # Errors
    /// When it could not begin.
    pub(in crate::exec) fn begun(self, leader: libc::pid_t) -> io::Result<Begun> {
        let Self { mut said, say, orders, order, ready, is_ready, wait, go, .. } = self;
        // What the others hold is closed when they end.
        drop((say, orders, ready, is_ready, wait, go));
        let leader = Leader { pid: leader, orders: Some(order) };
        let mut number = [0; size_of::<libc::pid_t>()];
        said.read_exact(&mut number).map_err(|_| Errno::EAGAIN)?;
        Ok(Begun { pid: libc::pid_t::from_ne_bytes(number), failure: said, leader })
    }

    /// Reports that the command could not be executed.
    ///
    /// # Safety
    /// As [`Beginning::lead`], in the process that it returned in.
    #[expect(unsafe_code, reason = "after fork, only plain system calls")]
    pub(in crate::exec) unsafe fn fail(&self, errno: i32) {
        // SAFETY: a number of ours is written.
        unsafe { libc::write(self.say.as_raw_fd(), (&raw const errno).cast(), size_of::<i32>()) };
    }
}

/// Starts a command in a session that another process leads.
///
/// # Errors
/// The system's, if no process could be created.
#[expect(unsafe_code, reason = "there is no safe way to make such a child")]
pub(in crate::exec) fn create(
    prepared: &Prepared<'_>,
    terminal: RawFd,
) -> io::Result<(libc::pid_t, i32, Leader)> {
    let beginning = Beginning::new(terminal)?;
    // SAFETY: the child calls nothing but what is safe after a fork of a process with threads, and never returns.
    let leader = match unsafe { libc::fork() } {
        0 => unsafe {
            beginning.lead(prepared.withheld());
            let failed = prepared.become_command();
            beginning.fail(failed);
            exit();
        },
        leader => Errno::result(leader).map_err(io::Error::from)?,
    };
    let Begun { pid, mut failure, leader } = beginning.begun(leader)?;
    let mut number = [0; size_of::<i32>()];
    let failed = failure.read_exact(&mut number).map_or(0, |()| i32::from_ne_bytes(number));
    Ok((pid, failed, leader))
}

/// Does nothing in the command's group, until the leader ends.
///
/// # Safety
/// As [`Beginning::lead`].
#[expect(unsafe_code, reason = "after fork, only plain system calls")]
unsafe fn accompany(words: (usize, usize)) -> ! {
    // SAFETY: as there.
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        close_range(0, RawFd::MAX, |_| false);
        libc::chdir(c"/".as_ptr());
        process_title::set(NAME, words);
        loop {
            libc::ppoll(std::ptr::null_mut(), 0, std::ptr::null(), std::ptr::null());
        }
    }
}

/// A copy of this process, whose C library does not know about it.
///
/// # Safety
/// Only where the copy makes plain system calls alone.
#[expect(unsafe_code, reason = "the C library's fork takes no flags")]
unsafe fn fork(flags: libc::c_int) -> libc::pid_t {
    let flags = libc::c_long::from(flags);
    // SAFETY: without a stack of its own the child has a copy of ours.
    let pid = unsafe { libc::syscall(libc::SYS_clone, flags, 0_usize, 0_usize, 0_usize, 0_usize) };
    libc::pid_t::try_from(pid).unwrap_or(-1)
}

/// Ends this process, which has one thread. By a call that is not watched, since the watching process may be gone.
///
/// # Safety
/// As [`Beginning::lead`].
#[expect(unsafe_code, reason = "after fork, only plain system calls")]
unsafe fn exit() -> ! {
    loop {
        // SAFETY: the call does not return.
        unsafe { libc::syscall(libc::SYS_exit, 0) };
    }
}
