//! One call: look-up, claim, second look-up, run.
//!
//! This module does not know how a run is recorded.

use super::deferred_recall::DeferredRecall;
use super::event::{Event, Parted};
use super::follow::{Following, moved_since};
use super::hit::{self, Holding};
use super::invocation::Call;
use super::look_up::{self, Found};
use super::nested;
use super::patience::Patience;
use super::policy::{Mode, Watching};
use super::reason::{Bypass, NotKept, Outcome, Unawaited};
use super::shared::{Seeking, Taken};
use super::tail::Tailing;
use super::{Answer, Miss, answer_of, bypass_of, declared_only, keep, newest_of, present, unrecorded};
use crate::digest::Key;
use crate::error::{Error, Kind, Result};
use crate::exec::{self, Fate, Recorder, Seen, Spec, Tty, Unwatched, WatchMode, Witness};
use crate::hash::capture::{self, Captured};
use crate::hash::request::Request;
use crate::hash::stat_cache::StatCache;
use crate::record::{Stream, Timestamp};
use crate::store::{Claim, Next, ResultIndex, Store};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

/// Pause between two looks at the holder of a key.
const LOOK: Duration = Duration::from_millis(100);

/// What a replay needs besides the commit: the newest time that its outputs must not look older than, the looks for the key, and
/// the output shown of an identical run that this call waited for. `found` is called before the replay, which takes as long as
/// the reader needs.
struct Ways<'a> {
    newest: &'a dyn Fn() -> Timestamp,
    seen: Option<&'a StatCache>,
    waited: Option<&'a Following<'a>>,
    found: &'a mut dyn FnMut(),
}

/// Whether a commit of `key` was recorded after the look-up that ended in `miss`. Another call may have begun and ended between
/// that and the claim.
fn is_recorded_since(results: &dyn ResultIndex, key: &Key, miss: &Miss) -> bool {
    let known = match miss {
        Miss::Unknown => None,
        Miss::Changed { newest, .. } => Some(*newest),
        _ => return false,
    };
    results.look_up(key).is_ok_and(|entry| entry.results.first().map(|newest| newest.id) != known)
}

/// The error of a miss in [`Mode::Replay`].
#[must_use]
pub fn nothing_to_replay() -> Error {
    Error::new(Kind::NothingToReplay, "nothing to replay, and --mode replay runs nothing")
        .with_hint("cashet check --explain says why")
}

impl Call<'_> {
    /// An unwatched call: it is cached only if it declares its dependencies.
    pub(super) fn unwatched(&self, request: &Request, store: &dyn Store, why: Unwatched) -> Result<Answer> {
        match declared_only(self.context, request, self.policy, why)? {
            Ok(request) => self.answer(&request, store, WatchMode::Off),
            Err(bypass) => self.bypass(request, bypass),
        }
    }

    pub(super) fn answer(&self, request: &Request, store: &dyn Store, watch: WatchMode) -> Result<Answer> {
        let now = Timestamp::now();
        let mut why = None;
        let looks_up =
            matches!(self.policy.mode, Mode::Auto | Mode::Read | Mode::Replay) && !self.policy.history_only;
        // The quick path: a remembered capture gives the key without reading anything.
        let recall = DeferredRecall::new(self.context.recall);
        let is_quick = looks_up && !exec::nested::is_watched() && self.policy.only_key.is_none();
        if is_quick && let Some(known) = capture::recall(request, &recall, now) {
            if let Some(bypass) = bypass_of(known.sensitive.as_ref(), known.volatile.as_deref(), self.policy)
            {
                return self.bypass_or_refuse(request, bypass);
            }
            match self.try_hit(
                request,
                store,
                &known.key,
                &known.environment,
                Ways { newest: &|| known.newest, seen: Some(&known.seen), waited: None, found: &mut || () },
            )? {
                Ok(answer) => {
                    // Evidence that was too new to be trusted may be old enough now.
                    recall.settle();
                    return Ok(answer);
                }
                Err(reason) => why = Some(reason),
            }
        }
        // If only the remembered capture is outdated, the key may be one that was already looked up.
        let will_ask = why.is_some() || !looks_up || !recall.found();
        thread::scope(|scope| {
            let ahead = will_ask.then(|| {
                // Without a thread, the store is prepared when it is used.
                thread::Builder::new().spawn_scoped(scope, || store.prepare(Next::Find)).ok()
            });
            let answer = self.capture_and_answer(request, store, &recall, watch, looks_up, why);
            recall.settle();
            if let Some(Some(ahead)) = ahead {
                // If the thread panicked, nothing is prepared.
                let _ = ahead.join();
            }
            answer
        })
    }

    fn capture_and_answer(
        &self,
        request: &Request,
        store: &dyn Store,
        recall: &DeferredRecall<'_>,
        watch: WatchMode,
        looks_up: bool,
        mut why: Option<Miss>,
    ) -> Result<Answer> {
        let captured = capture::capture(request, recall)?;
        if let Some(bypass) =
            bypass_of(captured.sensitive.as_ref(), captured.volatile.as_deref(), self.policy)
        {
            return self.bypass_or_refuse(request, bypass);
        }
        // An unwatched call has another key.
        let is_as_asked = (watch == WatchMode::Off) == (self.policy.watching == Watching::Off);
        if self.policy.only_key.is_some_and(|only| is_as_asked && captured.key != only) {
            return Err(Error::new(Kind::OtherKey, "what decides the result changed since it was asked for"));
        }
        let secret = || self.context.recall.secret();
        nested::captured(&captured, &present(self.context, request, &captured.environment, &secret, None));
        let newest = || newest_of(&captured, request);
        if looks_up && why.is_none() {
            match self.try_hit(
                request,
                store,
                &captured.key,
                &captured.environment,
                Ways { newest: &newest, seen: None, waited: None, found: &mut || () },
            )? {
                Ok(answer) => return Ok(answer),
                Err(reason) => why = Some(reason),
            }
        }
        if looks_up && let Some(answer) = self.shared(request, store, &captured, recall)? {
            return Ok(answer);
        }
        if self.policy.mode == Mode::Replay {
            return Err(nothing_to_replay());
        }
        self.miss(request, store, &captured, recall, watch, why)
    }

    /// A result of another machine, if a shared cache has one that holds here.
    fn shared(
        &self,
        request: &Request,
        store: &dyn Store,
        captured: &Captured,
        recall: &DeferredRecall<'_>,
    ) -> Result<Option<Answer>> {
        let (context, policy) = (self.context, self.policy);
        let seeking = Seeking { context, request, store, policy, captured, recall };
        let Some(Taken { from, captured: other }) = seeking.take() else { return Ok(None) };
        let captured = other.as_deref().unwrap_or(captured);
        let newest = || newest_of(captured, request);
        let ways = Ways { newest: &newest, seen: None, waited: None, found: &mut || () };
        let hit = self.try_hit(request, store, &captured.key, &captured.environment, ways)?;
        Ok(hit.ok().map(|mut answer| {
            if let Outcome::Hit { from: place, .. } = &mut answer.outcome {
                *place = Some(from);
            }
            answer
        }))
    }

    fn bypass_or_refuse(&self, request: &Request, bypass: Bypass) -> Result<Answer> {
        if self.policy.mode == Mode::Replay {
            let message = format!("never replayed: {}", bypass.detail());
            return Err(Error::new(Kind::NothingToReplay, message));
        }
        self.bypass(request, bypass)
    }

    /// Replays a commit of `key` that holds now. The inner error is the reason for the miss.
    fn try_hit(
        &self,
        request: &Request,
        store: &dyn Store,
        key: &Key,
        environment: &[(std::ffi::OsString, std::ffi::OsString)],
        ways: Ways<'_>,
    ) -> Result<Result<Answer, Miss>> {
        let Ways { newest, seen, waited, found } = ways;
        let secret = || self.context.recall.secret();
        let present = present(self.context, request, environment, &secret, seen);
        match look_up::find(self.context, store, key, &present, self.policy) {
            Found::Hit(held) => {
                let commit = &held.candidate.commit;
                if waited.is_some()
                    && let Err(miss) = moved_since(commit, &request.places, self.began)
                {
                    return Ok(Err(miss));
                }
                nested::replayed(&commit.observations, &present);
                found();
                let holding = Holding { held: *held, newest, shown: waited.and_then(Following::shown) };
                hit::replay(self.context, store, request, key, self.policy, holding)
            }
            Found::Miss(miss) => Ok(Err(miss)),
        }
    }

    /// Replays the result of an identical run that was waited for, if possible. `found` is as in [`Ways`].
    fn hit_after_wait(
        &self,
        request: &Request,
        store: &dyn Store,
        captured: &Captured,
        recall: &DeferredRecall<'_>,
        (following, found): (&Following<'_>, &mut dyn FnMut()),
    ) -> Result<Result<Answer, Miss>> {
        let newest = || newest_of(captured, request);
        let ways = Ways { newest: &newest, seen: None, waited: Some(following), found: &mut *found };
        match self.try_hit(request, store, &captured.key, &captured.environment, ways)? {
            Err(Miss::Unknown) => {}
            other => return Ok(other),
        }
        // The run decided which sources count: its result may be under another key.
        let again = match capture::capture(request, self.context.recall) {
            Ok(again) if again.key != captured.key => again,
            // If a file is gone meanwhile, the command will find out.
            _ => return Ok(Err(Miss::Unknown)),
        };
        recall.forget_new();
        let newest = || newest_of(&again, request);
        let ways = Ways { newest: &newest, seen: None, waited: Some(following), found };
        self.try_hit(request, store, &again.key, &again.environment, ways)
    }

    fn miss(
        &self,
        request: &Request,
        store: &dyn Store,
        captured: &Captured,
        recall: &DeferredRecall<'_>,
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
        let mut following = Following::new(self.context, self.policy, store, captured.key);
        if not_kept.is_none() {
            match self.claim(store, captured, request, &mut following) {
                Ok(Err(unawaited)) => {
                    following.part(Parted::NotAwaited(unawaited));
                    not_kept = Some(NotKept::NotAwaited(unawaited));
                }
                Ok(Ok(held)) => {
                    let waited = held.waited();
                    let abandoned = held.follows_abandoned();
                    let mut held = Some(held);
                    let looks_again = self.policy.mode == Mode::Auto && !self.policy.history_only;
                    if looks_again && (waited || is_recorded_since(store, &captured.key, &why)) {
                        // Another call ran the same command meanwhile: use its result if it was cached.
                        let ways: (_, &mut dyn FnMut()) = (&following, &mut || held = None);
                        match self.hit_after_wait(request, store, captured, recall, ways)? {
                            Ok(answer) => return Ok(answer),
                            Err(reason) => why = reason,
                        }
                    }
                    following.part(if abandoned { Parted::NotKept } else { Parted::Differs });
                    if abandoned {
                        not_kept = Some(NotKept::Alongside);
                    } else {
                        claim = held;
                    }
                }
                Err(error) => {
                    self.context.observer.on(&Event::StoreTrouble(error.to_string()));
                    not_kept = Some(NotKept::Store(error.to_string()));
                }
            }
        }
        if claim.is_none() && not_kept.is_none() {
            // The result turned out to be damaged, and another call may hold the key already.
            match self.claim(store, captured, request, &mut following) {
                Ok(Ok(held)) => claim = Some(held),
                Ok(Err(unawaited)) => not_kept = Some(NotKept::NotAwaited(unawaited)),
                Err(error) => not_kept = Some(NotKept::Store(error.to_string())),
            }
            following.part(Parted::Differs);
        }
        let command = keep::Command { request, store, captured, recall, watch };
        keep::run(self, command, claim.ok_or(not_kept.unwrap_or(NotKept::ReadOnly)), why)
    }

    /// The claim on the key, or why the call that holds it is not waited for.
    fn claim(
        &self,
        store: &dyn Store,
        captured: &Captured,
        request: &Request,
        following: &mut Following<'_>,
    ) -> Result<Result<Claim, Unawaited>> {
        let words: Vec<Vec<u8>> =
            request.shown_words().into_iter().map(std::os::unix::ffi::OsStringExt::into_vec).collect();
        let usual = || {
            let (commit, _) = store.nearest(&captured.lineage, &captured.function_id, &words).ok()??;
            let took = Duration::from_nanos(commit.resources.wall);
            (commit.lineage == captured.lineage).then_some(took)
        };
        let mut patience = Patience::new(self.policy.no_wait, &usual);
        let (mut asked, mut verdict, mut looked) = (0, Ok(()), None::<Instant>);
        let (since, mut note) = (Timestamp::now(), None);
        let claim = store.claim_while(&captured.key, &mut |holder| {
            if looked.is_none_or(|looked| looked.elapsed() >= LOOK) {
                looked = Some(Instant::now());
                verdict = patience.lasts(holder);
                // The first call comes immediately, before any wait.
                if asked > 0 {
                    self.context.observer.on(&Event::Waiting);
                    note = note.take().or_else(|| store.wait(&captured.key, since));
                }
                asked += 1;
                following.look();
            }
            following.show();
            verdict.is_ok()
        });
        drop(note);
        if asked > 1 {
            self.context.observer.on(&Event::WaitOver);
        }
        Ok(claim?.ok_or(verdict.err().unwrap_or(Unawaited::NotWanted)))
    }

    /// Runs the command without caching.
    pub(super) fn bypass(&self, request: &Request, bypass: Bypass) -> Result<Answer> {
        let program = capture::program(request)?;
        let spec = Spec {
            program: &program.path,
            words: &request.words,
            environment: &program.environment,
            directory: &request.directory,
            stdin: self.child_stdin(request)?,
            stdout: self.context.stdout,
            stderr: self.context.stderr,
            output: unrecorded(self.context),
            tty: Tty::Never,
            watch: WatchMode::Off,
            unobserved: &[],
            behind_shim: None,
            followed: &[],
        };
        let (mut nothing, mut witness) = (Nothing, Nothing);
        let mut recorder = Tailing::new(&mut nothing);
        let finished = self.context.executor.run(spec, &mut recorder, &mut witness)?;
        self.context.observer.on(&Event::Ended(recorder.tail));
        if let (Some(store), false) = (self.context.store, bypass == Bypass::Off) {
            store.note(&crate::store::Event::Missed {
                command: keep::noted_words(request),
                reason: bypass.code().to_owned(),
                detail: keep::shown_detail(request, &bypass.detail()),
                recorded: false,
                at: Timestamp::now(),
            });
        }
        Ok(answer_of(&finished, Outcome::Bypassed(bypass)))
    }
}

/// A recorder that records nothing.
struct Nothing;

impl Recorder for Nothing {
    fn chunk(&mut self, _: Stream, _: &[u8]) {}
}

impl Witness for Nothing {
    fn about_to_look(&mut self, _: &Path, _: Seen<'_>) {}
    fn about_to_list(&mut self, _: &Path) {}
    fn about_to_change(&mut self, _: &Path, _: Fate) {}
}
