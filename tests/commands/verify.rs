//! `verify` with real runs; each one checks that everything is restored afterwards.

mod circumstances;
mod verdicts;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Snapshot of a directory: type and mode, time, and content or link target of each path.
type Tree = BTreeMap<PathBuf, (u32, i64, i64, Vec<u8>)>;

/// A project in which commands really run. Not below `/tmp`, where the rules are more permissive.
struct Project {
    folder: tempfile::TempDir,
}

struct Told {
    status: i32,
    out: String,
    err: String,
}

impl Project {
    fn new() -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        fs::create_dir_all(folder.path().join("project/.git")).unwrap();
        fs::create_dir_all(folder.path().join("tmp/.cashet")).unwrap();
        Self { folder }
    }

    fn path(&self, inside: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join("project").join(inside)
    }

    fn write(&self, inside: &str, text: impl AsRef<[u8]>) -> &Self {
        fs::create_dir_all(self.path(inside).parent().unwrap()).unwrap();
        fs::write(self.path(inside), text).unwrap();
        self
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cashet"));
        command.args(words).current_dir(self.path("")).env_clear().stdin(Stdio::null());
        command.env("PATH", "/usr/local/bin:/usr/bin:/bin").env("HOME", self.folder.path());
        command.env("TMPDIR", self.folder.path().join("tmp")).env("LANG", "C.UTF-8");
        command
    }

    fn told(command: &mut Command) -> Told {
        let output = command.output().unwrap();
        Told {
            status: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    #[track_caller]
    fn exec(&self, words: &[&str]) -> Told {
        let mut all = vec!["exec", "-q"];
        all.extend(words);
        Self::told(&mut self.command(&all))
    }

    /// Verifies, and checks that everything is restored afterwards.
    #[track_caller]
    fn verify(&self, words: &[&str]) -> Told {
        let mut all = vec!["verify"];
        all.extend(words);
        self.unchanged(|| Self::told(&mut self.command(&all)))
    }

    #[track_caller]
    fn unchanged<T>(&self, run: impl FnOnce() -> T) -> T {
        let (before, store) = (self.tree(), self.store());
        let told = run();
        let after = self.tree();
        for path in before.keys().chain(after.keys()) {
            assert_eq!(before.get(path), after.get(path), "{} is not as it was", path.display());
        }
        assert_eq!(store, self.store(), "the store is not as it was");
        told
    }

    fn tree(&self) -> Tree {
        let mut tree = Tree::new();
        walk(&self.path(""), &mut tree);
        tree
    }

    /// Commits, blobs, hot entries, remembered captures, and files that were set aside.
    fn store(&self) -> (String, Vec<PathBuf>) {
        let log = Self::told(&mut self.command(&["log", "--json"])).out;
        let mut tree = Tree::new();
        for part in ["objects", "hot", "captures", "replaced", "tmp", "view"] {
            walk(&self.path(".cashet").join(part), &mut tree);
        }
        let made = |path: &PathBuf| !path.ends_with("replaced");
        (log, tree.into_keys().filter(made).collect())
    }

    fn runs(&self) -> usize {
        fs::read_to_string(self.folder.path().join("tmp/.cashet/runs")).unwrap_or_default().lines().count()
    }

    /// A shell script that counts its runs outside the project.
    fn script(&self, inside: &str, body: &str) -> &Self {
        self.write(inside, format!("echo run >> \"$TMPDIR/.cashet/runs\"\n{body}\n"))
    }
}

fn walk(directory: &Path, tree: &mut Tree) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.ends_with("project/.cashet") {
            continue;
        }
        let metadata = fs::symlink_metadata(&path).unwrap();
        let content = if metadata.is_symlink() {
            fs::read_link(&path).unwrap().as_os_str().as_bytes().to_vec()
        } else if metadata.is_file() {
            fs::read(&path).unwrap()
        } else {
            Vec::new()
        };
        tree.insert(path.clone(), (metadata.mode(), metadata.mtime(), metadata.mtime_nsec(), content));
        if metadata.is_dir() {
            walk(&path, tree);
        }
    }
}
