//! What one `stat` settles: most facts hold by it alone, and then nothing else is asked.
//!
//! Facts are asked about directory by directory. What a look does not settle needs a closer one, which is the caller's
//! matter: nothing is ever found wrong here.

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

/// From so many looks below one directory on, it is opened first: that takes as long as a tenth of the way saved by each.
const WORTH_OPENING: usize = 10;

/// Whether what is there has the evidence that was trusted.
pub(in crate::hash) fn proves(found: &Found, evidence: Option<&Evidence>) -> bool {
    matches!((found, evidence), (Ok(found), Some(evidence)) if found == evidence)
}

/// Whether `state` is what is there.
pub(in crate::hash) fn shows(found: &Found, state: &FileState, evidence: Option<&Evidence>) -> bool {
    let rule = state.mode_rule();
    if rule.asked != 0 || rule.fresh {
        // That is not the same for everybody.
        return false;
    }
    match (state, found) {
        // With a file in place of a directory above it the answer is another one.
        (FileState::Absent, found) => matches!(found, Err(Errno::NOENT)),
        (FileState::Directory { mode }, Ok(found)) => {
            is_directory(found) && found.mode & 0o7777 == *mode & 0o7777
        }
        _ => proves(found, evidence),
    }
}

fn is_directory(found: &Evidence) -> bool {
    found.mode & libc::S_IFMT == libc::S_IFDIR
}

/// Looks at paths, those in one directory together.
pub struct Looks<'a> {
    places: &'a Places,
    /// What the call had looked at before.
    seen: Option<&'a StatCache>,
    /// What these looks found, as far as it was noted.
    pub(in crate::hash) own: StatCache,
    /// A moment that is not after the first look.
    now: Timestamp,
    /// The present directory with a slash at its end, then the name that was looked at last.
    path: Vec<u8>,
    /// How much of `path` is the directory, without and with the slash.
    directory: (usize, usize),
    /// The directory is below a HOME that is not there.
    is_nowhere: bool,
    open: Option<OwnedFd>,
    /// Whether links were followed at the last look, and what was found.
    last: Option<(bool, Found)>,
    /// A path at which nothing was, and so nothing is below it.
    nothing: Vec<u8>,
    /// The names of one directory that are to be absent.
    absent: Vec<(usize, Missing<'a>)>,
}

/// What looking at the observations of one directory came to.
#[derive(Default)]
pub struct Settled {
    /// The numbers of those that need a closer look.
    pub open: Vec<usize>,
    /// The numbers of those that nothing is at a path for which there is evidence from now on: that of their directory.
    pub learned: Vec<(usize, Evidence)>,
}

impl<'a> Looks<'a> {
    /// No look yet, beside those that this call has made. `now` is a moment that is not after the first of them.
    #[must_use]
    pub fn new(places: &'a Places, seen: Option<&'a StatCache>, now: Timestamp) -> Self {
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

    /// Looks for the observations from `start` on that are of one directory, and tells where they end; those that are of no
    /// path need a closer look. `evidence` has an entry for each observation.
    pub fn settle(
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
                // `x/` is looked at as it is.
                _ if name.is_empty() && path.rest().len() > 1 => false,
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

    /// The looks that follow, of which there may be `count`, are in this directory.
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

    /// What is at `name` in the present directory; without a name, what the directory is.
    pub(in crate::hash) fn at(&mut self, name: &[u8], follow: bool) -> Found {
        if self.is_nowhere {
            // A path below a HOME that is not there names nothing.
            return Err(Errno::NOENT);
        }
        let (directory, slash) = self.directory;
        let is_same = self.path.get(slash..) == Some(name);
        if let Some((followed, found)) = self.last.filter(|_| is_same) {
            // Where no link is, following changes nothing.
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

    /// Takes down what was found at the last look, links followed.
    pub(in crate::hash) fn note(&mut self, found: &Evidence) {
        if !is_directory(found) {
            let (directory, slash) = self.directory;
            let end = if self.path.len() == slash { directory } else { self.path.len() };
            self.own.note(self.path.get(..end).unwrap_or_default(), found);
        }
    }

    /// Looks whether `names`, of which there are `count`, are absent from the present directory, and tells `each` of those
    /// that were looked at whether something is there; it says whether to go on. The evidence that comes back proves from
    /// now on that those are absent which were. A name is not looked at where the directory has the name's evidence.
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
            // A link that leads nowhere is an entry of the directory: where it leads is not told by the directory's times.
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

    /// The directory as it was looked at, or is where that is worth it; an error that tells nothing otherwise.
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

/// What a look at a path may settle.
struct Sought<'a> {
    path: &'a StoredPath,
    follow: bool,
    /// What is to be there; `None` where evidence alone can tell.
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
