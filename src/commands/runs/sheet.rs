//! A table with runs as rows, and their parameters and metrics as columns; `view` displays it.

use crate::commands::found::measured::Measured;
use crate::error::{Error, Result};
use crate::sweep::metrics::{number, shown};
use crate::ui::{commits, human};
use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};

/// Content of a column.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    /// The hash of the run.
    Run,
    /// How the run ended.
    State,
    /// A parameter.
    Parameter(String),
    /// A metric, by its name with its unit.
    Metric(String),
    /// The last line of the error output.
    Error,
    /// The duration.
    Took,
    /// The start time.
    Age,
}

impl Key {
    /// The heading.
    #[must_use]
    pub fn title(&self) -> &str {
        match self {
            Self::Run => "run",
            Self::State => "state",
            Self::Parameter(name) | Self::Metric(name) => name,
            Self::Error => "error",
            Self::Took => "took",
            Self::Age => "age",
        }
    }
}

/// Selection and order of a table.
pub struct Options<'a> {
    /// Only columns with different values.
    pub changed: bool,
    /// Only these columns, if there are any.
    pub columns: &'a [String],
    /// Keys for sorting the rows.
    pub sort: &'a [String],
}

/// The rows and columns.
pub struct Sheet {
    /// The runs, sorted.
    pub runs: Vec<Measured>,
    /// The shown columns.
    pub columns: Vec<Key>,
    /// All parameters and metrics, including those that are not shown.
    pub all: Vec<Key>,
    /// Parameters with the same value in all runs, with that value.
    pub constant: Vec<(String, String)>,
    /// The sort keys, and whether the highest value comes first.
    pub sorted: Vec<(Key, bool)>,
}

/// A cell's value for sorting.
enum Sortable {
    Number(f64),
    Text(String),
    Missing,
}

impl Sheet {
    /// Lays out the runs.
    ///
    /// # Errors
    /// [`crate::error::Kind::Usage`] for an unknown key.
    pub fn new(mut runs: Vec<Measured>, options: &Options<'_>) -> Result<Self> {
        tell_apart(&mut runs);
        let parameters = names(runs.iter().map(|run| run.parameters.iter().map(|(name, _)| name.clone())));
        let metrics =
            names(runs.iter().map(|run| run.metrics.iter().map(crate::sweep::metrics::Metric::title)));
        let all: Vec<Key> = parameters
            .iter()
            .cloned()
            .map(Key::Parameter)
            .chain(metrics.iter().cloned().map(Key::Metric))
            .collect();
        let constant: Vec<(String, String)> = if runs.len() < 2 {
            Vec::new()
        } else {
            let same = |name: &String| {
                let first = runs.first()?.parameter(name)?;
                runs.iter()
                    .all(|run| run.parameter(name) == Some(first))
                    .then(|| (name.clone(), first.to_owned()))
            };
            parameters.iter().filter_map(same).collect()
        };
        let mut sheet = Self { runs, columns: Vec::new(), all, constant, sorted: Vec::new() };
        sheet.columns = if options.columns.is_empty() {
            sheet.usual(options.changed)
        } else {
            options.columns.iter().map(|name| sheet.key(name)).collect::<Result<_>>()?
        };
        for text in options.sort {
            let (name, down) = match text.strip_prefix('-') {
                Some(name) => (name, true),
                None => (text.strip_prefix('+').unwrap_or(text), false),
            };
            sheet.sorted.push((sheet.key(name)?, down));
        }
        sheet.sort();
        Ok(sheet)
    }

    /// The default columns: without those with equal values and those with paths of outputs.
    fn usual(&self, changed: bool) -> Vec<Key> {
        let is_place = |name: &String| {
            self.runs.iter().any(|run| run.places.contains(name))
                && self.runs.iter().all(|run| !run.is_ok() || run.places.contains(name))
        };
        let varies = |key: &Key| {
            let text = |run: &Measured| self.text(run, key, false);
            let first = self.runs.first().map(text);
            self.runs.len() < 2 || self.runs.iter().any(|run| Some(text(run)) != first)
        };
        let mut columns = vec![Key::Run, Key::State];
        for key in &self.all {
            let wanted = match key {
                Key::Parameter(name) => {
                    !self.constant.iter().any(|(known, _)| known == name) && !is_place(name)
                }
                _ => !changed || varies(key),
            };
            if wanted {
                columns.push(key.clone());
            }
        }
        // Otherwise the error is shown in place of the metrics.
        let has_metrics = columns.iter().any(|key| matches!(key, Key::Metric(_)));
        if !has_metrics && self.runs.iter().any(|run| run.error.is_some()) {
            columns.push(Key::Error);
        }
        columns.extend([Key::Took, Key::Age]);
        columns
    }

    /// The key for a name: a parameter or metric of this name, a metric without its unit, or another column.
    ///
    /// # Errors
    /// [`crate::error::Kind::Usage`] where there is none.
    pub fn key(&self, name: &str) -> Result<Key> {
        let name = name.trim();
        if let Some(key) = self.all.iter().find(|key| key.title() == name) {
            return Ok(key.clone());
        }
        let fixed = [Key::Run, Key::State, Key::Error, Key::Took, Key::Age];
        if let Some(key) = fixed.into_iter().find(|key| key.title() == name) {
            return Ok(key);
        }
        let without_unit = |key: &&Key| {
            matches!(key, Key::Metric(title) if title.split(" [").next() == Some(name))
                || key.title().rsplit('.').next() == Some(name)
        };
        let candidates: Vec<&Key> = self.all.iter().filter(without_unit).collect();
        if let [one] = candidates.as_slice() {
            return Ok((*one).clone());
        }
        let known: Vec<&str> = self.all.iter().map(Key::title).collect();
        Err(Error::usage(format!("no run has a parameter or metric '{name}'"))
            .with_hint(format!("there are run, state, took, age, {}", known.join(", "))))
    }

    /// The text of a cell; with `exact`, times to the nanosecond.
    #[must_use]
    pub fn text(&self, run: &Measured, key: &Key, exact: bool) -> String {
        match key {
            Key::Run if exact => run.found.id.0.to_hex(),
            Key::Run => run.found.id.short(),
            Key::State => commits::state(&run.found.commit).to_owned(),
            Key::Parameter(name) => run.parameter(name).unwrap_or_default().to_owned(),
            Key::Metric(title) => match value(run, title) {
                Some(value) if exact => format!("{value}"),
                Some(value) => shown(value),
                None => String::new(),
            },
            Key::Error => run.error.clone().unwrap_or_default(),
            Key::Took => match run.found.commit.resources.wall {
                0 => String::new(),
                #[expect(clippy::cast_precision_loss, reason = "no run takes so long")]
                wall if exact => format!("{}", wall as f64 / 1e9),
                wall => human::duration(wall),
            },
            Key::Age => String::new(),
        }
    }

    fn sortable(run: &Measured, key: &Key) -> Sortable {
        let text = |text: &str| match number(text) {
            Some(value) => Sortable::Number(value),
            None => Sortable::Text(text.to_owned()),
        };
        #[expect(clippy::cast_precision_loss, reason = "only the order matters")]
        match key {
            Key::Run => Sortable::Text(run.found.id.0.to_hex()),
            Key::State => Sortable::Text(commits::state(&run.found.commit).to_owned()),
            Key::Parameter(name) => run.parameter(name).map_or(Sortable::Missing, text),
            Key::Metric(title) => match value(run, title) {
                Some(value) if !value.is_nan() => Sortable::Number(value),
                _ => Sortable::Missing,
            },
            Key::Error => run.error.as_deref().map_or(Sortable::Missing, text),
            Key::Took => Sortable::Number(run.found.commit.resources.wall as f64),
            // The youngest has the smallest age.
            Key::Age => Sortable::Number(-(run.found.commit.started.0 as f64)),
        }
    }

    fn sort(&mut self) {
        let sorted = self.sorted.clone();
        self.runs.sort_by(|one, other| {
            sorted.iter().fold(Ordering::Equal, |order, (key, down)| {
                order.then_with(|| compare(&Self::sortable(one, key), &Self::sortable(other, key), *down))
            })
        });
    }
}

/// Compares two values; a missing one comes last in any order.
fn compare(one: &Sortable, other: &Sortable, down: bool) -> Ordering {
    let turned = |order: Ordering| if down { order.reverse() } else { order };
    match (one, other) {
        (Sortable::Missing, Sortable::Missing) => Ordering::Equal,
        (Sortable::Missing, _) => Ordering::Greater,
        (_, Sortable::Missing) => Ordering::Less,
        (Sortable::Number(one), Sortable::Number(other)) => turned(one.total_cmp(other)),
        (Sortable::Text(one), Sortable::Text(other)) => turned(one.cmp(other)),
        (Sortable::Number(_), Sortable::Text(_)) => turned(Ordering::Less),
        (Sortable::Text(_), Sortable::Number(_)) => turned(Ordering::Greater),
    }
}

/// The value of the metric with exactly this title.
#[must_use]
pub fn value(run: &Measured, title: &str) -> Option<f64> {
    run.metrics.iter().find(|metric| metric.title() == title).map(|metric| metric.value)
}

/// All names, in the order of their first occurrence in the oldest runs.
fn names(lists: impl DoubleEndedIterator<Item = impl Iterator<Item = String>>) -> Vec<String> {
    let mut known: HashMap<String, usize> = HashMap::new();
    for name in lists.rev().flatten() {
        let next = known.len();
        known.entry(name).or_insert(next);
    }
    let mut names: Vec<(String, usize)> = known.into_iter().collect();
    names.sort_by_key(|(_, place)| *place);
    names.into_iter().map(|(name, _)| name).collect()
}

/// Omits metrics that repeat a parameter of the same name; renames those with a different value.
fn tell_apart(runs: &mut [Measured]) {
    let mut repeats: HashMap<String, bool> = HashMap::new();
    let parameters: HashSet<&str> =
        runs.iter().flat_map(|run| &run.parameters).map(|(name, _)| name.as_str()).collect();
    for run in runs.iter() {
        for metric in &run.metrics {
            let title = metric.title();
            if parameters.contains(title.as_str()) {
                let same = run
                    .parameter(&title)
                    .and_then(number)
                    .is_some_and(|value| value.total_cmp(&metric.value) == Ordering::Equal);
                let known = repeats.entry(title).or_insert(true);
                *known &= same;
            }
        }
    }
    for run in runs {
        run.metrics.retain(|metric| repeats.get(&metric.title()) != Some(&true));
        for metric in &mut run.metrics {
            if repeats.contains_key(&metric.title()) {
                metric.name = format!("result.{}", metric.name);
            }
        }
    }
}
