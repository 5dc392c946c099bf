//! Watched calls after cashet has ended: a small process continues them all, unobserved. Without an answer they would fail, or
//! wait forever.
//!
//! What the forked process calls makes plain system calls only: it comes from a process with threads.

use super::pump::close_range;
use nix::errno::Errno;
use std::io;
use std::os::fd::RawFd;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// How often sending an answer is tried.
const TRIES: u32 = 8;

/// The kernel numbers the calls of a filter one after the other. This many calls before and after the last one that is known may
/// have been received without an answer.
const UNANSWERED: u64 = 1 << 14;

/// The number of the call that was received last, in memory that is shared with forked processes.
#[derive(Debug)]
pub(super) struct LastCall(NonNull<AtomicU64>);

#[expect(unsafe_code, reason = "the memory is shared, and atomic")]
// SAFETY: the pointer is to an atomic integer, which lives until this value is dropped.
unsafe impl Send for LastCall {}
#[expect(unsafe_code, reason = "the memory is shared, and atomic")]
// SAFETY: as above.
unsafe impl Sync for LastCall {}

impl LastCall {
    /// None was received yet. `None` where there is no memory.
    #[expect(unsafe_code, reason = "memory that stays shared after a fork")]
    pub(super) fn new() -> Option<Self> {
        let (readable, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_ANONYMOUS);
        // SAFETY: new memory, which the kernel fills with zeros: a valid atomic integer.
        let place =
            unsafe { libc::mmap(std::ptr::null_mut(), size_of::<AtomicU64>(), readable, flags, -1, 0) };
        if place == libc::MAP_FAILED {
            return None;
        }
        NonNull::new(place.cast()).map(Self)
    }

    /// The call `id` was received.
    pub(super) fn set(&self, id: u64) {
        self.number().store(id, Relaxed);
    }

    /// The last one; 0 if there was none.
    pub(super) fn get(&self) -> u64 {
        self.number().load(Relaxed)
    }

    #[expect(unsafe_code, reason = "the memory is shared")]
    fn number(&self) -> &AtomicU64 {
        // SAFETY: it lives as long as `self`, and is only used as an atomic integer.
        unsafe { self.0.as_ref() }
    }
}

impl Drop for LastCall {
    #[expect(unsafe_code, reason = "the memory is ours")]
    fn drop(&mut self) {
        // SAFETY: it was mapped with this size, and nothing refers to it any more.
        unsafe { libc::munmap(self.0.as_ptr().cast(), size_of::<AtomicU64>()) };
    }
}

/// Continues the call `id`. A caller that is gone needs no answer.
pub(super) fn resume(listener: RawFd, id: u64) {
    let continued = u32::try_from(libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE).unwrap_or(1);
    // Nothing is left to do where that fails.
    let _ = send(listener, &libc::seccomp_notif_resp { id, val: 0, error: 0, flags: continued });
}

/// Sends an answer.
///
/// # Errors
/// `ENOENT` if no caller waits for it.
#[expect(unsafe_code, reason = "the kernel reads a structure")]
pub(super) fn send(listener: RawFd, answer: &libc::seccomp_notif_resp) -> Result<(), Errno> {
    let mut tries = 0;
    loop {
        // SAFETY: the request reads one such structure, whose size was checked.
        let sent =
            unsafe { libc::ioctl(listener, libc::SECCOMP_IOCTL_NOTIF_SEND, std::ptr::from_ref(answer)) };
        tries += 1;
        // A caller without an answer would wait forever. One that is gone needs none.
        match Errno::result(sent) {
            Ok(_) => return Ok(()),
            Err(errno) if errno == Errno::ENOENT || tries == TRIES => return Err(errno),
            Err(_) => {}
        }
    }
}

/// Continues the calls that another process received and did not answer; `last` is the last one of them that is known.
pub(super) fn resume_received(listener: RawFd, last: u64) {
    let first = last.wrapping_sub(UNANSWERED);
    for number in 0..2 * UNANSWERED {
        resume(listener, first.wrapping_add(number));
    }
}

/// Continues the calls at `listener` until the last process with the filter is gone, in a session of its own.
///
/// # Safety
/// Only in a process that was forked for it.
#[expect(unsafe_code, reason = "raw calls are all that is safe after a fork")]
pub(super) unsafe fn resume_all(listener: RawFd) -> ! {
    // SAFETY: only system calls, on our own stack, in a process whose memory and descriptors nothing else uses.
    unsafe {
        let mut all = std::mem::zeroed::<libc::sigset_t>();
        libc::sigfillset(&raw mut all);
        libc::sigprocmask(libc::SIG_BLOCK, &raw const all, std::ptr::null_mut());
        libc::setsid();
        libc::chdir(c"/".as_ptr());
        close_range(0, listener - 1, |_| false);
        close_range(listener + 1, RawFd::MAX, |_| false);
        libc::prctl(libc::PR_SET_NAME, c"cashet-watch".as_ptr());
        loop {
            let mut asked = libc::pollfd { fd: listener, events: libc::POLLIN, revents: 0 };
            if libc::poll(&raw mut asked, 1, -1) < 0 {
                continue;
            }
            if asked.revents & libc::POLLIN == 0 {
                libc::_exit(0);
            }
            let mut call = std::mem::zeroed::<libc::seccomp_notif>();
            if libc::ioctl(listener, libc::SECCOMP_IOCTL_NOTIF_RECV, &raw mut call) == 0 {
                resume(listener, call.id);
            }
        }
    }
}

/// Receives one byte and, with it, possibly a descriptor, at a socket. `None` at the end.
#[expect(unsafe_code, reason = "raw calls are all that is safe after a fork")]
pub(super) fn receive(socket: RawFd) -> Option<(u8, Option<RawFd>)> {
    let mut byte = 0_u8;
    let mut part = libc::iovec { iov_base: (&raw mut byte).cast(), iov_len: 1 };
    let mut room = [0_u64; 8];
    // SAFETY: all-zero is a valid message; what it points to are local variables with room for what the call writes. The control
    // message is read only if the kernel has written one.
    unsafe {
        let mut message = std::mem::zeroed::<libc::msghdr>();
        message.msg_iov = &raw mut part;
        message.msg_iovlen = 1;
        message.msg_control = room.as_mut_ptr().cast();
        message.msg_controllen = size_of_val(&room);
        let got = loop {
            let got = libc::recvmsg(socket, &raw mut message, libc::MSG_CMSG_CLOEXEC);
            if got >= 0 || Errno::last() != Errno::EINTR {
                break got;
            }
        };
        if got != 1 {
            return None;
        }
        let header = libc::CMSG_FIRSTHDR(&raw const message);
        let is_descriptor = !header.is_null()
            && (*header).cmsg_level == libc::SOL_SOCKET
            && (*header).cmsg_type == libc::SCM_RIGHTS;
        let descriptor = is_descriptor.then(|| libc::CMSG_DATA(header).cast::<RawFd>().read_unaligned());
        Some((byte, descriptor))
    }
}

/// Sends a descriptor with one byte.
///
/// # Errors
/// The system's.
pub(super) fn give(
    socket: std::os::fd::BorrowedFd<'_>,
    byte: u8,
    descriptor: std::os::fd::BorrowedFd<'_>,
) -> io::Result<()> {
    use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
    let mut room = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut with = SendAncillaryBuffer::new(&mut room);
    let descriptors = [descriptor];
    with.push(SendAncillaryMessage::ScmRights(&descriptors));
    sendmsg(socket, &[io::IoSlice::new(&[byte])], &mut with, SendFlags::NOSIGNAL)?;
    Ok(())
}
