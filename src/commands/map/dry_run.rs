//! `map --dry-run`: lists the runs and which of them would be hits. Runs nothing.

use super::jobs::{Job, Jobs};
use super::pool::{elsewhere, null, object};
use crate::commands::exec::resident::{Resident, Three};
use crate::commands::exit::{DONE, Exit};
use crate::commands::map_arguments::Options;
use crate::error::Result;
use crate::memo::Checked;
use crate::record::Timestamp;
use crate::ui::board::label;
use crate::ui::colour::Role;
use crate::ui::page::Page;
use crate::ui::status::{Status, Verbosity};
use crate::ui::table::{Cell, Column, Table};
use crate::ui::{escape, human, message};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;

/// Number of rows that determine the widths of columns.
const PART: usize = 200;

pub(super) fn show(options: &Options, mut jobs: Jobs, resident: &Resident) -> Result<Exit> {
    drop(elsewhere(options, resident)?);
    let null = null()?;
    let three = Three { stdin: null.as_fd(), stdout: null.as_fd(), stderr: null.as_fd() };
    let mut page = Page::stdout(Timestamp::now());
    let mut table = Table::new([
        Column::right("#"),
        Column::left("PARAMETERS").cut_to(12),
        Column::left("WOULD"),
        Column::left("COMMAND").cut_to(12).leaving(1),
    ]);
    let (mut hits, mut all) = (0, 0);
    let status = Status::new(if options.quiet { Verbosity::Silent } else { Verbosity::Line });
    while let Some(job) = jobs.next()? {
        let call = resident.settle(&job.call)?;
        let (word, commit) = match resident.check(&call, three, Some(&status))? {
            Some(Checked::Hit { commit, .. }) => ("hit", Some(commit)),
            Some(Checked::Miss { .. } | Checked::Bypass(_)) => ("run", None),
            None => ("run or hit", None),
        };
        all += 1;
        hits += u64::from(commit.is_some());
        if options.json {
            let object = object(&options.name, &job)
                .with("would", word)
                .with("commit", commit.map_or(serde_json::Value::Null, |commit| commit.0.to_hex().into()));
            page.json(&object.into())?;
            continue;
        }
        table.row([
            job.filling.number.to_string().into(),
            label(&job.filling.parameters).into(),
            Cell::new(word, if commit.is_some() { Role::Good } else { Role::Plain }),
            Cell::new(shown(&job), Role::Faint),
        ]);
        if table.pending() >= PART {
            let part = table.render_part(&page.look);
            page.write(&part)?;
        }
    }
    if !table.is_empty() {
        let part = table.render_part(&page.look);
        page.write(&part)?;
    }
    page.finish()?;
    if !options.quiet {
        let again = match jobs.duplicates {
            0 => String::new(),
            again => format!(", {} asked for again", human::number(again)),
        };
        let runs = human::count(all, "run");
        message::status(&format!(
            "{runs}: {} would hit, {} would run{again}",
            human::number(hits),
            human::number(all - hits)
        ));
    }
    Ok(DONE)
}

fn shown(job: &Job) -> String {
    let words: Vec<&[u8]> = job.call.words.iter().map(|word| word.as_bytes()).collect();
    escape::words(&words)
}
