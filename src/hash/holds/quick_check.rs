//! The quick check: one `stat` for each path is enough for most facts.
//!
//! Facts are checked directory by directory. A fact that this check cannot confirm needs a closer look by the caller; it is not
//! known to be wrong.

pub(in crate::hash) use super::absence::Missing;
use super::absence::{WORTH_ASKING, proves_absence};
use crate::hash::files::is_local;
use crate::hash::stat_cache::{Found, StatCache, open_directory, stat};
use crate::record::{Base, Evidence, FileState, Observation, Places, StoredPath, Timestamp};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// If at least this many names of a directory are looked at, the directory is opened first. Opening it costs about as much as ten
/// lookups save by the shorter path.
const WORTH_OPENING: usize = 10;

/// Whether the path still has its trusted evidence.
pub(in crate::hash) fn proves(found: &Found, evidence: Option<&Evidence>) -> bool {
    matches!((found, evidence), (Ok(found), Some(evidence)) if found == evidence)
}

/// Whether the path is still in the recorded `state`.
pub(in crate::hash) fn shows(found: &Found, state: &FileState, evidence: Option<&Evidence>) -> bool {
    let rule = state.mode_rule();
    if rule.asked != 0 || rule.fresh {
        // That is not the same for everybody.
        return false;
    }
    match (state, found) {
        // If a parent is a file now, the error is another one (ENOTDIR), and the state differs.
        (FileState::Absent, found) => matches!(found, Err(Errno::NOENT)),
        (FileState::Directory { mode }, Ok(found)) => {
            is_directory(found)
                && found.mode & 0o7777 == *mode & 0o7777
                && state.rights().is_none_or(|rights| is_for_owner(found, rights, rule.passed))
        }
        _ => proves(found, evidence),
    }
}

/// Whether these rights to read and enter, or only to enter, are those of the owner, which are also ours.
fn is_for_owner(found: &Evidence, rights: u32, passed: bool) -> bool {
    let counts = if passed { 0o1 } else { 0o5 };
    found.viewer == 0 && found.mode >> 6 & counts == rights & counts
}

fn is_directory(found: &Evidence) -> bool {
    found.mode & libc::S_IFMT == libc::S_IFDIR
}

/// Looks at paths, grouped by directory.
pub(in crate::hash) struct QuickCheck<'a> {
    places: &'a Places,
    /// What this call has already looked at.
    seen: Option<&'a StatCache>,
    /// What these looks found, if it was stored.
    pub(in crate::hash) own: StatCache,
    /// A time that is not after the first look.
    now: Timestamp,
    /// The current directory with a slash at its end, then the name that was looked at last.
    path: Vec<u8>,
    /// Length of the directory in `path`, without and with the slash.
    directory: (usize, usize),
    /// The directory is below HOME, and HOME is not set.
    is_nowhere: bool,
    open: Option<OwnedFd>,
    /// The last look: whether links were followed, and the result.
    last: Option<(bool, Found)>,
    /// A path that does not exist, so nothing below it exists.
    nothing: Vec<u8>,
    /// Names of one directory that should be absent.
    absent: Vec<(usize, Missing<'a>)>,
}

/// The result for some observations.
#[derive(Default)]
pub struct Settled {
    /// Numbers of the observations that need a closer look.
    pub open: Vec<usize>,
    /// Numbers of absent paths with new evidence: that of their directory, which proves their absence from now on.
    pub learned: Vec<(usize, Evidence)>,
}

impl<'a> QuickCheck<'a> {
    /// A new check without looks. `now` is a time that is not after the first look; `seen` has the looks of this call.
    #[must_use]
    pub(in crate::hash) fn new(places: &'a Places, seen: Option<&'a StatCache>, now: Timestamp) -> Self {
        Self {
            places,
            seen,
            own: StatCache::default(),
            now,
            path: Vec::with_capacity(256),
            directory: (0, 0),
            is_nowhere: false,
            open: None,
            last: None,
            nothing: Vec::new(),
            absent: Vec::new(),
        }
    }

    /// Checks the observations from `start` on that are in one directory, and returns the number of the first one after them.
    /// Observations without a path need a closer look. `evidence` has an entry for each observation.
    pub(super) fn settle(
        &mut self,
        observations: &'a [Observation],
        evidence: &[Option<Evidence>],
        start: usize,
        settled: &mut Settled,
    ) -> usize {
        settled.open.clear();
        let rest = observations.get(start..).unwrap_or_default();
        let Some((base, directory)) = rest.first().and_then(sought).map(|sought| sought.path.place()) else {
            settled.open.push(start);
            return start.saturating_add(1);
        };
        let is_here = |observation: &&Observation| {
            sought(observation).is_some_and(|sought| sought.path.is_in(base, directory))
        };
        let count = rest.iter().take_while(is_here).count();
        let here = rest.iter().take(count);
        self.enter(base, directory, count);
        let mut absent = std::mem::take(&mut self.absent);
        for (number, (observation, evidence)) in
            here.zip(evidence.get(start..).unwrap_or_default()).enumerate()
        {
            let Some(Sought { path, follow, state }) = sought(observation) else { break };
            let name = path.rest().get(directory.len()..).unwrap_or_default();
            let name = name.strip_prefix(b"/").unwrap_or(name);
            let number = start.saturating_add(number);
            let evidence = evidence.as_ref();
            let is_settled = match state {
                // `x/` needs a look at exactly this path.
                _ if name.is_empty() && path.rest().len() > 1 => false,
                // The base itself is not a name in an opened directory, so there it would always seem absent.
                Some(FileState::Absent) if name.is_empty() => false,
                Some(FileState::Absent) => {
                    absent.push((number, Missing { name, follow, evidence: evidence.copied() }));
                    true
                }
                Some(state @ FileState::Directory { .. }) => shows(&self.at(name, follow), state, evidence),
                Some(state) => evidence.is_some() && shows(&self.at(name, follow), state, evidence),
                None => evidence.is_some() && proves(&self.at(name, follow), evidence),
            };
            if !is_settled {
                settled.open.push(number);
            }
        }
        self.settle_absent(&absent, settled);
        absent.clear();
        self.absent = absent;
        start.saturating_add(count)
    }

    fn settle_absent(&mut self, absent: &[(usize, Missing<'_>)], settled: &mut Settled) {
        let names = || absent.iter().map(|(_, name)| *name);
        let is_order_kept = settled.open.is_empty();
        let mut looked = Vec::new();
        let proven = self.absent(names, absent.len(), &mut |place, is_there| {
            if let Some((number, _)) = absent.get(place) {
                if is_there {
                    settled.open.push(*number);
                } else {
                    looked.push(*number);
                }
            }
            true
        });
        settled
            .learned
            .extend(proven.into_iter().flat_map(|proof| looked.iter().map(move |at| (*at, proof))));
        if !is_order_kept {
            settled.open.sort_unstable();
        }
    }

    /// Makes `directory` the current one, for about `count` looks.
    pub(in crate::hash) fn enter(&mut self, base: Base, directory: &[u8], count: usize) {
        self.last = None;
        self.open = None;
        self.path.clear();
        self.is_nowhere = base == Base::Home && self.places.home.is_none();
        let base = match base {
            Base::Root => Some(self.places.root.as_path()),
            Base::Home => self.places.home.as_deref(),
            Base::Absolute => None,
        };
        if let Some(base) = base {
            self.path.extend_from_slice(base.as_os_str().as_bytes());
            if !directory.is_empty() && self.path.last() != Some(&b'/') {
                self.path.push(b'/');
            }
        }
        self.path.extend_from_slice(directory);
        let length = self.path.len();
        if self.path.last() != Some(&b'/') {
            self.path.push(b'/');
        }
        self.directory = (length, self.path.len());
        if count >= WORTH_OPENING {
            self.open();
        }
    }

    fn open(&mut self) {
        if self.open.is_none() && !self.is_nowhere {
            self.open = self.path.get(..self.directory.0).and_then(open_directory);
        }
    }

    /// Looks at `name` in the current directory; without a name, at the directory itself.
    pub(in crate::hash) fn at(&mut self, name: &[u8], follow: bool) -> Found {
        if self.is_nowhere {
            // A path below an unset HOME does not exist.
            return Err(Errno::NOENT);
        }
        let (directory, slash) = self.directory;
        let is_same = self.path.get(slash..) == Some(name);
        if let Some((followed, found)) = self.last.filter(|_| is_same) {
            // Without a link, following it makes no difference.
            let is_link = |found: &Evidence| found.mode & libc::S_IFMT == libc::S_IFLNK;
            if followed == follow || (follow && found.is_ok_and(|found| !is_link(&found))) {
                return found;
            }
        }
        self.path.truncate(slash);
        self.path.extend_from_slice(name);
        let whole = match name {
            [] => self.path.get(..directory).unwrap_or_default(),
            _ => self.path.as_slice(),
        };
        let known = self.seen.filter(|_| follow).and_then(|seen| seen.find(whole));
        let found = match (known, &self.open) {
            (Some(known), _) => Ok(known),
            (None, Some(open)) if !name.is_empty() => stat(Some(open.as_fd()), name, follow),
            (None, _) => stat(None, whole, follow),
        };
        if let Ok(found) = found
            && follow
            && is_directory(&found)
        {
            self.own.note(whole, &found);
        }
        self.last = Some((follow, found));
        found
    }

    /// Stores what the last look found, links followed.
    pub(in crate::hash) fn note(&mut self, found: &Evidence) {
        if !is_directory(found) {
            let (directory, slash) = self.directory;
            let end = if self.path.len() == slash { directory } else { self.path.len() };
            self.own.note(self.path.get(..end).unwrap_or_default(), found);
        }
    }

    /// Checks whether `count` names are absent from the current directory. `each` is called for each name that was looked at,
    /// with whether it exists, and returns whether to continue. Names with the evidence of the directory are not looked at. The
    /// returned evidence proves from now on that the absent names are absent.
    pub(in crate::hash) fn absent<'n, Names: Iterator<Item = Missing<'n>>>(
        &mut self,
        names: impl Fn() -> Names,
        count: usize,
        each: &mut dyn FnMut(usize, bool) -> bool,
    ) -> Option<Evidence> {
        if count == 0 || self.is_below_nothing() {
            return None;
        }
        let directory = self.look_at_directory(&names, count);
        if directory == Err(Errno::NOENT) && !self.is_nowhere {
            self.nothing.clear();
            self.nothing.extend_from_slice(self.path.get(..self.directory.0).unwrap_or_default());
            return None;
        }
        let known = directory.ok();
        let mut provable = known.filter(|directory| proves_absence(directory, self.now));
        let mut looked = false;
        for (place, name) in names().enumerate() {
            if known.is_some() && name.evidence == known {
                continue;
            }
            if !looked && count.saturating_sub(place) >= WORTH_OPENING {
                self.open();
            }
            looked = true;
            if self.is_nowhere {
                // Without HOME a program looks elsewhere.
                if !each(place, true) {
                    return None;
                }
                continue;
            }
            // A dangling link is an entry of the directory. The times of the directory do not show when its target appears.
            let mut found = self.look(name.name, name.follow && provable.is_none());
            if name.follow && provable.is_some() && found != Err(Errno::NOENT) {
                provable = None;
                found = self.look(name.name, true);
            }
            let is_there = found != Err(Errno::NOENT);
            if !is_there {
                self.nothing.clone_from(&self.path);
            }
            if !each(place, is_there) {
                return None;
            }
        }
        let path = self.path.get(..self.directory.0).unwrap_or_default();
        provable.filter(|before| {
            looked && stat(None, path, true) == Ok(*before) && is_local(Path::new(OsStr::from_bytes(path)))
        })
    }

    /// The evidence of the current directory, if it is known or worth a look; otherwise an error.
    fn look_at_directory<'n, Names: Iterator<Item = Missing<'n>>>(
        &mut self,
        names: impl Fn() -> Names,
        count: usize,
    ) -> Found {
        let path = self.path.get(..self.directory.0).unwrap_or_default();
        let known = self.own.find(path).or_else(|| self.seen.and_then(|seen| seen.find(path)));
        match known {
            Some(found) => Ok(found),
            None if self.is_nowhere => Err(Errno::NOENT),
            None if count >= WORTH_ASKING || names().any(|name| name.evidence.is_some()) => {
                stat(None, path, true).inspect(|found| self.own.note(path, found))
            }
            None => Err(Errno::AGAIN),
        }
    }

    fn is_below_nothing(&self) -> bool {
        let path = self.path.get(..self.directory.1).unwrap_or_default();
        let rest = path.strip_prefix(self.nothing.as_slice());
        !self.nothing.is_empty() && rest.is_some_and(|rest| rest.first() == Some(&b'/'))
    }

    fn look(&mut self, name: &[u8], follow: bool) -> Found {
        self.path.truncate(self.directory.1);
        self.path.extend_from_slice(name);
        self.last = None;
        match &self.open {
            Some(directory) => stat(Some(directory.as_fd()), name, follow),
            None => stat(None, &self.path, follow),
        }
    }
}

/// What the quick check can verify of an observation.
struct Sought<'a> {
    path: &'a StoredPath,
    follow: bool,
    /// The expected state; `None` if the evidence alone is enough.
    state: Option<&'a FileState>,
}

fn sought(observation: &Observation) -> Option<Sought<'_>> {
    match observation {
        Observation::Content { path, .. }
        | Observation::Index { path, .. }
        | Observation::Loader { path, .. }
        | Observation::Accounts { path, .. }
        | Observation::Listing { path, .. }
        | Observation::Importable { path, .. }
        | Observation::Entries { path, .. }
        | Observation::Modules { path, .. }
        | Observation::Distributions { path, .. } => Some(Sought { path, follow: true, state: None }),
        Observation::State { path, follow, state } => {
            Some(Sought { path, follow: *follow, state: Some(state) })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
