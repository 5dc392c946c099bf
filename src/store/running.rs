//! Marks of active runs: a file that the run's process holds locked, with what is known before the run ends, and what the run
//! has written so far. A mark without a lock belongs to a process that was killed; the next call that finds it records the run
//! as killed.
//!
//! Layout: length of the payload (8 bytes, little endian), payload, digest of the payload; then frames of output, see
//! `active`.

use super::Draft;
use super::files::new_temporary;
use super::layout::Layout;
use super::local::LocalStore;
use super::lock::uninterrupted;
use crate::digest::{DIGEST_LENGTH, Digest};
use crate::encode::{Decode, DecodeError, Decoder, Encode, Encoder};
use crate::record::{Commit, Replay, Termination};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// Prefix of the name of a mark, a file below `tmp`.
pub(crate) const RUNNING_PREFIX: &str = "running-";

/// Bytes of the length at the start of a mark.
const HEADER: usize = 8;

/// Largest mark that is read, in bytes; it holds the words, manifest and tags of one call.
const LARGEST: u64 = 256 << 20;

/// The mark of a run. Dropping this value removes it.
#[derive(Debug)]
pub struct Running {
    path: PathBuf,
    locked: File,
}

impl Drop for Running {
    fn drop(&mut self) {
        // If this fails, the next call records the run and removes the mark.
        let _ = fs::remove_file(&self.path);
    }
}

impl Running {
    /// Adds frames of output, as [`super::frame`] makes them, for calls that follow the run.
    ///
    /// # Errors
    /// When they cannot be written; nothing may be added afterwards.
    pub fn add(&self, frames: &[u8]) -> io::Result<()> {
        (&self.locked).write_all(frames)
    }
}

/// The marks in a directory.
pub(super) fn marks(directory: &Path) -> impl Iterator<Item = PathBuf> {
    files_of(directory, RUNNING_PREFIX)
}

/// The files in a directory whose names begin with `prefix`.
pub(super) fn files_of(directory: &Path, prefix: &'static str) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let named = entries.filter(move |entry| {
        entry.file_name().as_encoded_bytes().starts_with(prefix.as_bytes())
            && entry.file_type().is_ok_and(|kind| kind.is_file())
    });
    named.map(|entry| entry.path())
}

pub(super) fn is_held(path: &Path) -> bool {
    File::open(path).is_ok_and(|file| file.try_lock_shared().is_err())
}

pub(super) fn mark(layout: &Layout, draft: &Draft) -> io::Result<Running> {
    let mut encoder = Encoder::new();
    encoder.bytes(&draft.commit.to_bytes()).bytes(&draft.manifest).length(draft.tags.len());
    for (name, value) in &draft.tags {
        encoder.text(name).text(value);
    }
    encoder.unsigned(u64::from(std::process::id()));
    let payload = encoder.finish();
    let mut bytes = (payload.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(&payload);
    bytes.extend_from_slice(Digest::of(&payload).as_bytes());
    let (path, locked) = locked_file(layout, RUNNING_PREFIX, &bytes)?;
    Ok(Running { path, locked })
}

/// Writes a file below `tmp` whose name begins with `prefix`. It is complete and locked before it gets the name.
pub(super) fn locked_file(layout: &Layout, prefix: &str, bytes: &[u8]) -> io::Result<(PathBuf, File)> {
    let (mut file, path) = new_temporary(&layout.temporary())?.into_parts();
    uninterrupted(|| file.lock())?;
    file.write_all(bytes)?;
    let mut name = OsString::from(prefix);
    name.push(path.file_name().unwrap_or_default());
    let named = layout.temporary().join(name);
    path.persist_noclobber(&named).map_err(|refused| refused.error)?;
    Ok((named, file))
}

/// What a mark says of the run as it began.
pub(super) struct Begun {
    pub(super) commit: Commit,
    pub(super) manifest: Vec<u8>,
    pub(super) tags: Vec<(String, String)>,
    /// The process that records the run.
    pub(super) process: u64,
}

impl Decode for Begun {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let commit = Commit::from_bytes(from.bytes()?)?;
        let manifest = from.bytes()?.to_vec();
        let mut tags = Vec::new();
        for _ in 0..from.length()? {
            tags.push((from.text()?.to_owned(), from.text()?.to_owned()));
        }
        Ok(Self { commit, manifest, tags, process: from.unsigned()? })
    }
}

/// Reads what a mark says from the start of `from`, and where the frames begin; `None` where it is incomplete because its
/// process died while writing it.
pub(super) fn read(mut from: impl Read) -> Option<(Begun, u64)> {
    let mut length = [0; HEADER];
    from.read_exact(&mut length).ok()?;
    let length = u64::from_le_bytes(length);
    if length > LARGEST {
        return None;
    }
    let end = length.checked_add(DIGEST_LENGTH as u64)?;
    let mut bytes = Vec::new();
    from.take(end).read_to_end(&mut bytes).ok()?;
    let (payload, check) = bytes.split_last_chunk::<DIGEST_LENGTH>()?;
    if payload.len() as u64 != length || Digest::of(payload).as_bytes() != check {
        return None;
    }
    Some((Begun::from_bytes(payload).ok()?, end.checked_add(HEADER as u64)?))
}

/// The record of a run whose process was killed; `None` where the mark is incomplete.
pub(super) fn killed(from: impl Read) -> Option<Draft> {
    let (Begun { mut commit, manifest, tags, .. }, _) = read(from)?;
    commit.termination = Termination::Signaled(libc::SIGKILL);
    commit.replay = Replay::Never {
        reason: "killed".to_owned(),
        detail: "cashet was killed while the command ran".to_owned(),
    };
    let whole = Digest::of(&manifest) == commit.key.0 && commit.outputs.is_none();
    whole.then(|| Draft {
        commit,
        manifest,
        tags,
        evidence: Vec::new(),
        outputs: None,
        output_evidence: Vec::new(),
        consumed: Vec::new(),
    })
}

impl LocalStore {
    /// Marks the run that `draft` describes as active. A failure costs a line of the history.
    pub(super) fn mark_running(&self, draft: &Draft) -> Option<Running> {
        self.ready().ok()?;
        mark(self.layout(), draft).ok()
    }

    /// Whether runs of this store are active.
    pub fn is_running(&self) -> bool {
        marks(&self.layout().temporary()).any(|mark| is_held(&mark))
    }

    /// Records the runs whose process was killed. A failure is left to the next call.
    pub fn record_killed(&self) {
        self.forget_waiting();
        for path in marks(&self.layout().temporary()) {
            let Ok(file) = File::open(&path) else { continue };
            // Locked by its process, or by another call that records it now.
            if file.try_lock().is_err() || fs::symlink_metadata(&path).is_err() {
                continue;
            }
            let recorded = killed(&file).is_none_or(|draft| self.record_begun(&draft).is_ok());
            if recorded {
                let _ = fs::remove_file(&path);
            }
        }
    }

    fn record_begun(&self, draft: &Draft) -> crate::error::Result<()> {
        self.ready()?;
        let commit = &draft.commit;
        let known = self.with_index(|index| index.of_lineage(&commit.lineage, 8))?;
        // The process was killed between recording the run and removing the mark.
        if known.iter().any(|(_, known, _)| known.started == commit.started) {
            return Ok(());
        }
        self.commit_once(draft, None).map(|_| ())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::layout::tests::empty;
    use super::super::recall::tests::candidate;
    use super::*;
    use crate::digest::Key;

    pub(in super::super) fn draft() -> Draft {
        let manifest = b"manifest".to_vec();
        let mut commit = candidate(1).commit;
        (commit.key, commit.outputs) = (Key(Digest::of(&manifest)), None);
        Draft {
            commit,
            manifest,
            tags: vec![("a".to_owned(), "b".to_owned())],
            evidence: Vec::new(),
            outputs: None,
            output_evidence: Vec::new(),
            consumed: Vec::new(),
        }
    }

    #[test]
    fn a_mark_says_what_was_known_and_any_damage_makes_it_say_nothing() {
        let (_directory, layout) = empty();
        let running = mark(&layout, &draft()).unwrap();
        let bytes = fs::read(&running.path).unwrap();
        let found = killed(bytes.as_slice()).unwrap();
        assert_eq!((found.commit.key, found.tags), (draft().commit.key, draft().tags));
        assert_eq!(found.commit.termination, Termination::Signaled(9));
        for length in 0..bytes.len() {
            assert!(killed(&bytes[..length]).is_none());
        }
        for place in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[place] ^= 4;
            assert!(killed(damaged.as_slice()).is_none());
        }
    }
}
