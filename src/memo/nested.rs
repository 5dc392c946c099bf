//! A call inside a watched run looks again at everything that its answer depends on, so that the outer watch sees it. It reports
//! dependencies that no look can show.
//!
//! A hit is quick because it looks at little: the looks that it skips would be missing in the outer record.

use crate::exec::nested::{Depends, is_watched, tell};
use crate::hash::capture::Captured;
use crate::hash::holds::{self, Present};
use crate::hash::manifest::Part;
use crate::record::{Observation, StdinUse};
use crate::store::Workspace;
use std::fs::File;

/// The call begins. Its store is not an input.
pub(super) fn begins(workspace: Workspace<'_>) {
    if is_watched() {
        tell(Depends::Store(workspace.root()));
        // It determines what the command reads.
        tell(Depends::Variable(b"CASHET_STDIN"));
    }
}

/// The facts of the key.
pub(super) fn captured(captured: &Captured, present: &Present<'_>) {
    if !is_watched() {
        return;
    }
    for (part, _) in captured.manifest.facts() {
        if let Part::Variable(name) = part {
            tell(Depends::Variable(name));
        }
    }
    if captured.whole_environment {
        environment();
    }
    for (observation, _) in &captured.facts {
        observed(observation, present);
    }
}

/// The observations of the replayed run.
pub(super) fn replayed(observations: &[Observation], present: &Present<'_>) {
    if is_watched() {
        for observation in observations {
            observed(observation, present);
        }
    }
}

fn observed(observation: &Observation, present: &Present<'_>) {
    match observation {
        Observation::Variable { name, .. } => tell(Depends::Variable(name)),
        Observation::Unset { names } => {
            for name in names.apart() {
                tell(Depends::Variable(&name));
            }
        }
        Observation::Environment { .. } => environment(),
        Observation::Stdin(StdinUse::Content { .. }) => tell(Depends::StdinContent),
        Observation::Stdin(StdinUse::Place { .. }) | Observation::StdinKind(_) => tell(Depends::StdinKind),
        Observation::StdinTerminal(_) => tell(Depends::StdinTerminal),
        Observation::StdinName(_) => tell(Depends::StdinName),
        Observation::Network => tell(Depends::Network),
        // Without evidence everything is looked at, and read if its content counts.
        _ => {
            let _ = holds::holds(observation, None, present);
        }
    }
}

/// The watching process sees the open.
fn environment() {
    let _ = File::open("/proc/self/environ");
}
