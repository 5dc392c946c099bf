//! Two equal trees: every call goes through cashet in one, and runs bare in the other. Both must have the same
//! streams, status and tree after every call.
//!
//! Neither is below `/tmp`, where the rules are more permissive.

mod answers;

use answers::{mixed, outcome_of, without_ours};

pub(crate) use crate::trees::settle;
use crate::trees::tree;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, UNIX_EPOCH};
use tempfile::TempDir;

/// The program under test.
pub(crate) const CASHET: &str = env!("CARGO_BIN_EXE_cashet");

/// The two trees, each with its own HOME and TMPDIR.
pub(crate) struct Twin {
    base: TempDir,
    is_given_away: Cell<bool>,
}

/// How a call through cashet was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Hit,
    Kept,
    /// With the code of the reason.
    NotKept(String),
    Bypass,
}

/// The result of a call.
#[derive(Debug)]
pub(crate) struct Given {
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
    pub(crate) status: String,
}

/// A call that is being described.
pub(crate) struct Call<'a> {
    twin: &'a Twin,
    options: Vec<OsString>,
    words: Vec<OsString>,
    variables: Vec<(OsString, OsString)>,
    umask: &'static str,
    stdin: Option<(&'static str, u64)>,
    traced: bool,
    as_nobody: bool,
}

/// A user without files and privileges.
const NOBODY: u32 = 65534;

impl Twin {
    /// Two roots, marked by an empty `.git`.
    pub(crate) fn new() -> Self {
        let base = tempfile::Builder::new().prefix("twin-").tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let twin = Self { base, is_given_away: Cell::new(false) };
        twin.both(|root| {
            // The store exists on both sides, since a listing shows it.
            for directory in [".git", ".cashet", "../home", "../tmp"] {
                fs::create_dir_all(root.join(directory)).unwrap();
            }
        });
        twin
    }

    /// Gives everything to an ordinary user without privileges, who makes all later calls. False where the test does
    /// not run as root.
    pub(crate) fn give_away(&self) -> bool {
        if !rustix::process::geteuid().is_root() {
            return false;
        }
        let owner = format!("{NOBODY}:{NOBODY}");
        assert!(Command::new("chown").args(["-R", &owner]).arg(self.base.path()).status().unwrap().success());
        // That user must have access to the program and the trees.
        let reach = Command::new(CASHET)
            .arg("--version")
            .current_dir(self.base.path())
            .uid(NOBODY)
            .gid(NOBODY)
            .output();
        self.is_given_away.set(reach.is_ok_and(|ran| ran.status.success()));
        self.is_given_away.get()
    }

    /// Number of executions through cashet of programs that append a line to `../tmp/ran`, which is not observed.
    pub(crate) fn executions(&self) -> usize {
        fs::read_to_string(self.side(true).join("tmp/ran")).map_or(0, |text| text.lines().count())
    }

    /// The roots of the tree for cashet and of the bare tree.
    pub(crate) fn roots(&self) -> [PathBuf; 2] {
        [true, false].map(|through| self.side(through).join("project"))
    }

    fn side(&self, through: bool) -> PathBuf {
        self.base.path().join(if through { "a" } else { "b" })
    }

    /// Runs `work` in both trees.
    pub(crate) fn both(&self, mut work: impl FnMut(&Path)) -> &Self {
        self.roots().iter().for_each(|root| work(root));
        self
    }

    /// Writes a file, with the directories above it.
    pub(crate) fn write(&self, path: &str, bytes: impl AsRef<[u8]>) -> &Self {
        self.both(|root| {
            fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
            crate::files::write(&root.join(path), bytes.as_ref()).unwrap();
        });
        // With the same time: files that contain a time (archives) would differ otherwise.
        let [ours, theirs] = self.roots().map(|root| root.join(path));
        if let (Ok(ours), Ok(theirs)) = (ours.metadata(), fs::File::open(theirs)) {
            theirs.set_modified(ours.modified().unwrap()).unwrap();
        }
        self
    }

    pub(crate) fn remove(&self, path: &str) -> &Self {
        self.both(|root| {
            let path = root.join(path);
            if path.symlink_metadata().unwrap().is_dir() {
                fs::remove_dir_all(path).unwrap();
            } else {
                fs::remove_file(path).unwrap();
            }
        })
    }

    pub(crate) fn directory(&self, path: &str) -> &Self {
        self.both(|root| fs::create_dir_all(root.join(path)).unwrap())
    }

    pub(crate) fn mode(&self, path: &str, mode: u32) -> &Self {
        self.both(|root| fs::set_permissions(root.join(path), fs::Permissions::from_mode(mode)).unwrap())
    }

    pub(crate) fn link(&self, text: &str, path: &str) -> &Self {
        self.both(|root| {
            let _ = fs::remove_file(root.join(path));
            symlink(text, root.join(path)).unwrap();
        })
    }

    /// Sets a modification time, in seconds after a fixed time in the past.
    pub(crate) fn touch(&self, path: &str, seconds: u64) -> &Self {
        self.both(|root| {
            let time = UNIX_EPOCH + Duration::from_secs(1_500_000_000 + seconds);
            fs::File::open(root.join(path)).unwrap().set_modified(time).unwrap();
        })
    }

    /// Every path of the tree, relative to its root.
    pub(crate) fn paths(&self) -> Vec<String> {
        let [_, bare] = self.roots();
        project(&bare).keys().filter_map(|path| path.to_str().map(str::to_owned)).collect()
    }

    /// A call of these words.
    pub(crate) fn call<Word: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = Word>) -> Call<'_> {
        Call {
            twin: self,
            options: Vec::new(),
            words: words.into_iter().map(|word| word.as_ref().to_owned()).collect(),
            variables: Vec::new(),
            umask: "022",
            stdin: None,
            traced: false,
            as_nobody: self.is_given_away.get(),
        }
    }

    /// A call of a line of shell.
    pub(crate) fn sh(&self, line: &str) -> Call<'_> {
        self.call(["sh", "-c", line])
    }

    /// Leaves the trees there to be looked at.
    pub(crate) fn keep(self) {
        println!("{}", self.base.keep().display());
    }

    /// In which paths the two trees differ, and how.
    fn differing_paths(&self) -> Vec<String> {
        let [ours, theirs] = self.roots().map(|root| project(&root));
        let all = ours.keys().chain(theirs.keys().filter(|path| !ours.contains_key(*path)));
        let different = all.filter(|path| ours.get(*path) != theirs.get(*path));
        let line = |path: &PathBuf| {
            format!("{}: {:?} instead of {:?}", path.display(), ours.get(path), theirs.get(path))
        };
        different.map(line).collect()
    }
}

impl Call<'_> {
    /// Options of `exec`.
    pub(crate) fn with(mut self, options: &[&str]) -> Self {
        self.options.extend(options.iter().map(OsString::from));
        self
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.into(), value.into()));
        self
    }

    pub(crate) fn umask(mut self, mask: &'static str) -> Self {
        self.umask = mask;
        self
    }

    /// Standard input is this file of the tree, from this offset on.
    pub(crate) fn stdin(mut self, path: &'static str, offset: u64) -> Self {
        self.stdin = Some((path, offset));
        self
    }

    /// Below another watch, where the watch itself can only be had by ptrace.
    pub(crate) fn traced(mut self, traced: bool) -> Self {
        self.traced = traced;
        self
    }

    fn on(&self, through: bool) -> Given {
        let side = self.twin.side(through);
        let root = side.join("project");
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "umask \"$1\"; shift; exec \"$@\"", "sh", self.umask]);
        if through && self.traced {
            let outer = self.twin.base.path().join("outer");
            command.args([CASHET, "exec", "--no-cache", "--store"]).arg(outer).arg("--");
        }
        if through {
            command.args([CASHET, "exec", "--report"]).arg(self.report());
            // Where programs count their executions.
            command.arg("--ignore-write").arg(side.join("tmp/ran")).args(&self.options).arg("--");
        }
        command.args(&self.words).current_dir(&root).env_clear();
        command.env("PATH", "/usr/local/bin:/usr/bin:/bin").env("LANG", "C.UTF-8");
        command.env("HOME", side.join("home")).env("TMPDIR", side.join("tmp"));
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        let stdin = self.stdin.map(|(path, offset)| {
            use std::io::{Seek, SeekFrom};
            let mut file = fs::File::open(root.join(path)).unwrap();
            file.seek(SeekFrom::Start(offset)).unwrap();
            file
        });
        if self.as_nobody {
            command.uid(NOBODY).gid(NOBODY);
        }
        let ran = command.stdin(stdin.map_or_else(Stdio::null, Stdio::from)).output();
        let ran = ran.unwrap_or_else(|error| panic!("{error}: {}", processes()));
        Given { stdout: ran.stdout, stderr: without_ours(&ran.stderr), status: ran.status.to_string() }
    }

    fn report(&self) -> PathBuf {
        self.twin.base.path().join("report")
    }

    /// What the last call told of itself.
    pub(crate) fn told(&self) -> serde_json::Value {
        serde_json::from_slice(&fs::read(self.report()).unwrap()).unwrap()
    }

    /// Makes the call on both sides: how it was answered, and all in which the sides differ.
    pub(crate) fn compare(&self) -> (Outcome, Vec<String>) {
        let (outcome, differences, _) = self.compare_and_give();
        (outcome, differences)
    }

    /// As [`Call::compare`], with what the call through cashet gave.
    pub(crate) fn compare_and_give(&self) -> (Outcome, Vec<String>, Given) {
        let _ = fs::remove_file(self.report());
        let (ours, theirs) = (self.on(true), self.on(false));
        let differences = self.differences(&ours, &theirs);
        (outcome_of(&self.told()), differences, ours)
    }

    /// Makes the bare call alone, and compares it with what the call through cashet gave.
    pub(crate) fn compare_bare(&self, ours: &Given) -> Vec<String> {
        let theirs = self.on(false);
        self.differences(ours, &theirs)
    }

    fn differences(&self, ours: &Given, theirs: &Given) -> Vec<String> {
        let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
        let mut differences = Vec::new();
        let (stdout, stderr) = (ours.stdout == theirs.stdout, mixed(&ours.stderr) == mixed(&theirs.stderr));
        for (name, same, ours, theirs) in [
            ("stdout", stdout, &ours.stdout, &theirs.stdout),
            ("stderr", stderr, &ours.stderr, &theirs.stderr),
        ] {
            if !same {
                differences.push(format!("{name}: {} instead of {}", text(ours), text(theirs)));
            }
        }
        if ours.status != theirs.status {
            differences.push(format!("{} instead of {}", ours.status, theirs.status));
        }
        differences.extend(self.twin.differing_paths());
        differences
    }

    /// Makes the call on both sides, which must agree.
    #[track_caller]
    pub(crate) fn agree(&self) -> Outcome {
        let (outcome, differences) = self.compare();
        assert!(differences.is_empty(), "{:?}: {outcome:?}\n  {}", self.words, differences.join("\n  "));
        outcome
    }

    /// Makes the call on both sides, which must agree; it must run.
    #[track_caller]
    pub(crate) fn runs(&self) -> Outcome {
        settle();
        let outcome = self.agree();
        assert_ne!(outcome, Outcome::Hit, "{:?}", self.words);
        outcome
    }

    /// Makes the call on both sides, which must agree; it must not run.
    #[track_caller]
    pub(crate) fn hits(&self) {
        let outcome = self.agree();
        assert_eq!(outcome, Outcome::Hit, "{:?}: {}", self.words, self.told());
    }

    /// Runs so many times at most; from then on it is answered from what was kept.
    #[track_caller]
    pub(crate) fn settles_after(&self, runs: usize) {
        settle();
        let mut told = Vec::new();
        for _ in 0..runs {
            told.push(self.agree());
            settle();
        }
        let outcome = self.agree();
        assert_eq!(outcome, Outcome::Hit, "{:?} after {told:?}: {}", self.words, self.told());
        self.hits();
    }

    /// Makes the call on both sides: it must not run, and only what it prints may differ, since the bare command finds what
    /// it made itself before.
    #[track_caller]
    pub(crate) fn hits_on_its_own_output(&self) {
        settle();
        let (outcome, differences) = self.compare();
        let told = |line: &String| line.starts_with("stdout: ") || line.starts_with("stderr: ");
        let others: Vec<&String> = differences.iter().filter(|line| !told(line)).collect();
        assert!(others.is_empty(), "{:?}: {outcome:?} {others:?}", self.words);
        assert_eq!(outcome, Outcome::Hit, "{:?}: {}", self.words, self.told());
    }

    /// It is never answered from what was kept.
    #[track_caller]
    pub(crate) fn never_settles(&self) {
        for _ in 0..4 {
            self.runs();
        }
    }
}

/// What is in a project and not there for git's, cashet's or an interpreter's own sake.
fn project(root: &Path) -> BTreeMap<PathBuf, String> {
    tree(
        root,
        &[".git", ".cashet", "__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache", "node_modules"],
        |text| format!("link to {}", text.display()),
    )
}

/// How many processes there are: what a test cannot be started for, if it cannot.
fn processes() -> String {
    let is_number =
        |entry: &fs::DirEntry| entry.file_name().to_str().is_some_and(|name| name.parse::<u32>().is_ok());
    let all = fs::read_dir("/proc").unwrap().flatten().filter(is_number);
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    format!("{} processes, {load}", all.count())
}
