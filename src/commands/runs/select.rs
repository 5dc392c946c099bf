//! Selection of runs: those of a sweep, of a script, or single ones.

use crate::commands::found::{Found, Opened};
use crate::error::{Error, Kind, Result};
use crate::store::Filter;
use crate::ui::escape;
use std::collections::HashSet;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

/// The selected runs, newest first, and a title for them. For each command line the record that was made or replayed last counts.
///
/// # Errors
/// No run has such a name; the store cannot be read.
pub fn select(opened: &Opened, names: &[OsString]) -> Result<(String, Vec<Found>)> {
    if names.is_empty() {
        let Some(newest) = opened.log(Filter::default()).next().transpose()? else {
            return Ok((String::new(), Vec::new()));
        };
        let name = newest.commit.function.clone();
        let runs = opened.of_function(&name).collect::<Result<Vec<Found>>>()?;
        // Inline code of all programs has the same name.
        let id = newest.commit.function_id;
        let is_inline = name.starts_with(b"-");
        let runs = runs.into_iter().filter(|run| !is_inline || run.commit.function_id == id);
        return Ok((escape::brief(&name, 60), newest_of_each(runs.collect())));
    }
    let mut all: Vec<Found> = Vec::new();
    let mut picked: Vec<Found> = Vec::new();
    for name in names {
        let of_sweep = sweep(opened, name)?;
        let of_script = opened.of_function(name.as_bytes()).collect::<Result<Vec<Found>>>()?;
        if of_sweep.is_empty() && of_script.is_empty() {
            picked.push(opened.find(name).map_err(|error| match error.kind() {
                Kind::NoSuchRevision if !name.as_bytes().starts_with(b"@") => {
                    let shown = escape::brief(name.as_bytes(), 60);
                    Error::new(Kind::NoSuchRevision, format!("no script, sweep or run is called '{shown}'"))
                        .with_hint("'cashet log' lists the runs")
                }
                _ => error,
            })?);
        }
        all.extend(of_sweep);
        all.extend(of_script);
    }
    let mut runs = newest_of_each(all);
    runs.extend(picked);
    let mut seen = HashSet::new();
    runs.retain(|run| seen.insert(run.id));
    let names: Vec<String> = names.iter().map(|name| escape::brief(name.as_bytes(), 40)).collect();
    Ok((names.join(", "), runs))
}

/// The runs of a sweep, including those that it shares with others.
fn sweep(opened: &Opened, name: &OsString) -> Result<Vec<Found>> {
    let Some(name) = name.to_str() else { return Ok(Vec::new()) };
    let tagged = |tag: (String, Option<String>)| {
        opened.log(Filter { tags: vec![tag], ..Filter::default() }).collect::<Result<Vec<Found>>>()
    };
    let mut runs = tagged(("sweep".to_owned(), Some(name.to_owned())))?;
    runs.extend(tagged((format!("sweep.{name}"), None))?);
    Ok(runs)
}

fn newest_of_each(mut runs: Vec<Found>) -> Vec<Found> {
    runs.sort_by_key(|run| std::cmp::Reverse((run.last_used, run.sequence)));
    let mut seen = HashSet::new();
    runs.retain(|run| seen.insert((run.commit.words.clone(), run.commit.directory.clone())));
    runs.sort_by_key(|run| std::cmp::Reverse(run.sequence));
    runs
}
