//! Putting the filter on the calling thread, so that every process that it starts has it from the beginning.

use nix::errno::Errno;
use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

/// What was installed.
#[derive(Debug)]
pub(super) struct Installed {
    /// The descriptor at which calls arrive.
    pub(super) listener: OwnedFd,
    /// Whether programs can no longer gain rights by being started, which they could before.
    pub(super) lost_privileges: bool,
}

/// Installs `program` on this thread, permanently. For a privileged user, set-id programs still gain rights; for all others
/// the kernel requires that they do not.
///
/// # Errors
/// `EBUSY` if another listener is above us; otherwise what the kernel or a sandbox refuses with.
pub(super) fn install(program: &[libc::sock_filter]) -> io::Result<Installed> {
    let could_gain = !has_no_new_privileges();
    match load(program) {
        Err(Errno::EACCES) => {}
        done => return Ok(Installed { listener: done?, lost_privileges: false }),
    }
    give_up_privileges()?;
    Ok(Installed { listener: load(program)?, lost_privileges: could_gain })
}

fn load(program: &[libc::sock_filter]) -> Result<OwnedFd, Errno> {
    let flags = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER;
    // Older kernels do not know this flag, with which signals do not interrupt a call that we have received.
    let listener = match set_filter(program, flags | libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV) {
        Err(Errno::EINVAL) => set_filter(program, flags)?,
        listener => listener?,
    };
    #[expect(unsafe_code, reason = "the kernel hands a descriptor over as a number")]
    // SAFETY: with NEW_LISTENER a non-negative answer is a new descriptor that nothing else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(listener) })
}

#[expect(unsafe_code, reason = "no safe wrapper knows seccomp's listener")]
fn set_filter(program: &[libc::sock_filter], flags: libc::c_ulong) -> Result<RawFd, Errno> {
    let program = libc::sock_fprog {
        len: u16::try_from(program.len()).map_err(|_| Errno::E2BIG)?,
        filter: program.as_ptr().cast_mut(),
    };
    // SAFETY: `program` describes a slice that lives through the call, which only reads it.
    let answer =
        unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const program) };
    Errno::result(answer).map(|answer| RawFd::try_from(answer).unwrap_or(-1))
}

#[expect(unsafe_code, reason = "prctl is not wrapped")]
fn has_no_new_privileges() -> bool {
    // SAFETY: this prctl takes no pointers.
    unsafe { libc::prctl(libc::PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 }
}

#[expect(unsafe_code, reason = "prctl is not wrapped")]
fn give_up_privileges() -> io::Result<()> {
    // SAFETY: this prctl takes no pointers; it changes this thread and what it starts.
    let answer = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
