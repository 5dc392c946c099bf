//! What a run does with its terminals, as whoever watches it tells, and what becomes of the user's own: it is touched only
//! once the run uses what is typed. So what is typed ahead stays there for the shell, and a command that never asks leaves
//! nothing to be restored.

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

/// The terminals of a run.
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
    /// What our terminal was set to when we began.
    saved: Option<Modes>,
    /// The run uses what is typed.
    is_used: bool,
    /// It may do so unseen.
    may_be_used: bool,
    /// Our terminal is raw: everything goes through it as it is.
    is_raw: bool,
    /// Where what is typed goes: a pager reads from the terminal that its stderr is.
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
    /// Of pseudo-terminals with these device numbers, in front of our terminal `outer`, which has these modes.
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

    /// Our terminal, its modes as they were and as we set them: for whoever restores it if we are killed.
    pub(in crate::exec) fn guarded(&self) -> Option<Guarded<'_>> {
        let saved = self.state().saved?;
        Some((self.outer()?, saved, raw(&saved)))
    }

    /// Which stream the terminal with this device number is, `/dev/tty` included.
    pub(in crate::exec) fn stream_of(&self, device: u64) -> Option<Stream> {
        if device == own_terminal() {
            return Some(self.controlling);
        }
        let is_it = |stream: &Stream| self.devices.get(index(*stream)) == Some(&Some(device));
        [Stream::Stdout, Stream::Stderr].into_iter().find(is_it)
    }

    /// Whether that is the terminal at which the run is.
    pub(in crate::exec) fn is_controlling(&self, device: u64) -> bool {
        self.stream_of(device) == Some(self.controlling)
    }

    /// The size of the terminal that this stream is was asked for.
    pub(in crate::exec) fn asked_size(&self, stream: Stream) {
        if let Some(asked) = self.asked.get(index(stream)) {
            asked.store(true, SeqCst);
        }
    }

    /// A program that is no interpreter asked whether one of the two is a terminal, or how large it is.
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
        let news = {
            let mut state = self.state();
            let news = !state.is_used || state.reader != reader;
            state.is_used = true;
            state.reader = reader;
            self.begin_raw(&mut state);
            news
        };
        if news {
            self.wake();
        }
    }

    /// As [`Control::used`], at the terminal of the run's session.
    pub(in crate::exec) fn used_as_stdin(&self) {
        self.used(self.controlling);
    }

    /// Where what is typed goes.
    pub(in crate::exec) fn reader(&self) -> Stream {
        self.state().reader
    }

    /// Whether it goes elsewhere than to the terminal of the run's session.
    pub(in crate::exec) fn reads_elsewhere(&self) -> bool {
        self.reader() != self.controlling
    }

    /// What is written to `stream` reaches nobody.
    pub(super) fn let_go(&self, stream: Stream) {
        if let Some(master) = self.state().masters.get_mut(index(stream)) {
            *master = None;
        }
    }

    /// The run may use what is typed without being seen to do so.
    pub(in crate::exec) fn may_be_used(&self) {
        let before = std::mem::replace(&mut self.state().may_be_used, true);
        if !before {
            self.wake();
        }
    }

    /// Whether it is to be looked whether a line was typed which the run may be waiting for: our terminal is in nobody else's
    /// hands.
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
            // A line that is written now still gets its carriage return. A writer that a slow terminal holds up is not waited
            // for: keys count more.
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

    /// Our terminal as it was. Whether it was in our hands.
    pub(super) fn suspend(&self) -> bool {
        let mut state = self.state();
        if let (true, Some(outer), Some(saved)) = (state.is_raw, self.outer(), state.saved) {
            set_modes(outer, &saved);
            state.is_raw = false;
            return true;
        }
        false
    }

    /// As before [`Control::suspend`], if we are in the foreground.
    pub(super) fn resume(&self) {
        let mut state = self.state();
        if state.is_used {
            self.begin_raw(&mut state);
        }
    }

    /// The run is over. With `left`, it left its terminal with these modes, which ours gets as well.
    pub(super) fn end(&self, left: Option<&Modes>) {
        let mut state = self.state();
        let Some(mut wanted) = state.saved.filter(|_| state.is_used) else { return };
        if let Some(left) = left {
            let output = wanted.c_oflag;
            wanted = match state.unshown {
                Some(unshown) if is_same(left, &unshown.set) => unshown.before,
                _ => *left,
            };
            // What it does with output was not all handed on.
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

    /// The signal by which it was stopped since this was asked last.
    pub(super) fn take_stop(&self) -> Option<i32> {
        Some(self.stopped.swap(0, SeqCst)).filter(|signal| *signal != 0)
    }

    /// Whoever waits for [`Control::woken`] looks at what is new.
    fn wake(&self) {
        let _ = (&self.wake).write(b"!");
    }

    /// Where one byte wakes who waits; for a signal handler.
    pub(in crate::exec) fn bell(&self) -> i32 {
        self.wake.as_raw_fd()
    }

    /// Readable when there is news.
    pub(super) fn woken(&self) -> BorrowedFd<'_> {
        self.woken.as_fd()
    }

    /// The news have been heard; only when [`Control::woken`] is readable.
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

/// As that; an error if it is not the terminal of our session.
pub(super) fn foreground(terminal: BorrowedFd<'_>) -> nix::Result<bool> {
    let group = nix::unistd::tcgetpgrp(terminal)?;
    Ok(group == nix::unistd::getpgrp())
}
