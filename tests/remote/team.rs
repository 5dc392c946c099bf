//! Machines that share a cache which is a directory.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

pub(crate) const CASHET: &str = env!("CARGO_BIN_EXE_cashet");

/// A place for machines, a shared cache, and a counter of executions that no machine depends on.
pub(crate) struct Team {
    pub(crate) base: TempDir,
}

/// A clone of the project with a HOME of its own.
pub(crate) struct Machine {
    pub(crate) project: PathBuf,
    pub(crate) home: PathBuf,
    pub(crate) counter: PathBuf,
    pub(crate) environment: Vec<(String, String)>,
}

impl Team {
    pub(crate) fn new() -> Self {
        let base = tempfile::Builder::new().prefix("team-").tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        for directory in ["shared", "count/.cashet"] {
            fs::create_dir_all(base.path().join(directory)).unwrap();
        }
        fs::set_permissions(base.path().join("shared"), fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(base.path().join("count/.cashet/executions"), "").unwrap();
        Self { base }
    }

    pub(crate) fn shared(&self) -> PathBuf {
        self.base.path().join("shared")
    }

    pub(crate) fn counter(&self) -> PathBuf {
        self.base.path().join("count/.cashet/executions")
    }

    pub(crate) fn executions(&self) -> usize {
        fs::read_to_string(self.counter()).unwrap().lines().count()
    }

    /// A clone whose settings name the shared cache, with these lines besides.
    pub(crate) fn machine(&self, name: &str, settings: &str) -> Machine {
        let project = self.base.path().join(name).join("project");
        let home = self.base.path().join(name).join("home");
        for directory in [&project.join(".git"), &home.join(".cache")] {
            fs::create_dir_all(directory).unwrap();
        }
        let machine = Machine { project, home, counter: self.counter(), environment: Vec::new() };
        let url = self.shared();
        machine.write("cashet.toml", &format!("[remote]\nurl = \"dir:{}\"\n{settings}", url.display()));
        machine
    }

    /// One that writes before its calls end.
    pub(crate) fn writer(&self, name: &str) -> Machine {
        self.machine(name, "write = true\nupload = \"wait\"\n")
    }

    pub(crate) fn files(&self, area: &str) -> Vec<PathBuf> {
        let mut files = Vec::new();
        for fan in fs::read_dir(self.shared().join(area)).into_iter().flatten() {
            files.extend(fs::read_dir(fan.unwrap().path()).unwrap().map(|entry| entry.unwrap().path()));
        }
        files
    }
}

impl Machine {
    pub(crate) fn write(&self, name: &str, text: &str) -> &Self {
        let path = self.project.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    pub(crate) fn script(&self, name: &str, body: &str) -> &Self {
        let text = format!("#!/bin/sh\necho x >> '{}'\n{body}\n", self.counter.display());
        self.write(name, &text);
        fs::set_permissions(self.project.join(name), fs::Permissions::from_mode(0o755)).unwrap();
        self
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(CASHET);
        command.args(words).current_dir(&self.project).stdin(Stdio::null()).env_clear();
        command.env("PATH", "/usr/bin:/bin").env("HOME", &self.home).env("LANG", "C.UTF-8");
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    pub(crate) fn cashet(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }

    /// Runs a command; what stdout and stderr say.
    pub(crate) fn exec(&self, words: &[&str]) -> (String, String) {
        let output = self.cashet(&[&["exec", "-v", "--"], words].concat());
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(output.status.success(), "{words:?}: {}", text(&output.stderr));
        (text(&output.stdout), text(&output.stderr))
    }
}

/// A pair of keys: the public one and the secret one.
pub(crate) fn keygen(team: &Team) -> (String, String) {
    let output = team.machine("keys", "").cashet(&["remote", "keygen", "ci"]);
    let text = String::from_utf8(output.stdout).unwrap();
    let (public, secret) = text.trim().split_once('\n').unwrap();
    (public.to_owned(), secret.to_owned())
}

pub(crate) fn simple(machine: &Machine) {
    machine.script("run.sh", "cat data.txt").write("data.txt", "data\n");
}
