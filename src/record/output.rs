//! The files that a run left behind: a tree of named blobs with modes, symlinks and removals.

mod holes;
mod parts;
mod tree;

pub use holes::WithHoles;
pub use parts::{Attribute, Extent, OutputTime};
pub use tree::OutputTree;

use super::stream::Content;
use crate::encode::{Decode, DecodeError, Decoder, Encode, Encoder};

/// Permission bits that are recorded and restored: set-id and sticky bits never are.
pub const MODE_BITS: u32 = 0o777;

/// In the tag of an entry: its time, attributes and first name follow.
const WITH_MORE: u64 = 8;
/// In the tag of an entry: the permission bits that were asked for follow.
const WITH_ASKED: u64 = 16;

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
    /// A regular file with large holes, of which the data alone is stored.
    Sparse {
        /// The bytes of all extents, one after the other.
        data: Content,
        /// Permission bits, within [`MODE_BITS`].
        mode: u32,
        /// Its size in bytes, holes included.
        size: u64,
        /// Where the data lies, in order; no two touch. All else are holes.
        extents: Vec<Extent>,
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

impl OutputKind {
    /// The stored bytes, where it is a file; those of a sparse one are not all that it holds.
    #[must_use]
    pub const fn stored(&self) -> Option<&Content> {
        match self {
            Self::File { content, .. } => Some(content),
            Self::Sparse { data, .. } => Some(data),
            _ => None,
        }
    }

    /// Its permission bits, where it has any.
    #[must_use]
    pub const fn mode(&self) -> Option<u32> {
        match self {
            Self::File { mode, .. } | Self::Sparse { mode, .. } | Self::Directory { mode } => Some(*mode),
            Self::Symlink { .. } | Self::Removed => None,
        }
    }

    /// The same with these permission bits, where it has any.
    #[must_use]
    fn with_mode(mut self, bits: u32) -> Self {
        if let Self::File { mode, .. } | Self::Sparse { mode, .. } | Self::Directory { mode } = &mut self {
            *mode = bits;
        }
        self
    }

    /// Its size in bytes, where it is a file.
    #[must_use]
    pub const fn size(&self) -> Option<u64> {
        match self {
            Self::File { content, .. } => Some(content.size),
            Self::Sparse { size, .. } => Some(*size),
            _ => None,
        }
    }
}

/// One path of an output tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputEntry {
    /// Relative to the root, components separated by `/`, none of them empty, `.` or `..`.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: OutputKind,
    /// Its modification time; of no meaning for a removal.
    pub time: OutputTime,
    /// Extended attributes of a file or directory, sorted by name, each once.
    pub attributes: Vec<Attribute>,
    /// An earlier path of the tree that is a name of the same file: the first one. All but the path is equal there.
    pub link_to: Option<Vec<u8>>,
    /// The permission bits that were asked for when it was created, within [`MODE_BITS`], where nobody set them afterwards:
    /// it has those without the ones that the umask takes.
    pub asked: Option<u32>,
}

impl OutputEntry {
    /// An entry that was written, without attributes or other names.
    #[must_use]
    pub fn new(path: impl Into<Vec<u8>>, kind: OutputKind) -> Self {
        let (time, attributes) = (OutputTime::default(), Vec::new());
        Self { path: path.into(), kind, time, attributes, link_to: None, asked: None }
    }

    /// Whether it is one that [`OutputEntry::new`] makes. What is removed has nothing else.
    fn is_plain(&self) -> bool {
        let is_plain =
            self.time == OutputTime::default() && self.attributes.is_empty() && self.link_to.is_none();
        is_plain || self.kind == OutputKind::Removed
    }
}

/// Whether `path` is one that a tree may hold: it cannot lead out of the root.
fn stays_inside(path: &[u8]) -> bool {
    !path.contains(&0)
        && path.split(|byte| *byte == b'/').all(|part| !part.is_empty() && part != b"." && part != b"..")
}

impl Encode for OutputEntry {
    fn encode(&self, to: &mut Encoder) {
        let more = if self.is_plain() { 0 } else { WITH_MORE };
        let more = if self.asked.is_some() { more | WITH_ASKED } else { more };
        to.bytes(&self.path);
        match &self.kind {
            OutputKind::File { content, mode, sparse } => {
                to.unsigned(more).value(content).unsigned(u64::from(*mode)).flag(*sparse);
            }
            OutputKind::Directory { mode } => {
                to.unsigned(more | 1).unsigned(u64::from(*mode));
            }
            OutputKind::Symlink { text } => {
                to.unsigned(more | 2).bytes(text);
            }
            OutputKind::Removed => {
                to.unsigned(3);
                return;
            }
            OutputKind::Sparse { data, mode, size, extents } => {
                to.unsigned(more | 4).value(data).unsigned(u64::from(*mode)).unsigned(*size).list(extents);
            }
        }
        if more & WITH_MORE != 0 {
            to.value(&self.time).list(&self.attributes).bytes(self.link_to.as_deref().unwrap_or_default());
        }
        if let Some(asked) = self.asked {
            to.unsigned(u64::from(asked));
        }
    }
}

fn decode_mode(from: &mut Decoder<'_>) -> Result<u32, DecodeError> {
    let mode = from.unsigned32()?;
    if mode & !MODE_BITS == 0 { Ok(mode) } else { Err(DecodeError::NotCanonical) }
}

fn decode_sparse(from: &mut Decoder<'_>) -> Result<OutputKind, DecodeError> {
    let (data, mode) = (Content::decode(from)?, decode_mode(from)?);
    let (size, extents): (u64, Vec<Extent>) = (from.unsigned()?, from.list()?);
    if parts::are_extents(&extents, size, data.size) {
        Ok(OutputKind::Sparse { data, mode, size, extents })
    } else {
        Err(DecodeError::NotCanonical)
    }
}

impl Decode for OutputEntry {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let path = from.bytes()?.to_vec();
        if !stays_inside(&path) {
            return Err(DecodeError::NotCanonical);
        }
        let tag = from.unsigned()?;
        let kind = match tag & !(WITH_MORE | WITH_ASKED) {
            0 => OutputKind::File {
                content: Content::decode(from)?,
                mode: decode_mode(from)?,
                sparse: from.flag()?,
            },
            1 => OutputKind::Directory { mode: decode_mode(from)? },
            2 => OutputKind::Symlink { text: from.bytes()?.to_vec() },
            3 => OutputKind::Removed,
            4 => decode_sparse(from)?,
            _ => return Err(DecodeError::UnknownTag(tag)),
        };
        let mut entry = Self::new(path, kind);
        if tag & WITH_MORE != 0 {
            entry.time = OutputTime::decode(from)?;
            entry.attributes = from.list()?;
            entry.link_to = Some(from.bytes()?.to_vec()).filter(|first| !first.is_empty());
        }
        if tag & WITH_ASKED != 0 {
            entry.asked = Some(decode_mode(from)?).filter(|_| entry.kind.mode().is_some());
        }
        let attributes = &entry.attributes;
        let sorted =
            attributes.iter().zip(attributes.iter().skip(1)).all(|(left, right)| left.name < right.name);
        let is_canonical =
            entry.is_plain() == (tag & WITH_MORE == 0) && entry.asked.is_some() == (tag & WITH_ASKED != 0);
        if sorted && is_canonical { Ok(entry) } else { Err(DecodeError::NotCanonical) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{StoredPath, Timestamp};
    use std::borrow::Cow;

    fn removed(path: &str) -> OutputEntry {
        OutputEntry::new(path, OutputKind::Removed)
    }

    #[test]
    fn a_tree_is_sorted_and_found_by_path() {
        let tree = OutputTree::new(vec![removed("b"), removed("a/c"), removed("a")]);
        assert!(tree.find(b"a/c").is_some());
        assert!(tree.find(b"c").is_none());
        assert_eq!(OutputTree::from_bytes(&tree.to_bytes()), Ok(tree));
    }

    #[test]
    fn a_path_that_leads_out_is_not_an_entry() {
        for path in ["", "/etc/passwd", "..", "a/../b", "a//b", "./a", "a/", "a\0b"] {
            let mut encoder = Encoder::new();
            encoder.length(1).value(&removed(path));
            assert!(OutputTree::from_bytes(&encoder.finish()).is_err(), "{path:?}");
        }
    }

    #[test]
    fn set_id_bits_are_not_restored_with_the_mode() {
        let entry = OutputEntry::new("a", OutputKind::Directory { mode: 0o4755 });
        assert!(OutputEntry::from_bytes(&entry.to_bytes()).is_err());
    }

    fn file(path: &str) -> OutputEntry {
        let content = Content { blob: crate::digest::BlobId(crate::digest::Digest::of(b"x")), size: 1 };
        OutputEntry::new(path, OutputKind::File { content, mode: 0o644, sparse: false })
    }

    #[test]
    fn times_attributes_and_links_come_back() {
        let time = Timestamp(978_307_200_000_000_000);
        let first = OutputEntry {
            time: OutputTime::Given { time, like: vec![StoredPath::in_root("src")] },
            attributes: vec![Attribute { name: b"user.a".to_vec(), value: b"1".to_vec() }],
            ..file("a")
        };
        let second = OutputEntry { path: b"b".to_vec(), link_to: Some(b"a".to_vec()), ..first.clone() };
        let hole = OutputKind::Sparse {
            data: Content { blob: crate::digest::BlobId(crate::digest::Digest::of(b"x")), size: 1 },
            mode: 0o600,
            size: 1 << 30,
            extents: vec![Extent { offset: 4096, length: 1 }],
        };
        let third = OutputEntry { time: OutputTime::Written { rank: 7 }, ..OutputEntry::new("c", hole) };
        let tree = OutputTree::new(vec![first, second, third]);
        assert_eq!(tree.total_bytes(), 2);
        assert_eq!(OutputTree::from_bytes(&tree.to_bytes()), Ok(tree));
    }

    #[test]
    fn what_was_asked_for_follows_the_umask() {
        let directory = OutputEntry::new("d", OutputKind::Directory { mode: 0o755 });
        let link = OutputEntry { path: b"z".to_vec(), link_to: Some(b"a".to_vec()), ..file("a") };
        let tree = OutputTree::new(vec![directory, file("a"), file("set"), link]);
        let asked = |path: &[u8], _| match path {
            b"d" => Some(0o777),
            b"a" => Some(0o666),
            _ => None,
        };
        let tree = tree.with_asked(asked);
        assert_eq!(OutputTree::from_bytes(&tree.to_bytes()), Ok(tree.clone()));
        assert!(matches!(tree.under(|| 0o022), Cow::Borrowed(_)));
        let under = tree.under(|| 0o077).into_owned();
        let mode = |path: &str| under.find(path.as_bytes()).and_then(|entry| entry.kind.mode());
        assert_eq!([mode("d"), mode("a"), mode("z")], [Some(0o700), Some(0o600), Some(0o600)]);
        assert_eq!(mode("set"), Some(0o644));
    }

    #[test]
    fn a_link_is_one_to_an_equal_file_before_it() {
        let link = |to: &str, from: OutputEntry| OutputEntry { link_to: Some(to.into()), ..from };
        let other = OutputEntry { time: OutputTime::Written { rank: 1 }, ..file("b") };
        for entries in [
            vec![file("a"), link("c", file("b"))],
            vec![link("b", file("a")), file("b")],
            vec![file("a"), link("a", other)],
            vec![file("a"), link("a", file("b")), link("b", file("c"))],
            vec![removed("a"), link("a", file("b"))],
        ] {
            assert!(
                OutputTree::from_bytes(&OutputTree::new(entries.clone()).to_bytes()).is_err(),
                "{entries:?}"
            );
        }
    }
}
