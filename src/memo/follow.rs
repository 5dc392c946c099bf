//! Shows on a terminal what an identical run writes that this call waits for, from its beginning.

use super::event::{Event, Parted};
use super::policy::{Mode, Policy, WrittenHits};
use super::replay::write_all;
use super::shown::Shown;
use super::{Context, Miss};
use crate::digest::Key;
use crate::exec::one_target;
use crate::record::{Base, Commit, Observation, Places, StoredPath, Stream, Timestamp};
use crate::store::{Active, Claims, RunState};
use std::fs;
use std::io::IsTerminal;
use std::os::unix::fs::MetadataExt;

/// Bytes that are shown between two looks at whether the run has ended.
const AT_ONCE: usize = 256 * 1024;

/// Follows the run that holds a key.
pub(super) struct Following<'a> {
    context: &'a Context<'a>,
    claims: &'a dyn Claims,
    key: Key,
    /// Whether stdout and stderr are shown: each is, if it is a terminal.
    shows: [bool; 2],
    run: Option<(Active, Shown)>,
}

impl<'a> Following<'a> {
    /// Begins to follow. Nothing is shown where its result would not be taken, or where standard error is not a terminal, on
    /// which we say whose output it is.
    pub(super) fn new(context: &'a Context<'a>, policy: &Policy, claims: &'a dyn Claims, key: Key) -> Self {
        let takes = policy.mode == Mode::Auto
            && !policy.history_only
            && !policy.no_wait
            && policy.written_hits == WrittenHits::All;
        let shows = if takes && context.observer.wants_tail() && context.stderr.is_terminal() {
            // Another terminal than the one on which we say so shows nothing before the end.
            [context.stdout.is_terminal() && one_target(context.stdout, context.stderr), true]
        } else {
            [false; 2]
        };
        Self { context, claims, key, shows, run: None }
    }

    /// Looks whether the run is in progress, and for the next one after its end.
    pub(super) fn look(&mut self) {
        if self.shows == [false; 2] {
            return;
        }
        match self.run.as_ref().map(|(run, _)| run.state()) {
            Some(RunState::Active) => return,
            Some(RunState::Killed) => self.part(Parted::Killed),
            // The next call that waits for the key finds out how it ended.
            Some(RunState::Ended) | None => {}
        }
        let next = self.claims.active(&self.key);
        let next = next.filter(|next| {
            self.run.as_ref().is_none_or(|(run, _)| run.commit.started != next.commit.started)
        });
        if let Some(next) = next {
            self.part(Parted::Differs);
            let shown = Shown::new(next.commit.started);
            self.context.observer.on(&Event::Joined(shown.started));
            self.run = Some((next, shown));
        }
    }

    /// Shows what the run has written since.
    pub(super) fn show(&mut self) {
        let Some((run, shown)) = &mut self.run else { return };
        let mut most = AT_ONCE;
        while most > 0
            && self.shows != [false; 2]
            && let Ok(Some((stream, bytes))) = run.read_next()
        {
            let (to, is_terminal) = match stream {
                Stream::Stdout => (self.context.stdout, self.shows[0]),
                Stream::Stderr => (self.context.stderr, self.shows[1]),
            };
            most = most.saturating_sub(bytes.len());
            if !is_terminal {
                continue;
            }
            if write_all(to, &bytes).is_err() {
                self.shows = [false; 2];
                return;
            }
            shown.took(stream, &bytes);
        }
    }

    /// What was shown of the run that was followed last.
    pub(super) fn shown(&self) -> Option<&Shown> {
        self.run.as_ref().map(|(_, shown)| shown)
    }

    /// What was shown does not count.
    pub(super) fn part(&mut self, why: Parted) {
        if let Some((run, shown)) = self.run.take() {
            let why = match run.state() {
                RunState::Killed => Parted::Killed,
                _ => why,
            };
            self.context.observer.on(&Event::Parted(shown.tail(), why));
        }
    }
}

/// The reason against the result of a run that began before this call: a file that it used and that changed since
/// this call began. Then it is unknown which state of it this call would have found. Files that the run itself changed do not count.
pub(super) fn moved_since(commit: &Commit, places: &Places, began: Timestamp) -> Result<(), Miss> {
    if commit.started >= began {
        return Ok(());
    }
    let is_product =
        |path: &StoredPath| path.base() == Base::Root && commit.products.find(path.rest()).is_some();
    let files = commit.observations.iter().filter_map(|observation| match observation {
        Observation::Content { path, .. } | Observation::State { path, .. } => Some(path),
        _ => None,
    });
    let moved = files.filter(|path| !is_product(path)).find(|path| {
        fs::metadata(places.resolve(path)).is_ok_and(|found| {
            found.is_file() && Timestamp::from_parts(found.ctime(), found.ctime_nsec()) > began
        })
    });
    moved.map_or(Ok(()), |path| Err(Miss::Moved(path.clone())))
}
