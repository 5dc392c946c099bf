//! The compressed form of a blob: a self-verifying header and independent zstd frames, each with a digest of its stored
//! bytes.
//!
//! The form does not contain the blob's name: the reader compares the digest of the decompressed bytes.
//!
//! Layout, integers little-endian: magic (8 bytes), uncompressed size (8), number of frames (4); for each frame its stored
//! length (4) and digest (32); the digest of all that (32); the frames.

use super::segments::Scratch;
use crate::buffer::Buffer;
use crate::digest::{DIGEST_LENGTH, Digest};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Uncompressed size of every frame but the last, in bytes.
pub(crate) const FRAME: u64 = 1 << 20;

const MAGIC: &[u8; 8] = b"cashetz1";
const FIXED: usize = 20;
const PER_FRAME: usize = 4 + DIGEST_LENGTH;

/// Position of a frame in the file.
#[derive(Clone, Copy, Debug)]
struct Frame {
    offset: u64,
    stored: u32,
    digest: Digest,
}

/// An open compressed blob whose header is verified.
#[derive(Debug)]
pub(crate) struct Packed {
    file: File,
    size: u64,
    frames: Vec<Frame>,
}

impl Packed {
    /// Reads the header. Any inconsistency, also with the file's length, is [`io::ErrorKind::InvalidData`].
    pub(crate) fn open(file: File) -> io::Result<Self> {
        let length = file.metadata()?.len();
        let mut fixed = [0; FIXED];
        file.read_exact_at(&mut fixed, 0)?;
        let (magic, rest) = fixed.split_at_checked(8).ok_or_else(damaged)?;
        let (size, count) = rest.split_at_checked(8).ok_or_else(damaged)?;
        let size = u64::from_le_bytes(size.try_into().map_err(|_| damaged())?);
        let count = u32::from_le_bytes(count.try_into().map_err(|_| damaged())?);
        let table = u64::from(count) * (PER_FRAME as u64);
        let header = (FIXED + DIGEST_LENGTH) as u64 + table;
        if magic != MAGIC || u64::from(count) != size.div_ceil(FRAME) || header > length {
            return Err(damaged());
        }
        let mut bytes = vec![0; usize::try_from(table).map_err(|_| damaged())? + DIGEST_LENGTH];
        file.read_exact_at(&mut bytes, FIXED as u64)?;
        let (table, check) = bytes.split_last_chunk::<DIGEST_LENGTH>().ok_or_else(damaged)?;
        if check_of(&fixed, table).as_bytes() != check {
            return Err(damaged());
        }
        let mut frames = Vec::new();
        let mut offset = header;
        for entry in table.as_chunks::<PER_FRAME>().0 {
            let (stored, digest) = entry.split_first_chunk::<4>().ok_or_else(damaged)?;
            let digest = Digest::from_bytes(digest.try_into().map_err(|_| damaged())?);
            let stored = u32::from_le_bytes(*stored);
            frames.push(Frame { offset, stored, digest });
            offset = offset.checked_add(u64::from(stored)).ok_or_else(damaged)?;
        }
        // No frame is longer than zstd's worst case.
        let bound = zstd::zstd_safe::compress_bound(1 << 20) as u64;
        let too_long = frames.iter().any(|frame| u64::from(frame.stored) > bound);
        if offset != length || too_long {
            return Err(damaged());
        }
        Ok(Self { file, size, frames })
    }

    /// Uncompressed size in bytes.
    pub(crate) const fn size(&self) -> u64 {
        self.size
    }

    /// Loads frame `index`, of `length` uncompressed bytes, into `scratch.bytes`.
    pub(crate) fn load(&self, index: u64, length: usize, scratch: &mut Scratch) -> io::Result<()> {
        let frame = usize::try_from(index).ok().and_then(|index| self.frames.get(index));
        let frame = frame.ok_or_else(damaged)?;
        scratch.stored.resize(usize::try_from(frame.stored).map_err(|_| damaged())?);
        self.file.read_exact_at(&mut scratch.stored, frame.offset)?;
        if Digest::of(&scratch.stored) != frame.digest {
            return Err(damaged());
        }
        decompress(&scratch.stored, length, &mut scratch.bytes)
    }
}

/// Decompresses exactly `length` bytes and fails as soon as there are more.
pub(crate) fn decompress(stored: &[u8], length: usize, to: &mut Buffer) -> io::Result<()> {
    to.resize(length.saturating_add(1));
    let mut context = zstd::bulk::Decompressor::new()?;
    let found = context.decompress_to_buffer(stored, &mut **to).map_err(|_| damaged())?;
    to.resize(found.min(length));
    if found == length { Ok(()) } else { Err(damaged()) }
}

/// Builds the compressed form, frame by frame.
pub(crate) struct Packer {
    context: zstd::bulk::Compressor<'static>,
    table: Vec<u8>,
    count: u32,
    size: u64,
}

impl Packer {
    /// Creates a packer with this zstd level.
    pub(crate) fn new(level: i32) -> io::Result<Self> {
        Ok(Self { context: zstd::bulk::Compressor::new(level)?, table: Vec::new(), count: 0, size: 0 })
    }

    /// Compresses the next frame: [`FRAME`] bytes, or fewer for the last.
    pub(crate) fn frame(&mut self, bytes: &[u8]) -> io::Result<Vec<u8>> {
        let stored = self.context.compress(bytes)?;
        let length = u32::try_from(stored.len()).map_err(|_| io::ErrorKind::FileTooLarge)?;
        self.table.extend_from_slice(&length.to_le_bytes());
        self.table.extend_from_slice(Digest::of(&stored).as_bytes());
        self.count = self.count.saturating_add(1);
        self.size = self.size.saturating_add(bytes.len() as u64);
        Ok(stored)
    }

    /// The header for all frames so far.
    pub(crate) fn header(&self) -> Vec<u8> {
        let mut header = MAGIC.to_vec();
        header.extend_from_slice(&self.size.to_le_bytes());
        header.extend_from_slice(&self.count.to_le_bytes());
        let check = check_of(&header, &self.table);
        header.extend_from_slice(&self.table);
        header.extend_from_slice(check.as_bytes());
        header
    }

    /// Length of the header for content of `size` bytes, in bytes.
    pub(crate) const fn header_length(size: u64) -> u64 {
        (FIXED + DIGEST_LENGTH) as u64 + size.div_ceil(FRAME) * PER_FRAME as u64
    }
}

fn check_of(fixed: &[u8], table: &[u8]) -> Digest {
    let mut hasher = crate::digest::Hasher::new();
    hasher.update(fixed).update(table);
    hasher.finish()
}

/// The complete compressed form of `bytes`; `None` unless it is at least a tenth smaller.
pub(crate) fn pack_if_it_pays(bytes: &[u8], level: i32) -> Option<Vec<u8>> {
    let mut packer = Packer::new(level).ok()?;
    let mut frames = Vec::new();
    for part in bytes.chunks(usize::try_from(FRAME).ok()?) {
        frames.extend_from_slice(&packer.frame(part).ok()?);
    }
    let mut form = packer.header();
    form.extend_from_slice(&frames);
    pays(form.len() as u64, bytes.len() as u64).then_some(form)
}

/// Whether `stored` bytes are enough smaller than `size` to be worth compressing.
pub(crate) const fn pays(stored: u64, size: u64) -> bool {
    stored < size - size / 10
}

pub(crate) fn damaged() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the compressed form is inconsistent")
}

/// Fuzzing entry point: reads a file of these bytes, with the digest of the header corrected first.
#[cfg(any(test, fuzzing))]
pub(crate) fn read_any(bytes: &[u8]) {
    let mut bytes = bytes.to_vec();
    let count = bytes.get(16..FIXED).and_then(|count| count.try_into().ok()).map_or(0, u32::from_le_bytes);
    let end = (count as usize).saturating_mul(PER_FRAME).saturating_add(FIXED);
    if let (Some(fixed), Some(table)) = (bytes.get(..FIXED), bytes.get(FIXED..end)) {
        let check = check_of(fixed, table);
        if let Some(place) = bytes.get_mut(end..end + DIGEST_LENGTH) {
            place.copy_from_slice(check.as_bytes());
        }
    }
    let written =
        tempfile::tempfile().and_then(|mut file| io::Write::write_all(&mut file, &bytes).map(|()| file));
    let Ok(Ok(packed)) = written.map(Packed::open) else { return };
    let mut scratch = Scratch::default();
    for index in 0..packed.size().div_ceil(FRAME).min(4) {
        let _ = packed.load(index, 9300, &mut scratch);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn open(form: &[u8]) -> io::Result<Packed> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(form).unwrap();
        Packed::open(file)
    }

    fn unpack(form: &[u8]) -> io::Result<Vec<u8>> {
        let packed = open(form)?;
        let mut bytes = Vec::new();
        let mut scratch = Scratch::default();
        for index in 0..packed.size().div_ceil(FRAME) {
            let length = (packed.size() - index * FRAME).min(FRAME);
            packed.load(index, usize::try_from(length).unwrap(), &mut scratch)?;
            bytes.extend_from_slice(&scratch.bytes);
        }
        Ok(bytes)
    }

    #[test]
    fn packed_bytes_come_back() {
        for size in [1, 5000, 1 << 20, (1 << 20) + 1, 3_500_000] {
            let bytes = b"all work and no play ".repeat(size / 21 + 1)[..size].to_vec();
            if let Some(form) = pack_if_it_pays(&bytes, 1) {
                assert_eq!(unpack(&form).unwrap(), bytes);
                assert!(form.len() as u64 > Packer::header_length(size as u64));
            } else {
                assert!(size < 200);
            }
        }
    }

    #[test]
    fn any_damage_is_found() {
        let bytes = b"all work and no play ".repeat(60_000);
        let form = pack_if_it_pays(&bytes, 1).unwrap();
        for place in (0..form.len()).step_by(form.len() / 300 + 1).chain(0..200) {
            let mut damaged = form.clone();
            damaged[place] ^= 1;
            assert!(unpack(&damaged).is_err(), "byte {place}");
        }
        for length in (0..form.len()).step_by(37) {
            assert!(unpack(&form[..length]).is_err(), "cut to {length}");
        }
        let mut longer = form.clone();
        longer.push(0);
        assert!(unpack(&longer).is_err());
    }

    #[test]
    fn what_does_not_shrink_is_not_packed() {
        let mut state = 1_u64;
        let next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state.to_le_bytes()[7]
        };
        let noise: Vec<u8> = std::iter::repeat_with(next).take(100_000).collect();
        assert!(pack_if_it_pays(&noise, 1).is_none());
    }

    #[test]
    fn a_frame_that_says_less_than_it_holds_stops_there() {
        let stored = zstd::bulk::compress(&vec![0; 50_000_000], 1).unwrap();
        let mut to = Buffer::default();
        assert!(decompress(&stored, 1000, &mut to).is_err());
        assert!(to.len() < 10_000);
    }
}
