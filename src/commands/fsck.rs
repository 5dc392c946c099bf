//! `fsck`: reads everything and checks every digest, row and reference.

use super::context::Context;
use super::exit::{DONE, Exit, NO};
use super::found::Opened;
use crate::error::{EXIT_USAGE, Result};
use crate::store::{LocalStore, Report};
use crate::ui::colour::Role;
use crate::ui::page::{self, Page};
use crate::ui::progress::Steps;
use crate::ui::{escape, human, message};

/// Maximum number of repairs until nothing is found.
const REPAIRS: usize = 3;

/// Arguments of `fsck`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Exit status: 0 clean, or clean after --repair; 1 damage; 2 could not check.")]
pub struct Args {
    /// Only check that all files exist; do not read them
    #[arg(long)]
    quick: bool,
    /// Remove what is damaged
    #[arg(long)]
    repair: bool,
}

/// Checks the store; with `--repair`, drops what is damaged and checks again.
///
/// # Errors
/// Standard output cannot be written. If the store cannot be checked, this is an exit status.
pub fn run(args: &Args, context: &Context, page: &mut Page<'_>) -> Result<Exit> {
    match check(args, context, page) {
        Err(error) if !page::is_reader_gone(&error) => {
            message::error(&error);
            Ok(Exit::Status(EXIT_USAGE))
        }
        other => other,
    }
}

fn check(args: &Args, context: &Context, page: &mut Page<'_>) -> Result<Exit> {
    let opened = Opened::open(context)?;
    let Some(store) = opened.store() else {
        message::status("there is no store here");
        return Ok(DONE);
    };
    if args.repair {
        store.regain()?;
    }
    let report = checked(store, args.quick)?;
    show(&report, page)?;
    if report.damage.is_empty() || !args.repair {
        return Ok(if report.damage.is_empty() { DONE } else { NO });
    }
    let mut report = report;
    // A repair may reveal more damage, in a database that is written for the first time since it was damaged.
    for _ in 0..REPAIRS {
        let mut steps = Steps::new();
        store.exclusive()?.repair(&report, args.quick, &mut |at| steps.at(at.step, at.done, at.total))?;
        drop(steps);
        report = checked(store, args.quick)?;
        if report.damage.is_empty() {
            page.line("repaired: damaged data was removed, and the rest is valid")?;
            return Ok(DONE);
        }
    }
    show(&report, page)?;
    Ok(NO)
}

fn checked(store: &LocalStore, quick: bool) -> Result<Report> {
    let mut steps = Steps::new();
    store.check(quick, &mut |at| steps.at(at.step, at.done, at.total))
}

fn show(report: &Report, page: &mut Page<'_>) -> Result<()> {
    for damage in &report.damage {
        let text = damage.to_string();
        let line = format!("{} {}", page.look.paint("damage:", Role::Bad), escape::line(text.as_bytes()));
        page.line(&line)?;
    }
    let found = u64::try_from(report.damage.len()).unwrap_or(u64::MAX);
    let verdict =
        if found == 0 { "clean".to_owned() } else { format!("{} of damage", human::count(found, "case")) };
    page.line(&format!(
        "{verdict}: {}, {} in {}",
        human::count(report.commits, "run"),
        human::size(report.bytes),
        human::count(report.blobs, "blob")
    ))?;
    if report.orphans > 0 {
        let orphans = human::count(report.orphans, "blob");
        page.line(&format!(
            "{orphans} that no run needs ({}); 'cashet gc' drops them",
            human::size(report.orphan_bytes)
        ))?;
    }
    Ok(())
}
