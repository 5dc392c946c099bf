//! Files that a run used under one name and changed under another, where a link leads to their directory. A change is recorded at
//! the real path, so uses have to be, too.

use super::super::programs::cleaned;
use super::Watcher;
use crate::exec::{Prior, Trace};
use std::collections::{BTreeSet, HashMap};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

/// As many links at most are followed on the way to a directory.
const MOST_LINKS: usize = 40;

impl Watcher<'_> {
    /// After the command has ended: what was used through links in the root, and changed by its real path, was used by its real
    /// path. Whether that was before the change is not known any more. The links count.
    pub(super) fn merge_aliases(&mut self, trace: &mut Trace) {
        let changed = trace.accesses.iter().filter(|(_, access)| access.changed);
        let names: BTreeSet<OsString> =
            changed.filter_map(|(path, _)| path.file_name().map(OsString::from)).collect();
        if names.is_empty() {
            return;
        }
        let mut directories: HashMap<PathBuf, PathBuf> = HashMap::new();
        let mut aliases = Vec::new();
        for (path, access) in trace.accesses.iter().filter(|(path, _)| path.starts_with(self.root)) {
            let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { continue };
            if access.changed {
                continue;
            }
            // A link that was followed to a file which the run changed.
            if (access.looked || access.read) && path.is_symlink() {
                let real = fs::canonicalize(path).unwrap_or_default();
                if trace.accesses.get(&real).is_some_and(|access| access.changed) {
                    aliases.push((path.clone(), real));
                }
                continue;
            }
            if !names.contains(name) {
                continue;
            }
            let real = directories
                .entry(parent.to_path_buf())
                .or_insert_with(|| fs::canonicalize(parent).unwrap_or_else(|_| parent.to_path_buf()));
            let real = real.join(name);
            if real != *path && trace.accesses.get(&real).is_some_and(|access| access.changed) {
                aliases.push((path.clone(), real));
            }
        }
        for (alias, real) in aliases {
            let is_link = alias.is_symlink();
            let Some(links) = self.links_above(&alias, is_link) else { continue };
            let Some(mut access) = trace.accesses.remove(&alias) else { continue };
            for link in links {
                trace.accesses.entry(link).or_default().looked_at_link = true;
            }
            // What was asked of the link itself stays its own.
            access.looked_at_link &= !is_link;
            access.prior = if access.read { Prior::Consulted } else { Prior::Looked };
            trace.accesses.entry(real).or_default().merge(access);
        }
    }

    /// The links in the root on the way to the directory of `path`, or with `itself` to what it leads to; `None` where the run
    /// changed one of them.
    fn links_above(&self, path: &Path, itself: bool) -> Option<Vec<PathBuf>> {
        let mut links = Vec::new();
        let above = path
            .ancestors()
            .skip(usize::from(!itself))
            .take_while(|above| above.starts_with(self.root) && *above != self.root);
        for above in above {
            let mut at = above.to_path_buf();
            for _ in 0..MOST_LINKS {
                let Ok(text) = fs::read_link(&at) else { break };
                if self.before.contains_key(&at) {
                    return None;
                }
                let next = cleaned(&at.parent()?.join(text));
                links.push(std::mem::replace(&mut at, next));
            }
        }
        Some(links)
    }
}
