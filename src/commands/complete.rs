//! `complete`: the possible next words of a command line, for the shells' completion scripts.
//!
//! A hidden command. It answers with lines, each a value, a tab and a description; or with
//! one line `:files`, `:directories`, or `:command N` (the command to complete begins at word N).

use super::cli::RUNNERS;
use clap::{Arg, ArgAction, Command, ValueHint};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

/// Completions that come from the store or the environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Commits.
    Revisions,
    /// The outputs of the commit of this revision.
    Outputs(OsString),
    /// Tags, as `name=value`.
    Tags,
    /// Functions.
    Functions,
    /// Variables of the environment.
    Variables,
}

/// A value with its description.
pub type Candidate = (String, String);

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// These values.
    Values(Vec<Candidate>),
    /// Files.
    Files,
    /// Directories.
    Directories,
    /// The completion of the command whose words begin at this index.
    Command(usize),
}

impl Answer {
    /// The lines that a completion script reads.
    #[must_use]
    pub fn lines(&self) -> String {
        match self {
            Self::Files => ":files\n".to_owned(),
            Self::Directories => ":directories\n".to_owned(),
            Self::Command(place) => format!(":command {place}\n"),
            Self::Values(values) => {
                let lines: Vec<String> =
                    values.iter().map(|(value, about)| format!("{value}\t{about}\n")).collect();
                lines.concat()
            }
        }
    }
}

/// The completions of the last of `words` (those after `cashet`), from the tree of commands; `known` supplies those from the store or
/// the environment.
#[must_use]
pub fn answer(root: &Command, words: &[OsString], known: &dyn Fn(&Wanted) -> Vec<Candidate>) -> Answer {
    let Some((current, before)) = words.split_last() else { return Answer::Values(Vec::new()) };
    let mut command = root;
    let mut pending: Option<&Arg> = None;
    let mut options_end = false;
    let mut positionals = 0;
    for (place, word) in before.iter().enumerate() {
        if pending.take().is_some() {
            continue;
        }
        let runs = RUNNERS.contains(&command.get_name());
        match option(command, word) {
            _ if runs && word == "--" => return in_command(place + 1, current, known),
            _ if word == "--" => options_end = true,
            Some((argument, glued)) if !options_end => {
                pending = argument.filter(|argument| !glued && needs_value(argument));
            }
            _ if runs => return in_command(place, current, known),
            _ => match command.find_subcommand(word) {
                Some(found) if positionals == 0 => command = found,
                _ => positionals += 1,
            },
        }
    }
    if let Some(argument) = pending {
        return values(root, argument, "", current, known);
    }
    if !options_end && current.as_bytes().starts_with(b"-") {
        let text = current.to_string_lossy();
        return match text.split_once('=') {
            Some((name, value)) => match option(command, OsStr::new(name)) {
                Some((Some(argument), _)) => {
                    values(root, argument, &format!("{name}="), OsStr::new(value), known)
                }
                _ => Answer::Values(Vec::new()),
            },
            None => Answer::Values(options(command, &text)),
        };
    }
    if RUNNERS.contains(&command.get_name()) {
        return in_command(before.len(), current, known);
    }
    if command.has_subcommands() {
        let named = command.get_subcommands().filter(|found| !found.is_hide_set());
        let named = named.map(|found| (found.get_name().to_owned(), about(found.get_about())));
        return beginning(named, "", current);
    }
    // The last positional argument takes all further words if it takes several.
    let mut taking = command.get_positionals();
    let last = command.get_positionals().last().filter(|last| takes_several(last));
    match taking.nth(positionals).or(last) {
        Some(argument) => values(root, argument, "", current, known),
        None => Answer::Values(Vec::new()),
    }
}

/// A word of the wrapped command: completed by that command, except for references to commits.
fn in_command(place: usize, current: &OsStr, known: &dyn Fn(&Wanted) -> Vec<Candidate>) -> Answer {
    match current.as_bytes().strip_prefix(b"cashet:") {
        Some(_) => {
            let revisions = known(&Wanted::Revisions).into_iter();
            beginning(revisions.map(|(value, about)| (format!("cashet:{value}"), about)), "", current)
        }
        None => Answer::Command(place),
    }
}

/// The option in `word`, if it looks like one, and whether its value is part of the word.
fn option<'c>(command: &'c Command, word: &OsStr) -> Option<(Option<&'c Arg>, bool)> {
    let text = word.to_str()?;
    if let Some(long) = text.strip_prefix("--").filter(|long| !long.is_empty()) {
        let (name, glued) = long.split_once('=').map_or((long, false), |(name, _)| (name, true));
        return Some((command.get_arguments().find(|argument| argument.get_long() == Some(name)), glued));
    }
    let short = text.strip_prefix('-')?;
    let letter = short.chars().last()?;
    Some((command.get_arguments().find(|argument| argument.get_short() == Some(letter)), false))
}

fn needs_value(argument: &Arg) -> bool {
    matches!(argument.get_action(), ArgAction::Set | ArgAction::Append) && !argument.is_require_equals_set()
}

fn takes_several(argument: &Arg) -> bool {
    argument.get_num_args().is_some_and(|range| range.max_values() > 1)
}

/// The options of `command` with this prefix.
fn options(command: &Command, beginning: &str) -> Vec<Candidate> {
    let mut found = Vec::new();
    for argument in
        command.get_arguments().filter(|argument| !argument.is_positional() && !argument.is_hide_set())
    {
        let help = about(argument.get_help());
        if let Some(long) = argument.get_long().map(|long| format!("--{long}"))
            && long.starts_with(beginning)
        {
            found.push((long, help));
        }
    }
    if "--help".starts_with(beginning) && !found.iter().any(|(name, _)| name == "--help") {
        found.push(("--help".to_owned(), "Print help".to_owned()));
    }
    found
}

/// The values of one argument; `glued` is the part of the word before the value.
fn values(
    root: &Command,
    argument: &Arg,
    glued: &str,
    current: &OsStr,
    known: &dyn Fn(&Wanted) -> Vec<Candidate>,
) -> Answer {
    let fixed = argument.get_possible_values();
    if !fixed.is_empty() {
        let fixed = fixed.iter().map(|value| (value.get_name().to_owned(), about(value.get_help())));
        return beginning(fixed, glued, current);
    }
    match argument.get_value_hint() {
        ValueHint::FilePath | ValueHint::AnyPath => return Answer::Files,
        ValueHint::DirPath => return Answer::Directories,
        _ => {}
    }
    let plain = |values: &[&str]| values.iter().map(|value| ((*value).to_owned(), String::new())).collect();
    let name = argument.get_value_names().and_then(<[_]>::first).map_or("", clap::builder::Str::as_str);
    let found: Vec<Candidate> = match name {
        "PATH" | "FILE" | "GLOB" | "PROGRAM" => return Answer::Files,
        "DIR" => return Answer::Directories,
        "REV[:PATH]" => match rev_of_path(current) {
            Some(revision) => {
                let outputs = known(&Wanted::Outputs(revision.to_owned())).into_iter();
                let revision = revision.to_string_lossy();
                outputs.map(|(path, about)| (format!("{revision}:{path}"), about)).collect()
            }
            None => known(&Wanted::Revisions),
        },
        "REV" => known(&Wanted::Revisions),
        "KEY[=VALUE]" => known(&Wanted::Tags),
        "FUNCTION" => known(&Wanted::Functions),
        "NAME[=VALUE]" => known(&Wanted::Variables),
        "MODE" => plain(&["auto", "refresh", "read", "replay", "off"]),
        "WHEN" => plain(&["auto", "off", "require"]),
        "COMMAND" => root
            .get_subcommands()
            .map(|found| (found.get_name().to_owned(), about(found.get_about())))
            .collect(),
        _ => Vec::new(),
    };
    beginning(found, glued, current)
}

/// The part of `REV:PATH` before the colon.
fn rev_of_path(word: &OsStr) -> Option<&OsStr> {
    let bytes = word.as_bytes();
    let colon = bytes.iter().position(|byte| *byte == b':')?;
    bytes.get(..colon).map(OsStr::from_bytes)
}

fn beginning(candidates: impl IntoIterator<Item = Candidate>, glued: &str, current: &OsStr) -> Answer {
    let fits = |value: &str| value.as_bytes().starts_with(current.as_bytes());
    let fitting = candidates.into_iter().filter(|(value, _)| fits(value));
    Answer::Values(fitting.map(|(value, about)| (format!("{glued}{value}"), about)).collect())
}

fn about(text: Option<&clap::builder::StyledStr>) -> String {
    text.map(|text| text.to_string().lines().next().unwrap_or_default().to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::cli;
    use super::*;

    fn known(wanted: &Wanted) -> Vec<Candidate> {
        let values: &[&str] = match wanted {
            Wanted::Revisions => &["3f2a9c41d07e", "8b1177aa00ff"],
            Wanted::Outputs(revision) if revision == "3f2a" => &["out/a", "out/b"],
            Wanted::Outputs(_) => &[],
            Wanted::Tags => &["stage=train", "keep="],
            Wanted::Functions => &["train.py"],
            Wanted::Variables => &["HOME"],
        };
        values.iter().map(|value| ((*value).to_owned(), String::new())).collect()
    }

    fn answered(line: &str) -> Answer {
        let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        answer(&cli::command(), &words, &known)
    }

    fn listed(line: &str) -> Vec<String> {
        match answered(line) {
            Answer::Values(values) => values.into_iter().map(|(value, _)| value).collect(),
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn commands_and_options() {
        assert_eq!(listed("hi"), ["history"]);
        assert!(listed("").len() > 12);
        assert_eq!(listed("log --js"), ["--json"]);
        assert_eq!(listed("exec --exp"), ["--explain"]);
        assert_eq!(listed("exec --mode re"), ["refresh", "read", "replay"]);
        assert_eq!(listed("exec --mode=o"), ["--mode=off"]);
        assert_eq!(listed("completions b"), ["bash"]);
        assert_eq!(listed("man his"), ["history"]);
    }

    #[test]
    fn revisions_tags_functions_and_outputs() {
        assert_eq!(listed("show 3"), ["3f2a9c41d07e"]);
        assert_eq!(listed("diff 3f2a 8"), ["8b1177aa00ff"]);
        assert_eq!(listed("rm 3f2a 8b11 8"), ["8b1177aa00ff"]);
        assert_eq!(listed("get 3f2a:out/a"), ["3f2a:out/a"]);
        assert_eq!(listed("log --tag st"), ["stage=train"]);
        assert_eq!(listed("log --tag=st"), ["--tag=stage=train"]);
        assert_eq!(listed("log --func t"), ["train.py"]);
        assert_eq!(listed("exec -e HO"), ["HOME"]);
    }

    #[test]
    fn the_wrapped_command_completes_itself() {
        assert_eq!(answered("exec gi"), Answer::Command(1));
        assert_eq!(answered("exec -- git che"), Answer::Command(2));
        assert_eq!(answered("exec --ttl 1h -f git checkout --q"), Answer::Command(4));
        assert_eq!(answered("check --stdin sort -"), Answer::Command(2));
        assert_eq!(listed("exec -- wc cashet:8"), ["cashet:8b1177aa00ff"]);
    }

    #[test]
    fn files_and_directories() {
        assert_eq!(answered("exec --input x"), Answer::Files);
        assert_eq!(answered("exec --input=x"), Answer::Files);
        assert_eq!(answered("exec --store "), Answer::Directories);
        assert_eq!(answered("get @ -o "), Answer::Files);
        assert_eq!(answered("import "), Answer::Files);
        assert_eq!(answered("man -o "), Answer::Directories);
    }

    #[test]
    fn any_words_have_an_answer() {
        let words = |bytes: &[u8]| vec![OsStr::from_bytes(bytes).to_owned()];
        assert_eq!(answer(&cli::command(), &[], &known), Answer::Values(Vec::new()));
        assert_eq!(answer(&cli::command(), &words(b"\xff"), &known), Answer::Values(Vec::new()));
        for line in
            ["-", "--", "--=", "log -- -", "log log log", "frob nicate", "exec --frob ", "get :", "exec --"]
        {
            let _ = answered(line);
        }
    }

    #[test]
    fn answers_are_lines() {
        let values =
            Answer::Values(vec![("a".to_owned(), "first".to_owned()), ("b".to_owned(), String::new())]);
        assert_eq!(values.lines(), "a\tfirst\nb\t\n");
        assert_eq!(Answer::Command(2).lines(), ":command 2\n");
    }
}
