//! The progress display of a sweep: a live board on a terminal, or else a line for each run that ended.

mod outcome;

pub use outcome::{Outcome, State, label};

use super::colour::{self, Role};
use super::{escape, human, message};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;
use std::time::Instant;

/// Maximum number of columns for the parameters of a run.
const LABEL: usize = 48;

/// Maximum number of failures that are printed in full at the end.
const MOST_FAILURES: usize = 10;

/// Number of lines of error output that are printed for each failure.
const MOST_LINES: usize = 12;

/// A failure that is printed at the end.
struct Failure {
    label: String,
    text: String,
    errors: Vec<u8>,
    again: String,
}

/// Numbers of runs by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Replayed.
    pub hit: u64,
    /// Succeeded.
    pub ran: u64,
    /// Succeeded and not cached.
    pub not_kept: u64,
    /// Failed.
    pub failed: u64,
    /// Running now.
    pub running: u64,
    /// Waiting on another machine.
    pub queued: u64,
    /// Omitted because the same run occurs earlier.
    pub duplicates: u64,
    /// Omitted because they did not fail before.
    pub skipped: u64,
}

impl Counts {
    const fn ended(&self) -> u64 {
        self.hit.saturating_add(self.ran).saturating_add(self.failed)
    }
}

/// One run in progress.
#[derive(Clone, Debug)]
pub struct Running {
    /// The worker that it runs on.
    pub slot: usize,
    /// Its parameters.
    pub label: String,
    /// When it began.
    pub since: Instant,
    /// The last line that it printed.
    pub last_line: Option<String>,
}

/// Shows a sweep.
pub struct Board {
    /// The bars, on a terminal: one for the total, and below it one for each worker.
    live: Option<Live>,
    lines: bool,
    quiet: bool,
    total: Option<u64>,
    workers: u64,
    /// Total duration of successful runs, in nanoseconds, and their number.
    usual: (u64, u64),
    saved: u64,
    begun: Instant,
    failures: Vec<Failure>,
    untold: u64,
    warned: Vec<String>,
}

struct Live {
    multi: MultiProgress,
    total: ProgressBar,
    workers: Vec<Option<ProgressBar>>,
}

impl Board {
    /// A board for this number of workers. With `lines`, each run that has ended is printed where there is no live board.
    #[must_use]
    pub fn new(workers: usize, lines: bool, quiet: bool) -> Self {
        let target = ProgressDrawTarget::stderr_with_hz(10);
        // Nothing can be drawn on a terminal of unknown type.
        let live = (std::io::stderr().is_terminal() && !target.is_hidden() && !quiet).then(|| {
            let multi = MultiProgress::with_draw_target(target);
            let total = multi.add(ProgressBar::new(0));
            total.set_style(style("{pos}/{len} {bar:20} {msg}"));
            Live { multi, total, workers: vec![None; workers] }
        });
        Self {
            lines: lines && live.is_none() && !quiet,
            live,
            quiet,
            total: None,
            workers: u64::try_from(workers).unwrap_or(u64::MAX).max(1),
            usual: (0, 0),
            saved: 0,
            begun: Instant::now(),
            failures: Vec::new(),
            untold: 0,
            warned: Vec::new(),
        }
    }

    /// The maximum number of runs, where it is known.
    pub fn total(&mut self, total: Option<u64>) {
        self.total = total;
    }

    /// Whether the board is live, on a terminal.
    #[must_use]
    pub const fn is_live(&self) -> bool {
        self.live.is_some()
    }

    /// Updates the display.
    pub fn tick(&mut self, counts: &Counts, running: &[Running]) {
        let room = message::width().unwrap_or(80);
        let usual = self.usual.0.checked_div(self.usual.1);
        let text = self.counted(counts, true);
        let of = self.of(counts);
        let Some(live) = &mut self.live else { return };
        for (slot, place) in live.workers.iter_mut().enumerate() {
            let run = running.iter().find(|run| run.slot == slot);
            match (run, &place) {
                (None, Some(bar)) => {
                    bar.finish_and_clear();
                    live.multi.remove(bar);
                    *place = None;
                }
                (Some(run), _) => {
                    let bar = place.get_or_insert_with(|| {
                        let bar = live.multi.insert_before(&live.total, ProgressBar::new_spinner());
                        bar.set_style(style("{msg}"));
                        bar
                    });
                    bar.set_message(escape::cut(&line(run, usual), room.saturating_sub(1)).into_owned());
                }
                (None, None) => {}
            }
        }
        live.total.set_length(of);
        live.total.set_position(counts.ended());
        live.total.set_message(escape::cut(&text, room.saturating_sub(35)).into_owned());
        live.total.tick();
    }

    /// The expected number of runs, if it is known.
    fn of(&self, counts: &Counts) -> u64 {
        let left = counts.duplicates.saturating_add(counts.skipped);
        let known = counts.ended().saturating_add(counts.running);
        self.total.map_or(known, |total| total.saturating_sub(left).max(known))
    }

    fn counted(&self, counts: &Counts, live: bool) -> String {
        let parts = [
            (counts.hit, "hit"),
            (counts.ran, "ran"),
            (counts.running, "running"),
            (counts.queued, "queued"),
            (counts.failed, "failed"),
            (counts.not_kept, "not cached"),
        ];
        let told = parts.iter().filter(|(count, what)| *count > 0 || (*what == "hit" && !live));
        let mut told: Vec<String> =
            told.map(|(count, what)| format!("{} {what}", human::number(*count))).collect();
        let left = self.of(counts).saturating_sub(counts.ended());
        if let (true, Some(usual), true) = (live, self.usual.0.checked_div(self.usual.1), left > 0) {
            let rounds = left.div_ceil(self.workers);
            told.push(format!("ETA {}", coarse(usual.saturating_mul(rounds))));
        }
        told.join(" · ")
    }

    /// A run has ended; `again` is the command that repeats it.
    pub fn ended(
        &mut self,
        counts: &Counts,
        parameters: &[(String, Vec<u8>)],
        outcome: &Outcome,
        errors: Option<(Vec<u8>, Option<String>)>,
        again: &dyn Fn() -> String,
    ) {
        match outcome.state {
            State::Hit => self.saved = self.saved.saturating_add(outcome.wall),
            State::Ran => {
                self.usual = (self.usual.0.saturating_add(outcome.wall), self.usual.1.saturating_add(1));
            }
            State::Failed => {}
        }
        let (errors, last_line) = errors.unwrap_or_default();
        for warning in &outcome.warnings {
            self.warn(warning);
        }
        let text = || outcome.text(last_line.as_deref());
        if self.lines {
            let of = self.of(counts);
            let label = label(parameters);
            let label = escape::cut(&label, LABEL);
            let text = format!("{}/{of} {label} · {}", counts.ended(), text());
            message::status(&message::fitted(&text));
        }
        if outcome.state == State::Failed {
            if self.failures.len() < MOST_FAILURES {
                let (label, text, again) = (label(parameters), outcome.text(None), again());
                self.failures.push(Failure { label, text, errors, again });
            } else {
                self.untold = self.untold.saturating_add(1);
            }
        }
    }

    /// Prints a notice once.
    pub fn warn(&mut self, text: &str) {
        if !self.quiet && !self.warned.iter().any(|told| told == text) {
            self.warned.push(text.to_owned());
            self.aside(|| message::warning(text));
        }
    }

    /// Calls a function that prints, with the board hidden.
    pub fn aside<T>(&self, print: impl FnOnce() -> T) -> T {
        match &self.live {
            Some(live) => live.multi.suspend(print),
            None => print(),
        }
    }

    /// Removes the board, and prints the failures, with the commands that repeat them, and the totals.
    pub fn finish(mut self, name: &str, counts: &Counts, stopped: Option<&str>) {
        if let Some(live) = self.live.take() {
            for bar in live.workers.iter().flatten().chain([&live.total]) {
                bar.finish_and_clear();
            }
        }
        let coloured = colour::for_stderr();
        for failure in &self.failures {
            let heading = format!("{} · {}", failure.label, failure.text);
            let heading = escape::readable(&heading).into_owned();
            let mut told = format!("\n{}\n", colour::paint(&heading, Role::Bad, coloured));
            let errors = escape::text(&failure.errors);
            let lines: Vec<&str> = errors.trim_end().lines().collect();
            for line in lines.iter().skip(lines.len().saturating_sub(MOST_LINES)) {
                told.extend(["  ", line, "\n"]);
            }
            let again = format!("  repeat: {}\n", failure.again);
            told.push_str(&colour::paint(&again, Role::Hint, coloured));
            message::raw(&told);
        }
        if self.untold > 0 {
            message::raw(&format!("\n  and {} more failures\n", human::number(self.untold)));
        }
        if self.quiet {
            return;
        }
        if !self.failures.is_empty() {
            message::raw("\n");
        }
        let mut parts = vec![format!("{name}: {}", human::count(counts.ended(), "run"))];
        parts.push(self.counted(counts, false));
        if self.saved > 0 {
            parts.push(format!("saved {}", human::duration(self.saved)));
        }
        let took = u64::try_from(self.begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
        parts.push(format!("took {}", human::duration(took)));
        if counts.duplicates > 0 {
            parts.push(format!("{} asked for again", human::number(counts.duplicates)));
        }
        if counts.skipped > 0 {
            parts.push(format!("{} had not failed", human::number(counts.skipped)));
        }
        parts.extend(stopped.map(str::to_owned));
        message::status(&parts.join(" · "));
    }
}

/// An estimate in whole seconds.
fn coarse(nanoseconds: u64) -> String {
    const SECOND: u64 = 1_000_000_000;
    match nanoseconds.div_ceil(SECOND) {
        seconds @ 0..60 => format!("{seconds} s"),
        seconds => human::duration(seconds.saturating_mul(SECOND)),
    }
}

fn line(run: &Running, usual: Option<u64>) -> String {
    let age = u64::try_from(run.since.elapsed().as_nanos()).unwrap_or(u64::MAX);
    let of = usual.map(|usual| format!(" of ~{}", coarse(usual))).unwrap_or_default();
    let label = escape::cut(&run.label, LABEL);
    let last = run.last_line.as_deref().unwrap_or_default();
    format!("{label}  {}{of}  {last}", coarse(age))
}

fn style(template: &str) -> ProgressStyle {
    // The templates are fixed and tested. If one failed, the default bar would be shown.
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    style.progress_chars("█▉▊▋▌▍▎▏ ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Termination;
    use std::time::Duration;

    #[test]
    fn outcomes_are_told_in_a_line() {
        let mut outcome = Outcome::failed("no such program".to_owned(), Duration::ZERO);
        assert_eq!(outcome.text(Some("x")), "failed: no such program");
        outcome.error = None;
        outcome.termination = Some(Termination::Exited(3));
        outcome.attempts = 2;
        assert_eq!(outcome.text(Some("KeyError: 6")), "failed at attempt 2: exit 3 · KeyError: 6");
        outcome.state = State::Ran;
        outcome.attempts = 1;
        outcome.wall = 1_500_000_000;
        outcome.commit = Some("0123456789abcdef".to_owned());
        assert_eq!(outcome.text(None), "ran 1.5 s · cached 0123456789ab");
        outcome.not_kept = Some(("network".to_owned(), String::new()));
        assert_eq!(outcome.text(None), "ran 1.5 s · not cached: network");
        outcome.state = State::Hit;
        assert_eq!(outcome.text(None), "hit 0123456789ab · saved 1.5 s");
    }

    #[test]
    fn parameters_are_a_label() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.as_bytes().to_vec());
        assert_eq!(label(&[pair("lr", "0.1"), pair("name", "a b\n")]), "lr=0.1 name=$'a b\\n'");
        assert_eq!(label(&[pair("line", "x y")]), "'x y'");
    }

    #[test]
    fn all_templates_are_well_formed() {
        for template in ["{msg}", "{pos}/{len} {bar:20} {msg}"] {
            assert!(ProgressStyle::with_template(template).is_ok());
            style(template);
        }
    }
}
