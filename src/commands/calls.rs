//! The commands that name another command, with their options and help: `exec`, `check`, `why`, `audit`, `accept`.

use super::options;
use clap::builder::OsStringValueParser;
use clap::{Arg, ArgAction, Command};

const EXEC: &str = "\
The first call runs COMMAND and watches its system calls. Its output, exit status and the files that it left in the project are \
saved. The same call replays them until something that they depend on changes: the program and its code \
(comments and formatting are ignored), the arguments, environment variables that are used, and every file that the run read, listed or \
probed but did not find. Nothing has to be declared.

A result is not cached if COMMAND fails, uses the network, reads a pipe, writes outside of the project, \
or cannot be watched completely; one line says why and what to do. cashet does not see use of the clock or of random numbers: use --ttl then, or do not cache. 'cashet audit -- COMMAND' lists what a command does, 'cashet why -- COMMAND' what a call would do now.

Examples:
  cashet exec -- python3 train.py --lr 0.01          nothing to declare
  cashet exec --ttl 1h --allow-net -- curl -s URL    at most an hour old
  cashet exec --stdin -- sort -n < numbers.txt       standard input is an input
  cashet exec --env LR -- ./job                      depend on one more variable
  cashet exec --ignore-arg='-j N' -- ./job -j 8      the number of threads does not matter
  cashet exec -f -- make report                      run again and record
  cashet exec --cache-exit 0,1 -- grep -r TODO src   cache 'nothing found', too
  cashet exec --trace off -i a.csv -o b.csv -- ./job unwatched: declare inputs and outputs
  cashet exec --on slurm --gpus 1 -- ./train         on another machine: see docs/executors.md
  cashet exec -- sh -c 'sort a.csv | uniq > b.csv'   a pipeline needs a shell
  raw=$(cashet exec --id -- python3 load.py day1.csv)
  cashet exec -- python3 clean.py \"cashet:$raw\"    use the output of an earlier run

An argument, or the value in --option=VALUE, that begins with cashet: stands for an earlier result: cashet:REV for its standard \
output, cashet:REV:PATH for a file that it left. If there is no such result, nothing runs. --literal passes such arguments as they are.

Exit status: that of COMMAND, or the signal that killed it. 121: nothing to replay, with --mode replay; \
125: cashet itself failed before COMMAND ran; 126: found but not executable; 127: not found.";

const WHY: &str = "\
Prints at most ten lines: the most important reason first, then what would help. Give the same options as to 'exec'. \
Without COMMAND, or with --last, it explains the newest run of this store.

Exit status: 0 hit, 1 miss, 3 the command would run uncached.";

const ACCEPT: &str = "\
Shows what has changed since the recorded run, asks, and records the old result once more, for the present \
code and inputs. The command does not run. 'cashet show' says which run the new entry comes from, who accepted it, when and why. \
The entry depends on everything that the recorded run depended on, in its present state: a later change makes the command run again. \
If the change did matter, 'cashet rm' removes the entry. 'cashet verify' runs the command and compares.

Without COMMAND, the command is that of REV. Without --since, REV is the newest cached run of COMMAND, or of the store. \
Arguments, output patterns and options of cashet must be the same as those of the recorded run.

Examples:
  cashet accept -- python3 train.py --lr 0.01     after an edit that does not matter
  cashet accept --since 3f2a -m 'only renamed'    the command of that run
  cashet accept --yes --since @{1} --since @{2}   several, without a question

Exit status: 0 accepted, or nothing to accept; 1 no, or it cannot be accepted; 2 wrong usage.";

/// `exec` with its options.
#[must_use]
pub(super) fn exec() -> Command {
    options::with_options(Command::new("exec"))
        .about("Run a command, or replay its cached result")
        .after_help(EXEC)
}

/// `check` with its options.
#[must_use]
pub(super) fn check() -> Command {
    options::with_options_but(Command::new("check"), options::ELSEWHERE)
        .about("Check whether a command would be a hit, without running it")
        .after_help("Exit status: 0 hit, 1 miss, 3 the command would run uncached.")
}

/// `audit` with its options.
#[must_use]
pub(super) fn audit() -> Command {
    options::with_options_but(Command::new("audit"), options::ELSEWHERE)
        .about("Watch a command and list what it read, wrote and started; record nothing")
        .arg(options::json("Write one JSON object to standard error instead of the list"))
}

/// `why` with its options.
#[must_use]
pub(super) fn why() -> Command {
    let last = Arg::new("last")
        .long("last")
        .help("Explain the newest run of this store")
        .action(ArgAction::SetTrue)
        .conflicts_with("words");
    let as_json = Arg::new("json").long("json").help("One JSON object").action(ArgAction::SetTrue);
    options::with_options_of_call(Command::new("why"))
        .about("Explain why a command would run again, or why the last one ran")
        .args([last, as_json])
        .after_help(WHY)
}

/// `accept` with its options.
#[must_use]
pub(super) fn accept() -> Command {
    let since = Arg::new("since")
        .long("since")
        .value_name("REV")
        .help("The recorded run whose result is kept in use (repeatable)")
        .action(ArgAction::Append)
        .value_parser(OsStringValueParser::new());
    let why = Arg::new("why")
        .short('m')
        .long("message")
        .value_name("WHY")
        .help("Why the change does not matter; recorded with the entry")
        .value_parser(OsStringValueParser::new());
    let yes = Arg::new("yes").short('y').long("yes").help("Do not ask").action(ArgAction::SetTrue);
    let as_json = Arg::new("json")
        .long("json")
        .help("One JSON object for each run; needs --yes")
        .action(ArgAction::SetTrue)
        .requires("yes");
    options::with_options_of_call(Command::new("accept"))
        .about("Keep using a recorded result after a change that does not matter")
        .args([since, why, yes, as_json])
        .after_help(ACCEPT)
}
