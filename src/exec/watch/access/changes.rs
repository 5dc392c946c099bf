//! How paths change, and in which order a path was used and changed.

use super::{Entry, Observer, Own};
use crate::exec::watch::linux::paths::Found;
use crate::exec::watch::linux::process::as_path;
use crate::exec::{Access, Fate, FirstChange, Listers, Nature, Prior};
use std::os::unix::ffi::OsStrExt;

/// How a path changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::exec::watch) enum How {
    /// Created where nothing was, by a call that fails or behaves differently where something is.
    Made,
    /// A file opened with truncation, whether or not it existed. Its former content makes no difference.
    Truncated,
    /// A file emptied in place, where it makes a difference that it existed or which mode it had.
    Emptied,
    /// A file opened for writing that keeps its content.
    Opened,
    /// Attributes changed, or another name given to the same file.
    Altered,
    /// Replaced by another file.
    Replaced,
    /// Removed or moved away.
    Removed,
}

impl Observer<'_> {
    /// `path`, which contains no links, changes. The witness is called before the first change.
    pub(in crate::exec::watch) fn change(&mut self, path: &[u8], how: How) {
        let first = match how {
            How::Truncated | How::Emptied => FirstChange::Emptied,
            How::Opened => FirstChange::InPlace,
            How::Altered => FirstChange::Altered,
            How::Made => FirstChange::Created,
            How::Replaced => FirstChange::Put,
            How::Removed => FirstChange::Removed,
        };
        self.change_first(path, how, first);
    }

    /// Like [`Observer::change`], where the kind of the first change is known more precisely.
    pub(in crate::exec::watch) fn change_first(&mut self, path: &[u8], how: How, first: FirstChange) {
        if self.is_ignored(path) {
            return;
        }
        let Nature { keeps, is_interpreter, may_leave_files, .. } = self.caller();
        let strangers = !keeps;
        let around = self.listed_around(path);
        if how == How::Replaced && self.led_somewhere(path) {
            self.was_followed(path);
        }
        let caller = self.called_by();
        let entry = self.entries.entry(path.to_vec()).or_default();
        entry.access.strangers |= strangers;
        entry.access.changed_by_strangers |= strangers;
        if !entry.told {
            entry.told = true;
            let overwrites = matches!(how, How::Truncated | How::Emptied | How::Opened);
            let fate = if overwrites { Fate::Lost } else { Fate::Kept };
            self.witness.about_to_change(as_path(path), fate);
        }
        let Entry { access, own, read_since, looked_by, .. } = entry;
        let is_read = !matches!(how, How::Altered | How::Removed) && std::mem::take(read_since);
        access.reworked |= access.changed && (how == How::Opened || is_read);
        if matches!(how, How::Truncated | How::Emptied | How::Opened) && access.read && *own != Own::Wholly {
            access.read_then_changed = true;
        }
        if access.first_change == FirstChange::None {
            access.first_change = first;
            access.may_be_left |= may_leave_files && first == FirstChange::Created;
            access.listed_around = around;
            access.looked_by_another = looked_by.is_some_and(|looker| looker != caller);
        } else {
            access.changed_otherwise |= access.first_change != first;
        }
        if first == FirstChange::Appended {
            access.added_to |= access.changed;
            access.appended_by_programs |= !is_interpreter;
            self.appended.insert(path.to_vec());
        }
        access.altered |= how == How::Altered;
        let wholly = *own == Own::Wholly;
        access.made |= !access.changed && matches!(how, How::Made | How::Truncated | How::Emptied);
        // After the file was emptied, another file in its place is not the one that may have other names.
        let anew = matches!(how, How::Made | How::Replaced | How::Removed);
        access.kept_on_change |= how != How::Truncated && (anew || !wholly);
        access.given_up |= matches!(how, How::Replaced | How::Removed);
        access.changed = true;
        *own = match how {
            How::Opened | How::Altered => (*own).max(Own::Partly),
            _ => Own::Wholly,
        };
    }

    /// Whether the run used what a link leads to: a path below it, or the link as a file or directory.
    fn led_somewhere(&mut self, path: &[u8]) -> bool {
        let known = self.access_known(path);
        let is_first = known.first_change == FirstChange::None && !self.is_own(path);
        if !is_first || !matches!(self.resolver.look(path, false), Found::Link) {
            return false;
        }
        let is_below = |other: &[u8]| other.strip_prefix(path).is_some_and(|rest| rest.starts_with(b"/"));
        // Looked at as a file or directory, it led to one: `[ -d link ]`, `ln -sf file link`.
        let is_used = known.looked || known.read || known.opened || known.listed;
        let is_crossed = self.entries.get(path).is_some_and(|entry| entry.crossed);
        is_used || is_crossed || self.entries.keys().any(|other| is_below(other))
    }

    /// The link at `path` led somewhere, whether or not the run has looked at it by its name.
    fn was_followed(&mut self, path: &[u8]) {
        self.access(path);
        self.used(path, Prior::Consulted);
    }

    /// The run asked to remove a file or link, found or not. From then on its former state makes no difference, unless it was
    /// consulted before.
    pub(in crate::exec::watch) fn is_to_go(&mut self, path: &[u8]) {
        if self.led_somewhere(path) {
            self.was_followed(path);
        }
        let Nature { keeps, removes_trees, .. } = self.caller();
        let around = self.listed_around(path);
        if self.is_own(path) {
            // Nothing is known of a path in a directory that the run made, if nothing is there.
            self.entries.entry(path.to_vec()).or_default().access.strangers |= !keeps;
        }
        let Some(Entry { access, cleared, .. }) = self.entries.get_mut(path) else { return };
        *cleared |= removes_trees;
        if access.first_change == FirstChange::None && access.prior != Prior::Consulted {
            access.prior = Prior::Nothing;
            access.first_change = FirstChange::Removed;
            access.listed_around = around;
        }
    }

    /// Nothing is at `path`, which the run asks to remove. Notes whether it was tested for before: by another process, or by code that
    /// now removes it. (`rm -f` looks for itself.)
    pub(in crate::exec::watch) fn may_be_tested(&mut self, path: &[u8]) {
        let Nature { reads_code, may_leave_files, .. } = self.caller();
        let caller = self.called_by();
        let Some(entry) = self.entries.get_mut(path) else { return };
        let Entry { access, looked_by, looked_by_several, looked_otherwise, .. } = entry;
        let is_code = reads_code || may_leave_files;
        if access.first_change == FirstChange::None
            && access.prior == Prior::Looked
            && (is_code || *looked_by_several || *looked_by != Some(caller))
        {
            access.tested_then_removed = true;
            access.tested_by_those_alone = !*looked_otherwise;
        }
    }

    /// The stopped thread is about to open `path` for reading.
    pub(in crate::exec::watch) fn may_be_opened_to_remove(&mut self, path: &[u8]) {
        let opener = self.called_by();
        if !self.opened_to_remove.is_empty() {
            // Opened again, by any thread, it may be read.
            self.opened_to_remove.retain(|thread, (opened, ..)| *thread != opener && opened != path);
        }
        if self.caller().opens_what_it_removes {
            let Access { read, prior, .. } = self.access_known(path);
            self.opened_to_remove.insert(opener, (path.to_vec(), read, prior));
        }
    }

    /// The stopped thread removes the file at `path`. If it opened that just before, and only for this, it did not read it.
    pub(in crate::exec::watch) fn was_opened_to_remove(&mut self, path: &[u8]) {
        let opened = self.opened_to_remove.remove(&self.called_by());
        if let Some((_, read, prior)) = opened.filter(|(opened, ..)| opened == path)
            // The thread may run another program now.
            && self.caller().opens_what_it_removes
            && let Some(Entry { access, .. }) = self.entries.get_mut(path)
            && access.first_change == FirstChange::None
        {
            access.read = read;
            access.prior = prior.max(Prior::Looked);
        }
    }

    /// The file at `path` was emptied through a descriptor. If that came first after opening it, its former content was not used,
    /// unless the program can have read it, or decides by its size whether it is emptied.
    pub(in crate::exec::watch) fn emptied(&mut self, path: &[u8], is_written_alone: bool) {
        let asks_for_size = self.caller().cuts_by_size;
        if let Some(Entry { access, .. }) = self.entries.get_mut(path)
            && is_written_alone
            && !asks_for_size
            && access.first_change == FirstChange::InPlace
        {
            access.first_change = FirstChange::Emptied;
        }
    }

    /// Whether what is at `path` was changed by the run.
    pub(in crate::exec::watch) fn is_changed(&self, path: &[u8]) -> bool {
        self.entries.get(path).is_some_and(|entry| entry.access.changed)
    }

    /// The programs that have listed the directory of `path`, before the present one changes it.
    fn listed_around(&mut self, path: &[u8]) -> Listers {
        let directory = as_path(path).parent().map(|directory| directory.as_os_str().as_bytes());
        let listers =
            directory.and_then(|directory| self.listed_by.get(directory)).copied().unwrap_or_default();
        listers.around_product_of(self.caller().builder)
    }
}
