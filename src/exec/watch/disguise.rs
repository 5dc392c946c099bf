//! Answers about stdout for commands that compare their input with their output, so as not to read what they write. Their
//! stdout is a pipe of ours. Where the pipe leads to a regular file, the answer describes that file.
//!
//! Other commands get the kernel's answer about the pipe: a command that believes it has a file may do things that fail on a
//! pipe.

use super::process::{identity_behind, link, write_memory};
use super::stopped::Stopped;
use super::table::{Argument, Call, Row};
use crate::exec::order::Order;
use crate::record::Stream;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Programs that refuse to read their own output.
const GUARDED: &[&[u8]] = &[b"cat", b"grep", b"egrep", b"fgrep", b"rg", b"tar", b"bsdtar", b"ugrep"];
const STDOUT: i32 = 1;

/// An answer instead of the kernel's.
#[derive(Debug)]
pub(super) struct Disguise {
    /// Address and bytes to write; `None` for a call that only returns a value.
    structure: Option<(u64, Vec<u8>)>,
    /// What the call returns.
    pub(super) value: i64,
}

impl Disguise {
    /// The answer for a call about stdout by one of [`GUARDED`], if stdout goes to a regular file.
    pub(super) fn of(stopped: &Stopped<'_>, row: &Row, order: &Order) -> Option<Self> {
        let target = order.target(Stream::Stdout)?;
        if stopped.flags(Argument::A0) != STDOUT {
            return None;
        }
        let program = link(stopped.tid, "exe").ok()?;
        let name = program.rsplit(|byte| *byte == b'/').next()?;
        if !GUARDED.contains(&name)
            || order.stream_of(identity_behind(stopped.tid, STDOUT)?) != Some(Stream::Stdout)
        {
            return None;
        }
        let argument = |number: usize| stopped.arguments.get(number).copied();
        let structure =
            |at: Option<u64>, bytes: Option<Vec<u8>>| Some(Self { structure: Some((at?, bytes?)), value: 0 });
        let is_empty = |flags: usize| {
            let flags = argument(flags).unwrap_or(0) & 0xffff_ffff;
            let names_none = argument(1) == Some(0)
                || argument(1).is_some_and(|text| stopped.text(text).is_ok_and(|text| text.is_empty()));
            flags & u64::from(libc::AT_EMPTY_PATH.cast_unsigned()) != 0 && names_none
        };
        match row.name {
            "fstat" => structure(argument(1), status(target)),
            "newfstatat" if is_empty(3) => structure(argument(2), status(target)),
            "statx" if is_empty(2) => {
                let mask = u32::try_from(argument(3)? & 0xffff_ffff).ok()?;
                structure(argument(4), extended_status(target, mask))
            }
            "lseek" if row.call == Call::AskPlace(Argument::A0) && argument(1) == Some(0) => {
                place(target, stopped.flags(Argument::A2)).map(|value| Self { structure: None, value })
            }
            _ => None,
        }
    }

    /// Writes the answer into the memory of the caller. False if that is impossible.
    pub(super) fn put_on(&self, tid: libc::pid_t) -> bool {
        match &self.structure {
            Some((at, bytes)) => write_memory(tid, *at, bytes).is_ok(),
            None => true,
        }
    }
}

/// `struct stat` of a file, as the kernel gives it.
#[expect(unsafe_code, reason = "the kernel's own structure is wanted, not one of its parts")]
fn status(file: BorrowedFd<'_>) -> Option<Vec<u8>> {
    let mut status = MaybeUninit::<libc::stat>::zeroed();
    // SAFETY: there is room for what the call fills, and its bytes are all initialized.
    unsafe {
        let answer = libc::fstat(file.as_raw_fd(), status.as_mut_ptr());
        (answer == 0).then(|| bytes_of(&status))
    }
}

/// `struct statx` of a file.
#[expect(unsafe_code, reason = "the kernel's own structure is wanted, not one of its parts")]
fn extended_status(file: BorrowedFd<'_>, mask: u32) -> Option<Vec<u8>> {
    let mut status = MaybeUninit::<libc::statx>::zeroed();
    // SAFETY: the path is empty and ended; there is room for what the call fills, and its bytes are all initialized.
    unsafe {
        let flags = libc::AT_EMPTY_PATH;
        let answer = libc::statx(file.as_raw_fd(), c"".as_ptr(), flags, mask, status.as_mut_ptr());
        (answer == 0).then(|| bytes_of(&status))
    }
}

/// # Safety
/// All bytes must be initialized.
#[expect(unsafe_code, reason = "a structure of the kernel is handed on as bytes")]
unsafe fn bytes_of<T>(value: &MaybeUninit<T>) -> Vec<u8> {
    // SAFETY: as the caller says.
    unsafe { std::slice::from_raw_parts(value.as_ptr().cast(), size_of::<T>()).to_vec() }
}

/// The current offset, or that of the end of the file.
fn place(file: BorrowedFd<'_>, whence: i32) -> Option<i64> {
    let whence = match whence {
        libc::SEEK_CUR => nix::unistd::Whence::SeekCur,
        libc::SEEK_END => return nix::sys::stat::fstat(file).ok().map(|there| there.st_size),
        _ => return None,
    };
    nix::unistd::lseek(file, 0, whence).ok()
}
