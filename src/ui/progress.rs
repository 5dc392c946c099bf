//! Progress of long work, on standard error: only on a terminal, and only after 0.3 s.
//!
//! Knows nothing of the work. It is gone again before anything else is written.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// Before this nothing is shown: most work is over by then.
const PATIENCE: Duration = Duration::from_millis(300);

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Bytes.
    Bytes,
    /// Things.
    Items,
}

/// A progress bar; dropping it takes it away.
#[derive(Debug)]
pub struct Progress {
    /// `None` where nobody would see it.
    bar: Option<ProgressBar>,
    begun: Instant,
}

impl Progress {
    /// Progress of `what`, a participle ("checking").
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

    /// Tells how much is done, and of how much, if that is known.
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

    /// Takes it away.
    pub fn finish(self) {}
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn style(unit: Unit) -> ProgressStyle {
    let counted = match unit {
        Unit::Bytes => "{binary_bytes} of {binary_total_bytes}",
        Unit::Items => "{human_pos} of {human_len}",
    };
    let template = format!("{{prefix}} {{wide_bar}} {counted} {{eta}}");
    // The template is ours and a test reads it; a plain bar would do all the same.
    ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_templates_are_well_formed() {
        for counted in ["{binary_bytes} of {binary_total_bytes}", "{human_pos} of {human_len}"] {
            assert!(
                ProgressStyle::with_template(&format!("{{prefix}} {{wide_bar}} {counted} {{eta}}")).is_ok()
            );
        }
        style(Unit::Bytes);
        style(Unit::Items);
    }

    #[test]
    fn without_a_terminal_there_is_no_bar() {
        if !std::io::stderr().is_terminal() {
            let progress = Progress::new("checking", Unit::Items);
            progress.at(1, Some(2));
            assert!(progress.bar.is_none());
            progress.finish();
        }
    }
}
