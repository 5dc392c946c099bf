//! Rows of the database, and the digests that verify them.

use super::parts::commit_of;
use crate::digest::{BlobId, CommitId, DIGEST_LENGTH, Digest, Key, LineageId};
use crate::encode::Encoder;
use crate::record::{Commit, Termination, Timestamp};
use rusqlite::{Connection, Row};
use std::io;

/// Length of the digest that verifies a row, in bytes.
const SEAL: usize = 16;

/// Largest accepted size of an encoded commit or manifest, in bytes.
const LARGEST_BODY: u64 = 1 << 30;

/// Bodies of at least this size, in bytes, are compressed if that makes them smaller.
const WORTH_PACKING: usize = 512;

/// Whether a commit may answer a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct State(i64);

impl State {
    /// It may answer.
    pub(crate) const REPLAYABLE: Self = Self(0);
    /// It is in the history only.
    pub(crate) const NEVER: Self = Self(1);
    /// Its blobs were dropped to save room.
    pub(crate) const EVICTED: Self = Self(2);
    /// One of its blobs was found damaged.
    pub(crate) const DISTRUSTED: Self = Self(4);

    pub(crate) const fn bits(self) -> i64 {
        self.0
    }

    pub(crate) const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether blobs that it needs are missing.
    pub(crate) const fn has_lost(self) -> bool {
        self.has(Self::EVICTED) || self.has(Self::DISTRUSTED)
    }

    pub(crate) const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// A commit's row without its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Brief {
    pub(crate) sequence: i64,
    pub(crate) id: CommitId,
    pub(crate) key: Key,
    pub(crate) lineage: LineageId,
    pub(crate) function: Digest,
    pub(crate) name: Vec<u8>,
    pub(crate) started: Timestamp,
    /// Duration in nanoseconds.
    pub(crate) wall: i64,
    pub(crate) status: i64,
    pub(crate) state: State,
    /// Bytes that the run produced.
    pub(crate) size: i64,
    /// Bytes that its blobs took on disk when it was recorded.
    pub(crate) stored: i64,
    pub(crate) hits: i64,
    pub(crate) used: Timestamp,
    /// Every blob that it needs, including the files of its outputs.
    pub(crate) blobs: Vec<BlobId>,
}

/// The columns that [`Brief::read`] reads, in their order.
pub(crate) const BRIEF: &str = "sequence, id, key, lineage, function, name, started, wall, status, state, size, \
     stored, hits, used, blobs, seal";

impl Brief {
    /// Reads the columns of [`BRIEF`]; `None` for a row that does not verify.
    pub(crate) fn read(row: &Row<'_>) -> Option<Self> {
        let number = |column| row.get_ref(column).ok()?.as_i64().ok();
        let brief = Self {
            sequence: number(0)?,
            id: CommitId(digest(row, 1)?),
            key: Key(digest(row, 2)?),
            lineage: LineageId(digest(row, 3)?),
            function: digest(row, 4)?,
            name: bytes(row, 5)?.to_vec(),
            started: Timestamp(number(6)?),
            wall: number(7)?,
            status: number(8)?,
            state: State(number(9)?),
            size: number(10)?,
            stored: number(11)?,
            hits: number(12)?,
            used: Timestamp(number(13)?),
            blobs: unpack_ids(bytes(row, 14)?)?,
        };
        (bytes(row, 15)? == brief.seal()).then_some(brief)
    }

    /// The digest that verifies the row: of everything except the statistics.
    pub(crate) fn seal(&self) -> [u8; SEAL] {
        let mut to = Encoder::new();
        to.text("commit").signed(self.sequence).value(&self.id).value(&self.key).value(&self.lineage);
        to.digest(&self.function).bytes(&self.name).value(&self.started).signed(self.wall);
        to.signed(self.status).signed(self.state.bits()).signed(self.size).signed(self.stored);
        to.list(&self.blobs);
        seal(to)
    }

    pub(crate) fn packed_blobs(&self) -> Vec<u8> {
        self.blobs.iter().flat_map(|blob| blob.0.as_bytes().iter().copied()).collect()
    }
}

/// The end of a run as one number: the exit status, or 256 plus the number of the signal.
pub(crate) fn status_of(termination: Termination) -> i64 {
    match termination {
        Termination::Exited(status) => i64::from(status),
        Termination::Signaled(signal) => 256_i64.saturating_add(i64::from(signal)),
    }
}

fn unpack_ids(bytes: &[u8]) -> Option<Vec<BlobId>> {
    let (whole, rest) = bytes.as_chunks::<DIGEST_LENGTH>();
    let ids = whole.iter().map(|bytes| BlobId(Digest::from_bytes(*bytes)));
    rest.is_empty().then(|| ids.collect())
}

/// A column of bytes.
pub(crate) fn bytes<'a>(row: &'a Row<'_>, column: usize) -> Option<&'a [u8]> {
    row.get_ref(column).ok()?.as_blob().ok()
}

/// A column with a digest.
pub(crate) fn digest(row: &Row<'_>, column: usize) -> Option<Digest> {
    Some(Digest::from_bytes(bytes(row, column)?.try_into().ok()?))
}

/// Number of bytes of a digest in rows that only lead to commits, since the commits are verified.
const SHORT: usize = 16;

/// The beginning of a digest, as in rows that only lead to commits.
pub(super) fn short(digest: &Digest) -> &[u8] {
    digest.as_bytes().get(..SHORT).unwrap_or_default()
}

/// The digest of an encoding, in the length that rows have.
pub(crate) fn seal(encoder: Encoder) -> [u8; SEAL] {
    Digest::of(&encoder.finish()).as_bytes().first_chunk().copied().unwrap_or_default()
}

/// The digest that verifies a row of `bodies`.
pub(crate) fn seal_of_body(sequence: i64, body: &[u8], manifest: &[u8]) -> [u8; SEAL] {
    let mut to = Encoder::new();
    to.text("body").signed(sequence).bytes(body).bytes(manifest);
    seal(to)
}

/// The digest that verifies a row of `tags`.
pub(crate) fn seal_of_tag(sequence: i64, name: &str, value: &str) -> [u8; SEAL] {
    let mut to = Encoder::new();
    to.text("tag").signed(sequence).text(name).text(value);
    seal(to)
}

/// The digest that verifies a row of `products`.
pub(crate) fn seal_of_product(digest: &Digest, sequence: i64, path: &[u8]) -> [u8; SEAL] {
    let mut to = Encoder::new();
    to.text("product").digest(digest).signed(sequence).bytes(path);
    seal(to)
}

/// The digest that verifies a row of `edges`.
pub(crate) fn seal_of_edge(digest: &Digest, sequence: i64) -> [u8; SEAL] {
    let mut to = Encoder::new();
    to.text("edge").digest(digest).signed(sequence);
    seal(to)
}

/// The stored form of a body: its size, whether it is compressed, and its bytes.
pub(crate) fn pack(bytes: &[u8]) -> Vec<u8> {
    let mut to = Encoder::new();
    to.length(bytes.len());
    if bytes.len() >= WORTH_PACKING
        && let Ok(packed) = zstd::bulk::compress(bytes, 1)
        && packed.len() < bytes.len()
    {
        to.flag(true).bytes(&packed);
    } else {
        to.flag(false).bytes(bytes);
    }
    to.finish()
}

/// The bytes that were given to [`pack`].
pub(crate) fn unpack(stored: &[u8]) -> Option<Vec<u8>> {
    let mut from = crate::encode::Decoder::new(stored);
    let size = from.unsigned().ok()?;
    let packed = from.flag().ok()?;
    let bytes = from.bytes().ok()?;
    from.finish().ok()?;
    let length = usize::try_from(size).ok().filter(|_| size <= LARGEST_BODY)?;
    let mut content = Vec::new();
    if packed {
        decompress(bytes, length, &mut content).ok()?;
    } else {
        content.extend_from_slice(bytes);
    }
    (content.len() == length).then_some(content)
}

fn decompress(stored: &[u8], length: usize, to: &mut Vec<u8>) -> io::Result<()> {
    to.reserve(length.saturating_add(1));
    zstd::bulk::Decompressor::new()?.decompress_to_buffer(stored, to).map(|_| ())
}

/// The commit in a row of `bodies` (columns body, manifest and seal, from `column` on) and its manifest, if the row verifies and is
/// the one of `brief`.
pub(crate) fn read_body(
    row: &Row<'_>,
    column: usize,
    brief: &Brief,
    connection: &Connection,
) -> Option<(Commit, Vec<u8>)> {
    let (body, manifest) = (bytes(row, column)?, bytes(row, column + 1)?);
    if bytes(row, column + 2)? != seal_of_body(brief.sequence, body, manifest) {
        return None;
    }
    let (body, manifest) = (unpack(body)?, unpack(manifest)?);
    let commit = commit_of(&body, connection)?;
    let same = commit.id() == brief.id
        && Digest::of(&manifest) == brief.key.0
        && commit.key == brief.key
        && commit.lineage == brief.lineage
        && commit.function_id == brief.function;
    same.then_some((commit, manifest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn packed_bodies_come_back(bytes: Vec<u8>, times in 1_usize..200) {
            let bytes = bytes.repeat(times);
            prop_assert_eq!(unpack(&pack(&bytes)), Some(bytes));
        }

        #[test]
        fn any_bytes_unpack_or_do_not(bytes: Vec<u8>) {
            let _ = unpack(&bytes);
        }
    }

    #[test]
    fn a_body_that_says_less_than_it_holds_is_none() {
        let packed = zstd::bulk::compress(&vec![0; 100_000], 1).unwrap();
        let mut to = Encoder::new();
        to.length(10).flag(true).bytes(&packed);
        assert_eq!(unpack(&to.finish()), None);
        let mut to = Encoder::new();
        to.unsigned(LARGEST_BODY + 1).flag(true).bytes(&packed);
        assert_eq!(unpack(&to.finish()), None);
    }
}
