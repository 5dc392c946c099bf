//! Follows a job until it has a result or is lost. Shows its output on a terminal, and cancels it on Ctrl-C.

use super::Elsewhere;
use super::interrupts::Interrupts;
use crate::commands::jobs::{CANCELLING, GRACE, Over, Owner, gone, is_own, termination};
use crate::elsewhere::{Job, Lock, Place, State, Tail};
use crate::error::Result;
use crate::record::Termination;
use signal_hook::consts::SIGINT;
use std::io::IsTerminal;
use std::process::Child;
use std::time::{Duration, Instant};

/// The end of following a job.
pub(super) enum Ended {
    /// The job has this result.
    Result { bytes: Vec<u8>, tail: Tail, attempt: Option<(u32, String)>, name: String },
    /// The job ended without a result; `how` is the reason.
    Lost { how: String, name: String },
    /// This signal cancelled it.
    Cancelled { signal: i32, name: String },
    /// This signal ended this process only; the job continues.
    Left { signal: i32, name: String },
}

/// A job that is followed.
pub(super) struct Followed {
    place: Place,
    executor: String,
    launcher: Option<Child>,
    /// Shows other processes that this one waits for the launcher.
    lock: Option<Lock>,
    /// The executor that has the job.
    owner: Owner,
}

/// The state of a job while it is followed.
struct Watch {
    begun: Instant,
    asked: Option<Instant>,
    told: String,
    over: Option<Over>,
    attempt: Option<(u32, String, u32)>,
    tail: Tail,
    cancelled: Option<(Instant, i32)>,
}

impl Followed {
    pub(super) fn submitted(place: Place, executor: String, job: Job, lock: Lock) -> Self {
        let lock = job.launcher.is_some().then_some(lock);
        Self { place, executor, launcher: job.launcher, lock, owner: Owner::Same }
    }

    pub(super) fn attach(place: Place, executor: String, owner: Owner) -> Self {
        Self { place, executor, launcher: None, lock: None, owner }
    }

    /// The job, for messages.
    pub(super) fn name(&self) -> String {
        match self.place.id() {
            Some(id) => format!("job {id} on {}", self.executor),
            None => format!("the job on {}", self.executor),
        }
    }

    /// Waits until the job ends or a signal ends the wait.
    pub(super) fn follow(mut self, elsewhere: &Elsewhere<'_>, interrupts: &mut Interrupts) -> Result<Ended> {
        let mut watch = Watch {
            begun: Instant::now(),
            asked: None,
            told: String::new(),
            over: None,
            attempt: None,
            tail: Tail::default(),
            cancelled: None,
        };
        loop {
            self.show(elsewhere, &mut watch);
            if let Some(bytes) = self.place.result()
                && self.is_whole(&bytes, elsewhere, &mut watch)
            {
                self.show(elsewhere, &mut watch);
                self.end_launcher();
                let attempt = watch.attempt.map(|(number, machine, _)| (number, machine));
                return Ok(Ended::Result { bytes, tail: watch.tail, attempt, name: self.name() });
            }
            if let Some(ended) = self.by_signal(interrupts, elsewhere, &mut watch) {
                return Ok(ended);
            }
            self.ask(elsewhere, &mut watch);
            if let Some(ended) = self.is_lost(elsewhere, &mut watch) {
                return Ok(ended);
            }
            std::thread::sleep(pause(watch.begun.elapsed()));
        }
    }

    /// Shows new output on a terminal. Into a pipe or file, the streams are written when the run has ended: a requeued job prints
    /// from its beginning.
    fn show(&self, elsewhere: &Elsewhere<'_>, watch: &mut Watch) {
        let from = watch.attempt.as_ref().map_or(0, |(number, ..)| *number);
        let newest = self.place.newest_attempt(from);
        if newest.as_ref().map(|(number, ..)| *number) != watch.attempt.as_ref().map(|(number, ..)| *number)
            && let Some((number, machine, _)) = &newest
        {
            let again = if watch.attempt.is_some() { " from the beginning" } else { "" };
            elsewhere.status.progress(&format!("{} runs at {machine}{again}", self.name()));
            watch.tail = Tail::default();
            watch.attempt =
                Some((*number, machine.clone(), newest.as_ref().map_or(0, |(_, _, process)| *process)));
        }
        let Some((number, ..)) = watch.attempt else { return };
        let paths = self.place.streams(number);
        let showing = &elsewhere.ground.plan.showing;
        if std::io::stdout().is_terminal() && !showing.id {
            let _ = watch.tail.more(0, &paths, &mut std::io::stdout().lock());
        }
        if std::io::stderr().is_terminal() {
            let _ = watch.tail.more(1, &paths, &mut std::io::stderr().lock());
        }
    }

    /// Whether a result is the end of the command. After Ctrl-C, only a command that no signal ended has ended by itself.
    fn is_whole(&mut self, bytes: &[u8], elsewhere: &Elsewhere<'_>, watch: &mut Watch) -> bool {
        let report: serde_json::Value = serde_json::from_slice(bytes).unwrap_or_default();
        if watch.cancelled.is_some() {
            return !matches!(termination(&report), Some(Termination::Signaled(_)));
        }
        let has_id = self.place.id().is_some();
        if is_own(&report, has_id, None) {
            return true;
        }
        self.ask(elsewhere, watch);
        is_own(&report, has_id, watch.over.as_ref())
    }

    /// Asks the engine for the state of the job, at growing intervals.
    fn ask(&mut self, elsewhere: &Elsewhere<'_>, watch: &mut Watch) {
        if let Some(launcher) = &mut self.launcher {
            if let (None, Ok(Some(status))) = (&watch.over, launcher.try_wait()) {
                watch.over = Some(Over::again(None, format!("its launcher ended with {status}"), false));
            }
            return;
        }
        let interval = (watch.begun.elapsed() / 10).clamp(Duration::from_millis(500), Duration::from_secs(5));
        if watch.asked.is_some_and(|asked| asked.elapsed() < interval) || watch.begun.elapsed() < GRACE / 10 {
            return;
        }
        watch.asked = Some(Instant::now());
        let Some(id) = self.place.id() else {
            // Another process waits for the launcher.
            let goes_on = self.place.is_submitting() || self.place.is_running();
            let how = "the process that submitted it has ended".to_owned();
            watch.over = (!goes_on).then(|| Over::again(watch.over.as_ref(), how, false));
            return;
        };
        let Some(engine) = self.owner.engine(elsewhere.settings) else {
            watch.over = Some(Over::again(watch.over.as_ref(), gone(&self.executor), true));
            return;
        };
        let state = engine.states(&[&id]).pop();
        let told = match state {
            Some(State::Over { how, ended_by_engine }) => {
                watch.over = Some(Over::again(watch.over.as_ref(), how, ended_by_engine));
                return;
            }
            Some(State::Queued(why)) if why.is_empty() => "is queued".to_owned(),
            Some(State::Queued(why)) => format!("is queued ({why})"),
            // The worker itself reports this.
            Some(State::Running(_)) | None => String::new(),
            Some(State::Unknown(why)) => format!("cannot be asked after, and is waited for: {why}"),
        };
        watch.over = None;
        if !told.is_empty() && told != watch.told {
            elsewhere.status.progress(&format!("{} {told}", self.name()));
            watch.told = told;
        }
    }

    /// Returns the end of a job that will have no result.
    fn is_lost(&self, elsewhere: &Elsewhere<'_>, watch: &mut Watch) -> Option<Ended> {
        let over = watch.over.as_ref()?;
        let (how, name) = (over.how().to_owned(), self.name());
        if over.is_lost(&self.place, watch.cancelled.is_some()) {
            return Some(match watch.cancelled {
                Some((_, signal)) => Ended::Cancelled { signal, name },
                None => Ended::Lost { how, name },
            });
        }
        let told = "lost its connection; the command continues";
        if watch.told != told && self.place.is_running() {
            let at = watch.attempt.as_ref().map(|(_, machine, _)| format!(" at {machine}"));
            let at = at.unwrap_or_default();
            elsewhere.status.progress(&format!("{name}: {how}; the command continues{at}"));
            told.clone_into(&mut watch.told);
        }
        None
    }

    /// The first Ctrl-C cancels the job, and a second one leaves it. Other signals leave it.
    fn by_signal(
        &mut self,
        interrupts: &mut Interrupts,
        elsewhere: &Elsewhere<'_>,
        watch: &mut Watch,
    ) -> Option<Ended> {
        let name = self.name();
        while let Some(signal) = interrupts.next() {
            if signal != SIGINT || watch.cancelled.is_some() {
                return Some(Ended::Left { signal, name });
            }
            watch.cancelled = Some((Instant::now(), signal));
            elsewhere
                .status
                .progress(&format!("cancelling {name}; a second Ctrl-C does not wait for its end"));
            let id = self.place.id().unwrap_or_default();
            let at = watch.attempt.as_ref().map(|(_, machine, process)| (machine.as_str(), *process));
            let engine = self.owner.engine(elsewhere.settings);
            if let Some(Err(error)) = engine.map(|engine| engine.cancel(&[&id], at)) {
                elsewhere.status.trouble(&error.to_string());
            }
            self.end_launcher();
        }
        let (since, signal) = watch.cancelled?;
        (since.elapsed() > CANCELLING).then_some(Ended::Left { signal, name })
    }

    /// Ends a launcher whose job has ended, with all processes that it started here.
    fn end_launcher(&mut self) {
        let Some(launcher) = &mut self.launcher else { return };
        // The connection may close by itself, after its last messages.
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(500) && matches!(launcher.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(1));
        }
        if matches!(launcher.try_wait(), Ok(None)) {
            let group = nix::unistd::Pid::from_raw(i32::try_from(launcher.id()).unwrap_or(0));
            let _ = nix::sys::signal::killpg(group, nix::sys::signal::Signal::SIGTERM);
        }
        self.lock = None;
    }
}

/// Pause before the next look. It grows, so that short jobs are not delayed and long ones are seldom asked for.
fn pause(waited: Duration) -> Duration {
    (waited / 50).clamp(Duration::from_millis(2), Duration::from_millis(250))
}
