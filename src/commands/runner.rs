//! The words of `exec`, `check` and `audit` where the quick scanner leaves them to clap: mistakes and calls for help.

use super::cli;
use super::exit::Exit;
use super::options::{self, Scanned};
use crate::error::{EXIT_FAILED, EXIT_USAGE};
use crate::record::Timestamp;
use crate::ui::message;
use crate::ui::page::Page;
use clap::error::ErrorKind;
use std::ffi::OsString;

/// Reads `words`, which follow `cashet NAME`.
///
/// # Errors
/// How the program ends where there is nothing to run: help was asked for, or the words are wrong.
pub(super) fn by_clap(name: &str, words: &[OsString]) -> Result<Scanned, Exit> {
    let wrong = Exit::Status(if name == "exec" { EXIT_FAILED } else { EXIT_USAGE });
    let mut root = cli::command();
    let Some(command) = root.find_subcommand_mut(name) else { return Err(wrong) };
    let command = std::mem::take(command).no_binary_name(true).bin_name(format!("cashet {name}"));
    match command.try_get_matches_from(words) {
        Ok(matches) => Ok(options::from_matches(&matches)),
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            let text = error.render();
            let text =
                if crate::ui::colour::for_stdout() { text.ansi().to_string() } else { text.to_string() };
            let mut page = Page::stdout(Timestamp::now());
            let written = page.write(&text).and_then(|()| page.finish());
            Err(Exit::Status(if written.is_ok() { 0 } else { EXIT_FAILED }))
        }
        Err(error) => {
            let words: Vec<OsString> = std::iter::once(name.into()).chain(words.iter().cloned()).collect();
            message::error(&cli::complaint(&error, &words));
            Err(wrong)
        }
    }
}
