//! Waiting until something can be done for the streams of a run: one call of `poll` for everything.

use crate::exec::process::Process;
use crate::exec::sink::timeout;
use crate::exec::streams::{Awaited, Streams};
use crate::exec::terminal::Asked;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::time::Duration;

/// What happened while [`Streams::wait`] waited.
pub(super) struct Happened {
    pub(super) ready: [Ready; 2],
    /// The command itself has ended, if that was not known already.
    pub(super) has_ended: bool,
    /// Nothing at all.
    pub(super) nothing: bool,
}

/// What happened at the two ends of one stream.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ready {
    /// There is something to read, or its end.
    pub(super) readable: bool,
    /// No process holds the other end of the pipe, or the pipe was not polled.
    pub(super) released: bool,
    /// The user's reader is gone.
    pub(super) reader_gone: bool,
}

impl Streams<'_> {
    /// Whether to poll the sink `number`: bytes wait for it, or the end of its reader counts.
    fn asks_sink(&self, number: usize) -> bool {
        let is_used = || self.sources.iter().any(|source| source.sink == number && source.open().is_some());
        self.sinks.get(number).is_some_and(|sink| sink.has_waiting() || sink.watches_reader && is_used())
    }

    /// Waits, at most `limit`, until something can be done.
    pub(super) fn wait(
        &mut self,
        process: &Process,
        known_ended: bool,
        limit: Option<Duration>,
    ) -> nix::Result<Happened> {
        let mut asked = Vec::with_capacity(9);
        let is_asked = self.sources.each_ref().map(|source| {
            let awaits_other =
                self.awaited.as_ref().is_some_and(|awaited| awaited.writing.stream != source.stream);
            // Little is left when the command has ended.
            source.open().filter(|_| !awaits_other && (known_ended || !self.is_congested(source.stream)))
        });
        asked.extend(is_asked.into_iter().flatten().map(|from| PollFd::new(from, PollFlags::POLLIN)));
        let is_sink_asked: Vec<bool> = (0..self.sinks.len()).map(|number| self.asks_sink(number)).collect();
        for (sink, _) in self.sinks.iter().zip(&is_sink_asked).filter(|(_, is_asked)| **is_asked) {
            let wanted = if sink.has_waiting() { PollFlags::POLLOUT } else { PollFlags::empty() };
            asked.push(PollFd::new(sink.to, wanted));
        }
        let ended = process.ended().filter(|_| !known_ended);
        asked.extend(ended.map(|ended| PollFd::new(ended, PollFlags::POLLIN)));
        asked.extend(self.order.as_ref().map(|order| PollFd::new(order.woken(), PollFlags::POLLIN)));
        let of_relay = self.relay.as_ref().map_or_else(Asked::default, |relay| relay.ask(&mut asked));
        let nothing = poll(&mut asked, limit.map_or(PollTimeout::NONE, timeout))? == 0;
        let mut answers = asked.iter().map(|one| one.revents().unwrap_or(PollFlags::empty()));
        let from = is_asked.map(|asked| asked.and_then(|_| answers.next()));
        let mut to = Vec::with_capacity(is_sink_asked.len());
        for is_asked in &is_sink_asked {
            to.push(if *is_asked {
                answers.next().unwrap_or(PollFlags::empty())
            } else {
                PollFlags::empty()
            });
        }
        let has_ended = ended.is_some() && answers.next().is_some_and(|answer| !answer.is_empty());
        let is_woken = self.order.is_some() && answers.next().is_some_and(|answer| !answer.is_empty());
        let for_relay: Vec<PollFlags> = answers.collect();
        if let Some(relay) = &mut self.relay {
            relay.answered(of_relay, &mut for_relay.into_iter());
        }
        let mut ready = [Ready::default(); 2];
        for ((ready, source), from) in ready.iter_mut().zip(&self.sources).zip(from) {
            let sink = self.sinks.get(source.sink).filter(|sink| sink.watches_reader);
            let to = to.get(source.sink).filter(|_| sink.is_some() && source.open().is_some());
            *ready = Ready {
                readable: from.is_some_and(|from| !from.is_empty()),
                released: from.is_none_or(|from| from.contains(PollFlags::POLLHUP)),
                reader_gone: to.is_some_and(|to| to.intersects(PollFlags::POLLERR | PollFlags::POLLHUP)),
            };
        }
        if is_woken && let Some(order) = &self.order {
            self.waiting.extend(order.take());
            // A process that asks again has finished its former write.
            let is_back =
                |awaited: &Awaited| self.waiting.iter().any(|request| request.by == awaited.writing.tid);
            if self.awaited.as_ref().is_some_and(is_back) {
                self.awaited = None;
            }
        }
        Ok(Happened { ready, has_ended, nothing })
    }
}
