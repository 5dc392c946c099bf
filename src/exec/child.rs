//! From the creation of a child to the command that it becomes: plain system calls alone, without allocation.
//!
//! We do not use `posix_spawn`: it cannot leave a signal ignored that we catch, it changes the two signals that the C
//! library uses itself, and it leaves a child no moment in which to wait for its tracer.

use super::startup::initial;
use super::{signals, withheld};
use nix::errno::Errno;
use std::ffi::{CStr, CString, c_char};
use std::io;
use std::os::fd::RawFd;

/// What a child is started from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parts<'a> {
    /// The resolved path of the program.
    pub(super) program: &'a CStr,
    /// All words.
    pub(super) words: &'a [CString],
    /// The whole environment.
    pub(super) environment: &'a [CString],
    /// Its descriptors 0, 1 and 2, if it was not started yet.
    pub(super) descriptors: Option<[Descriptor; 3]>,
    /// What runs it if the system does not know its format.
    pub(super) shell: Option<&'static CStr>,
    /// Its working directory, where it is not ours.
    pub(super) directory: Option<RawFd>,
    /// The terminal of a session of its own.
    pub(super) terminal: Option<RawFd>,
}

/// What a standard descriptor of a child becomes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Descriptor {
    /// Ours.
    Inherited,
    /// Closed.
    Closed,
    /// This one of ours.
    Other(RawFd),
}

/// What a child needs to become the command.
#[derive(Debug)]
pub(super) struct Prepared<'a> {
    program: &'a CStr,
    /// Runs the program if the system does not know its format.
    shell: Option<&'static CStr>,
    words: Vec<*const c_char>,
    with_shell: Vec<*const c_char>,
    environment: Vec<*const c_char>,
    descriptors: [Descriptor; 3],
    withheld: Vec<RawFd>,
    /// Its working directory, where it is not ours.
    directory: Option<RawFd>,
    /// The terminal of a session of its own.
    terminal: Option<RawFd>,
    dispositions: Vec<(libc::c_int, libc::sighandler_t)>,
    /// Our process.
    #[cfg(target_os = "linux")]
    parent: libc::pid_t,
}

impl<'a> Prepared<'a> {
    /// Everything that is in `parts`.
    ///
    /// # Errors
    /// `EBUSY` if the command was started already.
    pub(super) fn new(parts: Parts<'a>) -> io::Result<Self> {
        let Parts { program, words, environment, descriptors, shell, directory, terminal } = parts;
        let words = pointers(words);
        let shell_first = [shell.unwrap_or(program).as_ptr(), program.as_ptr()];
        Ok(Self {
            program,
            shell,
            with_shell: shell_first.into_iter().chain(words.iter().copied().skip(1)).collect(),
            words,
            environment: pointers(environment),
            descriptors: descriptors.ok_or(Errno::EBUSY)?,
            withheld: withheld::all(),
            directory,
            terminal,
            dispositions: signals::for_a_child(),
            #[cfg(target_os = "linux")]
            parent: nix::unistd::getpid().as_raw(),
        })
    }

    /// What it closes first.
    pub(super) fn withheld(&self) -> &[RawFd] {
        &self.withheld
    }

    /// The terminal of the session that it is to have.
    pub(super) fn terminal(&self) -> Option<RawFd> {
        self.terminal
    }

    /// In a child: becomes the command. The child is killed if we are, or if the thread that started it ends.
    ///
    /// # Safety
    /// As for [`Self::become_command`].
    #[expect(unsafe_code, reason = "raw calls are all that is safe in a new process")]
    pub(super) unsafe fn become_child(&self) -> i32 {
        // SAFETY: only system calls.
        unsafe {
            #[cfg(target_os = "linux")]
            {
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
                if libc::getppid() != self.parent {
                    // The filter stops `exit_group`, and the listener may be open here alone: this process would wait for itself.
                    loop {
                        libc::syscall(libc::SYS_exit, 127);
                    }
                }
            }
            self.become_command()
        }
    }

    /// Becomes the command; returns only if that is impossible, with the system's error number.
    ///
    /// # Safety
    /// Only in a process that was made for it, with all signals blocked.
    #[expect(unsafe_code, reason = "raw calls are all that is safe in a new process")]
    pub(super) unsafe fn become_command(&self) -> i32 {
        // SAFETY: only system calls; what they point to was prepared before and outlives this.
        unsafe {
            // First of all. If a listener stays open here and its other holder dies, a call that waits for the listener waits
            // forever.
            for number in &self.withheld {
                libc::close(*number);
            }
            for (signal, action) in &self.dispositions {
                dispose(*signal, *action);
            }
            // By descriptor: under watch, the name of a directory would count as looked at.
            if let Some(directory) = self.directory
                && libc::fchdir(directory) < 0
            {
                return Errno::last_raw();
            }
            for (number, descriptor) in (0..).zip(self.descriptors) {
                match descriptor {
                    Descriptor::Inherited => {}
                    Descriptor::Closed => {
                        libc::close(number);
                    }
                    Descriptor::Other(ours) if ours == number => {
                        libc::fcntl(number, libc::F_SETFD, 0);
                    }
                    Descriptor::Other(ours) => {
                        if libc::dup2(ours, number) < 0 {
                            return Errno::last_raw();
                        }
                    }
                }
            }
            libc::sigprocmask(libc::SIG_SETMASK, initial().mask.as_ref(), std::ptr::null_mut());
            let environment = self.environment.as_ptr();
            libc::execve(self.program.as_ptr(), self.words.as_ptr(), environment);
            if let (libc::ENOEXEC, Some(shell)) = (Errno::last_raw(), self.shell) {
                libc::execve(shell.as_ptr(), self.with_shell.as_ptr(), environment);
            }
            Errno::last_raw()
        }
    }
}

/// Sets what is done about a signal: one of the system's two constants.
///
/// # Safety
/// Only in a process that was made for it.
#[expect(unsafe_code, reason = "the C library refuses to set those that it keeps for itself")]
unsafe fn dispose(signal: libc::c_int, action: libc::sighandler_t) {
    #[cfg(target_os = "linux")]
    {
        let action = [action, 0, 0, 0];
        // SAFETY: the array is the kernel's structure, whose last part is a set of 8 bytes.
        unsafe {
            libc::syscall(libc::SYS_rt_sigaction, signal, action.as_ptr(), std::ptr::null::<usize>(), 8);
        }
    }
    #[cfg(not(target_os = "linux"))]
    // SAFETY: such an action runs no code of ours.
    unsafe {
        libc::signal(signal, action);
    }
}

fn pointers(texts: &[CString]) -> Vec<*const c_char> {
    texts.iter().map(|text| text.as_ptr()).chain([std::ptr::null()]).collect()
}

/// Like `vfork`: the child works in our memory, on a stack of its own, and we are held until it executes or ends. Nothing is
/// copied, and a failure is a number in that memory.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "there is no safe way to make such a child")]
pub(super) fn create(prepared: &Prepared<'_>) -> io::Result<(libc::pid_t, i32)> {
    use std::mem::MaybeUninit;
    use std::sync::atomic::{AtomicI32, Ordering::SeqCst};

    /// Much more than a few system calls need; what is not touched is not there.
    const STACK: usize = 64 * 1024;

    struct Shared<'a> {
        prepared: &'a Prepared<'a>,
        failure: AtomicI32,
    }

    extern "C" fn child(shared: *mut libc::c_void) -> libc::c_int {
        // SAFETY: `clone` below hands over a valid `Shared`, which outlives the child's time in our memory.
        let shared = unsafe { &*shared.cast::<Shared<'_>>() };
        // SAFETY: this process was made for it.
        let failed = unsafe { shared.prepared.become_child() };
        shared.failure.store(failed, SeqCst);
        127
    }

    #[repr(align(16))]
    struct Aligned(#[expect(dead_code, reason = "room alone")] [MaybeUninit<u8>; STACK]);

    let mut stack = Box::<Aligned>::new_uninit();
    let shared = Shared { prepared, failure: AtomicI32::new(0) };
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
    let argument = std::ptr::from_ref(&shared).cast_mut().cast();
    // SAFETY: the stack is aligned, grows down from its end, and nothing else uses it while we are held.
    let pid = unsafe {
        let top = stack.as_mut_ptr().add(1).cast();
        libc::clone(child, top, flags, argument)
    };
    Errno::result(pid).map_err(io::Error::from)?;
    Ok((pid, shared.failure.load(SeqCst)))
}

/// A copy of this process, which reports a failure through a pipe.
#[cfg(not(target_os = "linux"))]
#[expect(unsafe_code, reason = "there is no safe way to make such a child")]
pub(super) fn create(prepared: &Prepared<'_>) -> io::Result<(libc::pid_t, i32)> {
    use std::io::Read;
    use std::os::fd::AsRawFd;

    let (mut failure, fail) = io::pipe()?;
    // SAFETY: the child calls nothing but what is safe after a fork of a process with threads, and never returns.
    let pid = match unsafe { libc::fork() } {
        0 => unsafe {
            let failed = prepared.become_child();
            libc::write(fail.as_raw_fd(), (&raw const failed).cast(), size_of_val(&failed));
            libc::_exit(127)
        },
        pid => Errno::result(pid).map_err(io::Error::from)?,
    };
    drop(fail);
    let mut number = [0; 4];
    let failed = failure.read_exact(&mut number).map_or(0, |()| i32::from_ne_bytes(number));
    Ok((pid, failed))
}
