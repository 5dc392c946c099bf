//! `cashet exec`: runs a command, or replays it.

pub(super) mod elsewhere;
mod ground;
mod plan;
mod products;
pub(super) mod resident;
mod secrets;
mod spool;

use super::exit::Exit;
use super::not_found::explained;
use super::options::{self, Flag, Scanned};
use crate::commands::{collect, publish};
use crate::digest::Key;
use crate::error::{EXIT_FAILED, EXIT_NO, Error, Kind, Result};
use crate::exec::{Unix, replace, shortage, start_detached};
use crate::hash::capture;
use crate::hash::request::Request;
use crate::hash::user_digests;
use crate::memo::{self, Answer, Kept, Outcome};
use crate::record::Termination;
use crate::ui::message;
use crate::ui::miss::Call;
use crate::ui::status::{Status, Verbosity};
pub(super) use ground::{Ground, Streams};

use ground::verbosity;
use plan::Showing;
use std::ffi::OsString;
use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Command, Stdio};

/// Runs `cashet exec` with these words.
#[must_use]
pub(super) fn main(scanned: &Scanned) -> Exit {
    match answer(scanned) {
        Ok(exit) => exit,
        Err(error) => {
            let error = explained(error, &scanned.words);
            message::error(&error);
            Exit::Status(error.exec_status())
        }
    }
}

/// Replaces this process by the command, because of `why`.
fn become_command(request: &Request, showing: &Showing, why: &str) -> Error {
    match capture::program(request) {
        Ok(program) => {
            Status::new(verbosity(showing)).trouble(&format!("not cached: {why}"));
            replace(&program.path, &request.words, &program.environment)
        }
        Err(error) => error,
    }
}

fn answer(scanned: &Scanned) -> Result<Exit> {
    if scanned.has(Flag::On) {
        return elsewhere::answer(scanned);
    }
    if let Some(option) = scanned.first_of(options::ELSEWHERE) {
        return Err(Error::usage(format!("--{option} needs --on")).with_hint("--on NAME says which executor"));
    }
    answer_here(scanned, None)
}

/// Runs a call on this machine. With `only`, nothing runs under another key.
fn answer_here(scanned: &Scanned, only: Option<Key>) -> Result<Exit> {
    /// Length limit of a path in the kernel, in bytes.
    const PATH_MAX: usize = 4096;
    let directory = std::env::current_dir().and_then(|directory| {
        // Nothing can be found through a path that is too long.
        if directory.as_os_str().len() < PATH_MAX {
            Ok(directory)
        } else {
            directory.metadata().map(|_| directory)
        }
    });
    if let Some(why) = shortage() {
        let directory = directory.unwrap_or_else(|_| ".".into());
        let plan = Ground::at(directory, scanned)?.plan;
        return Err(become_command(&plan.request, &plan.showing, &why));
    }
    let mut ground = match directory {
        Ok(directory) => Ground::here(directory, scanned, true)?,
        Err(error) => Ground::nowhere(scanned, &error)?,
    };
    ground.plan.policy.only_key = only;
    let stdin = ground.settle()?;
    let streams = Streams::new(ground.plan.showing.id)?;
    let executor = Unix;
    let verbosity = verbosity(&ground.plan.showing);
    let status = Status::new(verbosity);
    let status = if ground.plan.showing.id { status.without_stdout() } else { status };
    status.look_around(ground.store());
    if let (Verbosity::Trouble, true, Some(why)) = (verbosity, ground.is_nowhere, &ground.no_store) {
        // The status line contains this, where there is one.
        status.trouble(&format!("not cached: {why}"));
    }
    let context = ground.context(&executor, &status, &streams);
    let wants_refresh = ground.plan.policy.stale_after.is_some();
    let again = if wants_refresh { stdin_again(stdin.as_ref()) } else { None };
    let is_given = stdin.is_some();
    let answered = memo::memoize(&context, &ground.plan.request, stdin, &ground.plan.policy);
    if let (Err(error), false) = (&answered, is_given)
        && error.kind() == Kind::Io(std::io::ErrorKind::WouldBlock)
    {
        // The process limit (`ulimit -u`) allows no second process.
        return Err(become_command(&ground.plan.request, &ground.plan.showing, &error.to_string()));
    }
    let words = ground.plan.request.shown_words();
    if ground.store.is_some()
        && !matches!(&answered, Ok(Answer { outcome: Outcome::Hit { .. }, .. }) | Err(_))
    {
        warn_of_secrets(&words, &status);
    }
    let call = Call { words: &words, places: &ground.plan.request.places, store: ground.store.as_ref() };
    if let Some(report) = &ground.plan.showing.report {
        write_report(&status.report(&call, &answered), Path::new(report), &status);
    }
    let answer = answered?;
    if ground.creates && ground.project.store.exists() {
        status.created(&ground.project.store);
    }
    status.answered(&call, &answer);
    if let Outcome::Hit { stale: true, .. } = answer.outcome {
        refresh(scanned, again);
    }
    let exit = exit_of(&ground, &answer);
    if ground.store.is_some()
        && matches!(answer.outcome, Outcome::Hit { .. } | Outcome::Ran { kept: Kept::Yes, .. })
    {
        user_digests::write_down();
    }
    if let Some(store) = &ground.store
        && !matches!(answer.outcome, Outcome::Hit { .. })
    {
        store.record_killed();
        store.settle();
        // Results beyond the cap are deleted in the background, after this call has ended.
        collect::start(store, &ground.project.store);
        if let (Outcome::Ran { kept: Kept::Yes, .. }, Some(commit), false) =
            (&answer.outcome, &answer.commit, ground.remotes.is_empty())
        {
            let root = &ground.project.places.root;
            publish::start(store, commit, (root, &ground.remotes), &|words| status.trouble(words));
        }
        status.notices(store);
        store.leave();
    }
    // The process ends now. Freeing hundreds of paths would take a tenth of a hit.
    std::mem::forget(answer);
    Ok(exit)
}

/// Warns about words that look like secrets, since words are stored unchanged.
fn warn_of_secrets(words: &[OsString], status: &Status) {
    let words: Vec<Vec<u8>> = words.iter().map(|word| word.as_bytes().to_vec()).collect();
    if let Some(found) = secrets::first(&words) {
        status.trouble(&format!(
            "{found} looks like a secret and is stored with the command (--redact hides it)"
        ));
    }
}

fn write_report(report: &str, path: &Path, status: &Status) {
    let written = File::create(path).and_then(|mut file| file.write_all(report.as_bytes()));
    if let Err(error) = written {
        status.trouble(&Error::io("write", path, error).to_string());
    }
}

/// Ends like the command; with `--id`, prints the hash of the commit first.
fn exit_of(ground: &Ground, answer: &Answer) -> Exit {
    if let (Termination::Exited(0), Some(errno)) = (answer.termination, answer.lost_output) {
        // Without cashet, the command itself would have got the write error.
        let path = Path::new("standard output");
        message::error(&Error::io("write to", path, std::io::Error::from_raw_os_error(errno)));
        return Exit::Status(EXIT_NO);
    }
    let own = match answer.termination {
        Termination::Exited(status) => Exit::Status(status),
        Termination::Signaled(signal) => Exit::Signal(signal),
    };
    if !ground.plan.showing.id {
        return own;
    }
    let replayable = matches!(answer.outcome, Outcome::Hit { .. } | Outcome::Ran { kept: Kept::Yes, .. });
    match answer.commit.filter(|_| replayable) {
        Some(commit) => {
            let written =
                writeln!(std::io::stdout().lock(), "{commit}").and_then(|()| std::io::stdout().flush());
            if written.is_ok() { own } else { Exit::Status(EXIT_FAILED) }
        }
        None if own == Exit::Status(0) => Exit::Status(EXIT_FAILED),
        None => own,
    }
}

/// Standard input for another call of the same command: the given one, or our own if it is a file; at its present offset.
fn stdin_again(given: Option<&memo::GivenStdin>) -> Option<File> {
    let ours = std::io::stdin();
    let original = match given {
        Some(given) => given.file.try_clone().ok()?,
        None => File::from(ours.as_fd().try_clone_to_owned().ok()?),
    };
    if !original.metadata().ok()?.is_file() {
        return None;
    }
    // A file that is opened again has a separate offset.
    let mut again = File::open(format!("/proc/self/fd/{}", original.as_raw_fd())).ok()?;
    again.seek(SeekFrom::Start((&original).stream_position().ok()?)).ok()?;
    Some(again)
}

/// Starts the same call again in the background, to record a new result; it reads `stdin`.
fn refresh(scanned: &Scanned, stdin: Option<File>) {
    const LEFT_OUT: &[Flag] = &[
        Flag::Report,
        Flag::Id,
        Flag::Stale,
        Flag::Mode,
        Flag::Force,
        Flag::Verbose,
        Flag::Quiet,
        Flag::Explain,
    ];
    let Ok(program) = std::env::current_exe() else { return };
    let mut command = Command::new(program);
    command.arg("exec").args(["--force", "--quiet"]).args(scanned.to_words(LEFT_OUT));
    command.stdin(stdin.map_or_else(Stdio::null, Stdio::from)).stdout(Stdio::null()).stderr(Stdio::null());
    // A failure is ignored: the next call will try again.
    let _ = start_detached(&mut command);
}
