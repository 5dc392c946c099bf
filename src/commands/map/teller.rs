//! Reports the progress of a sweep while it runs, and the exit status at its end.

use super::jobs::Job;
use super::pool::{Event, mark, object, tags};
use super::signals::Stop;
use crate::commands::exec::resident::Resident;
use crate::commands::exit::{DONE, Exit, NO};
use crate::commands::map_arguments::{Options, Print};
use crate::commands::options::Flag;
use crate::digest::{CommitId, Digest};
use crate::error::{Error, Result};
use crate::record::Timestamp;
use crate::ui::board::{self, Board, Counts, Outcome, Running, State};
use crate::ui::escape;
use crate::ui::json::{self, Object};
use crate::ui::message;
use crate::ui::page::Page;
use crate::ui::relay::{self, Output, Shown, Watched};
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

/// Interval between updates of the board.
const TICK: Duration = Duration::from_millis(100);

/// A run in progress, for the board.
struct Now {
    running: Running,
    output: Arc<Output>,
    watched: Watched,
    shown: Shown,
}

/// Reports events.
pub(super) struct Teller<'a> {
    options: &'a Options,
    resident: &'a Resident,
    pub(super) board: Board,
    page: Page<'static>,
    counts: Counts,
    now: Vec<Now>,
    drawn: Instant,
    broken: Option<Error>,
    fail_fast: bool,
}

impl<'a> Teller<'a> {
    pub(super) fn new(options: &'a Options, resident: &'a Resident) -> Self {
        Self {
            options,
            resident,
            board: Board::new(slots(options), !options.json && options.print == Print::No, options.quiet),
            page: Page::stdout(Timestamp::now()),
            counts: Counts::default(),
            now: Vec::new(),
            drawn: Instant::now(),
            broken: None,
            fail_fast: false,
        }
    }

    pub(super) fn listen(&mut self, happens: &Receiver<Event>, stop: &Stop) -> Result<()> {
        loop {
            match happens.recv_timeout(TICK) {
                Ok(event) => self.on(event, stop)?,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
            if self.drawn.elapsed() >= TICK {
                self.draw()?;
                self.drawn = Instant::now();
            }
        }
    }

    fn on(&mut self, event: Event, stop: &Stop) -> Result<()> {
        match event {
            Event::Started { slot, label, output } => {
                let running = Running { slot, label, since: Instant::now(), last_line: None };
                self.now.retain(|now| now.running.slot != slot);
                let (watched, shown) = (Watched::default(), Shown::default());
                self.now.push(Now { running, output, watched, shown });
            }
            Event::Ended { slot, job, outcome, output } => {
                let shown = self.now.iter().position(|now| Some(now.running.slot) == slot);
                let shown = shown.map(|place| self.now.swap_remove(place).shown);
                self.ended(&job, &outcome, output.as_deref(), shown)?;
                if outcome.state == State::Failed && self.options.fail_fast {
                    self.fail_fast = true;
                    // It may have been a hit, without a worker.
                    stop.now();
                }
            }
            Event::Freed { slot } => self.now.retain(|now| now.running.slot != slot),
            Event::Queued(queued) => self.counts.queued = queued,
            Event::Skipped => self.counts.skipped += 1,
            Event::Read { duplicates } => self.counts.duplicates = duplicates,
            Event::Warning(error) if self.options.quiet => drop(error),
            Event::Warning(error) => self.board.aside(|| message::warning(&error.to_string())),
            Event::Broken(error) => {
                stop.now();
                self.broken = Some(error);
            }
        }
        self.counts.running = u64::try_from(self.now.len()).unwrap_or(u64::MAX);
        Ok(())
    }

    fn ended(
        &mut self,
        job: &Job,
        outcome: &Outcome,
        output: Option<&Output>,
        shown: Option<Shown>,
    ) -> Result<()> {
        match outcome.state {
            State::Hit => self.counts.hit += 1,
            State::Ran => self.counts.ran += 1,
            State::Failed => self.counts.failed += 1,
        }
        self.counts.running = u64::try_from(self.now.len()).unwrap_or(u64::MAX);
        let is_lost = outcome.state == State::Ran && outcome.not_kept.is_some();
        self.counts.not_kept += u64::from(is_lost);
        // A result that another process recorded may belong to another sweep, or to none.
        if outcome.state == State::Hit && outcome.attempts > 0 {
            let id = outcome.commit.as_deref().and_then(Digest::from_hex).map(CommitId);
            let tags = self.resident.settle(&job.call).map(|call| tags(&self.options.name, job, &call));
            if let (Some(id), Ok(tags)) = (id, tags)
                && let Some(trouble) = mark(self.resident, id, tags)
            {
                self.board.warn(&trouble);
            }
        }
        let errors = output.filter(|_| outcome.state == State::Failed).map(|output| {
            let last = relay::last_line(&output.stderr).or_else(|| relay::last_line(&output.stdout));
            (relay::end(&output.stderr).unwrap_or_default(), last)
        });
        if let Some(output) = output {
            self.print(output, &board::label(&job.filling.parameters), shown)?;
        }
        let again = || {
            let words: Vec<OsString> = job.call.to_words(&[]);
            let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
            format!("cashet exec {}", escape::words(&words))
        };
        self.board.ended(&self.counts, &job.filling.parameters, outcome, errors, &again);
        if self.options.json {
            let object = shape(&self.options.name, job, outcome);
            let page = &mut self.page;
            self.board.aside(|| page.json(&object.into()).and_then(|()| page.flush()))?;
        }
        Ok(())
    }

    fn print(&self, output: &Output, label: &str, shown: Option<Shown>) -> Result<()> {
        let printed = match self.options.print {
            Print::No => return Ok(()),
            Print::Grouped => self.board.aside(|| relay::all(output)),
            Print::Lines => {
                let mut shown = shown.unwrap_or_default();
                self.board.aside(|| shown.more(output, &format!("{label} | "), true))
            }
        };
        printed.map_err(|error| Error::io("write to", Path::new("standard output"), error))
    }

    fn draw(&mut self) -> Result<()> {
        if self.board.is_live() {
            for now in &mut self.now {
                now.running.last_line = now.watched.last_line(&now.output);
            }
            let running: Vec<Running> = self.now.iter().map(|now| now.running.clone()).collect();
            self.board.tick(&self.counts, &running);
        }
        if self.options.print == Print::Lines {
            let board = &self.board;
            for now in &mut self.now {
                let prefix = format!("{} | ", now.running.label);
                let printed = board.aside(|| now.shown.more(&now.output, &prefix, false));
                printed.map_err(|error| Error::io("write to", Path::new("standard output"), error))?;
            }
        }
        Ok(())
    }

    pub(super) fn finish(self, stop: &Stop) -> Result<Exit> {
        let stopped = match (stop.signal(), self.fail_fast, &self.broken) {
            (Some(_), ..) => Some("interrupted: the same call continues from here"),
            (None, true, _) => Some("stopped at the first failure"),
            _ => None,
        };
        self.page.finish()?;
        self.board.finish(&self.options.name, &self.counts, stopped);
        if let Some(error) = self.broken {
            return Err(error);
        }
        Ok(match stop.signal() {
            Some(signal) => Exit::Signal(signal),
            None if self.counts.failed > 0 => NO,
            None => DONE,
        })
    }
}

/// Maximum number of lines for runs in progress. Executors may run many more jobs.
fn slots(options: &Options) -> usize {
    const ELSEWHERE: usize = 16;
    if options.call.has(Flag::On) { options.jobs.max(ELSEWHERE) } else { options.jobs }
}

fn shape(sweep: &str, job: &Job, outcome: &Outcome) -> Object {
    let text = |text: &Option<String>| text.clone().map_or(serde_json::Value::Null, Into::into);
    let not_kept = outcome.not_kept.as_ref().map(|(reason, detail)| {
        serde_json::Value::from(
            Object::part().with("reason", reason.as_str()).with("detail", detail.as_str()),
        )
    });
    object(sweep, job)
        .with("outcome", outcome.state.word())
        .with("commit", text(&outcome.commit))
        .with("exit", outcome.termination.map_or(serde_json::Value::Null, json::termination))
        .with("not_kept", not_kept.unwrap_or_default())
        .with("wall_ns", outcome.wall)
        .with("attempts", outcome.attempts)
        .with("error", text(&outcome.error))
        .with("warnings", outcome.warnings.iter().map(String::as_str).collect::<serde_json::Value>())
}
