//! Starting a child exactly as it would start bare: same words, directory, limits, process group, signal
//! dispositions and mask; our own descriptors are all close-on-exec.
//!
//! Knows nothing about the other ends of pipes, watching, or waiting.

use super::child::{self, Descriptor, Parts, Prepared};
use super::monotonic::now;
use super::startup::above_standard;
use super::terminal::leader::{self, Leader};
use crate::error::{Error, Kind, Result};
use nix::errno::Errno;
use nix::sys::signal::{SigSet, SigmaskHow};
use rustix::fs::{CWD, Mode, OFlags, openat};
use std::ffi::{CStr, CString, OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering::SeqCst};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Flag for opening a directory only to go there, which takes no right to read it.
#[cfg(target_os = "linux")]
const LOOK_ONLY: OFlags = OFlags::PATH;
#[cfg(not(target_os = "linux"))]
const LOOK_ONLY: OFlags = OFlags::empty();

/// Runs text files that have no `#!` line, as `execvp` does.
const SHELL: &CStr = c"/bin/sh";

/// What a child gets as standard input, as far as watching distinguishes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StdinGiven {
    /// Ours.
    Ours,
    /// The pseudo-terminal in place of ours.
    Terminal,
    /// None: ours was closed.
    Closed,
    /// Something else.
    Other,
}

/// What the child gets as one of its standard descriptors.
#[derive(Debug)]
pub(super) enum Given {
    /// Ours.
    Inherited,
    /// Nothing: it is closed.
    Closed,
    /// This pseudo-terminal, in place of our terminal.
    Terminal(OwnedFd),
    /// This one.
    Other(OwnedFd),
}

/// Everything that is prepared for starting one child.
#[derive(Debug)]
pub(super) struct Plan {
    program: CString,
    /// The program as the first word names it from the working directory of the child: `./a`. A script gets this name.
    named: Option<CString>,
    words: Vec<CString>,
    environment: Vec<CString>,
    /// Standard descriptors, until the child has them. A write end that stayed open here would hide the end of the stream.
    given: Mutex<Option<[Given; 3]>>,
    /// The terminal of the session that the child gets for itself.
    terminal: Mutex<Option<OwnedFd>>,
    /// The working directory of the child, where it is not ours.
    directory: Option<OwnedFd>,
    /// The leader of that session.
    leader: Mutex<Option<Leader>>,
    began: AtomicI64,
}

impl Plan {
    /// Prepares to start `program` with `words` and `environment`; `given` are its descriptors 0, 1 and 2.
    ///
    /// # Errors
    /// [`Kind::Usage`] if a word holds a zero byte.
    pub(super) fn new(
        program: &Path,
        words: &[OsString],
        environment: &[(OsString, OsString)],
        given: [Given; 3],
    ) -> Result<Self> {
        let words = words.iter().map(|word| c_string(word.as_bytes())).collect::<Result<_>>()?;
        let environment = environment.iter().map(|(name, value)| variable(name, value));
        Ok(Self {
            program: c_string(program.as_os_str().as_bytes())?,
            named: None,
            words,
            environment: environment.collect::<Result<_>>()?,
            given: Mutex::new(Some(given)),
            terminal: Mutex::new(None),
            directory: None,
            leader: Mutex::new(None),
            began: AtomicI64::new(0),
        })
    }

    /// Gives the child a session of its own, at `terminal`.
    pub(super) fn at(self, terminal: Option<OwnedFd>) -> Self {
        Self { terminal: Mutex::new(terminal), ..self }
    }

    /// Gives the child `directory` as its working directory.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub(super) fn in_directory(self, directory: &Path) -> Result<Self> {
        let is_program = |word: &&CString| {
            let word = word.as_bytes();
            word.contains(&b'/') && directory.join(OsStr::from_bytes(word)) == self.program()
        };
        let named = self.words.first().filter(is_program).cloned();
        let plan = Self { named, ..self };
        if is_ours(directory) {
            return Ok(plan);
        }
        let failed = |source: io::Error| Error::io("go to", directory, source);
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC | LOOK_ONLY;
        let opened = openat(CWD, directory, flags, Mode::empty()).map_err(|errno| failed(errno.into()))?;
        let opened = above_standard(opened).map_err(failed)?;
        Ok(Self { directory: Some(opened), ..plan })
    }

    /// The leader of the child's session, once it has begun.
    pub(super) fn leader(&self) -> Option<Leader> {
        self.leader.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Sets the leader of the child's session.
    pub(super) fn is_led_by(&self, leader: Option<Leader>) {
        *self.leader.lock().unwrap_or_else(PoisonError::into_inner) = leader;
    }

    /// The resolved path of the program.
    pub(super) fn program(&self) -> &Path {
        Path::new(OsStr::from_bytes(self.program.as_bytes()))
    }

    /// What the child gets as standard input.
    pub(super) fn stdin_given(&self) -> StdinGiven {
        let given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        match given.as_ref() {
            Some([Given::Inherited, ..]) => StdinGiven::Ours,
            Some([Given::Terminal(_), ..]) => StdinGiven::Terminal,
            Some([Given::Closed, ..]) => StdinGiven::Closed,
            _ => StdinGiven::Other,
        }
    }

    /// The value of a variable of the child's environment.
    pub(super) fn variable(&self, name: &str) -> Option<&[u8]> {
        let named = |entry: &&CString| {
            entry.as_bytes().strip_prefix(name.as_bytes()).is_some_and(|rest| rest.starts_with(b"="))
        };
        let entry = self.environment.iter().find(named)?;
        entry.as_bytes().get(name.len() + 1..)
    }

    /// The moment just before the child was created, by [`now`]. No signal before it reached the child.
    pub(super) fn began(&self) -> i64 {
        self.began.load(SeqCst)
    }

    /// The child is about to be created.
    pub(super) fn begins(&self) {
        self.began.store(now(), SeqCst);
    }

    /// What the child is created from, until [`Plan::started`] is called. With `as_script`, a shell runs the program if the
    /// system does not know its format.
    pub(super) fn parts(&self, as_script: bool) -> Parts<'_> {
        let given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        let number = |given: &Given| match given {
            Given::Inherited => Descriptor::Inherited,
            Given::Closed => Descriptor::Closed,
            Given::Terminal(descriptor) | Given::Other(descriptor) => {
                Descriptor::Other(descriptor.as_raw_fd())
            }
        };
        Parts {
            program: self.named.as_ref().unwrap_or(&self.program),
            words: &self.words,
            environment: &self.environment,
            descriptors: given.as_ref().map(|given| given.each_ref().map(number)),
            shell: as_script.then_some(SHELL),
            directory: self.directory.as_ref().map(AsRawFd::as_raw_fd),
            terminal: self.terminal().as_ref().map(AsRawFd::as_raw_fd),
        }
    }

    /// The child has what it was given.
    pub(super) fn started(&self) {
        *self.given.lock().unwrap_or_else(PoisonError::into_inner) = None;
        *self.terminal() = None;
    }

    fn terminal(&self) -> MutexGuard<'_, Option<OwnedFd>> {
        self.terminal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the shell runs the program if the system does not know its format.
    pub(super) fn is_script(&self) -> bool {
        is_script(self.program())
    }

    /// Starts the child; from any thread, once. A text file without a `#!` line is given to the shell.
    ///
    /// # Errors
    /// The system's, as `execve` or the creation of a process reported it; then nothing was started and it may
    /// be called again.
    pub(super) fn spawn(&self) -> io::Result<libc::pid_t> {
        let first = Prepared::new(self.parts(false))?;
        self.begins();
        let mut started = start(&first);
        let is_unknown =
            started.as_ref().is_err_and(|error| error.raw_os_error() == Some(Errno::ENOEXEC as i32));
        if is_unknown && self.is_script() {
            let second = Prepared::new(self.parts(true))?;
            self.begins();
            started = start(&second);
        }
        let (pid, leader) = started?;
        self.is_led_by(leader);
        self.started();
        Ok(pid)
    }
}

/// Starts a child and waits until it is the command, or has failed to become it. With a session of its own, it has a leader.
///
/// # Errors
/// The system's, of the creation or of `execve`; then there is no child.
fn start(prepared: &Prepared<'_>) -> io::Result<(libc::pid_t, Option<Leader>)> {
    // No handler of ours may run in the child.
    let mask = SigSet::all().thread_swap_mask(SigmaskHow::SIG_SETMASK)?;
    let started = match prepared.terminal() {
        Some(terminal) => {
            leader::create(prepared, terminal).map(|(pid, failure, leader)| (pid, failure, Some(leader)))
        }
        None => child::create(prepared).map(|(pid, failure)| (pid, failure, None)),
    };
    mask.thread_set_mask()?;
    let (pid, failure, leader) = started?;
    if failure == 0 {
        return Ok((pid, leader));
    }
    // SAFETY: a null pointer says that the status is of no interest.
    #[expect(unsafe_code, reason = "the number is all that there is")]
    while unsafe { libc::waitpid(pid, std::ptr::null_mut(), 0) } < 0 && Errno::last() == Errno::EINTR {}
    Err(io::Error::from_raw_os_error(failure))
}

/// Whether `directory` is our working directory. One that cannot be looked at (a directory above it is closed to us) is
/// compared by name.
fn is_ours(directory: &Path) -> bool {
    let identity = |path: &Path| fs::metadata(path).map(|found| (found.dev(), found.ino()));
    match (identity(directory), identity(Path::new("."))) {
        (Ok(wanted), Ok(ours)) => wanted == ours,
        _ => std::env::current_dir().is_ok_and(|ours| ours == directory),
    }
}

/// What it means to the user that `program` could not be started.
pub(super) fn failure(program: &Path, reason: &io::Error) -> Error {
    let errno = Errno::from_raw(reason.raw_os_error().unwrap_or(0));
    let kind = match errno {
        Errno::ENOENT => Kind::CommandNotFound,
        // No process could be made at all: that says nothing about the program.
        Errno::EAGAIN
        | Errno::ENOMEM
        | Errno::EMFILE
        | Errno::ENFILE
        | Errno::EBUSY
        | Errno::UnknownErrno => Kind::Io(reason.kind()),
        _ => Kind::NotExecutable,
    };
    let shown = program.display();
    let described = match errno {
        Errno::UnknownErrno => reason.to_string(),
        Errno::EACCES if program.is_dir() => Errno::EISDIR.desc().to_owned(),
        errno => errno.desc().to_owned(),
    };
    let error = Error::new(kind, format!("cannot run {shown}: {described}"));
    match errno {
        Errno::ENOENT if program.exists() => {
            error.with_hint("the interpreter or loader that it names is missing")
        }
        Errno::EACCES if program.is_file() => error.with_hint("is it executable (chmod +x)?"),
        _ => error,
    }
}

fn c_string(bytes: &[u8]) -> Result<CString> {
    CString::new(bytes)
        .map_err(|_| Error::usage("a word of the command or its environment holds a zero byte"))
}

fn variable(name: &OsStr, value: &OsStr) -> Result<CString> {
    c_string(&[name.as_bytes(), b"=", value.as_bytes()].concat())
}

/// Whether a file that the system does not know how to execute is text: shells judge by a zero byte in the
/// first line.
fn is_script(path: &Path) -> bool {
    let mut start = Vec::new();
    let read = File::open(path).and_then(|file| file.take(256).read_to_end(&mut start));
    read.is_ok() && start.split(|byte| *byte == b'\n').next().is_none_or(|line| !line.contains(&0))
}
