//! Capture: turns a request and the state of the system into a manifest and its key. Nothing else reads the system for the
//! key.
//!
//! The capture remembers what it looked at, so that the next call gets the key without reading any file. Of a store it
//! needs only a [`Recall`].

mod recall;

pub use recall::{Known, recall, rekey};

use super::command::{Command, first_program};
use super::entry::What;
use super::files::read_file;
use super::gather::{Gathered, child_environment, gather, hides_code, identity, lineage, lists_directories};
use super::globs::Patterns;
use super::loaded::Loaded;
use super::manifest::{Manifest, Part, Value};
use super::memory::FileMemory;
use super::modules::INLINE;
use super::naming::request_id;
use super::nature::{is_volatile, names_descriptor};
use super::program::Unrecorded;
use super::recording_fs::{Fact, RecordingFs};
use super::remembered::{self, Rests, Summary};
use super::request::Request;
use crate::digest::{DIGEST_LENGTH, Digest, Key, LineageId, RequestId};
use crate::error::Result;
use crate::profiles::attributes::shows_times;
use crate::record::{Base, Evidence, FileState, Observation, Places, Recall, StoredPath, Timestamp};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// A source file of the function, as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Its path; `-c` for inline code.
    pub path: StoredPath,
    /// Its absolute path; `-c` for inline code.
    pub absolute: PathBuf,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Name of the normal form that is hashed.
    pub form: String,
}

/// Everything known about a call before it runs.
#[derive(Clone, Debug)]
pub struct Captured {
    /// The facts that determine the key.
    pub manifest: Manifest,
    /// The digest of the manifest.
    pub key: Key,
    /// The lineage of the run.
    pub lineage: LineageId,
    /// The function's name for display.
    pub function: Vec<u8>,
    /// The function's identity without arguments.
    pub function_id: Digest,
    /// The absolute path of the program to execute: the shim, not the program that it starts.
    pub program: PathBuf,
    /// The program that a version manager's shim finally starts, if the command begins with one.
    pub behind_shim: Option<PathBuf>,
    /// The part of the child's environment that may count.
    pub environment: Vec<(OsString, OsString)>,
    /// Variables that are passed on and not compared.
    pub ignored: super::ignored::Ignored,
    /// The complete environment of the child.
    pub passed_on: Vec<(OsString, OsString)>,
    /// Which sources watched runs of this command line have loaded.
    pub loaded: Loaded,
    /// The facts of sources that are left out of the manifest, since no run loaded them.
    pub left_out: Vec<(Part, Value)>,
    /// The source files of the function.
    pub sources: Vec<Source>,
    /// Everything that was looked at.
    pub facts: Vec<Fact>,
    /// The parsed words of the command.
    pub command: Command,
    /// A word that names an inherited descriptor by path: the name does not determine the file behind it.
    pub sensitive: Option<OsString>,
    /// The program's name, if its output depends on the clock or it is run for its side effects.
    pub volatile: Option<String>,
    /// Whether the program shows the times of files.
    pub shows_times: bool,
    /// Whether directory listings count in general, not only for imports.
    pub lists_directories: bool,
    /// Whether the whole environment counts.
    pub whole_environment: bool,
    /// Whether reading the sources cannot determine some import of the function.
    pub computed_imports: bool,
}

/// The newest modification time of a file in the root whose content is one of `facts`: products made from these files must not
/// look older. Files without evidence are looked at again.
pub fn newest<'a>(
    facts: impl Iterator<Item = (&'a Observation, Option<&'a Evidence>)>,
    places: &Places,
) -> Timestamp {
    let times = facts.filter_map(|(observation, evidence)| {
        let (Observation::Content { path, .. }
        | Observation::State { path, state: FileState::File { .. }, .. }) = observation
        else {
            return None;
        };
        match evidence {
            _ if path.base() != Base::Root => None,
            Some(evidence) => Some(evidence.modified),
            None => fs::metadata(places.resolve(path)).ok().map(|metadata| Evidence::of(&metadata).modified),
        }
    });
    times.max().unwrap_or_default()
}

/// Reads everything that determines the key, and remembers it. A file whose evidence is unchanged is not read.
///
/// # Errors
/// The command cannot be found or executed; a declared input is missing or cannot be read; a pattern or a tool is invalid.
pub fn capture(request: &Request, recall: &dyn Recall) -> Result<Captured> {
    // An unwatched call does not show what it loads.
    let loaded =
        if request.words_are_inputs { Loaded::default() } else { Loaded::find(&lineage(request), recall) };
    capture_with(request, loaded, recall)
}

/// Like [`capture`], with only the sources in `manifest`.
///
/// # Errors
/// As [`capture`].
pub fn capture_like(request: &Request, manifest: &Manifest, recall: &dyn Recall) -> Result<Captured> {
    capture_with(request, Loaded::of(manifest), recall)
}

/// The capture of the same call with only the sources named by `counts`. Nothing is read again if its evidence holds, and nothing
/// is remembered. `None` if the key is the same.
#[must_use]
pub fn counting(
    captured: &Captured,
    request: &Request,
    counts: &[StoredPath],
    recall: &dyn Recall,
) -> Option<Captured> {
    let mut loaded = Loaded::default();
    let inline = StoredPath::in_root(INLINE);
    for source in captured.sources.iter().filter(|source| source.path != inline) {
        loaded.note(&source.path, counts.contains(&source.path));
    }
    let secret = recall.secret();
    let forgetful = Forgetful(secret);
    let memory = seeded(&captured.facts, request, &forgetful);
    let (other, _, _) = look(request, &secret, memory, loaded).ok()?;
    (other.key != captured.key).then_some(other)
}

fn capture_with(request: &Request, loaded: Loaded, recall: &dyn Recall) -> Result<Captured> {
    let id = request_id(request, &|| recall.secret());
    let (older, _) = recall.find(&id).and_then(|bytes| remembered::facts(&bytes).ok()).unwrap_or_default();
    let memory = seeded(&older, request, recall);
    let (captured, summary, memory) = look(request, &recall.secret(), memory, loaded)?;
    // Facts that were too recent to be trusted have no evidence: the remembered capture is checked by reading them again.
    let secret = || recall.secret();
    let form = remembered::encode(&summary, &captured.facts, &Rests::new(), &request.environment, &secret);
    recall.remember(&id, &form);
    memory.keep();
    Ok(captured)
}

/// After a run: the first change to what the capture of `request` looked at for the key, if there is any. A run may change a
/// declared input that is also a declared output.
#[must_use]
pub fn moved(captured: &Captured, request: &Request, secret: [u8; DIGEST_LENGTH]) -> Option<PathBuf> {
    let still = remembered::hold(&captured.facts, request, Timestamp::now());
    if still {
        return None;
    }
    // Something looks different. Another capture shows whether the key changes.
    let forgetful = Forgetful(secret);
    let memory = seeded(&captured.facts, request, &forgetful);
    let Ok((again, _, _)) = look(request, &secret, memory, captured.loaded.clone()) else {
        return Some(captured.program.clone());
    };
    let outputs = Patterns::outputs(&request.outputs, &request.directory, &request.places).ok()?;
    let changes = again.manifest.diff(&captured.manifest);
    changes.into_iter().find_map(|change| match change.part {
        Part::Input(path) => {
            let path = request.places.resolve(&path);
            (!outputs.matches(&path)).then_some(path)
        }
        Part::Source(path) | Part::Shadow(path) | Part::Setting(path) => Some(request.places.resolve(&path)),
        Part::Package(_, name) => Some(PathBuf::from(name)),
        Part::Tool(name) => Some(PathBuf::from(OsString::from(std::ffi::OsStr::from_bytes(&name)))),
        _ => Some(captured.program.clone()),
    })
}

/// The program that a call would execute, and its environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// The program, absolute.
    pub path: PathBuf,
    /// The environment of the child.
    pub environment: Vec<(OsString, OsString)>,
}

/// The program for a call without a lookup. Nothing else is looked at, unless `--env-strict` needs the variables that
/// count.
///
/// # Errors
/// When the command cannot be found or executed.
pub fn program(request: &Request) -> Result<Program> {
    let forgetful = Forgetful([0; DIGEST_LENGTH]);
    if request.env_strict {
        let (captured, _, _) = look(request, &forgetful.0, FileMemory::new(&forgetful), Loaded::default())?;
        return Ok(Program { path: captured.program, environment: captured.passed_on });
    }
    let mut finder = Unrecorded(&request.environment);
    let path = first_program(&request.words, &request.directory, &mut finder)?;
    Ok(Program { path, environment: request.environment.clone() })
}

fn look<'a>(
    request: &'a Request,
    secret: &[u8; DIGEST_LENGTH],
    memory: FileMemory<'a>,
    loaded: Loaded,
) -> Result<(Captured, Summary, FileMemory<'a>)> {
    let mut world = RecordingFs::new(request, memory);
    let gathered = gather(request, secret, &mut world, loaded)?;
    let (facts, asked, memory) = world.finish();
    let asked = asked.iter().map(|name| name.as_bytes().to_vec()).collect();
    let (captured, summary) = assemble(request, gathered, facts, asked);
    Ok((captured, summary, memory))
}

fn assemble(
    request: &Request,
    gathered: Gathered,
    facts: Vec<Fact>,
    asked: BTreeSet<Vec<u8>>,
) -> (Captured, Summary) {
    let Gathered { manifest, loaded, left_out, command, function, selector, whole_environment } = gathered;
    let (key, lineage) = (manifest.key(), lineage(request));
    let (name, function_id) = identity(request, &command);
    let first = command.steps.first();
    let program = first.map(|step| step.program.clone()).unwrap_or_default();
    let behind_shim = first.and_then(|step| step.real.clone()).filter(|real| *real != program);
    let volatile = is_volatile(&command.name, &command.arguments).then(|| command.name.display().to_string());
    // A script of the user may have any name.
    let volatile = volatile.filter(|_| !command.entry.executed_directly);
    let passed_on = child_environment(request, &selector);
    let environment = request.ignored.counted(&passed_on);
    let summary =
        Summary { key, lineage, volatile: volatile.clone(), program: program.clone(), selector, asked };
    let captured = Captured {
        key,
        lineage,
        function: request.shown_text(&name),
        function_id,
        program,
        behind_shim,
        environment,
        ignored: request.ignored.clone(),
        passed_on,
        loaded,
        left_out,
        sources: function.sources.iter().filter_map(|source| source_of(request, &command, source)).collect(),
        facts,
        sensitive: names_descriptor(&request.words).cloned(),
        volatile,
        shows_times: shows_times(&command.name, &command.arguments),
        lists_directories: lists_directories(request, &command.entry, &function),
        whole_environment,
        computed_imports: function.computed_imports,
        manifest,
        command,
    };
    (captured, summary)
}

/// The bytes of a source. A source that changed since the key was computed is reported as moved later.
fn source_of(request: &Request, command: &Command, source: &super::modules::SourceDigest) -> Option<Source> {
    let form = source.form.clone();
    if source.path == Path::new(INLINE) {
        let What::Inline { code, .. } = &command.entry.what else {
            return None;
        };
        if hides_code(request, command) {
            return None;
        }
        let path = StoredPath::in_root(INLINE);
        return Some(Source { path, absolute: source.path.clone(), bytes: code.clone(), form });
    }
    let (bytes, _, _) = read_file(&source.path).ok()?;
    Some(Source { path: request.places.store(&source.path), absolute: source.path.clone(), bytes, form })
}

/// A memory filled with the trusted evidence of `facts`.
fn seeded<'a>(facts: &[Fact], request: &Request, recall: &'a dyn Recall) -> FileMemory<'a> {
    let mut memory = FileMemory::new(recall);
    for (observation, evidence) in facts {
        let (Some(evidence), Some((path, digest))) = (evidence, digested(observation)) else {
            continue;
        };
        memory.seed(request.places.resolve(path), *evidence, digest);
    }
    memory
}

fn digested(observation: &Observation) -> Option<(&StoredPath, Digest)> {
    match observation {
        Observation::Content { path, digest }
        | Observation::State { path, state: FileState::File { digest, .. }, .. } => Some((path, *digest)),
        _ => None,
    }
}

/// A [`Recall`] that remembers nothing.
struct Forgetful([u8; DIGEST_LENGTH]);

impl Recall for Forgetful {
    fn find(&self, _request: &RequestId) -> Option<Vec<u8>> {
        None
    }

    fn remember(&self, _request: &RequestId, _bytes: &[u8]) {}

    fn forget(&self, _request: &RequestId) {}

    fn secret(&self) -> [u8; DIGEST_LENGTH] {
        self.0
    }
}

#[cfg(test)]
mod tests;
