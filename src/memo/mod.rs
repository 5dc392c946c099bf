//! The algorithm: look up, claim, run, record.
//!
//! Knows nothing about clap, colours, SQL, zstd, fork or seccomp.

pub mod accept;
mod alike;
mod asked;
mod attributes;
mod audit;
mod beside;
mod by_content;
mod call;
mod clones;
mod compare;
mod declared;
mod deferred_recall;
mod escapes;
mod event;
mod explain;
mod follow;
pub mod foreign;
mod handing;
mod hit;
mod invocation;
mod keep;
mod look_up;
mod moving;
mod nested;
mod observe;
pub(crate) mod outputs;
mod patience;
mod place_search;
mod policy;
mod products;
mod publish;
mod reason;
mod references;
mod replay;
mod settle;
mod shared;
mod shown;
mod stdin;
mod tail;
mod tee;
mod terminals;
mod unfinished;
pub mod verify;

pub use audit::{Audit, audit};
pub use call::nothing_to_replay;
pub use event::{Event, Observer, Parted};
pub use handing::hand_over;
pub use policy::{Mode, Policy, Statuses, Watching, WrittenHits};
pub use publish::{Published, Unpublished, kept_here, publish};
pub use reason::{Bypass, Difference, Kept, MissReason, NotKept, Outcome, Unawaited, cure, observed_path};
pub use references::{Held, Product, Products, first_reference, open_stdin, resolve_references};
pub use shared::FROM;
pub use stdin::GivenStdin;
pub use tail::Tail;
pub use unfinished::recover;

use crate::digest::{CommitId, DIGEST_LENGTH, Key};
use crate::error::{Error, Kind, Result};
use crate::exec::{self, Executor, Finished, Output, StreamEnd, Unwatched, WatchMode, one_target};
use crate::hash::capture::{self, Captured};
use crate::hash::holds::Present;
use crate::hash::request::{Request, StdinPart};
use crate::hash::stat_cache::StatCache;
use crate::record::{Recall, Resources, StoredPath, Termination, Timestamp};
use crate::remote::Remote;
use crate::store::Store;
use invocation::Call;
use std::os::fd::BorrowedFd;
use std::path::Path;
use stdin::{Given, StdinAtStart};

/// The parts that a call uses.
pub struct Context<'a> {
    /// The store; `None` if there is none that can be used, with the reason in `no_store`.
    pub store: Option<&'a dyn Store>,
    /// Why there is no store.
    pub no_store: Option<String>,
    /// The remembered captures.
    pub recall: &'a (dyn Recall + Sync),
    /// What runs commands.
    pub executor: &'a dyn Executor,
    /// Receives the events of the call.
    pub observer: &'a dyn Observer,
    /// Shared caches, asked in this order if the store has no result that holds.
    pub remotes: &'a [Remote],
    /// cashet's standard input.
    pub stdin: BorrowedFd<'a>,
    /// The descriptor that the command's stdout goes to.
    pub stdout: BorrowedFd<'a>,
    /// The descriptor that the command's stderr goes to.
    pub stderr: BorrowedFd<'a>,
}

/// How a call was answered.
#[derive(Debug)]
pub struct Answer {
    /// Replayed, run, or run without caching; and why.
    pub outcome: Outcome,
    /// How the command ended, now or when it was recorded.
    pub termination: Termination,
    /// The key, if one was computed.
    pub key: Option<Key>,
    /// The commit that was replayed or recorded.
    pub commit: Option<CommitId>,
    /// The resources of the run, now or when it was recorded.
    pub resources: Resources,
    /// Number of outputs.
    pub outputs: usize,
    /// The observations of the commit that was replayed or recorded.
    pub observations: Vec<crate::record::Observation>,
    /// The system's error number, if standard output or error did not accept everything that the command wrote.
    pub lost_output: Option<i32>,
    /// The facts known before the run, if they were captured.
    pub manifest: Option<crate::hash::manifest::Manifest>,
}

/// Answers a call: replays a result that holds, or runs the command and records the result if it can be cached.
///
/// # Errors
/// The call is invalid, the command cannot be started, or there is nothing to replay in [`Mode::Replay`]. Problems of the store
/// are not errors: the command runs.
pub fn memoize(
    context: &Context<'_>,
    request: &Request,
    stdin: Option<GivenStdin>,
    policy: &Policy,
) -> Result<Answer> {
    let call = Call { context, policy, stdin: stdin.map(Given::new), began: file_clock() };
    if policy.mode == Mode::Off {
        return call.bypass(request, Bypass::Off);
    }
    let Some(store) = context.store else {
        let reason = context.no_store.clone().unwrap_or_else(|| "there is none".to_owned());
        return call.bypass(request, Bypass::Store(reason));
    };
    nested::begins(store.workspace());
    recover(store.workspace(), context.observer);
    if policy.watching == Watching::Off {
        return call.unwatched(request, store, Unwatched::Off);
    }
    match call.answer(request, store, WatchMode::Require) {
        Err(error) if error.kind() == Kind::CannotWatch => match policy.watching {
            Watching::Require => Err(error),
            _ => call.unwatched(request, store, Unwatched::Unavailable(error.to_string())),
        },
        other => other,
    }
}

/// Says whether a call would be a hit: the same steps as [`memoize`], without running, replaying or recording anything.
///
/// # Errors
/// The call is invalid, or the store cannot be read.
pub fn check(context: &Context<'_>, request: &Request, policy: &Policy) -> Result<Checked> {
    if policy.mode == Mode::Off {
        return Ok(Checked::Bypass(Bypass::Off));
    }
    if policy.watching != Watching::Off {
        return hit::check(context, request, policy);
    }
    match declared_only(context, request, policy, Unwatched::Off)? {
        Ok(request) => hit::check(context, &request, policy),
        Err(bypass) => Ok(Checked::Bypass(bypass)),
    }
}

/// Whether a call would be a hit.
#[derive(Debug)]
pub enum Checked {
    /// A hit.
    Hit {
        /// The commit.
        commit: CommitId,
        /// The observations.
        observations: Vec<crate::record::Observation>,
    },
    /// A miss.
    Miss {
        /// Why.
        why: MissReason,
        /// The facts of the call.
        manifest: Option<crate::hash::manifest::Manifest>,
    },
    /// The command would run without caching.
    Bypass(Bypass),
}

/// The system's clock for file times, which is coarser than the precise clock: a file that changes after this time gets this time
/// or a later one.
fn file_clock() -> Timestamp {
    let clock = nix::time::ClockId::CLOCK_REALTIME_COARSE;
    let now = nix::time::clock_gettime(clock);
    // Without such a clock, everything counts as changed since.
    now.map_or_else(|_| Timestamp::default(), |now| Timestamp::from_parts(now.tv_sec(), now.tv_nsec()))
}

/// Why a call is not looked up, if it is not.
fn bypass_of(
    sensitive: Option<&std::ffi::OsString>,
    volatile: Option<&str>,
    policy: &Policy,
) -> Option<Bypass> {
    if let Some(word) = sensitive {
        return Some(Bypass::Descriptor(word.clone()));
    }
    let volatile = volatile.filter(|_| policy.time_to_live.is_none() && !policy.pure);
    volatile.map(|program| Bypass::Volatile(program.to_owned()))
}

/// The request for `manifest`: an unwatched call depends only on what it declares.
///
/// # Errors
/// Standard input cannot be read.
pub fn as_it_was_watched(
    context: &Context<'_>,
    request: &Request,
    policy: &Policy,
    manifest: &crate::hash::manifest::Manifest,
) -> Result<Request> {
    use crate::hash::manifest::Part;
    let was_declared = manifest.get(&Part::Flag("declared-only".to_owned())).is_some();
    if request.words_are_inputs || !(was_declared || policy.watching == Watching::Off) {
        return Ok(request.clone());
    }
    let made = declared_only(context, request, policy, Unwatched::Off)?;
    Ok(made.unwrap_or_else(|_| request.clone()))
}

/// The request of an unwatched call, in which everything that it declares counts; or why it can only run without caching.
fn declared_only(
    context: &Context<'_>,
    request: &Request,
    policy: &Policy,
    why: Unwatched,
) -> Result<Result<Request, Bypass>> {
    let declares = policy.pure || !request.inputs.is_empty() || !request.outputs.is_empty();
    if !declares {
        return Ok(Err(Bypass::Unwatched(why)));
    }
    let mut request = request.clone();
    request.words_are_inputs = true;
    if request.stdin == StdinPart::None {
        let stdin = StdinAtStart::look(context.stdin);
        match &stdin {
            StdinAtStart::Stream(_) => return Ok(Err(Bypass::Stdin)),
            StdinAtStart::File { file, offset, .. } => {
                exec::nested::tell(exec::nested::Depends::StdinContent);
                let digest =
                    stdin.digest().map_err(|error| Error::io("read", Path::new("standard input"), error))?;
                if let Some(digest) = digest {
                    request.reads_stdin(digest, file, *offset);
                }
            }
            StdinAtStart::Closed | StdinAtStart::Empty | StdinAtStart::Terminal => {}
        }
    }
    Ok(Ok(request))
}

/// The present state, as the child of a call would find it.
fn present<'a>(
    context: &Context<'a>,
    request: &'a Request,
    environment: &'a [(std::ffi::OsString, std::ffi::OsString)],
    secret: &'a dyn Fn() -> [u8; DIGEST_LENGTH],
    seen: Option<&'a StatCache>,
) -> Present<'a> {
    Present {
        places: &request.places,
        environment,
        circumstances: context.executor.circumstances(),
        secret,
        now: Timestamp::now(),
        seen,
    }
}

/// The newest modification time of the files in the key.
fn newest_of(captured: &Captured, request: &Request) -> Timestamp {
    let facts = captured.facts.iter().map(|(observation, evidence)| (observation, evidence.as_ref()));
    capture::newest(facts, &request.places)
}

/// The reason for a miss, before it is explained.
#[derive(Debug)]
enum Miss {
    /// No commit of the key.
    Unknown,
    /// The call asked for it.
    Forced,
    /// Commits of the key, whose observations do not hold.
    Changed {
        /// The newest of them.
        newest: CommitId,
        /// The one that differs least.
        since: CommitId,
        /// The differences.
        changes: Vec<Difference>,
    },
    /// Too old, by this age in nanoseconds.
    Expired(u64),
    /// Stored bytes are damaged.
    Damaged(crate::digest::BlobId),
    /// The result was removed while it was being replayed.
    Dropped,
    /// The outputs could not be restored.
    NotRestored(String),
    /// An identical run that had begun before this call may have used another state of this path than this call found.
    Moved(StoredPath),
}

fn answer_of(finished: &Finished, outcome: Outcome) -> Answer {
    Answer {
        outcome,
        termination: finished.termination,
        key: None,
        commit: None,
        resources: finished.resources,
        outputs: 0,
        observations: Vec::new(),
        lost_output: lost_output(finished),
        manifest: None,
    }
}

/// How the output of an unrecorded command reaches the user: directly, unless cashet needs to know how it ends.
fn unrecorded(context: &Context<'_>) -> Output<'static> {
    if !context.observer.wants_tail() {
        Output::Direct
    } else if one_target(context.stdout, context.stderr) {
        Output::Merged { spool: None }
    } else {
        Output::Recorded { spool: None }
    }
}

/// Whether output of the command was lost. A stream that was closed from the start was closed for the command too, and a reader
/// that stops after a signal wants no more.
fn lost_output(finished: &Finished) -> Option<i32> {
    [finished.stdout, finished.stderr].into_iter().find_map(|end| match end {
        StreamEnd::WriteFailed(errno) if errno != libc::EBADF && errno != libc::EINTR => Some(errno),
        _ => None,
    })
}
