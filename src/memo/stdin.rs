//! Standard input: what it is when a call begins, and how the run's use of it counts.

use super::reason::NotKept;
use crate::error::{Error, Result};
use crate::exec::{self, Askers, DescriptorUse};
use crate::hash::files;
use crate::hash::occurrence::NameSearch;
use crate::record::{Evidence, Observation, StdinKind, StdinUse};
use nix::errno::Errno;
use nix::unistd::{Whence, lseek};
use std::cell::Cell;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

/// What code asks about standard input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asks {
    /// Whether standard input is a terminal.
    Terminal,
    /// Whether any stream is one.
    AnyTerminal,
    /// Its kind, size or offset.
    Kind,
    /// Its real name.
    Name,
}

/// What the child reads instead of cashet's standard input.
#[derive(Debug)]
pub struct GivenStdin {
    /// From its present offset on.
    pub file: File,
    /// The result of `fstat` before the file was digested, unless it is a copy made by cashet.
    pub evidence: Option<Evidence>,
}

/// The file, and the offset from which the child reads it at each start.
#[derive(Debug)]
pub(super) struct Given {
    stdin: GivenStdin,
    /// `None` if it has no offset (a FIFO): it cannot be provided twice.
    offset: Option<u64>,
    is_used: Cell<bool>,
}

impl Given {
    pub(super) fn new(stdin: GivenStdin) -> Self {
        let offset = offset_of(&stdin.file);
        Self { stdin, offset, is_used: Cell::new(false) }
    }

    /// The file at its offset, for a child.
    ///
    /// # Errors
    /// It is not available, or was read already and cannot be read again.
    pub(super) fn again(&self) -> Result<File> {
        let failed = |error| Error::io("pass on", Path::new("standard input"), error);
        let file = self.stdin.file.try_clone().map_err(failed)?;
        match self.offset.map(i64::try_from) {
            Some(Ok(offset)) => {
                lseek(&file, offset, Whence::SeekSet).map_err(|errno| failed(errno.into()))?;
            }
            _ if self.is_used.get() => return Err(failed(Errno::ESPIPE.into())),
            _ => {}
        }
        self.is_used.set(true);
        Ok(file)
    }

    /// Whether the file may have changed since it was digested.
    pub(super) fn moved(&self) -> bool {
        self.stdin.evidence.is_some_and(|then| has_moved(&self.stdin.file, &then))
    }
}

fn has_moved(file: &File, then: &Evidence) -> bool {
    file.metadata().map_or(true, |now| Evidence::of(&now) != *then)
}

fn offset_of(file: &File) -> Option<u64> {
    lseek(file, 0, Whence::SeekCur).ok().and_then(|offset| u64::try_from(offset).ok())
}

/// What the command's standard input is when the call begins.
#[derive(Debug)]
pub(super) enum StdinAtStart {
    /// Not open.
    Closed,
    /// `/dev/null`: always empty.
    Empty,
    /// A regular file, and the offset.
    File { file: File, offset: u64, evidence: Evidence },
    /// A terminal.
    Terminal,
    /// A pipe, a socket, another device, a directory; `None` if unknown.
    Stream(Option<StdinKind>),
}

impl StdinAtStart {
    /// Looks at `descriptor` without reading from it.
    pub(super) fn look(descriptor: BorrowedFd<'_>) -> Self {
        if descriptor.as_raw_fd() == 0 && exec::stdin_was_closed() {
            return Self::Closed;
        }
        let file = match descriptor.try_clone_to_owned() {
            Ok(owned) => File::from(owned),
            Err(error) if error.raw_os_error() == Some(libc::EBADF) => return Self::Closed,
            // Its kind is unknown.
            Err(_) => return Self::Stream(None),
        };
        let Ok(metadata) = file.metadata() else { return Self::Stream(None) };
        let kind = metadata.file_type();
        if kind.is_file() {
            return match offset_of(&file) {
                Some(offset) => Self::File { offset, evidence: Evidence::of(&metadata), file },
                None => Self::Stream(None),
            };
        }
        let is_null = kind.is_char_device() && metadata.rdev() == null_device();
        if is_null {
            Self::Empty
        } else if kind.is_char_device() && nix::unistd::isatty(&file).unwrap_or(false) {
            Self::Terminal
        } else {
            Self::Stream(Some(if kind.is_fifo() {
                StdinKind::Pipe
            } else if kind.is_socket() {
                StdinKind::Socket
            } else if kind.is_dir() {
                StdinKind::Directory
            } else {
                StdinKind::Device(metadata.rdev())
            }))
        }
    }

    /// What it is.
    pub(super) fn kind(&self) -> StdinKind {
        match self {
            Self::Closed => StdinKind::Closed,
            Self::Empty => StdinKind::Null,
            Self::File { .. } => StdinKind::File,
            Self::Terminal => StdinKind::Terminal,
            // An unknown kind equals no recorded one.
            Self::Stream(kind) => kind.unwrap_or(StdinKind::Device(u64::MAX)),
        }
    }

    /// Digest of everything from the offset on; empty input for `Empty`.
    pub(super) fn digest(&self) -> io::Result<Option<crate::digest::Digest>> {
        match self {
            Self::Closed | Self::Empty => Ok(Some(crate::digest::Digest::of(b""))),
            Self::File { file, offset, .. } => {
                files::digest_from(file, *offset).map(|(digest, _)| Some(digest))
            }
            Self::Terminal | Self::Stream(_) => Ok(None),
        }
    }

    /// The observation of the run's use of it. What interpreters ask at their start counts only if `code_asks` says that their
    /// code asks it as well.
    ///
    /// # Errors
    /// It was used and cannot be inspected again.
    pub(super) fn observe(
        &self,
        used: DescriptorUse,
        code_asks: &dyn Fn(Asks) -> bool,
    ) -> Result<Vec<Observation>, NotKept> {
        let counts = |askers: Askers, asks| askers.others || askers.interpreters && code_asks(asks);
        let asked = counts(used.asked, Asks::Kind);
        let mut seen = Vec::new();
        let content = self.content(used, asked || counts(used.placed, Asks::Kind))?;
        seen.extend(content.map(Observation::Stdin));
        if asked || used.polled || matches!(self, Self::Closed) && used.read {
            match self {
                // Whether it was readable at that time cannot be found out later.
                Self::Stream(_) if used.polled => return Err(NotKept::UsedStdin),
                Self::Stream(None) => return Err(NotKept::UsedStdin),
                _ => seen.push(Observation::StdinKind(self.kind())),
            }
        } else if counts(used.terminal, Asks::Terminal) {
            seen.push(Observation::StdinTerminal(matches!(self, Self::Terminal)));
        }
        if counts(used.named, Asks::Name) {
            seen.push(Observation::StdinName(name().map_err(|_| NotKept::UsedStdin)?));
        }
        Ok(seen)
    }

    fn content(&self, used: DescriptorUse, asked: bool) -> Result<Option<StdinUse>, NotKept> {
        if !used.read && !asked {
            return if used.written { Err(NotKept::UsedDescriptor(0)) } else { Ok(None) };
        }
        match self {
            Self::Empty if used.read => {
                let digest = crate::digest::Digest::of(b"");
                Ok(Some(StdinUse::Content { offset: 0, digest, left_at: 0 }))
            }
            Self::File { file, offset, evidence } => {
                let now = file
                    .metadata()
                    .map(|metadata| Evidence::of(&metadata))
                    .map_err(|_| NotKept::UsedStdin)?;
                if now.size != evidence.size || now.modified != evidence.modified || used.written {
                    return Err(NotKept::InputMoved("standard input".into()));
                }
                if !used.read {
                    return Ok(Some(StdinUse::Place { size: evidence.size, offset: *offset }));
                }
                let (digest, _) = files::digest_from(file, *offset).map_err(|_| NotKept::UsedStdin)?;
                let left_at = offset_of(file);
                Ok(Some(StdinUse::Content {
                    offset: *offset,
                    digest,
                    left_at: left_at.ok_or(NotKept::UsedStdin)?,
                }))
            }
            Self::Terminal | Self::Stream(_) if used.read => Err(NotKept::UsedStdin),
            _ => Ok(None),
        }
    }

    /// The names of `search` that it contains: it may be code or a template.
    pub(super) fn mentions(&self, search: &NameSearch) -> Vec<Vec<u8>> {
        match self {
            Self::File { file, offset, .. } => search.search_open(file, *offset),
            Self::Closed | Self::Empty | Self::Terminal | Self::Stream(_) => Vec::new(),
        }
    }

    /// Whether an observation of standard input holds of this one.
    pub(super) fn holds(&self, then: &Observation) -> bool {
        match then {
            Observation::Stdin(used) => self.gives(used),
            Observation::StdinKind(kind) => self.kind() == *kind,
            Observation::StdinTerminal(is) => matches!(self, Self::Terminal) == *is,
            Observation::StdinName(then) => name().is_ok_and(|now| now == *then),
            _ => false,
        }
    }

    /// The same observation of this standard input; `None` if it is of another kind.
    pub(super) fn again(&self, then: &Observation) -> Option<Observation> {
        Some(match then {
            Observation::Stdin(StdinUse::Place { .. }) => match self {
                Self::File { offset, evidence, .. } => {
                    Observation::Stdin(StdinUse::Place { size: evidence.size, offset: *offset })
                }
                _ => return None,
            },
            Observation::Stdin(StdinUse::Content { left_at, .. }) => {
                let offset = match self {
                    Self::File { offset, .. } => *offset,
                    Self::Empty => 0,
                    _ => return None,
                };
                let digest = self.digest().ok().flatten()?;
                let is_nothing = offset == 0 && digest == crate::digest::Digest::of(b"");
                let left_at = if is_nothing { 0 } else { *left_at };
                Observation::Stdin(StdinUse::Content { offset, digest, left_at })
            }
            Observation::StdinKind(_) => Observation::StdinKind(self.kind()),
            Observation::StdinTerminal(_) => Observation::StdinTerminal(matches!(self, Self::Terminal)),
            Observation::StdinName(_) => Observation::StdinName(name().ok()?),
            _ => return None,
        })
    }

    fn gives(&self, then: &StdinUse) -> bool {
        match (self, then) {
            (Self::File { offset, evidence, .. }, StdinUse::Place { size, offset: then }) => {
                evidence.size == *size && offset == then
            }
            (Self::File { offset, .. }, StdinUse::Content { offset: then, digest, .. }) => {
                offset == then && self.digest().is_ok_and(|now| now == Some(*digest))
            }
            (Self::Empty, StdinUse::Content { offset: 0, digest, left_at: 0 }) => {
                *digest == crate::digest::Digest::of(b"")
            }
            _ => false,
        }
    }

    /// Whether it is a file that may have changed since it was looked at.
    pub(super) fn moved(&self) -> bool {
        match self {
            Self::File { file, evidence, .. } => has_moved(file, evidence),
            Self::Closed | Self::Empty | Self::Terminal | Self::Stream(_) => false,
        }
    }

    /// Leaves the offset where the recorded run left it.
    pub(super) fn leave(&self, used: &StdinUse) {
        if let (Self::File { file, .. }, StdinUse::Content { left_at, .. }) = (self, used)
            && let Ok(left_at) = i64::try_from(*left_at)
        {
            // The descriptor and its offset are shared with the process that passed it to cashet.
            let _ = lseek(file.as_fd(), left_at, Whence::SeekSet);
        }
    }
}

/// The name of cashet's standard input in the kernel.
fn name() -> io::Result<Vec<u8>> {
    std::fs::read_link("/proc/self/fd/0").map(|name| name.into_os_string().into_vec())
}

/// Device number of `/dev/null` on Linux: major 1, minor 3 (Documentation/admin-guide/devices.txt).
fn null_device() -> u64 {
    libc::makedev(1, 3)
}
