//! The leader of the session of a command that has its own terminal.
//!
//! The command itself cannot lead the session: its end would send SIGHUP to the processes that it leaves behind, and a terminal
//! cannot stop an orphaned process group. So another process leads the session until the command ends, and keeps an idle child
//! in the command's group. The command is a child of cashet, not of the leader.

use crate::exec::child::Prepared;
use crate::exec::process_title;
use crate::exec::pump::close_range;
use nix::errno::Errno;
use std::ffi::CStr;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::time::{Duration, Instant};

/// The name of the leader and its child in process lists.
const NAME: &CStr = c"terminal-leader";

const FOREGROUND: u8 = b'f';
const BACKGROUND: u8 = b'b';
const END: u8 = b'e';

/// The leader of a session. It ends when this is dropped.
#[derive(Debug)]
pub(in crate::exec) struct Leader {
    pid: libc::pid_t,
    /// The leader ends when this is closed.
    orders: Option<PipeWriter>,
}

impl Leader {
    /// Puts the process group `command` in the foreground of the terminal behind `master`, and waits for that.
    pub(super) fn foreground(&self, master: BorrowedFd<'_>, command: libc::pid_t) {
        self.order(FOREGROUND);
        wait_for_group(master, command);
    }

    /// Puts the command in the background: a process of it that reads keyboard input is stopped.
    pub(super) fn background(&self, master: BorrowedFd<'_>) {
        self.order(BACKGROUND);
        wait_for_group(master, self.pid);
    }

    fn order(&self, order: u8) {
        if let Some(mut orders) = self.orders.as_ref() {
            // A leader that was killed no longer reads orders.
            let _ = orders.write(&[order]);
        }
    }

    /// Gives up the terminal and ends. No process of the session gets SIGHUP.
    pub(super) fn end(self) {
        self.order(END);
    }
}

/// Waits until `group` is in the foreground of the terminal behind `master`. The wait is bounded, since the process that changes
/// the foreground may be killed.
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
        // SAFETY: a null pointer is allowed where the status is not wanted.
        while unsafe { libc::waitpid(self.pid, std::ptr::null_mut(), 0) } < 0 && Errno::last() == Errno::EINTR
        {
        }
    }
}

/// Pipes between cashet and a session that is being created.
#[derive(Debug)]
pub(in crate::exec) struct Beginning {
    terminal: RawFd,
    words: (usize, usize),
    said: PipeReader,
    say: PipeWriter,
    orders: PipeReader,
    order: PipeWriter,
    /// Signals that the command has its process group.
    ready: PipeReader,
    is_ready: PipeWriter,
    /// Signals that the set-up is complete.
    wait: PipeReader,
    go: PipeWriter,
}

/// A session that was created.
#[derive(Debug)]
pub(in crate::exec) struct Begun {
    /// The process that executes, or will execute, the command.
    pub(in crate::exec) pid: libc::pid_t,
    /// Where that process writes the error number if it cannot execute the command.
    pub(in crate::exec) failure: PipeReader,
    pub(in crate::exec) leader: Leader,
}

impl Beginning {
    /// The pipes for a session whose controlling terminal is `terminal`.
    ///
    /// # Errors
    /// If no pipe can be created.
    pub(in crate::exec) fn new(terminal: RawFd) -> io::Result<Self> {
        let ((said, say), (orders, order)) = (io::pipe()?, io::pipe()?);
        let ((ready, is_ready), (wait, go)) = (io::pipe()?, io::pipe()?);
        let words = process_title::words();
        Ok(Self { terminal, words, said, say, orders, order, ready, is_ready, wait, go })
    }

    /// Called in a newly forked process: creates the session, and returns only in the process that will execute the command. If
    /// that is impossible, no process returns.
    ///
    /// # Safety
    /// The process must have been forked for this call, with all signals blocked.
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
            // A child of the process that forked this one.
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
    /// As for [`Beginning::lead`].
    #[expect(unsafe_code, reason = "after fork, only plain system calls")]
    unsafe fn stay(&self, command: libc::pid_t) -> ! {
        // SAFETY: as for `Beginning::lead`.
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

    /// The session, in the process that forked `leader`.
    ///
    /// # Errors
    /// If the session could not be created.
    pub(in crate::exec) fn begun(self, leader: libc::pid_t) -> io::Result<Begun> {
        let Self { mut said, say, orders, order, ready, is_ready, wait, go, .. } = self;
        // The ends that other processes hold are closed when these end.
        drop((say, orders, ready, is_ready, wait, go));
        let leader = Leader { pid: leader, orders: Some(order) };
        let mut number = [0; size_of::<libc::pid_t>()];
        said.read_exact(&mut number).map_err(|_| Errno::EAGAIN)?;
        Ok(Begun { pid: libc::pid_t::from_ne_bytes(number), failure: said, leader })
    }

    /// Reports that the command could not be executed.
    ///
    /// # Safety
    /// As for [`Beginning::lead`], in the process in which that returned.
    #[expect(unsafe_code, reason = "after fork, only plain system calls")]
    pub(in crate::exec) unsafe fn fail(&self, errno: i32) {
        // SAFETY: the buffer is a local integer.
        unsafe { libc::write(self.say.as_raw_fd(), (&raw const errno).cast(), size_of::<i32>()) };
    }
}

/// Starts a command in a session that another process leads.
///
/// # Errors
/// The error of the system if no process could be created.
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
            let failed = prepared.become_child();
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

/// Waits, in the command's group, until the leader ends.
///
/// # Safety
/// As for [`Beginning::lead`].
#[expect(unsafe_code, reason = "after fork, only plain system calls")]
unsafe fn accompany(words: (usize, usize)) -> ! {
    // SAFETY: as for `Beginning::lead`.
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

/// Forks this process without the C library, which does not know of the copy.
///
/// # Safety
/// The copy may only make plain system calls.
#[expect(unsafe_code, reason = "the C library's fork takes no flags")]
unsafe fn fork(flags: libc::c_int) -> libc::pid_t {
    let flags = libc::c_long::from(flags);
    // SAFETY: without a stack argument the child gets a copy of this stack.
    let pid = unsafe { libc::syscall(libc::SYS_clone, flags, 0_usize, 0_usize, 0_usize, 0_usize) };
    libc::pid_t::try_from(pid).unwrap_or(-1)
}

/// Ends this process, which has one thread, by a call that the filter does not stop, since the watching process may be gone.
///
/// # Safety
/// As for [`Beginning::lead`].
#[expect(unsafe_code, reason = "after fork, only plain system calls")]
unsafe fn exit() -> ! {
    loop {
        // SAFETY: the call does not return.
        unsafe { libc::syscall(libc::SYS_exit, 0) };
    }
}
