//! `cashet` alone: what it is for, and how to begin.

use super::context::Context;
use super::exit::{DONE, Exit};
use super::found::Opened;
use crate::error::Result;
use crate::store::{LocalStore, Stats};
use crate::ui::colour::Role;
use crate::ui::human;
use crate::ui::page::{Look, Page};
use crate::ui::table::{Cell, Column, Table};

/// Shows the screen.
///
/// # Errors
/// The working directory cannot be told; standard output does not take it.
pub fn run() -> Result<Exit> {
    let context = Context::here(None)?;
    let stats = Opened::open(&context).ok().and_then(|opened| opened.store().map(LocalStore::stats));
    let mut page = Page::stdout(context.now);
    let text = screen(stats.and_then(Result::ok), &page.look);
    page.write(&text)?;
    page.finish()?;
    Ok(DONE)
}

fn screen(stats: Option<Stats>, look: &Look) -> String {
    let mut table = Table::new([Column::left(""), Column::left("").cut_to(20)]).headless();
    for (line, about) in [
        ("cashet exec -- python train.py --lr 0.01", "run once, then replay"),
        ("cashet log", "what was recorded"),
        ("cashet show @", "all about the newest run"),
        ("cashet get @", "what it printed"),
        ("cashet diff @{2} @", "what is different from the one before"),
        ("cashet why --last", "why the newest run was not a hit"),
        ("cashet help exec", "how it works, with examples"),
        ("cashet help", "all commands"),
    ] {
        table.row([line.into(), Cell::new(about, Role::Faint)]);
    }
    let summary = match stats {
        Some(stats) if stats.commits > 0 => format!(
            "Here: {}, {}, {} saved.\n",
            human::count(stats.commits, "run"),
            human::count(stats.hits, "hit"),
            human::duration(stats.saved)
        ),
        _ => "Nothing is recorded here yet.\n".to_owned(),
    };
    let heading = look.paint("cashet makes any command remember.", Role::Heading);
    format!("{heading}\n\n{}\n{summary}", table.render(look))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::page::tests::look;

    #[test]
    fn the_screen_is_short_and_fits() {
        let stats = Stats { commits: 25, hits: 3, saved: 90_000_000_000, ..Stats::default() };
        insta::assert_snapshot!(screen(Some(stats), &look(80)), @r"
        cashet makes any command remember.

        cashet exec -- python train.py --lr 0.01  run once, then replay
        cashet log                                what was recorded
        cashet show @                             all about the newest run
        cashet get @                              what it printed
        cashet diff @{2} @                        what is different from the one before
        cashet why --last                         why the newest run was not a hit
        cashet help exec                          how it works, with examples
        cashet help                               all commands

        Here: 25 runs, 3 hits, 1 min 30 s saved.
        ");
        for width in [60, 80, 140] {
            let text = screen(None, &look(width));
            assert!(text.ends_with("Nothing is recorded here yet.\n"));
            assert!(text.lines().all(|line| crate::ui::escape::columns(line) <= width), "{text}");
        }
    }
}
