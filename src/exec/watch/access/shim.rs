//! The shim of a version manager: what it reads to find the real program is known before the run.

use super::Observer;
use crate::exec::Access;
use crate::exec::watch::linux::process::as_path;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

impl Observer<'_> {
    /// Whether a version manager's shim has yet to start the real program.
    pub(in crate::exec::watch) fn is_in_shim(&self) -> bool {
        self.behind_shim.is_some()
    }

    /// `path` is executed, which leads to the file `there`. If a version manager's shim starts the real program with it, forgets
    /// what the shim read: the program that it leads to is known before the run.
    pub(in crate::exec::watch) fn leave_shim(&mut self, path: &[u8], there: &Metadata) {
        let real = |path: &Path| std::fs::canonicalize(path).ok();
        let Some((behind, identity)) = self.behind_shim else { return };
        // Comparing identities is faster than comparing real paths, and rules most files out.
        if identity == Some((there.dev(), there.ino()))
            && real(as_path(path)).is_some_and(|started| Some(started) == real(behind))
        {
            self.behind_shim = None;
            let untouched = self.entries.values_mut().filter(|entry| !entry.access.changed);
            untouched.for_each(|entry| entry.access = Access::default());
            self.touches.forget();
            self.programs.clear();
            self.executed.clear();
        }
    }
}

/// Device and number of the file that `path` leads to.
pub(super) fn identity(path: &Path) -> Option<(u64, u64)> {
    std::fs::metadata(path).ok().map(|there| (there.dev(), there.ino()))
}
