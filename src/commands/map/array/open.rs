//! A job of a sweep that has not ended: its state, and its outcome once that is known.

use crate::commands::jobs::{Over, Owner, Settings, gone, is_own, termination};
use crate::commands::map::pool::Work;
use crate::commands::map::run;
use crate::elsewhere::{Place, State};
use crate::error::Result;
use crate::ui::board::Outcome;
use crate::ui::relay::Output;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// A job that has not ended.
pub(super) struct Open {
    pub(super) work: Work,
    pub(super) place: Place,
    /// The engine's id; empty if it is not known or the engine gives none.
    pub(super) id: String,
    pub(super) attempts: u32,
    /// The line of the board that shows it, once it runs.
    pub(super) slot: Option<usize>,
    pub(super) attempt: Option<(u32, String)>,
    pub(super) output: Option<Arc<Output>>,
    pub(super) is_queued: bool,
    pub(super) over: Option<Over>,
    pub(super) earlier: Option<Earlier>,
}

/// The call that submitted a job, if that is not this sweep.
pub(super) struct Earlier {
    pub(super) owner: Owner,
    pub(super) executor: String,
}

impl Open {
    pub(super) fn new(work: Work, place: Place, id: String, attempts: u32, earlier: Option<Earlier>) -> Self {
        Self {
            work,
            place,
            id,
            attempts,
            slot: None,
            attempt: None,
            output: None,
            is_queued: false,
            over: None,
            earlier,
        }
    }

    /// Whether the engine of this sweep knows it.
    pub(super) fn is_ours(&self) -> bool {
        let is_elsewhere = self.earlier.as_ref().is_some_and(|earlier| !matches!(earlier.owner, Owner::Same));
        !is_elsewhere && !self.id.is_empty()
    }

    /// Whether it has not begun and another call submitted it, which may wait for it.
    pub(super) fn waits_for_others(&self) -> bool {
        self.earlier.is_some()
            && self.attempt.is_none()
            && self.over.is_none()
            && self.place.result().is_none()
    }

    /// The state of a job that the engine of this sweep does not know; `None` while it goes on.
    pub(super) fn state(&self, settings: &Settings) -> Option<State> {
        if let (Some(earlier), false) = (&self.earlier, self.id.is_empty()) {
            return match earlier.owner.engine(settings) {
                Some(engine) => engine.states(&[&self.id]).pop(),
                None => Some(State::Over { how: gone(&earlier.executor), ended_by_engine: true }),
            };
        }
        // Another process waits for it, unless it has died.
        let how = "the process that submitted it has ended".to_owned();
        let goes_on = self.place.is_submitting() || self.place.is_running();
        (!goes_on).then_some(State::Over { how, ended_by_engine: false })
    }

    pub(super) fn stands(&mut self, state: State) {
        self.is_queued = matches!(state, State::Queued(_));
        self.over = match state {
            State::Over { how, ended_by_engine } => {
                Some(Over::again(self.over.as_ref(), how, ended_by_engine))
            }
            State::Unknown(_) => self.over.take(),
            State::Queued(_) | State::Running(_) => None,
        };
    }

    /// The outcome, once it is known.
    pub(super) fn outcome(&self) -> Option<Outcome> {
        if self.is_queued {
            return None;
        }
        if let Some(result) = self.place.result() {
            let report: Value = serde_json::from_slice(&result).unwrap_or_default();
            if let Some(error) = report.get("error").and_then(Value::as_str) {
                return Some(Outcome::failed(error.to_owned(), Duration::ZERO));
            }
            if let Some(ended) = termination(&report)
                && is_own(&report, !self.id.is_empty(), self.over.as_ref())
            {
                return Some(run::read(ended, &report));
            }
        }
        let over = self.over.as_ref().filter(|over| over.is_lost(&self.place, false))?;
        let why = format!(
            "job {} ended without a result: {}; see {}",
            self.id,
            over.how(),
            self.place.log().display()
        );
        Some(Outcome::failed(why, Duration::ZERO))
    }

    /// Whether it was cancelled before it began.
    pub(super) fn is_withdrawn(&self) -> bool {
        self.attempt.is_none()
            && self.place.result().is_none()
            && self.over.as_ref().is_some_and(Over::is_cancelled)
    }

    /// Cancels a job of another executor.
    pub(super) fn cancel_there(&self) -> Result<()> {
        let Some(Earlier { owner: Owner::Other(other), .. }) = &self.earlier else { return Ok(()) };
        let at = self.place.newest_attempt(0).map(|(_, machine, process)| (machine, process));
        other.engine.cancel(&[&self.id], at.as_ref().map(|(machine, process)| (machine.as_str(), *process)))
    }
}
