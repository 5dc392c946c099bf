//! Export and import: commits and their blobs as one file, a tar compressed with zstd.
//!
//! Layout: first `cashet-archive`, the table of contents, with its own digest; then `commits/ID`, oldest first; then
//! `blobs/ID`, uncompressed. Every entry is a regular file. The entries have exactly the order, names, sizes and digests
//! of the table: names are compared and never used as paths. An import makes nothing visible before the whole archive is
//! verified.

mod table;

use self::table::{
    Entry, LARGEST_RECORDS, Record, TABLE_NAME, Table, append, blob_name, commit_name, header_for,
    next_entry, read_records, read_table, unreadable, wrong,
};
use super::Foreign;
use super::blobs::{Staged, is_empty};
use super::exclusive::{OnProgress, Progress};
use super::flat::{self, Area};
use super::index::{Listed, NewCommit, Parent};
use super::local::LocalStore;
use super::recall::LARGEST_TREE;
use super::recording::{blobs_of, produced_size, products_of};
use crate::digest::{BlobId, CommitId, Digest};
use crate::encode::{Decode, Encode};
use crate::error::{Error, Kind, Result};
use crate::record::{Commit, Content, OutputTree};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::{Read, Write};
use std::path::Path;

/// Largest window accepted for decompression, as a power of two.
const WINDOW: u32 = 27;

/// A run with all that belongs to it, for another store.
#[derive(Clone, Debug)]
pub struct Whole {
    /// The run.
    pub commit: Commit,
    /// The encoded manifest.
    pub manifest: Vec<u8>,
    /// Every blob that it needs.
    pub blobs: Vec<Content>,
}

/// Summary of an export or import.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// Commits written; for an import, those that were not in the store before.
    pub commits: u64,
    /// Commits left out: an export omits those that lost a blob, an import those that the store already has.
    pub skipped: u64,
    /// Commits that an export of everything left out because they are damaged.
    pub damaged: Vec<CommitId>,
    /// Blobs in the archive.
    pub blobs: u64,
    /// Bytes of those blobs, uncompressed.
    pub bytes: u64,
}

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
        let whole = |(id, state): (CommitId, super::index::State)| (!state.has_lost()).then_some(id);
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

    /// Imports an archive. Everything is verified before any of it becomes visible. Existing commits stay unchanged.
    ///
    /// # Errors
    /// [`Kind::Damaged`] when the archive does not match its table exactly; [`Kind::NewerFormat`]; when writing to the
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

    /// Adds one run that another machine recorded, whose blobs are in place. One that is there stays as it is.
    pub(super) fn admit_one(&self, foreign: Foreign) -> Result<()> {
        self.ready()?;
        let Foreign { commit, manifest, tags, consumed, outputs } = foreign;
        let tree = outputs.as_ref().map(|tree| BlobId(Digest::of(&tree.to_bytes())));
        let agrees = Digest::of(&manifest) == commit.key.0
            && commit.is_replayable()
            && tree == commit.outputs.map(|content| content.blob);
        if !agrees {
            return Err(Error::damaged(format!("run {} contradicts itself", commit.id().short())));
        }
        for content in contents_of(&commit, outputs.as_ref()) {
            let size =
                if is_empty(&content.blob) { 0 } else { self.size_of(&content.blob).unwrap_or(u64::MAX) };
            if size != content.size {
                let words = format!("run {} needs blob {}", commit.id().short(), content.blob.short());
                return Err(Error::damaged(words));
            }
        }
        let blobs = blobs_of(&commit, outputs.as_ref());
        let record = Record { commit: Vec::new(), manifest, tags, consumed };
        self.make_visible(&blobs.clone(), &[Imported { commit, record, tree: outputs, blobs }]).map(drop)
    }

    /// Bytes of a blob, uncompressed; `None` where it is missing or damaged.
    pub(super) fn size_of(&self, blob: &BlobId) -> Option<u64> {
        self.blobs.open(blob).ok().map(|form| form.size())
    }

    /// A run with all that belongs to it, for another store; `None` where it is not there, was evicted or is not to be replayed.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn whole(&self, id: &CommitId) -> Result<Option<Whole>> {
        let Some(listed) = self.read_index(|index| index.commit(id))? else { return Ok(None) };
        if listed.brief.state.has_lost() || !listed.commit.is_replayable() {
            return Ok(None);
        }
        let tree = match listed.commit.outputs {
            None => None,
            Some(content) => {
                let bytes = self.blobs.read_small(&content.blob, content.size.min(LARGEST_TREE))?;
                let Some(bytes) = bytes else { return Ok(None) };
                Some(OutputTree::from_bytes(&bytes).map_err(|error| Error::damaged(error.to_string()))?)
            }
        };
        let mut blobs = Vec::new();
        for blob in blobs_of(&listed.commit, tree.as_ref()) {
            let Some(size) = self.size_of(&blob) else { return Ok(None) };
            blobs.push(Content { blob, size });
        }
        Ok(Some(Whole { commit: listed.commit, manifest: listed.manifest, blobs }))
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
    fn make_visible(&self, blobs: &[BlobId], complete: &[Imported]) -> Result<(u64, u64)> {
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
        self.blobs.settle(blobs);
        Ok((inserted.iter().filter(|(_, _, new)| *new).count() as u64, skipped))
    }
}

/// The encoded output trees of an archive.
type Trees = HashMap<BlobId, Vec<u8>>;

/// A commit of an archive whose blobs are all present.
struct Imported {
    commit: Commit,
    record: Record,
    tree: Option<OutputTree>,
    blobs: Vec<BlobId>,
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

/// The blobs of a commit whose size it states.
fn contents_of(commit: &Commit, tree: Option<&OutputTree>) -> Vec<Content> {
    let files =
        tree.into_iter().flat_map(OutputTree::entries).filter_map(|entry| entry.kind.stored().copied());
    [commit.stdout, commit.stderr].into_iter().chain(commit.outputs).chain(files).collect()
}

fn record_of(listed: &Listed, edges: &HashMap<i64, Vec<Digest>>) -> Record {
    Record {
        commit: listed.commit.to_bytes(),
        manifest: listed.manifest.clone(),
        tags: listed.tags.clone(),
        consumed: edges.get(&listed.brief.sequence).cloned().unwrap_or_default(),
    }
}

/// Fuzzing entry point: reads the bytes as a table and as the entry of a commit.
#[cfg(any(test, fuzzing))]
pub(super) fn read_any(bytes: &[u8]) {
    if let Ok(table) = Table::from_bytes(bytes) {
        let _ = table.bytes();
    }
    if let Ok(record) = Record::from_bytes(bytes) {
        assert!(record.to_bytes() == bytes, "two encodings of one record");
    }
}

/// An encoded table without commits or blobs.
#[cfg(test)]
pub(super) fn table_of_nothing() -> Vec<u8> {
    let sealed = Table { commits: Vec::new(), blobs: Vec::new() }.sealed();
    sealed.get(1..sealed.len().saturating_sub(32)).unwrap_or_default().to_vec()
}
