//! Taking commits to another store: one file, a tar compressed with zstd.
//!
//! Layout: first `cashet-archive`, the table of contents, with its own digest; then `commits/ID`, oldest first; then
//! `blobs/ID`, uncompressed. Every entry is a regular file, and they come in exactly the order of the table with
//! exactly its names, sizes and digests: names are compared and never used as paths. Nothing of an archive is
//! visible before all of it is verified.

use super::blobs::{Staged, is_empty};
use super::exclusive::{OnProgress, Progress};
use super::flat::{self, Area};
use super::index::{Listed, NewCommit, Parent};
use super::local::LocalStore;
use super::memoizing::{blobs_of, produced_size, products_of};
use crate::digest::{BlobId, CommitId, DIGEST_LENGTH, Digest};
use crate::encode::{Decode, DecodeError, Decoder, Encode, Encoder};
use crate::error::{Error, Kind, Result};
use crate::record::{Commit, Content, OutputKind, OutputTree};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::{self, Read, Write};
use std::path::Path;

/// The format of archives.
const ARCHIVE_FORMAT: u64 = 1;

const TABLE_NAME: &str = "cashet-archive";

/// Largest table of contents that is believed, in bytes.
const LARGEST_TABLE: u64 = 1 << 30;

/// Largest window that decompressing may take, as a power of two.
const WINDOW: u32 = 27;

/// What was exported or imported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// Commits; of an import those that were not there before.
    pub commits: u64,
    /// Commits that were left out: of an export those that lost a blob, of an import those that are there.
    pub skipped: u64,
    /// Blobs in the archive.
    pub blobs: u64,
    /// Bytes of those, uncompressed.
    pub bytes: u64,
}

/// A commit as the table lists it.
struct Entry {
    id: CommitId,
    digest: Digest,
    size: u64,
}

/// The table of contents.
struct Table {
    commits: Vec<Entry>,
    blobs: Vec<Content>,
}

/// What goes into an archive for one commit.
struct Record {
    commit: Vec<u8>,
    manifest: Vec<u8>,
    tags: Vec<(String, String)>,
    consumed: Vec<Digest>,
}

impl LocalStore {
    /// Writes commits with all that they need; with no ids all that have lost nothing.
    ///
    /// # Errors
    /// When a commit is not there, a named one or a blob is damaged, or `to` does not take it.
    pub fn export(&self, ids: &[CommitId], to: &mut dyn Write, progress: OnProgress<'_>) -> Result<Moved> {
        let mut moved = Moved::default();
        let chosen = self.choose(ids, &mut moved)?;
        let edges = self.read_index(|index| index.all_edges())?;
        let (mut entries, mut blobs) = (Vec::new(), BTreeMap::new());
        for id in &chosen {
            let listed = self.listed(id)?;
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
        let missing = || Error::new(Kind::NoSuchRevision, format!("there is no commit {}", id.short()));
        let listed = found.ok_or_else(missing)?;
        if listed.brief.state.has_lost() {
            return Err(Error::damaged(format!("commit {} has lost what it produced", id.short())));
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
                let words = format!("commit {} was changed meanwhile", entry.id.short());
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

    /// Reads an archive: everything is verified before anything of it is visible. What is there already stays.
    ///
    /// # Errors
    /// [`Kind::Damaged`] when the archive is not exactly what its table says; [`Kind::NewerFormat`]; when the store
    /// does not take it.
    pub fn import(&self, from: &mut dyn Read, progress: OnProgress<'_>) -> Result<Moved> {
        self.ready()?;
        let mut decompressor = zstd::Decoder::new(from).map_err(|error| unreadable(&error))?;
        decompressor.window_log_max(WINDOW).map_err(|error| unreadable(&error))?;
        let mut archive = tar::Archive::new(decompressor);
        let entries = archive.entries().map_err(|error| unreadable(&error))?;
        // Raw: nothing that an entry says about the next one is believed.
        let mut entries = entries.raw(true);
        let table = read_table(&mut entries)?;
        let records = read_records(&mut entries, &table)?;
        let (staged, trees) = self.stage_blobs(&mut entries, &table, &records, progress)?;
        if entries.next().is_some() {
            return Err(wrong("it goes on after its end"));
        }
        let complete = records.into_iter().map(|(commit, record)| complete(commit, record, &table, &trees));
        let complete: Vec<Imported> = complete.collect::<Result<_>>()?;
        for blob in staged {
            self.blobs.place(blob)?;
        }
        self.make_visible(&table, &complete)
    }

    /// All blobs as temporary files, and the trees of outputs among them.
    fn stage_blobs<R: Read>(
        &self,
        entries: &mut tar::Entries<'_, R>,
        table: &Table,
        records: &[(Commit, Record)],
        progress: OnProgress<'_>,
    ) -> Result<(Vec<Staged>, Trees)> {
        let is_tree: HashSet<BlobId> =
            records.iter().filter_map(|(commit, _)| commit.outputs.map(|content| content.blob)).collect();
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

    /// Hot entries removed, then the commits in one transaction. Their blobs are in place.
    fn make_visible(&self, table: &Table, complete: &[Imported]) -> Result<Moved> {
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
        let blobs: Vec<BlobId> = table.blobs.iter().map(|content| content.blob).collect();
        self.blobs.settle(&blobs);
        Ok(Moved {
            commits: inserted.iter().filter(|(_, _, new)| *new).count() as u64,
            skipped,
            blobs: blobs.len() as u64,
            bytes: table.bytes(),
        })
    }
}

/// The encoded trees of outputs in an archive.
type Trees = HashMap<BlobId, Vec<u8>>;

/// A commit of an archive that has all that it needs.
struct Imported {
    commit: Commit,
    record: Record,
    tree: Option<OutputTree>,
    blobs: Vec<BlobId>,
}

/// Proves that the archive holds whatever a commit needs, with the sizes that it says.
fn complete(commit: Commit, record: Record, table: &Table, trees: &Trees) -> Result<Imported> {
    let refused = |words: &str| wrong(&format!("commit {} {words}", commit.id().short()));
    let tree = match commit.outputs {
        None => None,
        Some(content) => {
            let bytes = trees.get(&content.blob).ok_or_else(|| refused("has no outputs"))?;
            Some(OutputTree::from_bytes(bytes).map_err(|_| refused("has outputs that are no tree"))?)
        }
    };
    let files = tree.iter().flat_map(OutputTree::entries).filter_map(|entry| match &entry.kind {
        OutputKind::File { content, .. } => Some(*content),
        _ => None,
    });
    let contents = [commit.stdout, commit.stderr].into_iter().chain(commit.outputs).chain(files);
    for content in contents {
        let listed = if is_empty(&content.blob) { Some(0) } else { table.size_of(&content.blob) };
        if listed != Some(content.size) {
            return Err(refused(&format!("needs blob {}, which is not in it", content.blob.short())));
        }
    }
    let blobs = blobs_of(&commit, tree.as_ref());
    if blobs.iter().any(|blob| table.size_of(blob).is_none()) {
        return Err(refused("needs a blob that is not in it"));
    }
    Ok(Imported { commit, record, tree, blobs })
}

fn record_of(listed: &Listed, edges: &HashMap<i64, Vec<Digest>>) -> Record {
    Record {
        commit: listed.commit.to_bytes(),
        manifest: listed.manifest.clone(),
        tags: listed.tags.clone(),
        consumed: edges.get(&listed.brief.sequence).cloned().unwrap_or_default(),
    }
}

fn commit_name(id: &CommitId) -> String {
    format!("commits/{id}")
}

fn blob_name(blob: &BlobId) -> String {
    format!("blobs/{blob}")
}

fn header_for(size: u64) -> tar::Header {
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(tar::EntryType::Regular);
    header.set_mode(0o600);
    header.set_size(size);
    header
}

fn append(archive: &mut tar::Builder<impl Write>, name: &str, bytes: &[u8]) -> io::Result<()> {
    archive.append_data(&mut header_for(bytes.len() as u64), name, bytes)
}

/// The next entry, which must be a regular file of exactly this name and size.
fn next_entry<'a, R: Read>(
    entries: &mut tar::Entries<'a, R>,
    name: &str,
    size: u64,
) -> Result<tar::Entry<'a, R>> {
    let entry = entries.next().ok_or_else(|| wrong("it ends too early"))?;
    let entry = entry.map_err(|error| unreadable(&error))?;
    let same = entry.header().entry_type() == tar::EntryType::Regular
        && entry.path_bytes().as_ref() == name.as_bytes()
        && entry.header().size().is_ok_and(|found| found == size);
    if same { Ok(entry) } else { Err(wrong("its entries are not those of its table")) }
}

fn read_table<R: Read>(entries: &mut tar::Entries<'_, R>) -> Result<Table> {
    let entry = entries.next().ok_or_else(|| wrong("it is empty"))?.map_err(|error| unreadable(&error))?;
    let named = entry.header().entry_type() == tar::EntryType::Regular
        && entry.path_bytes().as_ref() == TABLE_NAME.as_bytes();
    let size = entry.header().size().map_err(|error| unreadable(&error))?;
    if !named || size > LARGEST_TABLE {
        return Err(wrong("it does not begin with its table"));
    }
    let mut bytes = Vec::new();
    entry.take(LARGEST_TABLE).read_to_end(&mut bytes).map_err(|error| unreadable(&error))?;
    let (table, check) =
        bytes.split_last_chunk::<DIGEST_LENGTH>().ok_or_else(|| wrong("its table is cut"))?;
    if Digest::of(table).as_bytes() != check {
        return Err(wrong("its table is damaged"));
    }
    let mut decoder = Decoder::new(table);
    match decoder.unsigned() {
        Ok(ARCHIVE_FORMAT) => {}
        Ok(format) if format > ARCHIVE_FORMAT => {
            let words = format!("the archive has format {format}; this program knows {ARCHIVE_FORMAT}");
            return Err(Error::new(Kind::NewerFormat, words).with_hint("use a newer cashet"));
        }
        _ => return Err(wrong("its table says no format")),
    }
    let table = Table::decode(&mut decoder).and_then(|table| decoder.finish().map(|()| table));
    table.map_err(|error| wrong(&format!("its table {error}")))
}

fn read_records<R: Read>(entries: &mut tar::Entries<'_, R>, table: &Table) -> Result<Vec<(Commit, Record)>> {
    let mut records = Vec::new();
    for listed in &table.commits {
        let entry = next_entry(entries, &commit_name(&listed.id), listed.size)?;
        let mut bytes = Vec::new();
        entry.take(listed.size).read_to_end(&mut bytes).map_err(|error| unreadable(&error))?;
        let damaged = || wrong(&format!("commit {} is damaged", listed.id.short()));
        if Digest::of(&bytes) != listed.digest {
            return Err(damaged());
        }
        let record = Record::from_bytes(&bytes).map_err(|_| damaged())?;
        let commit = Commit::from_bytes(&record.commit).map_err(|_| damaged())?;
        let same = Digest::of(&record.commit) == listed.id.0 && Digest::of(&record.manifest) == commit.key.0;
        if !same {
            return Err(damaged());
        }
        records.push((commit, record));
    }
    Ok(records)
}

fn wrong(words: &str) -> Error {
    Error::damaged(format!("the archive cannot be imported: {words}"))
}

/// What cannot be read is no archive, unless the system says otherwise.
fn unreadable(error: &io::Error) -> Error {
    match error.raw_os_error() {
        Some(errno) => Error::io("read", Path::new("the archive"), io::Error::from_raw_os_error(errno)),
        None => wrong(&error.to_string()),
    }
}

impl Table {
    /// Bytes of all blobs.
    fn bytes(&self) -> u64 {
        self.blobs.iter().fold(0, |total, content| total.saturating_add(content.size))
    }

    /// The size of a blob, if it is listed.
    fn size_of(&self, blob: &BlobId) -> Option<u64> {
        let place = self.blobs.binary_search_by(|content| content.blob.cmp(blob)).ok()?;
        self.blobs.get(place).map(|content| content.size)
    }

    /// The table with its digest.
    fn sealed(&self) -> Vec<u8> {
        let mut encoder = Encoder::new();
        encoder.unsigned(ARCHIVE_FORMAT).list(&self.commits).list(&self.blobs);
        let mut bytes = encoder.finish();
        let check = Digest::of(&bytes);
        bytes.extend_from_slice(check.as_bytes());
        bytes
    }
}

impl Decode for Table {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let table = Self { commits: from.list()?, blobs: from.list()? };
        let sorted =
            table.blobs.iter().zip(table.blobs.iter().skip(1)).all(|(left, right)| left.blob < right.blob);
        let mut seen = HashSet::new();
        let once = table.commits.iter().all(|entry| seen.insert(entry.id));
        if sorted && once { Ok(table) } else { Err(DecodeError::NotCanonical) }
    }
}

impl Encode for Entry {
    fn encode(&self, to: &mut Encoder) {
        to.value(&self.id).digest(&self.digest).unsigned(self.size);
    }
}

impl Decode for Entry {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        Ok(Self { id: CommitId::decode(from)?, digest: from.digest()?, size: from.unsigned()? })
    }
}

impl Encode for Record {
    fn encode(&self, to: &mut Encoder) {
        to.bytes(&self.commit).bytes(&self.manifest).length(self.tags.len());
        for (name, value) in &self.tags {
            to.text(name).text(value);
        }
        to.list(&self.consumed);
    }
}

impl Decode for Record {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let (commit, manifest) = (from.bytes()?.to_vec(), from.bytes()?.to_vec());
        let mut tags = Vec::new();
        for _ in 0..from.length()? {
            tags.push((from.text()?.to_owned(), from.text()?.to_owned()));
        }
        Ok(Self { commit, manifest, tags, consumed: from.list()? })
    }
}
