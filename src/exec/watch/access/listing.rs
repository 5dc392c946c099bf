//! Directories whose entries are read.

use super::Observer;
use crate::exec::Listers;
use crate::exec::watch::linux::process::as_path;

impl Observer<'_> {
    /// The entries of the directory with the real path `real` are read. Each name by which it was opened counts as listed.
    pub(in crate::exec::watch) fn list(&mut self, real: &[u8]) {
        if !self.is_ignored(real) {
            let nature = self.caller();
            let listers = self.listed_by.entry(real.to_vec()).or_default();
            let is_builder = nature.builder.is_some();
            listers.merge(Listers {
                shells: nature.is_shell,
                interpreters: nature.is_interpreter && !nature.is_shell && !is_builder,
                makes: nature.is_make,
                others: !nature.is_interpreter && !is_builder && !nature.is_make,
                builders: Listers::bit(nature.builder),
            });
        }
        let names = self.listings.names_of(real);
        if names.is_empty() {
            // The descriptor came from another process, or was opened by a name that the run made.
            return self.list_as(real, true);
        }
        for name in names {
            self.list_as(&name, false);
        }
    }

    fn list_as(&mut self, path: &[u8], is_unexpected: bool) {
        if self.is_ignored(path) {
            return;
        }
        self.touched(path);
        if self.is_own(path) {
            if let Some(entry) = self.entries.get_mut(path) {
                entry.access.listed_own = true;
            }
            return;
        }
        let nature = self.caller();
        let (is_function, seeks_settings) = (nature.is_function, nature.seeks_settings);
        if !self.entries.get(path).is_some_and(|entry| entry.access.listed) {
            self.witness.about_to_list(as_path(path));
        }
        let access = self.access(path);
        access.listed = true;
        access.listed_for_more |= !seeks_settings;
        access.listed_by_another |= is_unexpected && !is_function;
        access.listed_by_code |= is_unexpected && is_function;
        self.touched(path);
    }
}
