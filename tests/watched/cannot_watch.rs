//! Where watching turns out to be impossible, the command gets its standard input unchanged, from the same offset.

use crate::twin::CASHET;
use cashet::digest::Digest;
use cashet::error::{Error, Kind};
use cashet::exec::{Finished, Recorder, Spec, Stdin, WatchMode, Witness};
use cashet::hash::request::StdinPart;
use cashet::memo::GivenStdin;
use cashet::{Context, Executor, LocalStore, Outcome, Policy, Project, Request, StoreOptions, Unix, memoize};
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use tempfile::TempDir;

/// An executor that cannot watch, and reports it late: after its standard input was read.
#[derive(Default)]
struct Blind {
    runs: AtomicUsize,
}

impl Executor for Blind {
    fn run(
        &self,
        spec: Spec<'_>,
        recorder: &mut dyn Recorder,
        witness: &mut dyn Witness,
    ) -> cashet::Result<Finished> {
        if spec.watch != WatchMode::Off {
            if let Stdin::File(mut file) = spec.stdin {
                file.read_to_end(&mut Vec::new()).unwrap();
            }
            return Err(Error::new(Kind::CannotWatch, "cannot watch the run: there are no eyes"));
        }
        self.runs.fetch_add(1, Ordering::Relaxed);
        Unix.run(spec, recorder, witness)
    }
}

fn below_target() -> TempDir {
    tempfile::Builder::new().prefix("blind-").tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

/// Calls `cat` with `input` from `offset` on; returns its output, and how the call was answered.
fn answered(
    place: &Path,
    executor: &Blind,
    input: Option<(&str, u64)>,
    policy: &Policy,
) -> (String, Outcome) {
    let named = place.join("store");
    let project = Project::find(place.to_path_buf(), None, Some(named.as_os_str()));
    let store = LocalStore::open(&project.store, &StoreOptions { create: true, ..StoreOptions::default() });
    let store = store.unwrap();
    let environment = vec![("PATH".into(), "/usr/bin:/bin".into())];
    let mut request = Request::new(vec!["cat".into()], project.directory, project.places, environment);
    let given = input.map(|(text, offset)| {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file.seek(SeekFrom::Start(offset)).unwrap();
        let rest = text.get(usize::try_from(offset).unwrap()..).unwrap();
        request.reads_stdin(Digest::of(rest.as_bytes()), &file, offset);
        GivenStdin { file, evidence: None }
    });
    if given.is_none() {
        request.stdin = StdinPart::Null;
    }
    let printed = place.join("printed");
    let (null, stdout) = (File::open("/dev/null").unwrap(), File::create(&printed).unwrap());
    let context = Context {
        store: Some(&store),
        no_store: None,
        recall: &store,
        executor,
        observer: &(),
        remotes: &[],
        stdin: null.as_fd(),
        stdout: stdout.as_fd(),
        stderr: stdout.as_fd(),
    };
    let answer = memoize(&context, &request, given, policy).unwrap();
    (fs::read_to_string(printed).unwrap(), answer.outcome)
}

#[test]
fn what_was_given_is_given_again() {
    let (place, executor) = (below_target(), Blind::default());
    let pure = Policy { pure: true, ..Policy::default() };
    let plain = Policy::default();
    for (policy, kept) in [(&plain, false), (&pure, true)] {
        for (input, printed) in [
            (Some(("one\ntwo\n", 0)), "one\ntwo\n"),
            (Some(("one\ntwo\n", 4)), "two\n"),
            (Some(("", 0)), ""),
            (None, ""),
        ] {
            for time in 0..3 {
                let before = executor.runs.load(Ordering::Relaxed);
                let (found, outcome) = answered(place.path(), &executor, input, policy);
                assert_eq!(found, printed, "{input:?}: {outcome:?}");
                let runs = usize::from(!kept || time == 0);
                assert_eq!(
                    executor.runs.load(Ordering::Relaxed) - before,
                    runs,
                    "{input:?}, call {time}: {outcome:?}"
                );
            }
        }
    }
}

/// An ordinary user.
const NOBODY: u32 = 65534;

#[test]
fn programs_that_gain_rights_read_the_whole_of_it() {
    if !rustix::process::geteuid().is_root() {
        println!("SKIPPED: only root makes a program that gains rights");
        return;
    }
    let place = below_target();
    let base = place.path();
    let path = |name: &str| base.join(name);
    fs::set_permissions(base, fs::Permissions::from_mode(0o755)).unwrap();
    for directory in ["project", "home", "tmp"] {
        fs::create_dir_all(path(directory)).unwrap();
        chown(path(directory), Some(NOBODY), Some(NOBODY)).unwrap();
    }
    fs::create_dir(path("project/.git")).unwrap();
    crate::files::write(&path("cat"), &fs::read("/bin/cat").unwrap()).unwrap();
    fs::set_permissions(path("cat"), fs::Permissions::from_mode(0o4755)).unwrap();
    fs::write(path("project/in"), "one\ntwo\n").unwrap();
    let call = |options: &[&str], input: &str| {
        let mut command = Command::new(CASHET);
        command.arg("exec").args(options).arg("--").arg(path("cat")).current_dir(path("project"));
        command.env_clear().env("PATH", "/usr/bin:/bin").env("HOME", path("home")).env("TMPDIR", path("tmp"));
        command.uid(NOBODY).gid(NOBODY).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().ok()?;
        let mut stdin = child.stdin.take().unwrap();
        // A process that does not read it closes it.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        let ran = child.wait_with_output().unwrap();
        Some((
            String::from_utf8_lossy(&ran.stdout).into_owned(),
            String::from_utf8_lossy(&ran.stderr).into_owned(),
        ))
    };
    let reach = Command::new(CASHET).arg("--version").uid(NOBODY).gid(NOBODY).current_dir(base).output();
    if !reach.is_ok_and(|ran| ran.status.success()) {
        println!("SKIPPED: the program is out of an ordinary user's reach");
        return;
    }
    for (options, input, printed) in [
        (&["--stdin"][..], "first\n", "first\n"),
        (&["--stdin", "--pure"], "second\n", "second\n"),
        (&["--stdin", "--pure"], "third\n", "third\n"),
        (&["--stdin", "-i", "in"], "fourth\n", "fourth\n"),
        (&["--stdin=in"], "other\n", "one\ntwo\n"),
        (&["--stdin=in", "--pure"], "other\n", "one\ntwo\n"),
        (&["--no-stdin", "--pure"], "other\n", ""),
    ] {
        for _ in 0..3 {
            let (stdout, stderr) = call(options, input).unwrap();
            assert_eq!(stdout, printed, "{options:?}: {stderr}");
        }
    }
    // A reference is read as often.
    let (hash, _) = call(&["--stdin", "--pure", "--id"], "second\n").unwrap();
    let stdin = format!("--stdin=cashet:{}", hash.trim());
    for options in [&[stdin.as_str()][..], &[&stdin, "--pure"]] {
        for _ in 0..2 {
            let (stdout, stderr) = call(options, "other\n").unwrap();
            assert_eq!(stdout, "second\n", "{options:?}: {stderr}");
        }
    }
}
