//! What a call wants of the memory, beside what decides the key.

use crate::digest::Key;
use crate::exec::Tty;
use crate::record::Termination;
use crate::remote::toolchain::Toolchain;

/// When to replay and when to record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Replay, or run and record.
    #[default]
    Auto,
    /// Run and record again.
    Refresh,
    /// Replay, or run without recording.
    Read,
    /// Replay, or run nothing.
    Replay,
    /// A plain run; the store is not opened.
    Off,
}

/// Whether the run is watched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Watching {
    /// Where it is possible.
    #[default]
    Auto,
    /// Never.
    Off,
    /// It must be.
    Require,
}

/// Of which hits the output is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WrittenHits {
    /// Of all.
    #[default]
    All,
    /// Of commands that ended with another status than 0.
    Failed,
    /// Of none.
    None,
}

impl WrittenHits {
    /// Whether it is written of a command that ended so.
    #[must_use]
    pub fn contain(self, termination: Termination) -> bool {
        match self {
            Self::All => true,
            Self::Failed => termination != Termination::Exited(0),
            Self::None => false,
        }
    }
}

/// A set of exit statuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Statuses([u64; 4]);

impl Default for Statuses {
    /// Only 0.
    fn default() -> Self {
        Self([1, 0, 0, 0])
    }
}

impl Statuses {
    /// Reads `0,1,3-5`; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut set = Self([0; 4]);
        for part in text.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let number = |digits: &str| {
                digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse::<u8>().ok())
            };
            let (first, last) = (number(first)??, number(last)??);
            if first > last {
                return None;
            }
            (first..=last).for_each(|status| set.add(status));
        }
        Some(set)
    }

    fn add(&mut self, status: u8) {
        if let Some(bits) = self.0.get_mut(usize::from(status >> 6)) {
            *bits |= 1 << (status & 63);
        }
    }

    /// Whether `status` is one of them.
    #[must_use]
    pub fn contains(&self, status: u8) -> bool {
        self.0.get(usize::from(status >> 6)).is_some_and(|bits| bits >> (status & 63) & 1 == 1)
    }

    /// Whether a command that ended so is kept: by itself, with one of these.
    #[must_use]
    pub fn keep(&self, termination: Termination) -> bool {
        matches!(termination, Termination::Exited(status) if self.contains(status))
    }
}

/// What a call wants of the memory. Times are in nanoseconds.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// When to replay and when to record.
    pub mode: Mode,
    /// `--no-cache`: record for the history alone.
    pub history_only: bool,
    /// `--ttl`: replay only what is younger.
    pub time_to_live: Option<u64>,
    /// `--stale`: what is older is replayed, and the answer says that it wants a refresh.
    pub stale_after: Option<u64>,
    /// Whether the run is watched.
    pub watching: Watching,
    /// `--tty`: whether the command's stdout and stderr are terminals.
    pub tty: Tty,
    /// `replay` in `cashet.toml`: of which hits the output is written.
    pub written_hits: WrittenHits,
    /// `--pure`: nothing decides the result but what is in the manifest.
    pub pure: bool,
    /// `[remote] toolchain`: what replaces files of the system in results of other machines.
    pub toolchains: Vec<Toolchain>,
    /// `--allow-net`: use of the network does not matter.
    pub allow_network: bool,
    /// `--clean-outputs`: declared outputs are moved aside before the run.
    pub clean_outputs: bool,
    /// `--no-wait`: an identical run in progress is not waited for.
    pub no_wait: bool,
    /// `--cache-exit`: exit statuses that are kept.
    pub kept_statuses: Statuses,
    /// `--tag`.
    pub tags: Vec<(String, String)>,
    /// Only under this key: where the world gives another one, nothing runs.
    pub only_key: Option<Key>,
    /// What is replayed is a run that this call had on another machine: it counts as a run, and not as a hit.
    pub is_own_run: bool,
}

impl Policy {
    /// Whether `token` stands for a toolchain of this machine.
    #[must_use]
    pub fn has_toolchain(&self, token: &[u8]) -> bool {
        self.toolchains.iter().filter_map(Toolchain::token).any(|own| own.as_bytes() == token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_ranges_of_statuses() {
        let set = Statuses::parse("0,1,3-5,255").unwrap();
        let members: Vec<u8> = (0..=255).filter(|status| set.contains(*status)).collect();
        assert_eq!(members, [0, 1, 3, 4, 5, 255]);
        assert!((0..=255).all(|status| Statuses::parse("0-255").unwrap().contains(status)));
        assert!(!set.keep(Termination::Signaled(1)));
        assert_eq!(Statuses::default(), Statuses::parse("0").unwrap());
    }

    #[test]
    fn what_is_not_a_list_is_refused() {
        for text in
            ["", ",", "1,", "256", "5-3", "-1", "1-", "a", "1 2", "+1", "1-2-3", "99999999999999999999"]
        {
            assert_eq!(Statuses::parse(text), None, "{text}");
        }
    }
}
