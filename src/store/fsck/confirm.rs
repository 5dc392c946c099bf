//! Confirms what looks damaged. The first pass reads the store while other processes write it, so it may list blobs before it
//! reads a commit that needs a newer one, or read a hot entry after that.

use super::{Damage, Report, is_whole_hot};
use crate::digest::{CommitId, Digest, Key};
use crate::error::{Kind, Result};
use crate::store::blobs::Stored;
use crate::store::flat::{self, Area};
use crate::store::layout::{FORMAT, PACKED_SUFFIX, digest_of};
use crate::store::local::LocalStore;
use crate::store::lock::cannot_write;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

/// The digest in a flat file's path.
fn digest_at(path: &Path) -> Option<Digest> {
    let fan = path.parent()?.file_name()?.to_str()?;
    digest_of(fan, path.file_name()?.to_str()?)
}

impl LocalStore {
    /// Removes from a report what turns out to be intact.
    pub(super) fn confirm(&self, report: &mut Report) -> Result<()> {
        // Blobs never change, and exist before and after the rows that need them: reading them again needs no lock.
        let slow = |damage: &Damage| {
            matches!(damage, Damage::Blob { .. } | Damage::Missing { .. } | Damage::Tree(_))
        };
        self.retain_true(report, slow)?;
        if report.damage.iter().all(slow) {
            return Ok(());
        }
        let _alone = match self.blobs.lock.exclusive() {
            Ok(alone) => Some(alone),
            // No process writes to a store that cannot be written.
            Err(error) if error.os_error().is_some_and(cannot_write) => None,
            Err(error) => return Err(error),
        };
        self.retain_true(report, |damage| !slow(damage))
    }

    /// Checks again those findings of a report that `wanted` selects.
    fn retain_true(&self, report: &mut Report, wanted: impl Fn(&Damage) -> bool) -> Result<()> {
        for damage in std::mem::take(&mut report.damage) {
            if !wanted(&damage) || self.is_still(&damage)? {
                report.damage.push(damage);
            }
        }
        Ok(())
    }

    fn is_still(&self, damage: &Damage) -> Result<bool> {
        Ok(match damage {
            Damage::Format => self.layout().stated_format()? != Some(FORMAT),
            Damage::Secret => self.layout().read_secret().is_none(),
            Damage::Missing { commit, blob } => self.blobs.verify(blob).is_err() && self.needs(commit)?,
            Damage::Tree(commit) => self.needs(commit)?,
            Damage::Blob { blob, path } => {
                let packed = path.as_os_str().as_encoded_bytes().ends_with(PACKED_SUFFIX.as_bytes());
                let verdict = self.blobs.is_true(&Stored { blob: *blob, packed, bytes: 0, disk: 0 });
                verdict.map_or_else(|error| error.kind() != ErrorKind::NotFound, |is_true| !is_true)
            }
            Damage::HotEntry(path) => match digest_at(path) {
                Some(digest) if fs::symlink_metadata(path).is_ok() => self.is_damaged_hot(path, digest)?,
                Some(_) => false,
                None => true,
            },
            Damage::Capture(path) => digest_at(path).is_none_or(|digest| {
                fs::symlink_metadata(path).is_ok()
                    && [Area::Captures, Area::Questions]
                        .iter()
                        .all(|area| flat::read_file(path, *area, &digest).ok().flatten().is_none())
            }),
            Damage::Stranger(path) => fs::symlink_metadata(path).is_ok(),
            Damage::Log(_) => {
                let mut again = Report::default();
                self.check_log(&mut again);
                !again.damage.is_empty()
            }
            // The database was read as one snapshot.
            Damage::Database(_) | Damage::Row(_) | Damage::Links(_) => true,
        })
    }

    /// Whether a commit exists and needs its blobs.
    fn needs(&self, commit: &CommitId) -> Result<bool> {
        let state = self.with_index(|index| index.state_of(commit))?;
        Ok(state.is_some_and(|state| !state.has_lost()))
    }

    fn is_damaged_hot(&self, path: &Path, digest: Digest) -> Result<bool> {
        if !is_whole_hot(self.layout(), path, digest, |_, _| true) {
            return Ok(true);
        }
        let key = Key(digest);
        let replayable = match self.with_index(|index| index.replayable_ids(&key, usize::MAX)) {
            // A damaged database is reported separately.
            Err(error) if matches!(error.kind(), Kind::Damaged | Kind::NewerFormat) => return Ok(false),
            other => other?,
        };
        Ok(!is_whole_hot(self.layout(), path, digest, |id, _| replayable.contains(id)))
    }
}
