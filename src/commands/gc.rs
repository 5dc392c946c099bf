//! `gc`: drops results that were not used for long, or that exceed the maximum size.

use super::context::Context;
use super::exit::{DONE, Exit};
use super::found::Opened;
use super::values;
use crate::digest::CommitId;
use crate::error::{EXIT_NO, Result};
use crate::store::{Amount, DEFAULT_AGE, LocalStore, Plan, Policy};
use crate::ui::colour::Role;
use crate::ui::page::Page;
use crate::ui::progress::Steps;
use crate::ui::table::{Cell, Column, Table};
use crate::ui::{commits, human, message};

/// Maximum number of commits that are listed before they are dropped; `--dry-run` lists all.
const LISTED: usize = 100;

/// Nanoseconds of a day.
const DAY: i64 = 86_400_000_000_000;

/// Number of rows of the list that are aligned together.
const PART: usize = 1000;

/// Arguments of `gc`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
gc removes runs that were not used for the time of --older-than. If the store is still larger than --max-size, it evicts the least \
recently used results: their runs stay in the history without their output. It never evicts results used within the last day, nor runs \
with the tag 'keep'. The default size is max-size in cashet.toml, or 20 GiB. It covers everything in the store except your own files \
in .cashet/replaced.

On a terminal, gc asks before it removes more than half of all runs, or a run that was used within the last day; --yes \
answers yes. Without a terminal it does not ask.

gc also deletes read-only copies made for 'cashet:REV' that no command has used for a day. Your own files that restored outputs \
replaced (.cashet/replaced) are deleted only with --older-than, by their age, and never within a day.

At most a hundred runs of each kind are listed; --dry-run lists all.

Examples:
  cashet gc --dry-run
  cashet gc --older-than 7d --max-size 2G")]
pub struct Args {
    /// Remove results not used for this long [default: 30d]
    #[arg(long, value_name = "TIME", value_parser = values::duration)]
    older_than: Option<u64>,
    /// Then evict the least recently used results until the store is no larger than this: 500M, 10G
    #[arg(long, value_name = "SIZE", value_parser = values::size)]
    max_size: Option<u64>,
    /// Only list what would be removed
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
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
        // They belong to the user, and are deleted only on request.
        replaced: given,
    };
    let plan = store.plan(&policy, context.now)?;
    if args.dry_run {
        page.write(&rows(&opened, &plan, usize::MAX, Tense::Would, page)?)?;
        page.line(&format!(
            "{} would be removed and {} evicted; {} ({}) would be deleted",
            human::count(number(&plan.remove), "run"),
            human::count(number(&plan.evict), "result"),
            human::count(plan.blobs, "blob"),
            human::size(plan.bytes)
        ))?;
        leftovers(&plan, Tense::Would, page)?;
        page.line(&format!("the store takes {}", human::size(plan.before)))?;
        page.flush()?;
        message::status("nothing was dropped: --dry-run");
        return Ok(DONE);
    }
    if !args.yes && page.is_terminal() && !is_agreed(store, &plan, &policy, context)? {
        message::status("nothing was dropped");
        return Ok(Exit::Status(EXIT_NO));
    }
    // Details of a run are read before it is deleted.
    let dropped_rows = rows(&opened, &plan, LISTED, Tense::Was, page)?;
    let mut steps = Steps::new();
    let dropped =
        store.exclusive()?.apply(&plan, context.now, true, &mut |at| steps.at(at.step, at.done, at.total))?;
    drop(steps);
    page.write(&dropped_rows)?;
    page.line(&format!(
        "{} removed, {} evicted; {} ({}) deleted",
        human::count(dropped.commits, "run"),
        human::count(dropped.evicted, "result"),
        human::count(dropped.blobs, "blob"),
        human::size(dropped.bytes)
    ))?;
    if dropped.compressed > 0 {
        page.line(&format!("{} saved by compressing", human::size(dropped.compressed)))?;
    }
    leftovers(&plan, Tense::Was, page)?;
    let after = store.usage()?.total();
    let freed = human::size(plan.before.saturating_sub(after));
    page.line(&format!("{freed} freed; the store takes {}", human::size(after)))?;
    Ok(DONE)
}

/// Asks the user for confirmation, if necessary.
fn is_agreed(store: &LocalStore, plan: &Plan, policy: &Policy, context: &Context) -> Result<bool> {
    let (all, dropped) = (store.stats()?.commits, number(&plan.remove) + number(&plan.evict));
    // With an age of at least a day, the removed results were not used recently.
    let of_last_day = match policy.older_than {
        Some(age) if age < DAY => {
            let policy = Policy { older_than: Some(DAY), ..*policy };
            number(&plan.remove).saturating_sub(number(&store.plan(&policy, context.now)?.remove))
        }
        _ => 0,
    };
    if dropped.saturating_mul(2) <= all && of_last_day == 0 {
        return Ok(true);
    }
    let recent = match of_last_day {
        0 => String::new(),
        _ => format!(", {} of them used within the last day", human::number(of_last_day)),
    };
    Ok(message::is_confirmed(&format!(
        "{} of {} would be dropped{recent}, and {} in {} deleted",
        human::number(dropped),
        human::count(all, "run"),
        human::size(plan.bytes),
        human::count(plan.blobs, "blob")
    )))
}

fn number(ids: &[CommitId]) -> u64 {
    u64::try_from(ids.len()).unwrap_or(u64::MAX)
}

/// Whether the plan was carried out, or only shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tense {
    Would,
    Was,
}

/// Lists the affected runs, at most `most` of each kind.
fn rows(opened: &Opened, plan: &Plan, listed: usize, tense: Tense, page: &Page<'_>) -> Result<String> {
    let mut text = String::new();
    let mut table = Table::new([
        Column::left("RUN"),
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
                text.push_str(&table.render_part(&page.look));
            }
        }
        Ok(())
    };
    let (remove, evict) = match tense {
        Tense::Would => ("remove", "evict"),
        Tense::Was => ("removed", "evicted"),
    };
    add(&plan.remove, remove)?;
    add(&plan.evict, evict)?;
    if !table.is_empty() {
        text.push_str(&table.render_part(&page.look));
    }
    let more =
        [&plan.remove, &plan.evict].map(|ids| ids.len().saturating_sub(listed)).into_iter().sum::<usize>();
    if more > 0 {
        let more = human::count(u64::try_from(more).unwrap_or(u64::MAX), "run");
        text.push_str("… and ");
        text.push_str(&more);
        text.push_str(" more; cashet gc --dry-run lists all\n");
    }
    Ok(text)
}

/// Lists other files that are deleted.
fn leftovers(plan: &Plan, tense: Tense, page: &mut Page<'_>) -> Result<()> {
    let amount = |what: &str, amount: Amount, becomes: &str| {
        let (count, size) = (human::count(amount.count, what), human::size(amount.bytes));
        (amount.count > 0).then(|| format!("{count} ({size}) {becomes}"))
    };
    let removed = match tense {
        Tense::Would => "would be removed",
        Tense::Was => "removed",
    };
    let leftovers = &plan.leftovers;
    let lines = [
        amount("read-only copy", leftovers.views_amount, &format!("{removed} from view/")),
        amount("file", leftovers.replaced_amount, &format!("{removed} from replaced/")),
        amount("file", leftovers.staying, "of your own stay in replaced/"),
    ];
    lines.into_iter().flatten().try_for_each(|line| page.line(&line))
}
