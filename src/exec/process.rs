//! The process of a command, watched or not: whether and how it has ended, and the resources that it used.
//!
//! Knows nothing about pipes and signals.

use super::spawn::Plan;
use super::{Trace, pidfd, watch};
use crate::record::{Resources, Termination};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

/// A command that was started and is not collected yet.
#[derive(Debug)]
pub(super) enum Process {
    /// Unwatched.
    Bare(Bare),
    /// Under watch.
    Watched(watch::Session),
}

/// A command that runs unwatched.
#[derive(Debug)]
pub(super) struct Bare {
    pid: libc::pid_t,
    /// Readable when it has ended. Missing where the system has no such descriptors or refuses them.
    ended: Option<OwnedFd>,
}

impl Process {
    /// Starts `plan` unwatched.
    ///
    /// # Errors
    /// Those of [`Plan::spawn`].
    pub(super) fn bare(plan: &Plan) -> io::Result<Self> {
        let pid = plan.spawn()?;
        Ok(Self::Bare(Bare { pid, ended: pidfd::open(pid) }))
    }

    /// The number of the process.
    pub(super) fn pid(&self) -> libc::pid_t {
        match self {
            Self::Bare(bare) => bare.pid,
            Self::Watched(session) => session.pid(),
        }
    }

    /// Whether the watching thread reports when it is stopped.
    pub(super) fn reports_stops(&self) -> bool {
        match self {
            Self::Bare(_) => false,
            Self::Watched(session) => session.is_traced(),
        }
    }

    /// A descriptor that is readable when the command itself has ended. Where there is none, [`Self::has_ended`] has to be called
    /// from time to time.
    pub(super) fn ended(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Bare(bare) => bare.ended.as_ref().map(AsFd::as_fd),
            Self::Watched(session) => session.ended(),
        }
    }

    /// Whether the command itself has ended.
    pub(super) fn has_ended(&self) -> bool {
        match self.ended() {
            Some(ended) => poll(&mut [PollFd::new(ended, PollFlags::POLLIN)], PollTimeout::ZERO) == Ok(1),
            None => Pid::from_raw(self.pid()).is_none_or(|pid| {
                let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
                !matches!(waitid(WaitId::Pid(pid), options), Ok(None) | Err(rustix::io::Errno::INTR))
            }),
        }
    }

    /// Collects how the command ended and the resources that it used, except for the elapsed time. Once, after the end.
    ///
    /// # Errors
    /// When other code collected it.
    pub(super) fn reap(&mut self) -> io::Result<(Termination, Resources)> {
        let (status, usage) = match self {
            Self::Bare(bare) => collect(bare.pid)?,
            Self::Watched(session) => session.reap()?,
        };
        let termination = if libc::WIFSIGNALED(status) {
            Termination::Signaled(libc::WTERMSIG(status))
        } else {
            Termination::Exited(u8::try_from(libc::WEXITSTATUS(status)).unwrap_or(u8::MAX))
        };
        Ok((termination, resources(&usage)))
    }

    /// Ends watching, after at most `grace` for processes left behind. `None` if the run was not watched.
    pub(super) fn finish(self, grace: Duration) -> Option<Trace> {
        match self {
            Self::Bare(_) => None,
            Self::Watched(session) => Some(session.finish(grace)),
        }
    }
}

#[expect(unsafe_code, reason = "no safe wrapper returns what the process took")]
fn collect(pid: libc::pid_t) -> io::Result<(libc::c_int, libc::rusage)> {
    let mut status = 0;
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    loop {
        // SAFETY: both pointers have room for what the call writes.
        let collected = unsafe { libc::wait4(pid, &raw mut status, 0, usage.as_mut_ptr()) };
        if collected == pid {
            // SAFETY: all-zero is a valid value, and the call has filled it.
            return Ok((status, unsafe { usage.assume_init() }));
        }
        if Errno::last() != Errno::EINTR {
            return Err(io::Error::last_os_error());
        }
    }
}

fn resources(usage: &libc::rusage) -> Resources {
    // The system counts in kibibytes, macOS in bytes.
    let unit = if cfg!(target_os = "macos") { 1 } else { 1024 };
    let peak = u64::try_from(usage.ru_maxrss).unwrap_or(0);
    Resources {
        wall: 0,
        user: nanoseconds(usage.ru_utime),
        system: nanoseconds(usage.ru_stime),
        peak_memory: peak.saturating_mul(unit),
    }
}

fn nanoseconds(time: libc::timeval) -> u64 {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let microseconds = u64::try_from(time.tv_usec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(microseconds.saturating_mul(1_000))
}

#[cfg(test)]
mod tests {
    use super::super::signals::Caught;
    use super::super::spawn::Given;
    use super::super::streams::Streams;
    use super::super::{Output, Recorder, StreamEnd};
    use super::*;
    use crate::record::Stream;
    use std::ffi::OsString;
    use std::path::Path;

    struct Lengths(usize);

    impl Recorder for Lengths {
        fn chunk(&mut self, _stream: Stream, bytes: &[u8]) {
            self.0 += bytes.len();
        }
    }

    fn run_without_descriptor(script: &str) -> (Termination, StreamEnd, usize) {
        let null = std::fs::File::options().read(true).write(true).open("/dev/null").unwrap();
        let output = Output::Recorded { spool: None };
        let (mut streams, [out, err]) = Streams::new(output, [null.as_fd(), null.as_fd()], None).unwrap();
        let words = ["sh", "-c", script].map(OsString::from);
        let given = [Given::Other(null.try_clone().unwrap().into()), out, err];
        let plan = Plan::new(Path::new("/bin/sh"), &words, &[], given).unwrap();
        let caught = Caught::begin(None);
        let mut process = Process::Bare(Bare { pid: plan.spawn().unwrap(), ended: None });
        caught.started(process.pid(), plan.began());
        let mut told = Lengths(0);
        streams.pass_on(&process, &caught, &mut told).unwrap();
        assert!(process.has_ended());
        let (termination, _) = process.reap().unwrap();
        (termination, streams.ends()[0], told.0)
    }

    #[test]
    fn the_end_is_found_without_a_descriptor_for_it() {
        let exited = Termination::Exited;
        assert_eq!(run_without_descriptor("echo a; exit 3"), (exited(3), StreamEnd::Complete, 2));
        assert_eq!(
            run_without_descriptor("exec >&- 2>&-; /bin/sleep 0.1; exit 4"),
            (exited(4), StreamEnd::Complete, 0)
        );
        assert_eq!(
            run_without_descriptor("/bin/sleep 2 & echo a; exit 5"),
            (exited(5), StreamEnd::StillHeld, 2)
        );
    }
}
