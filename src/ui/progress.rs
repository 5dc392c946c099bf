//! Progress bars on standard error: only on a terminal, and only after 0.3 s.
//!
//! A bar is removed before anything else is written.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// Nothing is shown before this time, since most operations are finished by then.
const PATIENCE: Duration = Duration::from_millis(300);

/// Unit of progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Bytes.
    Bytes,
    /// Parts whose number is not shown.
    Parts,
}

/// A progress bar. Dropping it removes it.
#[derive(Debug)]
pub struct Progress {
    /// `None` where there is no terminal.
    bar: Option<ProgressBar>,
    begun: Instant,
}

impl Progress {
    /// A bar for `what`, a present participle ("checking").
    #[must_use]
    pub fn new(what: &str, unit: Unit) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
            bar.set_style(style(unit));
            bar.set_prefix(what.to_owned());
            bar
        });
        Self { bar, begun: Instant::now() }
    }

    /// Shows how much is done, and the total, if it is known.
    pub fn at(&self, done: u64, of: Option<u64>) {
        let Some(bar) = &self.bar else { return };
        if let Some(of) = of {
            bar.set_length(of);
        }
        bar.set_position(done);
        if bar.is_hidden() && self.begun.elapsed() >= PATIENCE {
            bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(10));
        }
    }

    /// Removes it.
    pub fn finish(self) {}
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Progress of an operation with several steps, each with its own bar.
#[derive(Debug, Default)]
pub struct Steps {
    current: Option<(&'static str, Progress)>,
}

impl Steps {
    /// Before the first step.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Shows how much of a step is done, and the total; 0 where that is not known.
    pub fn at(&mut self, step: &'static str, done: u64, of: u64) {
        if self.current.as_ref().is_none_or(|(current, _)| *current != step) {
            let begun = self.current.take().map(|(_, progress)| progress.begun);
            let mut progress = Progress::new(step, Unit::Parts);
            // The delay before the first bar applies once, not to every step.
            progress.begun = begun.unwrap_or(progress.begun);
            self.current = Some((step, progress));
        }
        if let Some((_, progress)) = &self.current {
            progress.at(done, Some(of).filter(|of| *of > 0));
        }
    }
}

fn style(unit: Unit) -> ProgressStyle {
    let counted = match unit {
        Unit::Bytes => "{binary_bytes} of {binary_total_bytes}",
        Unit::Parts => "{percent} %",
    };
    let template = format!("{{prefix}} {{wide_bar}} {counted} {{eta}}");
    // The template is fixed and tested. If it failed, the default bar would be shown.
    ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_templates_are_well_formed() {
        for counted in ["{binary_bytes} of {binary_total_bytes}", "{percent} %"] {
            assert!(
                ProgressStyle::with_template(&format!("{{prefix}} {{wide_bar}} {counted} {{eta}}")).is_ok()
            );
        }
        style(Unit::Bytes);
        style(Unit::Parts);
    }

    #[test]
    fn a_new_step_has_a_new_bar_and_no_new_patience() {
        let mut steps = Steps::new();
        steps.at("reading", 1, 2);
        let begun = steps.current.as_ref().map(|(_, progress)| progress.begun);
        steps.at("sweeping", 1, 0);
        let now = steps.current.as_ref().map(|(step, progress)| (*step, progress.begun));
        assert_eq!(now, begun.map(|begun| ("sweeping", begun)));
    }

    #[test]
    fn without_a_terminal_there_is_no_bar() {
        if !std::io::stderr().is_terminal() {
            let progress = Progress::new("checking", Unit::Parts);
            progress.at(1, Some(2));
            assert!(progress.bar.is_none());
            progress.finish();
        }
    }
}
