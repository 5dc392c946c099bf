//! The terminals of a run while its streams are relayed: keyboard input, changes of size and modes, stops and continues.

use super::control::Control;
use super::leader::Leader;
use crate::exec::Made;
use crate::exec::Size;
use crate::exec::order::index;
use crate::exec::signals::{self, Caught, SessionTerminal};
use crate::exec::tty::{Modes, ends_lines, is_same, modes, send_to_foreground, set_modes, set_size, size};
use crate::record::Stream;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags};
use nix::unistd::{read, write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

/// Number of bytes of keyboard input that one read takes.
const BUFFER: usize = 4096;
/// Interval of the checks for changes that cause no event.
const LOOK: Duration = Duration::from_millis(50);

/// Connects the user's terminal with those of a run.
#[derive(Debug)]
pub(in crate::exec) struct Relay {
    masters: [Option<OwnedFd>; 2],
    sizes: [Option<Size>; 2],
    /// The last known modes of both terminals.
    known: [Option<Modes>; 2],
    first: Stream,
    pub(in crate::exec) control: Arc<Control>,
    is_watched: bool,
    is_resized: bool,
    /// Keyboard input that is not passed on yet.
    typed: Vec<u8>,
    /// The user's terminal was closed.
    is_over: bool,
    /// The signal of a key that only the command receives.
    key: Option<i32>,
    leader: Option<Leader>,
    command: libc::pid_t,
}

/// Which descriptors of a [`Relay`] a call of `poll` includes.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::exec) struct Asked {
    woken: bool,
    outer: bool,
    master: bool,
}

impl Relay {
    pub(super) fn new(
        masters: [Option<OwnedFd>; 2],
        sizes: [Option<Size>; 2],
        first: Stream,
        control: Arc<Control>,
        is_watched: bool,
    ) -> Option<Self> {
        let known = masters.each_ref().map(|master| modes(master.as_ref()?.as_fd()));
        masters.get(index(first))?.as_ref()?;
        Some(Self {
            masters,
            sizes,
            known,
            first,
            control,
            is_watched,
            is_resized: false,
            typed: Vec::new(),
            is_over: false,
            key: None,
            leader: None,
            command: 0,
        })
    }

    /// Notes that the command was started, in the session of `leader`.
    pub(in crate::exec) fn begun(&mut self, command: libc::pid_t, leader: Option<Leader>) {
        self.command = command;
        self.leader = leader;
    }

    /// The master of the command's controlling terminal.
    pub(in crate::exec) fn master(&self) -> Option<BorrowedFd<'_>> {
        self.masters.get(index(self.first))?.as_ref().map(AsFd::as_fd)
    }

    /// Whether the terminal of `stream` converts line ends as the user's terminal does.
    pub(in crate::exec) fn ends_lines(&self, stream: Stream) -> bool {
        self.known.get(index(stream)).copied().flatten().is_some_and(|modes| ends_lines(&modes))
    }

    /// How each stream was produced.
    pub(in crate::exec) fn made(&self) -> [Option<Made>; 2] {
        [Stream::Stdout, Stream::Stderr].map(|stream| {
            let size = self.sizes.get(index(stream)).copied().flatten()?;
            let is_size_asked = !self.is_watched || self.control.is_size_asked(stream);
            let is_asked_by_program = !self.is_watched || self.control.is_asked_by_program();
            Some(Made { size, is_size_asked, is_asked_by_program, is_resized: self.is_resized })
        })
    }

    /// The longest wait until the next look.
    pub(in crate::exec) fn limit(&self) -> Option<Duration> {
        let is_unseen = !self.is_watched && self.control.outer().is_some() && !self.control.is_raw();
        is_unseen.then_some(LOOK)
    }

    /// Adds the descriptors of the relay to a call of `poll`.
    pub(in crate::exec) fn ask<'a>(&'a self, asked: &mut Vec<PollFd<'a>>) -> Asked {
        asked.push(PollFd::new(self.control.woken(), PollFlags::POLLIN));
        let mut done = Asked { woken: true, ..Asked::default() };
        let reader = self.masters.get(index(self.control.reader())).and_then(Option::as_ref);
        if let (false, Some(master)) = (self.typed.is_empty(), reader.map(AsFd::as_fd)) {
            asked.push(PollFd::new(master, PollFlags::POLLOUT));
            done.master = true;
        } else if let (false, Some(outer)) = (self.is_over, self.control.outer())
            && self.wants_input()
        {
            asked.push(PollFd::new(outer, PollFlags::POLLIN));
            done.outer = true;
        }
        done
    }

    fn wants_input(&self) -> bool {
        if self.control.is_raw() { self.control.is_foreground() } else { self.control.looks_for_lines() }
    }

    /// Takes the results of that call, in the same order.
    pub(in crate::exec) fn answered(&mut self, asked: Asked, answers: &mut dyn Iterator<Item = PollFlags>) {
        let mut next = |was_asked: bool| was_asked && answers.next().is_some_and(|answer| !answer.is_empty());
        if next(asked.woken) {
            self.control.heard();
        }
        if next(asked.master) {
            self.pass_on_typed();
        }
        if next(asked.outer) {
            if self.control.is_raw() {
                self.read_typed();
            } else {
                self.control.used_as_stdin();
            }
        }
    }

    fn read_typed(&mut self) {
        let mut buffer = [0; BUFFER];
        let Some(outer) = self.control.outer() else { return };
        match read(outer, &mut buffer) {
            Ok(0) => self.is_over = true,
            Ok(got) => {
                self.typed.extend_from_slice(buffer.get(..got).unwrap_or_default());
                self.pass_on_typed();
            }
            Err(Errno::EAGAIN | Errno::EINTR) => {}
            Err(_) => self.is_over = true,
        }
    }

    fn pass_on_typed(&mut self) {
        let reader = self.control.reader();
        self.take_keys(reader);
        let Some(master) = self.masters.get(index(reader)).and_then(Option::as_ref) else { return };
        match write(master, &self.typed) {
            Ok(written) => drop(self.typed.drain(..written)),
            Err(Errno::EAGAIN | Errno::EINTR) => {}
            Err(_) => self.typed.clear(),
        }
    }

    /// Sends the signals of keys such as Ctrl-C. Only the controlling terminal of a session does so itself.
    fn take_keys(&mut self, reader: Stream) {
        let Some(modes) = self.masters.get(index(reader)).and_then(|master| modes(master.as_ref()?.as_fd()))
        else {
            return;
        };
        if modes.c_lflag & libc::ISIG == 0 {
            return;
        }
        let key = |place: usize| modes.c_cc.get(place).copied().filter(|key| *key != 0);
        let keys = [(libc::VINTR, libc::SIGINT), (libc::VQUIT, libc::SIGQUIT), (libc::VSUSP, libc::SIGTSTP)];
        let signal =
            |byte: u8| keys.iter().find(|(place, _)| key(*place) == Some(byte)).map(|(_, signal)| *signal);
        let ends = |signal: &i32| *signal != libc::SIGTSTP;
        self.key = self.typed.iter().copied().find_map(signal).filter(ends).or(self.key);
        let session = self.master().filter(|_| reader != self.first).map(|master| master.as_raw_fd());
        self.typed.retain(|byte| match (signal(*byte), session) {
            (Some(signal), Some(session)) => !send_to_foreground(session, signal),
            _ => true,
        });
    }

    /// Carries out the requests of signal handlers and other threads. `to` holds the user's descriptors of the streams.
    pub(in crate::exec) fn attend(&mut self, caught: &Caught, to: [Option<BorrowedFd<'_>>; 2]) {
        if let Some(signal) = self.key.take() {
            caught.note(signal);
        }
        if caught.take_resized() {
            self.resize(to);
        }
        if let Some(signal) = self.control.take_stop() {
            self.stop(signal);
            self.resize(to);
        }
        self.follow_modes();
    }

    /// Gives both terminals the size of the user's. The controlling terminal comes last, so that both are changed when SIGWINCH
    /// arrives.
    fn resize(&mut self, to: [Option<BorrowedFd<'_>>; 2]) {
        let second = if self.first == Stream::Stdout { Stream::Stderr } else { Stream::Stdout };
        for stream in [second, self.first] {
            let user = to.get(index(stream)).copied().flatten().and_then(size);
            let master = self.masters.get(index(stream)).and_then(Option::as_ref);
            if let (Some(size), Some(master), Some(known)) = (user, master, self.sizes.get(index(stream)))
                && Some(Size::of(size)) != *known
            {
                set_size(master.as_fd(), size);
                self.is_resized = true;
                if let Some(known) = self.sizes.get_mut(index(stream)) {
                    *known = Some(Size::of(size));
                }
            }
        }
    }

    /// After `signal` stopped the command, stops this process too, as its shell expects. Returns when both are continued.
    fn stop(&mut self, signal: i32) {
        let is_for_terminal = matches!(signal, libc::SIGTTIN | libc::SIGTTOU);
        if !(is_for_terminal && self.control.is_foreground()) {
            if !is_for_terminal && signal != libc::SIGTSTP {
                // A process that stopped only the command will continue only the command.
                return;
            }
            let was_raw = self.control.suspend();
            // In raw mode only the command received the key.
            signals::stop(signal, was_raw);
        }
        if let (Some(leader), Some(master)) = (&self.leader, self.master()) {
            if self.control.is_foreground() {
                leader.foreground(master, self.command);
            } else {
                leader.background(master);
            }
        }
        self.control.resume();
        signals::go_on(self.command);
    }

    /// Copies a change of modes from one terminal to the other, since without cashet there is only one. In an unwatched run, such
    /// a change shows that the command reads keyboard input.
    fn follow_modes(&mut self) {
        if self.is_watched && !self.control.is_raw() {
            return;
        }
        let now = self.masters.each_ref().map(|master| modes(master.as_ref()?.as_fd()));
        let is_changed = |(now, known): (&Option<Modes>, &Option<Modes>)| match (now, known) {
            (Some(now), Some(known)) => !is_same(now, known),
            _ => false,
        };
        let Some(place) = now.iter().zip(&self.known).position(is_changed) else { return };
        self.control.used(if place == 0 { Stream::Stdout } else { Stream::Stderr });
        let Some(changed) = now.get(place).copied().flatten() else { return };
        for (number, (master, known)) in self.masters.iter().zip(&mut self.known).enumerate() {
            if let Some(master) = master {
                if number != place {
                    set_modes(master.as_fd(), &changed);
                }
                *known = Some(changed);
            }
        }
    }

    /// Ends the session after the command. Processes that outlive the command lose their terminal without a SIGHUP.
    pub(in crate::exec) fn command_ended(&mut self) {
        if let Some(leader) = self.leader.take() {
            leader.end();
        }
        self.follow_modes();
    }

    /// The reader of `stream` is gone. For the command, the user's terminal hung up.
    pub(in crate::exec) fn let_go(&mut self, stream: Stream) {
        if let Some(master) = self.masters.get_mut(index(stream)) {
            *master = None;
        }
        self.control.let_go(stream);
    }

    /// Called when all output was passed on. If the command exited by itself, the user's terminal gets the modes that the command
    /// left.
    pub(in crate::exec) fn end(&mut self, by_itself: bool) {
        let left = self.known.get(index(self.first)).copied().flatten();
        self.control.end(left.as_ref().filter(|_| by_itself));
    }

    /// Gives processes that outlive the command the line ends that the user's terminal needs.
    pub(in crate::exec) fn leave(&self) {
        for master in self.masters.iter().flatten() {
            if let Some(mut modes) = modes(master.as_fd()) {
                modes.c_oflag &= !libc::OPOST;
                set_modes(master.as_fd(), &modes);
            }
        }
    }

    /// The part that signal handling uses.
    pub(in crate::exec) fn session_terminal(&self) -> SessionTerminal<'_> {
        SessionTerminal {
            master: self.master().map_or(-1, |master| master.as_raw_fd()),
            bell: self.control.bell(),
            guarded: self.control.guarded(),
        }
    }
}
