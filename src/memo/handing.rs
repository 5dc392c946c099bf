//! Writes the streams of a recorded run to the user, who may have seen a part of them while it ran on another machine.

use super::replay::{Replay, Replayed};
use super::tail::Tail;
use crate::error::{Error, Result};
use crate::record::{Commit, Termination};
use crate::store::BlobStore;
use std::io::{self, Read};
use std::os::fd::BorrowedFd;
use std::path::Path;

/// Writes the output of `commit` to stdout and stderr, without the bytes that were already shown. Returns how the command ended;
/// by SIGPIPE if the reader closed the pipe.
///
/// # Errors
/// When the store does not have the streams, or a descriptor does not take them.
pub fn hand_over(
    store: &dyn BlobStore,
    commit: &Commit,
    to: [BorrowedFd<'_>; 2],
    shown: [u64; 2],
) -> Result<Termination> {
    let [to_stdout, to_stderr] = to;
    let mut streams = [store.read(&commit.stdout.blob)?, store.read(&commit.stderr.blob)?];
    for (stream, shown) in streams.iter_mut().zip(shown) {
        let skipped = io::copy(&mut stream.take(shown), &mut io::sink());
        skipped.map_err(|error| Error::io("read recorded", Path::new("output"), error))?;
    }
    let [stdout, stderr] = streams;
    let replay = Replay { stdout, stderr, to_stdout, to_stderr };
    let (replayed, _) = replay.run_from(&commit.order, shown, Tail::default())?;
    Ok(match replayed {
        Replayed::Whole => commit.termination,
        Replayed::ReaderGone => Termination::Signaled(libc::SIGPIPE),
    })
}
