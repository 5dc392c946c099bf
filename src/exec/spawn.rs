//! Starting a child exactly as it would start bare: same words, directory, limits, process group, signal
//! dispositions and mask; our own descriptors are all close-on-exec.
//!
//! Knows nothing of pipes' other ends, of watching, or of waiting.

use super::startup::initial;
use crate::error::{Error, Kind, Result};
use nix::errno::Errno;
use nix::spawn::{PosixSpawnAttr, PosixSpawnFileActions, PosixSpawnFlags, posix_spawn};
use nix::sys::signal::{SigSet, Signal};
use std::ffi::{CStr, CString, OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// Runs text files that have no `#!` line, as `execvp` does.
const SHELL: &CStr = c"/bin/sh";

/// What the child gets as one of its standard descriptors.
#[derive(Debug)]
pub(super) enum Given {
    /// Ours.
    Inherited,
    /// Nothing: it is closed.
    Closed,
    /// This one.
    Other(OwnedFd),
}

/// Everything that is prepared for starting one child.
#[derive(Debug)]
pub(super) struct Plan {
    program: CString,
    words: Vec<CString>,
    environment: Vec<CString>,
    /// Standard descriptors, until the child has them: a write end that stays open here would hide the end of
    /// the stream.
    given: Mutex<Option<[Given; 3]>>,
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
            words,
            environment: environment.collect::<Result<_>>()?,
            given: Mutex::new(Some(given)),
        })
    }

    /// The resolved path of the program.
    pub(super) fn program(&self) -> &Path {
        Path::new(OsStr::from_bytes(self.program.as_bytes()))
    }

    /// Whether the child gets our standard input.
    pub(super) fn inherits_stdin(&self) -> bool {
        let given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        matches!(given.as_ref(), Some([Given::Inherited, ..]))
    }

    /// The value of a variable of the child's environment.
    pub(super) fn variable(&self, name: &str) -> Option<&[u8]> {
        let named = |entry: &&CString| {
            entry.as_bytes().strip_prefix(name.as_bytes()).is_some_and(|rest| rest.starts_with(b"="))
        };
        let entry = self.environment.iter().find(named)?;
        entry.as_bytes().get(name.len() + 1..)
    }

    /// What starting the child in another way needs: until [`Plan::started`] says that it is done.
    pub(super) fn parts(&self) -> Parts<'_> {
        let given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        let number = |given: &Given| match given {
            Given::Inherited => Descriptor::Inherited,
            Given::Closed => Descriptor::Closed,
            Given::Other(descriptor) => Descriptor::Other(descriptor.as_raw_fd()),
        };
        Parts {
            program: &self.program,
            words: &self.words,
            environment: &self.environment,
            descriptors: given.as_ref().map(|given| given.each_ref().map(number)),
            shell: is_script(self.program()).then_some(SHELL),
        }
    }

    /// The child has what it was given.
    pub(super) fn started(&self) {
        *self.given.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Starts the child; from any thread, once. A text file without a `#!` line is given to the shell.
    ///
    /// # Errors
    /// The system's, as `execve` or the creation of a process reported it; then nothing was started and it may
    /// be called again.
    pub(super) fn spawn(&self) -> io::Result<libc::pid_t> {
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        let descriptors = given.as_ref().ok_or(Errno::EBUSY)?;
        let actions = actions(descriptors)?;
        let attributes = attributes()?;
        let start = |program: &CStr, words: &[&CStr]| {
            posix_spawn(program, &actions, &attributes, words, &self.environment)
        };
        let words: Vec<&CStr> = self.words.iter().map(CString::as_c_str).collect();
        let mut started = start(&self.program, &words);
        if started == Err(Errno::ENOEXEC) && is_script(self.program()) {
            let mut with_shell = vec![SHELL, self.program.as_c_str()];
            with_shell.extend(words.iter().skip(1));
            started = start(SHELL, &with_shell);
        }
        let pid = started?;
        *given = None;
        Ok(pid.as_raw())
    }
}

/// What a child is started from.
#[derive(Debug)]
pub(super) struct Parts<'a> {
    /// The resolved path of the program.
    pub(super) program: &'a CStr,
    /// All words.
    pub(super) words: &'a [CString],
    /// The whole environment.
    pub(super) environment: &'a [CString],
    /// Its descriptors 0, 1 and 2, if it was not started yet.
    pub(super) descriptors: Option<[Descriptor; 3]>,
    /// What runs it if the system does not know its format.
    pub(super) shell: Option<&'static CStr>,
}

/// What a standard descriptor of a child becomes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Descriptor {
    /// Ours.
    Inherited,
    /// Closed.
    Closed,
    /// This one of ours.
    Other(RawFd),
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

fn actions(given: &[Given; 3]) -> nix::Result<PosixSpawnFileActions> {
    let mut actions = PosixSpawnFileActions::init()?;
    for (number, given) in (0 as RawFd..).zip(given) {
        match given {
            Given::Inherited => {}
            Given::Closed => actions.add_close(number)?,
            Given::Other(descriptor) => actions.add_dup2(descriptor.as_raw_fd(), number)?,
        }
    }
    Ok(actions)
}

/// The mask as it was at our start. What we catch falls back to its default by itself; SIGPIPE, which we
/// ignore, only if it was not ignored when we were started. (The C library leaves its two internal signals, 32
/// and 33, ignored in whatever is spawned so; who uses them sets them first.)
fn attributes() -> nix::Result<PosixSpawnAttr> {
    let mut reset = SigSet::empty();
    if !initial().pipe_signal_ignored {
        reset.add(Signal::SIGPIPE);
    }
    let mut attributes = PosixSpawnAttr::init()?;
    attributes.set_sigdefault(&reset)?;
    attributes.set_sigmask(&initial().mask)?;
    attributes.set_flags(PosixSpawnFlags::POSIX_SPAWN_SETSIGDEF | PosixSpawnFlags::POSIX_SPAWN_SETSIGMASK)?;
    Ok(attributes)
}

/// Whether a file that the system does not know how to execute is text: shells judge by a zero byte in the
/// first line.
fn is_script(path: &Path) -> bool {
    let mut start = Vec::new();
    let read = File::open(path).and_then(|file| file.take(256).read_to_end(&mut start));
    read.is_ok() && start.split(|byte| *byte == b'\n').next().is_none_or(|line| !line.contains(&0))
}
