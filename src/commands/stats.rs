//! `stats`: totals of the store.

use super::context::Context;
use super::exit::{DONE, Exit};
use super::found::Opened;
use super::remote;
use crate::digest::LineageId;
use crate::error::Result;
use crate::record::Replay;
use crate::remote::journal::{Journal, Numbers};
use crate::store::{Filter, LocalStore, Stats, Usage};
use crate::ui::colour::Role;
use crate::ui::commits;
use crate::ui::escape;
use crate::ui::human;
use crate::ui::json::{self, Object};
use crate::ui::page::{Look, Page};
use crate::ui::table::{Cell, Column, Table};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Arguments of `stats`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// One JSON object
    #[arg(long)]
    json: bool,
}

/// Time of a look-up including the start of the program, in nanoseconds: from docs/performance.md, rounded up.
const LOOK_UP: u64 = 5_000_000;

/// Number of the newest commits that are searched for a command that is not worth caching.
const LOOKED_AT: usize = 32;

/// Prints the totals.
///
/// # Errors
/// The store cannot be read.
pub fn run(args: &Args, context: &Context, page: &mut Page<'_>) -> Result<Exit> {
    let opened = Opened::open(context)?;
    opened.fold();
    let stats = opened.store().map(LocalStore::stats).transpose()?.unwrap_or_default();
    let usage = opened.store().map(LocalStore::usage).transpose()?.unwrap_or_default();
    let remotes = Journal::of(&context.project.store).numbers();
    if args.json {
        page.json(&shape(&stats, &usage, &remotes, &context.project.store).into())?;
    } else {
        let text = view(&stats, &usage, &context.project.store, &page.look);
        page.write(&text)?;
        for numbers in &remotes {
            page.line(&format!("{}: {}", escape::line(numbers.url.as_bytes()), remote::shown(numbers)))?;
        }
        if let Some(line) = opened.store().and_then(not_worth_it) {
            page.write(&line)?;
        }
    }
    Ok(DONE)
}

fn view(stats: &Stats, usage: &Usage, store: &Path, look: &Look) -> String {
    let percent = |part: u64, whole: u64| match whole {
        0 => String::new(),
        _ => format!(" ({} %)", u128::from(part) * 100 / u128::from(whole)),
    };
    let calls = stats.hits.saturating_add(stats.misses);
    let mut table = Table::new([Column::left(""), Column::left("").cut_to(20)]).headless();
    let mut row = |label: &str, text: String| {
        table.row([Cell::new(label, Role::Faint), text.into()]);
    };
    row("store", escape::line(store.as_os_str().as_bytes()).into_owned());
    row("runs", format!("{}, {} cached", human::number(stats.commits), human::number(stats.results)));
    row("produced", human::size(stats.bytes));
    // The sources and trees of a few small results take more space than the results.
    let is_less = stats.stored_bytes <= stats.bytes;
    let stored = if is_less { percent(stats.stored_bytes, stats.bytes) } else { String::new() };
    row(
        "stored",
        format!("{}{stored} in {}", human::size(stats.stored_bytes), human::count(stats.blobs, "blob")),
    );
    let parts = [
        ("blobs", usage.objects),
        ("for quick hits", usage.hot),
        ("history", usage.database),
        ("your replaced files", usage.replaced),
    ];
    let parts = parts.iter().filter(|(_, bytes)| *bytes > 0);
    let parts: Vec<String> = parts.map(|(what, bytes)| format!("{what} {}", human::size(*bytes))).collect();
    row("on disk", format!("{} ({})", human::size(usage.total()), parts.join(", ")));
    row("hits", format!("{}{}", human::number(stats.hits), percent(stats.hits, calls)));
    row("misses", human::number(stats.misses));
    row("saved", human::duration(stats.saved));
    table.render(look)
}

/// The recent command that is least worth caching: each of its runs took less time than a look-up, and it ran most often.
fn not_worth_it(store: &LocalStore) -> Option<String> {
    let mut seen: Vec<(LineageId, u32, u64, String)> = Vec::new();
    let newest = store.log(Filter::default()).take(LOOKED_AT).filter_map(Result::ok);
    for row in newest.filter(|row| row.commit.replay == Replay::Allowed) {
        let (lineage, took) = (row.commit.lineage, row.commit.resources.wall);
        match seen.iter_mut().find(|(known, ..)| *known == lineage) {
            Some((_, runs, longest, _)) => {
                *runs += 1;
                *longest = took.max(*longest);
            }
            None => seen.push((lineage, 1, took, commits::command(&row.commit))),
        }
    }
    let quick = seen.into_iter().rev().filter(|(_, _, longest, _)| *longest < LOOK_UP);
    let (_, _, longest, command) = quick.max_by_key(|(_, runs, ..)| *runs)?;
    let (command, took) = (escape::cut(&command, 60), human::duration(longest));
    Some(format!(
        "\nNot worth caching: {command} ran in {took}, about what a look-up takes. Run it without cashet.\n"
    ))
}

fn shape(stats: &Stats, usage: &Usage, remotes: &[Numbers], store: &Path) -> Object {
    let remotes = remotes.iter().map(|numbers| {
        serde_json::Value::from(
            Object::part()
                .with("url", numbers.url.as_str())
                .with("hits", numbers.hits)
                .with("misses", numbers.misses)
                .with("errors", numbers.errors)
                .with("written", numbers.written)
                .with("waited_ns", numbers.waited),
        )
    });
    let disk = Object::part()
        .with("total", usage.total())
        .with("objects", usage.objects)
        .with("hot", usage.hot)
        .with("database", usage.database)
        .with("replaced", usage.replaced)
        .with("other", usage.other);
    Object::whole()
        .with("store", json::text(store.as_os_str().as_bytes()))
        .with("commits", stats.commits)
        .with("results", stats.results)
        .with("blobs", stats.blobs)
        .with("bytes", stats.bytes)
        .with("stored_bytes", stats.stored_bytes)
        .with("disk", disk)
        .with("hits", stats.hits)
        .with("misses", stats.misses)
        .with("saved_ns", stats.saved)
        .with("remotes", remotes.collect::<serde_json::Value>())
}
