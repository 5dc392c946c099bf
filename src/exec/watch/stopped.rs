//! A thread that is stopped at a call: its arguments and its memory.

use super::process::{read_memory, read_text, read_word};
use super::table::{Argument, Follow};
use std::io;

/// A thread that is stopped at a call.
pub(super) struct Stopped<'a> {
    pub(super) tid: libc::pid_t,
    /// As seccomp names it.
    pub(super) architecture: u32,
    pub(super) number: u32,
    pub(super) arguments: [u64; 6],
    /// Whether it is still stopped there. Otherwise, what was read from it is invalid.
    pub(super) is_valid: &'a dyn Fn() -> bool,
}

/// Why the effect of a call is unknown.
#[derive(Debug)]
pub(super) enum Unknown {
    /// The kernel will refuse the call, or its process has ended.
    Void,
    /// The call may succeed, and its effect is not observed.
    Hole(String),
}

impl Stopped<'_> {
    /// The argument, all 64 bits.
    pub(super) fn argument(&self, which: Argument) -> u64 {
        self.arguments.get(which as usize).copied().unwrap_or(0)
    }

    /// The argument as the `int` that most are.
    pub(super) fn flags(&self, which: Argument) -> i32 {
        low(self.argument(which))
    }

    pub(super) fn follow(&self, follow: Follow) -> bool {
        match follow {
            Follow::Always => true,
            Follow::Never => false,
            Follow::Unless(flags) => self.flags(flags) & libc::AT_SYMLINK_NOFOLLOW == 0,
            Follow::Only(flags) => self.flags(flags) & libc::AT_SYMLINK_FOLLOW != 0,
        }
    }

    pub(super) fn text(&self, address: u64) -> Result<Vec<u8>, Unknown> {
        read_text(self.tid, address).map_err(|error| match error.raw_os_error() {
            // The text itself is too long, so the kernel refuses it.
            Some(libc::ENAMETOOLONG) => Unknown::Void,
            _ => unknown(&error),
        })
    }

    pub(super) fn word(&self, address: u64) -> Result<u64, Unknown> {
        read_word(self.tid, address).map_err(|error| unknown(&error))
    }

    /// Fills `into` from the caller's memory.
    pub(super) fn memory(&self, address: u64, into: &mut [u8]) -> io::Result<()> {
        read_memory(self.tid, address, into)
    }
}

/// What an error of ours means. Either the kernel refuses the call for the same reason, or the caller has ended, or the call may
/// succeed although we could not inspect it, as when the path of a directory that the caller has open is too long.
pub(super) fn unknown(error: &io::Error) -> Unknown {
    match error.raw_os_error() {
        Some(libc::EFAULT | libc::ESRCH | libc::ENOENT | libc::EBADF) => Unknown::Void,
        _ => Unknown::Hole(error.to_string()),
    }
}

/// The low 32 bits, which is all that the kernel takes of an `int`.
pub(super) fn low(argument: u64) -> i32 {
    ((argument & 0xffff_ffff) as u32).cast_signed()
}
