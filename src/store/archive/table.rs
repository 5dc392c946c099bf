//! The table of contents of an archive and its entries: encoding, and a strict reader.

use crate::digest::{BlobId, CommitId, DIGEST_LENGTH, Digest};
use crate::encode::{Decode, DecodeError, Decoder, Encode, Encoder};
use crate::error::{Error, Kind, Result};
use crate::record::{Commit, Content};
use std::collections::HashSet;
use std::io::{self, Read, Write};
use std::path::Path;

/// Version of the archive format.
const ARCHIVE_FORMAT: u64 = 1;

/// Largest accepted record of a commit, in bytes: a record with a million observations takes half of it.
const LARGEST_RECORD: u64 = 256 << 20;

/// Largest accepted total of records, in bytes: they stay in memory until the whole archive is verified.
pub(super) const LARGEST_RECORDS: u64 = 4 << 30;

pub(super) const TABLE_NAME: &str = "cashet-archive";

/// Largest accepted table of contents, in bytes.
const LARGEST_TABLE: u64 = 1 << 30;

/// A commit as the table lists it.
pub(super) struct Entry {
    pub(super) id: CommitId,
    pub(super) digest: Digest,
    pub(super) size: u64,
}

/// The table of contents.
pub(super) struct Table {
    pub(super) commits: Vec<Entry>,
    pub(super) blobs: Vec<Content>,
}

/// The archive entry of one commit.
pub(super) struct Record {
    pub(super) commit: Vec<u8>,
    pub(super) manifest: Vec<u8>,
    pub(super) tags: Vec<(String, String)>,
    pub(super) consumed: Vec<Digest>,
}

pub(super) fn commit_name(id: &CommitId) -> String {
    format!("commits/{id}")
}

pub(super) fn blob_name(blob: &BlobId) -> String {
    format!("blobs/{blob}")
}

pub(super) fn header_for(size: u64) -> tar::Header {
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(tar::EntryType::Regular);
    header.set_mode(0o600);
    header.set_size(size);
    header
}

pub(super) fn append(archive: &mut tar::Builder<impl Write>, name: &str, bytes: &[u8]) -> io::Result<()> {
    archive.append_data(&mut header_for(bytes.len() as u64), name, bytes)
}

/// Returns the next entry, which must be a regular file of exactly this name and size.
pub(super) fn next_entry<'a, R: Read>(
    entries: &mut tar::Entries<'a, R>,
    name: &str,
    size: u64,
) -> Result<tar::Entry<'a, R>> {
    let entry = entries.next().ok_or_else(|| wrong("it ends too early"))?;
    let entry = entry.map_err(|error| unreadable(&error))?;
    let same = entry.header().entry_type() == tar::EntryType::Regular
        && entry.path_bytes().as_ref() == name.as_bytes()
        && entry.header().size().is_ok_and(|found| found == size);
    if same { Ok(entry) } else { Err(wrong("its entries do not match its table")) }
}

pub(super) fn read_table<R: Read>(entries: &mut tar::Entries<'_, R>) -> Result<Table> {
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
        bytes.split_last_chunk::<DIGEST_LENGTH>().ok_or_else(|| wrong("its table is truncated"))?;
    if Digest::of(table).as_bytes() != check {
        return Err(wrong("its table is damaged"));
    }
    let mut decoder = Decoder::new(table);
    match decoder.unsigned() {
        Ok(ARCHIVE_FORMAT) => {}
        Ok(format) if format > ARCHIVE_FORMAT => {
            let words = format!("the archive has format {format}; this version supports {ARCHIVE_FORMAT}");
            return Err(Error::new(Kind::NewerFormat, words).with_hint("use a newer cashet"));
        }
        _ => return Err(wrong("its table has no format")),
    }
    let table = Table::decode(&mut decoder).and_then(|table| decoder.finish().map(|()| table));
    table.map_err(|error| wrong(&format!("its table {error}")))
}

pub(super) fn read_records<R: Read>(
    entries: &mut tar::Entries<'_, R>,
    table: &Table,
) -> Result<Vec<(Commit, Record)>> {
    let all = table.commits.iter().fold(0_u64, |sum, listed| sum.saturating_add(listed.size));
    if all > LARGEST_RECORDS || table.commits.iter().any(|listed| listed.size > LARGEST_RECORD) {
        return Err(wrong("its runs are too large"));
    }
    let mut records = Vec::new();
    for listed in &table.commits {
        let entry = next_entry(entries, &commit_name(&listed.id), listed.size)?;
        let mut bytes = Vec::new();
        entry.take(listed.size).read_to_end(&mut bytes).map_err(|error| unreadable(&error))?;
        let damaged = || wrong(&format!("run {} is damaged", listed.id.short()));
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

pub(super) fn wrong(words: &str) -> Error {
    Error::damaged(format!("the archive cannot be imported: {words}"))
}

/// Maps a read error: data that cannot be read is a damaged archive, unless the system reports another cause.
pub(super) fn unreadable(error: &io::Error) -> Error {
    match error.raw_os_error() {
        Some(errno) => Error::io("read", Path::new("the archive"), io::Error::from_raw_os_error(errno)),
        None => wrong(&error.to_string()),
    }
}

impl Table {
    /// Bytes of all blobs.
    pub(super) fn bytes(&self) -> u64 {
        self.blobs.iter().fold(0, |total, content| total.saturating_add(content.size))
    }

    /// The size of a blob, if the table lists it.
    pub(super) fn size_of(&self, blob: &BlobId) -> Option<u64> {
        let place = self.blobs.binary_search_by(|content| content.blob.cmp(blob)).ok()?;
        self.blobs.get(place).map(|content| content.size)
    }

    /// The encoded table, followed by its digest.
    pub(super) fn sealed(&self) -> Vec<u8> {
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
