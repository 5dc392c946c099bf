//! Pseudo-terminals for a command that runs at a terminal: one for stdout and one for stderr, so that the two streams are kept
//! apart.
//!
//! The command has its own session, whose controlling terminal is the first of them. cashet reads its output and passes it on to
//! the user's terminal. Keyboard input goes to the command as soon as the command reads it.

mod ahead;
mod control;
pub(super) mod leader;
pub(super) mod newlines;
mod pair;
mod relay;
mod wanted;

pub(super) use control::Control;
pub(super) use relay::{Asked, Relay};
pub(super) use wanted::{Ends, Wanted};

use super::order::{identity, index};
use super::startup::{above_standard, initial};
use super::tty::{self, modes};
use super::{Output, Size, Tty};
use crate::record::Stream;
use nix::unistd::isatty;
use pair::Pair;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::sync::Arc;

/// The assumed size where there is no terminal.
const USUAL: Size = Size { columns: 80, rows: 24 };

const STREAMS: [Stream; 2] = [Stream::Stdout, Stream::Stderr];

/// The pseudo-terminals of a run that is about to start.
#[derive(Debug)]
pub(super) struct Terminals {
    pairs: [Option<Pair>; 2],
    sizes: [Option<Size>; 2],
    first: Stream,
    /// The command's standard input is the user's terminal.
    is_stdin: bool,
    control: Arc<Control>,
    is_watched: bool,
}

impl Terminals {
    /// Creates the terminals that are wanted. `None` if none is: neither stream is a terminal, or cashet is in the background of
    /// its terminal.
    ///
    /// # Errors
    /// If the system has no more pseudo-terminals.
    pub(super) fn make(wanted: Wanted<'_>) -> io::Result<Option<Self>> {
        if matches!(wanted.output, Output::Direct) {
            return Ok(None);
        }
        let merged = matches!(wanted.output, Output::Merged { .. });
        let is_terminal =
            |to: BorrowedFd<'_>| !initial().was_closed(to.as_raw_fd()) && isatty(to).unwrap_or(false);
        let users = wanted.to.map(is_terminal);
        let (mut made, size) = match wanted.tty {
            Tty::Never => ([false; 2], None),
            Tty::Auto => (users, None),
            Tty::These(these, size) => (these, size),
        };
        if merged {
            made = [made == [true; 2], false];
        }
        let Some(first) = STREAMS.into_iter().find(|stream| made.get(index(*stream)) == Some(&true)) else {
            return Ok(None);
        };
        let ours = wanted.to.into_iter().zip(users).find_map(|(to, is)| is.then_some(to));
        let in_front = ours.and_then(|ours| control::foreground(ours).ok());
        if in_front == Some(false) {
            return Ok(None);
        }
        let has_keyboard = |stdin| isatty(stdin).unwrap_or(false) && control::is_in_foreground(stdin);
        let is_stdin = in_front == Some(true) && wanted.stdin.is_some_and(has_keyboard);
        let saved = ours.filter(|_| in_front == Some(true)).and_then(modes);
        let mut pairs = [None, None];
        let mut sizes = [None, None];
        for (place, (made, to)) in made.into_iter().zip(wanted.to).enumerate() {
            if let (true, Some(pair), Some(kept)) = (made, pairs.get_mut(place), sizes.get_mut(place)) {
                let there = tty::size(to);
                let size = there.map_or_else(|| size.unwrap_or_else(from_environment), Size::of);
                *pair = Some(Pair::open(modes(to).as_ref(), there.unwrap_or_else(|| size.whole()))?);
                *kept = Some(size);
            }
        }
        let device = |pair: &Option<Pair>| {
            let slave = pair.as_ref()?.slave.as_fd().try_clone_to_owned().ok()?;
            Some(File::from(slave).metadata().ok()?.rdev())
        };
        let devices = pairs.each_ref().map(device);
        let mut masters = [None, None];
        for (master, pair) in masters.iter_mut().zip(&pairs) {
            *master = pair.as_ref().map(|pair| pair.master.try_clone()).transpose()?;
        }
        // If cashet is itself watched, that process may pass on input from now on, and change modes while it does.
        let outer = saved.and_then(|saved| Some((open_ours()?, saved)));
        let control = Control::new(outer, devices, masters, first, !wanted.is_watched)?;
        let control = Arc::new(control);
        Ok(Some(Self { pairs, sizes, first, is_stdin, control, is_watched: wanted.is_watched }))
    }

    /// Where the watching thread reports how the run uses its terminals.
    pub(super) fn control(&self) -> &Arc<Control> {
        &self.control
    }

    /// The two ends of the terminal for `stream`.
    ///
    /// # Errors
    /// If no descriptor is left.
    pub(super) fn ends(&self, stream: Stream) -> io::Result<Option<Ends>> {
        let Some(pair) = self.pairs.get(index(stream)).and_then(Option::as_ref) else { return Ok(None) };
        let identity = identity(pair.slave.as_fd());
        Ok(Some(Ends { ours: pair.master.try_clone()?, childs: pair.slave.try_clone()?, identity }))
    }

    /// The terminal that the command gets as its standard input, if it gets one.
    ///
    /// # Errors
    /// If no descriptor is left.
    pub(super) fn stdin(&self) -> io::Result<Option<OwnedFd>> {
        if self.is_stdin { Ok(Some(self.controlling()?)) } else { Ok(None) }
    }

    /// The controlling terminal of the command's session.
    ///
    /// # Errors
    /// If no descriptor is left.
    pub(super) fn controlling(&self) -> io::Result<OwnedFd> {
        let pair = self.pairs.get(index(self.first)).and_then(Option::as_ref);
        pair.map_or_else(|| Err(io::ErrorKind::NotFound.into()), |pair| pair.slave.try_clone())
    }

    /// The relay for keyboard input, once the command has all its descriptors.
    pub(super) fn relay(self) -> Option<Relay> {
        let masters = self.pairs.map(|pair| pair.map(|pair| pair.master));
        Relay::new(masters, self.sizes, self.first, self.control, self.is_watched)
    }
}

impl Size {
    fn of(size: libc::winsize) -> Self {
        Self { columns: size.ws_col, rows: size.ws_row }
    }

    fn whole(self) -> libc::winsize {
        libc::winsize { ws_row: self.rows, ws_col: self.columns, ws_xpixel: 0, ws_ypixel: 0 }
    }
}

/// The size from `COLUMNS` and `LINES`, where there is no terminal.
#[must_use]
pub fn from_environment() -> Size {
    let number = |name: &str| std::env::var(name).ok()?.parse().ok().filter(|number| *number > 0);
    Size { columns: number("COLUMNS").unwrap_or(USUAL.columns), rows: number("LINES").unwrap_or(USUAL.rows) }
}

/// The user's terminal. No other code reads from this descriptor.
fn open_ours() -> Option<OwnedFd> {
    let mut options = File::options();
    options.read(true).write(true).custom_flags(libc::O_NOCTTY | libc::O_NONBLOCK);
    above_standard(options.open("/dev/tty").ok()?.into()).ok()
}

/// The size of the terminal `to`, as a command finds it that runs there; `None` if `to` is not a terminal.
#[must_use]
pub fn size_of(to: BorrowedFd<'_>) -> Option<Size> {
    isatty(to).unwrap_or(false).then(|| tty::size(to).map(Size::of)).flatten()
}
