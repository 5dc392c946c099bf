//! `top`: the runs in progress, and the calls that wait for them.

use super::context::Context;
use super::exit::{DONE, Exit};
use super::found::Opened;
use crate::error::Result;
use crate::record::Timestamp;
use crate::store::{Active, LocalStore, ResultIndex, RunState};
use crate::ui::page::{Look, Page};
use crate::ui::relay::LastLine;
use crate::ui::top::{self, Going};
use std::io::{self, IsTerminal};
use std::thread;
use std::time::Duration;

/// Interval between two updates on a terminal.
const PAUSE: Duration = Duration::from_millis(500);

/// Arguments of `top`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  cashet top                    on a terminal, refresh until Ctrl-C
  cashet top | cat              print one table
  cashet top --json             one JSON object per run")]
pub struct Args {
    /// One JSON object per line
    #[arg(long)]
    json: bool,
}

/// A run in progress, with its output so far.
struct Seen {
    run: Active,
    last: LastLine,
    usual: Option<u64>,
}

impl Seen {
    fn new(run: Active, store: &LocalStore) -> Self {
        let usual = store.recent(&run.commit.lineage, 8).unwrap_or_default();
        // The duration of killed runs is not known.
        let usual = usual
            .into_iter()
            .find(|(commit, _)| commit.is_replayable())
            .map(|(commit, _)| commit.resources.wall);
        Self { run, last: LastLine::default(), usual }
    }

    fn read(&mut self) {
        while let Ok(Some((_, bytes))) = self.run.read_next() {
            self.last.take(&bytes);
        }
    }
}

/// Shows the runs.
///
/// # Errors
/// The store cannot be read, or our output cannot be written.
pub fn run(args: &Args, context: &Context, page: &mut Page<'_>) -> Result<Exit> {
    let opened = Opened::open(context)?;
    let mut seen: Vec<Seen> = Vec::new();
    let is_live = io::stdout().is_terminal() && !args.json;
    let mut painted = 0;
    loop {
        let now = Timestamp::now();
        let mut waiting = Vec::new();
        if let Some(store) = opened.store() {
            renew(&mut seen, store);
            waiting = store.all_waiting();
        }
        let going: Vec<Going<'_>> = seen
            .iter()
            .map(|seen| Going {
                commit: &seen.run.commit,
                tags: &seen.run.tags,
                process: seen.run.process,
                usual: seen.usual,
                waiting: waiting.iter().filter(|waiter| waiter.key == seen.run.commit.key).copied().collect(),
                last_line: seen.last.shown(),
            })
            .collect();
        if args.json {
            for going in &going {
                page.json(&top::json(going, now).into())?;
            }
            return Ok(DONE);
        }
        let look = Look::of_stdout(now);
        let text = top::view(&going, &look);
        if !is_live {
            page.write(&text)?;
            return Ok(DONE);
        }
        let text = top::cut_to_screen(&text);
        // Moves to the first line of the previous update and clears everything below.
        let back = if painted > 0 { format!("\x1b[{painted}A\r\x1b[J") } else { String::new() };
        page.write(&back)?;
        page.write(&text)?;
        page.flush()?;
        painted = text.lines().count();
        thread::sleep(PAUSE);
    }
}

/// Updates the list of runs, oldest first, and reads their new output.
fn renew(seen: &mut Vec<Seen>, store: &LocalStore) {
    seen.retain(|seen| seen.run.state() == RunState::Active);
    for run in store.all_active() {
        let is_known =
            |seen: &Seen| seen.run.commit.started == run.commit.started && seen.run.process == run.process;
        if !seen.iter().any(is_known) {
            seen.push(Seen::new(run, store));
        }
    }
    seen.sort_by_key(|seen| seen.run.commit.started);
    seen.iter_mut().for_each(Seen::read);
}
