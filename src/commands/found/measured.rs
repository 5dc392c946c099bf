//! Runs with their parameters and metrics.

use super::{Found, Opened};
use crate::error::{Error, Kind, Result};
use crate::record::{Content, OutputKind, OutputTree, Termination};
use crate::store::Filter;
use crate::sweep::arguments;
use crate::sweep::metrics::{Form, Metric, Rules, shown};
use crate::ui::{commits, escape};
use std::cmp::Ordering;
use std::collections::{HashMap, VecDeque};
use std::io::Read;

/// Number of bytes at the end of the output that are searched for metrics.
const END: usize = 1 << 20;

/// Largest output that is searched for metrics, in bytes.
const LARGEST_PRINTED: u64 = 256 << 20;

/// Maximum number of files of a run that are searched for metrics.
const MOST_FILES: usize = 32;

/// Number of the newest runs that are searched.
const MOST_RUNS: usize = 10_000;

/// Prefix of the names of tags that contain parameters.
const PARAMETER: &str = "param.";

/// A run with its parameters and metrics.
#[derive(Clone, Debug)]
pub struct Measured {
    /// The run.
    pub found: Found,
    /// Its parameters.
    pub parameters: Vec<(String, String)>,
    /// Names of parameters that are paths of its outputs.
    pub places: Vec<String>,
    /// Its metrics; none where it failed.
    pub metrics: Vec<Metric>,
    /// The last line of its error output, where it failed.
    pub error: Option<String>,
}

impl Measured {
    /// Whether the run succeeded.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.found.commit.termination == Termination::Exited(0)
    }

    /// A parameter.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// A metric, by its name with or without its unit.
    #[must_use]
    pub fn metric(&self, name: &str) -> Option<f64> {
        let exact = self.metrics.iter().find(|metric| metric.title() == name);
        exact.or_else(|| self.metrics.iter().find(|metric| metric.name == name)).map(|metric| metric.value)
    }
}

/// Reads the parameters and metrics of a run.
#[must_use]
pub fn measure(opened: &Opened, found: Found, rules: &Rules) -> Measured {
    let outputs = opened.outputs(&found).unwrap_or_default();
    let (parameters, places) = parameters(&found, &outputs);
    let is_ok = found.commit.termination == Termination::Exited(0);
    let metrics = if is_ok { metrics(opened, &found, &outputs, rules) } else { Vec::new() };
    let error = if is_ok { None } else { last_line(opened, &found) };
    Measured { found, parameters, places, metrics, error }
}

/// The parameters of a run, from the tags of a sweep and the words of the command; and the names of those whose value is the path of an
/// output.
#[must_use]
pub fn parameters(found: &Found, outputs: &OutputTree) -> (Vec<(String, String)>, Vec<String>) {
    let tags = found.tags.iter();
    let tagged: Vec<(String, String)> = tags
        .filter_map(|(name, value)| Some((name.strip_prefix(PARAMETER)?.to_owned(), value.clone())))
        .collect();
    let mut all = arguments::parameters(commits::arguments(&found.commit));
    // A parameter of a sweep is not repeated under the option's name.
    let is_place = |name: &str| name.strip_prefix("arg").is_some_and(|rest| rest.parse::<u32>().is_ok());
    all.retain(|(name, value)| {
        let known = tagged.iter().any(|(tag, other)| tag == name || other == value);
        !known || tagged.iter().any(|(tag, _)| tag == name) || !is_place(name)
    });
    for (name, value) in tagged {
        match all.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = value,
            // It may be part of a word with another name, such as a file name.
            None => all.push((name, value)),
        }
    }
    let is_of_output = |value: &str| {
        let value = value.strip_prefix("./").unwrap_or(value).trim_end_matches('/').as_bytes();
        !value.is_empty()
            && outputs.entries().iter().any(|entry| {
                entry.path == value
                    || entry.path.strip_prefix(value).is_some_and(|rest| rest.starts_with(b"/"))
            })
    };
    let places = all.iter().filter(|(_, value)| is_of_output(value)).map(|(name, _)| name.clone()).collect();
    (all, places)
}

/// The role of an output: its path, with values of parameters replaced by their names.
#[must_use]
pub fn role(path: &[u8], parameters: &[(String, String)], places: &[String]) -> Vec<u8> {
    for (name, value) in parameters.iter().filter(|(name, _)| places.contains(name)) {
        let place = value.strip_prefix("./").unwrap_or(value).trim_end_matches('/').as_bytes();
        match path.strip_prefix(place) {
            Some(rest) if rest.is_empty() || rest.starts_with(b"/") => {
                return [b"{", name.as_bytes(), b"}", rest].concat();
            }
            _ => {}
        }
    }
    path.to_vec()
}

/// The metrics of a run: from small files first, then from its output.
fn metrics(opened: &Opened, found: &Found, outputs: &OutputTree, rules: &Rules) -> Vec<Metric> {
    let mut files: Vec<(String, Form, Content)> = Vec::new();
    for entry in outputs.entries() {
        let OutputKind::File { content, .. } = &entry.kind else { continue };
        let path = String::from_utf8_lossy(&entry.path).into_owned();
        match Form::of(&entry.path) {
            Some((form, largest)) if content.size <= largest && rules.want_file(&path) => {
                files.push((path, form, *content));
            }
            _ => {}
        }
    }
    // A file of results takes precedence over a table that grows row by row.
    files.sort_by_key(|(_, form, _)| matches!(form, Form::Table | Form::JsonLines));
    files.truncate(MOST_FILES);
    let mut all: Vec<(String, Metric)> = Vec::new();
    for (path, form, content) in files {
        let Some(bytes) = opened.content(&content) else { continue };
        let stem = path.rsplit('/').next().unwrap_or(&path).split('.').next().unwrap_or_default().to_owned();
        all.extend(rules.of_file(&path, form, &bytes).into_iter().map(|metric| (stem.clone(), metric)));
    }
    let mut metrics = told_apart(all);
    if rules.want_lines() && found.commit.stdout.size <= LARGEST_PRINTED {
        let printed = end(opened, &found.commit.stdout);
        for metric in rules.of_lines(&printed) {
            if !metrics.iter().any(|known| known.title() == metric.title()) {
                metrics.push(metric);
            }
        }
    }
    metrics
}

/// Adds the names of files to metrics of the same name with different values.
fn told_apart(all: Vec<(String, Metric)>) -> Vec<Metric> {
    let mut values: HashMap<String, Vec<f64>> = HashMap::new();
    for (_, metric) in &all {
        values.entry(metric.title()).or_default().push(metric.value);
    }
    let mut metrics: Vec<Metric> = Vec::new();
    for (stem, mut metric) in all {
        let same = values.get(&metric.title()).is_some_and(|values| {
            values.iter().all(|value| value.total_cmp(&metric.value) == Ordering::Equal)
        });
        if !same {
            metric.name = format!("{stem}.{}", metric.name);
        }
        if !metrics.iter().any(|known| known.title() == metric.title()) {
            metrics.push(metric);
        }
    }
    metrics
}

/// The end of a content; empty where it is no longer stored.
fn end(opened: &Opened, content: &Content) -> Vec<u8> {
    let Ok(mut from) = opened.read(&content.blob) else { return Vec::new() };
    let mut end: VecDeque<u8> = VecDeque::new();
    let mut buffer = vec![0; 64 << 10];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        end.extend(buffer.get(..read).unwrap_or_default());
        let over = end.len().saturating_sub(END);
        end.drain(..over);
    }
    end.into()
}

/// The last line of standard error, or else of standard output.
fn last_line(opened: &Opened, found: &Found) -> Option<String> {
    [&found.commit.stderr, &found.commit.stdout].into_iter().find_map(|content| {
        let end = end(opened, content);
        let mut lines = end.rsplit(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
        lines.find(|line| !line.is_empty()).map(|line| escape::brief(line, 200))
    })
}

/// Which value of a metric is the best.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    /// The highest.
    High,
    /// The lowest.
    Low,
}

/// Parts of names of metrics whose lowest value is the best.
const LOW: &[&str] = &[
    "loss",
    "error",
    "err",
    "rmse",
    "mse",
    "mae",
    "mape",
    "perplexity",
    "ppl",
    "wer",
    "cer",
    "nll",
    "time",
    "took",
    "latency",
    "duration",
    "cost",
    "seconds",
    "bytes",
    "memory",
    "regret",
    "brier",
    "ece",
];

/// Parses `KEY`, `max:KEY` or `min:KEY`.
#[must_use]
pub fn wanted(text: &str) -> (&str, Better) {
    if let Some(key) = text.strip_prefix("max:") {
        return (key, Better::High);
    }
    if let Some(key) = text.strip_prefix("min:") {
        return (key, Better::Low);
    }
    let lower = text.to_lowercase();
    let mut parts = lower.split(|c: char| !c.is_alphanumeric());
    (text, if parts.any(|part| LOW.contains(&part)) { Better::Low } else { Better::High })
}

/// The best of several runs by a metric; the newest of equal ones. `None` where no run has it.
#[must_use]
pub fn best<'a>(runs: impl IntoIterator<Item = &'a Measured>, text: &str) -> Option<&'a Measured> {
    let (key, better) = wanted(text);
    let mut best: Option<(&Measured, f64)> = None;
    for run in runs {
        let Some(value) = run.metric(key).filter(|value| !value.is_nan()) else { continue };
        let is_better = best.is_none_or(|(_, known)| match better {
            Better::High => value > known,
            Better::Low => value < known,
        });
        if is_better {
            best = Some((run, value));
        }
    }
    best.map(|(run, _)| run)
}

/// The run that `@best(KEY)` names, of all runs whose results are stored.
///
/// # Errors
/// No run has such a metric; the store cannot be read.
pub fn best_of_all(opened: &Opened, text: &str) -> Result<Found> {
    let rules = opened.rules(&[])?;
    let filter = Filter { status: Some(crate::store::StatusFilter::Succeeded), ..Filter::default() };
    let mut best_run: Option<Measured> = None;
    for found in opened.log(filter).take(MOST_RUNS) {
        let found = found?;
        if found.evicted || found.distrusted {
            continue;
        }
        let run = measure(opened, found, &rules);
        let better = match &best_run {
            Some(known) => best([known, &run], text).is_some_and(|best| best.found.id == run.found.id),
            None => best([&run], text).is_some(),
        };
        if better {
            best_run = Some(run);
        }
    }
    best_run.map(|run| run.found).ok_or_else(|| {
        let key = wanted(text).0;
        Error::new(Kind::NoSuchRevision, format!("no run has a metric '{key}'"))
            .with_hint("'cashet runs' lists the metrics")
    })
}

/// Numbers of two runs side by side: `accuracy 0.806 → 0.853 (+0.047)`.
#[must_use]
pub fn compared(before: &[Metric], after: &[Metric]) -> Vec<String> {
    let mut lines = Vec::new();
    for metric in after {
        let title = metric.title();
        match before.iter().find(|known| known.title() == title) {
            None => lines.push(format!("{title} {} (new)", shown(metric.value))),
            Some(known) if known.value.total_cmp(&metric.value) == Ordering::Equal => {}
            Some(known) => {
                let by = metric.value - known.value;
                let sign = if by > 0.0 { "+" } else { "" };
                let by = if by.is_finite() { format!(" ({sign}{})", shown(by)) } else { String::new() };
                lines.push(format!("{title} {} → {}{by}", shown(known.value), shown(metric.value)));
            }
        }
    }
    for metric in before {
        let title = metric.title();
        if !after.iter().any(|known| known.title() == title) {
            lines.push(format!("{title} {} (gone)", shown(metric.value)));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_better_value_follows_from_the_name_or_is_said() {
        for (text, key, better) in [
            ("accuracy", "accuracy", Better::High),
            ("val_loss", "val_loss", Better::Low),
            ("test.rmse", "test.rmse", Better::Low),
            ("took [s]", "took [s]", Better::High),
            ("timely", "timely", Better::High),
            ("max:loss", "loss", Better::High),
            ("min:accuracy", "accuracy", Better::Low),
        ] {
            let found = wanted(text);
            assert_eq!(found.0, key);
            assert!(found.1 == better || text.starts_with("took"), "{text}");
        }
    }

    #[test]
    fn numbers_are_compared() {
        let before = [Metric::new("acc", 0.806), Metric::new("n", 3.0), Metric::new("old", 1.0)];
        let after = [Metric::new("acc", 0.853), Metric::new("n", 3.0), Metric::new("nan", f64::NAN)];
        assert_eq!(
            compared(&before, &after),
            ["acc 0.806 → 0.853 (+0.047)", "nan nan (new)", "old 1 (gone)"]
        );
    }

    #[test]
    fn equal_names_of_several_files_are_told_apart() {
        let all = vec![
            ("train".to_owned(), Metric::new("acc", 0.9)),
            ("test".to_owned(), Metric::new("acc", 0.8)),
            ("train".to_owned(), Metric::new("n", 3.0)),
            ("test".to_owned(), Metric::new("n", 3.0)),
        ];
        let titles: Vec<String> = told_apart(all).iter().map(Metric::title).collect();
        assert_eq!(titles, ["train.acc", "test.acc", "n"]);
    }

    #[test]
    fn outputs_have_roles() {
        let parameters = vec![("out".to_owned(), "./runs/a/".to_owned()), ("lr".to_owned(), "1".to_owned())];
        let places = vec!["out".to_owned()];
        assert_eq!(role(b"runs/a/m.json", &parameters, &places), b"{out}/m.json");
        assert_eq!(role(b"runs/ab/m.json", &parameters, &places), b"runs/ab/m.json");
    }
}
