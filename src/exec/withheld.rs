//! Descriptors that a child closes before it does anything else.

use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::sync::{Mutex, PoisonError};

/// Descriptors of ours that no child may hold, not even before it executes.
static WITHHELD: Mutex<Vec<RawFd>> = Mutex::new(Vec::new());

/// As long as it lives, children close a descriptor before they do anything else.
#[derive(Debug)]
pub(super) struct Withheld(RawFd);

impl Withheld {
    /// Withholds `descriptor`, which must stay open as long as this lives.
    pub(super) fn new(descriptor: BorrowedFd<'_>) -> Self {
        let number = descriptor.as_raw_fd();
        WITHHELD.lock().unwrap_or_else(PoisonError::into_inner).push(number);
        Self(number)
    }
}

impl Drop for Withheld {
    fn drop(&mut self) {
        WITHHELD.lock().unwrap_or_else(PoisonError::into_inner).retain(|number| *number != self.0);
    }
}

/// What a child closes first.
pub(super) fn all() -> Vec<RawFd> {
    WITHHELD.lock().unwrap_or_else(PoisonError::into_inner).clone()
}
