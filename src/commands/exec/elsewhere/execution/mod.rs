//! A call that a server of the Bazel remote-execution API runs. This process ships the files that the call is likely to need, and has
//! `cashet worker` run and watch the command there. It then compares each answer that the run got there with the answer here,
//! and takes the result only if all are equal.

mod inputs;
mod predict;
mod there;
mod verdict;

use super::{Ground, Streams};
use crate::commands::exit::Exit;
use crate::commands::jobs::reapi::Order;
use crate::commands::jobs::settings_of;
use crate::commands::options::Scanned;
use crate::elsewhere::{Call, LeftRun, shipped};
use crate::encode::Encode;
use crate::error::{Error, Kind, Result};
use crate::exec::Unix;
use crate::hash::manifest::Manifest;
use crate::hash::user_digests;
use crate::memo::foreign;
use crate::memo::{self, Checked, Context, Mode, Policy, Statuses, WrittenHits};
use crate::record::{Commit, Content, OutputTree, Termination};
use crate::store::{Arrival, Store};
use inputs::Inputs;
use predict::variables;
use serde_json::Value;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
pub(in crate::commands) use there::trivial;
use there::{Ran, There};
use verdict::{Verdict, other_bytes};

/// The word that asks for it.
pub(in crate::commands) const WORD: &str = "--execute";

/// Maximum number of runs there, each with more of the inputs.
const ROUNDS: u32 = 3;

/// Where a call was answered.
pub(in crate::commands) enum Done {
    /// There, with this end.
    There(Exit),
    /// It is to run here; why, where that is worth saying.
    Here(Option<String>),
}

/// Has the server that the call names run it.
///
/// # Errors
/// When the server cannot be reached or does not say how the command ended; when the call makes no sense there.
pub(in crate::commands) fn run(scanned: &Scanned, call: &Call, report: &Path, order: &Order) -> Result<Done> {
    let Some(bytes) = &call.manifest else {
        return Ok(Done::Here(Some("it is never recorded".to_owned())));
    };
    let mut ground = Ground::new(scanned, true)?;
    drop(ground.settle()?);
    let settings = settings_of(&call.executor, scanned, &ground.project)?;
    let streams = Streams::new(false)?;
    let executor = Unix;
    let context = ground.context(&executor, &(), &streams);
    let checked = memo::check(&context, ground.request(), ground.policy())?;
    let Checked::Miss { manifest: Some(manifest), .. } = checked else {
        // It is replayed here.
        return Ok(Done::Here(None));
    };
    if manifest.to_bytes() != *bytes && !call.latest {
        // The run here says what changed.
        return Ok(Done::Here(None));
    }
    if ground.policy().history_only {
        return Ok(Done::Here(Some("--no-cache keeps nothing of what ran elsewhere".to_owned())));
    }
    let mut inputs = Inputs::new(&ground.project.places, &settings.store, context.recall);
    let there = There::new(&settings, order.limit, &mut inputs.memory)?;
    let needs = foreign::needs(&context, ground.request())?;
    let mut execution = Execution {
        ground: &ground,
        context: &context,
        manifest: &manifest,
        call: Shipping { words: &call.words, latest: call.latest },
        inputs,
        variables: variables(&needs, &manifest),
        there,
    };
    execution.predict(&needs);
    if order.ships_tracked {
        execution.inputs.add_tracked()?;
    }
    let done = execution.rounds(report);
    execution.inputs.remember();
    user_digests::write_down();
    done
}

/// Adds to a report why the call ran here.
///
/// # Errors
/// When it cannot be written.
pub(in crate::commands) fn warn(report: &Path, why: &str) -> Result<()> {
    change(report, |fields| {
        let warnings = fields.entry("warnings").or_insert_with(|| Value::Array(Vec::new()));
        if let Value::Array(warnings) = warnings {
            warnings.push(format!("ran here: {why}").into());
        }
    })
}

fn change(report: &Path, with: impl FnOnce(&mut serde_json::Map<String, Value>)) -> Result<()> {
    let bytes = std::fs::read(report).map_err(|error| Error::io("read", report, error))?;
    let mut value: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    if let Value::Object(fields) = &mut value {
        with(fields);
    }
    std::fs::write(report, format!("{value}\n")).map_err(|error| Error::io("write", report, error))
}

/// What of a call goes to the worker.
struct Shipping<'a> {
    words: &'a [OsString],
    latest: bool,
}

/// A call on its way through the rounds.
struct Execution<'a> {
    ground: &'a Ground,
    context: &'a Context<'a>,
    manifest: &'a Manifest,
    call: Shipping<'a>,
    inputs: Inputs<'a>,
    variables: BTreeMap<String, String>,
    there: There<'a>,
}

impl<'a> Execution<'a> {
    fn rounds(&mut self, report: &Path) -> Result<Done> {
        let name = self.there.name().to_owned();
        let mut missed = String::new();
        for round in 1..=ROUNDS {
            let Ran { left, worker } = self.run_there()?;
            let answered: Value = serde_json::from_slice(&left.report).unwrap_or_default();
            let text = |field: &str| answered.get(field).and_then(Value::as_str).map(str::to_owned);
            if text("outcome").as_deref() == Some("error") {
                let error = Error::new(Kind::Other, text("error").unwrap_or_default());
                return Err(match text("hint") {
                    Some(hint) => error.with_hint(hint),
                    None => error,
                });
            }
            let Some(run) = left.run else {
                let why = answered.get("not_kept").and_then(|why| why.get("detail")).and_then(Value::as_str);
                let why = why.unwrap_or("its record is incomplete");
                return Ok(Done::Here(Some(format!("on {name} it could not be recorded: {why}"))));
            };
            let (commit, outputs) = self.foreign(&run)?;
            match self.judge(&commit, outputs.as_ref())? {
                Verdict::Taken => {
                    let answer = Taken { run, commit, outputs, answered, worker, round };
                    return self.take(answer, report);
                }
                Verdict::Rejected(why) => {
                    return Ok(Done::Here(Some(format!("the result of {name} was not taken: {why}"))));
                }
                Verdict::Missed { paths, listed, variables, first } => {
                    let mut added = false;
                    for path in paths {
                        added |= self.inputs.add_missed(&path);
                    }
                    for path in listed {
                        added |= self.inputs.add_listed(&path);
                    }
                    for name in variables {
                        added |= self.add_variable(&name);
                    }
                    missed = first;
                    if !added {
                        let why = format!("the result of {name} was not taken: {missed}");
                        return Ok(Done::Here(Some(why)));
                    }
                }
            }
        }
        Ok(Done::Here(Some(format!("after {ROUNDS} rounds {name} still missed something: {missed}"))))
    }

    fn run_there(&mut self) -> Result<Ran> {
        let project = &self.ground.project;
        let odd = || Error::new(Kind::Other, format!("{} is no text", project.directory.display()));
        let directory = self.inputs.place(&project.directory).ok_or_else(odd)?;
        let mut shipped = self.inputs.shipped();
        // The worker makes these directories, which programs look for. What is in them is not shipped.
        for name in shipped::DIRECTORIES {
            let path = std::env::var_os(name).map(PathBuf::from);
            shipped.attributes.extend(path.and_then(|path| inputs::attributes_of(&path)));
        }
        let manifest = (!self.call.latest).then(|| self.manifest.to_bytes());
        self.there.run(shipped, &self.variables, (Path::new(&directory), self.call.words, manifest))
    }

    fn store(&self) -> Result<&'a dyn Store> {
        self.context.store.ok_or_else(|| Error::new(Kind::Other, "there is no store"))
    }

    /// Has a blob in the store.
    fn fetch(&mut self, content: &Content) -> Result<()> {
        let store = self.store()?;
        if store.has(content) {
            return Ok(());
        }
        let mut fetched = Ok(());
        let received = store.receive(content.size, true, &mut |file| {
            let restarts = self.there.restarts();
            fetched = self.there.fetch(content, file);
            Arrival::of(fetched.is_ok(), self.there.restarts() != restarts)
        });
        fetched?;
        if received? == Some(*content) { Ok(()) } else { Err(other_bytes(content)) }
    }

    /// Takes the result in, and replays it here.
    fn take(&mut self, taken: Taken, report: &Path) -> Result<Done> {
        let Taken { run, commit, outputs, answered, worker, round } = taken;
        let inline = run.by_blob();
        for content in &run.blobs {
            match inline.get(&content.blob) {
                Some(bytes) => drop(self.store()?.put(bytes)?),
                None => self.fetch(content)?,
            }
        }
        let (id, termination, key) = (commit.id(), commit.termination, commit.key);
        let mut tags = self.ground.policy().tags.clone();
        tags.push((memo::FROM.to_owned(), self.there.name().to_owned()));
        foreign::take_in(self.store()?, (commit, outputs), run.manifest, tags)?;
        let policy = Policy {
            mode: Mode::Replay,
            kept_statuses: Statuses::parse("0-255").unwrap_or_default(),
            written_hits: WrittenHits::All,
            is_own_run: true,
            ..self.ground.policy().clone()
        };
        let answer = match memo::memoize(self.context, self.ground.request(), None, &policy) {
            Err(error) if error.kind() == Kind::NothingToReplay => {
                let why = format!("what decides the result changed while it ran on {}", self.there.name());
                return Ok(Done::Here(Some(why)));
            }
            other => other?,
        };
        let kept = self.ground.policy().kept_statuses.keep(termination);
        let (files, bytes) = self.inputs.size();
        std::fs::write(report, format!("{answered}\n")).map_err(|error| Error::io("write", report, error))?;
        change(report, |fields| {
            fields.insert("commit".to_owned(), id.to_string().into());
            fields.insert("key".to_owned(), key.0.to_hex().into());
            fields.insert("kept".to_owned(), kept.into());
            let why = |status: u8| serde_json::json!({ "reason": "failed", "detail": format!("exit status {status}") });
            let why = match termination {
                Termination::Exited(status) if !kept => why(status),
                _ => Value::Null,
            };
            fields.insert("not_kept".to_owned(), why);
            fields.insert("worker".to_owned(), worker.into());
            fields.insert("rounds".to_owned(), round.into());
            fields.insert("shipped".to_owned(), serde_json::json!({ "files": files, "bytes": bytes }));
        })?;
        Ok(Done::There(super::super::exit_of(self.ground, &answer)))
    }
}

/// A result that is taken.
struct Taken {
    run: LeftRun,
    commit: Commit,
    outputs: Option<OutputTree>,
    answered: Value,
    worker: String,
    round: u32,
}
