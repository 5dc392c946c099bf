//! Keyboard input from before the run began to read: it goes to the run's terminal, and is echoed only once.

use super::pair::arrives;
use crate::exec::tty::{Modes, edits_lines, is_same, modes, set_modes};
use std::os::fd::BorrowedFd;

/// Modes that the terminal of the run had without echo. A program may save them in that moment, and set them again later.
#[derive(Clone, Copy)]
pub(super) struct Unshown {
    pub(super) set: Modes,
    pub(super) before: Modes,
}

/// Reads complete lines of keyboard input. An end of file (Ctrl-D) becomes the byte of its key again.
pub(super) fn read_lines(terminal: BorrowedFd<'_>, modes: &Modes, into: &mut Vec<u8>) {
    let end = modes.c_cc.get(libc::VEOF).copied().unwrap_or(4);
    let ends = [b'\n', modes.c_cc.get(libc::VEOL).copied().unwrap_or(0)];
    while is_readable(terminal) {
        let before = into.len();
        if !read_there(terminal, into) {
            return;
        }
        let is_whole = into.len() > before && into.last().is_some_and(|last| ends.contains(last));
        if !is_whole {
            into.push(end);
        }
    }
}

/// The same modes with echo.
const ECHO: libc::tcflag_t = libc::ECHO | libc::ECHONL;

pub(super) fn with_echo(modes: &Modes) -> Modes {
    Modes { c_lflag: modes.c_lflag | ECHO, ..*modes }
}

/// Passes on input that was typed before the run read any. The user's terminal has echoed it already, so the run's terminal
/// does not echo while it arrives. Returns the modes with and without echo.
pub(super) fn type_unshown(master: BorrowedFd<'_>, typed: &[u8]) -> Option<Unshown> {
    let before = modes(master).filter(|_| !typed.is_empty())?;
    let unshown = Unshown { set: Modes { c_lflag: before.c_lflag & !ECHO, ..before }, before };
    set_modes(master, &unshown.set);
    // A terminal accepts more input in one write than another one buffers.
    let _ = nix::unistd::write(master, typed);
    arrives(master);
    if let Some(now) = modes(master) {
        set_modes(master, &shown_again(&now, &unshown));
    }
    Some(unshown)
}

/// The modes in which the terminal echoes again. A run that is not stopped meanwhile may have read the line and set modes of its
/// own: these stay. A run that left canonical mode wants single keys, and does not hide its input by that.
fn shown_again(now: &Modes, unshown: &Unshown) -> Modes {
    if is_same(now, &unshown.set) {
        return unshown.before;
    }
    let echo = libc::ECHO | libc::ECHOE | libc::ECHOK | libc::ECHONL;
    let is_echo_untouched = now.c_lflag & echo == unshown.set.c_lflag & echo;
    let waits_for_keys = edits_lines(&unshown.set) && !edits_lines(now);
    if is_echo_untouched && waits_for_keys {
        return Modes { c_lflag: now.c_lflag | unshown.before.c_lflag & ECHO, ..*now };
    }
    *now
}

fn is_readable(terminal: BorrowedFd<'_>) -> bool {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    let mut asked = [PollFd::new(terminal, PollFlags::POLLIN)];
    poll(&mut asked, PollTimeout::ZERO) == Ok(1)
        && asked.first().and_then(PollFd::revents) == Some(PollFlags::POLLIN)
}

/// One read of the input that is available, without waiting; `false` if nothing can be read.
pub(super) fn read_there(terminal: BorrowedFd<'_>, into: &mut Vec<u8>) -> bool {
    let mut buffer = [0; 4096];
    let got = nix::unistd::read(terminal, &mut buffer);
    into.extend_from_slice(got.ok().and_then(|got| buffer.get(..got)).unwrap_or_default());
    got.is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    fn of(flags: libc::tcflag_t) -> Modes {
        let master = nix::pty::openpty(None, None).unwrap();
        Modes { c_lflag: flags, ..modes(master.slave.as_fd()).unwrap() }
    }

    #[test]
    fn modes_that_a_run_sets_meanwhile_stay() {
        let usual = libc::ICANON | libc::ISIG | libc::ECHO | libc::ECHOE | libc::ECHOK;
        let unshown = Unshown { set: of(usual & !libc::ECHO), before: of(usual) };
        let after = |flags| shown_again(&of(flags), &unshown).c_lflag;
        assert_eq!(after(usual & !libc::ECHO), usual);
        // `read -n 1` after the line.
        assert_eq!(after(usual & !libc::ECHO & !libc::ICANON), usual & !libc::ICANON);
        // `read -n 1 -s`, and a password.
        let hidden = usual & !(libc::ECHO | libc::ECHOK | libc::ICANON);
        assert_eq!(after(hidden), hidden);
        let password = usual & !(libc::ECHO | libc::ISIG);
        assert_eq!(after(password), password);
    }
}
