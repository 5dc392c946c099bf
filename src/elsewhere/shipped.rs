//! What is shipped to a worker that shares no file system with this machine, and what it ships back: one file each.

use super::call::umask;
use crate::digest::{BlobId, CommitId, Digest};
use crate::encode::{Decode, DecodeError, Decoder, Encode, Encoder};
use crate::record::{Content, Timestamp};
use std::collections::HashMap;
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

/// Variables that name directories which programs look for, whatever is in them: a worker makes them.
pub const DIRECTORIES: [&str; 5] = ["HOME", "TMPDIR", "TMP", "TEMP", "TEMPDIR"];

/// First field of both.
const VERSION: u64 = 2;

/// Maximum size of a blob in the record itself, in bytes.
pub const SMALL: u64 = 16 << 10;
/// Maximum size of all blobs in a record together, in bytes.
pub const ROOM: u64 = 1 << 20;

/// A call that is to be run there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShippedCall {
    /// The working directory, relative to what was shipped.
    pub directory: PathBuf,
    /// The words after `cashet exec`.
    pub words: Vec<OsString>,
    /// The encoded manifest, whose digest is the key; none where any key will do.
    pub manifest: Option<Vec<u8>>,
    /// The mask of permission bits for new files.
    pub umask: u32,
    /// Modes and times of files and directories.
    pub attributes: Vec<Attributes>,
}

/// Mode and time of a file or directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attributes {
    /// Relative to what was shipped.
    pub path: PathBuf,
    /// Permission bits.
    pub mode: u32,
    /// When it was changed last.
    pub modified: Timestamp,
}

/// What a worker leaves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// How the call was answered there, as `--report` says it.
    pub report: Vec<u8>,
    /// The run, where it was recorded whole.
    pub run: Option<LeftRun>,
}

/// A recorded run without its large blobs, which are files of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftRun {
    /// Its id.
    pub id: CommitId,
    /// The encoded commit.
    pub commit: Vec<u8>,
    /// Its encoded manifest.
    pub manifest: Vec<u8>,
    /// All blobs that it needs.
    pub blobs: Vec<Content>,
    /// The bytes of those that are small.
    pub inline: Vec<Vec<u8>>,
}

impl LeftRun {
    /// The bytes of the small blobs by their digests, which are computed here.
    #[must_use]
    pub fn by_blob(&self) -> HashMap<BlobId, &[u8]> {
        self.inline.iter().map(|bytes| (BlobId(Digest::of(bytes)), bytes.as_slice())).collect()
    }
}

fn path(from: &mut Decoder<'_>) -> Result<PathBuf, DecodeError> {
    Ok(OsString::from_vec(from.bytes()?.to_vec()).into())
}

fn version(from: &mut Decoder<'_>) -> Result<(), DecodeError> {
    match from.unsigned()? {
        VERSION => Ok(()),
        other => Err(DecodeError::UnknownTag(other)),
    }
}

impl Encode for Attributes {
    fn encode(&self, to: &mut Encoder) {
        to.bytes(self.path.as_os_str().as_bytes()).unsigned(u64::from(self.mode)).value(&self.modified);
    }
}

impl Decode for Attributes {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        Ok(Self { path: path(from)?, mode: from.unsigned32()?, modified: Timestamp::decode(from)? })
    }
}

impl Encode for ShippedCall {
    fn encode(&self, to: &mut Encoder) {
        to.unsigned(VERSION).bytes(self.directory.as_os_str().as_bytes()).length(self.words.len());
        for word in &self.words {
            to.bytes(word.as_bytes());
        }
        to.option(self.manifest.as_ref()).unsigned(u64::from(self.umask)).list(&self.attributes);
    }
}

impl Decode for ShippedCall {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        version(from)?;
        Ok(Self {
            directory: path(from)?,
            words: from.list::<Vec<u8>>()?.into_iter().map(OsString::from_vec).collect(),
            manifest: from.option()?,
            umask: umask(from)?,
            attributes: from.list()?,
        })
    }
}

impl Encode for LeftRun {
    fn encode(&self, to: &mut Encoder) {
        to.value(&self.id).bytes(&self.commit).bytes(&self.manifest).list(&self.blobs).list(&self.inline);
    }
}

impl Decode for LeftRun {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            id: CommitId::decode(from)?,
            commit: from.bytes()?.to_vec(),
            manifest: from.bytes()?.to_vec(),
            blobs: from.list()?,
            inline: from.list()?,
        })
    }
}

impl Encode for Left {
    fn encode(&self, to: &mut Encoder) {
        to.unsigned(VERSION).bytes(&self.report).option(self.run.as_ref());
    }
}

impl Decode for Left {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        version(from)?;
        Ok(Self { report: from.bytes()?.to_vec(), run: from.option()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_and_what_is_left_come_back_as_they_were() {
        let call = ShippedCall {
            directory: "home/me/project".into(),
            words: vec!["--".into(), OsString::from_vec(vec![0xff])],
            manifest: Some(vec![1, 2]),
            umask: 0o22,
            attributes: vec![Attributes { path: "a".into(), mode: 0o755, modified: Timestamp(-1) }],
        };
        assert_eq!(ShippedCall::from_bytes(&call.to_bytes()), Ok(call));
        let digest = Digest::of(b"x");
        let run = LeftRun {
            id: CommitId(digest),
            commit: vec![3],
            manifest: Vec::new(),
            blobs: vec![Content { blob: BlobId(digest), size: 1 }],
            inline: vec![b"x".to_vec()],
        };
        assert_eq!(run.by_blob().get(&BlobId(digest)), Some(&b"x".as_slice()));
        for run in [None, Some(run)] {
            let left = Left { report: b"{}".to_vec(), run };
            assert_eq!(Left::from_bytes(&left.to_bytes()), Ok(left));
        }
        assert!(Left::from_bytes(&[7]).is_err());
    }
}
