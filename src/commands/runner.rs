//! The words of commands that take a command line: the quick scanner reads those of `exec`, `check` and `audit`, and leaves mistakes
//! and calls for help to clap.

use super::cli;
use super::exit::Exit;
use super::not_found::explained;
use super::options::{self, Flag, Scanned};
use crate::error::{EXIT_FAILED, EXIT_USAGE, Error};
use crate::exec::nested::{Depends, tell};
use crate::record::Timestamp;
use crate::ui::message;
use crate::ui::page::Page;
use clap::ArgMatches;
use clap::error::ErrorKind;
use std::ffi::OsString;

/// Reads `words`, which follow `cashet NAME`.
///
/// # Errors
/// The end of the program where there is nothing to run: for `--help`, or wrong words.
pub(super) fn scanned(name: &str, words: &[OsString]) -> Result<Scanned, Exit> {
    let scanned = options::scan(words).map_or_else(|| by_clap(name, words), Ok)?;
    if scanned.has_twice(Flag::Quiet) {
        message::mute();
    }
    Ok(scanned)
}

fn by_clap(name: &str, words: &[OsString]) -> Result<Scanned, Exit> {
    matches(name, words).map(|matches| options::from_matches(&matches))
}

/// Parses `words`, which follow `cashet NAME`, with clap.
///
/// # Errors
/// As [`scanned`].
pub(super) fn matches(name: &str, words: &[OsString]) -> Result<ArgMatches, Exit> {
    let wrong = Exit::Status(if name == "exec" { EXIT_FAILED } else { EXIT_USAGE });
    let mut root = cli::command();
    let Some(command) = root.find_subcommand_mut(name) else { return Err(wrong) };
    let command = std::mem::take(command).no_binary_name(true).bin_name(format!("cashet {name}"));
    match command.try_get_matches_from(words) {
        Ok(matches) => Ok(matches),
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            let text = cli::rendered(&error);
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

/// Runs a command that takes a command line but answers from the store, such as `why`.
pub(super) fn from_store(
    name: &str,
    words: &[OsString],
    run: impl FnOnce(&ArgMatches, &Scanned) -> Result<Exit, Error>,
) -> Exit {
    let matches = match matches(name, words) {
        Ok(matches) => matches,
        Err(exit) => return exit,
    };
    let scanned = options::from_matches(&matches);
    tell(Depends::Results(&format!("cashet {name}")));
    run(&matches, &scanned).unwrap_or_else(|error| {
        let error = explained(error, &scanned.words);
        message::error(&error);
        Exit::Status(error.command_status())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Scanned, Exit> {
        let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        by_clap("exec", &words)
    }

    #[test]
    fn unusual_words_are_read_and_mistakes_are_not() {
        let scanned = read("-fq --ttl=1h true").unwrap();
        assert!(scanned.has(Flag::Force) && scanned.has(Flag::Quiet));
        assert_eq!(scanned.words, ["true"]);
        assert!(read("-- -x").is_ok() && read("-f -- -x").is_ok());
        for wrong in ["--forc true", "-x true", "-f"] {
            assert_eq!(read(wrong).unwrap_err(), Exit::Status(EXIT_FAILED), "{wrong}");
        }
    }

    /// The lines of the help's examples that call `exec`, without what the shell does with them.
    #[test]
    fn the_examples_of_the_help_are_understood() {
        let mut root = cli::command();
        let help = root.find_subcommand_mut("exec").unwrap().render_help().to_string();
        let examples = help.split_once("Examples:").unwrap().1.split_once("Exit status").unwrap().0;
        let calls: Vec<&str> = examples.split("cashet exec ").skip(1).collect();
        assert!(calls.len() >= 8, "{help}");
        for call in calls {
            let line = call.lines().next().unwrap().split("   ").next().unwrap();
            let words: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
            let scanned = options::scan(&words).unwrap();
            assert!(!scanned.words.is_empty(), "{line}");
        }
    }
}
