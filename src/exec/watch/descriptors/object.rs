//! What one inherited descriptor stands for.

use crate::exec::DescriptorUse;
use nix::fcntl::{FcntlArg, fcntl};
use std::fs::{self, Metadata};
use std::io;
use std::os::fd::{BorrowedFd, RawFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};

/// One of them.
#[derive(Debug)]
pub(super) struct Object {
    /// Its number in this process.
    pub(super) number: u32,
    pub(super) metadata: Metadata,
    pub(super) readable: bool,
    pub(super) writable: bool,
    /// Whether it is the pseudo-terminal in place of ours.
    pub(super) stands_for_ours: bool,
    pub(super) used: DescriptorUse,
}

impl Object {
    /// Whether it is any character device but `/dev/null`. A watch for reads does not notice the end of that.
    pub(super) fn is_terminal(&self) -> bool {
        self.metadata.file_type().is_char_device() && self.metadata.rdev() != null()
    }

    /// The open descriptor `number`, if a child gets it.
    ///
    /// # Errors
    /// When it is open and cannot be inspected.
    pub(super) fn inherited(number: u32) -> io::Result<Option<Self>> {
        let Ok(raw) = RawFd::try_from(number) else { return Ok(None) };
        #[expect(unsafe_code, reason = "a descriptor that we were given is known by its number alone")]
        // SAFETY: it is used within this function only, and nothing else in this process closes what we were
        // started with; should it be closed after all, the calls below say so.
        let descriptor = unsafe { BorrowedFd::borrow_raw(raw) };
        // The descriptor of the listing itself is closed by now.
        let Ok(flags) = fcntl(descriptor, FcntlArg::F_GETFD) else { return Ok(None) };
        if flags & libc::FD_CLOEXEC != 0 {
            return Ok(None);
        }
        let metadata = fs::metadata(format!("/proc/self/fd/{number}"))?;
        let mode = fcntl(descriptor, FcntlArg::F_GETFL)? & libc::O_ACCMODE;
        let (readable, writable) = (mode != libc::O_WRONLY, mode != libc::O_RDONLY);
        Ok(Some(Self {
            number,
            metadata,
            readable,
            writable,
            stands_for_ours: false,
            used: DescriptorUse::default(),
        }))
    }
}

/// The device number of `/dev/null`.
fn null() -> u64 {
    libc::makedev(1, 3)
}
