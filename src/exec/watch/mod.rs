//! Watching a run: every path that its processes name, everything else that its result depends on, and everything that
//! watching cannot follow.
//!
//! One thread installs a seccomp filter on itself and starts the command, which inherits the filter. A second thread serves the
//! calls that the filter stops, and always continues them. docs/limits.md lists what cannot be observed.

#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
#[path = "."]
mod linux {
    mod access;
    mod calls;
    mod changing;
    mod descriptors;
    mod diag;
    mod disguise;
    mod filter;
    mod held;
    mod ignored;
    mod images;
    mod install;
    mod listener;
    mod listings;
    mod modes;
    mod named_calls;
    mod nested;
    mod opening;
    mod ordering;
    mod orphans;
    mod paths;
    mod places;
    mod ports;
    mod process;
    mod program;
    mod ptrace;
    mod session;
    mod sockets;
    mod stopped;
    mod supervisor;
    mod table;
    mod terminals;
    #[cfg(test)]
    mod tests;
    mod touches;
    mod working;

    pub(in crate::exec) use session::{Session, start};
}

#[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
#[path = "unsupported.rs"]
mod linux;

pub(super) use linux::{Session, start};

/// What is observed less, or in more detail, than the rest.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Surroundings<'a> {
    /// Directories below which nothing is an input or output.
    pub(super) unobserved: &'a [std::path::PathBuf],
    /// The program that a version manager's shim starts. What the shim does before is not observed.
    pub(super) behind_shim: Option<&'a std::path::Path>,
    /// Paths for which every single look and opening is reported.
    pub(super) followed: &'a [std::path::PathBuf],
    /// The order of stdout and stderr, where it is recorded.
    pub(super) order: Option<&'a std::sync::Arc<super::order::Order>>,
    /// The process that continues the calls if we are killed.
    pub(super) bystander: Option<&'a super::bystander::Bystander>,
    /// The terminals of the run.
    pub(super) terminal: Option<&'a std::sync::Arc<super::terminal::Control>>,
}

/// Why a watched run could not be started.
#[derive(Debug)]
pub(super) enum StartError {
    /// Watching is impossible, with the reason; nothing was started.
    Unavailable(String),
    /// The command could not be started.
    Spawn(std::io::Error),
}
