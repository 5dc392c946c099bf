//! The top parser: every command with its help, and clap's complaints in our own form.
//!
//! `exec`, `check` and `audit` are here for help, completion and the manual; their words are scanned by
//! `options`, since building this tree costs more than half a hit.

use super::{
    attach, calls, completions, diff, doctor, executors, export, fsck, gc, get, graph, history, import, log,
    man, map_arguments, remote, report, rm, runs, show, stats, tag, top, values, verify,
};
use crate::error::Error;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command, FromArgMatches, Subcommand, ValueHint};
use std::ffi::OsString;

/// Commands that run another command: everything after their options belongs to it.
pub const RUNNERS: [&str; 6] = ["exec", "check", "why", "audit", "accept", "map"];

/// A command that works on the store.
#[derive(Clone, Debug, Subcommand)]
pub enum Verb {
    /// List runs, newest first
    Log(log::Args),
    /// Compare runs: a table of their parameters and metrics
    Runs(runs::Args),
    /// Write an HTML page about runs: table, charts, learning curves, images
    Report(report::Args),
    /// Show one run in detail
    Show(show::Args),
    /// Write the output or a file of a run, byte for byte
    Get(get::Args),
    /// Show the runs in progress, and how many calls wait for each
    Top(top::Args),
    /// Show the output of a run in progress from its beginning, and follow it
    Attach(attach::Args),
    /// Compare two runs
    Diff(diff::Args),
    /// Show the runs of one command line, with what changed at each step
    History(history::Args),
    /// Show the earlier runs whose files a run read, as a graph
    Graph(graph::Args),
    /// Run a command again and compare the result, byte by byte
    Verify(verify::Args),
    /// Set, remove or list the tags of a run
    Tag(tag::Args),
    /// Delete runs, and the stored files that no other run needs
    Rm(rm::Args),
    /// Remove old results, or shrink the store to a size
    Gc(gc::Args),
    /// Print statistics of the store
    Stats(stats::Args),
    /// Check the store for damage, and repair it
    Fsck(fsck::Args),
    /// Write runs with all their files into one archive
    Export(export::Args),
    /// Add the runs of an archive to the store
    Import(import::Args),
    /// List and check the executors: other machines that run commands
    Executors(executors::Args),
    /// Manage caches that several machines share: keys, status, upload, download
    Remote(remote::Args),
    /// Check whether results can be cached here: kernel, watching, settings, store, terminal
    Doctor(doctor::Args),
    /// Print a shell's completion script
    Completions(completions::Args),
    /// Print or write the manual pages
    Man(man::Args),
}

/// What was asked for.
#[derive(Debug)]
pub enum Call {
    /// A command on the store, which `--store` may name.
    Verb(Box<Verb>, Option<OsString>),
    /// Help or the version: this text, for standard output.
    Text(String),
}

const ABOUT: &str = "Caches the results of any command. The first call runs the command and watches what it reads and writes. The same call \
    then replays its output, exit status and files in milliseconds, until something that they depend on changes";

const AFTER: &str = "\
A revision REV names a run: its hash (4 digits or more), @ (the newest run), @{2} (the second newest), train.py@{2} (the \
second newest of a script), @TAG or @TAG=VALUE (the newest with a tag), @best(METRIC), REV~1 (the previous run of the \
same command line), or a quoted command line.

Help: 'cashet help COMMAND' explains a command; start with 'cashet help exec'.

Environment: CASHET_MODE, CASHET_DIR, CASHET_TTL, CASHET_MAX_SIZE, CASHET_STDIN, CASHET_REPORT, CASHET_REMOTE, \
CASHET_REMOTE_WRITE, CASHET_REMOTE_UPLOAD, CASHET_SIGNING_KEY, CASHET_SIGNING_KEY_FILE, NO_COLOR, CLICOLOR_FORCE.

Exit status: 'exec' and 'audit' end as the command does. All others: 0 success, 1 no or not found, 2 wrong usage.";

/// The whole tree of commands.
#[must_use]
pub fn command() -> Command {
    let root = Command::new("cashet")
        .version(env!("CARGO_PKG_VERSION"))
        .about(ABOUT)
        .after_help(AFTER)
        .subcommand_required(true)
        .disable_help_subcommand(true)
        .infer_long_args(false)
        .arg(store_option())
        .subcommands([
            calls::exec(),
            calls::check(),
            calls::why(),
            calls::audit(),
            calls::accept(),
            map_arguments::command(),
        ]);
    // The enum's own documentation would become the text about cashet.
    Verb::augment_subcommands(root).about(ABOUT)
}

fn store_option() -> Arg {
    Arg::new("store_directory")
        .long("store")
        .value_name("DIR")
        .help("Directory of the store [default: .cashet at the root of the project]")
        .value_parser(clap::value_parser!(OsString))
        .value_hint(ValueHint::DirPath)
}

/// Understands the words after `cashet`.
///
/// # Errors
/// [`crate::error::Kind::Usage`] in one line, with a hint.
pub fn parse(words: &[OsString]) -> Result<Call, Error> {
    let mut root = with_store_everywhere(command()).no_binary_name(true).bin_name("cashet");
    match root.try_get_matches_from_mut(words) {
        Ok(matches) => {
            let store = matches.get_one::<OsString>("store_directory").or_else(|| {
                matches
                    .subcommand()
                    .and_then(|(_, matches)| matches.try_get_one("store_directory").ok().flatten())
            });
            let store = store.cloned();
            let verb = Verb::from_arg_matches(&matches).map_err(|error| complaint(&error, words))?;
            Ok(Call::Verb(Box::new(verb), store))
        }
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            Ok(Call::Text(rendered(&error)))
        }
        Err(error) => Err(complaint(&error, words)),
    }
}

/// clap's text, coloured where standard output is.
pub(super) fn rendered(error: &clap::Error) -> String {
    let text = error.render();
    if crate::ui::colour::for_stdout() { text.ansi().to_string() } else { text.to_string() }
}

/// `--store` also after the name of a command; those that run another have it in their own table.
fn with_store_everywhere(root: Command) -> Command {
    let names: Vec<String> = root.get_subcommands().map(|command| command.get_name().to_owned()).collect();
    let own =
        |name: &String| !RUNNERS.contains(&name.as_str()) && !["completions", "man"].contains(&name.as_str());
    names
        .iter()
        .filter(|name| own(name))
        .fold(root, |root, name| root.mut_subcommand(name, |command| command.arg(store_option())))
}

/// clap's complaint in one line and at most one hint.
#[must_use]
pub fn complaint(error: &clap::Error, words: &[OsString]) -> Error {
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        // The likeliest comes last.
        Some(ContextValue::Strings(texts)) => texts.last().cloned(),
        _ => None,
    };
    // A value that one of our own parsers refused has words and a hint already.
    if let Some(own) = std::error::Error::source(error).and_then(|source| source.downcast_ref::<Error>()) {
        let option = context(ContextKind::InvalidArg).unwrap_or_default();
        let option = option.split(' ').next().unwrap_or_default();
        return values::of_option(option, own);
    }
    let text = error.render().to_string();
    let first: Vec<&str> = text.lines().map(str::trim).take_while(|line| !line.is_empty()).collect();
    let message = first.join(" ");
    let message = message.strip_prefix("error: ").unwrap_or(&message);
    // What has a slash in it is a path, however like a command's name it is.
    let is_path = context(ContextKind::InvalidSubcommand).is_some_and(|word| word.contains('/'));
    let suggestion = context(ContextKind::SuggestedSubcommand).filter(|_| !is_path);
    let suggestion = suggestion.or_else(|| context(ContextKind::SuggestedArg));
    let suggestion = suggestion.map(|suggestion| format!("did you mean '{suggestion}'?"));
    let program =
        if error.kind() == ErrorKind::InvalidSubcommand { super::not_found::to_run(words) } else { None };
    let hint = match (suggestion, program) {
        (Some(suggestion), Some(program)) => format!("{suggestion} {program}"),
        (suggestion, program) => suggestion.or(program).unwrap_or_else(|| help_of(words)),
    };
    Error::usage(message).with_hint(hint)
}

/// Which help to read: that of the command, if one was named.
fn help_of(words: &[OsString]) -> String {
    let named = command().get_subcommands().map(|command| command.get_name().to_owned()).find(|name| {
        words
            .iter()
            .find(|word| !word.as_encoded_bytes().starts_with(b"-"))
            .is_some_and(|word| word == name.as_str())
    });
    match named {
        Some(name) => format!("see 'cashet {name} --help'"),
        None => "see 'cashet --help'".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(line: &[&str]) -> (String, String) {
        let words: Vec<OsString> = line.iter().map(OsString::from).collect();
        let error = parse(&words).unwrap_err();
        assert_eq!(error.command_status(), 2);
        assert!(!error.to_string().contains('\n'), "{error}");
        (error.to_string(), error.hint().unwrap().to_owned())
    }

    #[test]
    fn clap_finds_no_fault_with_the_tree() {
        command().debug_assert();
        with_store_everywhere(command()).debug_assert();
    }

    #[test]
    fn every_command_and_option_has_help() {
        for command in command().get_subcommands() {
            assert!(command.get_about().is_some(), "{}", command.get_name());
            for argument in command.get_arguments().filter(|argument| !argument.is_hide_set()) {
                assert!(argument.get_help().is_some(), "{} {}", command.get_name(), argument.get_id());
            }
        }
    }

    #[test]
    fn complaints_are_one_line_and_a_hint() {
        for (line, message, hint) in [
            (&["frobnicate"][..], "unrecognized subcommand 'frobnicate'", "see 'cashet --help'"),
            (&["hisotry"], "unrecognized subcommand 'hisotry'", "did you mean 'history'?"),
            (&["log", "--jsn"], "unexpected argument '--jsn' found", "did you mean '--json'?"),
            (&["log", "--frob"], "unexpected argument '--frob' found", "see 'cashet log --help'"),
            (
                &["show"],
                "the following required arguments were not provided: <REV>",
                "see 'cashet show --help'",
            ),
            (
                &["gc", "--older-than", "30"],
                "--older-than: '30' has no unit",
                "a duration is a whole number and a unit: 30s, 5m, 1h, 7d",
            ),
            (&["log", "--tag", "=x"], "--tag: '=x' has no name", "a tag is name=value, or a name alone"),
        ] {
            assert_eq!(refused(line), (message.to_owned(), hint.to_owned()), "{line:?}");
        }
    }

    #[test]
    fn the_store_is_named_before_or_after_the_command() {
        for line in [&["--store", "x", "log"][..], &["log", "--store", "x"], &["log", "--store=x", "--json"]]
        {
            let words: Vec<OsString> = line.iter().map(OsString::from).collect();
            match parse(&words).unwrap() {
                Call::Verb(verb, store) => {
                    assert!(matches!(*verb, Verb::Log(_)));
                    assert_eq!(store, Some("x".into()));
                }
                Call::Text(text) => panic!("{text}"),
            }
        }
    }

    #[test]
    fn commands_without_a_store_have_no_such_option() {
        for line in [&["completions", "bash"][..], &["man"]] {
            let words: Vec<OsString> = line.iter().map(OsString::from).collect();
            assert!(matches!(parse(&words).unwrap(), Call::Verb(_, None)));
        }
    }

    #[test]
    fn help_is_not_a_mistake() {
        for line in [&["--help"][..], &["--version"], &["log", "-h"], &["exec", "--help"]] {
            let words: Vec<OsString> = line.iter().map(OsString::from).collect();
            assert!(matches!(parse(&words).unwrap(), Call::Text(text) if text.len() > 10), "{line:?}");
        }
    }
}
