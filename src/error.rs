//! The error type of the library: the failure, its path, and at most one hint; and the exit statuses.
//!
//! Messages are fragments without a full stop; only `ui` prints them.

use std::io;
use std::path::Path;

/// `--mode replay` found nothing to replay.
pub const EXIT_MISS: u8 = 121;
/// cashet itself failed before the command ran.
pub const EXIT_FAILED: u8 = 125;
/// The command was found but cannot be executed.
pub const EXIT_NOT_EXECUTABLE: u8 = 126;
/// The command was not found.
pub const EXIT_NOT_FOUND: u8 = 127;
/// Exit status of a command other than `exec` for a negative result: no such run, a difference, damage.
pub const EXIT_NO: u8 = 1;
/// Exit status of a command other than `exec` for a usage error.
pub const EXIT_USAGE: u8 = 2;

/// A result whose error is [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Category of an [`Error`]: it determines the exit status, never the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// The call is invalid: an option, a value, a pattern, a configuration file, a missing input.
    Usage,
    /// The command to run does not exist.
    CommandNotFound,
    /// The command to run exists and cannot be executed.
    NotExecutable,
    /// No such run, or several.
    NoSuchRevision,
    /// The run must be watched, and this system cannot.
    CannotWatch,
    /// `--mode replay` found nothing to replay.
    NothingToReplay,
    /// The key is another one than that for which the run was asked.
    OtherKey,
    /// The store was written by a newer cashet.
    NewerFormat,
    /// The store belongs to another user.
    ForeignStore,
    /// Stored bytes do not verify.
    Damaged,
    /// The operating system refused.
    Io(io::ErrorKind),
    /// Anything else.
    Other,
}

impl Kind {
    /// General advice against failures of this kind; `None` where it depends on the case.
    const fn cure(self) -> Option<&'static str> {
        Some(match self {
            Self::Usage => "'cashet help COMMAND' explains a command and its options",
            Self::CommandNotFound => "a name without a slash is searched on PATH",
            Self::NotExecutable => {
                "make it executable with 'chmod +x', or name its interpreter: cashet exec -- sh FILE"
            }
            Self::NoSuchRevision => "'cashet log' lists the runs",
            Self::CannotWatch => "--trace auto runs it unwatched",
            Self::NothingToReplay => "any other --mode runs it",
            Self::OtherKey => "the same call again submits it anew; --latest runs what is there",
            Self::NewerFormat => "use a newer cashet, or another store: --store DIR",
            Self::ForeignStore => "name it with --store or CASHET_DIR to trust it",
            Self::Damaged => "'cashet fsck' lists all damage, 'cashet fsck --repair' removes it",
            Self::Io(io::ErrorKind::NotFound) => "paths are relative to the working directory",
            Self::Io(io::ErrorKind::PermissionDenied) => "check its owner and mode with 'ls -ld'",
            Self::Io(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => {
                "free some space there; in a store, 'cashet gc --max-size 1G' does"
            }
            Self::Io(io::ErrorKind::FileTooLarge) => "'ulimit -f' shows the maximum file size",
            Self::Io(io::ErrorKind::ReadOnlyFilesystem) => "--store DIR names a store elsewhere",
            Self::Io(_) | Self::Other => return None,
        })
    }
}

/// A failure, with at most one hint.
#[derive(Debug, thiserror::Error)]
#[error("{message}{}", reason(source.as_ref()))]
pub struct Error {
    kind: Kind,
    message: String,
    hint: Option<String>,
    source: Option<io::Error>,
}

impl Error {
    /// An error of `kind`; `message` is a fragment without a full stop.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: None, source: None }
    }

    /// A usage error.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Kind::Usage, message)
    }

    /// Stored bytes do not verify.
    pub fn damaged(message: impl Into<String>) -> Self {
        Self::new(Kind::Damaged, message)
    }

    /// The operating system refused `operation` (an infinitive: "read", "create") on `path`.
    #[must_use]
    pub fn io(operation: &str, path: &Path, source: io::Error) -> Self {
        let message = format!("cannot {operation} {}", path.display());
        Self { kind: Kind::Io(source.kind()), message, hint: None, source: Some(source) }
    }

    /// Adds a hint: the one thing that the user can do about the error.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The category of the failure.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// What the user can do about it: the hint of this error, or else the general advice for its kind.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref().or_else(|| self.kind.cure())
    }

    /// The underlying error of the operating system, if there is one.
    #[must_use]
    pub const fn os_error(&self) -> Option<&io::Error> {
        self.source.as_ref()
    }

    /// Whether the failure is that a file does not exist.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.kind == Kind::Io(io::ErrorKind::NotFound)
    }

    /// The exit status of `exec` when it fails with this error before the command runs.
    #[must_use]
    pub const fn exec_status(&self) -> u8 {
        match self.kind {
            Kind::CommandNotFound => EXIT_NOT_FOUND,
            Kind::NotExecutable => EXIT_NOT_EXECUTABLE,
            Kind::NothingToReplay => EXIT_MISS,
            _ => EXIT_FAILED,
        }
    }

    /// The exit status of any other command that fails with this error.
    #[must_use]
    pub const fn command_status(&self) -> u8 {
        match self.kind {
            Kind::Usage => EXIT_USAGE,
            _ => EXIT_NO,
        }
    }
}

/// Length of the longest file name in any file system, in bytes.
const LONGEST_NAME: usize = 255;
/// Length limit of a path in the kernel, in bytes; a path must be shorter.
const PATH_MAX: usize = 4096;

/// Whether an error of a path lookup means that nothing exists there, or can exist: a missing entry, a parent that is not a
/// directory, a loop of links.
///
/// A path that is too long is not absent: opening its directories one by one reaches it.
#[must_use]
pub fn means_absent(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENOTDIR | libc::ELOOP))
}

/// Whether an error of a path lookup says nothing about the path: the cause is the disk, memory, a temporary condition, or a
/// limit of the kernel (length of a path, number of links), not the path or its permissions. No conclusion can be drawn
/// from it.
#[must_use]
pub fn is_inconclusive(error: &io::Error) -> bool {
    // ESRCH is the error for a path in `/proc` of a process that has ended.
    let says_something = [libc::ENOENT, libc::ENOTDIR, libc::EACCES, libc::EPERM, libc::ESRCH];
    !error.raw_os_error().is_some_and(|errno| says_something.contains(&errno))
}

/// Like [`is_inconclusive`], for the absolute `path`: where it contains a name that no file can have, the path is known to be
/// absent.
#[must_use]
pub fn is_inconclusive_for(path: &Path, error: &io::Error) -> bool {
    let path = path.as_os_str().as_encoded_bytes();
    let is_impossible = error.raw_os_error() == Some(libc::ENAMETOOLONG)
        && path.len() < PATH_MAX
        && path.split(|byte| *byte == b'/').any(|name| name.len() > LONGEST_NAME);
    is_inconclusive(error) && !is_impossible
}

/// The message for a path that could not be inspected.
#[must_use]
pub fn cannot_inspect(path: &Path, error: &io::Error) -> String {
    format!("cannot inspect {}: {}", path.display(), describe(error))
}

/// What follows the message of an error: the operating system's, if there is one.
fn reason(source: Option<&io::Error>) -> String {
    source.map(|source| format!(": {}", describe(source))).unwrap_or_default()
}

/// The operating system's message without Rust's "(os error N)".
fn describe(error: &io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error ") {
        Some((words, _)) => words.to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_reads_as_one_line() {
        let error = Error::io("read", Path::new("a/b"), io::Error::from_raw_os_error(2));
        assert_eq!(error.to_string(), "cannot read a/b: No such file or directory");
        assert!(error.is_not_found());
    }

    #[test]
    fn what_was_said_where_it_happened_comes_before_what_helps_in_general() {
        assert_eq!(Error::usage("x").with_hint("y").hint(), Some("y"));
        assert!(Error::usage("x").hint().unwrap().contains("cashet help"));
        assert!(Error::damaged("x").hint().unwrap().contains("fsck --repair"));
        assert_eq!(Error::new(Kind::Other, "x").hint(), None);
    }

    #[test]
    fn limits_and_failures_tell_nothing_of_a_path() {
        let of =
            |path: &str, errno| is_inconclusive_for(Path::new(path), &io::Error::from_raw_os_error(errno));
        for errno in [libc::EIO, libc::ELOOP, libc::ENAMETOOLONG, libc::ENOMEM, libc::ESTALE] {
            assert!(of("/a/b", errno), "{errno}");
        }
        for errno in [libc::ENOENT, libc::ENOTDIR, libc::EACCES] {
            assert!(!of("/a/b", errno), "{errno}");
        }
        // No file can have such a name. A path that is too deep may still exist.
        assert!(!of(&format!("/{}", "x".repeat(256)), libc::ENAMETOOLONG));
        assert!(of(&format!("/{}", "x".repeat(255)), libc::ENAMETOOLONG));
        assert!(of(&format!("/{}{}", "a/".repeat(2048), "x".repeat(256)), libc::ENAMETOOLONG));
        assert!(!means_absent(&io::Error::from_raw_os_error(libc::ENAMETOOLONG)));
    }

    #[test]
    fn exit_statuses_follow_the_kind() {
        assert_eq!(Error::usage("x").exec_status(), 125);
        assert_eq!(Error::usage("x").command_status(), 2);
        assert_eq!(Error::new(Kind::CommandNotFound, "x").exec_status(), 127);
        assert_eq!(Error::new(Kind::NotExecutable, "x").exec_status(), 126);
        assert_eq!(Error::new(Kind::NothingToReplay, "x").exec_status(), 121);
        assert_eq!(Error::new(Kind::NoSuchRevision, "x").command_status(), 1);
    }
}
