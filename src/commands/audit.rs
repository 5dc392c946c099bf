//! `cashet audit`: what does this command read, write, start and look for? Runs it under watch, records nothing.

use super::exec::{Ground, Streams};
use super::exit::Exit;
use super::not_found::explained;
use super::options::Scanned;
use crate::error::{Error, Result};
use crate::exec::Unix;
use crate::memo;
use crate::record::Termination;
use crate::ui::message;
use crate::ui::status::{Status, Verbosity};
use std::ffi::OsString;

/// Runs `cashet audit WORDS`.
#[must_use]
pub(super) fn main(words: &[OsString]) -> Exit {
    // `--json` is the one option that the others do not have: the quick scanner leaves it to clap.
    let scanned = match super::runner::scanned("audit", words) {
        Ok(scanned) => scanned,
        Err(exit) => return exit,
    };
    match audit(&scanned) {
        Ok(exit) => exit,
        Err(error) => {
            let error = explained(error, &scanned.words);
            message::error(&error);
            Exit::Status(error.exec_status())
        }
    }
}

fn audit(scanned: &Scanned) -> Result<Exit> {
    let mut ground = Ground::new(scanned, false)?;
    if ground.settle()?.is_some() {
        return Err(Error::usage("audit leaves standard input as it is").with_hint("leave --stdin out"));
    }
    let streams = Streams::new(false)?;
    let status = Status::new(Verbosity::Line);
    let executor = Unix;
    let context = ground.context(&executor, &status, &streams);
    let audited = memo::audit(&context, ground.request(), ground.policy())?;
    crate::ui::audit::show(&audited, &ground.project.places, scanned.json);
    Ok(match audited.termination {
        Termination::Exited(status) => Exit::Status(status),
        Termination::Signaled(signal) => Exit::Signal(signal),
    })
}
