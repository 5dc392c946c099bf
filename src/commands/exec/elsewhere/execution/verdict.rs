//! Whether the result of a run on a worker is taken: each answer that the run was given there is compared with the one here.

use super::Execution;
use crate::digest::{BlobId, Digest};
use crate::elsewhere::LeftRun;
use crate::encode::Decode;
use crate::error::{Error, Kind, Result};
use crate::memo::foreign;
use crate::memo::{Difference, Mode, Policy};
use crate::record::{Base, Commit, Content, FileState, Observation, OutputTree, StoredPath};
use crate::ui::miss;
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};

/// Largest encoded list of outputs, in bytes.
const LARGEST_TREE: u64 = 256 << 20;

/// What to do with a run.
pub(super) enum Verdict {
    /// It is taken.
    Taken,
    /// These were missed there, and are here.
    Missed { paths: Vec<PathBuf>, listed: Vec<PathBuf>, variables: Vec<String>, first: String },
    /// It rests on something else than what is here.
    Rejected(String),
}

impl Execution<'_> {
    /// The run that the worker recorded, with the token of the toolchain in place of system files; its list of outputs.
    pub(super) fn foreign(&mut self, run: &LeftRun) -> Result<(Commit, Option<OutputTree>)> {
        let wrong = || Error::new(Kind::Other, "the record of the worker is malformed");
        let mut commit = Commit::from_bytes(&run.commit).map_err(|_| wrong())?;
        if commit.id() != run.id || commit.key != self.manifest.key() && !self.call.latest {
            return Err(wrong());
        }
        let token = self.there.token()?;
        commit.observations = token.instead(&commit.observations).ok_or_else(wrong)?;
        commit.observations.retain(|observation| !is_of_worker(observation));
        commit.parent = None;
        let outputs = match commit.outputs {
            None => None,
            Some(content) => {
                let bytes = self.list_of_outputs(&content, run)?;
                Some(OutputTree::from_bytes(&bytes).map_err(|_| wrong())?)
            }
        };
        Ok((commit, outputs))
    }

    /// The encoded list of outputs. It is not stored: whether the result is taken is not known yet.
    fn list_of_outputs(&mut self, content: &Content, run: &LeftRun) -> Result<Vec<u8>> {
        if let Some(bytes) = run.by_blob().remove(&content.blob) {
            return Ok(bytes.to_vec());
        }
        if content.size > LARGEST_TREE {
            return Err(Error::new(Kind::Other, format!("the list of outputs has {} bytes", content.size)));
        }
        let store = self.store()?;
        let mut from: Box<dyn Read> = if store.has(content) {
            store.read(&content.blob)?
        } else {
            let mut file = store.scratch()?;
            self.there.fetch(content, &file)?;
            file.rewind().map_err(|error| Error::io("read", Path::new("the list of outputs"), error))?;
            Box::new(file)
        };
        let mut bytes = Vec::new();
        let read = from.read_to_end(&mut bytes);
        read.map_err(|error| Error::io("read", Path::new("the list of outputs"), error))?;
        if BlobId(Digest::of(&bytes)) == content.blob { Ok(bytes) } else { Err(other_bytes(content)) }
    }

    /// Compares all answers with those that are given here.
    pub(super) fn judge(&self, commit: &Commit, outputs: Option<&OutputTree>) -> Result<Verdict> {
        let request = self.ground.request();
        let policy = Policy { mode: Mode::Replay, ..self.ground.policy().clone() };
        let differences = foreign::disagreements(self.context, request, &policy, (commit, outputs))?;
        if differences.is_empty() {
            return Ok(Verdict::Taken);
        }
        let words = request.shown_words();
        let call = miss::Call { words: &words, places: &request.places, store: self.ground.store() };
        let phrase = |differences: &[Difference]| {
            let phrases = miss::differences(&call, differences, &commit.id(), None);
            phrases.into_iter().next().unwrap_or_else(|| "something differs here".to_owned())
        };
        let rejected = |why: &Difference| Ok(Verdict::Rejected(phrase(std::slice::from_ref(why))));
        let (mut paths, mut listed, mut variables) = (Vec::new(), Vec::new(), Vec::new());
        for difference in &differences {
            let Difference::Seen { then, .. } = difference else { return rejected(difference) };
            match then {
                Observation::Variable { name, value: None } => {
                    variables.push(String::from_utf8_lossy(name).into_owned());
                }
                _ => match missed(then) {
                    Some(Missed::Path(path)) if path.base() == Base::Root => {
                        paths.push(request.places.resolve(path));
                    }
                    Some(Missed::Entries(path)) if path.base() == Base::Root => {
                        listed.push(request.places.resolve(path));
                    }
                    _ => return rejected(difference),
                },
            }
        }
        Ok(Verdict::Missed { paths, listed, variables, first: phrase(&differences) })
    }
}

/// A blob whose bytes do not have its digest.
pub(super) fn other_bytes(content: &Content) -> Error {
    Error::new(Kind::Other, format!("the server has other bytes for blob {}", content.blob.short()))
}

/// Whether an observation says only that a worker has a directory that every system has, and which mode that has there.
fn is_of_worker(observation: &Observation) -> bool {
    const DIRECTORIES: [&str; 6] = ["/tmp", "/var/tmp", "/dev", "/dev/shm", "/run", "/home"];
    let Observation::State { path, state: FileState::Directory { .. }, .. } = observation else {
        return false;
    };
    path.base() == Base::Absolute && DIRECTORIES.iter().any(|known| known.as_bytes() == path.rest())
}

/// What a run missed.
enum Missed<'a> {
    Path(&'a StoredPath),
    Entries(&'a StoredPath),
}

/// What a run missed, if the answer says that something was absent there. Whether it exists here is for the caller to find.
fn missed(then: &Observation) -> Option<Missed<'_>> {
    match then {
        Observation::State { path, state: FileState::Absent | FileState::Directory { .. }, .. } => {
            Some(Missed::Path(path))
        }
        Observation::Listing { path, .. }
        | Observation::Importable { path, .. }
        | Observation::Modules { path, .. }
        | Observation::Distributions { path, .. }
        | Observation::Entries { path, .. } => Some(Missed::Entries(path)),
        _ => None,
    }
}
