//! `cashet exec`: runs a command, or replays it.

pub(super) mod elsewhere;
mod plan;
mod products;
pub(super) mod resident;
mod secrets;
mod spool;

use super::context::GONE;
use super::exit::Exit;
use super::not_found::explained;
use super::options::{self, Flag, Scanned};
use crate::commands::{collect, publish};
use crate::digest::{Digest, Key};
use crate::error::{EXIT_FAILED, EXIT_NO, Error, Kind, Result};
use crate::exec::{Unix, replace, shortage, start_detached};
use crate::hash::capture;
use crate::hash::request::Request;
use crate::hash::user_digests;
use crate::memo::{self, Answer, Context, Kept, Mode, Outcome, Policy};
use crate::project::Project;
use crate::record::{Recall, Termination};
use crate::remote::Remote;
use crate::store::{LocalStore, Store, StoreOptions};
use crate::ui::miss::Call;
use crate::ui::status::{Status, Verbosity};
use crate::ui::{escape, message};
use plan::{Plan, Showing, StdinSource};
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{IsTerminal, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
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

/// Everything that `exec`, `check` and `audit` stand on.
pub(super) struct Ground {
    pub(super) project: Project,
    plan: Plan,
    store: Option<LocalStore>,
    no_store: Option<String>,
    /// The copies that stand in place of references.
    held: memo::Held,
    /// Whether there was no store when this call, which may make one, began.
    creates: bool,
    /// Whether the working directory cannot be determined.
    is_nowhere: bool,
    /// The shared caches that are asked and written to.
    remotes: Vec<Remote>,
}

impl Ground {
    /// Finds the project, settles the options, opens the store.
    pub(super) fn new(scanned: &Scanned, create: bool) -> Result<Self> {
        let directory = std::env::current_dir()
            .map_err(|error| Error::io("find", Path::new("the working directory"), error).with_hint(GONE))?;
        Self::here(directory, scanned, create)
    }

    /// The same in `directory`, which is the working directory.
    fn here(directory: PathBuf, scanned: &Scanned, create: bool) -> Result<Self> {
        let mut ground = Self::at(directory, scanned)?;
        if ground.plan.policy.mode != Mode::Off && ground.no_store.is_none() {
            // What a shared cache answers is taken into the store.
            ground.open_store(create || !ground.remotes.is_empty());
        }
        Ok(ground)
    }

    /// Where the working directory cannot be determined, since it was removed or its path is too long: the command runs bare.
    fn nowhere(scanned: &Scanned, error: &std::io::Error) -> Result<Self> {
        // What is relative to it is found by the system itself, or is not.
        let mut ground = Self::at(".".into(), scanned)?;
        ground.is_nowhere = ground.plan.policy.mode != Mode::Off;
        ground.no_store = Some(match error.kind() {
            std::io::ErrorKind::NotFound => "the working directory was removed".to_owned(),
            _ => format!("the working directory cannot be determined: {error}"),
        });
        Ok(ground)
    }

    /// Finds the project around `directory` and settles the options.
    fn at(directory: PathBuf, scanned: &Scanned) -> Result<Self> {
        let home = std::env::var_os("HOME");
        let named = scanned.last(Flag::Store).map(OsString::from);
        let named = named.or_else(|| std::env::var_os("CASHET_DIR").filter(|value| !value.is_empty()));
        let mut project = Project::find(directory, home.as_deref(), named.as_deref());
        let settings = project.settings()?;
        let mut plan = plan::plan(scanned, &project, &settings)?;
        let cache = std::env::var_os("XDG_CACHE_HOME");
        let no_store = match project.place_store(&settings.store, cache.as_deref()) {
            Err(error) if error.kind() == Kind::Usage => return Err(error),
            other => other.err().map(|error| error.to_string()),
        };
        if let Some(directory) = project.user_cache(cache.as_deref()) {
            user_digests::keep_in(&directory, &project.places.root, crate::exec::nested::is_unwatched);
        }
        let held = memo::Held::default();
        let is_local = scanned.has(Flag::NoRemote);
        let named = publish::remotes_of(&settings);
        let named = if is_local { named.unwrap_or_default() } else { named? };
        let of_executors = settings.executors.values().filter_map(|executor| {
            crate::remote::toolchain::Toolchain::parse(executor.toolchain.as_deref()?).ok()
        });
        let toolchains: Vec<_> =
            named.iter().filter_map(|remote| remote.toolchain.clone()).chain(of_executors).collect();
        // Results that rest on a toolchain do not name the system files that a call which watches us has to know.
        if !toolchains.is_empty() && !crate::exec::nested::is_watched() {
            plan.policy.toolchains = toolchains;
        }
        let remotes = if is_local { Vec::new() } else { named };
        Ok(Self { project, plan, store: None, no_store, held, creates: false, is_nowhere: false, remotes })
    }

    fn open_store(&mut self, create: bool) {
        let options = StoreOptions {
            create,
            trust_owner: self.project.store_is_named,
            durable: self.plan.durable,
            max_size: self.plan.max_size.or(StoreOptions::default().max_size),
        };
        match LocalStore::open(&self.project.store, &options) {
            Ok(store) => {
                self.creates = create && !store.existed();
                self.store = Some(store);
            }
            Err(error) => self.no_store = Some(error.to_string()),
        }
    }

    /// What the call asks for.
    pub(super) fn request(&self) -> &Request {
        &self.plan.request
    }

    /// What the call wants of the memory.
    pub(super) fn policy(&self) -> &Policy {
        &self.plan.policy
    }

    /// The store, if there is one to be used.
    pub(super) fn store(&self) -> Option<&LocalStore> {
        self.store.as_ref()
    }

    /// Puts paths in place of references and settles standard input; tells what the child is to read.
    pub(super) fn settle(&mut self) -> Result<Option<memo::GivenStdin>> {
        let finder = products::Finder { project: &self.project, quiet: self.plan.showing.quiet };
        if let Some(store) = &self.store {
            self.held = memo::resolve_references(&mut self.plan.request, &finder, store)?;
        } else if let Some(word) = memo::first_reference(&self.plan.request) {
            let reason = self.no_store.as_deref().unwrap_or("the store is not used");
            let word = escape::brief(word.as_bytes(), 60);
            return Err(Error::usage(format!("{word} cannot be had: {reason}"))
                .with_hint("--literal passes such words as they are"));
        }
        let file = match &self.plan.stdin {
            StdinSource::Inherit | StdinSource::Null => return Ok(None),
            StdinSource::Spool => {
                let (given, digest) = spool::spool(std::io::stdin().as_fd(), &self.project.store)?;
                self.reads(&given, digest)?;
                return Ok(Some(given));
            }
            StdinSource::Named(word) => {
                let store = self.store.as_ref().map(|store| store as &dyn Store);
                memo::open_stdin(word, &finder, store)?
            }
        };
        let (given, digest) = spool::digested(file, &self.project.store)?;
        self.reads(&given, digest)?;
        Ok(Some(given))
    }

    /// The child reads what was given, from its present offset on.
    fn reads(&mut self, given: &memo::GivenStdin, digest: Digest) -> Result<()> {
        let offset = (&given.file).stream_position();
        let offset = offset.map_err(|error| Error::io("read", Path::new("standard input"), error))?;
        self.plan.request.reads_stdin(digest, &given.file, offset);
        Ok(())
    }

    pub(super) fn context<'a>(
        &'a self,
        executor: &'a Unix,
        observer: &'a dyn memo::Observer,
        streams: &'a Streams,
    ) -> Context<'a> {
        Context {
            store: self.store.as_ref().map(|store| store as &dyn Store),
            no_store: self.no_store.clone(),
            recall: self.store.as_ref().map_or(&() as &(dyn Recall + Sync), |store| store),
            executor,
            observer,
            remotes: &self.remotes,
            stdin: streams.stdin.as_fd(),
            stdout: match &streams.nowhere {
                Some(nowhere) => nowhere.as_fd(),
                None => streams.stdout.as_fd(),
            },
            stderr: streams.stderr.as_fd(),
        }
    }
}

/// Our own three streams.
pub(super) struct Streams {
    stdin: std::io::Stdin,
    stdout: std::io::Stdout,
    stderr: std::io::Stderr,
    /// In place of stdout, with `--id`.
    nowhere: Option<File>,
}

impl Streams {
    pub(super) fn new(to_nowhere: bool) -> Result<Self> {
        let null = Path::new("/dev/null");
        let open =
            || OpenOptions::new().write(true).open(null).map_err(|error| Error::io("open", null, error));
        let nowhere = if to_nowhere { Some(open()?) } else { None };
        Ok(Self { stdin: std::io::stdin(), stdout: std::io::stdout(), stderr: std::io::stderr(), nowhere })
    }
}

fn verbosity(showing: &Showing) -> Verbosity {
    if showing.explain {
        Verbosity::Full
    } else if showing.quiet {
        Verbosity::Silent
    } else if showing.verbose || std::io::stderr().is_terminal() {
        Verbosity::Line
    } else {
        Verbosity::Trouble
    }
}

/// Becomes the command, since `why` stands against all else.
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
    /// The kernel takes no path of as many bytes.
    const PATH_MAX: usize = 4096;
    let directory = std::env::current_dir().and_then(|directory| {
        // By a path that is too long nothing in it is found.
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
        // The status line says it, where there is one.
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
        // We are the only process that may be (`ulimit -u`).
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
    if let Some(store) = &ground.store
        && !matches!(answer.outcome, Outcome::Hit { .. })
    {
        store.record_killed();
        store.settle();
        // What no longer fits is deleted in the background, after this call has ended.
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
    // The process ends now: giving back hundreds of paths one by one is a tenth of a hit.
    std::mem::forget(answer);
    Ok(exit)
}

/// Words are stored as they are: one that looks like a secret is worth a line.
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

/// The command's own end; with `--id`, the commit's hash first.
fn exit_of(ground: &Ground, answer: &Answer) -> Exit {
    if let (Termination::Exited(0), Some(errno)) = (answer.termination, answer.lost_output) {
        // Bare, the command would have met the failing write itself.
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

/// What the command reads, for another call: what was given, or ours if it is a file; at its present offset.
fn stdin_again(given: Option<&memo::GivenStdin>) -> Option<File> {
    let ours = std::io::stdin();
    let original = match given {
        Some(given) => given.file.try_clone().ok()?,
        None => File::from(ours.as_fd().try_clone_to_owned().ok()?),
    };
    if !original.metadata().ok()?.is_file() {
        return None;
    }
    // Opened again, it has an offset of its own.
    let mut again = File::open(format!("/proc/self/fd/{}", original.as_raw_fd())).ok()?;
    again.seek(SeekFrom::Start((&original).stream_position().ok()?)).ok()?;
    Some(again)
}

/// Starts the same call once more in the background, to record again; it reads `stdin`.
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
    // It may fail as it likes: the next call will try again.
    let _ = start_detached(&mut command);
}
