//! Runs a recorded command again and compares what it does with what was recorded; leaves the work tree and the store
//! as they were.
//!
//! Where something differs for no reason that its text shows, a second run tells what differs every time from what
//! has changed.

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
use crate::error::{Error, Kind, Result};
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

/// What verifying works with.
pub struct Bench<'a> {
    /// Where the commit is.
    pub store: &'a dyn Store,
    /// What capture remembers; nothing is added to it.
    pub recall: &'a dyn Recall,
    /// What runs commands.
    pub executor: &'a dyn Executor,
    /// Root and HOME.
    pub places: &'a Places,
    /// Our working directory.
    pub directory: &'a Path,
    /// Our environment: the child gets it.
    pub environment: Vec<(OsString, OsString)>,
    /// Our standard input.
    pub stdin: BorrowedFd<'a>,
    /// Globs of writes that are no outputs, relative to our working directory.
    pub ignored_writes: &'a [OsString],
    /// Run only once, also where a second run would tell more.
    pub once: bool,
}

/// A commit with all that belongs to it.
#[derive(Clone, Copy)]
pub struct Recorded<'a> {
    /// Its id.
    pub id: CommitId,
    /// The commit.
    pub commit: &'a Commit,
    /// What was known before it ran.
    pub manifest: &'a Manifest,
    /// What it left.
    pub outputs: &'a OutputTree,
}

/// What verifying came to.
#[derive(Debug)]
pub enum Verdict {
    /// It ran, and did the same.
    Same,
    /// It ran, so many times, and did something else.
    Differs {
        /// What differs.
        departures: Vec<Departure>,
        /// How often it ran.
        runs: u32,
    },
    /// It was not run: here it would not be the same run.
    CannotRun(Vec<Obstacle>),
    /// A signal came while it ran.
    Interrupted(i32),
}

/// Why a commit cannot be verified here.
#[derive(Clone, Debug)]
pub enum Obstacle {
    /// Something that decides the result is another.
    Differs(Box<Difference>),
    /// This moved while the command ran.
    Moved(PathBuf),
    /// Anything else, in words.
    Other(String),
}

/// What of a result differs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Item {
    /// How it ended.
    Termination,
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// The path relative to the root.
    Output(Vec<u8>),
}

/// A difference between a result and the record.
#[derive(Clone, Debug)]
pub struct Departure {
    /// What differs.
    pub item: Item,
    /// How.
    pub how: How,
    /// Why, as far as that can be told.
    pub causes: Vec<Cause>,
}

/// How something differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum How {
    /// It ended otherwise.
    Ended {
        /// As recorded.
        then: Termination,
        /// This time.
        now: Termination,
    },
    /// Other bytes.
    Content(Contrast),
    /// Other permission bits.
    Mode {
        /// As recorded.
        then: u32,
        /// This time.
        now: u32,
    },
    /// It is of another kind, or a link to elsewhere; `None` for a thing that cannot be recorded.
    Kind {
        /// As recorded.
        then: OutputKind,
        /// This time.
        now: Option<OutputKind>,
    },
    /// It was left then and is not left now.
    Missing,
    /// It is left now and was not then.
    Additional,
    /// It was there before and is removed now; then it was not.
    Removed,
    /// A process that was left behind still holds the stream.
    StillHeld,
}

/// What was found of each item, in a form that can be compared between runs.
type Prints = BTreeMap<Item, Digest>;

/// Runs a commit's command again, if here it would be the same run, and compares.
///
/// # Errors
/// The recorded result is damaged or gone; something could not be put back.
pub fn verify(bench: &Bench<'_>, recorded: Recorded<'_>) -> Result<Verdict> {
    let (request, captured, _held) = match prepare(bench, recorded)? {
        Ok(prepared) => prepared,
        Err(obstacles) => return Ok(Verdict::CannotRun(obstacles)),
    };
    let noted = Noted::begin();
    let attempt = Attempt { bench, recorded, request: &request, captured: &captured, noted: &noted };
    let (mut departures, first) = match attempt.run()? {
        Attempted::Ran { departures, prints } => (departures, prints),
        Attempted::CannotRun(obstacles) => return Ok(Verdict::CannotRun(obstacles)),
        Attempted::Interrupted(signal) => return Ok(Verdict::Interrupted(signal)),
    };
    if departures.is_empty() {
        return Ok(Verdict::Same);
    }
    let unexplained = departures.iter().any(|departure| departure.causes.is_empty());
    if bench.once || !unexplained {
        return Ok(Verdict::Differs { departures, runs: 1 });
    }
    match attempt.run()? {
        Attempted::Ran { prints: second, .. } => {
            judge(&mut departures, &first, &second);
            Ok(Verdict::Differs { departures, runs: 2 })
        }
        // What the first run found stands.
        Attempted::CannotRun(_) => Ok(Verdict::Differs { departures, runs: 1 }),
        Attempted::Interrupted(signal) => Ok(Verdict::Interrupted(signal)),
    }
}

/// What differs between two runs in a row differs every time; what they agree on has changed.
fn judge(departures: &mut [Departure], first: &Prints, second: &Prints) {
    for departure in departures.iter_mut().filter(|departure| departure.causes.is_empty()) {
        let agree = first.get(&departure.item) == second.get(&departure.item);
        departure.causes.push(if agree { Cause::Change } else { Cause::Random });
    }
}

/// The call as it was made, if what is known before a run is what it was then.
fn prepare(
    bench: &Bench<'_>,
    recorded: Recorded<'_>,
) -> Result<Result<(Request, Captured, Held), Vec<Obstacle>>> {
    let other = |words: String| Ok(Err(vec![Obstacle::Other(words)]));
    if call::is_redacted(recorded.manifest) {
        return other("an argument was redacted, and is known by its digest alone".to_owned());
    }
    let (mut request, held) = match call::request(bench, recorded.commit, recorded.manifest) {
        Ok(called) => called,
        Err(error) if error.kind() == Kind::Damaged => {
            return other(format!("a product that it was made from is no longer stored: {error}"));
        }
        Err(error) => return Err(error),
    };
    if !request.directory.is_dir() {
        return other(format!("the directory {} is not there", recorded.commit.directory.shown().display()));
    }
    let silent = Silent(bench.recall);
    let mut captured = match capture::capture(&request, &silent) {
        Ok(captured) => captured,
        Err(error) => return other(error.to_string()),
    };
    if captured.key != recorded.commit.key && call::all_raw(recorded.manifest) {
        let exact = Request { exact_source: true, ..request.clone() };
        if let Ok(again) = capture::capture(&exact, &silent)
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

/// A memory that nothing is added to.
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

/// As long as it lives, the working directory is another.
struct Standing<'a> {
    back: &'a Path,
}

impl<'a> Standing<'a> {
    fn at(directory: &Path, back: &'a Path) -> Result<Self> {
        std::env::set_current_dir(directory).map_err(|error| Error::io("go to", directory, error))?;
        Ok(Self { back })
    }
}

impl Drop for Standing<'_> {
    fn drop(&mut self) {
        // It may have been removed meanwhile: nothing is lost by staying.
        let _ = std::env::set_current_dir(self.back);
    }
}
