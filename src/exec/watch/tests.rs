//! Real commands under watch: what each was seen to do.

use super::session::start;
use crate::exec::spawn::{Given, Plan};
use crate::exec::watch::StartError;
use crate::exec::{Access, Hazard, Trace, Witness};
use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What a watched command did.
struct Ran {
    status: libc::c_int,
    output: String,
    changes: Vec<PathBuf>,
    trace: Trace,
}

#[derive(Default)]
struct Changes(Vec<PathBuf>);

impl Witness for Changes {
    fn about_to_change(&mut self, path: &Path) {
        self.0.push(path.to_owned());
    }
}

fn which(name: &str) -> Option<PathBuf> {
    if name.contains('/') {
        return Some(PathBuf::from(name));
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|path| path.is_file())
}

fn watch(words: &[&str], stdin: Given) -> Ran {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("output");
    let file = File::create(&output).unwrap();
    let program = which(words[0]).unwrap();
    let given = [stdin, Given::Other(file.try_clone().unwrap().into()), Given::Other(file.into())];
    let words: Vec<OsString> = words.iter().map(OsString::from).collect();
    // Cargo's own library path would be searched by every program.
    let environment: Vec<_> = std::env::vars_os().filter(|(name, _)| name != "LD_LIBRARY_PATH").collect();
    let plan = Plan::new(&program, &words, &environment, given).unwrap();
    let mut witness = Changes::default();
    let unobserved = vec![folder.path().to_owned()];
    let (status, trace) = std::thread::scope(|scope| {
        let mut session = match start(scope, &plan, &mut witness, &unobserved) {
            Ok(session) => session,
            Err(StartError::Spawn(error)) => panic!("cannot start: {error}"),
            Err(StartError::Unavailable(reason)) => panic!("unavailable: {reason}"),
        };
        let (status, _) = session.reap().unwrap();
        (status, session.finish(Duration::from_secs(5)))
    });
    let output = String::from_utf8_lossy(&fs::read(output).unwrap()).into_owned();
    Ran { status, output, changes: witness.0, trace }
}

fn sh(script: &str) -> Ran {
    watch(&["sh", "-c", script], Given::Other(File::open("/dev/null").unwrap().into()))
}

fn access(ran: &Ran, path: &Path) -> Access {
    ran.trace.accesses.get(path).copied().unwrap_or_default()
}

#[test]
fn a_pipeline_reads_looks_misses_and_makes() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::write(at.join("in"), "hello\n").unwrap();
    let shown = at.display();
    let ran = sh(&format!("cd {shown}; cat in | tr a-z A-Z > out; test -e none; ls > /dev/null; cat out"));
    assert_eq!((ran.status, ran.output.as_str()), (0, "HELLO\n"));
    assert!(ran.trace.hazards.is_empty(), "{:?}", ran.trace.hazards);
    assert_eq!(access(&ran, &at.join("in")), Access { read: true, ..Access::default() });
    assert_eq!(access(&ran, &at.join("none")), Access { absent: true, ..Access::default() });
    assert_eq!(access(&ran, &at.join("out")), Access { changed: true, made: true, ..Access::default() });
    assert!(access(&ran, at).listed);
    assert_eq!(ran.changes, [at.join("out")]);
    for program in ["sh", "cat", "tr", "ls"] {
        let program = which(program).unwrap();
        assert!(access(&ran, &program).executed, "{}", program.display());
        assert!(ran.trace.programs.contains(&program));
    }
}
