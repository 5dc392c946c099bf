//! Standard input: what it is when a call begins, and what a run's use of it means.

use super::reason::NotKept;
use crate::exec::DescriptorUse;
use crate::hash::files;
use crate::hash::occurrence::NameSearch;
use crate::record::{Evidence, StdinUse};
use nix::unistd::{Whence, lseek};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileTypeExt;

/// What the child reads in place of our own standard input.
#[derive(Debug)]
pub struct GivenStdin {
    /// From its present offset on.
    pub file: File,
    /// What `fstat` said before the file was digested, where it is not a copy of ours.
    pub evidence: Option<Evidence>,
}

impl GivenStdin {
    /// Whether the file may have moved since it was digested.
    pub(super) fn moved(file: &File, evidence: Option<&Evidence>) -> bool {
        let Some(then) = evidence else { return false };
        file.metadata().map_or(true, |now| Evidence::of(&now) != *then)
    }
}

/// What the command's standard input is when the call begins.
#[derive(Debug)]
pub(super) enum StdinAtStart {
    /// `/dev/null`, or closed: always empty.
    Empty,
    /// A regular file, and the offset.
    File { file: File, offset: u64, evidence: Evidence },
    /// A terminal.
    Terminal,
    /// A pipe, a socket, another device.
    Stream,
}

impl StdinAtStart {
    /// Looks at `descriptor` without reading from it.
    pub(super) fn look(descriptor: BorrowedFd<'_>) -> Self {
        let file = match descriptor.try_clone_to_owned() {
            Ok(owned) => File::from(owned),
            Err(error) if error.raw_os_error() == Some(libc::EBADF) => return Self::Empty,
            // What it is cannot be told.
            Err(_) => return Self::Stream,
        };
        let Ok(metadata) = file.metadata() else { return Self::Stream };
        let kind = metadata.file_type();
        if kind.is_file() {
            let offset = lseek(&file, 0, Whence::SeekCur).ok().and_then(|offset| u64::try_from(offset).ok());
            return match offset {
                Some(offset) => Self::File { offset, evidence: Evidence::of(&metadata), file },
                None => Self::Stream,
            };
        }
        let is_null = kind.is_char_device() && {
            use std::os::unix::fs::MetadataExt;
            metadata.rdev() == null_device()
        };
        if is_null {
            Self::Empty
        } else if kind.is_char_device() && nix::unistd::isatty(&file).unwrap_or(false) {
            Self::Terminal
        } else {
            Self::Stream
        }
    }

    /// Digest of everything from the offset on; empty input for `Empty`.
    pub(super) fn digest(&self) -> io::Result<Option<crate::digest::Digest>> {
        match self {
            Self::Empty => Ok(Some(crate::digest::Digest::of(b""))),
            Self::File { file, offset, .. } => {
                files::digest_from(file, *offset).map(|(digest, _)| Some(digest))
            }
            Self::Terminal | Self::Stream => Ok(None),
        }
    }

    /// What a run's use of it means.
    ///
    /// # Errors
    /// When it was used and is nothing that can be looked at again.
    pub(super) fn observe(&self, used: DescriptorUse) -> Result<Option<StdinUse>, NotKept> {
        if !used.read && !used.asked {
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
                let left_at = lseek(file, 0, Whence::SeekCur).ok().and_then(|left| u64::try_from(left).ok());
                Ok(Some(StdinUse::Content {
                    offset: *offset,
                    digest,
                    left_at: left_at.ok_or(NotKept::UsedStdin)?,
                }))
            }
            Self::Terminal | Self::Stream if used.read => Err(NotKept::UsedStdin),
            _ => Ok(None),
        }
    }

    /// The names of `search` that it mentions: it may be code, or a template.
    pub(super) fn mentions(&self, search: &NameSearch) -> Vec<Vec<u8>> {
        match self {
            Self::File { file, offset, .. } => search.search_open(file, *offset),
            Self::Empty | Self::Terminal | Self::Stream => Vec::new(),
        }
    }

    /// Whether `then` holds of this input.
    pub(super) fn holds(&self, then: &StdinUse) -> bool {
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

    /// Whether it is a file that may have moved since it was looked at.
    pub(super) fn moved(&self) -> bool {
        match self {
            Self::File { file, evidence, .. } => GivenStdin::moved(file, Some(evidence)),
            Self::Empty | Self::Terminal | Self::Stream => false,
        }
    }

    /// Leaves the offset where the recorded run left it.
    pub(super) fn leave(&self, used: &StdinUse) {
        if let (Self::File { file, .. }, StdinUse::Content { left_at, .. }) = (self, used)
            && let Ok(left_at) = i64::try_from(*left_at)
        {
            // The descriptor is shared with whoever gave it to us: so is its offset.
            let _ = lseek(file.as_fd(), left_at, Whence::SeekSet);
        }
    }
}

/// Device number of `/dev/null` on Linux: major 1, minor 3 (Documentation/admin-guide/devices.txt).
fn null_device() -> u64 {
    libc::makedev(1, 3)
}
