//! The files that a run left behind: a tree of named blobs with modes, symlinks and removals.

use super::stream::Content;
use crate::encode::{Decode, DecodeError, Decoder, Encode, Encoder};

/// Permission bits that are recorded and restored: set-id and sticky bits never are.
pub const MODE_BITS: u32 = 0o777;

/// What one path of an output tree is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutputKind {
    /// A regular file.
    File {
        /// Its bytes.
        content: Content,
        /// Permission bits, within [`MODE_BITS`].
        mode: u32,
        /// Whether it took less room than its size: blocks of zeros are restored as holes.
        sparse: bool,
    },
    /// A directory; its entries have their own paths.
    Directory {
        /// Permission bits, within [`MODE_BITS`].
        mode: u32,
    },
    /// A symbolic link.
    Symlink {
        /// Its text.
        text: Vec<u8>,
    },
    /// Something was there before and the run removed it.
    Removed,
}

/// One path of an output tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputEntry {
    /// Relative to the root, components separated by `/`, none of them empty, `.` or `..`.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: OutputKind,
}

/// All outputs of a run, sorted by path, each path once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutputTree {
    entries: Vec<OutputEntry>,
}

impl OutputTree {
    /// A tree of these entries, in any order; of two with one path the later stays.
    #[must_use]
    pub fn new(mut entries: Vec<OutputEntry>) -> Self {
        entries.reverse();
        entries.sort_by(|left, right| left.path.cmp(&right.path));
        entries.dedup_by(|left, right| left.path == right.path);
        Self { entries }
    }

    /// The entries, sorted by path.
    #[must_use]
    pub fn entries(&self) -> &[OutputEntry] {
        &self.entries
    }

    /// The entry of exactly this path.
    #[must_use]
    pub fn find(&self, path: &[u8]) -> Option<&OutputEntry> {
        let place = self.entries.binary_search_by(|entry| entry.path.as_slice().cmp(path));
        place.ok().and_then(|place| self.entries.get(place))
    }

    /// Number of bytes of all files together.
    #[must_use]
    pub fn total_bytes(&self) -> u64 {
        self.entries.iter().fold(0, |total, entry| match &entry.kind {
            OutputKind::File { content, .. } => total.saturating_add(content.size),
            _ => total,
        })
    }
}

/// Whether `path` is one that a tree may hold: it cannot lead out of the root.
fn stays_inside(path: &[u8]) -> bool {
    !path.contains(&0)
        && path.split(|byte| *byte == b'/').all(|part| !part.is_empty() && part != b"." && part != b"..")
}

impl Encode for OutputEntry {
    fn encode(&self, to: &mut Encoder) {
        to.bytes(&self.path);
        match &self.kind {
            OutputKind::File { content, mode, sparse } => {
                to.unsigned(0).value(content).unsigned(u64::from(*mode)).flag(*sparse);
            }
            OutputKind::Directory { mode } => {
                to.unsigned(1).unsigned(u64::from(*mode));
            }
            OutputKind::Symlink { text } => {
                to.unsigned(2).bytes(text);
            }
            OutputKind::Removed => {
                to.unsigned(3);
            }
        }
    }
}

fn decode_mode(from: &mut Decoder<'_>) -> Result<u32, DecodeError> {
    let mode = from.unsigned32()?;
    if mode & !MODE_BITS == 0 { Ok(mode) } else { Err(DecodeError::NotCanonical) }
}

impl Decode for OutputEntry {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let path = from.bytes()?.to_vec();
        if !stays_inside(&path) {
            return Err(DecodeError::NotCanonical);
        }
        let kind = match from.unsigned()? {
            0 => OutputKind::File {
                content: Content::decode(from)?,
                mode: decode_mode(from)?,
                sparse: from.flag()?,
            },
            1 => OutputKind::Directory { mode: decode_mode(from)? },
            2 => OutputKind::Symlink { text: from.bytes()?.to_vec() },
            3 => OutputKind::Removed,
            tag => return Err(DecodeError::UnknownTag(tag)),
        };
        Ok(Self { path, kind })
    }
}

impl Encode for OutputTree {
    fn encode(&self, to: &mut Encoder) {
        to.list(&self.entries);
    }
}

impl Decode for OutputTree {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let entries: Vec<OutputEntry> = from.list()?;
        let sorted = entries.iter().zip(entries.iter().skip(1)).all(|(left, right)| left.path < right.path);
        if sorted { Ok(Self { entries }) } else { Err(DecodeError::NotCanonical) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn removed(path: &str) -> OutputEntry {
        OutputEntry { path: path.into(), kind: OutputKind::Removed }
    }

    #[test]
    fn a_tree_is_sorted_and_found_by_path() {
        let tree = OutputTree::new(vec![removed("b"), removed("a/c"), removed("a")]);
        assert!(tree.find(b"a/c").is_some());
        assert!(tree.find(b"c").is_none());
        assert_eq!(OutputTree::from_bytes(&tree.to_bytes()), Ok(tree));
    }

    #[test]
    fn a_path_that_leads_out_is_no_entry() {
        for path in ["", "/etc/passwd", "..", "a/../b", "a//b", "./a", "a/", "a\0b"] {
            let mut encoder = Encoder::new();
            encoder.length(1).value(&removed(path));
            assert!(OutputTree::from_bytes(&encoder.finish()).is_err(), "{path:?}");
        }
    }

    #[test]
    fn set_id_bits_are_no_mode() {
        let entry = OutputEntry { path: b"a".to_vec(), kind: OutputKind::Directory { mode: 0o4755 } };
        assert!(OutputEntry::from_bytes(&entry.to_bytes()).is_err());
    }
}
