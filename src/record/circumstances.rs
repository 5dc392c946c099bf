//! What a command finds of the process that starts it.

/// The circumstances in which an executor runs commands, as far as results depend on them.
pub trait Circumstances: Sync {
    /// The mode bits that new files do not get. Asked only where it counts, since that costs a tenth of a hit.
    fn umask(&self) -> u32;

    /// Whether commands run as root.
    fn is_superuser(&self) -> bool;
}

/// Circumstances that are known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// See [`Circumstances::umask`].
    pub umask: u32,
    /// See [`Circumstances::is_superuser`].
    pub is_superuser: bool,
}

impl Circumstances for Known {
    fn umask(&self) -> u32 {
        self.umask
    }

    fn is_superuser(&self) -> bool {
        self.is_superuser
    }
}
