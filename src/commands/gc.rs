//! `gc`: drops results that were not used for long, or for which there is no room.

use super::context::Context;
use super::exit::{DONE, Exit};
use super::found::Opened;
use super::values;
use crate::digest::CommitId;
use crate::error::Result;
use crate::store::{Amount, DEFAULT_AGE, Plan, Policy};
use crate::ui::colour::Role;
use crate::ui::page::Page;
use crate::ui::progress::Steps;
use crate::ui::table::{Cell, Column, Table};
use crate::ui::{commits, human, message};

/// So many commits are listed one by one before they are dropped; `--dry-run` lists all.
const LISTED: usize = 100;

/// So many rows of the list are aligned together.
const PART: usize = 1000;

/// Arguments of `gc`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Commits not used for long are removed. Beyond the size, the least recently used results are evicted: their commits stay \
in the history without their bytes. What was used within the last day is never evicted, and commits with the tag 'keep' \
are left alone. The size is that of the settings, or 20 GiB, if none is given.

Read-only copies made for 'cashet:REV' go when no command has used them for a day. Your own files that were in the way of \
restored outputs (.cashet/replaced) stay, unless --older-than is given: then those put aside before that go, but none \
within a day.

At most a hundred commits of each kind are listed; --dry-run lists them all.

Examples:
  cashet gc --dry-run
  cashet gc --older-than 7d --max-size 2G")]
pub struct Args {
    /// Drop results not used for so long [default: 30d]
    #[arg(long, value_name = "TIME", value_parser = values::duration)]
    older_than: Option<u64>,
    /// Then drop the least recently used until the store is no larger: 500M, 10G
    #[arg(long, value_name = "SIZE", value_parser = values::size)]
    max_size: Option<u64>,
    /// Only tell what would be dropped
    #[arg(long)]
    dry_run: bool,
}

/// Makes a plan, shows it, and carries it out.
///
/// # Errors
/// A wrong size in the environment or the settings; the store cannot be read or written.
pub fn run(args: &Args, context: &Context, page: &mut Page<'_>) -> Result<Exit> {
    let opened = Opened::open(context)?;
    let Some(store) = opened.store() else {
        message::status("there is no store here");
        return Ok(DONE);
    };
    let max_size = match args.max_size {
        Some(size) => size,
        None => context.max_size()?,
    };
    let given = args.older_than.map(|age| i64::try_from(age).unwrap_or(i64::MAX));
    let policy = Policy {
        older_than: Some(given.unwrap_or(DEFAULT_AGE)),
        max_size: Some(max_size),
        // They are the user's: nothing but the user's word lets them go.
        replaced: given,
    };
    let plan = store.plan(&policy, context.now)?;
    show(&opened, &plan, if args.dry_run { usize::MAX } else { LISTED }, page)?;
    page.flush()?;
    if args.dry_run {
        message::status("nothing was dropped: --dry-run");
        return Ok(DONE);
    }
    let mut steps = Steps::new();
    let dropped =
        store.exclusive()?.apply(&plan, context.now, true, &mut |at| steps.at(at.step, at.done, at.total))?;
    drop(steps);
    if dropped.compressed > 0 {
        message::status(&format!("{} saved by compressing", human::size(dropped.compressed)));
    }
    Ok(DONE)
}

/// The plan: each commit that loses something, at most so many of each kind, then the sums.
fn show(opened: &Opened, plan: &Plan, listed: usize, page: &mut Page<'_>) -> Result<()> {
    let mut table = Table::new([
        Column::left("COMMIT"),
        Column::left("WHAT"),
        Column::left("LAST USED").leaving(2),
        Column::right("SIZE").leaving(1),
        Column::left("COMMAND").cut_to(16),
    ]);
    let mut add = |ids: &[CommitId], what: &str| -> Result<()> {
        for id in ids.iter().take(listed) {
            let Some(found) = opened.commit(id)? else { continue };
            table.row([
                Cell::new(id.short(), Role::Hash),
                what.into(),
                Cell::new(human::age(found.last_used, page.look.now, &page.look.zone), Role::Faint),
                human::size(found.bytes).into(),
                commits::command(&found.commit).into(),
            ]);
            if table.pending() >= PART {
                let text = table.render_part(&page.look);
                page.write(&text)?;
            }
        }
        Ok(())
    };
    add(&plan.remove, "remove")?;
    add(&plan.evict, "evict")?;
    if !table.is_empty() {
        let text = table.render_part(&page.look);
        page.write(&text)?;
    }
    let more =
        [&plan.remove, &plan.evict].map(|ids| ids.len().saturating_sub(listed)).into_iter().sum::<usize>();
    if more > 0 {
        let more = human::count(u64::try_from(more).unwrap_or(u64::MAX), "commit");
        page.line(&format!("… and {more} more; cashet gc --dry-run lists all"))?;
    }
    let number = |ids: &[CommitId]| u64::try_from(ids.len()).unwrap_or(u64::MAX);
    page.line(&format!(
        "{} to remove, {} to evict; {} in {} to free, {} stay",
        human::count(number(&plan.remove), "commit"),
        human::count(number(&plan.evict), "result"),
        human::size(plan.bytes),
        human::count(plan.blobs, "blob"),
        human::size(plan.rest)
    ))?;
    let amount = |what: &str, amount: Amount, becomes: &str| {
        let (count, size) = (human::count(amount.count, what), human::size(amount.bytes));
        (amount.count > 0).then(|| format!("{count} ({size}) {becomes}"))
    };
    let leftovers = &plan.leftovers;
    let lines = [
        amount("read-only copy", leftovers.views_amount, "to remove from view/"),
        amount("file", leftovers.replaced_amount, "to remove from replaced/"),
        amount("file", leftovers.staying, "of your own in replaced/ stay"),
    ];
    lines.into_iter().flatten().try_for_each(|line| page.line(&line))
}
