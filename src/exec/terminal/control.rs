//! How a run uses its terminals, as the watching thread reports it, and the modes of the user's own terminal. These are changed
//! only once the run reads what is typed. So input that is typed ahead stays there for the shell, and a command that never
//! reads leaves nothing to restore.

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

/// The device number of `/dev/tty`, by which a process names its own terminal.
fn own_terminal() -> u64 {
    libc::makedev(5, 0)
}

/// The state of the terminals of a run.
pub(in crate::exec) struct Control {
    /// Our own terminal, if we are in its foreground.
    outer: Option<OwnedFd>,
    /// The device numbers of the pseudo-terminals that are stdout and stderr.
    devices: [Option<u64>; 2],
    /// Which of them is the terminal of the run's session.
    controlling: Stream,
    state: Mutex<State>,
    /// Held while output is written in the form that suits the modes of our terminal.
    output: Mutex<()>,
    /// Whether the sizes of the two were asked for.
    asked: [AtomicBool; 2],
    /// Whether another program than an interpreter asked what they are, or how large.
    programs_asked: AtomicBool,
    /// The signal by which the command was stopped, or 0.
    stopped: AtomicI32,
    wake: PipeWriter,
    woken: PipeReader,
}

struct State {
    /// The modes of our terminal when we began.
    saved: Option<Modes>,
    /// The run reads what is typed.
    is_used: bool,
    /// It may do so without being observed.
    may_be_used: bool,
    /// Our terminal is raw: it passes on everything unchanged.
    is_raw: bool,
    /// The terminal that typed input goes to. A pager reads from the terminal of its stderr.
    reader: Stream,
    /// The other ends of the terminals that are stdout and stderr.
    masters: [Option<OwnedFd>; 2],
    /// What was set while a line that was typed ahead went to the run without being shown again.
    unshown: Option<Unshown>,
}

impl fmt::Debug for Control {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.debug_struct("Control").field("outer", &self.outer).finish_non_exhaustive()
    }
}

impl Control {
    /// For pseudo-terminals with these device numbers, and for our terminal `outer` with these modes.
    ///
    /// # Errors
    /// When no pipe can be made.
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

    /// Our own terminal.
    pub(in crate::exec) fn outer(&self) -> Option<BorrowedFd<'_>> {
        self.outer.as_ref().map(AsFd::as_fd)
    }

    /// Our terminal, its modes as they were and as we set them: for the process that restores it if we are killed.
    pub(in crate::exec) fn guarded(&self) -> Option<Guarded<'_>> {
        let saved = self.state().saved?;
        Some((self.outer()?, saved, raw(&saved)))
    }

    /// The stream whose terminal has this device number; `/dev/tty` is that of the session.
    pub(in crate::exec) fn stream_of(&self, device: u64) -> Option<Stream> {
        if device == own_terminal() {
            return Some(self.controlling);
        }
        let is_it = |stream: &Stream| self.devices.get(index(*stream)) == Some(&Some(device));
        [Stream::Stdout, Stream::Stderr].into_iter().find(is_it)
    }

    /// Whether it is the terminal of the run's session.
    pub(in crate::exec) fn is_controlling(&self, device: u64) -> bool {
        self.stream_of(device) == Some(self.controlling)
    }

    /// The run asked for the size of the terminal of this stream.
    pub(in crate::exec) fn asked_size(&self, stream: Stream) {
        if let Some(asked) = self.asked.get(index(stream)) {
            asked.store(true, SeqCst);
        }
    }

    /// A program other than an interpreter asked whether a stream is a terminal, or for its size.
    pub(in crate::exec) fn asked_by_program(&self) {
        self.programs_asked.store(true, SeqCst);
    }

    /// Whether one did.
    pub(super) fn is_asked_by_program(&self) -> bool {
        self.programs_asked.load(SeqCst)
    }

    /// Whether it was.
    pub(super) fn is_size_asked(&self, stream: Stream) -> bool {
        self.asked.get(index(stream)).is_some_and(|asked| asked.load(SeqCst))
    }

    /// The run uses what is typed, at the terminal that `reader` is: from now on all of it goes there. Returns when that is so.
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

    /// As [`Control::used`], at the terminal of the run's session.
    pub(in crate::exec) fn used_as_stdin(&self) {
        self.used(self.controlling);
    }

    /// The stream whose terminal typed input goes to.
    pub(in crate::exec) fn reader(&self) -> Stream {
        self.state().reader
    }

    /// Whether typed input goes to another terminal than that of the run's session.
    pub(in crate::exec) fn reads_elsewhere(&self) -> bool {
        self.reader() != self.controlling
    }

    /// What is written to `stream` has no reader any more.
    pub(super) fn let_go(&self, stream: Stream) {
        if let Some(master) = self.state().masters.get_mut(index(stream)) {
            *master = None;
        }
    }

    /// The run may read what is typed without being observed.
    pub(in crate::exec) fn may_be_used(&self) {
        let before = std::mem::replace(&mut self.state().may_be_used, true);
        if !before {
            self.wake();
        }
    }

    /// Whether to look for a typed line that the run may be waiting for. Only while our terminal edits lines and we are in its
    /// foreground, so that no other program is using it.
    pub(super) fn looks_for_lines(&self) -> bool {
        let may_be = {
            let state = self.state();
            state.may_be_used && !state.is_used
        };
        may_be
            && self.outer().and_then(modes).is_some_and(|modes| edits_lines(&modes))
            && self.is_foreground()
    }

    /// While this is held our terminal does not become raw, unless writing takes long.
    pub(in crate::exec) fn output(&self) -> MutexGuard<'_, ()> {
        self.output.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether what is typed goes to the run at present.
    pub(in crate::exec) fn is_raw(&self) -> bool {
        self.state().is_raw
    }

    fn begin_raw(&self, state: &mut State) {
        if let (false, Some(outer), Some(_)) = (state.is_raw, self.outer(), state.saved)
            && self.is_foreground()
            && let Some(now) = modes(outer)
        {
            // A pager behind us may have changed it since we began. What is typed ahead is handed to us unseen.
            let is_unseen = |saved: &Modes| is_same(&with_echo(&now), &with_echo(saved));
            if !state.saved.as_ref().is_some_and(is_unseen) {
                state.saved = Some(now);
            }
            let mut ahead = Vec::new();
            if edits_lines(&now) {
                read_lines(outer, &now, &mut ahead);
            }
            // A line that is being written still gets its carriage return. A writer that a slow terminal delays is not waited
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
            // The line that was begun.
            read_there(outer, &mut ahead);
            state.is_raw = true;
            drop(writing);
            if let Some(reader) = state.masters.get(index(state.reader)).and_then(Option::as_ref) {
                let unshown = type_unshown(reader.as_fd(), &ahead);
                state.unshown = unshown.or(state.unshown);
            }
        }
    }

    /// Gives our terminal its former modes. Returns whether it was raw.
    pub(super) fn suspend(&self) -> bool {
        let mut state = self.state();
        if let (true, Some(outer), Some(saved)) = (state.is_raw, self.outer(), state.saved) {
            set_modes(outer, &saved);
            state.is_raw = false;
            return true;
        }
        false
    }

    /// Restores the state before [`Control::suspend`], if we are in the foreground.
    pub(super) fn resume(&self) {
        let mut state = self.state();
        if state.is_used {
            self.begin_raw(&mut state);
        }
    }

    /// The run is over. With `left`, the modes that it left at its terminal, our terminal gets these.
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

    /// Whether we are in the foreground of our terminal.
    pub(in crate::exec) fn is_foreground(&self) -> bool {
        self.outer().is_some_and(is_in_foreground)
    }

    /// The command was stopped by `signal`.
    pub(in crate::exec) fn stopped(&self, signal: i32) {
        self.stopped.store(signal, SeqCst);
        self.wake();
    }

    /// The signal by which the command was stopped since the last call.
    pub(super) fn take_stop(&self) -> Option<i32> {
        Some(self.stopped.swap(0, SeqCst)).filter(|signal| *signal != 0)
    }

    /// Wakes the thread that waits for [`Control::woken`].
    fn wake(&self) {
        let _ = (&self.wake).write(b"!");
    }

    /// The descriptor in which one byte wakes the waiting thread; for a signal handler.
    pub(in crate::exec) fn bell(&self) -> i32 {
        self.wake.as_raw_fd()
    }

    /// Readable when something has changed.
    pub(super) fn woken(&self) -> BorrowedFd<'_> {
        self.woken.as_fd()
    }

    /// Empties the pipe behind [`Control::woken`]. Only when that is readable.
    pub(super) fn heard(&self) {
        let _ = (&self.woken).read(&mut [0; 64]);
    }
}

/// Whether both end lines, or neither does.
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
