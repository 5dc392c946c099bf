//! A project with a job, and a store with a history that is restored before each trial.

use crate::tracer::{Call, Deed, End, Traced, trace};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Once;
use tempfile::TempDir;

/// The program under test; `CASHET_TEST_PROGRAM` selects another one.
fn program() -> OsString {
    std::env::var_os("CASHET_TEST_PROGRAM").unwrap_or_else(|| env!("CARGO_BIN_EXE_cashet").into())
}

/// Reads `in` and `big`, writes both streams, and leaves outputs named by its word: a file with two names, and a
/// directory with a link, an old file and a sparse file.
const JOB: &str = "#!/bin/sh
echo x >> \"$COUNTER\"
cat many/*/* > /dev/null
echo begun \"$1\" >&2
cat in big
echo \"$1\"
mkdir d.\"$1\"
cat big in > d.\"$1\"/copy
ln -s copy d.\"$1\"/link
echo made \"$1\" > out.\"$1\"
chmod 751 out.\"$1\"
ln out.\"$1\" d.\"$1\"/name
touch -d @1000000000.5 d.\"$1\"/copy
truncate -s 3M d.\"$1\"/hole
";

/// A project in a temporary directory.
pub(crate) struct Project {
    base: TempDir,
}

impl Project {
    /// A project whose files are old enough for their times to be trusted.
    pub(crate) fn new() -> Self {
        static ORPHANS: Once = Once::new();
        ORPHANS.call_once(|| nix::sys::prctl::set_child_subreaper(true).unwrap());
        let base =
            tempfile::Builder::new().prefix("faults-").tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let project = Self { base };
        for directory in ["project/.git", "home", "tmp/.cashet"] {
            fs::create_dir_all(project.base.path().join(directory)).unwrap();
        }
        fs::write(project.counter(), "").unwrap();
        project.write("in", "1\n").write("big", Self::big()).write("job", JOB);
        // More than one part of observations.
        for number in 0..300 {
            let directory = format!("many/{}", number / 15);
            fs::create_dir_all(project.path(&directory)).unwrap();
            project.write(&format!("{directory}/{number}"), "");
        }
        fs::set_permissions(project.path("job"), fs::Permissions::from_mode(0o755)).unwrap();
        project
    }

    /// More than a hot entry stores, and compressible.
    pub(crate) fn big() -> Vec<u8> {
        (0..1000).flat_map(|n: u32| format!("line {}\n", n * 7919 % 1000).into_bytes()).collect()
    }

    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.base.path().join("project").join(name)
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.path(".cashet")
    }

    pub(crate) fn outside(&self, name: &str) -> PathBuf {
        self.base.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> &Self {
        crate::files::write(&self.path(name), bytes.as_ref()).unwrap();
        self
    }

    fn counter(&self) -> PathBuf {
        self.base.path().join("tmp/.cashet/executions")
    }

    pub(crate) fn executions(&self) -> u64 {
        fs::metadata(self.counter()).unwrap().len() / 2
    }

    /// `cashet WORDS` in the project.
    pub(crate) fn command<Word: AsRef<OsStr>>(&self, words: &[Word]) -> Command {
        let mut command = Command::new(program());
        command.args(words).current_dir(self.path("")).env_clear();
        command.env("PATH", "/usr/bin:/bin").env("LANG", "C.UTF-8").env("COUNTER", self.counter());
        command.env("HOME", self.base.path().join("home")).env("TMPDIR", self.base.path().join("tmp"));
        command.stdin(Stdio::null());
        command
    }

    pub(crate) fn run<Word: AsRef<OsStr>>(&self, words: &[Word]) -> Output {
        self.command(words).output().unwrap()
    }

    /// Runs the same under ptrace; `decide` chooses the fate of each system call.
    pub(crate) fn trace(&self, words: &[String], decide: &mut dyn FnMut(&Call) -> Deed) -> Traced {
        trace(&self.command(words), decide)
    }

    /// Runs a call that must succeed.
    #[track_caller]
    pub(crate) fn must<Word: AsRef<OsStr>>(&self, words: &[Word]) -> Output {
        let output = self.run(words);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output
    }

    /// Hashes of all runs, newest first; or the text of the error.
    pub(crate) fn log(&self) -> Result<Vec<String>, String> {
        let output = self.run(&["log", "--json"]);
        if !output.status.success() {
            return Err(format!("log: {}", String::from_utf8_lossy(&output.stderr)));
        }
        let text = String::from_utf8(output.stdout).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        Ok(lines.map(|line| line["commit"].as_str().unwrap().to_owned()).collect())
    }

    /// Saves the present state of the store.
    pub(crate) fn save(&self) {
        copy_tree(&self.store(), &self.base.path().join("saved"));
    }

    /// Restores the saved state of the store, and removes the outputs of jobs.
    pub(crate) fn restore(&self) {
        remove(&self.store());
        copy_tree(&self.base.path().join("saved"), &self.store());
        self.clear();
    }

    /// Removes the outputs of jobs.
    pub(crate) fn clear(&self) {
        for entry in fs::read_dir(self.path("")).unwrap().flatten() {
            let name = entry.file_name().into_string().unwrap();
            if name.starts_with("out.") || name.starts_with("d.") {
                remove(&entry.path());
            }
        }
    }

    /// The output of `./job word`.
    pub(crate) fn stdout_of(&self, word: &str) -> Vec<u8> {
        let input = fs::read(self.path("in")).unwrap();
        [&input[..], &Self::big(), format!("{word}\n").as_bytes()].concat()
    }

    /// Checks the files that `./job word` leaves; returns what is wrong.
    pub(crate) fn wrong_files(&self, word: &str) -> Option<String> {
        let (out, directory) = (self.path(format!("out.{word}")), self.path(format!("d.{word}")));
        let input = fs::read(self.path("in")).unwrap();
        let copy = [Self::big(), input].concat();
        let mode = fs::metadata(&out).map(|metadata| metadata.mode() & 0o7777);
        let mut names: Vec<_> =
            fs::read_dir(&directory).into_iter().flatten().flatten().map(|entry| entry.file_name()).collect();
        names.sort();
        let found = (fs::read(&out).ok(), mode.ok(), fs::read(directory.join("copy")).ok());
        let link = fs::read_link(directory.join("link")).ok();
        let inode = |path: &Path| fs::metadata(path).map(|metadata| metadata.ino()).ok();
        let is_linked = inode(&out).is_some() && inode(&out) == inode(&directory.join("name"));
        let time =
            fs::metadata(directory.join("copy")).map(|metadata| (metadata.mtime(), metadata.mtime_nsec()));
        let hole = fs::metadata(directory.join("hole")).map(|metadata| metadata.len());
        let right = found == (Some(format!("made {word}\n").into_bytes()), Some(0o751), Some(copy))
            && link.as_deref() == Some(Path::new("copy"))
            && is_linked
            && time.ok() == Some((1_000_000_000, 500_000_000))
            && hole.ok() == Some(3 << 20)
            && names == ["copy", "hole", "link", "name"];
        (!right).then(|| {
            let (out, mode, copy) = found;
            let out = out.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
            let copy = copy.map(|bytes| bytes.len());
            format!("files of {word}: {out:?} {mode:?} {copy:?} {link:?} {names:?}")
        })
    }

    /// Checks the result of `./job word`; returns what is wrong.
    pub(crate) fn wrong_answer(&self, word: &str, output: &Output) -> Option<String> {
        let stderr = String::from_utf8_lossy(&output.stderr);
        if !output.status.success() {
            return Some(format!("{}: {stderr}", output.status));
        }
        if output.stdout != self.stdout_of(word) {
            return Some(format!("{} bytes of stdout; {stderr}", output.stdout.len()));
        }
        if !stderr.contains(&format!("begun {word}\n")) {
            return Some(format!("stderr: {stderr}"));
        }
        self.wrong_files(word)
    }
}

impl Traced {
    /// Standard error without the messages caused by tracing.
    pub(crate) fn stderr_text(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }

    /// Describes a crash or a hang.
    pub(crate) fn crash(&self) -> Option<String> {
        let text = self.stderr_text();
        let crashed = match self.end {
            End::Hung | End::Signal(_) => true,
            End::Status(status) => status == 101 || text.contains("panicked at"),
        };
        crashed.then(|| format!("{:?}: {text}", self.end))
    }
}

/// Removes a file or a tree.
pub(crate) fn remove(path: &Path) {
    match path.symlink_metadata() {
        Ok(metadata) if metadata.is_dir() => {
            let _ = fs::set_permissions(path, fs::Permissions::from_mode(0o700));
            fs::remove_dir_all(path).unwrap();
        }
        Ok(_) => fs::remove_file(path).unwrap(),
        Err(_) => {}
    }
}

/// Copies a tree with its modes.
pub(crate) fn copy_tree(from: &Path, to: &Path) {
    let metadata = from.symlink_metadata().unwrap();
    if metadata.is_symlink() {
        symlink(fs::read_link(from).unwrap(), to).unwrap();
    } else if metadata.is_dir() {
        fs::create_dir(to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            copy_tree(&entry.path(), &to.join(entry.file_name()));
        }
        fs::set_permissions(to, metadata.permissions()).unwrap();
    } else {
        fs::copy(from, to).unwrap();
    }
}

/// All files below, sorted.
pub(crate) fn files_below(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.symlink_metadata().unwrap().is_dir() {
            found.extend(files_below(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}
