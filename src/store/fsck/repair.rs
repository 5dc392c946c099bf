//! The repair: it drops what is damaged and never what verifies.

use super::{Damage, Report};
use crate::error::{Error, Result};
use crate::store::Dropped;
use crate::store::exclusive::{ExclusiveStore, OnProgress};
use crate::store::index::State;
use crate::store::layout::FORMAT;
use std::fs;
use std::path::Path;

impl ExclusiveStore<'_> {
    /// Drops what a check found damaged and a second check confirms. Everything that verifies stays; a temporary read error is
    /// not damage. Commits that need missing blobs stay in the history and answer no call.
    ///
    /// # Errors
    /// When something cannot be read, deleted or written.
    pub fn repair(&self, report: &Report, quick: bool, progress: OnProgress<'_>) -> Result<()> {
        let store = self.store;
        store.close_index();
        let again = store.check(quick, progress)?.damage;
        let is_database = |damage: &Damage| matches!(damage, Damage::Database(_));
        let is_certain = |damage: &&Damage| {
            again.iter().any(|other| other == *damage || is_database(other) && is_database(damage))
        };
        let mut rows = Vec::new();
        let mut commits = Vec::new();
        for damage in report.damage.iter().filter(is_certain) {
            match damage {
                Damage::Format => store.layout().state_format(FORMAT)?,
                Damage::Secret => store.renew_secret()?,
                Damage::Database(_) => store.set_aside_as_found()?,
                Damage::Row(sequence) => rows.push(i64::try_from(*sequence).unwrap_or(0)),
                Damage::Links(_) => {
                    store.write_index(|index| index.untrue_links(false))?;
                }
                Damage::Missing { commit, .. } | Damage::Tree(commit) => commits.push(*commit),
                Damage::Blob { path, .. }
                | Damage::HotEntry(path)
                | Damage::Capture(path)
                | Damage::Stranger(path) => self.drop_any(path)?,
                Damage::Log(_) => store.fold()?,
            }
        }
        commits.sort_unstable();
        commits.dedup();
        self.mark_rows(&commits, State::DISTRUSTED, &mut Dropped::default(), &mut |_| {})?;
        store.write_index(|index| index.delete_untrue(&rows))
    }

    /// Deletes whatever has the name of a store file, also a directory.
    fn drop_any(&self, path: &Path) -> Result<()> {
        if fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir()) {
            return fs::remove_dir_all(path).map_err(|source| Error::io("remove", path, source));
        }
        self.drop_file(path).map(|_| ())
    }
}
