//! Becoming the command in place of ourselves, where there is no room for two.

use super::child::Prepared;
use super::spawn::{Given, Plan, failure};
use super::startup::initial;
use crate::error::Error;
use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit};
use std::ffi::OsString;
use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;

/// Number of free descriptors that looking up, running and recording a command needs.
const DESCRIPTORS: u64 = 16;

/// Why this process cannot do more than become the command, if it cannot: too few descriptors are left to it
/// (`ulimit -n`).
#[must_use]
pub fn shortage() -> Option<String> {
    let (limit, _) = getrlimit(Resource::RLIMIT_NOFILE).ok()?;
    // The lowest free number is the number of open ones, as long as there are no gaps. Standard input is not duplicated for it:
    // below another call of cashet that would count as a use.
    let lowest = match nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC) {
        Ok((free, _)) => u64::try_from(free.as_raw_fd()).unwrap_or(0),
        Err(Errno::EMFILE | Errno::ENFILE) => limit,
        // An error of another kind shows in what follows.
        Err(_) => return None,
    };
    (limit.saturating_sub(lowest) < DESCRIPTORS)
        .then(|| format!("it may open only {limit} files (ulimit -n)"))
}

/// Becomes the command, with our own standard streams. Returns only if that is impossible, with the reason.
#[expect(unsafe_code, reason = "there is no safe way to become another program")]
#[must_use]
pub fn replace(program: &Path, words: &[OsString], environment: &[(OsString, OsString)]) -> Error {
    let given = |number| if initial().was_closed(number) { Given::Closed } else { Given::Inherited };
    let plan = match Plan::new(program, words, environment, [given(0), given(1), given(2)]) {
        Ok(plan) => plan,
        Err(error) => return error,
    };
    let errno = match Prepared::new(plan.parts(plan.is_script())) {
        // SAFETY: no code of ours is to continue: the caller ends the process if this returns.
        Ok(prepared) => unsafe { prepared.become_command() },
        Err(error) => error.raw_os_error().unwrap_or(Errno::EIO as i32),
    };
    failure(program, &io::Error::from_raw_os_error(errno))
}
