//! clap's parser, built from the table of options.

use super::table::Flag;
use super::table::{Row, TABLE, Takes};
use super::{ELSEWHERE, Scanned};
use clap::builder::{OsStringValueParser, StyledStr, TypedValueParser};
use clap::{Arg, ArgAction, ArgMatches, Command};
use std::ffi::OsString;

/// Adds the options of the table, and the words of the command, to a clap command.
#[must_use]
pub fn with_options(command: Command) -> Command {
    with_options_but(command, &[])
}

/// Adds the options of the table, except for some, and the words of the command.
#[must_use]
pub fn with_options_but(command: Command, without: &[Flag]) -> Command {
    command.args(rows_but(without).map(argument)).arg(words().required(true))
}

/// Adds only the options that are part of a call's identity. The words of the command may be omitted.
#[must_use]
pub fn with_options_of_call(command: Command) -> Command {
    let of_call = rows_but(OF_ANSWER).filter(|row| !ELSEWHERE.contains(&row.flag));
    command.args(of_call.map(argument)).arg(words())
}

fn rows_but(without: &[Flag]) -> impl Iterator<Item = &'static Row> {
    TABLE.iter().filter(|row| !without.contains(&row.flag))
}

fn words() -> Arg {
    Arg::new("words")
        .value_name("COMMAND")
        .help("The command and its arguments; a -- before it is optional")
        .num_args(1..)
        .trailing_var_arg(true)
        .value_parser(OsStringValueParser::new())
}

/// The option that only `audit` has.
#[must_use]
pub fn json(help: &'static str) -> Arg {
    Arg::new("json").long("json").help(help).help_heading("Messages").action(ArgAction::SetTrue)
}

/// Accepts any word that is not empty.
fn not_empty() -> impl TypedValueParser<Value = OsString> {
    OsStringValueParser::new().try_map(|word| if word.is_empty() { Err("it is empty") } else { Ok(word) })
}

/// The heading of an option in the help.
const fn heading(flag: Flag) -> &'static str {
    match flag {
        Flag::Input
        | Flag::Env
        | Flag::Tool
        | Flag::Stdin
        | Flag::NoStdin
        | Flag::Salt
        | Flag::Pure
        | Flag::Literal
        | Flag::EnvStrict
        | Flag::ExactSource
        | Flag::ExactState
        | Flag::Tty
        | Flag::IgnoreRead
        | Flag::IgnoreEnv
        | Flag::IgnoreArg => "Dependencies",
        Flag::Output
        | Flag::Trace
        | Flag::AllowNet
        | Flag::IgnoreWrite
        | Flag::CleanOutputs
        | Flag::CacheExit
        | Flag::Redact
        | Flag::Tag
        | Flag::Store => "Recording",
        Flag::Mode
        | Flag::Force
        | Flag::NoCache
        | Flag::NoWait
        | Flag::NoRemote
        | Flag::Ttl
        | Flag::Stale => "Replay",
        Flag::On
        | Flag::Detach
        | Flag::Latest
        | Flag::Snapshot
        | Flag::Gpus
        | Flag::Cpus
        | Flag::Mem
        | Flag::Time
        | Flag::Partition
        | Flag::Sbatch
        | Flag::Ship => "Another machine",
        Flag::Id | Flag::Report | Flag::Verbose | Flag::Quiet | Flag::Explain => "Messages",
    }
}

fn argument(row: &Row) -> Arg {
    let argument = Arg::new(row.long).long(row.long).help(StyledStr::from(row.help));
    let argument = argument.help_heading(heading(row.flag));
    let argument = match row.short {
        Some(short) => argument.short(char::from(short)),
        None => argument,
    };
    match row.takes {
        // Repeating it has no effect.
        Takes::Nothing => argument.action(ArgAction::SetTrue).overrides_with(row.long),
        Takes::Twice => argument.action(ArgAction::Count),
        Takes::Value(name) => argument.action(ArgAction::Append).value_name(name).value_parser(not_empty()),
        Takes::OptionalValue(name) => argument
            .action(ArgAction::Append)
            .value_name(name)
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("")
            .value_parser(OsStringValueParser::new()),
    }
}

/// The options and words from clap's result.
#[must_use]
pub fn from_matches(matches: &ArgMatches) -> Scanned {
    let mut scanned = Scanned::default();
    for row in TABLE {
        if row.takes == Takes::Nothing {
            // A command may have only some of them.
            let given = matches.try_get_one::<bool>(row.long).ok().flatten().copied().unwrap_or(false);
            scanned.given.extend(given.then_some((row.flag, None)));
        } else if row.takes == Takes::Twice {
            let count = matches.try_get_one::<u8>(row.long).ok().flatten().copied().unwrap_or(0);
            scanned.given.extend((0..count).map(|_| (row.flag, None)));
        } else {
            let values = matches.try_get_many::<OsString>(row.long).ok().flatten().into_iter().flatten();
            scanned.given.extend(
                values.map(|value| (row.flag, Some(value.clone()).filter(|value| !value.is_empty()))),
            );
        }
    }
    scanned.words = matches.get_many::<OsString>("words").into_iter().flatten().cloned().collect();
    // Only `audit` has it.
    scanned.json = matches.try_get_one::<bool>("json").ok().flatten().copied().unwrap_or(false);
    scanned.sorted()
}

/// Options that determine how a call is answered or reported, besides [`ELSEWHERE`].
const OF_ANSWER: &[Flag] = &[
    Flag::CleanOutputs,
    Flag::Mode,
    Flag::Force,
    Flag::NoCache,
    Flag::NoWait,
    Flag::Stale,
    Flag::Tag,
    Flag::Id,
    Flag::Report,
    Flag::Verbose,
    Flag::Quiet,
    Flag::Explain,
];
