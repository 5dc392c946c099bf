//! How a run uses its terminals, as the watching thread reports it, and the modes of the user's terminal.
//!
//! These modes change only when the run begins to read keyboard input. So input that is typed ahead stays available to the
//! shell, and a command that never reads leaves nothing to restore.

use super::ahead::{Unshown, read_lines, read_there, type_unshown, with_echo};
use crate::exec::order::index;
use crate::exec::tty::{Guarded, Modes, edits_lines, is_same, modes, raw, set_modes};
use crate::record::Stream;
use std::fmt;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering::SeqCst};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;

/// The device number of `/dev/tty`, which names the controlling terminal of a process.
fn own_terminal() -> u64 {
    libc::makedev(5, 0)
}

/// The state of the terminals of a run.
pub(in crate::exec) struct Control {
    /// The user's terminal, if cashet is in its foreground.
    outer: Option<OwnedFd>,
    /// The device numbers of the pseudo-terminals for stdout and stderr.
    devices: [Option<u64>; 2],
    /// Which of them is the controlling terminal of the run's session.
    controlling: Stream,
    state: Mutex<State>,
    /// Held while output is written with the line ends that the modes of the user's terminal need.
    output: Mutex<()>,
    /// Whether the run asked for the size of each.
    asked: [AtomicBool; 2],
    /// Whether a program other than an interpreter asked whether they are terminals, or for their size.
    programs_asked: AtomicBool,
    /// The signal that stopped the command, or 0.
    stopped: AtomicI32,
    wake: PipeWriter,
    woken: PipeReader,
}

struct State {
    /// The modes of the user's terminal at the start.
    saved: Option<Modes>,
    /// The run reads keyboard input.
    is_used: bool,
    /// It may do so without being observed.
    may_be_used: bool,
    /// The user's terminal is in raw mode: it passes on everything unchanged.
    is_raw: bool,
    /// The terminal that receives keyboard input. A pager reads from the terminal of its stderr.
    reader: Stream,
    /// The masters of the pseudo-terminals for stdout and stderr.
    masters: [Option<OwnedFd>; 2],
    /// The modes that were set while typed-ahead input went to the run without a second echo.
    unshown: Option<Unshown>,
}

impl fmt::Debug for Control {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.debug_struct("Control").field("outer", &self.outer).finish_non_exhaustive()
    }
}

impl Control {
    /// A new state for pseudo-terminals with the given device numbers, and for the user's terminal `outer` with its modes.
    ///
    /// # Errors
    /// If no pipe can be created.
    pub(super) fn new(
        outer: Option<(OwnedFd, Modes)>,
        devices: [Option<u64>; 2],
        masters: [Option<OwnedFd>; 2],
        controlling: Stream,
        may_be_used: bool,
    ) -> io::Result<Self> {
        let (woken, wake) = io::pipe()?;
        let (outer, saved) = outer.unzip();
        Ok(Self {
            outer,
            devices,
            controlling,
            state: Mutex::new(State {
                saved,
                is_used: false,
                may_be_used,
                is_raw: false,
                reader: controlling,
                masters,
                unshown: None,
            }),
            output: Mutex::new(()),
            asked: [AtomicBool::new(false), AtomicBool::new(false)],
            programs_asked: AtomicBool::new(false),
            stopped: AtomicI32::new(0),
            wake,
            woken,
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The user's terminal.
    pub(in crate::exec) fn outer(&self) -> Option<BorrowedFd<'_>> {
        self.outer.as_ref().map(AsFd::as_fd)
    }

    /// The user's terminal, with its former modes and those that cashet set, for the process that restores it if cashet is
    /// killed.
    pub(in crate::exec) fn guarded(&self) -> Option<Guarded<'_>> {
        let saved = self.state().saved?;
        Some((self.outer()?, saved, raw(&saved)))
    }

    /// The stream whose terminal has this device number; `/dev/tty` is the controlling terminal.
    pub(in crate::exec) fn stream_of(&self, device: u64) -> Option<Stream> {
        if device == own_terminal() {
            return Some(self.controlling);
        }
        let is_it = |stream: &Stream| self.devices.get(index(*stream)) == Some(&Some(device));
        [Stream::Stdout, Stream::Stderr].into_iter().find(is_it)
    }

    /// Whether the device is the controlling terminal of the run's session.
    pub(in crate::exec) fn is_controlling(&self, device: u64) -> bool {
        self.stream_of(device) == Some(self.controlling)
    }

    /// Notes that the run asked for the size of the terminal of this stream.
    pub(in crate::exec) fn asked_size(&self, stream: Stream) {
        if let Some(asked) = self.asked.get(index(stream)) {
            asked.store(true, SeqCst);
        }
    }

    /// Notes that a program other than an interpreter asked whether a stream is a terminal, or for its size.
    pub(in crate::exec) fn asked_by_program(&self) {
        self.programs_asked.store(true, SeqCst);
    }

    /// Whether such a program asked whether a stream is a terminal, or for its size.
    pub(super) fn is_asked_by_program(&self) -> bool {
        self.programs_asked.load(SeqCst)
    }

    /// Whether the run asked for the size of this terminal.
    pub(super) fn is_size_asked(&self, stream: Stream) -> bool {
        self.asked.get(index(stream)).is_some_and(|asked| asked.load(SeqCst))
    }

    /// The run reads keyboard input from the terminal of `reader`: from now on all input goes there. Returns when that is set up.
    pub(in crate::exec) fn used(&self, reader: Stream) {
        let changed = {
            let mut state = self.state();
            let changed = !state.is_used || state.reader != reader;
            state.is_used = true;
            state.reader = reader;
            self.begin_raw(&mut state);
            changed
        };
        if changed {
            self.wake();
        }
    }

    /// As [`Control::used`], for the controlling terminal of the run's session.
    pub(in crate::exec) fn used_as_stdin(&self) {
        self.used(self.controlling);
    }

    /// The stream whose terminal receives keyboard input.
    pub(in crate::exec) fn reader(&self) -> Stream {
        self.state().reader
    }

    /// Whether keyboard input goes to a terminal other than the controlling one.
    pub(in crate::exec) fn reads_elsewhere(&self) -> bool {
        self.reader() != self.controlling
    }

    /// The reader of `stream` is gone.
    pub(super) fn let_go(&self, stream: Stream) {
        if let Some(master) = self.state().masters.get_mut(index(stream)) {
            *master = None;
        }
    }

    /// Notes that the run may read keyboard input without being observed.
    pub(in crate::exec) fn may_be_used(&self) {
        let before = std::mem::replace(&mut self.state().may_be_used, true);
        if !before {
            self.wake();
        }
    }

    /// Whether to look for a typed line that the run may be waiting for. Only while the user's terminal is in canonical mode and
    /// cashet is in its foreground, so that no other program is using it.
    pub(super) fn looks_for_lines(&self) -> bool {
        let may_be = {
            let state = self.state();
            state.may_be_used && !state.is_used
        };
        may_be
            && self.outer().and_then(modes).is_some_and(|modes| edits_lines(&modes))
            && self.is_foreground()
    }

    /// While this guard is held, the user's terminal does not enter raw mode, unless a write takes long.
    pub(in crate::exec) fn output(&self) -> MutexGuard<'_, ()> {
        self.output.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether keyboard input goes to the run at present.
    pub(in crate::exec) fn is_raw(&self) -> bool {
        self.state().is_raw
    }

    fn begin_raw(&self, state: &mut State) {
        if let (false, Some(outer), Some(_)) = (state.is_raw, self.outer(), state.saved)
            && self.is_foreground()
            && let Some(now) = modes(outer)
        {
            // A pager that reads our output may have changed the modes since the start. Typed-ahead input arrives here without
            // another echo.
            let is_unseen = |saved: &Modes| is_same(&with_echo(&now), &with_echo(saved));
            if !state.saved.as_ref().is_some_and(is_unseen) {
                state.saved = Some(now);
            }
            let mut ahead = Vec::new();
            if edits_lines(&now) {
                read_lines(outer, &now, &mut ahead);
            }
            // A line that is being written still gets its carriage return. A write that a slow terminal delays is not waited
            // for, since keys are more urgent.
            let mut tries = 0..20;
            let writing = loop {
                match self.output.try_lock() {
                    Err(TryLockError::WouldBlock) if tries.next().is_some() => {
                        std::thread::sleep(Duration::from_millis(1));
                    }
                    outcome => break outcome,
                }
            };
            set_modes(outer, &raw(&now));
            // The incomplete line.
            read_there(outer, &mut ahead);
            state.is_raw = true;
            drop(writing);
            if let Some(reader) = state.masters.get(index(state.reader)).and_then(Option::as_ref) {
                let unshown = type_unshown(reader.as_fd(), &ahead);
                state.unshown = unshown.or(state.unshown);
            }
        }
    }

    /// Gives the user's terminal its former modes. Returns whether it was in raw mode.
    pub(super) fn suspend(&self) -> bool {
        let mut state = self.state();
        if let (true, Some(outer), Some(saved)) = (state.is_raw, self.outer(), state.saved) {
            set_modes(outer, &saved);
            state.is_raw = false;
            return true;
        }
        false
    }

    /// Restores the state before [`Control::suspend`], if cashet is in the foreground.
    pub(super) fn resume(&self) {
        let mut state = self.state();
        if state.is_used {
            self.begin_raw(&mut state);
        }
    }

    /// The run is over. The user's terminal gets its former modes, or those in which the run `left` its own terminal.
    pub(super) fn end(&self, left: Option<&Modes>) {
        let mut state = self.state();
        let Some(mut wanted) = state.saved.filter(|_| state.is_used) else { return };
        if let Some(left) = left {
            let output = wanted.c_oflag;
            wanted = match state.unshown {
                Some(unshown) if is_same(left, &unshown.set) => unshown.before,
                _ => *left,
            };
            // Of the modes of output, only line ends were copied to the run's terminal.
            if ends_lines_alike(left.c_oflag, output) {
                wanted.c_oflag = output;
            }
        }
        if let Some(outer) = self.outer()
            && (state.is_raw || self.is_foreground())
            && modes(outer).is_some_and(|now| !is_same(&now, &wanted))
        {
            set_modes(outer, &wanted);
        }
        state.is_raw = false;
    }

    /// Whether cashet is in the foreground of the user's terminal.
    pub(in crate::exec) fn is_foreground(&self) -> bool {
        self.outer().is_some_and(is_in_foreground)
    }

    /// Notes that `signal` stopped the command.
    pub(in crate::exec) fn stopped(&self, signal: i32) {
        self.stopped.store(signal, SeqCst);
        self.wake();
    }

    /// The signal that stopped the command since the last call.
    pub(super) fn take_stop(&self) -> Option<i32> {
        Some(self.stopped.swap(0, SeqCst)).filter(|signal| *signal != 0)
    }

    /// Wakes the thread that waits for [`Control::woken`].
    fn wake(&self) {
        let _ = (&self.wake).write(b"!");
    }

    /// A descriptor for a signal handler: a byte written to it wakes the waiting thread.
    pub(in crate::exec) fn bell(&self) -> i32 {
        self.wake.as_raw_fd()
    }

    /// Readable when something has changed.
    pub(super) fn woken(&self) -> BorrowedFd<'_> {
        self.woken.as_fd()
    }

    /// Empties the pipe behind [`Control::woken`], which must be readable.
    pub(super) fn heard(&self) {
        let _ = (&self.woken).read(&mut [0; 64]);
    }
}

/// Whether both modes convert line ends, or neither does.
fn ends_lines_alike(one: libc::tcflag_t, other: libc::tcflag_t) -> bool {
    let ends = libc::OPOST | libc::ONLCR;
    (one & ends == ends) == (other & ends == ends)
}

/// Whether this process is in the foreground of `terminal`.
pub(super) fn is_in_foreground(terminal: BorrowedFd<'_>) -> bool {
    foreground(terminal) == Ok(true)
}

/// Whether this process is in the foreground of `terminal`; an error if that is not the terminal of our session.
pub(super) fn foreground(terminal: BorrowedFd<'_>) -> nix::Result<bool> {
    let group = nix::unistd::tcgetpgrp(terminal)?;
    Ok(group == nix::unistd::getpgrp())
}
