//! `log`: the commits, newest first.

use super::context::Context;
use super::exit::{DONE, Exit};
use super::found::Opened;
use super::{missed, values};
use crate::error::{Error, Result};
use crate::store::{Filter, StatusFilter};
use crate::ui::commits::{self, Listing};
use crate::ui::message;
use crate::ui::page::Page;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

/// Arguments of `log`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  cashet log -n 20                            the twenty newest runs
  cashet log --func train.py --since 7d       runs of train.py in the last week
  cashet log --status failed --oneline
  cashet log --tag stage=train --json | jq -r .commit
  cashet log --missed                         why results were not cached, and what would help")]
pub struct Args {
    /// Only runs whose script or program name contains this
    #[arg(long = "func", value_name = "FUNCTION")]
    function: Option<OsString>,
    /// Only runs with this tag; with all of them if repeated
    #[arg(short, long = "tag", value_name = "KEY[=VALUE]", value_parser = values::tag_filter)]
    tags: Vec<(String, Option<String>)>,
    /// Only runs in this state: ok, failed, killed, interrupted, an exit status, kept, not-kept or accepted
    #[arg(long, value_name = "STATUS", value_parser = status)]
    status: Option<Status>,
    /// Only runs started since then: 2h, 7d, 2026-11-22, 2026-11-22T17:30
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// At most N runs
    #[arg(short = 'n', long, value_name = "N")]
    limit: Option<usize>,
    /// One short line per run: hash and command
    #[arg(long, conflicts_with_all = ["graph", "json"])]
    oneline: bool,
    /// Draw a line beside the runs of each command line
    #[arg(long, conflicts_with = "json")]
    graph: bool,
    /// Group uncached runs by reason, with what would help
    #[arg(long, conflicts_with_all = ["graph", "oneline", "function", "tags", "status"])]
    missed: bool,
    /// One JSON object per line
    #[arg(long)]
    json: bool,
}

/// The value of `--status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    Ended(StatusFilter),
    /// A state as in [`commits::state`].
    State(&'static str),
    Replayable(bool),
    /// Recorded by `accept`.
    Accepted,
}

fn status(text: &str) -> Result<Status> {
    Ok(match text {
        "ok" => Status::Ended(StatusFilter::Succeeded),
        "failed" => Status::Ended(StatusFilter::Failed),
        "signal" => Status::Ended(StatusFilter::Signaled),
        "killed" => Status::State("killed"),
        "interrupted" => Status::State("interrupted"),
        "accepted" => Status::Accepted,
        "kept" => Status::Replayable(true),
        "not-kept" => Status::Replayable(false),
        number => {
            let number = number.parse().map_err(|_| {
                let shown = crate::ui::escape::brief(text.as_bytes(), 60);
                Error::usage(format!("'{shown}' is not a status")).with_hint(
                    "ok, failed, killed, interrupted, accepted, kept, not-kept, or an exit status from 0 to 255",
                )
            });
            Status::Ended(StatusFilter::Exited(number?))
        }
    })
}

/// Lists the commits.
///
/// # Errors
/// A wrong `--since`; the store cannot be read.
pub fn run(args: &Args, context: &Context, page: &mut Page<'_>) -> Result<Exit> {
    let since = args.since.as_deref().map(|text| values::moment(text, context.now));
    let since = since.transpose().map_err(|error| values::of_option("--since", &error))?;
    let opened = Opened::open(context)?;
    opened.fold();
    let limit = args.limit.unwrap_or(usize::MAX);
    if args.missed {
        missed::show(&opened, since, limit, args.json, page)?;
        return Ok(DONE);
    }
    let mut filter = Filter {
        function: args.function.as_ref().map(|part| part.as_bytes().to_vec()),
        tags: args.tags.clone(),
        since,
        ..Filter::default()
    };
    match args.status {
        Some(Status::Ended(status)) => filter.status = Some(status),
        Some(Status::Replayable(is)) => filter.replayable = Some(is),
        Some(Status::State(_)) => filter.replayable = Some(false),
        Some(Status::Accepted) | None => {}
    }
    let of_state = |commit: &crate::record::Commit| match args.status {
        Some(Status::State(state)) => commits::state(commit) == state,
        Some(Status::Accepted) => commit.accepted.is_some(),
        _ => true,
    };
    let mut listing = Listing::new();
    let mut listed = false;
    let wanted =
        opened.log(filter).filter(|found| found.as_ref().map_or(true, |found| of_state(&found.commit)));
    for found in wanted.take(limit) {
        let found = found?;
        let entry = found.entry();
        listed = true;
        if args.json {
            page.json(&entry.json().into())?;
        } else if args.oneline {
            let line = commits::line(&entry, &page.look);
            page.line(&line)?;
        } else if args.graph {
            listing.push_line(&entry, &page.look);
        } else {
            listing.push(&entry, &page.look);
            if let Some(part) = listing.full_part(&page.look) {
                page.write(&part)?;
            }
        }
    }
    let rendered = if args.graph { listing.graph(&page.look) } else { listing.rest(&page.look) };
    page.write(&rendered)?;
    if !listed && !args.json {
        let any =
            opened.store().is_some_and(|store| store.nth_newest(0).is_ok_and(|newest| newest.is_some()));
        message::status(if any {
            "no run is like that"
        } else {
            "nothing is recorded yet; 'cashet exec -- COMMAND' records a run"
        });
    }
    Ok(DONE)
}
