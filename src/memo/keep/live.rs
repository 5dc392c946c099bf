//! What a run writes, in its mark, so that other calls can follow it while it is in progress.

use crate::buffer::Buffer;
use crate::exec::Recorder;
use crate::record::Stream;
use crate::store::{Running, frame};
use std::sync::{Mutex, PoisonError};

/// As much waits in memory until there is a mark: a run that writes more by then is not shown before its end.
const MOST_WAITING: usize = 4 << 20;

/// As much can be followed; what comes after that is only in the record.
const MOST: usize = 64 << 20;

/// The output of a run, for those who follow it.
pub(super) struct Live {
    state: Mutex<State>,
}

enum State {
    /// There is no mark yet: these frames wait.
    Waits(Vec<u8>),
    /// So many bytes are in the mark.
    Marked(Running, usize),
    /// The mark takes no more, if there is one.
    Ended(#[expect(dead_code, reason = "the mark goes when it is dropped")] Option<Running>),
}

impl Live {
    /// Of a run that is recorded, or of one that is not and so cannot be followed.
    pub(super) fn new(recording: bool) -> Self {
        let state = if recording { State::Waits(Vec::new()) } else { State::Ended(None) };
        Self { state: Mutex::new(state) }
    }

    /// The run has this mark from now on; without one it cannot be followed.
    pub(super) fn marked(&self, mark: Option<Running>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        *state = match (std::mem::replace(&mut *state, State::Ended(None)), mark) {
            (State::Waits(frames), Some(mark)) => added(mark, &frames, 0),
            (_, mark) => State::Ended(mark),
        };
    }

    fn took(&self, stream: Stream, bytes: &[u8]) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *state {
            State::Ended(_) => {}
            State::Waits(frames) if frames.len().saturating_add(bytes.len()) <= MOST_WAITING => {
                frame(stream, bytes, frames);
            }
            State::Waits(_) => *state = State::Ended(None),
            State::Marked(..) => {
                if let State::Marked(mark, length) = std::mem::replace(&mut *state, State::Ended(None)) {
                    let mut frames = Vec::new();
                    frame(stream, bytes, &mut frames);
                    *state = added(mark, &frames, length);
                }
            }
        }
    }
}

/// The mark with further frames, unless they are too many or cannot be written.
fn added(mark: Running, frames: &[u8], length: usize) -> State {
    let length = length.saturating_add(frames.len());
    if length > MOST || mark.add(frames).is_err() {
        State::Ended(Some(mark))
    } else {
        State::Marked(mark, length)
    }
}

/// Hands on what comes to another recorder, after those who follow the run could see it.
pub(super) struct Followed<'a> {
    inner: &'a mut dyn Recorder,
    live: &'a Live,
}

impl<'a> Followed<'a> {
    pub(super) fn new(inner: &'a mut dyn Recorder, live: &'a Live) -> Self {
        Self { inner, live }
    }
}

impl Recorder for Followed<'_> {
    fn chunk(&mut self, stream: Stream, bytes: &[u8]) {
        self.live.took(stream, bytes);
        self.inner.chunk(stream, bytes);
    }

    fn buffer(&mut self, stream: Stream, buffer: &mut Buffer, length: usize) {
        self.live.took(stream, buffer.get(..length).unwrap_or_default());
        self.inner.buffer(stream, buffer, length);
    }
}
