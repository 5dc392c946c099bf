//! Modules of a run that ask for the umask only to set the mode that it leaves of a usual one.

use super::Observer;
use super::asks::{self, mentions};
use crate::exec::{ModeGiven, Trace};
use crate::hash::capture::Captured;
use crate::profiles::masks::Masked;
use std::path::PathBuf;

/// The modules of the run that set modes as the umask says.
fn masked(trace: &Trace) -> Masked {
    Masked::of(trace.accesses.iter().filter(|(_, access)| access.read).map(|(path, _)| path.as_path()))
}

/// Modes that such modules set are those that were asked for, unless the function may set modes of files that are named alike, or
/// hands one to the module.
pub(super) fn follow(trace: &mut Trace, umask: u32, captured: &Captured) {
    let masked = masked(trace);
    let sets = || asks::codes(captured).any(|code| mentions(code, &["chmod", "copy", "shutil", "dbm", "0o"]));
    if !masked.is_any() || masked.are_named_alike() && sets() {
        return;
    }
    for (path, given) in &mut trace.modes {
        if let ModeGiven::Set { mode, is_computed: true } = given
            && let Some(usual) = masked.usual(path, *mode, umask)
        {
            *given = ModeGiven::Asked(usual);
        }
    }
}

impl Observer<'_> {
    /// Whether only modules that set modes as the umask says ask for it.
    pub(super) fn is_masked(&self) -> bool {
        let masked = masked(self.trace);
        let is_else = |(path, given): (&PathBuf, &ModeGiven)| {
            masked.makes(path) && matches!(given, ModeGiven::Set { is_computed: true, .. })
        };
        masked.is_any() && !self.names("umask") && !self.trace.modes.iter().any(is_else)
    }
}
