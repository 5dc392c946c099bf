//! `rm`: deletes commits, and the blobs that nothing else needs.

use super::context::Context;
use super::exit::{DONE, Exit};
use super::found::Opened;
use super::values;
use crate::digest::CommitId;
use crate::error::{Error, Kind, Result};
use crate::store::{Dropped, Filter};
use crate::ui::commits;
use crate::ui::human;
use crate::ui::message;
use crate::ui::page::Page;
use crate::ui::progress::Steps;
use std::collections::BTreeSet;
use std::ffi::OsString;

/// Arguments of `rm`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The runs
    #[arg(value_name = "REV", required_unless_present_any = ["tags", "all"])]
    revisions: Vec<OsString>,
    /// All runs with this tag; with all of them if repeated
    #[arg(short, long = "tag", value_name = "KEY[=VALUE]", value_parser = values::tag_filter, conflicts_with = "revisions")]
    tags: Vec<(String, Option<String>)>,
    /// All runs
    #[arg(long, conflicts_with_all = ["revisions", "tags"])]
    all: bool,
}

/// Deletes the commits, after listing them.
///
/// # Errors
/// No such commit: then none is deleted. The store cannot be written.
pub fn run(args: &Args, context: &Context, page: &mut Page<'_>) -> Result<Exit> {
    let opened = Opened::open(context)?;
    let mut chosen = BTreeSet::new();
    let mut ids: Vec<CommitId> = Vec::new();
    let mut lines = Vec::new();
    let named = args.revisions.iter().map(|revision| opened.find(revision));
    let filter = Filter { tags: args.tags.clone(), ..Filter::default() };
    // The parser requires revisions, tags or --all.
    let listed = if args.revisions.is_empty() { Some(opened.log(filter)) } else { None };
    for found in named.chain(listed.into_iter().flatten()) {
        let found = found?;
        if chosen.insert(found.id) {
            ids.push(found.id);
            if !args.all {
                lines.push(commits::line(&found.entry(), &page.look));
            }
        }
    }
    if ids.is_empty() {
        if args.all {
            message::status("there are no runs");
            return Ok(DONE);
        }
        return Err(
            Error::new(Kind::NoSuchRevision, "no run has these tags").with_hint("cashet log lists the runs")
        );
    }
    for line in lines {
        page.line(&line)?;
    }
    let mut steps = Steps::new();
    let dropped = opened.must()?.exclusive()?.remove(&ids, &mut |at| steps.at(at.step, at.done, at.total))?;
    drop(steps);
    opened.settle();
    page.line(&told(&dropped))?;
    Ok(DONE)
}

fn told(dropped: &Dropped) -> String {
    format!(
        "{} removed, {} freed in {}",
        human::count(dropped.commits, "run"),
        human::size(dropped.bytes),
        human::count(dropped.blobs, "blob")
    )
}
