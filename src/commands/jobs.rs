//! The parts of a job: the executor with its settings, the resources, the words of the call.

mod over;
pub(super) mod reapi;
mod standing;

pub(super) use over::{CANCELLING, GRACE, Over, is_own, termination};
pub(super) use standing::{Owner, Standing, gone, stand};

use super::options::{ELSEWHERE, Flag, Scanned};
use crate::digest::Digest;
use crate::elsewhere::{Call, Engine, Resources, engine, is_taken, machine, take as copy_tree};
use crate::error::{Error, Result};
use crate::hash::manifest::{Manifest, Part};
use crate::memo::MissReason;
use crate::project::{ExecutorSettings, Project};
use crate::record::{Base, Observation, Timestamp};
use crate::store::LocalStore;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// An executor, ready for use.
pub(super) struct Settings {
    /// Its name.
    pub(super) name: String,
    /// Runs the jobs.
    pub(super) engine: Box<dyn Engine>,
    /// The directory of the store of this call, absolute. It contains the directories of the jobs.
    pub(super) store: PathBuf,
    /// Its section of `cashet.toml`.
    pub(super) given: ExecutorSettings,
}

impl Settings {
    /// The store that records the run there.
    pub(super) fn store_there(&self) -> &Path {
        self.given.store.as_deref().unwrap_or(&self.store)
    }

    /// Whether results come back through a shared cache.
    pub(super) fn has_other_store(&self) -> bool {
        self.given.store.as_ref().is_some_and(|there| *there != self.store)
    }
}

/// The executor that `--on` names.
///
/// # Errors
/// [`crate::error::Kind::Usage`] if there is none of this name, or its settings are invalid.
pub(super) fn settings(scanned: &Scanned, project: &Project) -> Result<Settings> {
    let name = scanned.last(Flag::On).unwrap_or_default().to_string_lossy().into_owned();
    if scanned.has(Flag::Redact) {
        return Err(hidden());
    }
    if scanned.has(Flag::Snapshot) && scanned.has(Flag::Latest) {
        return Err(Error::usage(
            "--snapshot and --latest exclude each other: one runs the code as it is now, the \
                                 other as it is when the job begins",
        ));
    }
    let settings = settings_of(&name, scanned, project)?;
    if scanned.has(Flag::NoWait) {
        return Err(Error::usage("--no-wait and --on exclude each other: an identical job is attached to")
            .with_hint("leave one of them out"));
    }
    if scanned.has(Flag::NoRemote) && settings.has_other_store() {
        let wrong = format!("--no-remote: results of {name} come back through the shared cache");
        return Err(Error::usage(wrong).with_hint(format!("leave it out, or store in [executors.{name}]")));
    }
    if scanned.has(Flag::Detach) && !settings.engine.is_detached() {
        return Err(Error::usage(format!("--detach: {name} waits for the command"))
            .with_hint(format!("[executors.{name}] needs a submit that does not wait, and status")));
    }
    Ok(settings)
}

/// The error of a call that records nothing.
pub(super) fn needs_store() -> Error {
    Error::usage("--on needs the store, where the other machine records the run")
        .with_hint("leave --mode out, or --on")
}

/// The error of a call with hidden words: the words of a job are written to the store.
pub(super) fn hidden() -> Error {
    Error::usage("--redact and --on exclude each other: the words of a job are in the store")
        .with_hint("give the secret in a variable that the job has there")
}

/// The executor called `name`, for jobs with the resources of the call.
///
/// # Errors
/// As [`settings`].
pub(super) fn settings_of(name: &str, scanned: &Scanned, project: &Project) -> Result<Settings> {
    settings_with(name, scanned, project, false)
}

/// The executor called `name`, to follow a job that it has. The resources of this call do not apply there.
fn followed(name: &str, project: &Project) -> Result<Settings> {
    settings_with(name, &Scanned::default(), project, true)
}

fn settings_with(
    name: &str,
    scanned: &Scanned,
    project: &Project,
    submits_nothing: bool,
) -> Result<Settings> {
    let whole = project.settings()?;
    let all = whole.executors;
    let mut given = match all.get(name) {
        Some(given) => given.clone(),
        // Slurm needs no settings.
        None if name == "slurm" => {
            ExecutorSettings { kind: "slurm".to_owned(), ..ExecutorSettings::default() }
        }
        None => {
            let known: Vec<&str> = all.keys().map(String::as_str).collect();
            let known = if known.is_empty() { "there are none".to_owned() } else { known.join(", ") };
            let wrong = format!("--on {name}: cashet.toml has no [executors.{name}]");
            return Err(Error::usage(wrong).with_hint(format!("its executors: {known}")));
        }
    };
    if let Some(store) = &given.store {
        let waits = whole.remotes.iter().any(|remote| remote.upload.as_deref() == Some("wait"));
        if !store.is_absolute() || !waits {
            let wrong =
                if waits { "is not absolute" } else { "needs a shared cache that brings results back" };
            return Err(Error::usage(format!("cashet.toml: store in [executors.{name}] {wrong}")).with_hint(
                "[remote] url = \"dir:/PATH/ON/THE/SHARED/FILE/SYSTEM\", write = true, upload = \"wait\"",
            ));
        }
    }
    let program =
        std::env::current_exe().map_err(|error| Error::io("find", Path::new("the program itself"), error))?;
    if submits_nothing {
        fill_resources(&mut given);
    }
    let resources = resources(scanned, &given)?;
    let store =
        std::path::absolute(&project.store).map_err(|error| Error::io("find", &project.store, error))?;
    let engine = if given.kind == reapi::KIND {
        if scanned.has(Flag::Snapshot) {
            let wrong = format!("--snapshot: what {name} gets is a copy");
            return Err(Error::usage(wrong).with_hint("leave it out"));
        }
        let ship = scanned.last(Flag::Ship).map(|value| value.to_string_lossy().into_owned());
        Box::new(reapi::Reapi::new(name, &given, resources, ship.as_deref(), program)?)
    } else {
        if scanned.has(Flag::Ship) {
            let wrong = format!("--ship: the machines of {name} have the project's own files");
            return Err(Error::usage(wrong).with_hint("leave it out"));
        }
        engine(name, &given, resources, &program)?
    };
    Ok(Settings { name: name.to_owned(), engine, store, given })
}

/// Gives a value to each resource that `submit` has a placeholder for: without one the settings are refused, and jobs that are
/// only followed need none.
fn fill_resources(given: &mut ExecutorSettings) {
    let submit = given.submit.clone().unwrap_or_default();
    for (mark, resource) in [
        ("{gpus}", &mut given.gpus),
        ("{cpus}", &mut given.cpus),
        ("{mem}", &mut given.mem),
        ("{time}", &mut given.time),
        ("{partition}", &mut given.partition),
    ] {
        if submit.contains(mark) {
            resource.get_or_insert_default();
        }
    }
}

/// The resources that the call names, or else those of the settings.
fn resources(scanned: &Scanned, given: &ExecutorSettings) -> Result<Resources> {
    let one = |flag: Flag, set: &Option<String>| {
        let value = scanned.last(flag).map(|value| value.to_string_lossy().into_owned());
        value.or_else(|| set.clone())
    };
    let mut options = Vec::new();
    let typed = scanned.all(Flag::Sbatch).map(|words| words.to_string_lossy().into_owned());
    for line in given.sbatch.iter().cloned().chain(typed) {
        options.extend(
            split(&line)
                .ok_or_else(|| Error::usage(format!("--sbatch: {line} has a quote without an end")))?,
        );
    }
    Ok(Resources {
        gpus: one(Flag::Gpus, &given.gpus),
        cpus: one(Flag::Cpus, &given.cpus),
        mem: one(Flag::Mem, &given.mem),
        time: one(Flag::Time, &given.time),
        partition: one(Flag::Partition, &given.partition),
        options,
        variables: set(scanned),
    })
}

/// Splits a line into words as a shell does, with quotes and backslashes only.
fn split(line: &str) -> Option<Vec<String>> {
    let (mut words, mut word, mut quote): (Vec<String>, Option<String>, Option<char>) =
        (Vec::new(), None, None);
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        match (quote, letter) {
            (None, letter) if letter.is_whitespace() => words.extend(word.take()),
            (None, '\'' | '"') => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (Some(open), letter) if letter == open => quote = None,
            (None | Some('"'), '\\') => word.get_or_insert_default().push(letters.next()?),
            (_, letter) => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}

/// The words after `exec` that the job runs. Options that only matter here are left out, as are the values of variables, which
/// the job gets in its environment.
pub(super) fn words_of_job(scanned: &Scanned, store: &Path) -> Vec<OsString> {
    let mut without = vec![Flag::Report, Flag::Id, Flag::Verbose, Flag::Quiet, Flag::Explain, Flag::Store];
    without.extend_from_slice(ELSEWHERE);
    let mut named = OsString::from("--store=");
    named.push(store.as_os_str());
    let mut words = vec![named, OsStr::new("--quiet").to_owned()];
    let named_only = scanned.replaced(scanned.words.clone(), |flag, value| {
        let name = value.as_bytes().split(|byte| *byte == b'=').next().unwrap_or_default();
        Ok::<_, Error>(if flag == Flag::Env { OsStr::from_bytes(name) } else { value }.to_owned())
    });
    // Replacing never fails here.
    words.extend(named_only.unwrap_or_default().to_words(&without));
    words
}

/// The variables that the call sets.
pub(super) fn set(scanned: &Scanned) -> Vec<(OsString, OsString)> {
    let both = |word: &OsStr| {
        let (name, value) =
            word.as_bytes().split_at_checked(word.as_bytes().iter().position(|byte| *byte == b'=')?)?;
        Some((OsStr::from_bytes(name).to_owned(), OsStr::from_bytes(value.get(1..)?).to_owned()))
    };
    scanned.all(Flag::Env).filter_map(both).collect()
}

/// Files of the project that a call is known to read, relative to the root: those in its key, and those that the nearest
/// earlier run read.
pub(super) fn known_reads(manifest: &Manifest, why: &MissReason, store: Option<&LocalStore>) -> Vec<PathBuf> {
    let named = manifest.facts().filter_map(|(part, _)| match part {
        Part::Source(path) | Part::Setting(path) | Part::Input(path) => Some(path.clone()),
        _ => None,
    });
    let since = match why {
        MissReason::Changed { since, .. } | MissReason::NeverKept { since, .. } => Some(since),
        _ => None,
    };
    let earlier = since.and_then(|since| store?.row(since).ok()?);
    let earlier = earlier.map(|row| row.commit.observations).unwrap_or_default();
    let read = earlier.into_iter().filter_map(|seen| match seen {
        Observation::Content { path, .. } => Some(path),
        _ => None,
    });
    named
        .chain(read)
        .filter(|path| path.base() == Base::Root)
        .map(|path| OsStr::from_bytes(path.rest()).into())
        .collect()
}

/// Copies the tree that a call runs with `--snapshot`, unless it exists.
///
/// # Errors
/// As [`copy_tree`].
pub(super) fn ship(call: &Call, project: &Project, store: &Path, reads: &[PathBuf]) -> Result<()> {
    match &call.snapshot {
        Some(tree) if !is_taken(tree) => copy_tree(&project.places.root, store, reads, tree),
        _ => Ok(()),
    }
}

/// A unique name for a job.
pub(super) fn token() -> String {
    static MADE: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    let number = MADE.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let machine = machine();
    let unique = format!("{} {} {number} {machine}", Timestamp::now().0, std::process::id());
    let digits = Digest::of(unique.as_bytes()).to_hex();
    format!("cashet-{}", digits.get(..16).unwrap_or(&digits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_split_as_a_shell_does() {
        for (line, words) in [
            ("--qos=high  --exclusive", Some(vec!["--qos=high", "--exclusive"])),
            ("--comment='two words' -x a\\ b", Some(vec!["--comment=two words", "-x", "a b"])),
            ("\"a \\\" b\" ''", Some(vec!["a \" b", ""])),
            ("", Some(vec![])),
            ("'open", None),
        ] {
            let words = words.map(|words| words.into_iter().map(str::to_owned).collect::<Vec<_>>());
            assert_eq!(split(line), words, "{line}");
        }
    }

    #[test]
    fn tokens_differ() {
        assert_ne!(token(), token());
    }
}
