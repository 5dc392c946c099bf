//! Notes of calls that wait for an identical run: a file that the call's process holds locked. One without a lock belongs to a
//! process that was killed.
//!
//! Layout: the key, the process id and the time when the wait began, encoded; then the digest of that.

use super::layout::Layout;
use super::local::LocalStore;
use super::running::{files_of, is_held, locked_file};
use crate::digest::{DIGEST_LENGTH, Digest, Key};
use crate::encode::{Decode, DecodeError, Decoder, Encoder};
use crate::record::Timestamp;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::PathBuf;

/// Prefix of the name of a note, a file below `tmp`.
const WAITING_PREFIX: &str = "waiting-";

/// Largest note that is read, in bytes.
const LARGEST: u64 = 4096;

/// The note of a call that waits. Dropping this value removes it.
#[derive(Debug)]
pub struct Waiting {
    path: PathBuf,
    _locked: File,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        // If this fails, the note does not count, since it is not locked any more.
        let _ = fs::remove_file(&self.path);
    }
}

/// A call that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiter {
    /// The key of the run that it waits for.
    pub key: Key,
    /// Its process id.
    pub process: u32,
    /// When the wait began.
    pub since: Timestamp,
}

impl Decode for Waiter {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let (key, process) = (Key::decode(from)?, from.unsigned()?);
        Ok(Self { key, process: u32::try_from(process).unwrap_or(0), since: Timestamp::decode(from)? })
    }
}

fn note(layout: &Layout, key: &Key, since: Timestamp) -> io::Result<Waiting> {
    let mut encoder = Encoder::new();
    encoder.value(key).unsigned(u64::from(std::process::id())).value(&since);
    let mut bytes = encoder.finish();
    let check = Digest::of(&bytes);
    bytes.extend_from_slice(check.as_bytes());
    let (path, locked) = locked_file(layout, WAITING_PREFIX, &bytes)?;
    Ok(Waiting { path, _locked: locked })
}

fn read(from: impl Read) -> Option<Waiter> {
    let mut bytes = Vec::new();
    from.take(LARGEST).read_to_end(&mut bytes).ok()?;
    let (payload, check) = bytes.split_last_chunk::<DIGEST_LENGTH>()?;
    if Digest::of(payload).as_bytes() != check {
        return None;
    }
    Waiter::from_bytes(payload).ok()
}

impl LocalStore {
    /// Notes that this process waits for a run of `key`. After a failure the wait is missing in overviews.
    pub(super) fn note_waiting(&self, key: &Key, since: Timestamp) -> Option<Waiting> {
        note(self.layout(), key, since).ok()
    }

    /// The calls that wait for an identical run, in no order.
    pub fn all_waiting(&self) -> Vec<Waiter> {
        let directory = self.layout().temporary();
        let notes = files_of(&directory, WAITING_PREFIX);
        notes.filter(|path| is_held(path)).filter_map(|path| read(File::open(path).ok()?)).collect()
    }

    /// Removes the notes of processes that were killed.
    pub(super) fn forget_waiting(&self) {
        for path in files_of(&self.layout().temporary(), WAITING_PREFIX).filter(|path| !is_held(path)) {
            let _ = fs::remove_file(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::layout::tests::empty;
    use super::*;

    #[test]
    fn a_note_says_who_waits_and_any_damage_makes_it_say_nothing() {
        let (_directory, layout) = empty();
        let key = Key(Digest::of(b"key"));
        let waiting = note(&layout, &key, Timestamp(7)).unwrap();
        let bytes = fs::read(&waiting.path).unwrap();
        let expected = Waiter { key, process: std::process::id(), since: Timestamp(7) };
        assert_eq!(read(bytes.as_slice()), Some(expected));
        for length in 0..bytes.len() {
            assert_eq!(read(&bytes[..length]), None);
        }
        assert!(is_held(&waiting.path));
        let path = waiting.path.clone();
        drop(waiting);
        assert!(!path.exists());
    }
}
