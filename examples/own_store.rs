//! A store of one's own: results are kept in memory, and gone when the program ends.
//!
//! `cargo run --example own_store` runs a command twice in a directory of its own; the second time it is replayed.

use cashet::digest::{BlobId, CommitId, Digest, Key, LineageId};
use cashet::record::{Commit, Content};
use cashet::store::{BlobStore, BlobWriter, Candidate, Claim, Claims, Draft, Event, ResultIndex, Workspace};
use cashet::{Context, Error, Outcome, Policy, Project, Request, Result, Store, Unix, memoize};
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Cursor, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

type Bytes = Arc<Mutex<HashMap<BlobId, Vec<u8>>>>;

/// Keeps blobs and commits in memory. The directory is for what a run needs on disk: copies of products that words
/// refer to, files that were in the way of outputs.
struct Memory {
    directory: PathBuf,
    blobs: Bytes,
    commits: Mutex<HashMap<Key, Vec<Candidate>>>,
}

/// The lock of `mutex`, whatever became of who held it before.
fn hold<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A blob that is being written.
struct Growing {
    bytes: Vec<u8>,
    blobs: Bytes,
}

impl Write for Growing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// All bytes of `file`, whose offset stays.
fn whole(file: &File) -> io::Result<Vec<u8>> {
    let (mut bytes, mut piece) = (Vec::new(), vec![0; 64 * 1024]);
    loop {
        match file.read_at(&mut piece, bytes.len() as u64)? {
            0 => return Ok(bytes),
            count => bytes.extend(piece.iter().take(count)),
        }
    }
}

impl BlobWriter for Growing {
    fn finish(self: Box<Self>) -> Result<Content> {
        let content = Content { blob: BlobId(Digest::of(&self.bytes)), size: self.bytes.len() as u64 };
        hold(&self.blobs).insert(content.blob, self.bytes);
        Ok(content)
    }
}

impl ResultIndex for Memory {
    fn find(&self, key: &Key) -> Result<Vec<Candidate>> {
        let mut found = hold(&self.commits).get(key).cloned().unwrap_or_default();
        found.retain(|candidate| candidate.commit.is_replayable());
        found.reverse();
        Ok(found)
    }

    /// Only misses are explained by it.
    fn nearest(&self, _: &LineageId, _: &Digest, _: &[Vec<u8>]) -> Result<Option<(Commit, Vec<u8>)>> {
        Ok(None)
    }

    fn commit(&self, claim: Claim, draft: Draft) -> Result<CommitId> {
        let id = draft.commit.id();
        let candidate = Candidate {
            id,
            commit: draft.commit,
            evidence: draft.evidence,
            outputs: draft.outputs,
            output_evidence: draft.output_evidence,
            irrelevant_env: Vec::new(),
            inline: Vec::new(),
            strict: Vec::new(),
        };
        hold(&self.commits).entry(*claim.key()).or_default().push(candidate);
        Ok(id)
    }

    fn distrust(&self, key: &Key, commit: &CommitId) -> bool {
        let mut commits = hold(&self.commits);
        let Some(candidates) = commits.get_mut(key) else { return false };
        let before = candidates.len();
        candidates.retain(|candidate| candidate.id != *commit);
        candidates.len() < before
    }

    fn renew(&self, _: &Key, _: &Candidate) {}

    fn note(&self, _: &Event) {}
}

impl BlobStore for Memory {
    fn write(&self) -> Result<Box<dyn BlobWriter>> {
        Ok(Box::new(Growing { bytes: Vec::new(), blobs: Arc::clone(&self.blobs) }))
    }

    fn read(&self, blob: &BlobId) -> Result<Box<dyn Read + Send>> {
        let bytes = hold(&self.blobs).get(blob).cloned();
        let bytes = bytes.ok_or_else(|| Error::damaged(format!("blob {} is missing", blob.short())))?;
        Ok(Box::new(Cursor::new(bytes)))
    }

    fn take_file(&self, file: &File, sought: &[u8]) -> Result<(Content, bool)> {
        let bytes = whole(file).map_err(|source| Error::io("read", Path::new("an output"), source))?;
        let holds = !sought.is_empty() && bytes.windows(sought.len()).any(|window| window == sought);
        let content = Box::new(Growing { bytes, blobs: Arc::clone(&self.blobs) }).finish()?;
        Ok((content, holds))
    }
}

impl Claims for Memory {
    /// This program makes one call after the other; one that does not would wait here.
    fn claim(&self, key: &Key, _waiting: &mut dyn FnMut()) -> Result<Claim> {
        Ok(Claim::new(*key, None, false))
    }
}

impl Store for Memory {
    fn workspace(&self) -> Workspace<'_> {
        Workspace::new(&self.directory)
    }
}

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let store =
        Memory { directory: folder.path().join("store"), blobs: Bytes::default(), commits: Mutex::default() };
    let project = Project::find(std::env::current_dir()?, None, None);
    let words = ["sh", "-c", "echo a slow answer"].map(Into::into).to_vec();
    let request = Request::new(words, project.directory, project.places, std::env::vars_os().collect());
    let (stdin, stdout, stderr) = (io::stdin(), io::stdout(), io::stderr());
    let context = Context {
        store: Some(&store),
        no_store: None,
        recall: &(),
        executor: &Unix,
        observer: &(),
        remotes: &[],
        stdin: stdin.as_fd(),
        stdout: stdout.as_fd(),
        stderr: stderr.as_fd(),
    };
    for _ in 0..2 {
        let answer = memoize(&context, &request, None, &Policy { pure: true, ..Policy::default() })?;
        let how = match answer.outcome {
            Outcome::Hit { .. } => "replayed".to_owned(),
            Outcome::Ran { kept, .. } => format!("ran, kept: {kept:?}"),
            Outcome::Bypassed(why) => format!("ran bare: {}", why.detail()),
        };
        writeln!(io::stdout(), "{how}")?;
    }
    Ok(())
}
