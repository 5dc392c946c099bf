//! Paths that a run used through a link which it then replaced or removed: they count where the link led when the run began.

use super::super::programs::cleaned;
use super::{Before, Watcher};
use crate::exec::{Access, Prior, Trace};
use crate::record::FileState;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

impl Watcher<'_> {
    /// After the command has ended: gives such paths the names that they have without the link. The link itself is a product of
    /// the run, and its earlier text counts. Names that the run used after its change are the real ones already.
    pub(super) fn follow_replaced_links(&mut self, trace: &mut Trace) {
        self.made_links(trace);
        let mut links = Vec::new();
        for (link, before) in &self.before {
            let FileState::Symlink { text } = &before.state else { continue };
            let Some(parent) = link.parent() else { continue };
            let target = cleaned(&parent.join(OsStr::from_bytes(text)));
            // Where something on the way was changed as well, the target is not known any more.
            let is_known = parent.ancestors().all(|above| !self.before.contains_key(above))
                && target.ancestors().all(|above| !self.was_link(above));
            if is_known {
                links.push((link.clone(), target));
            }
        }
        for (link, target) in links {
            self.list_target(trace, &link, &target);
            moved(&mut trace.accesses, &link, &target, Access::merge);
            moved(&mut self.young, &link, &target, |_, _| {});
            moved(&mut self.young_links, &link, &target, |_, _| {});
            moved(&mut self.listings, &link, &target, |_, _| {});
            moved(&mut self.directories, &link, &target, |_, _| {});
            let below: Vec<Vec<u8>> = self
                .first
                .keys()
                .filter(|path| below(path, link.as_os_str().as_bytes()).is_some())
                .cloned()
                .collect();
            for path in below {
                let new = renamed(Path::new(OsStr::from_bytes(&path)), &link, &target);
                if let (Some(new), Some(first)) = (new, self.first.remove(&path)) {
                    self.first.entry(new.into_os_string().into_vec()).or_insert(first);
                }
            }
        }
    }

    /// What was listed as `link` itself is its target.
    fn list_target(&mut self, trace: &mut Trace, link: &Path, target: &Path) {
        let Some(access) = trace.accesses.get_mut(link).filter(|access| access.listed || access.opened)
        else {
            return;
        };
        let through = Access {
            listed: std::mem::take(&mut access.listed),
            opened: std::mem::take(&mut access.opened),
            looked: access.looked,
            listed_by_another: access.listed_by_another,
            listed_by_code: access.listed_by_code,
            listed_again: access.listed_again,
            ..Access::default()
        };
        trace.accesses.entry(target.to_path_buf()).or_default().merge(through);
        if let Some(entries) = self.listings.remove(link) {
            self.listings.entry(target.to_path_buf()).or_insert(entries);
        }
        if let Some(first) = self.first(link) {
            self.first.entry(target.as_os_str().as_bytes().to_vec()).or_insert(Some(first));
        }
    }

    /// Links that the run made where nothing was: what it looked for through them was missing for that reason, and what it finds the
    /// next time depends on them.
    fn made_links(&self, trace: &mut Trace) {
        let is_made = |(path, before): &(&PathBuf, &Before)| {
            before.state == FileState::Absent && path.is_symlink() && path.starts_with(self.root)
        };
        for (link, _) in self.before.iter().filter(is_made) {
            let below = trace.accesses.range(link.clone()..).take_while(|(path, _)| path.starts_with(link));
            let below: Vec<PathBuf> = below.skip(1).map(|(path, _)| path.clone()).collect();
            if below.is_empty()
                || !below.iter().all(|path| trace.accesses.get(path).is_some_and(|access| access.absent))
            {
                continue;
            }
            for path in below {
                trace.accesses.remove(&path);
            }
            trace.accesses.entry(link.clone()).or_default().prior = Prior::Consulted;
        }
    }

    fn was_link(&self, path: &Path) -> bool {
        self.before.get(path).is_some_and(|before| matches!(before.state, FileState::Symlink { .. }))
    }
}

/// What follows `link` in a path below it, with the slash.
fn below<'a>(path: &'a [u8], link: &[u8]) -> Option<&'a [u8]> {
    path.strip_prefix(link).filter(|rest| rest.starts_with(b"/"))
}

/// The name of a path below `link` without it.
fn renamed(path: &Path, link: &Path, target: &Path) -> Option<PathBuf> {
    let rest = below(path.as_os_str().as_bytes(), link.as_os_str().as_bytes())?;
    let mut new = OsString::from(target);
    new.push(OsStr::from_bytes(rest));
    Some(PathBuf::from(new))
}

/// Moves the entries below `link` to below `target`; `merge` takes an entry that is there already and the moved one.
fn moved<T>(known: &mut BTreeMap<PathBuf, T>, link: &Path, target: &Path, merge: impl Fn(&mut T, T)) {
    let start = known.range(link.to_path_buf()..).take_while(|(path, _)| path.starts_with(link));
    let old: Vec<PathBuf> = start.map(|(path, _)| path.clone()).filter(|path| path != link).collect();
    for path in old {
        let (Some(new), Some(value)) = (renamed(&path, link, target), known.remove(&path)) else { continue };
        match known.get_mut(&new) {
            Some(there) => merge(there, value),
            None => {
                known.insert(new, value);
            }
        }
    }
}
