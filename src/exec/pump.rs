//! A small process that continues to pass on bytes for processes that outlive the command and still hold the pipes that we gave
//! it.
//!
//! It holds those pipes and the user's descriptors, and nothing else of ours: no lock, no file.

use nix::errno::Errno;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};

/// At most stdout and stderr.
const STREAMS: usize = 2;
/// Number of bytes that are read at once.
const BUFFER: usize = 16 * 1024;

/// The descriptors to read from and to write to; -1 for none.
#[derive(Clone, Copy)]
struct Pair {
    from: RawFd,
    to: RawFd,
}

/// Passes on `streams`, each from its first descriptor to its second, in a new process, which ends when they end. Where no process
/// can be created, it does so itself until they end, since no byte may be lost.
#[expect(unsafe_code, reason = "there is no safe way to fork")]
pub(super) fn take_over(streams: [Option<(BorrowedFd<'_>, BorrowedFd<'_>)>; STREAMS]) {
    let mut buffer = vec![0; BUFFER];
    let pairs = streams.map(|stream| match stream {
        Some((from, to)) => Pair { from: from.as_raw_fd(), to: to.as_raw_fd() },
        None => Pair { from: -1, to: -1 },
    });
    // SAFETY: the child, which has only this thread, calls nothing but plain system calls, allocates nothing,
    // and never returns.
    match unsafe { libc::fork() } {
        -1 => pump(pairs, &mut buffer, |_| ()),
        // SAFETY: as above. Forking once more leaves nobody whom we would have to wait for; and when we have
        // waited for the process between, no copy of our locks is left.
        0 => unsafe {
            detach();
            close_all_but(&pairs);
            if libc::fork() == 0 {
                pump(pairs, &mut buffer, |over| {
                    libc::close(over);
                });
            }
            libc::_exit(0)
        },
        between => {
            // SAFETY: a null pointer says that the status is of no interest.
            while unsafe { libc::waitpid(between, std::ptr::null_mut(), 0) } < 0
                && Errno::last() == Errno::EINTR
            {}
        }
    }
}

/// Passes on until the end; `over` is called with each reading end that is finished, so that a writer learns it from its
/// next write. Runs after `fork`: system calls and the stack only.
#[expect(unsafe_code, reason = "after fork, only plain system calls")]
fn pump(mut pairs: [Pair; STREAMS], buffer: &mut [u8], over: impl Fn(RawFd)) {
    while pairs.iter().any(|pair| pair.from >= 0) {
        let mut asked = pairs.map(|pair| libc::pollfd { fd: pair.from, events: libc::POLLIN, revents: 0 });
        // SAFETY: `asked` is an array of as many valid entries; negative numbers are passed over.
        if unsafe { libc::poll(asked.as_mut_ptr(), STREAMS as libc::nfds_t, -1) } < 0 {
            return;
        }
        for (pair, asked) in pairs.iter_mut().zip(asked) {
            if asked.revents != 0 && !pass_on(*pair, buffer) {
                over(pair.from);
                pair.from = -1;
            }
        }
    }
}

/// Detaches the process: signals to the terminal or the process group do not end it, and it keeps no directory busy.
#[expect(unsafe_code, reason = "after fork, only plain system calls")]
fn detach() {
    let mut all = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: `all` is filled before it is used; the path is a constant with its zero byte.
    unsafe {
        libc::sigfillset(all.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), std::ptr::null_mut());
        libc::chdir(c"/".as_ptr());
    }
}

/// Passes on what is there; `false` at the end of either side.
#[expect(unsafe_code, reason = "after fork, only plain system calls")]
fn pass_on(pair: Pair, buffer: &mut [u8]) -> bool {
    // SAFETY: the buffer is ours, with its own length.
    let got = unsafe { libc::read(pair.from, buffer.as_mut_ptr().cast(), buffer.len()) };
    let Ok(got @ 1..) = usize::try_from(got) else { return false };
    let mut bytes = buffer.get(..got).unwrap_or_default();
    while !bytes.is_empty() {
        // SAFETY: as above.
        let written = unsafe { libc::write(pair.to, bytes.as_ptr().cast(), bytes.len()) };
        match usize::try_from(written) {
            Ok(0) => return false,
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            Err(_) if Errno::last() == Errno::EAGAIN => {
                let mut room = libc::pollfd { fd: pair.to, events: libc::POLLOUT, revents: 0 };
                // SAFETY: one valid entry.
                unsafe { libc::poll(&raw mut room, 1, -1) };
            }
            Err(_) => return false,
        }
    }
    true
}

/// Closes every descriptor that is not in `pairs`.
fn close_all_but(pairs: &[Pair; STREAMS]) {
    let kept = |number: RawFd| pairs.iter().any(|pair| pair.from == number || pair.to == number);
    let mut first = 0;
    // The gaps between the kept ones, lowest first; then everything above.
    while let Some(next) =
        pairs.iter().flat_map(|pair| [pair.from, pair.to]).filter(|kept| *kept >= first).min()
    {
        close_range(first, next.saturating_sub(1), kept);
        first = next.saturating_add(1);
    }
    close_range(first, RawFd::MAX, kept);
}

/// Closes `first` to `last`; none of these is kept.
#[expect(unsafe_code, reason = "after fork, only plain system calls")]
pub(super) fn close_range(first: RawFd, last: RawFd, kept: impl Fn(RawFd) -> bool) {
    if first > last {
        return;
    }
    #[cfg(target_os = "linux")]
    {
        // SAFETY: plain numbers; nothing in this process uses the closed descriptors.
        if unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) } == 0 {
            return;
        }
    }
    // SAFETY: a plain question.
    let limit = unsafe { libc::sysconf(libc::_SC_OPEN_MAX) };
    let limit = RawFd::try_from(limit).unwrap_or(RawFd::MAX).min(1 << 20);
    for number in (first..=last.min(limit)).filter(|number| !kept(*number)) {
        // SAFETY: as above.
        unsafe { libc::close(number) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::io::{Read, Seek, Write};
    use std::os::fd::AsFd;

    #[test]
    fn without_a_process_the_streams_are_passed_on_here() {
        let (out_from, mut out) = std::io::pipe().unwrap();
        let (err_from, mut err) = std::io::pipe().unwrap();
        let mut files: [File; 2] = [tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap()];
        let pairs = [(out_from.as_fd(), files[0].as_fd()), (err_from.as_fd(), files[1].as_fd())]
            .map(|(from, to)| Pair { from: from.as_raw_fd(), to: to.as_raw_fd() });
        std::thread::scope(|scope| {
            scope.spawn(move || {
                out.write_all(&vec![b'o'; 100_000]).unwrap();
                drop(out);
                err.write_all(&vec![b'e'; 100_000]).unwrap();
            });
            pump(pairs, &mut vec![0; BUFFER], |_| ());
        });
        for (file, byte) in files.iter_mut().zip([b'o', b'e']) {
            let mut bytes = Vec::new();
            file.rewind().unwrap();
            file.read_to_end(&mut bytes).unwrap();
            assert!(bytes == vec![byte; 100_000], "{} bytes", bytes.len());
        }
    }
}
