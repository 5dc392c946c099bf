//! `cashet why`: why a command would run or be replayed now, or why the last one ran.

use super::context::Context;
use super::exec::Ground;
use super::exit::{DONE, Exit};
use super::found::{Found, Opened};
use super::options::{Flag, Scanned};
use super::{check, missed, runner};
use crate::error::Result;
use crate::memo::cure;
use crate::record::{Replay, Timestamp};
use crate::store::{Filter, LocalStore, Missed};
use crate::ui::changes::{self, Background};
use crate::ui::compare::{Comparison, Side};
use crate::ui::miss::Call;
use crate::ui::page::Page;
use crate::ui::why::Why;
use crate::ui::{commits, escape, human, message};
use clap::ArgMatches;
use std::ffi::OsString;

/// Maximum number of columns for the command in the first line.
const WIDTH: usize = 40;

/// Runs `cashet why WORDS`.
pub(super) fn main(words: &[OsString]) -> Exit {
    runner::from_store("why", words, run)
}

fn run(matches: &ArgMatches, scanned: &Scanned) -> Result<Exit> {
    let (why, exit) = if matches.get_flag("last") || scanned.words.is_empty() {
        let Some(why) = last(&Context::here(scanned.last(Flag::Store))?)? else {
            message::status("nothing is recorded yet; 'cashet exec -- COMMAND' records a run");
            return Ok(DONE);
        };
        (why, DONE)
    } else {
        now(scanned)?
    };
    let mut page = Page::stdout(Timestamp::now());
    if matches.get_flag("json") {
        page.json(&why.json().into())?;
    } else {
        let lines = why.lines(page.look.width);
        lines.iter().try_for_each(|line| page.line(line))?;
    }
    page.finish()?;
    Ok(exit)
}

/// Whether a command would be a hit now.
fn now(scanned: &Scanned) -> Result<(Why, Exit)> {
    let mut ground = Ground::new(scanned, false)?;
    drop(ground.settle()?);
    let checked = ground.check(&())?;
    let request = ground.request();
    let call = Call { words: &request.shown_words(), places: &request.places, store: ground.store() };
    Ok((Why::of(&call, &checked), check::exit_of(&checked)))
}

/// The newest run, or the newest call that was not recorded, whichever is newer.
fn last(context: &Context) -> Result<Option<Why>> {
    let opened = Opened::open(context)?;
    opened.fold();
    let newest = opened.log(Filter::default()).find(|found| {
        // An accepted result was not run.
        found.as_ref().map_or(true, |found| found.commit.accepted.is_none())
    });
    let newest = newest.transpose()?;
    let missed = opened.store().map(LocalStore::missed).transpose()?.unwrap_or_default();
    let unrecorded = missed.into_iter().max_by_key(|missed| missed.newest).filter(|missed| {
        let is_newer = |found: &Found| {
            missed.newest > found.commit.started && missed::words(&missed.command) != found.commit.words
        };
        newest.as_ref().is_none_or(is_newer)
    });
    Ok(match (unrecorded, newest) {
        (Some(missed), _) => Some(of_missed(&missed, context)),
        (None, Some(found)) => Some(of_run(&opened, &found, context)?),
        (None, None) => None,
    })
}

fn of_missed(missed: &Missed, context: &Context) -> Why {
    let command = escape::words(&missed::words(&missed.command));
    let age = human::age(missed.newest, context.now, &jiff::tz::TimeZone::system());
    Why {
        outcome: "ran uncached",
        about: vec![escape::middle_out(&command, WIDTH).into_owned(), age],
        reasons: vec![missed.detail.clone()],
        cures: cure(&missed.reason, &missed.detail).into_iter().collect(),
        ..Why::default()
    }
}

fn of_run(opened: &Opened, found: &Found, context: &Context) -> Result<Why> {
    let age = human::age(found.commit.started, context.now, &jiff::tz::TimeZone::system());
    let command = commits::command(&found.commit);
    let mut why = Why {
        outcome: "ran",
        commit: Some(found.id),
        about: vec![found.id.short(), escape::middle_out(&command, WIDTH).into_owned(), age],
        ..Why::default()
    };
    match opened.lineage(found)?.into_iter().nth(1) {
        None => why.reasons.push("first run of this command here".to_owned()),
        Some(before) => {
            why.reasons = causes(opened, &before, found);
            why.about.push(format!("compared with {}", before.id.short()));
            if why.reasons.is_empty() {
                why.reasons.push(match &before.commit.replay {
                    Replay::Never { detail, .. } => {
                        format!("{} was not cached: {}", before.id.short(), escape::line(detail.as_bytes()))
                    }
                    Replay::Allowed => {
                        "nothing that it depends on: it was asked for, or the earlier result was too old or dropped"
                            .to_owned()
                    }
                });
            }
        }
    }
    if let Replay::Never { reason, detail } = &found.commit.replay {
        let detail = if detail.is_empty() { reason } else { detail };
        why.cures.push(format!("not cached: {}", escape::line(detail.as_bytes())));
        why.cures.extend(cure(reason, detail));
    }
    Ok(why)
}

/// The differences that caused the later run, in words.
fn causes(opened: &Opened, before: &Found, after: &Found) -> Vec<String> {
    let (older, newer) = (before.manifest(), after.manifest());
    let compared = Comparison::of(
        Side { commit: &before.commit, manifest: &older, outputs: None },
        Side { commit: &after.commit, manifest: &newer, outputs: None },
    );
    let pieces = opened.pieces(before, after);
    let background = Background { words: &after.commit.words, pieces: &pieces, there: &changes::not_of_now };
    compared.causes(background)
}
