//! `stats`: numbers over the whole store.

use super::context::Context;
use super::exit::{DONE, Exit};
use super::found::Opened;
use crate::error::Result;
use crate::store::{LocalStore, Stats};
use crate::ui::colour::Role;
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

/// Prints the numbers.
///
/// # Errors
/// The store cannot be read.
pub fn run(args: &Args, context: &Context, page: &mut Page<'_>) -> Result<Exit> {
    let opened = Opened::open(context)?;
    opened.fold();
    let stats = opened.store().map(LocalStore::stats).transpose()?.unwrap_or_default();
    if args.json {
        page.json(&shape(&stats, &context.project.store).into())?;
    } else {
        let text = view(&stats, &context.project.store, &page.look);
        page.write(&text)?;
    }
    Ok(DONE)
}

fn view(stats: &Stats, store: &Path, look: &Look) -> String {
    let percent = |part: u64, whole: u64| match whole {
        0 => String::new(),
        _ => format!(" ({} %)", u128::from(part) * 100 / u128::from(whole)),
    };
    let calls = stats.hits.saturating_add(stats.misses);
    let mut table = Table::new([Column::left(""), Column::left("").cut_to(20)]).headless();
    let mut row = |label: &str, text: String| {
        table.row([Cell::new(label, Role::Faint), text.into()]);
    };
    row("store", crate::ui::escape::line(store.as_os_str().as_bytes()).into_owned());
    row("commits", format!("{}, {} replayable", human::number(stats.commits), human::number(stats.results)));
    row("produced", human::size(stats.bytes));
    // The sources and trees of a few small results take more than the results.
    let is_less = stats.stored_bytes <= stats.bytes;
    let stored = if is_less { percent(stats.stored_bytes, stats.bytes) } else { String::new() };
    row(
        "stored",
        format!("{}{stored} in {}", human::size(stats.stored_bytes), human::count(stats.blobs, "blob")),
    );
    row("hits", format!("{}{}", human::number(stats.hits), percent(stats.hits, calls)));
    row("misses", human::number(stats.misses));
    row("saved", human::duration(stats.saved));
    table.render(look)
}

fn shape(stats: &Stats, store: &Path) -> Object {
    Object::whole()
        .with("store", json::text(store.as_os_str().as_bytes()))
        .with("commits", stats.commits)
        .with("results", stats.results)
        .with("blobs", stats.blobs)
        .with("bytes", stats.bytes)
        .with("stored_bytes", stats.stored_bytes)
        .with("hits", stats.hits)
        .with("misses", stats.misses)
        .with("saved_ns", stats.saved)
}
