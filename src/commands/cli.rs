//! The top parser: every command with its help, and clap's complaints in our own form.
//!
//! `exec`, `check` and `audit` are here for help, completion and the manual; their words are scanned by
//! `options`, since building this tree costs more than half a hit.

use super::{
    completions, diff, export, fsck, gc, get, graph, history, import, log, man, options, rm, show, stats,
    tag, values,
};
use crate::error::Error;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command, FromArgMatches, Subcommand, ValueHint};
use std::ffi::OsString;

/// Commands that run another command: everything after their options belongs to it.
pub const RUNNERS: [&str; 3] = ["exec", "check", "audit"];

/// A command that works on the store.
#[derive(Clone, Debug, Subcommand)]
pub enum Verb {
    /// List the commits, newest first
    Log(log::Args),
    /// Show all about one commit
    Show(show::Args),
    /// Write what a commit printed or made, byte for byte
    Get(get::Args),
    /// Tell what is different between two commits
    Diff(diff::Args),
    /// Show a lineage over time, with what changed at each step
    History(history::Args),
    /// Draw what a result was made from
    Graph(graph::Args),
    /// Set, remove or list the tags of a commit
    Tag(tag::Args),
    /// Delete commits, and the blobs that nothing else needs
    Rm(rm::Args),
    /// Drop results that were not used for long, or for which there is no room
    Gc(gc::Args),
    /// Print numbers over the whole store
    Stats(stats::Args),
    /// Check every digest, row and reference of the store
    Fsck(fsck::Args),
    /// Write commits and all that they need into one file
    Export(export::Args),
    /// Take in the commits of an exported file
    Import(import::Args),
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

const ABOUT: &str = "Makes any command remember: runs it once, watches what it reads and writes, and replays it \
    in milliseconds for as long as nothing that decided the result has changed";

const AFTER: &str = "\
A revision REV is a hash (4 digits or more), @ (the newest commit), @{2} (the second newest), REV~1 (the one \
before in its lineage), or a quoted command line.

Environment: CASHET_MODE, CASHET_DIR, CASHET_TTL, CASHET_MAX_SIZE, CASHET_STDIN, CASHET_REPORT, NO_COLOR, \
CLICOLOR_FORCE.

Exit status: that of the command for 'exec'; 0 done, 1 no, 2 wrong usage for all others.";

const EXEC: &str = "\
Runs COMMAND once and records what it printed, how it ended and which files it left. From then on the same call \
replays that result, for as long as everything that decided it is unchanged: its code, its arguments, the \
variables and files that it looked at. Nothing has to be declared; everything can be.

The exit status is the command's own. 121: nothing to replay with --mode replay; 125: cashet itself failed before \
the command ran; 126: found but not executable; 127: not found.";

const EXEC_EXAMPLES: &str = "\
Examples:
  cashet exec -- python train.py --lr 0.01
  cashet exec --ttl 1h -- curl -s https://example.com/data.json
  cashet exec --stdin -- sort -n < numbers.txt
  raw=$(cashet exec --id -- python load.py day1.csv)
  cashet exec -- python clean.py \"cashet:$raw\"";

/// The whole tree of commands.
#[must_use]
pub fn command() -> Command {
    let exec = options::with_options(Command::new("exec"))
        .about("Run a command, or replay its recorded result")
        .long_about(EXEC)
        .after_help(EXEC_EXAMPLES);
    let check = options::with_options(Command::new("check"))
        .about("Tell whether a command would be replayed; run nothing")
        .after_help("Exit status: 0 it would be replayed, 1 it would run, 3 it would be bypassed.");
    let audit = options::with_options(Command::new("audit"))
        .about("Run a command under watch and list what it read, wrote, started and looked for")
        .after_help(
            "--json, as the first option, writes one JSON object to standard error in place of the list.",
        );
    let root = Command::new("cashet")
        .version(env!("CARGO_PKG_VERSION"))
        .about(ABOUT)
        .after_help(AFTER)
        .subcommand_required(true)
        .disable_help_subcommand(true)
        .infer_long_args(false)
        .arg(store_option())
        .subcommands([exec, check, audit]);
    // The enum's own documentation would become the text about cashet.
    Verb::augment_subcommands(root).about(ABOUT)
}

fn store_option() -> Arg {
    Arg::new("store_directory")
        .long("store")
        .value_name("DIR")
        .help("The store's directory, in place of .cashet at the root of the project")
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

/// What clap made of the words after the name of a command that runs another.
#[derive(Debug)]
pub enum Unusual {
    /// Options and a command.
    Scanned(options::Scanned),
    /// Help: this text, for standard output.
    Text(String),
}

/// Understands the words after `exec`, `check` or `audit` (`name`) that [`options::scan`] would not.
///
/// # Errors
/// [`crate::error::Kind::Usage`] in one line, with a hint.
pub fn parse_runner(name: &str, words: &[OsString]) -> Result<Unusual, Error> {
    let mut root = command();
    let known = root.find_subcommand_mut(name).cloned().unwrap_or_else(|| Command::new("exec"));
    let mut known = known.no_binary_name(true).bin_name(format!("cashet {name}"));
    match known.try_get_matches_from_mut(words) {
        Ok(matches) => {
            let scanned = options::from_matches(&matches);
            refuse_mistyped(&scanned.words, words, &known, name)?;
            Ok(Unusual::Scanned(scanned))
        }
        Err(error) if error.kind() == ErrorKind::DisplayHelp => Ok(Unusual::Text(rendered(&error))),
        Err(error) => Err(complaint(&error, &[OsString::from(name)])),
    }
}

/// A command whose name begins with a dash is a mistyped option, unless `--` stands before it.
fn refuse_mistyped(
    command: &[OsString],
    words: &[OsString],
    known: &Command,
    name: &str,
) -> Result<(), Error> {
    let Some(first) = command.first().map(|word| word.to_string_lossy()) else { return Ok(()) };
    let before = words.len().checked_sub(command.len() + 1).and_then(|place| words.get(place));
    if !first.starts_with('-') || before.is_some_and(|word| word == "--") {
        return Ok(());
    }
    let options = known.get_arguments().filter_map(|argument| argument.get_long());
    let options: Vec<String> = options.map(|long| format!("--{long}")).collect();
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let typed = first.split('=').next().unwrap_or_default();
    let close = similar::get_close_matches(typed, &options, 1, 0.7);
    let hint = match close.first() {
        Some(close) => format!("did you mean '{close}'?"),
        None => {
            format!("see 'cashet {name} --help'; a -- goes before a command whose name begins with a dash")
        }
    };
    let shown = crate::ui::escape::brief(first.as_bytes(), 60);
    Err(Error::usage(format!("unexpected argument '{shown}' found")).with_hint(hint))
}

fn rendered(error: &clap::Error) -> String {
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
        Some(ContextValue::Strings(texts)) => texts.first().cloned(),
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
    let suggestion = context(ContextKind::SuggestedSubcommand).or_else(|| context(ContextKind::SuggestedArg));
    let hint =
        suggestion.map_or_else(|| help_of(words), |suggestion| format!("did you mean '{suggestion}'?"));
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
    fn unusual_words_of_runners_are_read_too() {
        let read = |line: &[&str]| parse_runner("exec", &line.iter().map(OsString::from).collect::<Vec<_>>());
        match read(&["-fq", "--ttl=1h", "true"]).unwrap() {
            Unusual::Scanned(scanned) => {
                assert!(scanned.has(options::Flag::Force) && scanned.has(options::Flag::Quiet));
                assert_eq!(scanned.words, ["true"]);
            }
            Unusual::Text(text) => panic!("{text}"),
        }
        assert!(matches!(read(&["--help"]).unwrap(), Unusual::Text(text) if text.contains("cashet exec")));
        let error = read(&["--forc", "true"]).unwrap_err();
        assert_eq!(error.to_string(), "unexpected argument '--forc' found");
        assert_eq!(error.hint(), Some("did you mean '--force'?"));
        assert!(read(&["--", "-x"]).is_ok() && read(&["-f", "--", "-x"]).is_ok());
        assert!(read(&["-x"]).unwrap_err().hint().unwrap().starts_with("see 'cashet exec --help'"));
        assert_eq!(read(&[]).unwrap_err().hint(), Some("see 'cashet exec --help'"));
    }

    #[test]
    fn commands_without_a_store_have_no_such_option() {
        for line in [&["completions", "bash"][..], &["man"]] {
            let words: Vec<OsString> = line.iter().map(OsString::from).collect();
            assert!(matches!(parse(&words).unwrap(), Call::Verb(_, None)));
        }
    }

    #[test]
    fn help_is_no_mistake() {
        for line in [&["--help"][..], &["--version"], &["log", "-h"], &["exec", "--help"]] {
            let words: Vec<OsString> = line.iter().map(OsString::from).collect();
            assert!(matches!(parse(&words).unwrap(), Call::Text(text) if text.len() > 10), "{line:?}");
        }
    }
}
