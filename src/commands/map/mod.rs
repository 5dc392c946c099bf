//! `cashet map`: one command with many parameters, each run as `exec` would.
//!
//! What is recorded is replayed by this process, on one thread; what must run is handed to so many others, each of which
//! waits for a `cashet exec`. Nothing here grows with the number of runs but a digest for each.

mod arguments;
mod dry_run;
mod jobs;
mod pool;
mod run;
mod signals;

use super::cli;
use super::exec::resident::Resident;
use super::exit::Exit;
use super::not_found::explained;
use crate::error::{EXIT_USAGE, Error, Kind, Result};
use crate::exec::nested::{Depends, tell};
use crate::record::Timestamp;
use crate::ui::message;
use crate::ui::page::{self, Page};
use arguments::Options;
use clap::error::ErrorKind;
use jobs::Jobs;
use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::fd::AsFd;

pub(super) use arguments::command;

/// Runs `cashet map WORDS`.
#[must_use]
pub(super) fn main(words: &[OsString]) -> Exit {
    let mut root = cli::command();
    let Some(command) = root.find_subcommand_mut("map") else { return Exit::Status(EXIT_USAGE) };
    let command = std::mem::take(command).no_binary_name(true).bin_name("cashet map");
    let ended = match command.try_get_matches_from(words) {
        Ok(matches) => arguments::read(&matches).and_then(|options| {
            let program = options.call.words.clone();
            map(&options).map_err(|error| explained(error, &program))
        }),
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            let mut page = Page::stdout(Timestamp::now());
            let written = page.write(&cli::rendered(&error)).and_then(|()| page.finish());
            written.map(|()| Exit::Status(0))
        }
        Err(error) => {
            let words: Vec<OsString> = std::iter::once("map".into()).chain(words.iter().cloned()).collect();
            Err(cli::complaint(&error, &words))
        }
    };
    match ended {
        Ok(exit) => exit,
        Err(error) if page::is_reader_gone(&error) => Exit::Status(0),
        Err(error) => {
            message::error(&error);
            Exit::Status(error.command_status())
        }
    }
}

fn map(options: &Options) -> Result<Exit> {
    let list = if options.from.as_deref().is_some_and(|from| from == "-") { take_stdin()? } else { None };
    let jobs = Jobs::new(options, list)?;
    if !jobs.unused.is_empty() && !options.quiet {
        let which = jobs.unused.join(", ");
        message::warning(&format!(
            "no word of the command has {which}: runs that differ in nothing else run once"
        ));
    }
    let resident = Resident::new(&options.call)?;
    tell(Depends::Results("cashet map"));
    if options.dry_run {
        return dry_run::show(options, jobs, &resident);
    }
    let exit = pool::run(options, jobs, &resident)?;
    resident.leave();
    Ok(exit)
}

/// Standard input as a list. No run gets it: each reads an empty one.
fn take_stdin() -> Result<Option<Box<dyn BufRead + Send>>> {
    let wrong = |error: std::io::Error| Error::io("read", std::path::Path::new("standard input"), error);
    if crate::exec::stdin_was_closed() {
        return Ok(None);
    }
    let list = std::io::stdin().as_fd().try_clone_to_owned().map_err(wrong)?;
    let empty = File::open("/dev/null").map_err(wrong)?;
    nix::unistd::dup2_stdin(&empty)
        .map_err(|error| Error::new(Kind::Other, format!("standard input: {error}")))?;
    Ok(Some(Box::new(BufReader::new(File::from(list)))))
}
