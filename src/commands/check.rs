//! `cashet check`: would this command be replayed? Runs nothing, records nothing.

use super::exec::Ground;
use super::exit::Exit;
use super::not_found::explained;
use super::options::{Flag, Scanned};
use crate::error::{EXIT_NO, Result};
use crate::exec::nested::{Depends, tell};
use crate::memo::Checked;
use crate::ui::message;
use crate::ui::miss::Call;
use crate::ui::status::{Status, Verbosity};
use std::ffi::OsString;

/// Exit status where the command would run bare.
const EXIT_BYPASS: u8 = 3;

/// Runs `cashet check WORDS`.
#[must_use]
pub(super) fn main(words: &[OsString]) -> Exit {
    let scanned = match super::runner::scanned("check", words) {
        Ok(scanned) => scanned,
        Err(exit) => return exit,
    };
    match check(&scanned) {
        Ok(exit) => exit,
        Err(error) => {
            let error = explained(error, &scanned.words);
            message::error(&error);
            Exit::Status(error.command_status())
        }
    }
}

fn check(scanned: &Scanned) -> Result<Exit> {
    let mut ground = Ground::new(scanned, false)?;
    tell(Depends::Results("cashet check"));
    // Standard input that counts is read to its end: its digest is part of the question.
    drop(ground.settle()?);
    let verbosity = match (scanned.has(Flag::Explain), scanned.has(Flag::Quiet)) {
        (true, _) => Verbosity::Full,
        (false, true) => Verbosity::Silent,
        (false, false) => Verbosity::Line,
    };
    let status = Status::new(verbosity);
    let checked = ground.check(&status)?;
    let request = ground.request();
    let call = Call { words: &request.shown_words(), places: &request.places, store: ground.store() };
    status.checked(&call, &checked);
    Ok(exit_of(&checked))
}

/// The exit status of `check` and `why`.
pub(super) const fn exit_of(checked: &Checked) -> Exit {
    Exit::Status(match checked {
        Checked::Hit { .. } => 0,
        Checked::Miss { .. } => EXIT_NO,
        Checked::Bypass(_) => EXIT_BYPASS,
    })
}
