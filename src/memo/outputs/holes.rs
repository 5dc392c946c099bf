//! Sparse files: only their data is stored, so that a hole costs nothing.

use crate::buffer::Buffer;
use crate::record::{Content, Extent, OutputKind, WithHoles};
use crate::store::{BlobStore, BlobWriter};
use rustix::fs::{SeekFrom, seek};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;

/// Holes with a smaller total size, in bytes, are stored as zeros: then the file keeps the digest of its whole content.
const WORTH_IT: u64 = 1 << 20;
/// A file with more extents than this is stored whole.
const MOST_EXTENTS: usize = 1 << 12;
const PIECE: usize = 256 << 10;

/// The data extents of a file of `size` bytes, if it has large holes. Moves the file offset.
pub(super) fn extents(file: &File, size: u64) -> Option<Vec<Extent>> {
    let mut found = Vec::new();
    let mut place = 0;
    let mut total: u64 = 0;
    while place < size {
        let offset = match seek(file, SeekFrom::Data(place)) {
            Ok(offset) => offset,
            // A hole up to the end of the file.
            Err(Errno::NXIO) => break,
            Err(_) => return None,
        };
        let end = seek(file, SeekFrom::Hole(offset)).ok()?.min(size);
        if end <= offset {
            break;
        }
        found.push(Extent { offset, length: end - offset });
        total += end - offset;
        if found.len() > MOST_EXTENTS {
            return None;
        }
        place = end;
    }
    (size.saturating_sub(total) >= WORTH_IT).then_some(found)
}

/// Stores the data of a file; calls `look` with every piece of it.
pub(super) fn store(
    file: &File,
    extents: &[Extent],
    blobs: &dyn BlobStore,
    look: &mut dyn FnMut(&[u8]),
) -> Result<Content, String> {
    let mut writer = blobs.write().map_err(|error| error.to_string())?;
    each_piece(file, extents, |piece| {
        look(piece);
        writer.write_all(piece)
    })
    .map_err(|error| error.to_string())?;
    BlobWriter::finish(writer).map_err(|error| error.to_string())
}

/// Reads the bytes of `extents`, in order.
fn each_piece(
    file: &File,
    extents: &[Extent],
    mut take: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let mut buffer = Buffer::new(PIECE);
    for (offset, length) in pieces(extents) {
        let piece = buffer.get_mut(..length).unwrap_or_default();
        file.read_exact_at(piece, offset)?;
        take(piece)?;
    }
    Ok(())
}

/// Splits extents into pieces of at most [`PIECE`] bytes; returns their offsets and lengths.
fn pieces(extents: &[Extent]) -> impl Iterator<Item = (u64, usize)> {
    extents.iter().flat_map(|extent| {
        let end = extent.offset.saturating_add(extent.length);
        let length = move |offset| usize::try_from(end - offset).unwrap_or(PIECE).min(PIECE);
        (extent.offset..end).step_by(PIECE).map(move |offset| (offset, length(offset)))
    })
}

/// Whether a file has exactly this content, with zeros in the holes. Does not read holes.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn holds(file: &File, data: &Content, size: u64, recorded: &[Extent]) -> io::Result<bool> {
    if file.metadata()?.len() != size {
        return Ok(false);
    }
    let mut hasher = crate::digest::Hasher::new();
    each_piece(file, recorded, |piece| {
        hasher.update(piece);
        Ok(())
    })?;
    if hasher.finish() != data.blob.0 {
        return Ok(false);
    }
    // Everything between the extents must be zeros, whether or not it takes disk space.
    let mut place = 0;
    let ends = recorded.iter().map(|extent| (extent.offset, extent.offset.saturating_add(extent.length)));
    for (offset, end) in ends.chain([(size, size)]) {
        if !is_zero(file, place, offset)? {
            return Ok(false);
        }
        place = end;
    }
    Ok(true)
}

fn is_zero(file: &File, mut place: u64, end: u64) -> io::Result<bool> {
    while place < end {
        let from = match seek(file, SeekFrom::Data(place)) {
            Ok(from) => from,
            Err(Errno::NXIO) => return Ok(true),
            Err(errno) => return Err(errno.into()),
        };
        let to = seek(file, SeekFrom::Hole(from))?.min(end);
        if from >= to {
            return Ok(true);
        }
        let mut zero = true;
        each_piece(file, &[Extent { offset: from, length: to - from }], |piece| {
            zero &= piece.iter().all(|byte| *byte == 0);
            Ok(())
        })?;
        if !zero {
            return Ok(false);
        }
        place = to;
    }
    Ok(true)
}

/// Writes a file of `size` bytes, which is empty, from its data.
///
/// # Errors
/// When reading the data or writing the file fails.
pub(crate) fn write(data: &mut dyn Read, to: &File, extents: &[Extent], size: u64) -> io::Result<()> {
    let mut buffer = Buffer::new(PIECE);
    for (offset, length) in pieces(extents) {
        let piece = buffer.get_mut(..length).unwrap_or_default();
        data.read_exact(piece)?;
        to.write_all_at(piece, offset)?;
    }
    to.set_len(size)
}

/// All bytes of a recorded file; `stored` reads the stored ones.
pub(crate) fn whole(kind: &OutputKind, stored: Box<dyn Read + Send>) -> Box<dyn Read + Send> {
    match kind {
        OutputKind::Sparse { size, extents, .. } => Box::new(WithHoles::new(stored, extents.clone(), *size)),
        _ => stored,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sparse(parts: &[(u64, &[u8])], size: u64) -> File {
        let file = tempfile::tempfile().unwrap();
        for (offset, bytes) in parts {
            file.write_all_at(bytes, *offset).unwrap();
        }
        file.set_len(size).unwrap();
        file
    }

    #[test]
    fn data_and_holes_are_distinguished() {
        let parts: [(u64, &[u8]); 2] = [(0, b"begin"), (5 << 20, b"middle")];
        let file = sparse(&parts, 10 << 20);
        let Some(found) = extents(&file, 10 << 20) else { return };
        let mut bytes = Vec::new();
        each_piece(&file, &found, |piece| {
            bytes.extend_from_slice(piece);
            Ok(())
        })
        .unwrap();
        let data = Content {
            blob: crate::digest::BlobId(crate::digest::Digest::of(&bytes)),
            size: bytes.len() as u64,
        };
        assert!(data.size < 1 << 20);
        assert!(holds(&file, &data, 10 << 20, &found).unwrap());
        let again = tempfile::tempfile().unwrap();
        write(&mut bytes.as_slice(), &again, &found, 10 << 20).unwrap();
        assert!(holds(&again, &data, 10 << 20, &found).unwrap());
        // The same bytes without a hole are the same file.
        let full = tempfile::tempfile().unwrap();
        let mut all = Vec::new();
        WithHoles::new(bytes.as_slice(), found.clone(), 10 << 20).read_to_end(&mut all).unwrap();
        full.write_all_at(&all, 0).unwrap();
        assert!(holds(&full, &data, 10 << 20, &found).unwrap());
        for place in [0, 7 << 20, (10 << 20) - 1] {
            let other = sparse(&parts, 10 << 20);
            other.write_all_at(b"x", place).unwrap();
            assert!(!holds(&other, &data, 10 << 20, &found).unwrap(), "{place}");
        }
        assert!(!holds(&sparse(&parts, 11 << 20), &data, 10 << 20, &found).unwrap());
        assert!(extents(&full, 10 << 20).is_none());
    }
}
