//! Runs a recorded command again and compares the result with the record; leaves the work tree and the store unchanged.
//!
//! Where the text of a difference does not show its cause, a second run distinguishes what differs every time from what has
//! changed.

mod attempt;
mod call;
mod cause;
mod contents;
mod outputs;
mod signals;
mod streams;
mod undo;

pub use cause::Cause;
pub use contents::Contrast;

use super::reason::Difference;
use super::references::Held;
use crate::digest::{CommitId, Digest};
use crate::error::{Kind, Result};
use crate::exec::Executor;
use crate::hash::capture::{self, Captured};
use crate::hash::manifest::Manifest;
use crate::hash::request::Request;
use crate::record::{Commit, OutputKind, OutputTree, Places, Recall, Termination};
use crate::store::Store;
use attempt::{Attempt, Attempted};
use signals::Noted;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};

/// Input of a verification.
pub struct VerifyContext<'a> {
    /// The store that contains the run.
    pub store: &'a dyn Store,
    /// The memory of captures; nothing is added to it.
    pub recall: &'a dyn Recall,
    /// Runs commands.
    pub executor: &'a dyn Executor,
    /// Root and HOME.
    pub places: &'a Places,
    /// The working directory.
    pub directory: &'a Path,
    /// The environment for the child.
    pub environment: Vec<(OsString, OsString)>,
    /// The present standard input.
    pub stdin: BorrowedFd<'a>,
    /// Globs of writes that are not outputs, relative to the working directory.
    pub ignored_writes: &'a [OsString],
    /// Run only once, even where a second run would show more.
    pub once: bool,
}

/// A recorded run.
#[derive(Clone, Copy)]
pub struct Recorded<'a> {
    /// Its id.
    pub id: CommitId,
    /// The commit.
    pub commit: &'a Commit,
    /// Everything that was known before it ran.
    pub manifest: &'a Manifest,
    /// Its outputs.
    pub outputs: &'a OutputTree,
}

/// Result of a verification.
#[derive(Debug)]
pub enum Verdict {
    /// The command ran, with the same result.
    Same,
    /// The command ran, with a different result.
    Differs {
        /// The differences.
        mismatches: Vec<Mismatch>,
        /// Number of runs.
        runs: u32,
    },
    /// It was not run: here it would not be the same run.
    CannotRun(Vec<Obstacle>),
    /// A signal arrived while it ran.
    Interrupted(i32),
}

/// Why a run cannot be verified here.
#[derive(Clone, Debug)]
pub enum Obstacle {
    /// A dependency has changed.
    Differs(Box<Difference>),
    /// This path changed while the command ran.
    Moved(PathBuf),
    /// Another reason, as a message.
    Other(String),
}

/// A part of a result.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Item {
    /// The termination of the command.
    Termination,
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// The output with this path relative to the root.
    Output(Vec<u8>),
}

/// A difference between a result and the record.
#[derive(Clone, Debug)]
pub struct Mismatch {
    /// The part that differs.
    pub item: Item,
    /// The difference.
    pub how: How,
    /// Its causes, as far as they are known.
    pub causes: Vec<Cause>,
}

/// The kind of a difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum How {
    /// The command ended in another way.
    Ended {
        /// Recorded.
        then: Termination,
        /// Now.
        now: Termination,
    },
    /// Other bytes.
    Content(Contrast),
    /// Other permission bits.
    Mode {
        /// Recorded.
        then: u32,
        /// Now.
        now: u32,
    },
    /// Another file type, or another link target; `None` for a type that cannot be recorded.
    Kind {
        /// Recorded.
        then: OutputKind,
        /// Now.
        now: Option<OutputKind>,
    },
    /// A recorded output is missing now.
    Missing,
    /// An output that was not recorded.
    Additional,
    /// A file that existed before is removed now; the recorded run kept it.
    Removed,
    /// A process left behind still holds the stream open.
    StillHeld,
}

/// The state of each part after a run, in a form that can be compared between runs.
type Fingerprints = BTreeMap<Item, Digest>;

/// Runs the command of a recorded run again, if it would be the same run here, and compares the results.
///
/// # Errors
/// When the recorded result is damaged or missing; when something could not be restored.
pub fn verify(context: &VerifyContext<'_>, recorded: Recorded<'_>) -> Result<Verdict> {
    let (request, captured, _held) = match prepare(context, recorded)? {
        Ok(prepared) => prepared,
        Err(obstacles) => return Ok(Verdict::CannotRun(obstacles)),
    };
    let noted = Noted::begin();
    let attempt = Attempt { context, recorded, request: &request, captured: &captured, noted: &noted };
    let (mut mismatches, first) = match attempt.run()? {
        Attempted::Ran { mismatches, fingerprints } => (mismatches, fingerprints),
        Attempted::CannotRun(obstacles) => return Ok(Verdict::CannotRun(obstacles)),
        Attempted::Interrupted(signal) => return Ok(Verdict::Interrupted(signal)),
    };
    if mismatches.is_empty() {
        return Ok(Verdict::Same);
    }
    let unexplained = mismatches.iter().any(|mismatch| mismatch.causes.is_empty());
    if context.once || !unexplained {
        return Ok(Verdict::Differs { mismatches, runs: 1 });
    }
    match attempt.run()? {
        Attempted::Ran { fingerprints: second, .. } => {
            judge(&mut mismatches, &first, &second);
            Ok(Verdict::Differs { mismatches, runs: 2 })
        }
        // The result of the first run remains valid.
        Attempted::CannotRun(_) => Ok(Verdict::Differs { mismatches, runs: 1 }),
        Attempted::Interrupted(signal) => Ok(Verdict::Interrupted(signal)),
    }
}

/// A part that differs between two consecutive runs is random; a part in which they agree has changed.
fn judge(mismatches: &mut [Mismatch], first: &Fingerprints, second: &Fingerprints) {
    for mismatch in mismatches.iter_mut().filter(|mismatch| mismatch.causes.is_empty()) {
        let agree = first.get(&mismatch.item) == second.get(&mismatch.item);
        mismatch.causes.push(if agree { Cause::Change } else { Cause::Random });
    }
}

/// Reconstructs the call of a recorded run. The inner error is a message with the reason why that is impossible.
///
/// # Errors
/// When the store cannot be read.
pub fn request_of(
    context: &VerifyContext<'_>,
    recorded: Recorded<'_>,
) -> Result<Result<(Request, Held), String>> {
    if call::is_redacted(recorded.manifest) {
        return Ok(Err("an argument was redacted; only its digest is known".to_owned()));
    }
    let (mut request, held) = match call::request(context, recorded.commit, recorded.manifest) {
        Ok(called) => called,
        Err(error) if error.kind() == Kind::Damaged => {
            return Ok(Err(format!("a product that it was made from is no longer stored: {error}")));
        }
        Err(error) => return Err(error),
    };
    if call::all_raw(recorded.manifest) {
        let silent = Silent(context.recall);
        let exact = Request { exact_source: true, ..request.clone() };
        if let (Ok(plain), Ok(raw)) = (
            capture::capture_like(&request, recorded.manifest, &silent),
            capture::capture_like(&exact, recorded.manifest, &silent),
        ) && plain.key != recorded.commit.key
            && fewer(&raw, &plain, recorded.manifest)
        {
            request = exact;
        }
    }
    Ok(Ok((request, held)))
}

/// Reconstructs the call, if everything known before the run is unchanged.
fn prepare(
    context: &VerifyContext<'_>,
    recorded: Recorded<'_>,
) -> Result<Result<(Request, Captured, Held), Vec<Obstacle>>> {
    let other = |words: String| Ok(Err(vec![Obstacle::Other(words)]));
    if call::is_redacted(recorded.manifest) {
        return other("an argument was redacted; only its digest is known".to_owned());
    }
    let (mut request, held) = match call::request(context, recorded.commit, recorded.manifest) {
        Ok(called) => called,
        Err(error) if error.kind() == Kind::Damaged => {
            return other(format!("a product that it was made from is no longer stored: {error}"));
        }
        Err(error) => return Err(error),
    };
    if !request.directory.is_dir() {
        return other(format!(
            "the directory {} does not exist",
            recorded.commit.directory.shown().display()
        ));
    }
    let silent = Silent(context.recall);
    let mut captured = match capture::capture_like(&request, recorded.manifest, &silent) {
        Ok(captured) => captured,
        Err(error) => return other(error.to_string()),
    };
    if captured.key != recorded.commit.key && call::all_raw(recorded.manifest) {
        let exact = Request { exact_source: true, ..request.clone() };
        if let Ok(again) = capture::capture_like(&exact, recorded.manifest, &silent)
            && fewer(&again, &captured, recorded.manifest)
        {
            (request, captured) = (exact, again);
        }
    }
    if captured.key == recorded.commit.key {
        return Ok(Ok((request, captured, held)));
    }
    let changes = captured.manifest.diff(recorded.manifest);
    if changes.is_empty() {
        return other("its facts were recorded by another version".to_owned());
    }
    Ok(Err(changes
        .into_iter()
        .map(|change| Obstacle::Differs(Box::new(Difference::Known(change))))
        .collect()))
}

fn fewer(one: &Captured, other: &Captured, recorded: &Manifest) -> bool {
    one.manifest.diff(recorded).len() < other.manifest.diff(recorded).len()
}

/// A memory that ignores additions.
struct Silent<'a>(&'a dyn Recall);

impl Recall for Silent<'_> {
    fn find(&self, request: &crate::digest::RequestId) -> Option<Vec<u8>> {
        self.0.find(request)
    }

    fn remember(&self, _: &crate::digest::RequestId, _: &[u8]) {}

    fn forget(&self, _: &crate::digest::RequestId) {}

    fn secret(&self) -> [u8; 32] {
        self.0.secret()
    }
}
