//! The runs of a sweep: rows and combinations of parameters become calls of `exec`, one after the other.

use crate::commands::map_arguments::Options;
use crate::commands::options::{Flag, Scanned};
use crate::commands::values;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::sweep::combine::sample;
use crate::sweep::rows::{Form, LINE};
use crate::sweep::template::Filling;
use crate::sweep::{Grid, Parameters, Rows, Template};
use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

/// One run of the sweep.
#[derive(Clone, Debug)]
pub(super) struct Job {
    /// Its index among all runs, its parameters and their digest.
    pub(super) filling: Filling,
    /// The call of `exec`.
    pub(super) call: Scanned,
}

/// Options of `exec` in whose values placeholders are replaced.
const FILLED: &[Flag] = &[Flag::Input, Flag::Output, Flag::Env, Flag::Salt, Flag::Tag];

/// All runs, one after the other.
pub(super) struct Jobs {
    places: Places,
    words: Vec<Template>,
    options: Vec<(Flag, OsString, Template)>,
    call: Scanned,
    number: u64,
    /// Digests of the calls so far, so that equal calls run once.
    seen: HashSet<Digest>,
    /// Number of repeated calls.
    pub(super) duplicates: u64,
    /// Parameters that no word contains.
    pub(super) unused: Vec<String>,
}

/// The parameters of each run in turn.
enum Places {
    Grid { grid: Grid, next: u64 },
    Chosen { grid: Grid, chosen: std::collections::btree_set::IntoIter<u64>, rows: Vec<Parameters> },
    Rows { rows: Rows, grid: Grid, number: u64, row: Option<Parameters>, next: u64 },
}

impl Jobs {
    /// Begins to read the parameters.
    ///
    /// # Errors
    /// The list cannot be read; a placeholder names no parameter; the command has no placeholder.
    pub(super) fn new(options: &Options, list: Option<Box<dyn BufRead + Send>>) -> Result<Self> {
        let mut names: Vec<String> = options.grid.names().map(str::to_owned).collect();
        let rows = options.from.as_deref().map(|from| open(from, list)).transpose()?;
        if let Some(rows) = &rows {
            if let Some(both) = rows.columns().iter().find(|column| names.contains(column)) {
                return Err(Error::usage(format!("'{both}' is a parameter of -p and of --from"))
                    .with_hint("leave it out of one of them"));
            }
            names.extend_from_slice(rows.columns());
        }
        // An empty list has no names, and no run with wrong words.
        let is_empty = rows.as_ref().is_some_and(|rows| rows.columns().is_empty());
        let read = |word: &OsStr| Template::parse(word.as_bytes(), &names);
        let words: Vec<Template> = if is_empty {
            Vec::new()
        } else {
            options.call.words.iter().map(|word| read(word)).collect::<Result<_>>()?
        };
        let mut filled = Vec::new();
        for flag in FILLED.iter().filter(|_| !is_empty) {
            for value in options.call.all(*flag) {
                filled.push((*flag, value.to_os_string(), read(value)?));
            }
        }
        let all = || words.iter().chain(filled.iter().map(|(_, _, template)| template));
        if !is_empty && all().all(Template::is_constant) {
            let shown: Vec<String> = names.iter().map(|name| placeholder(name)).collect();
            return Err(Error::usage("the command has no placeholder: every run would be the same")
                .with_hint(format!("put {} where the values belong", shown.join(", "))));
        }
        let unused =
            names.iter().filter(|name| !all().any(|template| template.uses(name))).cloned().collect();
        let places = places(options, rows)?;
        let call = options.call.clone();
        Ok(Self {
            places,
            words,
            options: filled,
            call,
            number: 0,
            seen: HashSet::new(),
            duplicates: 0,
            unused,
        })
    }

    /// The maximum number of runs, where it is known in advance.
    pub(super) fn total(&self) -> Option<u64> {
        match &self.places {
            Places::Grid { grid, .. } => Some(grid.len()),
            Places::Chosen { chosen, .. } => u64::try_from(chosen.len()).ok(),
            Places::Rows { .. } => None,
        }
    }

    /// The next run; `None` at the end.
    ///
    /// # Errors
    /// The list cannot be read; a word contains a NUL byte.
    pub(super) fn next(&mut self) -> Result<Option<Job>> {
        while let Some(parameters) = self.places.next()? {
            self.number += 1;
            let job = self.job(Filling::new(self.number, parameters))?;
            let mut bytes = Vec::new();
            for word in job.call.to_words(&[]) {
                bytes.extend_from_slice(word.as_bytes());
                bytes.push(0);
            }
            if self.seen.insert(Digest::of(&bytes)) {
                return Ok(Some(job));
            }
            self.duplicates += 1;
        }
        Ok(None)
    }

    fn job(&self, filling: Filling) -> Result<Job> {
        let words = self.words.iter().map(|word| OsString::from_vec(word.fill(&filling))).collect();
        let call = self.call.replaced(words, |flag, old| {
            let template = self.options.iter().find(|(own, value, _)| *own == flag && value == old);
            let new = template.map_or_else(
                || old.to_os_string(),
                |(.., template)| OsString::from_vec(template.fill(&filling)),
            );
            if new.is_empty() {
                return Err(Error::usage("a placeholder leaves the value of an option of exec empty"));
            }
            Ok(new)
        })?;
        Ok(Job { filling, call })
    }
}

/// The text of a parameter in a word.
fn placeholder(name: &str) -> String {
    if name == LINE { "{}".to_owned() } else { format!("{{{name}}}") }
}

fn open(from: &OsStr, list: Option<Box<dyn BufRead + Send>>) -> Result<Rows> {
    if from == "-" {
        let list = list.ok_or_else(|| Error::usage("--from -: standard input is closed"))?;
        return Rows::open(list, Form::Lines, "standard input");
    }
    let path = Path::new(from);
    let file = File::open(path).map_err(|error| Error::io("open", path, error))?;
    Rows::open(Box::new(BufReader::new(file)), Form::of(from.as_bytes()), &path.display().to_string())
}

fn places(options: &Options, rows: Option<Rows>) -> Result<Places> {
    let grid = options.grid.clone();
    let Some(mut rows) = rows else {
        return Ok(match options.sample {
            None => Places::Grid { grid, next: 0 },
            Some(wanted) => {
                let chosen = sample(grid.len(), wanted, &Digest::of(b"sample")).into_iter();
                Places::Chosen { grid, chosen, rows: Vec::new() }
            }
        });
    };
    let Some(wanted) = options.sample else {
        return Ok(Places::Rows { rows, grid, number: 0, row: None, next: 0 });
    };
    // If only some are wanted, the total must be known first.
    let mut all = Vec::new();
    while let Some(row) = rows.next_row()? {
        all.push(row);
    }
    let count = u64::try_from(all.len()).unwrap_or(u64::MAX);
    let count = if grid.is_zipped() { count.min(grid.len()) } else { count.saturating_mul(grid.len()) };
    let chosen = sample(count, wanted, &Digest::of(b"sample")).into_iter();
    Ok(Places::Chosen { grid, chosen, rows: all })
}

/// Row `number` (counted from 0) with each of the combinations; with `zip`, only with the one of its index.
fn with_row(row: &Parameters, grid: &Grid, combination: u64) -> Parameters {
    let mut parameters = row.clone();
    parameters.extend(grid.get(combination).unwrap_or_default());
    parameters
}

impl Places {
    fn next(&mut self) -> Result<Option<Parameters>> {
        match self {
            Self::Grid { grid, next } => {
                *next += 1;
                Ok(grid.get(*next - 1))
            }
            Self::Chosen { grid, chosen, rows } => {
                let Some(place) = chosen.next() else { return Ok(None) };
                if rows.is_empty() {
                    return Ok(grid.get(place));
                }
                let (row, combination) =
                    if grid.is_zipped() { (place, place) } else { (place / grid.len(), place % grid.len()) };
                let row = usize::try_from(row).ok().and_then(|row| rows.get(row));
                Ok(row.map(|row| with_row(row, grid, combination)))
            }
            Self::Rows { rows, grid, number, row, next } => loop {
                if let Some(row) = row
                    && *next < grid.len()
                {
                    *next += 1;
                    return Ok(Some(with_row(row, grid, *next - 1)));
                }
                (*row, *next) = (rows.next_row()?, 0);
                let Some(row) = row.as_ref() else { return Ok(None) };
                if grid.has_axes() && grid.is_zipped() {
                    *number += 1;
                    if *number > grid.len() {
                        let values = grid.len();
                        let message = format!("--zip: the list is longer than the {values} values of -p");
                        return Err(Error::usage(message));
                    }
                    *next = grid.len();
                    return Ok(Some(with_row(row, grid, *number - 1)));
                }
            },
        }
    }
}

/// The tags of a run of the sweep.
pub(super) fn tags(sweep: &str, job: &Job, hidden: &dyn Fn(&[u8]) -> bool) -> Vec<(String, String)> {
    let mut tags = vec![(SWEEP.to_owned(), sweep.to_owned())];
    for (name, value) in &job.filling.parameters {
        if hidden(value) {
            continue;
        }
        // A tag is one line of text.
        let value = crate::ui::escape::line(value).into_owned();
        let tag = format!("{PARAMETER}{name}={value}");
        tags.extend(values::tag(&tag));
    }
    tags
}

/// The tag that names the sweep of a run.
pub(super) const SWEEP: &str = "sweep";

/// Prefix of the names of tags that contain parameters.
const PARAMETER: &str = "param.";

/// The tags of a run of the sweep that the commit which answered it does not have.
pub(super) fn missing(has: &[(String, String)], wanted: Vec<(String, String)>) -> Vec<(String, String)> {
    let lacks = |(name, value): (String, String)| match has.iter().find(|(own, _)| *own == name) {
        Some((_, own)) if *own == value => None,
        // It belongs to another sweep too.
        Some(_) if name == SWEEP => {
            let name = format!("{SWEEP}.{value}");
            (!has.iter().any(|(own, _)| *own == name)).then_some((name, String::new()))
        }
        None | Some(_) => Some((name, value)),
    };
    wanted.into_iter().filter_map(lacks).collect()
}
