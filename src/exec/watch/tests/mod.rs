//! Real commands under watch, by both mechanisms: what each was seen to do.

mod accesses;
mod against_strace;
mod changes;
mod descriptors;
mod directories;
mod elsewhere;
mod filters;
mod outliving;
mod reaching;

use super::session::{Mechanism, start_with};
use crate::exec::spawn::{Given, Plan};
use crate::exec::watch::{StartError, Surroundings};
use crate::exec::{Access, Fate, FirstChange, Hazard, Listers, Prior, Seen, Trace, Witness};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

/// Both, so that a test runs with each.
const MECHANISMS: [Mechanism; 2] = [Mechanism::Notify, Mechanism::Trace];

/// What a watched command did.
struct Ran {
    status: ExitStatus,
    output: String,
    changes: Vec<PathBuf>,
    trace: Trace,
}

impl Ran {
    /// What was done with a path; what was done before its first change is asked of [`Ran::before_change`].
    fn access(&self, path: impl AsRef<Path>) -> Access {
        let seen = self.trace.accesses.get(path.as_ref()).copied().unwrap_or_default();
        let (prior, first_change) = Default::default();
        Access {
            prior,
            first_change,
            asked_to_make: false,
            made_where_missing: false,
            times_compared: false,
            may_be_entered: false,
            altered: false,
            listed_own: false,
            listed_around: Listers::default(),
            changed_otherwise: false,
            used_after_appending: false,
            appended_by_programs: false,
            looked_by_another: false,
            ..seen
        }
    }

    /// What was done with a path before its first change, and what that was.
    fn before_change(&self, path: impl AsRef<Path>) -> (Prior, FirstChange) {
        let seen = self.trace.accesses.get(path.as_ref()).copied().unwrap_or_default();
        (seen.prior, seen.first_change)
    }

    fn succeeded(self) -> Self {
        assert!(self.status.success(), "{}: {}", self.status, self.output);
        self
    }

    fn whole(self) -> Self {
        assert_eq!(self.trace.hazards, [], "{}", self.output);
        self.succeeded()
    }
}

#[derive(Default)]
struct Changes(Vec<PathBuf>);

impl Witness for Changes {
    fn about_to_look(&mut self, _: &Path, _: Seen<'_>) {}
    fn about_to_list(&mut self, _: &Path) {}
    fn about_to_change(&mut self, path: &Path, _: Fate) {
        self.0.push(path.to_owned());
    }
}

/// A command to be watched.
struct Watched {
    mechanisms: &'static [Mechanism],
    words: Vec<OsString>,
    stdin: Given,
    unobserved: Vec<PathBuf>,
    grace: Duration,
}

impl Watched {
    fn new(mechanism: Mechanism, words: &[&str]) -> Self {
        let null = File::open("/dev/null").unwrap();
        Self {
            mechanisms: if mechanism == Mechanism::Notify {
                &[Mechanism::Notify]
            } else {
                &[Mechanism::Trace]
            },
            words: words.iter().map(OsString::from).collect(),
            stdin: Given::Other(null.into()),
            unobserved: Vec::new(),
            grace: Duration::from_secs(10),
        }
    }

    fn sh(mechanism: Mechanism, script: &str) -> Self {
        Self::new(mechanism, &["sh", "-c", script])
    }

    fn run(self) -> Ran {
        let folder = tempfile::tempdir().unwrap();
        let output = folder.path().join("output");
        let file = File::create(&output).unwrap();
        let program = which(self.words[0].to_str().unwrap()).unwrap();
        let given = |file: &File| Given::Other(OwnedFd::from(file.try_clone().unwrap()));
        let given = [self.stdin, given(&file), given(&file)];
        // Cargo's own library path would be searched by every program.
        let environment: Vec<_> = std::env::vars_os().filter(|(name, _)| name != "LD_LIBRARY_PATH").collect();
        let plan = Plan::new(&program, &self.words, &environment, given).unwrap();
        let mut witness = Changes::default();
        let mut unobserved = self.unobserved;
        unobserved.push(folder.path().to_owned());
        let surroundings = Surroundings { unobserved: &unobserved, ..Surroundings::default() };
        let (status, trace) = std::thread::scope(|scope| {
            let mut session = match start_with(self.mechanisms, scope, &plan, &mut witness, surroundings) {
                Ok(session) => session,
                Err(StartError::Spawn(error)) => panic!("cannot start: {error}"),
                Err(StartError::Unavailable(reason)) => panic!("unavailable: {reason}"),
            };
            let (status, _) = session.reap().unwrap();
            (status, session.finish(self.grace))
        });
        let output = String::from_utf8_lossy(&fs::read(output).unwrap()).into_owned();
        Ran { status: ExitStatus::from_raw(status), output, changes: witness.0, trace }
    }
}

fn which(name: &str) -> Option<PathBuf> {
    if name.contains('/') {
        return Some(PathBuf::from(name));
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|path| path.is_file())
}

/// Whether a program that a test needs is there. If not, that is said past the test harness, which would hide it.
fn have(programs: &[&str]) -> bool {
    let missing: Vec<_> = programs.iter().filter(|name| which(name).is_none()).collect();
    if !missing.is_empty() {
        let test = std::thread::current().name().unwrap_or_default().to_owned();
        let _ = writeln!(std::io::stderr(), "SKIPPED {test}: {missing:?} is not installed");
    }
    missing.is_empty()
}

/// Compiles a C program into `folder`.
fn compile(folder: &Path, source: &str, options: &[&str]) -> PathBuf {
    let (file, program) = (folder.join("program.c"), folder.join("program"));
    fs::write(&file, source).unwrap();
    let status = Command::new("gcc").args(options).arg("-o").arg(&program).arg(&file).status().unwrap();
    assert!(status.success());
    fs::remove_file(file).unwrap();
    program
}

/// Only these flags.
fn only(set: impl Fn(&mut Access)) -> Access {
    let mut access = Access::default();
    set(&mut access);
    access
}
