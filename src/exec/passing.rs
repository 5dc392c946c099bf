//! Passing the child's streams on as they come: read, write to the user, report to the recorder.
//!
//! Knows nothing about how the child was started or is watched, only when it has ended.

mod holders;
mod wait;

use super::order::{self, Order, Then, index};
use super::process::Process;
use super::signals::Caught;
use super::sink::{Kind, Sink};
use super::streams::{Awaited, Streams, end_of};
use super::terminal::{Control, Relay, newlines};
use super::{Recorder, StreamEnd};
use crate::buffer::Buffer;
use crate::record::Stream;
use nix::errno::Errno;
use nix::unistd::read;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};
use wait::Happened;

/// From this number of bytes on, a stream counts as large.
const MUCH: usize = 64 * 1024;
/// Size of the buffer for large streams.
const LARGE_BUFFER: usize = 256 * 1024;
/// Size of the pipe for large streams.
#[cfg(target_os = "linux")]
const LARGE_PIPE: i32 = 1024 * 1024;
/// After the command has ended: how long a pipe that another process holds may stay silent until it is given up, unless that
/// process waits for the processor, as on a busy machine.
const IDLE: Duration = Duration::from_millis(150);
/// After the command has ended: how long a pipe that another process holds is read.
const DRAIN: Duration = Duration::from_secs(1);
/// Interval of looks for events that cannot be waited for.
const ASK: Duration = Duration::from_millis(20);
/// Interval of looks whether a write without bytes has finished.
const ARRIVES: Duration = Duration::from_millis(2);
/// Both, in the order of reading. A write to stderr that was not observed came most often before the next write to stdout.
const READ_FIRST: [Stream; 2] = [Stream::Stderr, Stream::Stdout];

impl Streams<'_> {
    /// Passes on until the command and its streams have ended, or only processes left behind hold them. Returns the
    /// moment when the command itself had ended.
    ///
    /// # Errors
    /// When the system cannot wait for descriptors.
    pub(super) fn pass_on(
        &mut self,
        process: &Process,
        caught: &Caught,
        recorder: &mut dyn Recorder,
    ) -> io::Result<Instant> {
        if let Some(order) = &self.order {
            order.begin();
        }
        let passed = self.until_end(process, caught, recorder);
        if let Some(order) = &self.order {
            order.close();
        }
        for request in self.waiting.drain(..) {
            (request.release)();
        }
        self.sinks.iter_mut().for_each(Sink::release);
        passed
    }

    fn until_end(
        &mut self,
        process: &Process,
        caught: &Caught,
        recorder: &mut dyn Recorder,
    ) -> io::Result<Instant> {
        let mut ended: Option<Instant> = None;
        loop {
            self.attend(caught);
            self.answer(recorder);
            let is_open = self.sources.iter().any(|source| source.open().is_some());
            if let Some(ended) = ended.filter(|_| !is_open) {
                return Ok(ended);
            }
            let limit = match ended {
                Some(ended) => Some(IDLE.min(DRAIN.saturating_sub(ended.elapsed()))),
                None => process.ended().is_none().then_some(ASK),
            };
            let limit = match self.relay.as_ref().and_then(Relay::limit) {
                Some(look) => Some(limit.unwrap_or(look).min(look)),
                None => limit,
            };
            let limit =
                if self.awaited.is_some() { Some(limit.unwrap_or(ARRIVES).min(ARRIVES)) } else { limit };
            let Happened { ready, has_ended, nothing } = match self.wait(process, ended.is_some(), limit) {
                Ok(answer) => answer,
                Err(Errno::EINTR) => continue,
                Err(errno) => return Err(errno.into()),
            };
            if nothing && let Some(awaited) = &mut self.awaited {
                if order::is_over(&awaited.writing, &mut awaited.run) {
                    self.awaited = None;
                }
                continue;
            }
            for number in 0..self.sinks.len() {
                let flushed = self.sinks.get_mut(number).map_or(Ok(()), Sink::flush_some);
                if let Err(errno) = flushed {
                    self.fail(number, errno);
                }
            }
            let is_late = ended.is_some_and(|ended| ended.elapsed() >= DRAIN);
            let is_silent = ended.is_some() && nothing;
            let hurry = ended.is_some() || caught.seen().is_some();
            for stream in READ_FIRST {
                let ready = ready.get(index(stream)).copied().unwrap_or_default();
                let Some(source) = self.sources.get_mut(index(stream)) else { continue };
                let Some(from) = source.open() else { continue };
                let over = is_late || is_silent && !holders::is_busy(from);
                if ready.reader_gone {
                    let sink = source.sink;
                    self.fail(sink, Errno::EPIPE);
                } else if over && !ready.released {
                    source.end = StreamEnd::StillHeld;
                } else if ready.readable {
                    self.take(stream, hurry, recorder);
                }
            }
            if ended.is_none() && (has_ended || (nothing && process.has_ended())) {
                ended = Some(Instant::now());
                if let Some(relay) = &mut self.relay {
                    relay.command_ended();
                }
            }
        }
    }

    /// What concerns terminals.
    fn attend(&mut self, caught: &Caught) {
        if let Some(relay) = &mut self.relay {
            let to = self.sources.each_ref().map(|source| self.sinks.get(source.sink).map(|sink| sink.to));
            relay.attend(caught, to);
        }
    }

    /// Lets those go on who wait for the streams to be read so far, one after the other.
    fn answer(&mut self, recorder: &mut dyn Recorder) {
        let is_gone = |awaited: &Awaited| {
            let source = self.sources.get(index(awaited.writing.stream));
            source.is_none_or(|source| source.open().is_none())
        };
        if self.awaited.as_ref().is_some_and(is_gone) {
            self.awaited = None;
        }
        while self.awaited.is_none() {
            let Some(request) = self.waiting.pop_front() else { return };
            self.settle(recorder);
            match request.then {
                Then::Nothing => {}
                Then::HoldBack(stream) => {
                    let sink = self.sources.get(index(stream)).map(|source| source.sink);
                    if let Some(sink) = sink.and_then(|sink| self.sinks.get_mut(sink)) {
                        sink.hold_back();
                    }
                }
                Then::Write(writing) => {
                    let source = self.sources.get(index(writing.stream));
                    if writing.most > 0 && source.is_some_and(|source| source.open().is_some()) {
                        self.awaited = Some(Awaited { writing, left: writing.most, run: None });
                    }
                }
            }
            (request.release)();
        }
    }

    /// Reads what is in both pipes at this moment.
    fn settle(&mut self, recorder: &mut dyn Recorder) {
        for stream in READ_FIRST {
            let Some(source) = self.sources.get(index(stream)) else { continue };
            let mut there = source.there();
            while there > 0 {
                if self.is_congested(stream) {
                    // A reader that is so far behind is not waited for.
                    if let Some(order) = &self.order {
                        order.lost();
                    }
                    break;
                }
                let got = self.read(stream, there, true, recorder);
                if got == 0 {
                    break;
                }
                there = there.saturating_sub(got);
            }
        }
    }

    fn is_congested(&self, stream: Stream) -> bool {
        let source = self.sources.get(index(stream));
        source.and_then(|source| self.sinks.get(source.sink)).is_some_and(Sink::is_full)
    }

    /// Passes on what is there, at most one buffer.
    fn take(&mut self, stream: Stream, hurry: bool, recorder: &mut dyn Recorder) {
        let most = match &self.awaited {
            Some(awaited) if awaited.writing.stream == stream => {
                usize::try_from(awaited.left).unwrap_or(usize::MAX)
            }
            _ => usize::MAX,
        };
        let shared = if most == usize::MAX { self.share(stream, hurry, recorder) } else { 0 };
        let got = if shared > 0 { shared } else { self.read(stream, most, hurry, recorder) };
        if let Some(awaited) = &mut self.awaited
            && awaited.writing.stream == stream
        {
            awaited.left = awaited.left.saturating_sub(got as u64);
            awaited.run = None;
            if awaited.left == 0 || got == 0 {
                self.awaited = None;
            }
        }
    }

    /// Reads at most `most` bytes and passes them on; how many came.
    fn read(&mut self, stream: Stream, most: usize, hurry: bool, recorder: &mut dyn Recorder) -> usize {
        let Some(source) = self.sources.get_mut(index(stream)) else { return 0 };
        let Some(from) = source.open() else { return 0 };
        let is_terminal = source.is_terminal;
        let relay = self.relay.as_ref().filter(|_| is_terminal);
        let ends_lines = relay.is_some_and(|relay| relay.ends_lines(stream));
        let control = relay.filter(|_| ends_lines).map(|relay| Arc::clone(&relay.control));
        // Of each line that ends, the terminal makes one byte more; and one byte is left for the rest of such an end.
        let room = if ends_lines {
            most.saturating_mul(2).min(self.buffer.len().saturating_sub(1))
        } else {
            most.min(self.buffer.len())
        };
        let mut got = match read(from, self.buffer.get_mut(..room).unwrap_or_default()) {
            Ok(0) => {
                source.close(StreamEnd::Complete);
                return 0;
            }
            Ok(got) => got,
            Err(Errno::EINTR | Errno::EAGAIN) => return 0,
            // So a terminal says that nobody holds its other end.
            Err(Errno::EIO) if is_terminal => {
                source.close(StreamEnd::Complete);
                return 0;
            }
            Err(errno) => {
                source.close(StreamEnd::WriteFailed(errno as i32));
                return 0;
            }
        };
        if ends_lines {
            // The two bytes that end a line may come apart.
            while got < self.buffer.len()
                && got > 0
                && self.buffer.get(got - 1) == Some(&b'\r')
                && let Ok(1) = read(from, self.buffer.get_mut(got..got + 1).unwrap_or_default())
            {
                got += 1;
            }
        }
        let number = source.sink;
        let before = source.length;
        source.length = before.saturating_add(got);
        if before < MUCH && source.length >= MUCH {
            if let Some(from) = &source.from {
                enlarge(from);
            }
            let small = std::mem::replace(&mut self.buffer, Buffer::new(LARGE_BUFFER));
            if let (Some(to), Some(from)) = (self.buffer.get_mut(..got), small.get(..got)) {
                to.copy_from_slice(from);
            }
        }
        // The user's terminal makes the ends of lines itself unless it is raw, which it must not become in between.
        let steady = control.as_deref().map(Control::output);
        let is_raw = control.as_deref().is_some_and(Control::is_raw);
        if ends_lines && !is_raw {
            got = newlines::take_out(self.buffer.get_mut(..got).unwrap_or_default());
        }
        let bytes = self.buffer.get(..got).unwrap_or_default();
        let wake = self.order.as_deref().map(Order::woken);
        let pushed = self.sinks.get_mut(number).map_or(Ok(()), |sink| sink.push(bytes, wake, hurry));
        drop(steady);
        if ends_lines && is_raw {
            got = newlines::take_out(self.buffer.get_mut(..got).unwrap_or_default());
        }
        match pushed {
            Ok(()) => recorder.buffer(stream, &mut self.buffer, got),
            Err(errno) => self.fail(number, errno),
        }
        got
    }

    /// Lets the user's pipe share what is in ours, which saves a copy; how many bytes it took. None where bytes must be
    /// written after all: it is full, or one of the two is not a pipe.
    #[cfg(target_os = "linux")]
    fn share(&mut self, stream: Stream, hurry: bool, recorder: &mut dyn Recorder) -> usize {
        use nix::fcntl::{SpliceFFlags, tee};
        let wake = self.order.as_deref().map(Order::woken);
        let Some(source) = self.sources.get(index(stream)) else { return 0 };
        let Some(sink) = self.sinks.get_mut(source.sink) else { return 0 };
        let Some(from) = source.open() else { return 0 };
        if sink.kind != Kind::Pipe || source.is_terminal || source.length < MUCH || !sink.is_clear() || hurry
        {
            return 0;
        }
        let most = self.buffer.len();
        let share = |to| tee(from, to, most, SpliceFFlags::SPLICE_F_NONBLOCK);
        let mut shared = share(sink.to);
        if shared == Err(Errno::EAGAIN) && sink.has_room(wake, hurry) == Ok(true) {
            shared = share(sink.to);
        }
        // Whatever stands against it stands against writing too, which then says so.
        let Ok(shared) = shared else { return 0 };
        sink.took(shared);
        let mut left = shared;
        while left > 0 {
            let Some(source) = self.sources.get_mut(index(stream)) else { break };
            let Some(from) = source.open() else { break };
            let room = left.min(self.buffer.len());
            match read(from, self.buffer.get_mut(..room).unwrap_or_default()) {
                // Cannot be: nobody else reads from our end.
                Ok(0) => source.close(StreamEnd::WriteFailed(Errno::EIO as i32)),
                Ok(got) => {
                    source.length = source.length.saturating_add(got);
                    left = left.saturating_sub(got);
                    recorder.buffer(stream, &mut self.buffer, got);
                }
                Err(Errno::EINTR) => {}
                Err(errno) => source.close(StreamEnd::WriteFailed(errno as i32)),
            }
        }
        shared
    }

    /// Nothing is shared.
    #[cfg(not(target_os = "linux"))]
    fn share(&mut self, _stream: Stream, _hurry: bool, _recorder: &mut dyn Recorder) -> usize {
        0
    }

    /// The sink `number` takes no more.
    fn fail(&mut self, number: usize, errno: Errno) {
        let end = end_of(errno);
        for source in self.sources.iter_mut().filter(|source| source.sink == number) {
            if source.open().is_some() {
                source.close(end);
                if let Some(relay) = &mut self.relay {
                    relay.let_go(source.stream);
                }
            }
        }
        if let Some(sink) = self.sinks.get_mut(number) {
            sink.forget();
        }
    }
}

/// Where the system allows it, a larger pipe means fewer switches between us and the child.
#[cfg(target_os = "linux")]
fn enlarge(pipe: &OwnedFd) {
    use nix::fcntl::{FcntlArg, fcntl};
    let _ = fcntl(pipe, FcntlArg::F_SETPIPE_SZ(LARGE_PIPE));
}

/// Pipes keep the size that the system gives them.
#[cfg(not(target_os = "linux"))]
fn enlarge(_pipe: &OwnedFd) {}
