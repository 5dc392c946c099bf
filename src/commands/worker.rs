//! `worker`: runs a job on the machine that it was submitted to. An internal command: jobs start it.

mod sandbox;

use super::exec::elsewhere::{changed_since, execution, work};
use super::exit::{DONE, Exit};
use super::jobs::reapi::Order;
use super::options::{self, Flag, Scanned};
use crate::digest::{Digest, Key};
use crate::elsewhere::{Call, Place, enter, environment_of, machine};
use crate::encode::Decode;
use crate::error::{EXIT_FAILED, EXIT_USAGE, Error, Kind, Result};
use crate::exec::umask;
use crate::hash::manifest::Manifest;
use crate::ui::human;
use crate::ui::json::Object;
use crate::ui::message;
use crate::ui::miss::MOST_NAMED;
use nix::sys::stat::Mode;
use serde_json::Value;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The name of the command.
pub(super) const NAME: &str = "worker";

/// The variable in which Slurm sets the index of a job in its array.
const NUMBER: &str = "SLURM_ARRAY_TASK_ID";

/// Interval between checks whether another worker of the same job has ended.
const WAIT: Duration = Duration::from_millis(500);

/// `cashet worker [--environment] JOB`, `cashet worker --array DIR`: `JOB` is the directory of a job. With `--execute JOB`, a server
/// runs it with `cashet worker --sandboxed CALL OUTPUT RECORD`.
pub(super) fn main(words: &[OsString]) -> Exit {
    let words: Vec<&OsStr> = words.iter().map(OsString::as_os_str).collect();
    let done = match words.as_slice() {
        [first, job] if *first == "--environment" => Err(with_environment(job)),
        [first, directory] if *first == "--array" => {
            of_array(Path::new(directory)).and_then(|(number, job)| {
                match environment_of(number, std::env::vars_os()) {
                    Some(environment) => Err(again(job.path().as_os_str(), environment)),
                    None => run(&job, &in_place),
                }
            })
        }
        [first, call, output, record] if *first == sandbox::WORD => {
            sandbox::run([call, output, record].map(Path::new))
        }
        [first, limit, ship, job] if *first == execution::WORD => {
            let Some(order) = Order::from_words(limit, ship) else { return Exit::Status(EXIT_USAGE) };
            run(&Place::at(PathBuf::from(job)), &|call, report| by_server(call, report, &order))
        }
        [job] => run(&Place::at(PathBuf::from(job)), &in_place),
        _ => return Exit::Status(EXIT_USAGE),
    };
    match done {
        Ok(exit) => exit,
        Err(error) => {
            // This goes to the engine's log.
            message::error(&error);
            Exit::Status(EXIT_FAILED)
        }
    }
}

/// Starts this program again with the environment from standard input. Returns only if that fails.
fn with_environment(job: &OsStr) -> Error {
    let mut block = Vec::new();
    if let Err(error) = std::io::stdin().lock().read_to_end(&mut block) {
        return Error::io("read", Path::new("the environment"), error);
    }
    if block.is_empty() {
        return Error::new(Kind::Other, "no environment came through standard input")
            .with_hint("send-environment = true needs a launcher that hands its standard input on");
    }
    let variables = block.split(|byte| *byte == 0).filter_map(|variable| {
        let equals = variable.iter().position(|byte| *byte == b'=')?;
        let (name, value) = variable.split_at_checked(equals)?;
        Some((OsStr::from_bytes(name).to_owned(), OsStr::from_bytes(value.get(1..)?).to_owned()))
    });
    again(job, variables.collect())
}

/// Starts again for a job, with this environment. Returns only if that fails.
fn again(job: &OsStr, environment: Vec<(OsString, OsString)>) -> Error {
    restart(|command| command.env_clear().envs(environment).arg(NAME).arg(job))
}

/// Starts this program again with the same arguments and another umask, which a process has from its start: it never changes its
/// own. Returns only if that fails.
fn with_umask(mask: u32) -> Error {
    nix::sys::stat::umask(Mode::from_bits_truncate(mask));
    restart(|command| command.args(std::env::args_os().skip(1)))
}

/// Replaces this process by one of the same program. Returns only if that fails.
fn restart(prepare: impl FnOnce(&mut Command) -> &mut Command) -> Error {
    match std::env::current_exe() {
        Ok(program) => Error::io("start", &program, prepare(&mut Command::new(&program)).exec()),
        Err(error) => Error::io("find", Path::new("the program itself"), error),
    }
}

/// The number of this member of an array, and its job.
fn of_array(directory: &Path) -> Result<(usize, Place)> {
    let path = directory.join("list");
    let wrong = || Error::usage(format!("{NUMBER} names no job of {}", path.display()));
    let list = std::fs::read(&path).map_err(|error| Error::io("read", &path, error))?;
    let number: usize =
        std::env::var(NUMBER).ok().and_then(|number| number.parse().ok()).ok_or_else(wrong)?;
    let name =
        list.split(|byte| *byte == b'\n').nth(number).filter(|name| !name.is_empty()).ok_or_else(wrong)?;
    let jobs = directory.parent().unwrap_or(directory);
    Ok((number, Place::at(jobs.join(OsString::from_vec(name.to_vec())))))
}

/// Runs the call of a job, with a report.
type Runs<'a> = &'a dyn Fn(&Call, &Path) -> Result<Exit>;

/// Runs a job to its end and writes the result.
fn run(place: &Place, runs: Runs<'_>) -> Result<Exit> {
    let call = place.call().ok_or_else(|| {
        Error::new(Kind::Other, format!("{} is not a job", place.path().display()))
            .with_hint("the store must be on a file system that this machine can access, too")
    })?;
    if umask() != call.umask {
        return Err(with_umask(call.umask));
    }
    let _lock = loop {
        match place.run()? {
            Some(lock) => break lock,
            // The engine may have given up another machine too early, which still runs the job.
            None => std::thread::sleep(WAIT),
        }
    };
    if place.result().is_some_and(|result| !by_signal(&result)) {
        return Ok(DONE);
    }
    let attempt = place.attempt(&machine())?;
    let log = log_of_engine()?;
    let failed =
        |error: nix::errno::Errno| Error::new(Kind::Other, format!("cannot set the streams: {error}"));
    let null = Path::new("/dev/null");
    let null = File::open(null).map_err(|error| Error::io("open", null, error))?;
    nix::unistd::dup2_stdin(&null).map_err(failed)?;
    nix::unistd::dup2_stdout(&attempt.stdout).map_err(failed)?;
    nix::unistd::dup2_stderr(&attempt.stderr).map_err(failed)?;
    let report = place.path().join(format!("report.{}", attempt.number));
    let (ended, warnings) = match &call.snapshot {
        Some(tree) => in_tree(place, &call, tree, &report),
        None => (runs(&call, &report), Vec::new()),
    };
    let result = match &ended {
        Ok(_) => read(&report).map(|report| with_warnings(report, warnings)),
        Err(error) => Some(Value::from(refusal(error)).to_string().into_bytes()),
    };
    match result {
        // A job that the engine ended has no result: it is requeued, or the engine reports the reason.
        Some(result) if !is_interrupted(&result) => place.set_result(&result)?,
        _ => {}
    }
    nix::unistd::dup2_stderr(&log).map_err(failed)?;
    ended
}

/// Our standard error, for messages that are not from the command.
fn log_of_engine() -> Result<std::os::fd::OwnedFd> {
    use std::os::fd::AsFd;
    let ours = std::io::stderr().as_fd().try_clone_to_owned();
    ours.map_err(|error| Error::io("keep", Path::new("standard error"), error))
}

/// A report, if it is complete.
fn read(report: &Path) -> Option<Vec<u8>> {
    std::fs::read(report).ok().filter(|report| serde_json::from_slice::<Value>(report).is_ok())
}

/// Adds warnings to a report.
fn with_warnings(report: Vec<u8>, more: Vec<String>) -> Vec<u8> {
    let mut whole: Value = serde_json::from_slice(&report).unwrap_or_default();
    let Some(fields) = whole.as_object_mut().filter(|_| !more.is_empty()) else { return report };
    let warnings = fields.entry("warnings").or_insert_with(|| Value::Array(Vec::new()));
    if let Value::Array(warnings) = warnings {
        warnings.extend(more.into_iter().map(Value::from));
    }
    whole.to_string().into_bytes()
}

/// Runs the call in the tree that was copied at its submission. Copies the outputs to the project, and returns messages about those
/// that cannot be copied.
fn in_tree(place: &Place, call: &Call, tree: &Path, report: &Path) -> (Result<Exit>, Vec<String>) {
    let mut stores: Vec<PathBuf> =
        place.path().ancestors().nth(2).map(Path::to_path_buf).into_iter().collect();
    let named = options::scan(&call.words).and_then(|scanned| scanned.last(Flag::Store).map(PathBuf::from));
    stores.extend(named);
    stores.dedup();
    let entered = match enter(tree, &stores, &place.name()) {
        Ok(entered) => entered,
        Err(error) => return (Err(error), Vec::new()),
    };
    let ended = in_place(call, report);
    if ended.is_err() || read(report).is_none_or(|report| is_interrupted(&report)) {
        entered.abandon();
        return (ended, Vec::new());
    }
    let trouble = entered.leave(&place.path().join("aside"));
    (ended, trouble)
}

/// Enters the directory of a call; returns its options, with a report.
fn entered(call: &Call, report: &Path) -> Result<Scanned> {
    std::env::set_current_dir(&call.directory).map_err(|error| {
        Error::io("enter", &call.directory, error)
            .with_hint("the project must be on a file system that this machine can access, too")
    })?;
    let mut scanned = options::scan(&call.words)
        .ok_or_else(|| Error::new(Kind::Other, "the job was submitted by another version of cashet"))?;
    scanned.give(Flag::Report, Some(report.as_os_str().to_owned()));
    Ok(scanned)
}

/// Runs the call in its directory, with a report.
fn in_place(call: &Call, report: &Path) -> Result<Exit> {
    let scanned = entered(call, report)?;
    here(&scanned, call)
}

fn here(scanned: &Scanned, call: &Call) -> Result<Exit> {
    let only = call.manifest.as_ref().filter(|_| !call.latest).map(|manifest| Key(Digest::of(manifest)));
    match work(scanned, only) {
        Err(error) if error.kind() == Kind::OtherKey => Err(changed(scanned, call.manifest.as_deref())),
        other => other,
    }
}

/// Lets a server run the call, or runs it here if the server's result cannot be used.
fn by_server(call: &Call, report: &Path, order: &Order) -> Result<Exit> {
    let scanned = entered(call, report)?;
    match execution::run(&scanned, call, report, order)? {
        execution::Done::There(exit) => Ok(exit),
        execution::Done::Here(why) => {
            let exit = here(&scanned, call)?;
            if let Some(why) = why {
                execution::warn(report, &why)?;
            }
            Ok(exit)
        }
    }
}

/// Names what changed since the job was submitted.
fn changed(scanned: &Scanned, before: Option<&[u8]>) -> Error {
    let before = before.and_then(|bytes| Manifest::from_bytes(bytes).ok());
    let changed = before.and_then(|before| changed_since(scanned, &before).ok()).unwrap_or_default();
    let named = human::list(&changed.phrases, MOST_NAMED);
    let named = if named.is_empty() { "what decides the result changed".to_owned() } else { named };
    if changed.is_environment {
        return Error::new(Kind::OtherKey, format!("the environment differs there: {named}: not run"))
            .with_hint("--latest runs it all the same, --ignore-env NAME leaves a variable out");
    }
    Error::new(Kind::OtherKey, format!("{named} after the job was submitted: not run"))
}

fn refusal(error: &Error) -> Object {
    let object = Object::whole()
        .with("outcome", "error")
        .with("error", error.to_string())
        .with("status", error.exec_status());
    match error.hint() {
        Some(hint) => object.with("hint", hint),
        None => object,
    }
}

fn by_signal(result: &[u8]) -> bool {
    let report: Value = serde_json::from_slice(result).unwrap_or_default();
    report.get("exit").is_some_and(|exit| exit.get("signal").is_some())
}

/// Whether a signal reached cashet while the command ran.
fn is_interrupted(result: &[u8]) -> bool {
    let report: Value = serde_json::from_slice(result).unwrap_or_default();
    report.get("not_kept").and_then(|why| why.get("reason")).is_some_and(|reason| reason == "interrupted")
}
