//! `cashet map`: one command with many parameters, each run as `exec` would.
//!
//! One thread of this process replays hits. Several other threads run misses, each with a `cashet exec` process. Memory grows with the
//! number of runs only by a digest for each.

mod array;
mod dry_run;
mod jobs;
mod pool;
mod run;
mod signals;
mod teller;

use super::exec::resident::Resident;
use super::exit::Exit;
use super::map_arguments::{self, Options};
use super::not_found::explained;
use crate::error::{Error, Kind, Result};
use crate::exec::nested::{Depends, tell};
use crate::ui::message;
use crate::ui::page;
use clap::ArgMatches;
use jobs::Jobs;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::fd::AsFd;

/// Runs `cashet map` with the parsed arguments.
#[must_use]
pub(super) fn main(matches: &ArgMatches) -> Exit {
    let ended = map_arguments::read(matches).and_then(|options| {
        let program = options.call.words.clone();
        map(&options).map_err(|error| explained(error, &program))
    });
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

/// Standard input as a list. Every run has an empty standard input.
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
