//! A call that a server of the Bazel remote-execution API runs, for which this process stands in: it ships what the call is
//! likely to need, has `cashet worker` run there under watch, and looks at each answer that the run was given there. Only where
//! all of them are the answers here is the result taken.

mod inputs;
mod there;

use super::{Ground, Streams};
use crate::commands::exec::plan::StdinSource;
use crate::commands::exit::Exit;
use crate::commands::jobs::reapi::Order;
use crate::commands::jobs::settings_of;
use crate::commands::options::Scanned;
use crate::digest::BlobId;
use crate::elsewhere::{Call, LeftRun, shipped};
use crate::encode::{Decode, Encode};
use crate::error::{Error, Kind, Result};
use crate::exec::Unix;
use crate::hash::environment::looks_secret;
use crate::hash::manifest::{Manifest, Part};
use crate::hash::user_digests;
use crate::memo::foreign::{self, Needs};
use crate::memo::{self, Checked, Context, Difference, Mode, Policy, Statuses, WrittenHits};
use crate::record::{Base, Commit, Content, FileState, Observation, OutputTree, StoredPath, Termination};
use crate::remote::carrier::Blob;
use crate::store::Store;
use crate::ui::miss;
use inputs::Inputs;
use serde_json::Value;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
pub(in crate::commands) use there::trivial;
use there::{Ran, There};

/// The word that asks for it.
pub(in crate::commands) const WORD: &str = "--execute";

/// So often a call is run there, with more of its inputs each time.
const ROUNDS: u32 = 3;

/// Largest encoded list of outputs, in bytes.
const LARGEST_TREE: u64 = 256 << 20;

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
        // Who runs it here says what changed.
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

/// The environment that is shipped: all that may count, but what looks like a secret and is not part of the call.
fn variables(needs: &Needs, manifest: &Manifest) -> BTreeMap<String, String> {
    let is_known = |name: &OsStr| manifest.get(&Part::Variable(name.as_bytes().to_vec())).is_some();
    let ours = needs.environment.iter().filter(|(name, value)| {
        is_known(name) || !looks_secret(name.as_bytes(), value.as_bytes()) && !is_of_machine(name)
    });
    ours.filter_map(|(name, value)| Some((name.to_str()?.to_owned(), value.to_str()?.to_owned()))).collect()
}

/// Whether a variable describes this machine or the session, and means nothing on a worker.
fn is_of_machine(name: &OsStr) -> bool {
    const MEANT: [&str; 8] = ["HOME", "LOGNAME", "PATH", "PWD", "SHELL", "TERM", "TMPDIR", "USER"];
    const PLACES: [&str; 2] = ["LD_PRELOAD", "LD_LIBRARY_PATH"];
    let is = |names: &[&str]| names.iter().any(|known| name == *known);
    is(&PLACES) || crate::hash::environment::is_session(name) && !is(&MEANT)
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

/// What is to be done with a run.
enum Verdict {
    /// It is taken.
    Taken,
    /// These were missed there, and are here.
    Missed { paths: Vec<PathBuf>, listed: Vec<PathBuf>, variables: Vec<String>, first: String },
    /// It rests on something else than what is here.
    Rejected(String),
}

impl Execution<'_> {
    /// Adds what the call is likely to need.
    fn predict(&mut self, needs: &Needs) {
        let (project, request) = (&self.ground.project, self.ground.request());
        let places = &project.places;
        self.inputs.add(&project.directory);
        for mark in crate::project::ROOT_MARKS {
            self.inputs.add(&places.root.join(mark));
        }
        for (part, _) in self.manifest.facts() {
            match part {
                Part::Source(path) | Part::Setting(path) if path.base() == Base::Root => {
                    self.inputs.add(&places.resolve(path));
                }
                Part::Input(path) if path.base() == Base::Root => {
                    self.inputs.add_listed(&places.resolve(path));
                }
                _ => {}
            }
        }
        if let StdinSource::Named(word) = &self.ground.plan.stdin {
            self.inputs.add(&request.directory.join(word));
        }
        for word in &request.words {
            let after_equals = word.as_bytes().split(|byte| *byte == b'=').next_back().unwrap_or_default();
            let after_letter = word.as_bytes().get(2..).filter(|_| word.as_bytes().starts_with(b"-"));
            let words = [Some(word.as_bytes()), Some(after_equals), after_letter];
            for word in words.into_iter().flatten().filter(|word| !word.is_empty()) {
                let path = request.directory.join(OsStr::from_bytes(word));
                if path.is_dir() {
                    self.inputs.add_listed(&path);
                } else {
                    self.inputs.add(&path);
                }
            }
        }
        for path in &needs.paths {
            self.inputs.add(&places.resolve(path));
        }
        for path in &needs.listed {
            self.inputs.add_listed(&places.resolve(path));
        }
    }

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
                let why = why.unwrap_or("it was not recorded whole");
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

    fn add_variable(&mut self, name: &str) -> bool {
        let Some(value) = std::env::var_os(name) else { return false };
        let Some(text) = value.to_str().filter(|_| !looks_secret(name.as_bytes(), value.as_bytes())) else {
            return false;
        };
        self.variables.insert(name.to_owned(), text.to_owned()).is_none()
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

    /// The run that was left, with what the toolchain stands for; its list of outputs.
    fn foreign(&mut self, run: &LeftRun) -> Result<(Commit, Option<OutputTree>)> {
        let wrong = || Error::new(Kind::Other, "what the worker left makes no sense");
        let mut commit = Commit::from_bytes(&run.commit).map_err(|_| wrong())?;
        if commit.id() != run.id || commit.key != self.manifest.key() && !self.call.latest {
            return Err(wrong());
        }
        let store = self.store()?;
        for bytes in &run.inline {
            // What is not named by the run is not used.
            store.put(bytes)?;
        }
        let token = self.there.token()?;
        commit.observations = token.instead(&commit.observations).ok_or_else(wrong)?;
        commit.observations.retain(|observation| !is_of_worker(observation));
        commit.parent = None;
        let outputs = match commit.outputs {
            None => None,
            Some(content) => {
                self.fetch(&content)?;
                let store = self.store()?;
                let mut bytes = Vec::new();
                let read = store.read(&content.blob)?.take(LARGEST_TREE).read_to_end(&mut bytes);
                read.map_err(|error| Error::io("read", store.workspace().root(), error))?;
                Some(OutputTree::from_bytes(&bytes).map_err(|_| wrong())?)
            }
        };
        Ok((commit, outputs))
    }

    fn store(&self) -> Result<&dyn Store> {
        self.context.store.ok_or_else(|| Error::new(Kind::Other, "there is no store"))
    }

    /// Has a blob in the store.
    fn fetch(&mut self, content: &Content) -> Result<()> {
        let store = self.store()?;
        if store.has(content) {
            return Ok(());
        }
        let file = store.scratch()?;
        let blob = Blob { digest: *content.blob.0.as_bytes(), size: content.size };
        self.there.fetch(&blob, &file)?;
        let (found, _) = self.store()?.take_file(&file, b"")?;
        if found == *content {
            Ok(())
        } else {
            let short = BlobId(content.blob.0).short();
            Err(Error::new(Kind::Other, format!("the server has other bytes for {short}")))
        }
    }

    /// Compares all answers with those that are given here.
    fn judge(&self, commit: &Commit, outputs: Option<&OutputTree>) -> Result<Verdict> {
        let request = self.ground.request();
        let policy = Policy { mode: Mode::Replay, ..self.ground.policy().clone() };
        let differences = foreign::disagreements(self.context, request, &policy, (commit, outputs))?;
        if differences.is_empty() {
            return Ok(Verdict::Taken);
        }
        let words = request.shown_words();
        let call = miss::Call { words: &words, places: &request.places, store: self.ground.store() };
        let phrase = |differences: &[Difference]| {
            let phrases = miss::differences(&call, differences, &commit.id(), None);
            phrases.into_iter().next().unwrap_or_else(|| "something differs here".to_owned())
        };
        let rejected = |why: &Difference| Ok(Verdict::Rejected(phrase(std::slice::from_ref(why))));
        let (mut paths, mut listed, mut variables) = (Vec::new(), Vec::new(), Vec::new());
        for difference in &differences {
            let Difference::Seen { then, .. } = difference else { return rejected(difference) };
            match then {
                Observation::Variable { name, value: None } => {
                    variables.push(String::from_utf8_lossy(name).into_owned());
                }
                _ => match missed(then) {
                    Some(Missed::Path(path)) if path.base() == Base::Root => {
                        paths.push(request.places.resolve(path));
                    }
                    Some(Missed::Entries(path)) if path.base() == Base::Root => {
                        listed.push(request.places.resolve(path));
                    }
                    _ => return rejected(difference),
                },
            }
        }
        Ok(Verdict::Missed { paths, listed, variables, first: phrase(&differences) })
    }

    /// Takes the result in, and replays it here.
    fn take(&mut self, taken: Taken, report: &Path) -> Result<Done> {
        let Taken { run, commit, outputs, answered, worker, round } = taken;
        for content in &run.blobs {
            self.fetch(content)?;
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

/// Whether an observation says only that a worker has a directory that every system has, and which mode that has there.
fn is_of_worker(observation: &Observation) -> bool {
    const DIRECTORIES: [&str; 6] = ["/tmp", "/var/tmp", "/dev", "/dev/shm", "/run", "/home"];
    let Observation::State { path, state: FileState::Directory { .. }, .. } = observation else {
        return false;
    };
    path.base() == Base::Absolute && DIRECTORIES.iter().any(|known| known.as_bytes() == path.rest())
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

/// What a run missed.
enum Missed<'a> {
    Path(&'a StoredPath),
    Entries(&'a StoredPath),
}

/// What a run missed, if its answer says that something was not there; what is here is looked at by who adds it.
fn missed(then: &Observation) -> Option<Missed<'_>> {
    match then {
        Observation::State { path, state: FileState::Absent | FileState::Directory { .. }, .. } => {
            Some(Missed::Path(path))
        }
        Observation::Listing { path, .. }
        | Observation::Importable { path, .. }
        | Observation::Modules { path, .. }
        | Observation::Distributions { path, .. }
        | Observation::Entries { path, .. } => Some(Missed::Entries(path)),
        _ => None,
    }
}
