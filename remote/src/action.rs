//! How records look to servers of the Bazel remote-execution API, over gRPC or HTTP: an `ActionResult` under the digest of an
//! `Action` that nobody runs.
//!
//! Such servers know blobs by their SHA-256. The record of a result brings it for all of its blobs, so that the server may
//! check that they are there and a reader knows what to ask for.

use crate::buffer::Buffer;
use crate::carrier::{Blob, Failure, Name};
use crate::server::{CHUNK, hex, of_file};
use bazel_remote_apis::build::bazel::remote::execution::v2::{
    Action, ActionResult, Command, Digest, ExecutedActionMetadata, OutputFile,
};
use prost::Message;
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::{Mutex, PoisonError};

/// An `ActionResult` is no longer than this: a record and the digests of many blobs.
pub(crate) const LARGEST_RESULT: usize = 4 << 20;
/// Maximum number of digests that are remembered.
const MOST_KNOWN: usize = 200_000;

/// The SHA-256 of blobs, by their BLAKE3. A wrong one does no harm: `cashet` verifies the BLAKE3 of what it gets.
static KNOWN: Mutex<Option<HashMap<[u8; 32], [u8; 32]>>> = Mutex::new(None);

fn remember(blake3: [u8; 32], sha256: [u8; 32]) {
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let known = known.get_or_insert_default();
    if known.len() >= MOST_KNOWN {
        known.clear();
    }
    known.insert(blake3, sha256);
}

/// The digest of a blob that was added or that a result named.
pub(crate) fn known(blob: &Blob) -> Option<Digest> {
    let known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    known.as_ref()?.get(&blob.digest).map(|sha256| digest(sha256, blob.size))
}

/// Remembers what a server calls the blob of this name, which is its BLAKE3; any other name says nothing.
pub(crate) fn note(name: &str, digest: &Digest) {
    if let (Some(blake3), Some(sha256)) = (from_hex(name), from_hex(&digest.hash)) {
        remember(blake3, sha256);
    }
}

/// The digest of the content of a file.
///
/// # Errors
/// When the file cannot be read or is shorter.
pub(crate) fn of_content(
    blob: &Blob,
    from: &File,
    mut moved: impl FnMut(usize) -> Result<(), Failure>,
) -> Result<Digest, Failure> {
    if let Some(known) = known(blob) {
        return Ok(known);
    }
    let (mut hasher, mut chunk, mut place) = (Sha256::new(), Buffer::new(CHUNK), 0);
    while place < blob.size {
        let rest = usize::try_from(blob.size - place).unwrap_or(CHUNK).min(CHUNK);
        let part = chunk.get_mut(..rest).unwrap_or_default();
        from.read_exact_at(part, place).map_err(|error| of_file(&error))?;
        hasher.update(&*part);
        place += u64::try_from(rest).unwrap_or(0);
        moved(rest)?;
    }
    let sha256: [u8; 32] = hasher.finalize().into();
    remember(blob.digest, sha256);
    Ok(digest(&sha256, blob.size))
}

/// The action whose result a record is, and what the server has to have for it.
pub(crate) struct Key {
    pub(crate) action: Digest,
    pub(crate) needed: [(Digest, Vec<u8>); 2],
}

/// `kind`: `w` for question sets, `s` for results.
pub(crate) fn key(kind: &str, name: &Name) -> Key {
    let command = Command { arguments: vec!["cashet".to_owned(), kind.to_owned()], ..Command::default() };
    let command = command.encode_to_vec();
    let salt = [b"cashet/2\0", kind.as_bytes(), b"\0", &name.0].concat();
    let action = Action {
        command_digest: Some(of_bytes(&command)),
        input_root_digest: Some(of_bytes(&[])),
        salt,
        ..Action::default()
    };
    let action = action.encode_to_vec();
    Key { action: of_bytes(&action), needed: [(of_bytes(&action), action), (of_bytes(&command), command)] }
}

/// The record as a result.
///
/// # Errors
/// When one of the blobs was not added here.
pub(crate) fn to_result(record: &[u8], blobs: &[Blob]) -> Result<ActionResult, Failure> {
    let file = |blob: &Blob| {
        let digest = if blob.size == 0 { Some(of_bytes(&[])) } else { known(blob) };
        let digest =
            digest.ok_or_else(|| Failure::Invalid("a blob of the result was not added".to_owned()))?;
        Ok(OutputFile { path: hex(&blob.digest), digest: Some(digest), ..OutputFile::default() })
    };
    Ok(ActionResult {
        output_files: blobs.iter().map(file).collect::<Result<_, Failure>>()?,
        stdout_raw: record.to_vec(),
        execution_metadata: Some(ExecutedActionMetadata {
            worker: concat!("cashet/", env!("CARGO_PKG_VERSION")).to_owned(),
            ..ExecutedActionMetadata::default()
        }),
        ..ActionResult::default()
    })
}

/// The record in a result, or the digest under which the server has put it; and remembers the digests of its blobs.
pub(crate) fn from_result(result: ActionResult) -> Result<Vec<u8>, Option<Digest>> {
    for file in &result.output_files {
        if let Some(digest) = &file.digest {
            note(&file.path, digest);
        }
    }
    if result.stdout_raw.is_empty() { Err(result.stdout_digest) } else { Ok(result.stdout_raw) }
}

pub(crate) fn of_bytes(bytes: &[u8]) -> Digest {
    digest(&Sha256::digest(bytes).into(), u64::try_from(bytes.len()).unwrap_or(u64::MAX))
}

fn digest(sha256: &[u8; 32], size: u64) -> Digest {
    Digest { hash: hex(sha256), size_bytes: i64::try_from(size).unwrap_or(i64::MAX) }
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_brings_the_digests_of_its_blobs() {
        let blob = Blob { digest: [7; 32], size: 3 };
        assert!(to_result(b"record", &[blob]).is_err());
        assert!(known(&blob).is_none());
        remember(blob.digest, Sha256::digest(b"abc").into());
        let result = to_result(b"record", &[blob, Blob { digest: [8; 32], size: 0 }]).unwrap();
        let bytes = result.encode_to_vec();
        *KNOWN.lock().unwrap() = None;
        let record = from_result(ActionResult::decode(bytes.as_slice()).unwrap());
        assert_eq!(record, Ok(b"record".to_vec()));
        let hash = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(known(&blob), Some(Digest { hash: hash.to_owned(), size_bytes: 3 }));
    }

    #[test]
    fn keys_differ_by_kind_and_name_and_stay_as_they_are() {
        let hash = |kind: &str, byte| key(kind, &Name([byte; 32])).action.hash;
        assert_ne!(hash("w", 1), hash("s", 1));
        assert_ne!(hash("s", 1), hash("s", 2));
        assert_eq!(hash("s", 1), "10203faa0e8882ec6c8774680cc2505add8a7c8d3a5c59c347ea528d831f689f");
    }
}
