//! Systems without a bystander: every signal that a process sent counts as one for us alone.

/// There is none.
#[derive(Debug)]
pub(super) struct Bystander;

impl Bystander {
    pub(super) fn start(_terminal: Option<super::tty::Guarded<'_>>) -> Option<Self> {
        None
    }
}

/// What a signal handler uses of a bystander.
#[derive(Debug)]
pub(super) struct Reached;

impl Reached {
    pub(super) const fn new() -> Self {
        Self
    }

    pub(super) fn set(&self, _bystander: &Bystander) {}

    pub(super) fn clear(&self) {}

    pub(super) fn is_known(&self) -> bool {
        false
    }

    pub(super) fn by(&self, _signal: i32) -> bool {
        false
    }
}
