//! Reading an archive. Nothing becomes visible before all of it is verified.

use super::table::{
    LARGEST_RECORDS, Record, Table, blob_name, next_entry, read_records, read_table, unreadable, wrong,
};
use super::{Moved, WINDOW, contents_of};
use crate::digest::BlobId;
use crate::encode::Decode;
use crate::error::{Error, Result};
use crate::record::{Commit, OutputTree};
use crate::store::blobs::{Staged, is_empty};
use crate::store::exclusive::{OnProgress, Progress};
use crate::store::flat::{self, Area};
use crate::store::index::{NewCommit, Parent};
use crate::store::local::LocalStore;
use crate::store::recall::LARGEST_TREE;
use crate::store::recording::{blobs_of, produced_size, products_of};
use std::collections::{HashMap, HashSet};
use std::io::{Read, Write};

/// The encoded output trees of an archive.
type Trees = HashMap<BlobId, Vec<u8>>;

impl LocalStore {
    /// Imports an archive. Everything is verified before any of it becomes visible. Existing commits stay unchanged.
    ///
    /// # Errors
    /// [`crate::error::Kind::Damaged`] when the archive does not match its table exactly; [`crate::error::Kind::NewerFormat`]; when writing to the
    /// store fails.
    pub fn import(&self, from: &mut dyn Read, progress: OnProgress<'_>) -> Result<Moved> {
        self.ready()?;
        let mut decompressor = zstd::Decoder::new(from).map_err(|error| unreadable(&error))?;
        decompressor.window_log_max(WINDOW).map_err(|error| unreadable(&error))?;
        let mut archive = tar::Archive::new(decompressor);
        let entries = archive.entries().map_err(|error| unreadable(&error))?;
        // Raw mode: no entry can change how the next one is read (tar extensions are not interpreted).
        let mut entries = entries.raw(true);
        let table = read_table(&mut entries)?;
        let records = read_records(&mut entries, &table)?;
        let (staged, trees) = self.stage_blobs(&mut entries, &table, &records, progress)?;
        if entries.next().is_some() {
            return Err(wrong("it has data after its end"));
        }
        let complete = records.into_iter().map(|(commit, record)| complete(commit, record, &table, &trees));
        let complete: Vec<Imported> = complete.collect::<Result<_>>()?;
        for blob in staged {
            self.blobs.place(blob)?;
        }
        let blobs: Vec<BlobId> = table.blobs.iter().map(|content| content.blob).collect();
        let (commits, skipped) = self.make_visible(&blobs, &complete)?;
        Ok(Moved { commits, skipped, damaged: Vec::new(), blobs: blobs.len() as u64, bytes: table.bytes() })
    }

    /// Stages all blobs as temporary files; returns the output trees among them.
    fn stage_blobs<R: Read>(
        &self,
        entries: &mut tar::Entries<'_, R>,
        table: &Table,
        records: &[(Commit, Record)],
        progress: OnProgress<'_>,
    ) -> Result<(Vec<Staged>, Trees)> {
        let is_tree: HashSet<BlobId> =
            records.iter().filter_map(|(commit, _)| commit.outputs.map(|content| content.blob)).collect();
        let sizes = || {
            table.blobs.iter().filter(|content| is_tree.contains(&content.blob)).map(|content| content.size)
        };
        let all = sizes().fold(0_u64, u64::saturating_add);
        if all > LARGEST_RECORDS || sizes().any(|size| size > LARGEST_TREE) {
            return Err(wrong("its lists of outputs are too large"));
        }
        let (mut staged, mut trees, mut done) = (Vec::new(), HashMap::new(), 0);
        for content in &table.blobs {
            progress(Progress { step: "importing", done, total: table.bytes() });
            let mut entry = next_entry(entries, &blob_name(&content.blob), content.size)?;
            let mut writer = self.blobs.write();
            let mut tree = is_tree.contains(&content.blob).then(Vec::new);
            let mut buffer = vec![0; 64 << 10];
            loop {
                let count = entry.read(&mut buffer).map_err(|error| unreadable(&error))?;
                let Some(bytes) = buffer.get(..count).filter(|bytes| !bytes.is_empty()) else { break };
                let directory = self.layout().temporary();
                writer.write_all(bytes).map_err(|source| Error::io("write", &directory, source))?;
                if let Some(tree) = &mut tree {
                    tree.extend_from_slice(bytes);
                }
            }
            let blob = writer.stage()?;
            if blob.content != *content {
                return Err(wrong(&format!("blob {} is damaged", content.blob.short())));
            }
            staged.push(blob);
            trees.extend(tree.map(|tree| (content.blob, tree)));
            done += content.size;
        }
        Ok((staged, trees))
    }

    /// Removes the hot entries, then adds the commits in one transaction. The blobs are in place already. Tells how many were
    /// added, and how many were there.
    pub(super) fn make_visible(&self, blobs: &[BlobId], complete: &[Imported]) -> Result<(u64, u64)> {
        let _shared = self.blobs.lock.shared()?;
        let mut commits = Vec::new();
        let (mut all, mut skipped) = (Vec::new(), 0);
        for Imported { commit, record, tree, blobs } in complete {
            let known = self.with_index(|index| index.commit(&commit.id()))?;
            if known.is_some_and(|known| !known.brief.state.has_lost()) {
                skipped += 1;
                continue;
            }
            all.extend(blobs.iter().copied());
            flat::remove(self.layout(), Area::Keys, &commit.key.0)?;
            self.note_facts(commit, tree.as_ref())?;
            commits.push(NewCommit {
                commit: commit.clone(),
                parent: Parent::AsRecorded,
                manifest: &record.manifest,
                tags: &record.tags,
                products: products_of(commit, tree.as_ref()),
                consumed: &record.consumed,
                size: produced_size(commit, tree.as_ref()),
                stored: self.stored_size_of(blobs)?,
                added: (0, 0),
                blobs: blobs.clone(),
            });
        }
        all.sort_unstable();
        all.dedup();
        if let Some(last) = commits.last_mut() {
            last.added = self.blobs.added_by(&all);
        }
        let inserted = self.with_index(|index| index.insert(commits))?;
        self.blobs.settle(blobs, 0);
        Ok((inserted.iter().filter(|(_, _, new)| *new).count() as u64, skipped))
    }
}

/// A commit of an archive whose blobs are all present.
pub(super) struct Imported {
    pub(super) commit: Commit,
    pub(super) record: Record,
    pub(super) tree: Option<OutputTree>,
    pub(super) blobs: Vec<BlobId>,
}

/// Verifies that the archive holds every blob of a commit, with the sizes that the commit states.
fn complete(commit: Commit, record: Record, table: &Table, trees: &Trees) -> Result<Imported> {
    let refused = |words: &str| wrong(&format!("run {} {words}", commit.id().short()));
    let tree = match commit.outputs {
        None => None,
        Some(content) => {
            let bytes = trees.get(&content.blob).ok_or_else(|| refused("has no outputs"))?;
            Some(OutputTree::from_bytes(bytes).map_err(|_| refused("has an invalid list of outputs"))?)
        }
    };
    for content in contents_of(&commit, tree.as_ref()) {
        let listed = if is_empty(&content.blob) { Some(0) } else { table.size_of(&content.blob) };
        if listed != Some(content.size) {
            return Err(refused(&format!("needs blob {}, which is missing in it", content.blob.short())));
        }
    }
    let blobs = blobs_of(&commit, tree.as_ref());
    if blobs.iter().any(|blob| table.size_of(blob).is_none()) {
        return Err(refused("needs a blob that is missing in it"));
    }
    Ok(Imported { commit, record, tree, blobs })
}
