//! The outcome of one run of a sweep, and its parameters, each in one line.

use crate::record::Termination;
use crate::ui::{escape, human};
use std::time::Duration;

/// How a run of a sweep ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Replayed.
    Hit,
    /// It ran and succeeded.
    Ran,
    /// It ran and failed, or could not be started.
    Failed,
}

impl State {
    /// As one word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Ran => "ran",
            Self::Failed => "failed",
        }
    }
}

/// The outcome of a run of a sweep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// How it ended.
    pub state: State,
    /// The id of its record, in hexadecimal digits.
    pub commit: Option<String>,
    /// How the command ended, in this run or in the replayed one.
    pub termination: Option<Termination>,
    /// The duration of that run, in nanoseconds.
    pub wall: u64,
    /// Why it is not cached: a code and the details.
    pub not_kept: Option<(String, String)>,
    /// Why it could not be started.
    pub error: Option<String>,
    /// Further notes for the user.
    pub warnings: Vec<String>,
    /// The number of attempts.
    pub attempts: u32,
}

impl Outcome {
    /// The outcome of a run that could not be started.
    #[must_use]
    pub fn failed(why: String, after: Duration) -> Self {
        Self {
            state: State::Failed,
            commit: None,
            termination: None,
            wall: u64::try_from(after.as_nanos()).unwrap_or(u64::MAX),
            not_kept: None,
            error: Some(why),
            warnings: Vec::new(),
            attempts: 1,
        }
    }

    /// As one line; `last_line` is the last line of error output.
    pub(super) fn text(&self, last_line: Option<&str>) -> String {
        let commit = self.commit.as_deref().and_then(|commit| commit.get(..12)).unwrap_or_default();
        let attempts =
            if self.attempts > 1 { format!(" at attempt {}", self.attempts) } else { String::new() };
        match self.state {
            State::Hit => format!("hit {commit} · saved {}", human::duration(self.wall)),
            State::Ran => match &self.not_kept {
                Some((word, detail)) => {
                    let why = if detail.is_empty() { word } else { detail };
                    format!("ran {} · not cached: {why}", human::duration(self.wall))
                }
                None => format!("ran {}{attempts} · cached {commit}", human::duration(self.wall)),
            },
            State::Failed => {
                let how = match (&self.error, self.termination) {
                    (Some(error), _) => error.clone(),
                    (None, Some(ended)) => human::termination(ended),
                    (None, None) => "it did not end".to_owned(),
                };
                let last = last_line.filter(|_| self.error.is_none()).map(|line| format!(" · {line}"));
                format!("failed{attempts}: {how}{}", last.unwrap_or_default())
            }
        }
    }
}

/// Parameters as one line: `lr=0.1 depth=2`. A single parameter without a name is shown alone.
#[must_use]
pub fn label(parameters: &[(String, Vec<u8>)]) -> String {
    if let [(name, value)] = parameters
        && name == crate::sweep::rows::LINE
    {
        return escape::word(value).into_owned();
    }
    let pairs = parameters.iter().map(|(name, value)| format!("{name}={}", escape::word(value)));
    pairs.collect::<Vec<_>>().join(" ")
}
