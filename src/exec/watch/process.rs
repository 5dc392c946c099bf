//! Inspecting a watched process: its memory, its descriptors, its directories.
//!
//! Every function returns an error rather than a guess. The caller decides what an error means.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::RawFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::PathBuf;

/// The longest path that a call takes, its final zero byte included.
const PATH_MAX: usize = 4096;
/// The smallest page size of any machine: memory is mapped in multiples of it.
const PAGE: u64 = 4096;

/// Reads `into.len()` bytes of the memory of thread `tid`.
///
/// # Errors
/// The system's: `EFAULT` where nothing is mapped, `EPERM` where we must not, `ESRCH` when it is gone.
pub(super) fn read_memory(tid: libc::pid_t, address: u64, into: &mut [u8]) -> io::Result<()> {
    let read = read_some(tid, address, into)?;
    if read == into.len() { Ok(()) } else { Err(io::Error::from_raw_os_error(libc::EFAULT)) }
}

#[expect(unsafe_code, reason = "process_vm_readv takes raw pointers")]
fn read_some(tid: libc::pid_t, address: u64, into: &mut [u8]) -> io::Result<usize> {
    let local = libc::iovec { iov_base: into.as_mut_ptr().cast(), iov_len: into.len() };
    let remote = libc::iovec {
        iov_base: std::ptr::with_exposed_provenance_mut(usize::try_from(address).unwrap_or(0)),
        iov_len: into.len(),
    };
    // SAFETY: `local` describes `into`, which is ours to write; the remote address is checked by the kernel.
    let read = unsafe { libc::process_vm_readv(tid, &raw const local, 1, &raw const remote, 1, 0) };
    usize::try_from(read).map_err(|_| io::Error::last_os_error())
}

/// Writes `bytes` to the memory of thread `tid`.
///
/// # Errors
/// As [`read_memory`].
#[expect(unsafe_code, reason = "process_vm_writev takes raw pointers")]
pub(super) fn write_memory(tid: libc::pid_t, address: u64, bytes: &[u8]) -> io::Result<()> {
    let local = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    let remote = libc::iovec {
        iov_base: std::ptr::with_exposed_provenance_mut(usize::try_from(address).unwrap_or(0)),
        iov_len: bytes.len(),
    };
    // SAFETY: `local` describes `bytes`, which is only read; the remote address is checked by the kernel.
    let written = unsafe { libc::process_vm_writev(tid, &raw const local, 1, &raw const remote, 1, 0) };
    if usize::try_from(written) == Ok(bytes.len()) { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Reads the text that ends with a zero byte, page by page: what follows it may not be mapped.
///
/// # Errors
/// As [`read_memory`]; `ENAMETOOLONG` if it is longer than any path.
pub(super) fn read_text(tid: libc::pid_t, address: u64) -> io::Result<Vec<u8>> {
    read_text_up_to(tid, address, PATH_MAX)
}

fn read_text_up_to(tid: libc::pid_t, address: u64, longest: usize) -> io::Result<Vec<u8>> {
    // Paths are short: most of a page need not be copied.
    let mut short = [0; 256];
    let mut long = Vec::new();
    let mut text = Vec::new();
    let mut next = address;
    while text.len() < longest {
        let to_page_end = usize::try_from(PAGE - next % PAGE).unwrap_or(PATH_MAX);
        let buffer = if text.is_empty() {
            short.as_mut_slice()
        } else {
            long.resize(PATH_MAX, 0);
            long.as_mut_slice()
        };
        let wanted = to_page_end.min(buffer.len());
        let part = buffer.get_mut(..wanted).unwrap_or_default();
        let read = read_some(tid, next, part)?;
        let part = part.get(..read).unwrap_or_default();
        if let Some(end) = part.iter().position(|byte| *byte == 0) {
            text.extend_from_slice(part.get(..end).unwrap_or_default());
            return Ok(text);
        }
        if read == 0 {
            return Err(io::Error::from_raw_os_error(libc::EFAULT));
        }
        text.extend_from_slice(part);
        next = next.wrapping_add(read as u64);
    }
    Err(io::Error::from_raw_os_error(libc::ENAMETOOLONG))
}

/// Maximum number of words of a command, and of bytes of each, that are read.
const MOST_WORDS: u64 = 512;
const LONGEST_WORD: usize = 128 << 10;

/// Reads the words that a thread passes to a program: a list of addresses that ends with zero. What cannot be read is left out.
pub(super) fn words_of(tid: libc::pid_t, list: u64) -> Vec<OsString> {
    let mut words = Vec::new();
    for number in 0..MOST_WORDS {
        match read_word(tid, list.wrapping_add(number * 8)) {
            Ok(0) | Err(_) => break,
            Ok(address) => words.extend(read_text_up_to(tid, address, LONGEST_WORD).map(OsString::from_vec)),
        }
    }
    words
}

/// Reads a word of 64 bits.
///
/// # Errors
/// As [`read_memory`].
pub(super) fn read_word(tid: libc::pid_t, address: u64) -> io::Result<u64> {
    let mut word = [0; 8];
    read_memory(tid, address, &mut word)?;
    Ok(u64::from_le_bytes(word))
}

/// Writes a byte.
///
/// # Errors
/// As [`read_memory`].
#[expect(unsafe_code, reason = "process_vm_writev takes raw pointers")]
pub(super) fn write_byte(tid: libc::pid_t, address: u64, byte: u8) -> io::Result<()> {
    let mut byte = byte;
    let local = libc::iovec { iov_base: (&raw mut byte).cast(), iov_len: 1 };
    let remote = libc::iovec {
        iov_base: std::ptr::with_exposed_provenance_mut(usize::try_from(address).unwrap_or(0)),
        iov_len: 1,
    };
    // SAFETY: `local` describes one byte of ours; the remote address is checked by the kernel.
    let written = unsafe { libc::process_vm_writev(tid, &raw const local, 1, &raw const remote, 1, 0) };
    if written == 1 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// What `/proc/TID/NAME` points to.
///
/// # Errors
/// The system's.
pub(super) fn link(tid: libc::pid_t, name: &str) -> io::Result<Vec<u8>> {
    std::fs::read_link(format!("/proc/{tid}/{name}")).map(|path| path.into_os_string().into_vec())
}

/// The link of the descriptor `number` of thread `tid` in `/proc`.
pub(super) fn descriptor_path(tid: libc::pid_t, number: RawFd) -> PathBuf {
    PathBuf::from(format!("/proc/{tid}/fd/{number}"))
}

/// Device and inode of the file behind the descriptor `number` of thread `tid`.
pub(super) fn identity_behind(tid: libc::pid_t, number: RawFd) -> Option<(u64, u64)> {
    std::fs::metadata(descriptor_path(tid, number)).ok().map(|there| (there.dev(), there.ino()))
}

/// Whether the descriptor `number` of thread `tid` is a terminal, or another device that may have a size.
///
/// # Errors
/// The system's: `ENOENT` if it is not open.
pub(super) fn is_terminal(tid: libc::pid_t, number: RawFd) -> io::Result<bool> {
    /// Major number of `/dev/null`, `/dev/zero` and similar devices, which have no size.
    const MEMORY_DEVICES: libc::c_uint = 1;
    let there = std::fs::metadata(descriptor_path(tid, number))?;
    Ok(there.file_type().is_char_device() && libc::major(there.rdev()) != MEMORY_DEVICES)
}

/// The umask of thread `tid`.
///
/// # Errors
/// The system's.
pub(super) fn umask_of(tid: libc::pid_t) -> io::Result<u32> {
    let status = std::fs::read_to_string(format!("/proc/{tid}/status"))?;
    let field = status.lines().find_map(|line| line.strip_prefix("Umask:"));
    let mask = field.and_then(|mask| u32::from_str_radix(mask.trim(), 8).ok());
    mask.ok_or_else(|| io::Error::other("the kernel does not tell its umask"))
}

/// Bytes as a path.
pub(super) fn as_path(bytes: &[u8]) -> &std::path::Path {
    std::path::Path::new(OsStr::from_bytes(bytes))
}

/// Bytes as an owned path.
pub(super) fn to_path(bytes: Vec<u8>) -> PathBuf {
    PathBuf::from(OsString::from_vec(bytes))
}
