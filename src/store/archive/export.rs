//! Writing an archive.

use super::Moved;
use super::table::{Entry, Record, TABLE_NAME, Table, append, blob_name, commit_name, header_for};
use crate::digest::{BlobId, CommitId, Digest};
use crate::encode::Encode;
use crate::error::{Error, Kind, Result};
use crate::record::Content;
use crate::store::exclusive::{OnProgress, Progress};
use crate::store::index::Listed;
use crate::store::local::LocalStore;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::{Read, Write};
use std::path::Path;

impl LocalStore {
    /// Exports commits with everything they need. Without ids, exports all commits that are complete and undamaged.
    ///
    /// # Errors
    /// When a commit does not exist, a requested commit or a blob is damaged, or writing to `to` fails.
    pub fn export(&self, ids: &[CommitId], to: &mut dyn Write, progress: OnProgress<'_>) -> Result<Moved> {
        // The shared lock keeps the chosen blobs from being deleted during the export.
        let _shared = self.blobs.lock.shared()?;
        let mut moved = Moved::default();
        let chosen = self.choose(ids, &mut moved)?;
        let edges = self.read_index(|index| index.all_edges())?;
        let (mut entries, mut blobs) = (Vec::new(), BTreeMap::new());
        // A damaged commit fails an export that names it; an export of everything skips it.
        let all = ids.is_empty();
        let mut checked = HashMap::new();
        for (done, id) in (0_u64..).zip(&chosen) {
            let listed = match self.listed(id) {
                Err(error) if all && error.kind() == Kind::Damaged => {
                    moved.damaged.push(*id);
                    continue;
                }
                listed => listed?,
            };
            if all {
                progress(Progress { step: "checking", done, total: chosen.len() as u64 });
                if !self.all_true(&listed.brief.blobs, &mut checked)? {
                    moved.damaged.push(*id);
                    continue;
                }
            }
            let record = record_of(&listed, &edges).to_bytes();
            entries.push(Entry { id: *id, digest: Digest::of(&record), size: record.len() as u64 });
            for blob in &listed.brief.blobs {
                if !blobs.contains_key(blob) {
                    let size = self.blobs.open(blob).map(|form| form.size());
                    let damaged = |_| Error::damaged(format!("blob {} is missing or damaged", blob.short()));
                    blobs.insert(*blob, size.map_err(damaged)?);
                }
            }
        }
        let blobs: Vec<Content> = blobs.into_iter().map(|(blob, size)| Content { blob, size }).collect();
        moved.commits = entries.len() as u64;
        moved.blobs = blobs.len() as u64;
        let table = Table { commits: entries, blobs };
        moved.bytes = table.bytes();
        self.write_archive(&table, &edges, to, progress)?;
        Ok(moved)
    }

    /// Whether all of these blobs exist and are intact.
    fn all_true(&self, blobs: &[BlobId], checked: &mut HashMap<BlobId, bool>) -> Result<bool> {
        for blob in blobs {
            let known = match checked.get(blob) {
                Some(known) => *known,
                None => match self.blobs.read(blob) {
                    Ok(_) => true,
                    Err(error) if error.kind() == Kind::Damaged => false,
                    Err(error) => return Err(error),
                },
            };
            checked.insert(*blob, known);
            if !known {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn choose(&self, ids: &[CommitId], moved: &mut Moved) -> Result<Vec<CommitId>> {
        if !ids.is_empty() {
            let mut seen = HashSet::new();
            return Ok(ids.iter().copied().filter(|id| seen.insert(*id)).collect());
        }
        let mut all = Vec::new();
        self.read_index(|index| index.each_brief(0, |brief| all.push((brief.id, brief.state))).map(|_| ()))?;
        let whole = |(id, state): (CommitId, crate::store::index::State)| (!state.has_lost()).then_some(id);
        let count = all.len();
        let chosen: Vec<CommitId> = all.into_iter().filter_map(whole).collect();
        moved.skipped = (count - chosen.len()) as u64;
        Ok(chosen)
    }

    fn listed(&self, id: &CommitId) -> Result<Listed> {
        let found = self.read_index(|index| index.commit(id))?;
        let missing = || Error::new(Kind::NoSuchRevision, format!("there is no run {}", id.short()));
        let listed = found.ok_or_else(missing)?;
        if listed.brief.state.has_lost() {
            return Err(Error::damaged(format!("run {} has lost its outputs", id.short())));
        }
        Ok(listed)
    }

    fn write_archive(
        &self,
        table: &Table,
        edges: &HashMap<i64, Vec<Digest>>,
        to: &mut dyn Write,
        progress: OnProgress<'_>,
    ) -> Result<()> {
        let failed = |source| Error::io("write", Path::new("the archive"), source);
        let compressor = zstd::Encoder::new(to, 3).map_err(failed)?;
        let mut archive = tar::Builder::new(compressor);
        append(&mut archive, TABLE_NAME, &table.sealed()).map_err(failed)?;
        for entry in &table.commits {
            let record = record_of(&self.listed(&entry.id)?, edges).to_bytes();
            if Digest::of(&record) != entry.digest {
                let words = format!("run {} changed during the export", entry.id.short());
                return Err(Error::new(Kind::Other, words).with_hint("run it again"));
            }
            append(&mut archive, &commit_name(&entry.id), &record).map_err(failed)?;
        }
        let mut done = 0;
        for content in &table.blobs {
            progress(Progress { step: "exporting", done, total: table.bytes() });
            let reader = self.blobs.read(&content.blob)?;
            let mut header = header_for(content.size);
            archive
                .append_data(&mut header, blob_name(&content.blob), reader.take(content.size))
                .map_err(failed)?;
            done += content.size;
        }
        archive.into_inner().and_then(zstd::Encoder::finish).map_err(failed)?.flush().map_err(failed)
    }
}

fn record_of(listed: &Listed, edges: &HashMap<i64, Vec<Digest>>) -> Record {
    Record {
        commit: listed.commit.to_bytes(),
        manifest: listed.manifest.clone(),
        tags: listed.tags.clone(),
        consumed: edges.get(&listed.brief.sequence).cloned().unwrap_or_default(),
    }
}
