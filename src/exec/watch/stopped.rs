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
    /// Whether it is still stopped there: what was read of it is worth nothing otherwise.
    pub(super) is_valid: &'a dyn Fn() -> bool,
}

/// Why nothing can be said of a call.
#[derive(Debug)]
pub(super) enum Unknown {
    /// The kernel will refuse it, or its process is gone.
    Void,
    /// It may go through, and we do not see what it does.
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
            // Of the text itself: the kernel takes no longer one.
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

/// The kernel refuses the call for the same reason, or there is no caller any more; anything else hides from us
/// what it does not hide from the kernel: so does that the path of a directory which the caller has open is too long.
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
