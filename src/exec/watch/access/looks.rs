//! Looking at a path, opening it for reading, and finding nothing there.

use super::Observer;
use crate::exec::watch::linux::paths::{Found, Named, upwards};
use crate::exec::{Access, FirstChange, Prior, Seen, Shows, Touched};

impl Observer<'_> {
    /// The stopped thread looks at `named` without opening it.
    pub(in crate::exec::watch) fn look(&mut self, named: &Named, follow: bool) {
        self.look_at(named, follow);
        self.touched(&named.path);
    }

    /// `path` is used. Notes whether the run appended to it before.
    pub(in crate::exec::watch) fn appended_is_used(&mut self, path: &[u8], follow: bool) {
        if self.appended.is_empty() {
            return;
        }
        let real = self.resolver.physical(path, follow).path;
        if self.appended.contains(&real)
            && let Some(entry) = self.entries.get_mut(&real)
        {
            entry.access.used_after_appending = true;
        }
    }

    fn look_at(&mut self, named: &Named, follow: bool) {
        let follow = follow || named.as_directory;
        let path = &named.path;
        self.appended_is_used(path, follow);
        self.touches.note(path, if follow { Touched::Looked } else { Touched::LookedAtLink });
        // First of all: a link that the run made may stand where nothing was.
        if self.is_own(path) {
            if self.is_new(path) {
                return self.missing_below_new(path);
            }
            self.own_is_shown();
            for real in self.behind_own(path, follow) {
                self.look(&Named { path: real, as_directory: named.as_directory }, follow);
            }
            return;
        }
        let known = self.access_known(path);
        let is_known = if follow { known.looked } else { known.looked_at_link };
        if self.is_ignored(path) {
            return;
        }
        if known.absent {
            if self.caller().takes.may_be(path) {
                self.used(path, Prior::Consulted);
            }
            return;
        }
        if !is_known {
            match self.resolver.look(path, follow) {
                Found::Missing if !follow => return self.nothing_at(path),
                Found::Missing => return self.missing(path),
                Found::NotDirectory => return self.not_directory(path),
                found if follow => self.access_seen(path, found.seen()).looked = true,
                found => self.access_seen(path, found.seen()).looked_at_link = true,
            }
        }
        if !known.times_shown || !known.times_compared {
            let nature = self.caller();
            let compared = nature.compares(path);
            let access = self.access(path);
            access.times_shown |= nature.shows == Shows::Times;
            access.mode_shown |= nature.shows == Shows::Modes;
            access.times_compared |= compared;
            access.may_be_entered |= nature.enters.may_be(path);
        }
        self.used(path, Prior::Looked);
    }

    /// The text of a link is read, on which its content at the end may depend. With `by_itself`, not on the way to a real path.
    pub(in crate::exec::watch) fn text_is_read(&mut self, path: &[u8], by_itself: bool) {
        let known = self.access_known(path);
        let is_link = known.looked_at_link && matches!(self.resolver.look(path, false), Found::Link);
        // Many programs read the text of anything on the way to a real path. Code asks for that of a link.
        let is_missed = by_itself && known.absent && self.caller().is_interpreter;
        if (is_link || is_missed) && !self.is_own(path) {
            self.used(path, Prior::Consulted);
        }
    }

    /// `path` was used in this way. Uses before its first change are remembered.
    pub(in crate::exec::watch) fn used(&mut self, path: &[u8], how: Prior) {
        let caller = self.called_by();
        let leaves = self.caller().may_leave_files;
        let entry = self.entries.get_mut(path);
        if let Some(entry) = entry.filter(|entry| entry.access.first_change == FirstChange::None) {
            entry.access.prior = entry.access.prior.max(how);
            entry.access.may_be_left |= leaves;
            entry.looked_otherwise |= !leaves;
            entry.looked_by_several |= entry.looked_by.is_some_and(|looker| looker != caller);
            entry.looked_by = Some(caller);
        }
    }

    /// Looks at every link on the way to `named`, and at its last `last` names, where no link may stand. A process can learn the
    /// real path of its working directory, or of its program, without a call that is stopped.
    pub(in crate::exec::watch) fn look_along(&mut self, named: &Named, last: usize) {
        let there = self.resolver.physical(&named.path, true);
        let at = upwards(&named.path).take(last).map(<[u8]>::to_vec);
        for path in there.links.into_iter().chain(at) {
            self.look(&Named { path, as_directory: false }, false);
        }
    }

    /// The names by which the run has opened the file with the real path `real`.
    pub(in crate::exec::watch) fn opened_names_of(&mut self, real: &[u8]) -> Vec<Vec<u8>> {
        let is_open = |access: &Access| access.read || access.executed;
        let opened = self.entries.iter().filter(|(_, entry)| is_open(&entry.access));
        let mut names: Vec<Vec<u8>> = opened.map(|(path, _)| path.clone()).collect();
        names.retain(|path| self.resolver.physical(path, true).path == real);
        names
    }

    /// A path is named relative to the open directory `real`. The links by which that directory was opened lead there.
    pub(in crate::exec::watch) fn named_from(&mut self, real: &[u8]) {
        for name in self.listings.not_followed(real) {
            self.follows(&name);
        }
    }

    /// The links on the way to `path` lead to what the run uses under its real name.
    pub(in crate::exec::watch) fn follows(&mut self, path: &[u8]) {
        for link in self.resolver.physical(path, true).links {
            if self.is_ignored(&link) || self.is_own(&link) {
                continue;
            }
            let found = self.resolver.look(&link, false);
            self.access_seen(&link, found.seen()).looked_at_link = true;
            self.used(&link, Prior::Consulted);
        }
    }

    /// A directory is opened only to name paths from it.
    pub(in crate::exec::watch) fn opened_as_place(&mut self, path: &[u8]) {
        let there = self.resolver.physical(path, true);
        if matches!(there.found, Found::Directory(_)) {
            self.listings.opened(there.path, path);
        }
    }

    /// Notes which program accesses `path`, if anything is known of it.
    pub(in crate::exec::watch) fn touched(&mut self, path: &[u8]) {
        if self.entries.contains_key(path) {
            let nature = self.caller();
            // The run finds its own directory there each time, or nothing where it has removed what was there.
            let is_cleared = self.entries.get(path).is_some_and(|entry| entry.cleared);
            let may_be_entered = nature.enters.may_be(path) && !self.is_own(path) && !is_cleared;
            let access = self.access(path);
            access.strangers |= !nature.keeps;
            access.may_be_entered |= may_be_entered;
        }
    }

    /// Nothing is at `path`, or a link that leads nowhere.
    pub(in crate::exec::watch) fn missing(&mut self, path: &[u8]) {
        if self.is_ignored(path) {
            return;
        }
        if self.is_own(path) {
            if self.is_new(path) {
                self.missing_below_new(path);
            }
            return;
        }
        match self.resolver.look(path, false) {
            Found::Link => {
                let access = self.access(path);
                access.looked = true;
                access.looked_at_link = true;
                self.used(path, Prior::Looked);
            }
            Found::Missing => self.nothing_at(path),
            _ => self.access(path).absent = true,
        }
    }

    /// Nothing is at `path`, below a directory that the run made where nothing was. Another run may find something there.
    pub(in crate::exec::watch) fn missing_below_new(&mut self, path: &[u8]) {
        if !self.is_ignored(path) {
            self.nothing_at(path);
            if let Some(entry) = self.entries.get_mut(path) {
                entry.below_new = true;
            }
        }
    }

    /// Nothing is at `path`, not even a link, and the run did not remove it.
    fn nothing_at(&mut self, path: &[u8]) {
        self.access_seen(path, Seen::Nothing).absent = true;
        self.touched(path);
        // What is there the next time is copied.
        let is_source = self.caller().takes.may_be(path);
        self.used(path, if is_source { Prior::Consulted } else { Prior::Looked });
    }

    /// A name before the last of `path` is not a directory. This is what the run depends on.
    pub(in crate::exec::watch) fn not_directory(&mut self, path: &[u8]) {
        let blocking = upwards(path)
            .find(|above| !matches!(self.resolver.look(above, true), Found::NotDirectory | Found::Missing))
            .map(<[u8]>::to_vec);
        if let Some(above) = blocking {
            self.look(&Named { path: above, as_directory: false }, true);
        }
    }

    /// `path` is opened for reading, possibly again.
    pub(in crate::exec::watch) fn opened(&mut self, path: &[u8]) {
        self.touches.note(path, Touched::Opened);
    }
}
