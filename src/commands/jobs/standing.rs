//! The job of a call: submitted by this call, or by an earlier one and perhaps to another executor.

use super::{Settings, followed};
use crate::elsewhere::{Call, Engine, Found, Lock, Place};
use crate::error::{Error, Kind, Result};
use crate::project::Project;
use std::time::Duration;

/// Interval between checks whether a job has been submitted.
const SUBMITTING: Duration = Duration::from_millis(10);

/// The job of a call.
pub(in crate::commands) enum Standing {
    /// There is none: this call submits it. The call that the job runs may be an earlier, identical one.
    New(Lock, Call),
    /// An earlier call submitted it, to the executor of this name.
    Old(Owner, String),
    /// The earlier job no longer answers this call and was removed: look the call up again.
    Again,
}

/// The executor of a job that an earlier call submitted.
pub(in crate::commands) enum Owner {
    /// That of this call.
    Same,
    /// Another one.
    Other(Box<Settings>),
    /// One that `cashet.toml` no longer has, or not in a usable form. The job has ended.
    Gone,
}

impl Owner {
    fn of(place: &Place, earlier: &Call, settings: &Settings, project: &Project) -> Result<Self> {
        let name = &earlier.executor;
        if *name == settings.name {
            return Ok(Self::Same);
        }
        match followed(name, project) {
            Ok(other) => Ok(Self::Other(Box::new(other))),
            Err(_) if place.result().is_some() => Ok(Self::Gone),
            Err(error) => {
                let wrong = format!("an earlier call submitted this command to {name}: {error}");
                Err(Error::new(error.kind(), wrong).with_hint(format!(
                    "put [executors.{name}] back to attach to the job, or remove {} to leave it alone",
                    place.path().display()
                )))
            }
        }
    }

    /// The engine that has the job; `settings` are those of this call.
    pub(in crate::commands) fn engine<'a>(&'a self, settings: &'a Settings) -> Option<&'a dyn Engine> {
        match self {
            Self::Same => Some(settings.engine.as_ref()),
            Self::Other(other) => Some(other.engine.as_ref()),
            Self::Gone => None,
        }
    }
}

/// Why the end of a job is not known whose executor is gone.
pub(in crate::commands) fn gone(executor: &str) -> String {
    format!(
        "cashet.toml has no usable [executors.{executor}], which alone knows whether the command itself failed"
    )
}

/// Finds the job of a call, or takes its place. Waits while another process submits it, unless `is_over`.
///
/// # Errors
/// When the store cannot be written, or the executor of an earlier job is gone or does not answer.
pub(in crate::commands) fn stand(
    place: &Place,
    call: Call,
    (settings, project): (&Settings, &Project),
    is_refresh: bool,
    is_over: &mut dyn FnMut() -> bool,
) -> Result<Standing> {
    let Some(earlier) = take(place, &call, is_refresh)? else { return Ok(Standing::Again) };
    let earlier = match earlier {
        Taken::New(lock) => return Ok(Standing::New(lock, call)),
        Taken::Old(earlier) => *earlier,
    };
    let owner = Owner::of(place, &earlier, settings, project)?;
    let lock = match owner.engine(settings) {
        Some(engine) => recover(place, engine, is_over)?,
        None => None,
    };
    Ok(match lock {
        None => Standing::Old(owner, earlier.executor),
        Some(lock) if matches!(owner, Owner::Same) => Standing::New(lock, earlier),
        Some(_) => {
            // Its call names the other executor.
            make_room(place, Some(&earlier))?;
            Standing::Again
        }
    })
}

/// A place that was taken, by this call or before.
enum Taken {
    New(Lock),
    Old(Box<Call>),
}

/// Takes the place of a job, unless it was submitted before. `None` if the earlier job no longer answers the call and was removed.
fn take(place: &Place, call: &Call, is_refresh: bool) -> Result<Option<Taken>> {
    if let Found::Ours(lock) = place.claim(call)? {
        return Ok(Some(Taken::New(lock)));
    }
    let stale = |result: Vec<u8>| is_refresh || is_stale(&result);
    match place.call() {
        Some(earlier) if !place.is_collected() && !place.result().is_some_and(stale) => {
            Ok(Some(Taken::Old(Box::new(earlier))))
        }
        earlier => make_room(place, earlier.as_ref()).map(|()| None),
    }
}

/// Removes an earlier job.
fn make_room(place: &Place, earlier: Option<&Call>) -> Result<()> {
    // Another process may have removed it, and may have a new job there.
    let is_there = |place: &Place| place.path().exists() && place.call().as_ref() == earlier;
    if place.discard() || !is_there(place) {
        return Ok(());
    }
    let wrong = format!("cannot remove the earlier job {}", place.path().display());
    Err(Error::new(Kind::Other, wrong).with_hint("it no longer answers this call: remove its directory"))
}

/// Whether a result that was not yet reported no longer answers the call: its run was kept and an input has changed since, or
/// the run was refused. The failure of a run is reported once.
fn is_stale(result: &[u8]) -> bool {
    let Ok(report) = serde_json::from_slice::<serde_json::Value>(result) else { return true };
    let outcome = report.get("outcome").and_then(serde_json::Value::as_str);
    let is_kept = report.get("kept").is_some_and(|kept| kept == true);
    is_kept || matches!(outcome, None | Some("error" | "hit"))
}

/// Finds the id of a job whose submitter died before it noted it. `Some` if the job was never submitted.
fn recover(place: &Place, engine: &dyn Engine, is_over: &mut dyn FnMut() -> bool) -> Result<Option<Lock>> {
    let is_open = || place.id().is_none() && place.result().is_none() && place.is_submitting();
    while engine.is_detached() && is_open() && !place.is_running() && !is_over() {
        std::thread::sleep(SUBMITTING);
    }
    if place.id().is_some() || place.result().is_some() || place.is_submitting() || place.is_running() {
        return Ok(None);
    }
    let Some(lock) = place.resubmit() else { return Ok(None) };
    match engine.find(&place.token().unwrap_or_default())? {
        Some(id) => place.set_id(&id).map(|()| None),
        None => Ok(Some(lock)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_failed_is_told_once_and_what_was_kept_is_looked_up() {
        for (report, stale) in [
            (r#"{"outcome":"miss","kept":true,"exit":{"exit":0}}"#, true),
            (r#"{"outcome":"hit","exit":{"exit":0}}"#, true),
            (r#"{"outcome":"error","error":"x"}"#, true),
            ("{}", true),
            ("", true),
            (r#"{"outcome":"miss","kept":false,"exit":{"exit":3}}"#, false),
            (r#"{"outcome":"bypass","exit":{"exit":0}}"#, false),
        ] {
            assert_eq!(is_stale(report.as_bytes()), stale, "{report}");
        }
    }

    #[test]
    fn an_earlier_job_that_cannot_be_removed_is_an_error() {
        // A directory that cannot be renamed.
        let place = Place::at("/proc/self/task".into());
        let call = Call {
            token: "a".to_owned(),
            executor: "gpu".to_owned(),
            directory: "/p".into(),
            words: Vec::new(),
            manifest: None,
            latest: false,
            snapshot: None,
            umask: 0o22,
        };
        let error = take(&place, &call, false).err().unwrap();
        assert!(error.to_string().contains("cannot remove the earlier job /proc/self/task"), "{error}");
    }
}
