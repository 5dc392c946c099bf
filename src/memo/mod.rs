//! The algorithm: look up, claim, run, keep.
//!
//! Knows nothing of clap, colours, SQL, zstd, fork or seccomp.

mod audit;
mod declared;
mod event;
mod keep;
mod look_up;
mod observe;
mod outputs;
mod policy;
mod reason;
mod references;
mod replay;
mod settle;
mod stdin;
mod tee;
pub mod verify;

pub use audit::{Audit, audit};
pub use event::{Event, Observer};
pub use policy::{Mode, Policy, Statuses, Watching};
pub use reason::{Bypass, Difference, Kept, MissReason, NotKept, Outcome, cure, observed_path};
pub use references::{Held, Products, first_reference, open_stdin, resolve_references};
pub use stdin::GivenStdin;

use crate::digest::{CommitId, Key};
use crate::error::{Error, Kind, Result};
use crate::exec::{Executor, Finished, Recorder, Spec, Stdin, Unwatched, WatchMode, Witness};
use crate::hash::capture::{self, Captured};
use crate::hash::look::Present;
use crate::hash::request::{Request, StdinPart};
use crate::record::{Recall, Resources, Stream, Termination, Timestamp};
use crate::store::{Claim, Store};
use look_up::{Found, Holding};
use std::os::fd::BorrowedFd;
use std::path::Path;
use stdin::StdinAtStart;

/// What a call works with.
pub struct Context<'a> {
    /// Where results are kept; `None` where there is no store to be used, with the reason in `no_store`.
    pub store: Option<&'a dyn Store>,
    /// Why there is no store.
    pub no_store: Option<String>,
    /// What capture remembers.
    pub recall: &'a dyn Recall,
    /// What runs commands.
    pub executor: &'a dyn Executor,
    /// Who is told what happens.
    pub observer: &'a dyn Observer,
    /// Our standard input.
    pub stdin: BorrowedFd<'a>,
    /// Where the command's stdout goes.
    pub stdout: BorrowedFd<'a>,
    /// Where the command's stderr goes.
    pub stderr: BorrowedFd<'a>,
}

/// How a call was answered.
#[derive(Debug)]
pub struct Answer {
    /// Replayed, run, or run bare; and why.
    pub outcome: Outcome,
    /// How the command ended, now or when it was recorded.
    pub termination: Termination,
    /// The key, where there was one.
    pub key: Option<Key>,
    /// The commit that was replayed or recorded.
    pub commit: Option<CommitId>,
    /// What the run took, now or when it was recorded.
    pub resources: Resources,
    /// Number of outputs.
    pub outputs: usize,
    /// What is being watched: the observations of the commit replayed or recorded.
    pub observations: Vec<crate::record::Observation>,
    /// The system's error number, where our standard output did not take all that the command wrote.
    pub lost_output: Option<i32>,
    /// The facts known before the run, where they were captured.
    pub manifest: Option<crate::hash::manifest::Manifest>,
}

/// Answers a call: replays what holds, else runs the command and keeps what can be kept.
///
/// # Errors
/// When the call is wrong, the command cannot be started, or nothing is there to replay in [`Mode::Replay`]. Troubles of
/// the store are not errors: the command runs.
pub fn memoize(
    context: &Context<'_>,
    request: &Request,
    stdin: Option<GivenStdin>,
    policy: &Policy,
) -> Result<Answer> {
    let mut call = Call { context, policy, stdin };
    if policy.mode == Mode::Off {
        return call.bypass(request, Bypass::Off);
    }
    let Some(store) = context.store else {
        let reason = context.no_store.clone().unwrap_or_else(|| "there is none".to_owned());
        return call.bypass(request, Bypass::Store(reason));
    };
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

/// Says whether a call would be answered by a commit: the same steps as [`memoize`], without running, replaying or
/// recording anything.
///
/// # Errors
/// When the call is wrong or the store cannot be read.
pub fn check(context: &Context<'_>, request: &Request, policy: &Policy) -> Result<Checked> {
    if policy.mode == Mode::Off {
        return Ok(Checked::Bypass(Bypass::Off));
    }
    if policy.watching != Watching::Off {
        return look_up::check(context, request, policy);
    }
    match declared_only(context, request, policy, Unwatched::Off)? {
        Ok(request) => look_up::check(context, &request, policy),
        Err(bypass) => Ok(Checked::Bypass(bypass)),
    }
}

/// Whether a call would be answered by a commit.
#[derive(Debug)]
pub enum Checked {
    /// By this one.
    Hit {
        /// The commit.
        commit: CommitId,
        /// What is being watched.
        observations: Vec<crate::record::Observation>,
    },
    /// By none.
    Miss {
        /// Why.
        why: MissReason,
        /// The facts that were looked for.
        manifest: Option<crate::hash::manifest::Manifest>,
    },
    /// It would run bare.
    Bypass(Bypass),
}

struct Call<'a> {
    context: &'a Context<'a>,
    policy: &'a Policy,
    /// What the child reads in place of our standard input, if the call says so.
    stdin: Option<GivenStdin>,
}

/// The system's clock for files, which ticks more slowly than the fine one: what changes after this moment is
/// stamped with this moment or a later one.
fn file_clock() -> Timestamp {
    let clock = nix::time::ClockId::CLOCK_REALTIME_COARSE;
    let now = nix::time::clock_gettime(clock);
    // Where there is no such clock, everything counts as changed since.
    now.map_or_else(|_| Timestamp::default(), |now| Timestamp::from_parts(now.tv_sec(), now.tv_nsec()))
}

/// Whether a commit of `key` was recorded after the look-up that ended in `miss`. Between that and the claim, another
/// call may have begun and ended.
fn is_recorded_since(store: &dyn Store, key: &Key, miss: &Miss) -> bool {
    let known = match miss {
        Miss::Unknown => None,
        Miss::Changed(newest, _) => Some(*newest),
        _ => return false,
    };
    store.find(key).is_ok_and(|found| found.first().map(|newest| newest.id) != known)
}

/// Why a call is never looked up, if it is not.
fn bypass_of(
    sensitive: Option<&std::ffi::OsString>,
    moment: Option<&str>,
    policy: &Policy,
) -> Option<Bypass> {
    if let Some(word) = sensitive {
        return Some(Bypass::Descriptor(word.clone()));
    }
    let moment = moment.filter(|_| policy.time_to_live.is_none() && !policy.pure);
    moment.map(|program| Bypass::Moment(program.to_owned()))
}

/// The request of a call that is not watched, in which all that it declares counts; or why it can only run bare.
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
            StdinAtStart::Stream => return Ok(Err(Bypass::Stdin)),
            StdinAtStart::File { file, offset, .. } => {
                let digest =
                    stdin.digest().map_err(|error| Error::io("read", Path::new("standard input"), error))?;
                if let Some(digest) = digest {
                    request.reads_stdin(digest, file, *offset);
                }
            }
            StdinAtStart::Empty | StdinAtStart::Terminal => {}
        }
    }
    Ok(Ok(request))
}

/// The newest time of what the key was made from.
fn newest_of(captured: &Captured, request: &Request) -> Timestamp {
    let facts = captured.facts.iter().map(|(observation, evidence)| (observation, evidence.as_ref()));
    capture::newest(facts, &request.places)
}

impl Call<'_> {
    /// The call where watching is impossible or unwanted: only what it declares can be kept.
    fn unwatched(&mut self, request: &Request, store: &dyn Store, why: Unwatched) -> Result<Answer> {
        match declared_only(self.context, request, self.policy, why)? {
            Ok(request) => self.answer(&request, store, WatchMode::Off),
            Err(bypass) => self.bypass(request, bypass),
        }
    }

    fn answer(&mut self, request: &Request, store: &dyn Store, watch: WatchMode) -> Result<Answer> {
        let now = Timestamp::now();
        let mut why = None;
        let looks_up =
            matches!(self.policy.mode, Mode::Auto | Mode::Read | Mode::Replay) && !self.policy.history_only;
        // The quick way: what capture remembers gives the key without reading anything.
        if looks_up && let Some(known) = capture::recall(request, self.context.recall, now) {
            if let Some(bypass) = bypass_of(known.sensitive.as_ref(), known.moment.as_deref(), self.policy) {
                return self.bypass_or_refuse(request, bypass);
            }
            match self.try_hit(request, store, &known.key, &known.environment, &|| known.newest)? {
                Ok(answer) => return Ok(answer),
                Err(reason) => why = Some(reason),
            }
        }
        let captured = capture::capture(request, self.context.recall, now)?;
        if let Some(bypass) = bypass_of(captured.sensitive.as_ref(), captured.moment.as_deref(), self.policy)
        {
            return self.bypass_or_refuse(request, bypass);
        }
        let newest = || newest_of(&captured, request);
        if looks_up && why.is_none() {
            match self.try_hit(request, store, &captured.key, &captured.environment, &newest)? {
                Ok(answer) => return Ok(answer),
                Err(reason) => why = Some(reason),
            }
        }
        if self.policy.mode == Mode::Replay {
            return Err(Error::new(
                Kind::NothingToReplay,
                "nothing to replay, and --mode replay runs nothing",
            )
            .with_hint("cashet check --explain says why"));
        }
        self.miss(request, store, &captured, watch, why)
    }

    fn bypass_or_refuse(&mut self, request: &Request, bypass: Bypass) -> Result<Answer> {
        if self.policy.mode == Mode::Replay {
            let message = format!("never replayed: {}", bypass.detail());
            return Err(Error::new(Kind::NothingToReplay, message));
        }
        self.bypass(request, bypass)
    }

    /// Replays a commit of `key` that holds now; `newest` is the time that its outputs must not look older than. The
    /// inner error says what stood against it.
    fn try_hit(
        &mut self,
        request: &Request,
        store: &dyn Store,
        key: &Key,
        environment: &[(std::ffi::OsString, std::ffi::OsString)],
        newest: &dyn Fn() -> Timestamp,
    ) -> Result<Result<Answer, Miss>> {
        let secret = || self.context.recall.secret();
        let present = Present {
            places: &request.places,
            environment,
            umask: crate::exec::umask,
            superuser: rustix::process::geteuid().is_root(),
            secret: &secret,
            now: Timestamp::now(),
        };
        match look_up::find(self.context, store, key, &present, self.policy) {
            Found::Hit(candidate, stale) => {
                let holding = Holding { candidate: *candidate, stale, newest };
                look_up::replay(self.context, store, request, key, self.policy, holding)
            }
            Found::Miss(miss) => Ok(Err(miss)),
        }
    }

    fn miss(
        &mut self,
        request: &Request,
        store: &dyn Store,
        captured: &Captured,
        watch: WatchMode,
        why: Option<Miss>,
    ) -> Result<Answer> {
        let mut not_kept = match self.policy.mode {
            Mode::Read => Some(NotKept::ReadOnly),
            _ => None,
        };
        let mut claim = None;
        let mut why =
            why.unwrap_or(if self.policy.mode == Mode::Refresh { Miss::Forced } else { Miss::Unknown });
        if not_kept.is_none() {
            match self.claim(store, &captured.key) {
                Ok(held) => {
                    let waited = held.waited();
                    let abandoned = held.follows_abandoned();
                    let newest = || newest_of(captured, request);
                    let looks_again = self.policy.mode == Mode::Auto && !self.policy.history_only;
                    if looks_again && (waited || is_recorded_since(store, &captured.key, &why)) {
                        // Somebody ran the same meanwhile: its result, if it was kept, is ours.
                        match self.try_hit(request, store, &captured.key, &captured.environment, &newest)? {
                            Ok(answer) => return Ok(answer),
                            Err(reason) => why = reason,
                        }
                    }
                    if abandoned {
                        not_kept = Some(NotKept::Alongside);
                    } else {
                        claim = Some(held);
                    }
                }
                Err(error) => {
                    self.context.observer.on(&Event::StoreTrouble(error.to_string()));
                    not_kept = Some(NotKept::Store(error.to_string()));
                }
            }
        }
        let why = look_up::explain(store, captured, request, why);
        keep::run(self, request, store, captured, watch, claim, not_kept, why)
    }

    fn claim(&self, store: &dyn Store, key: &Key) -> Result<Claim> {
        let mut waited = false;
        let claim = store.claim(key, &mut || {
            waited = true;
            self.context.observer.on(&Event::Waiting);
        });
        if waited {
            self.context.observer.on(&Event::WaitOver);
        }
        claim
    }

    /// What the child reads.
    fn child_stdin(&mut self, request: &Request) -> Stdin {
        match (self.stdin.take(), request.stdin) {
            (Some(given), _) => Stdin::File(given.file),
            (None, StdinPart::Null) => Stdin::Null,
            (None, _) => Stdin::Inherit,
        }
    }

    /// Runs the command as it would run bare.
    fn bypass(&mut self, request: &Request, bypass: Bypass) -> Result<Answer> {
        let program = capture::program(request)?;
        let spec = Spec {
            program: &program.path,
            words: &request.words,
            environment: &program.environment,
            stdin: self.child_stdin(request),
            stdout: self.context.stdout,
            stderr: self.context.stderr,
            watch: WatchMode::Off,
            unobserved: &[],
            behind_shim: None,
            followed: &[],
        };
        let finished = self.context.executor.run(spec, &mut Nothing, &mut Nothing)?;
        if let (Some(store), false) = (self.context.store, bypass == Bypass::Off) {
            store.note(&crate::store::Event::Missed {
                command: keep::command_line(request),
                reason: bypass.code().to_owned(),
                detail: keep::shown_detail(request, &bypass.detail()),
                recorded: false,
                at: Timestamp::now(),
            });
        }
        Ok(answer_of(&finished, Outcome::Bypassed(bypass)))
    }
}

/// What stood against a hit, before it is explained.
#[derive(Debug)]
enum Miss {
    /// No commit of the key.
    Unknown,
    /// It was asked for.
    Forced,
    /// Commits of the key, whose observations do not hold: the newest, and the first that does not.
    Changed(CommitId, Vec<Difference>),
    /// Too old, by this age in nanoseconds.
    Expired(u64),
    /// Stored bytes did not verify.
    Damaged(crate::digest::BlobId),
    /// The outputs could not be put in place.
    NotRestored(String),
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

/// Whether bytes of the command were lost on their way. A standard output that was closed from the start was closed for
/// the command too, and who does not read after a signal does not want to.
fn lost_output(finished: &Finished) -> Option<i32> {
    match finished.stdout {
        crate::exec::StreamEnd::WriteFailed(errno) if errno != libc::EBADF && errno != libc::EINTR => {
            Some(errno)
        }
        _ => None,
    }
}

/// Takes nothing down.
struct Nothing;

impl Recorder for Nothing {
    fn chunk(&mut self, _: Stream, _: &[u8]) {}
}

impl Witness for Nothing {
    fn about_to_look(&mut self, _: &Path, _: crate::exec::Seen<'_>) {}
    fn about_to_list(&mut self, _: &Path) {}
    fn about_to_change(&mut self, _: &Path) {}
}
