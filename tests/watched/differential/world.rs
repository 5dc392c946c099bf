//! Two equal trees: in the one every call goes through cashet, in the other it does not.

use super::program::Program;
use super::random::Random;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, UNIX_EPOCH};
use tempfile::TempDir;

pub(super) struct World {
    base: TempDir,
}

/// What a call gave.
pub(super) struct Given {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    status: String,
}

impl World {
    pub(super) fn new(random: &mut Random) -> Self {
        let base =
            tempfile::Builder::new().prefix("worlds-").tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let world = Self { base };
        let texts = ["alpha\n", "gamma\nalpha\n", "", "beta", "alpha\nbeta\n"];
        let chosen: Vec<&str> = (0..6).map(|_| random.pick(&texts)).collect();
        let has_link = random.chance(2, 3);
        for root in world.roots() {
            for directory in [".git", ".cashet", "d0", "d1/d3", "../home", "../tmp"] {
                fs::create_dir_all(root.join(directory)).unwrap();
            }
            let files = ["f0", "f1", "f2", "d0/f3", "d0/f4", "d1/f5"];
            for (name, text) in files.iter().zip(&chosen) {
                fs::write(root.join(name), text).unwrap();
            }
            for (name, seconds) in [("t0", 1_500_000_004), ("t1", 1_500_000_006)] {
                fs::write(root.join(name), name).unwrap();
                let file = fs::File::open(root.join(name)).unwrap();
                file.set_modified(UNIX_EPOCH + Duration::from_secs(seconds)).unwrap();
            }
            if has_link {
                symlink("f1", root.join("l0")).unwrap();
                symlink("d0", root.join("l1")).unwrap();
            }
        }
        world
    }

    /// The root of the tree that cashet works in, and that of the other.
    pub(super) fn roots(&self) -> [PathBuf; 2] {
        [true, false].map(|through| self.side(through).join("project"))
    }

    fn side(&self, through: bool) -> PathBuf {
        self.base.path().join(if through { "a" } else { "b" })
    }

    pub(super) fn write_program(&self, program: &Program) {
        for root in self.roots() {
            for (name, text) in &program.files {
                fs::write(root.join(name), text).unwrap();
                let mode = if name == "tool" { 0o755 } else { 0o644 };
                fs::set_permissions(root.join(name), fs::Permissions::from_mode(mode)).unwrap();
            }
        }
    }

    /// Every path of the tree, relative to its root.
    pub(super) fn paths(&self) -> Vec<String> {
        let [_, bare] = self.roots();
        tree(&bare).keys().filter_map(|path| path.to_str().map(str::to_owned)).collect()
    }

    /// Runs `program` in one of the trees.
    pub(super) fn call(&self, program: &Program, through: bool) -> Given {
        let side = self.side(through);
        let report = self.base.path().join("report");
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "umask \"$1\"; shift; exec \"$@\"", "sh", program.umask]);
        if through {
            command.args([env!("CARGO_BIN_EXE_cashet"), "exec", "--report"]).arg(&report).arg("--");
        }
        command.args(&program.words).current_dir(side.join("project")).env_clear();
        command.env("PATH", "/usr/bin:/bin").env("LANG", "C.UTF-8");
        command.env("HOME", side.join("home")).env("TMPDIR", side.join("tmp"));
        command.envs(program.variables.iter().map(|(name, value)| (name, value)));
        let ran = command.stdin(Stdio::null()).output().unwrap();
        Given { stdout: ran.stdout, stderr: without_ours(&ran.stderr), status: ran.status.to_string() }
    }

    /// How the last call through cashet was answered.
    pub(super) fn outcome(&self) -> String {
        let text = fs::read_to_string(self.base.path().join("report")).unwrap();
        let report: serde_json::Value = serde_json::from_str(&text).unwrap();
        let outcome = report.get("outcome").and_then(serde_json::Value::as_str).unwrap_or("none").to_owned();
        match report.get("not_kept") {
            _ if outcome == "hit" => outcome,
            None | Some(serde_json::Value::Null) => format!("{outcome}, kept"),
            Some(reason) => format!("{outcome}, not kept: {reason}"),
        }
    }

    /// All in which the two calls and the two trees differ.
    pub(super) fn differences(&self, through: &Given, bare: &Given) -> Vec<String> {
        let mut differences = Vec::new();
        let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
        for (name, ours, theirs) in
            [("stdout", &through.stdout, &bare.stdout), ("stderr", &through.stderr, &bare.stderr)]
        {
            if ours != theirs {
                differences.push(format!("{name}: {} instead of {}", text(ours), text(theirs)));
            }
        }
        if through.status != bare.status {
            differences.push(format!("{} instead of {}", through.status, bare.status));
        }
        let [ours, theirs] = self.roots().map(|root| tree(&root));
        for path in ours.keys().chain(theirs.keys().filter(|path| !ours.contains_key(*path))) {
            let (one, other) = (ours.get(path), theirs.get(path));
            if one != other {
                differences.push(format!("{}: {one:?} instead of {other:?}", path.display()));
            }
        }
        differences
    }

    /// Leaves the trees there to be looked at.
    pub(super) fn keep(self) {
        println!("{}", self.base.keep().display());
    }
}

/// Lines of cashet's own on standard error.
fn without_ours(stderr: &[u8]) -> Vec<u8> {
    let lines = stderr.split_inclusive(|byte| *byte == b'\n');
    lines.filter(|line| !line.starts_with(b"cashet: ")).collect::<Vec<_>>().concat()
}

/// Kind, mode and content of everything below `root`.
fn tree(root: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let wanted = |entry: &walkdir::DirEntry| {
        ![".git", ".cashet", "__pycache__"].iter().any(|name| entry.file_name() == *name)
    };
    for entry in walkdir::WalkDir::new(root).min_depth(1).into_iter().filter_entry(wanted) {
        let entry = entry.unwrap();
        let path = entry.path();
        let metadata = path.symlink_metadata().unwrap();
        let mode = metadata.mode() & 0o7777;
        let text = if metadata.is_symlink() {
            format!("link to {}", fs::read_link(path).unwrap().display())
        } else if metadata.is_dir() {
            format!("directory {mode:o}")
        } else {
            format!("file {mode:o} {}", fs::read(path).unwrap().escape_ascii())
        };
        let relative = path.strip_prefix(root).unwrap();
        debug_assert!(!relative.as_os_str().as_bytes().is_empty());
        found.insert(relative.to_path_buf(), text);
    }
    found
}
