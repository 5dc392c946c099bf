//! The commands: one file per command, with its arguments and a function that calls the library.

mod accept;
pub mod answers;
pub mod attach;
mod audit;
mod calls;
mod check;
pub mod cli;
mod collect;
pub mod complete;
pub mod completions;
pub mod context;
mod destination;
pub mod diff;
pub mod doctor;
mod exec;
pub mod executors;
pub mod exit;
pub mod export;
pub mod found;
pub mod fsck;
pub mod gc;
pub mod get;
pub mod graph;
pub mod history;
pub mod import;
mod jobs;
pub mod log;
pub mod man;
mod map;
mod map_arguments;
pub mod missed;
mod not_found;
pub mod options;
pub mod provenance;
mod publish;
pub mod remote;
pub mod report;
pub mod revision;
pub mod rm;
mod runner;
pub mod runs;
pub mod show;
pub mod stats;
mod stripped;
pub mod tag;
pub mod top;
pub mod values;
pub mod verify;
pub mod welcome;
mod why;
mod worker;

pub use exit::Exit;

use crate::error::Result;
use crate::exec::nested::{Depends, tell};
use crate::ui::message;
use crate::ui::page::{self, Page};
use cli::{Call, Verb};
use context::Context;
use std::ffi::OsString;

/// Number of digits of a hash that are practically unique.
const SURE_DIGITS: usize = 8;

/// Runs the command in the words after `cashet`; returns how the program must end.
pub fn main(words: impl Iterator<Item = OsString>) -> Exit {
    let words = with_store_behind(without_help(words.collect()));
    match words.split_first() {
        None => end(welcome::run()),
        // First of all, since a hit must be fast.
        Some((first, rest)) if first == "exec" => {
            runner::scanned("exec", rest).map_or_else(|exit| exit, |scanned| exec::main(&scanned))
        }
        Some((first, rest)) if first == "check" => check::main(rest),
        Some((first, rest)) if first == "audit" => audit::main(rest),
        Some((first, rest)) if first == "accept" => accept::main(rest),
        Some((first, rest)) if first == "why" => why::main(rest),
        Some((first, rest)) if first == "map" => {
            runner::matches("map", rest).map_or_else(|exit| exit, |matches| map::main(&matches))
        }
        Some((first, rest)) if first == "complete" => end(answers::run(rest)),
        Some((first, rest)) if first == worker::NAME => worker::main(rest),
        Some((first, [what, rest @ ..])) if first == "remote" && what == "pull" && !asks_help(rest) => {
            check::main(rest)
        }
        Some((first, [directory])) if first == publish::NAME => publish::main(directory),
        Some((first, [directory, cap])) if first == collect::NAME => collect::main(directory, cap),
        Some(_) => end(run(&words)),
    }
}

/// Whether there are no words, or they ask for help.
fn asks_help(words: &[OsString]) -> bool {
    words.first().is_none_or(|word| word == "--help" || word == "-h")
}

/// `help COMMAND` is `COMMAND --help`.
fn without_help(mut words: Vec<OsString>) -> Vec<OsString> {
    if words.first().is_some_and(|word| word == "help") {
        words.truncate(2);
        words.remove(0);
        words.push("--help".into());
    }
    words
}

/// Moves `--store DIR` from before the name of a command that runs another to after it, where its options are.
fn with_store_behind(mut words: Vec<OsString>) -> Vec<OsString> {
    let store = match words.first().and_then(|word| word.to_str()) {
        Some("--store") => 2,
        Some(word) if word.starts_with("--store=") => 1,
        _ => return words,
    };
    let runs = words.get(store).is_some_and(|word| cli::RUNNERS.iter().any(|name| word == name));
    if let Some(head) = words.get_mut(..=store).filter(|_| runs) {
        head.rotate_right(1);
    }
    words
}

fn run(words: &[OsString]) -> Result<Exit> {
    let (verb, store) = match cli::parse(words)? {
        Call::Verb(verb, store) => (verb, store),
        Call::Text(text) => {
            let mut page = Page::stdout(crate::record::Timestamp::now());
            page.write(&text)?;
            return page.finish().map(|()| exit::DONE);
        }
    };
    let context = match Context::here(store.as_deref()) {
        // The command reports errors.
        Err(error) if matches!(*verb, Verb::Doctor(_)) => {
            Context::without_settings(store.as_deref()).map_err(|_| error)?
        }
        other => other?,
    };
    report_to_outer(&verb, words, &context);
    let mut page = Page::stdout(context.now);
    let ended = run_verb(&verb, &context, &mut page);
    // Output before the failure is written before the message.
    let finished = page.finish();
    ended.and_then(|exit| finished.map(|()| exit))
}

/// Reports to an outer call that this command's answer depends on the store, which is not a file that it could observe. The answer for a
/// complete hash never changes.
fn report_to_outer(verb: &Verb, words: &[OsString], context: &Context) {
    let is_hash = |word: &&OsString| {
        let bytes = word.as_encoded_bytes();
        let hash = bytes.split(|byte| *byte == b':').next().unwrap_or_default();
        hash.len() >= SURE_DIGITS && hash.iter().all(u8::is_ascii_hexdigit)
    };
    let name = words.iter().find_map(|word| word.to_str().filter(|word| !word.starts_with('-')));
    let by_hash = match verb {
        Verb::Completions(_) | Verb::Man(_) | Verb::Doctor(_) => return,
        Verb::Get(_) => words.iter().any(|word| is_hash(&word)),
        _ => false,
    };
    tell(Depends::Store(&context.project.store));
    if !by_hash {
        tell(Depends::Results(&format!("cashet {}", name.unwrap_or_default())));
    }
}

/// Runs a command on the store and shows the result on `page`.
///
/// # Errors
/// Those of the command.
pub fn run_verb(verb: &Verb, context: &Context, page: &mut Page<'_>) -> Result<Exit> {
    match verb {
        Verb::Log(args) => log::run(args, context, page),
        Verb::Runs(args) => runs::run(args, context, page),
        Verb::Report(args) => report::run(args, context, page),
        Verb::Show(args) => show::run(args, context, page),
        Verb::Get(args) => get::run(args, context, page),
        Verb::Diff(args) => diff::run(args, context, page),
        Verb::History(args) => history::run(args, context, page),
        Verb::Graph(args) => graph::run(args, context, page),
        Verb::Verify(args) => verify::run(args, context, page),
        Verb::Tag(args) => tag::run(args, context, page),
        Verb::Rm(args) => rm::run(args, context, page),
        Verb::Gc(args) => gc::run(args, context, page),
        Verb::Stats(args) => stats::run(args, context, page),
        Verb::Top(args) => top::run(args, context, page),
        Verb::Attach(args) => attach::run(args, context, page),
        Verb::Fsck(args) => fsck::run(args, context, page),
        Verb::Export(args) => export::run(args, context, page),
        Verb::Import(args) => import::run(args, context, page),
        Verb::Executors(args) => executors::run(args, context, page),
        Verb::Remote(args) => remote::run(args, context, page),
        Verb::Doctor(args) => doctor::run(args, context, page),
        Verb::Completions(args) => completions::run(args, page),
        Verb::Man(args) => man::run(args, cli::command(), page),
    }
}

/// Ends without failure if the reader of the output went away.
fn end(ended: Result<Exit>) -> Exit {
    match ended {
        Ok(exit) => exit,
        Err(error) if page::is_reader_gone(&error) => exit::DONE,
        Err(error) => {
            message::error(&error);
            Exit::Status(error.command_status())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_of_a_command_may_be_asked_for_either_way() {
        let read = |line: &str| without_help(line.split(' ').map(OsString::from).collect());
        assert_eq!(read("help"), ["--help"]);
        assert_eq!(read("help exec"), ["exec", "--help"]);
        assert_eq!(read("help exec frob"), ["exec", "--help"]);
        assert_eq!(read("exec help"), ["exec", "help"]);
    }

    #[test]
    fn a_store_named_first_goes_to_the_command_that_reads_it() {
        let moved = |line: &str| {
            let words = line.split(' ').map(OsString::from).collect();
            with_store_behind(words).join(std::ffi::OsStr::new(" ")).into_string().unwrap()
        };
        assert_eq!(moved("--store x exec true"), "exec --store x true");
        assert_eq!(moved("--store=x check -- true"), "check --store=x -- true");
        for line in ["--store x log", "exec --store x true", "--store", "--store x", "log"] {
            assert_eq!(moved(line), line);
        }
    }
}
