//! Disk usage of a store, including everything below it, counted like `du`; and an estimate that does not look at every
//! file.

use super::flat::Area;
use super::layout::digest_of;
use super::local::LocalStore;
use super::walking::listed;
use super::walking::on_all_cores;
use crate::digest::Digest;
use crate::error::Result;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Number of hot entry files read for an estimate; the others are only counted.
const SAMPLE: usize = 64;

/// Upper bound of the size of the hot entries and captures of one commit, in bytes: decides whether they must be read.
const MOST_OF_A_COMMIT: u64 = 16 << 20;

/// Average disk use of a blob beyond its size, in bytes: half a block.
const SLACK: u64 = 2048;

/// Bytes on disk below a store, directories included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Blobs.
    pub objects: u64,
    /// Hot entries and remembered captures.
    pub hot: u64,
    /// The database and its log.
    pub database: u64,
    /// Files of the user that were set aside.
    pub replaced: u64,
    /// Everything else.
    pub other: u64,
}

impl Usage {
    /// Total.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.capped().saturating_add(self.replaced)
    }

    /// What the store's cap applies to: everything except the user's own files, which no collection may drop to save space.
    #[must_use]
    pub const fn capped(&self) -> u64 {
        self.objects.saturating_add(self.hot).saturating_add(self.database).saturating_add(self.other)
    }
}

/// Disk use of a file, in bytes.
pub(super) fn on_disk(metadata: &Metadata) -> u64 {
    metadata.blocks().saturating_mul(512)
}

/// Disk use of everything at and below a path. A path that disappears meanwhile counts as 0.
fn below(path: &Path) -> u64 {
    let entries = walkdir::WalkDir::new(path).into_iter().flatten();
    entries
        .filter_map(|entry| entry.metadata().ok())
        .fold(0, |sum, found| sum.saturating_add(on_disk(&found)))
}

impl LocalStore {
    /// Disk use of everything below the store.
    ///
    /// # Errors
    /// When a directory cannot be listed.
    pub fn usage(&self) -> Result<Usage> {
        let layout = self.layout();
        let mut usage = Usage {
            other: fs::symlink_metadata(layout.root()).map_or(0, |found| on_disk(&found)),
            ..Usage::default()
        };
        for path in listed(layout.root())? {
            let name = path.file_name().unwrap_or_default().as_encoded_bytes();
            let part = match name {
                b"objects" => &mut usage.objects,
                b"hot" => &mut usage.hot,
                b"replaced" => &mut usage.replaced,
                _ if name.starts_with(b"meta.db") => &mut usage.database,
                _ => &mut usage.other,
            };
            // The large directories have many subdirectories, which are distributed over the cores.
            let bytes = match name {
                b"objects" => below_shared_out(&path)?,
                b"hot" => {
                    let areas = listed(&path)?;
                    let inner = areas.iter().map(|area| below_shared_out(area)).sum::<Result<u64>>()?;
                    inner.saturating_add(own(&path))
                }
                _ => below(&path),
            };
            *part = part.saturating_add(bytes);
        }
        Ok(usage)
    }

    /// Key and disk use of each hot entry.
    pub(super) fn hot_sizes(&self) -> Result<Vec<(Digest, u64)>> {
        super::flat::in_fans(self.layout(), Area::Keys, |digest, path| {
            fs::symlink_metadata(path).ok().map(|found| (digest, on_disk(&found)))
        })
    }

    /// Whether the store is beyond its cap, as far as is known without reading every file.
    pub fn over_cap(&self) -> bool {
        let Some(cap) = self.max_size else { return false };
        let (stored, blobs, commits) = self.ask(|index| index.stored()).unwrap_or_default();
        let database = self.layout().database();
        let beside = ["meta.db", "meta.db-wal"].map(|name| database.with_file_name(name));
        let database: u64 =
            beside.iter().filter_map(|path| fs::metadata(path).ok()).map(|found| found.len()).sum();
        let known = stored.saturating_add(blobs.saturating_mul(SLACK)).saturating_add(database);
        // With only a few results, their hot entries cannot matter.
        known > cap
            || known.saturating_add(commits.saturating_mul(MOST_OF_A_COMMIT)) > cap
                && known.saturating_add(self.hot_estimate()) > cap
    }

    /// Estimated disk use of hot entries and captures; exact where they are few.
    fn hot_estimate(&self) -> u64 {
        let mut all: u64 = 0;
        for area in Area::ALL {
            let fans = listed(&self.layout().hot_directory().join(area.directory())).unwrap_or_default();
            let (mut seen, mut sampled, mut bytes, mut visited) = (0_u64, 0_u64, 0_u64, 0_u64);
            for fan in &fans {
                if sampled >= SAMPLE as u64 {
                    break;
                }
                visited += 1;
                let name = fan.file_name().and_then(|name| name.to_str()).unwrap_or_default();
                for path in listed(fan).unwrap_or_default() {
                    let rest = path.file_name().and_then(|rest| rest.to_str()).unwrap_or_default();
                    if digest_of(name, rest).is_none() {
                        continue;
                    }
                    seen += 1;
                    if sampled < SAMPLE as u64
                        && let Ok(found) = fs::symlink_metadata(&path)
                    {
                        sampled += 1;
                        bytes = bytes.saturating_add(on_disk(&found));
                    }
                }
            }
            let number = seen.saturating_mul(fans.len() as u64).checked_div(visited).unwrap_or(0);
            all = all.saturating_add(bytes.saturating_mul(number).checked_div(sampled).unwrap_or(0));
        }
        all
    }
}

fn own(path: &Path) -> u64 {
    fs::symlink_metadata(path).map_or(0, |found| on_disk(&found))
}

/// Like [`below`], on all cores.
fn below_shared_out(directory: &Path) -> Result<u64> {
    let inner = on_all_cores(&listed(directory)?, |path| Ok(below(path)))?;
    Ok(inner.iter().sum::<u64>().saturating_add(own(directory)))
}
