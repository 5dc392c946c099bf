//! One run and its expected result. By default: no output, status 0, no file changed.

use super::background::{self, Background, Terminal};
use super::judge::{compare, judge_message, shown};
use super::snapshot::Snapshot;
use super::{CASHET, Sandbox};
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

/// The standard input of the run.
pub(super) enum Input {
    Null,
    Bytes(Vec<u8>),
    File(File),
    /// A pipe that stays open and empty until the run has ended.
    OpenPipe,
}

/// The expected content of a stream.
pub(super) enum Expected {
    Exactly(Vec<u8>),
    /// Each of these words, in this order.
    Containing(Vec<String>),
    Anything,
}

/// A run that is being described.
#[must_use = "nothing runs before `run`, `spawn` or `terminal`"]
pub(crate) struct Run<'a> {
    pub(super) sandbox: &'a Sandbox,
    pub(super) words: Vec<OsString>,
    pub(super) input: Input,
    directory: PathBuf,
    environment: Vec<(OsString, OsString)>,
    unset: Vec<OsString>,
    expectation: Expectation,
}

/// The expected result.
struct Expectation {
    stdout: Expected,
    stderr: Expected,
    status: Option<ExitStatus>,
    executions: Option<usize>,
    leaves: Vec<(PathBuf, Option<Vec<u8>>)>,
    removes: Vec<PathBuf>,
    store_untouched: bool,
}

/// A run that has ended as expected.
pub(crate) struct Ran<'a> {
    sandbox: &'a Sandbox,
    /// Its standard output.
    pub(crate) stdout: Vec<u8>,
    /// Its standard error.
    pub(crate) stderr: Vec<u8>,
    /// How it ended.
    pub(crate) status: ExitStatus,
    /// Peak resident memory of the first process, in bytes, as sampled.
    pub(crate) peak: u64,
}

impl<'a> Run<'a> {
    pub(super) fn new(sandbox: &'a Sandbox, words: Vec<OsString>) -> Self {
        let program_directory = Path::new(CASHET).parent().unwrap().as_os_str().to_owned();
        let mut path = program_directory;
        path.push(":/usr/local/bin:/usr/bin:/bin");
        let environment = vec![
            ("PATH".into(), path),
            ("HOME".into(), sandbox.home("").into_os_string()),
            ("TMPDIR".into(), sandbox.base().join("tmp").into_os_string()),
            ("LANG".into(), "C.UTF-8".into()),
        ];
        let expectation = Expectation {
            stdout: Expected::Exactly(Vec::new()),
            stderr: Expected::Exactly(Vec::new()),
            status: Some(ExitStatus::from_raw(0)),
            executions: None,
            leaves: Vec::new(),
            removes: Vec::new(),
            store_untouched: false,
        };
        let (input, directory, unset) = (Input::Null, sandbox.path(""), Vec::new());
        Self { sandbox, words, input, directory, environment, unset, expectation }
    }

    /// Sends these bytes through a pipe as standard input.
    pub(crate) fn stdin(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.input = Input::Bytes(bytes.as_ref().to_vec());
        self
    }

    /// Uses this file, at its present offset, as standard input. The default is `/dev/null`.
    pub(crate) fn stdin_file(mut self, file: File) -> Self {
        self.input = Input::File(file);
        self
    }

    /// Standard input is a pipe that stays empty and open.
    pub(crate) fn stdin_open_pipe(mut self) -> Self {
        self.input = Input::OpenPipe;
        self
    }

    /// The working directory, relative to the project.
    pub(crate) fn directory(mut self, relative: impl AsRef<Path>) -> Self {
        self.directory = self.sandbox.path(relative);
        self
    }

    /// Sets a variable.
    pub(crate) fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.environment.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Removes a variable from the small default environment.
    pub(crate) fn unset(mut self, name: impl AsRef<OsStr>) -> Self {
        self.unset.push(name.as_ref().to_owned());
        self
    }

    /// Standard output is exactly this.
    pub(crate) fn stdout(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.expectation.stdout = Expected::Exactly(bytes.as_ref().to_vec());
        self
    }

    /// Standard output contains these words in this order.
    pub(crate) fn stdout_with(mut self, words: &[&str]) -> Self {
        self.expectation.stdout = Expected::Containing(owned(words));
        self
    }

    /// The test itself checks standard output.
    pub(crate) fn any_stdout(mut self) -> Self {
        self.expectation.stdout = Expected::Anything;
        self
    }

    /// Standard error is exactly this.
    pub(crate) fn stderr(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.expectation.stderr = Expected::Exactly(bytes.as_ref().to_vec());
        self
    }

    /// Standard error contains these words in this order.
    pub(crate) fn stderr_with(mut self, words: &[&str]) -> Self {
        self.expectation.stderr = Expected::Containing(owned(words));
        self
    }

    /// The test itself checks standard error.
    pub(crate) fn any_stderr(mut self) -> Self {
        self.expectation.stderr = Expected::Anything;
        self
    }

    /// The exit status.
    pub(crate) fn status(mut self, code: i32) -> Self {
        self.expectation.status = Some(ExitStatus::from_raw(code << 8));
        self
    }

    /// The run dies of this signal.
    pub(crate) fn signal(mut self, number: i32) -> Self {
        self.expectation.status = Some(ExitStatus::from_raw(number));
        self
    }

    /// The test itself checks the status.
    pub(crate) fn any_status(mut self) -> Self {
        self.expectation.status = None;
        self
    }

    /// This many scripts of the sandbox are executed during the run.
    pub(crate) fn executes(mut self, times: usize) -> Self {
        self.expectation.executions = Some(times);
        self
    }

    /// This file of the project exists afterwards, with these bytes.
    pub(crate) fn leaves(mut self, relative: impl AsRef<Path>, bytes: impl AsRef<[u8]>) -> Self {
        let path = Path::new("project").join(relative);
        self.expectation.leaves.push((path, Some(bytes.as_ref().to_vec())));
        self
    }

    /// This path of the project, or beside it with `../`, and what is below it, may change.
    pub(crate) fn may_change(mut self, relative: impl AsRef<Path>) -> Self {
        let path = match relative.as_ref().strip_prefix("..") {
            Ok(beside) => beside.to_path_buf(),
            Err(_) => Path::new("project").join(relative),
        };
        self.expectation.leaves.push((path, None));
        self
    }

    /// This path of the project does not exist afterwards.
    pub(crate) fn removes(mut self, relative: impl AsRef<Path>) -> Self {
        self.expectation.removes.push(Path::new("project").join(relative));
        self
    }

    /// The call is refused with this status and one line that contains `words`; it runs and writes nothing.
    pub(crate) fn refused(mut self, code: i32, words: &[&str]) -> Self {
        self.expectation.store_untouched = true;
        self.status(code).stderr_with(words).executes(0)
    }

    /// The command as described, without standard streams. `prefix` makes it a session leader where needed.
    pub(super) fn command(&self, prefix: &[&str]) -> Command {
        let mut words = prefix.iter().map(OsString::from).chain(self.words.iter().cloned());
        let mut command = Command::new(words.next().unwrap());
        command.args(words).current_dir(&self.directory).env_clear();
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        self.unset.iter().for_each(|name| {
            command.env_remove(name);
        });
        command
    }

    /// Runs to the end and compares everything with the expected result.
    #[track_caller]
    pub(crate) fn run(mut self) -> Ran<'a> {
        let before = self.before();
        let input = std::mem::replace(&mut self.input, Input::Null);
        let (mut child, feed) = background::start(&mut self.command(&[]), input);
        let collected = background::collect(&mut child);
        feed.join();
        self.judge(&before, collected)
    }

    /// Starts the run in the background.
    pub(crate) fn spawn(mut self) -> Background<'a> {
        let before = self.before();
        let input = std::mem::replace(&mut self.input, Input::Null);
        Background::start(self, before, input)
    }

    /// Starts the run as the leader of a session whose terminal is all three standard streams.
    pub(crate) fn terminal(self) -> Terminal<'a> {
        let before = self.before();
        Terminal::start(self, before)
    }

    pub(super) fn before(&self) -> Before {
        let files = Snapshot::take(self.sandbox.base(), self.expectation.store_untouched);
        Before { files, executions: self.sandbox.executions() }
    }

    /// Compares the result with the expected one.
    #[track_caller]
    pub(super) fn judge(self, before: &Before, collected: Collected) -> Ran<'a> {
        let Collected { stdout, stderr, status, peak } = collected;
        let mut wrong = Vec::new();
        let expectation = &self.expectation;
        compare("stdout", &expectation.stdout, &stdout, &mut wrong);
        compare("stderr", &expectation.stderr, &stderr, &mut wrong);
        if expectation.status.is_some_and(|expected| expected != status) {
            wrong.push(format!("expected {}, got {status}", expectation.status.unwrap()));
        }
        let executed = self.sandbox.executions() - before.executions;
        if expectation.executions.is_some_and(|expected| expected != executed) {
            wrong.push(format!("expected {} executions, got {executed}", expectation.executions.unwrap()));
        }
        let after = Snapshot::take(self.sandbox.base(), expectation.store_untouched);
        self.judge_files(&after.changed_since(&before.files), &mut wrong);
        if expectation.store_untouched {
            judge_message(&stderr, &mut wrong);
        }
        if !wrong.is_empty() {
            let words = self.words.join(OsStr::new(" "));
            panic!(
                "{}\n  {}\n--- stdout\n{}\n--- stderr\n{}\n",
                words.display(),
                wrong.join("\n  "),
                shown(&stdout),
                shown(&stderr)
            );
        }
        Ran { sandbox: self.sandbox, stdout, stderr, status, peak }
    }

    fn judge_files(&self, changed: &BTreeSet<PathBuf>, wrong: &mut Vec<String>) {
        let base = self.sandbox.base();
        let expectation = &self.expectation;
        // What cashet remembers for the user, wherever it may write to a store.
        let digests = Path::new("home/.cache/cashet/.digests");
        let announced = |path: &PathBuf| {
            let is_remembered = path.starts_with(digests) || digests.starts_with(path);
            if is_remembered && !expectation.store_untouched {
                return true;
            }
            let left = expectation.leaves.iter().any(|(other, bytes)| {
                path == other
                    || (bytes.is_none() && path.starts_with(other))
                    || (other.starts_with(path) && base.join(path).is_dir())
            });
            left || expectation.removes.iter().any(|other| path.starts_with(other))
        };
        for path in changed.iter().filter(|path| !announced(path)) {
            wrong.push(format!("{} changed unannounced", path.display()));
        }
        for (path, bytes) in &expectation.leaves {
            let Some(bytes) = bytes else { continue };
            match std::fs::read(base.join(path)) {
                Ok(found) if &found == bytes => {}
                Ok(found) => wrong.push(format!("{} holds {}", path.display(), shown(&found))),
                Err(error) => wrong.push(format!("{}: {error}", path.display())),
            }
        }
        for path in &expectation.removes {
            if base.join(path).symlink_metadata().is_ok() {
                wrong.push(format!("{} is still there", path.display()));
            }
        }
    }
}

impl<'a> Ran<'a> {
    /// The next run in the same place.
    pub(crate) fn then<Word: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = Word>) -> Run<'a> {
        self.sandbox.cashet(words)
    }

    /// Standard output as text, without its last line feed.
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.stdout.clone()).unwrap().trim_end_matches('\n').to_owned()
    }

    /// Standard error as text.
    pub(crate) fn messages(&self) -> String {
        String::from_utf8(self.stderr.clone()).unwrap()
    }
}

/// The state before a run.
pub(super) struct Before {
    files: Snapshot,
    executions: usize,
}

/// The complete result of a run.
pub(super) struct Collected {
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: Vec<u8>,
    pub(super) status: ExitStatus,
    pub(super) peak: u64,
}

/// How standard input is opened, and the bytes to send through it.
pub(super) fn stdio_of(input: Input) -> (Stdio, Option<Vec<u8>>, bool) {
    match input {
        Input::Null => (Stdio::null(), None, false),
        Input::Bytes(bytes) => (Stdio::piped(), Some(bytes), false),
        Input::File(file) => (Stdio::from(file), None, false),
        Input::OpenPipe => (Stdio::piped(), None, true),
    }
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}
