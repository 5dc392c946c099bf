//! `complete`: completions that need the store.
//!
//! It never fails and never prints a message, which a shell would show in the middle of a command line.

use super::cli;
use super::complete::{self, Candidate, Wanted};
use super::context::Context;
use super::exit::{DONE, Exit};
use super::found::{Found, Opened};
use crate::error::Result;
use crate::record::Timestamp;
use crate::store::Filter;
use crate::ui::page::Page;
use crate::ui::{commits, compare, escape};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

/// Number of commits that are searched for each answer.
const RECENT: usize = 200;

/// Prints completions for the words after `complete --`.
///
/// # Errors
/// Standard output cannot be written.
pub fn run(words: &[OsString]) -> Result<Exit> {
    let words = match words {
        [dashes, rest @ ..] if dashes == "--" => rest,
        all => all,
    };
    let answer = complete::answer(&cli::command(), words, &|wanted| known(wanted).unwrap_or_default());
    let mut page = Page::stdout(Timestamp::now());
    page.write(&answer.lines())?;
    page.finish()?;
    Ok(DONE)
}

fn known(wanted: &Wanted) -> Result<Vec<Candidate>> {
    if *wanted == Wanted::Variables {
        let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
        return Ok(names.map(|name| (name, String::new())).collect());
    }
    let opened = Opened::open(&Context::here(None)?)?;
    if let Wanted::Outputs(revision) = wanted {
        let tree = opened.outputs(&opened.find(revision)?)?;
        let outputs = tree
            .entries()
            .iter()
            .filter_map(|entry| Some((typeable(&entry.path)?, compare::what(&entry.kind))));
        return Ok(outputs.collect());
    }
    let recent: Vec<Found> = opened.log(Filter::default()).take(RECENT).collect::<Result<_>>()?;
    Ok(match wanted {
        Wanted::Revisions => recent.iter().map(revision).collect(),
        Wanted::Tags => {
            let tags = recent.iter().flat_map(|found| &found.tags).map(|(name, value)| {
                (if value.is_empty() { name.clone() } else { format!("{name}={value}") }, String::new())
            });
            distinct(tags)
        }
        Wanted::Functions => distinct(
            recent.iter().filter_map(|found| Some((typeable(&found.commit.function)?, String::new()))),
        ),
        Wanted::Outputs(_) | Wanted::Variables => Vec::new(),
    })
}

fn revision(found: &Found) -> Candidate {
    (found.id.short(), escape::cut(&commits::command(&found.commit), 60).into_owned())
}

/// A name, if it fits on one line of an answer.
fn typeable(name: &[u8]) -> Option<String> {
    let text = OsStr::from_bytes(name).to_str()?;
    (!text.contains(char::is_control)).then(|| text.to_owned())
}

fn distinct(candidates: impl Iterator<Item = Candidate>) -> Vec<Candidate> {
    candidates
        .filter(|(value, _)| !value.contains(char::is_control))
        .collect::<BTreeMap<_, _>>()
        .into_iter()
        .collect()
}
