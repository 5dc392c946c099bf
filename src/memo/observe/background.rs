//! Digests files that are about to be moved or removed, in parallel to the process that does so: an open file keeps its content
//! when its name goes.

use crate::digest::Digest;
use crate::hash::files;
use crate::record::Evidence;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread::{self, JoinHandle};

/// Maximum number of open files. With more, the process waits.
const MOST_OPEN: usize = 128;

/// A file to digest, with its state when it was opened.
struct Job {
    path: PathBuf,
    file: File,
    evidence: Evidence,
}

/// A digested file that still has the same size and modification time.
pub(super) type Digested = (PathBuf, Evidence, Digest);

/// Digests files on a thread, which starts with the first file.
#[derive(Default)]
pub(super) struct Background(Option<(SyncSender<Job>, JoinHandle<Vec<Digested>>)>);

impl Background {
    /// Queues the regular file at `path` with its `evidence`. It is skipped if it cannot be opened or no thread can be started.
    pub(super) fn digest(&mut self, path: &Path, evidence: Evidence) {
        let Ok(file) = File::open(path) else { return };
        if self.0.is_none() {
            let (sender, receiver) = mpsc::sync_channel(MOST_OPEN);
            let work = move || receiver_digests(&receiver);
            self.0 = thread::Builder::new().spawn(work).ok().map(|thread| (sender, thread));
        }
        if let Some((sender, _)) = &self.0 {
            let _ = sender.send(Job { path: path.to_path_buf(), file, evidence });
        }
    }

    /// Waits until all files are digested.
    pub(super) fn finish(&mut self) -> Vec<Digested> {
        let Some((sender, thread)) = self.0.take() else { return Vec::new() };
        drop(sender);
        // If the thread panicked, there are no results.
        thread.join().unwrap_or_default()
    }
}

fn receiver_digests(receiver: &Receiver<Job>) -> Vec<Digested> {
    let digested = receiver.iter().filter_map(|Job { path, file, evidence }| {
        // Name, link count and change time may differ; the content must be the same.
        let is_same = || {
            file.metadata().is_ok_and(|now| {
                let now = Evidence::of(&now);
                (now.device, now.inode, now.size, now.modified)
                    == (evidence.device, evidence.inode, evidence.size, evidence.modified)
            })
        };
        let digest = is_same().then(|| files::digest_open(&file, evidence.size).ok()).flatten()?;
        is_same().then_some((path, evidence, digest))
    });
    digested.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn what_was_removed_meanwhile_is_digested_and_what_was_written_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let mut background = Background::default();
        let mut count = 0;
        for number in 0..300 {
            let path = folder.path().join(number.to_string());
            fs::write(&path, format!("text {number}")).unwrap();
            let evidence = Evidence::of(&fs::metadata(&path).unwrap());
            let evidence =
                if number % 3 == 0 { Evidence { size: evidence.size + 1, ..evidence } } else { evidence };
            background.digest(&path, evidence);
            fs::remove_file(&path).unwrap();
            count += usize::from(number % 3 != 0);
        }
        let digested = background.finish();
        assert_eq!(digested.len(), count);
        for (path, _, digest) in digested {
            let name = path.file_name().unwrap().to_str().unwrap();
            assert_eq!(digest, Digest::of(format!("text {name}").as_bytes()));
        }
        assert!(background.finish().is_empty());
    }
}
