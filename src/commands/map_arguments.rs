//! The options of `map`: its own and most of those of `exec`.

use super::options::{self, Flag, Scanned};
use crate::error::{Error, Result};
use crate::sweep::{Grid, Values};
use crate::ui::message;
use clap::builder::OsStringValueParser;
use clap::{Arg, ArgAction, ArgMatches, Command, ValueHint};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Options of `exec` that determine what is shown of one call.
const LEFT_OUT: &[Flag] = &[
    Flag::Id,
    Flag::Report,
    Flag::Verbose,
    Flag::Explain,
    // Closing the terminal detaches a sweep.
    Flag::Detach,
    // Standard input may be the list of runs; each run has an empty one.
    Flag::Stdin,
];

const AFTER: &str = "\
Each run is a call of 'cashet exec' with its own arguments. Recorded results are replayed, the others run; the same call \
again runs only what is missing. Runs get the tags sweep=NAME and param.NAME=VALUE.

VALUES are a list a,b,c (with quotes as in CSV around a value that contains a comma), a range 2..6, a range with a step \
0..1:0.25, or a logarithmic range 1e-4..1e-1:log4 (four values). Placeholders in COMMAND and in the values of --input, \
--output, --env, --salt and --tag are replaced: {NAME} is a parameter, {#} the number of the run, {id} a short digest of its \
parameters. With lines from --from: {} is the line, {.} the line without suffix, {/} its base name, {//} its directory, \
{/.} the base name without suffix. {{NAME}} is the text {NAME}. ${NAME} is left to the shell.

Examples:
  cashet map -j4 -p lr=0.1,0.01 -p depth=2..6 -- python3 train.py --lr {lr} --depth {depth} --out runs/{id}
  cashet map --from runs.csv --retry 2 -- ./job --seed {seed} --size {size}
  ls *.wav | cashet map --from - -- ffmpeg -y -i {} {.}.mp3
  cashet map -p lr=1e-5..1e-1:log100 -p layers=1..20 --sample 50 --dry-run -- ./train {lr} {layers}
  cashet map -p seed=1..5 --print=line -- ./job {seed}
  cashet map --on slurm --gpus 1 --at-most 8 -p lr=0.1,0.01 -- python3 train.py --lr {lr}

The output of the runs is stored ('cashet get' prints it); --print also prints it here. On Ctrl-C, map starts no more runs, \
passes the signal on to those in progress and waits for them. A second Ctrl-C ends at once.

With --on, misses become jobs on another machine; for Slurm, one job array. Ctrl-C cancels them. If the terminal is closed or \
map is killed, the jobs continue: the same call attaches to them and submits nothing twice.

Exit status: 0, 1 if any run failed, 2 for wrong usage, or the signal that ended it.";

/// How to show the output of the runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Print {
    /// Not at all.
    No,
    /// The output of each run as a whole, at its end.
    Grouped,
    /// Line by line as it arrives, each after the parameters.
    Lines,
}

/// Values of the options.
#[derive(Debug)]
pub(super) struct Options {
    pub(super) jobs: usize,
    pub(super) grid: Grid,
    pub(super) from: Option<OsString>,
    pub(super) sample: Option<u64>,
    pub(super) name: String,
    /// Maximum number of jobs that run on another machine at a time.
    pub(super) at_most: Option<u32>,
    pub(super) retry: u32,
    pub(super) fail_fast: bool,
    pub(super) only_failed: bool,
    pub(super) dry_run: bool,
    pub(super) print: Print,
    pub(super) json: bool,
    pub(super) quiet: bool,
    /// Options of `exec`, and the words with their placeholders.
    pub(super) call: Scanned,
}

/// The command with its help.
pub(super) fn command() -> Command {
    let flag = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).help(help).action(ArgAction::SetTrue).overrides_with(name)
    };
    let value = |name: &'static str, value: &'static str, help: &'static str| {
        Arg::new(name).long(name).help(help).value_name(value)
    };
    let own = [
        value("jobs", "N", "Run at most N at a time [default: the number of processors]")
            .short('j')
            .value_parser(clap::value_parser!(u16).range(1..)),
        value("param", "NAME=VALUES", "A parameter and its values; repeat it for more parameters or values")
            .short('p')
            .action(ArgAction::Append)
            .value_parser(OsStringValueParser::new()),
        flag("zip", "Combine first values with first values, second with second, and so on"),
        flag("product", "Combine every value with every value of the others (default)").conflicts_with("zip"),
        value(
            "from",
            "FILE",
            "One run for each row of a CSV file (.csv), JSON line (.jsonl), or line; - is standard input",
        )
        .value_hint(ValueHint::FilePath)
        .value_parser(OsStringValueParser::new()),
        value("sample", "N", "Run only N of the combinations, chosen at random; the same N each time")
            .value_parser(clap::value_parser!(u64).range(1..)),
        value("name", "SWEEP", "Name of the sweep [default: the name of the script or program]"),
        value("at-most", "N", "With --on, at most N jobs at a time")
            .value_parser(clap::value_parser!(u32).range(1..)),
        value("retry", "N", "Repeat a failed run, at most N times").value_parser(clap::value_parser!(u32)),
        flag("fail-fast", "Start no more runs after one has failed"),
        flag("only-failed", "Only runs that failed when they last ran in this sweep"),
        flag("dry-run", "List the runs and whether each would be a hit; run nothing"),
        Arg::new("print")
            .long("print")
            .value_name("HOW")
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("group")
            .value_parser(["group", "line"])
            .help("Print the output of the runs: =group after each run, =line as it comes"),
        flag("json", "One JSON object for each run"),
    ];
    let own = own.map(|argument| argument.help_heading("The sweep"));
    options::with_options_but(Command::new("map").args(own), LEFT_OUT)
        .about("Run a command once for each combination of parameters (a sweep)")
        .after_help(AFTER)
}

/// The options from clap's result.
///
/// # Errors
/// [`crate::error::Kind::Usage`] for parameters that make no sense.
pub(super) fn read(matches: &ArgMatches) -> Result<Options> {
    let call = options::from_matches(matches);
    if call.has_twice(Flag::Quiet) {
        message::mute();
    }
    let mut axes: Vec<(String, Values)> = Vec::new();
    for given in matches.get_many::<OsString>("param").into_iter().flatten() {
        let (name, values) = parameter(given)?;
        match axes.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = known.clone().and(&values)?,
            None => axes.push((name, values)),
        }
    }
    let from = matches.get_one::<OsString>("from").cloned();
    if matches.contains_id("at-most") && !call.has(Flag::On) {
        return Err(Error::usage("--at-most needs --on").with_hint("-j limits what runs here"));
    }
    if let (false, Some(option)) = (call.has(Flag::On), call.first_of(options::ELSEWHERE)) {
        return Err(Error::usage(format!("--{option} needs --on")).with_hint("--on NAME says which executor"));
    }
    if axes.is_empty() && from.is_none() {
        return Err(Error::usage("there are no parameters")
            .with_hint("-p NAME=VALUES gives them, --from FILE reads them, --from - reads lines"));
    }
    let processors = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let name = match matches.get_one::<String>("name") {
        Some(name) if name.is_empty() || name.contains(char::is_control) => {
            return Err(Error::usage("--name: it needs one line of text"));
        }
        Some(name) => name.clone(),
        None => default_name(&call.words),
    };
    Ok(Options {
        jobs: matches.get_one::<u16>("jobs").map_or_else(processors, |jobs| usize::from(*jobs)),
        grid: Grid::new(axes, matches.get_flag("zip"))?,
        from,
        sample: matches.get_one::<u64>("sample").copied(),
        name,
        at_most: at_most(matches, call.has(Flag::On)),
        retry: matches.get_one::<u32>("retry").copied().unwrap_or(0),
        fail_fast: matches.get_flag("fail-fast"),
        only_failed: matches.get_flag("only-failed"),
        dry_run: matches.get_flag("dry-run"),
        print: match matches.get_one::<String>("print").map(String::as_str) {
            None => Print::No,
            Some("line") => Print::Lines,
            Some(_) => Print::Grouped,
        },
        json: matches.get_flag("json"),
        quiet: call.has(Flag::Quiet),
        call,
    })
}

/// So many jobs elsewhere at a time, where that was said.
fn at_most(matches: &ArgMatches, is_elsewhere: bool) -> Option<u32> {
    let jobs = || matches.get_one::<u16>("jobs").filter(|_| is_elsewhere).map(|jobs| u32::from(*jobs));
    matches.get_one::<u32>("at-most").copied().or_else(jobs)
}

/// `NAME=VALUES`.
fn parameter(given: &OsStr) -> Result<(String, Values)> {
    let wrong = |what: &str| {
        Error::usage(format!("-p: {} {what}", given.display()))
            .with_hint("-p NAME=VALUES, where VALUES are a,b,c or 2..6 or 0..1:0.25 or 1e-4..1e-1:log4")
    };
    let bytes = given.as_bytes();
    let equals = bytes.iter().position(|byte| *byte == b'=').ok_or_else(|| wrong("has no values"))?;
    let (name, values) = bytes.split_at_checked(equals).ok_or_else(|| wrong("has no values"))?;
    let name = std::str::from_utf8(name).map_err(|_| wrong("has a name that is not UTF-8"))?;
    let is_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ' ');
    if name.is_empty() || !name.chars().all(is_name) {
        return Err(wrong("has no name of letters, digits, - and _"));
    }
    let values = Values::parse(values.get(1..).unwrap_or_default()).map_err(|error| {
        let named = Error::usage(format!("-p {name}: {error}"));
        named.with_hint(error.hint().unwrap_or_default())
    })?;
    Ok((name.to_owned(), values))
}

/// Suffixes of scripts: a sweep is named after the script, not after its interpreter.
const SCRIPTS: &[&str] = &[
    "py", "js", "mjs", "cjs", "ts", "sh", "bash", "zsh", "rb", "pl", "r", "jl", "lua", "php", "ipynb", "m",
    "sql",
];

/// The base name of the script, or else of the program.
fn default_name(words: &[OsString]) -> String {
    let is_script = |word: &&OsString| {
        let suffix = Path::new(word).extension().and_then(OsStr::to_str).unwrap_or_default();
        !word.as_bytes().starts_with(b"-") && SCRIPTS.contains(&suffix.to_ascii_lowercase().as_str())
    };
    let word = words.iter().take(4).find(is_script).or(words.first());
    let name = word.and_then(|word| Path::new(word).file_name()).unwrap_or_default();
    name.to_string_lossy().replace(char::is_control, "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(words: &[&str]) -> Result<Options, String> {
        let command = command().no_binary_name(true);
        let matches = command.try_get_matches_from(words).map_err(|error| error.to_string())?;
        read(&matches).map_err(|error| error.to_string())
    }

    #[test]
    fn parameters_are_gathered() {
        let read = options(&["-j2", "-p", "a=1,2", "-p", "b=3..5", "-pa=7", "-q", "--", "x", "-p"]).unwrap();
        assert_eq!((read.jobs, read.grid.len(), read.quiet, read.name.as_str()), (2, 9, true, "x"));
        assert_eq!(read.call.words, ["x", "-p"]);
        let names: Vec<&str> = read.grid.names().collect();
        assert_eq!(names, ["a", "b"]);
    }

    #[test]
    fn a_sweep_is_called_by_its_script() {
        for (words, name) in [
            (&["-p", "a=1", "python3", "src/train.py", "--x", "y.py"][..], "train.py"),
            (&["-p", "a=1", "./train"], "train"),
            (&["-p", "a=1", "--name", "first", "./train"], "first"),
            (&["-p", "a=1", "sort", "x.csv"], "sort"),
        ] {
            assert_eq!(options(words).unwrap().name, name);
        }
    }

    #[test]
    fn mistakes_are_told() {
        for (words, said) in [
            (&["true"][..], "there are no parameters"),
            (&["-p", "a=", "true"], "-p a: no values"),
            (&["-p", "a", "true"], "-p: a has no values"),
            (&["-p", "=1", "true"], "-p: =1 has no name of letters, digits, - and _"),
            (&["-p", "a=1,2", "-p", "b=1", "--zip", "true"], "--zip: a has 2 values, b has 1"),
        ] {
            assert_eq!(options(words).unwrap_err(), said);
        }
    }
}
