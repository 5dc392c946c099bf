//! `cashet executors`: lists the executors and checks each by running a job.

use super::context::Context;
use super::exec::elsewhere::execution::trivial;
use super::exit::{DONE, Exit, NO};
use super::jobs::{Settings, reapi, settings_of, token};
use super::options::Scanned;
use crate::elsewhere::{Call, Found, Place, State as Of};
use crate::error::{Error, Kind, Result};
use crate::exec::umask;
use crate::store::{LocalStore, StoreOptions};
use crate::ui::doctor::State;
use crate::ui::executors::{Executor, json};
use crate::ui::human;
use crate::ui::page::Page;
use serde_json::Value;
use std::ffi::OsString;
use std::process::Child;
use std::time::{Duration, Instant};

/// Arguments of `executors`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Executors are the sections [executors.NAME] of cashet.toml; 'cashet exec --on NAME' and 'cashet map --on NAME' use them. This command \
asks each for its version, and runs a job that checks whether commands can be watched and recorded there.

Exit status: 0 all work, 1 one does not work, or there is none.")]
pub struct Args {
    /// Check only these executors
    names: Vec<String>,
    /// List executors and their versions, but submit no job
    #[arg(long)]
    no_job: bool,
    /// Time limit of the job in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    timeout: u64,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

/// Checks the executors.
///
/// # Errors
/// The settings cannot be read; there is no executor of a given name.
pub fn run(args: &Args, context: &Context, page: &mut Page<'_>) -> Result<Exit> {
    let known = context.project.settings()?.executors;
    let names = if args.names.is_empty() { known.keys().cloned().collect() } else { args.names.clone() };
    if names.is_empty() && !args.json {
        page.line("cashet.toml has no [executors.NAME]; --on slurm needs none")?;
        return Ok(NO);
    }
    let found = names.iter().map(|name| look(name, args, context)).collect::<Result<Vec<_>>>()?;
    if args.json {
        page.json(&json(&found).into())?;
    } else {
        let lines: Vec<String> = found.iter().map(|executor| executor.line(&page.look)).collect();
        lines.iter().try_for_each(|line| page.line(line))?;
    }
    let is_good = !found.is_empty() && found.iter().all(|executor| executor.state != State::Bad);
    Ok(if is_good { DONE } else { NO })
}

fn look(name: &str, args: &Args, context: &Context) -> Result<Executor> {
    let mut found = Executor::new(name);
    let bad = |mut found: Executor, error: &Error| {
        found.state = State::Bad;
        found.about = error.to_string();
        found.cure = error.hint().map(str::to_owned);
        found
    };
    let settings = match settings_of(name, &Scanned::default(), &context.project) {
        Ok(settings) => settings,
        Err(error) if args.names.iter().any(|asked| asked == name) && error.to_string().contains("--on") => {
            return Err(error);
        }
        Err(error) => return Ok(bad(found, &error)),
    };
    found.kind.clone_from(&settings.given.kind);
    match settings.engine.version() {
        Ok(version) => found.about = version,
        Err(error) => return Ok(bad(found, &error)),
    }
    if args.no_job {
        return Ok(found);
    }
    let begun = Instant::now();
    match job(&settings, context, Duration::from_secs(args.timeout)) {
        Ok(answer) => {
            found.state = answer.state;
            found.machine = Some(answer.machine);
            found.took = u64::try_from(begun.elapsed().as_nanos()).ok();
            found.cure = answer.cure;
            let took = human::duration(found.took.unwrap_or(0));
            let machine = found.machine.as_deref().unwrap_or_default();
            found.about = format!("{}; a job at {machine} took {took}, {}", found.about, answer.about);
            Ok(found)
        }
        Err(error) => Ok(bad(found, &error)),
    }
}

/// The result of the job.
struct Answer {
    machine: String,
    state: State,
    about: String,
    cure: Option<String>,
}

/// Runs `cashet doctor` on the executor.
fn job(settings: &Settings, context: &Context, limit: Duration) -> Result<Answer> {
    if settings.given.kind == reapi::KIND {
        let (machine, trouble) = trivial(settings, limit.as_secs())?;
        let (state, about) = match trouble {
            None => (State::Good, "runs are watched and recorded".to_owned()),
            Some(why) => (State::Bad, why),
        };
        return Ok(Answer { machine, state, about, cure: None });
    }
    // The store is the one that contains the job.
    let options =
        StoreOptions { create: true, trust_owner: context.project.store_is_named, ..StoreOptions::default() };
    drop(LocalStore::open(&settings.store, &options)?);
    let program = settings.given.cashet.clone().map(OsString::from);
    let program = program.map_or_else(std::env::current_exe, |program| Ok(program.into()));
    let program =
        program.map_err(|error| Error::io("find", std::path::Path::new("the program itself"), error))?;
    let place = Place::new(&settings.store, &token());
    let mut store = OsString::from("--store=");
    store.push(settings.store_there().as_os_str());
    let call = Call {
        token: place.name(),
        executor: settings.name.clone(),
        directory: context.project.directory.clone(),
        words: [
            "--mode=off".into(),
            "--quiet".into(),
            "--".into(),
            program.into(),
            store,
            "doctor".into(),
            "--json".into(),
        ]
        .into(),
        manifest: None,
        latest: false,
        snapshot: None,
        umask: umask(),
    };
    let Found::Ours(lock) = place.claim(&call)? else {
        return Err(Error::new(Kind::Other, "the job existed already"));
    };
    let answer = settings.engine.submit(&place, &call, &lock).and_then(|mut job| {
        let answer = wait(settings, &place, job.launcher.as_mut(), &job.id, limit);
        if let Some(mut launcher) = job.launcher {
            let _ = launcher.wait();
        }
        answer
    });
    if answer.is_ok() {
        let _ = place.discard();
    }
    answer
}

fn wait(
    settings: &Settings,
    place: &Place,
    mut launcher: Option<&mut Child>,
    id: &str,
    limit: Duration,
) -> Result<Answer> {
    let begun = Instant::now();
    let failed = |why: &str| {
        Error::new(Kind::Other, format!("a job ended without a result: {why}"))
            .with_hint(format!("its messages are in {}", place.log().display()))
    };
    let (mut asked, mut over) = (Instant::now(), None);
    loop {
        if place.result().is_some() {
            return read(place).ok_or_else(|| failed("it says nothing"));
        }
        if over.is_none() {
            over = match launcher.as_mut().map(|launcher| launcher.try_wait()) {
                Some(Ok(Some(status))) => Some((Instant::now(), format!("its launcher ended with {status}"))),
                None if asked.elapsed() > Duration::from_millis(500) => {
                    asked = Instant::now();
                    match settings.engine.states(&[id]).pop() {
                        Some(Of::Over { how, .. }) => Some((Instant::now(), how)),
                        _ => None,
                    }
                }
                _ => None,
            };
        }
        if let Some((since, how)) = &over
            && since.elapsed() > Duration::from_secs(2)
        {
            return Err(failed(how));
        }
        if begun.elapsed() > limit {
            let at = place.newest_attempt(0).map(|(_, machine, process)| (machine, process));
            let at = at.as_ref().map(|(machine, process)| (machine.as_str(), *process));
            // It is not needed any more. If this fails, it ends by itself.
            let _ = settings.engine.cancel(&[id], at);
            if let Some(launcher) = launcher {
                let _ = launcher.kill();
            }
            return Err(failed(&format!("not within {} s", limit.as_secs())));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The output of `doctor` on the executor.
fn read(place: &Place) -> Option<Answer> {
    let (number, machine, _) = place.newest_attempt(0)?;
    let [stdout, _] = place.streams(number);
    let Ok(found) = serde_json::from_slice::<Value>(&std::fs::read(stdout).ok()?) else {
        let report: Value = serde_json::from_slice(&place.result()?).ok()?;
        let about = report.get("error").and_then(Value::as_str).unwrap_or("it printed nothing").to_owned();
        let cure = report.get("hint").and_then(Value::as_str).map(str::to_owned);
        return Some(Answer { machine, state: State::Bad, about, cure });
    };
    let findings = found.get("findings").and_then(Value::as_array)?;
    let text = |finding: &Value, field: &str| finding.get(field).and_then(Value::as_str).map(str::to_owned);
    let worst = findings.iter().find(|finding| finding.get("state").is_some_and(|state| state == "bad"));
    Some(match worst {
        Some(worst) => Answer {
            machine,
            state: State::Bad,
            about: text(worst, "about").unwrap_or_default(),
            cure: text(worst, "cure"),
        },
        None => Answer {
            machine,
            state: State::Good,
            about: "runs are watched and recorded".to_owned(),
            cure: None,
        },
    })
}
