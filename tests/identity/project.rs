//! A project whose scripts count their executions, and calls through cashet that are compared with bare ones.
//!
//! Not below `/tmp`, where much is tolerated that is not elsewhere.

use std::cell::Cell;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, UNIX_EPOCH};
use tempfile::TempDir;

/// The program under test.
pub(crate) const CASHET: &str = env!("CARGO_BIN_EXE_cashet");

/// How a call comes to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// The run is watched.
    Watched,
    /// The call says that nothing counts but what is known before the run.
    Declared,
}

/// `project/` is the root and the working directory; HOME, TMPDIR and the counter lie beside it.
pub(crate) struct Project {
    base: TempDir,
    mode: Mode,
    /// Seconds after a fixed time in the past: each written file is younger than the previous ones.
    clock: Cell<u64>,
}

/// Runs `test` in a separate project for each mode.
pub(crate) fn both(test: impl Fn(&Project)) {
    for mode in [Mode::Watched, Mode::Declared] {
        test(&Project::new(mode));
    }
}

impl Project {
    pub(crate) fn new(mode: Mode) -> Self {
        let base =
            tempfile::Builder::new().prefix("identity-").tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        for directory in ["project/.git", "home", "tmp/.cashet"] {
            fs::create_dir_all(base.path().join(directory)).unwrap();
        }
        fs::write(base.path().join("tmp/.cashet/executions"), "").unwrap();
        Self { base, mode, clock: Cell::new(0) }
    }

    pub(crate) fn mode(&self) -> Mode {
        self.mode
    }

    /// A path in the project; `../x` is beside it.
    pub(crate) fn path(&self, relative: impl AsRef<Path>) -> PathBuf {
        match relative.as_ref().strip_prefix("..") {
            Ok(beside) => self.base.path().join(beside),
            Err(_) => self.base.path().join("project").join(relative),
        }
    }

    /// Writes a file, with the directories above it.
    pub(crate) fn write(&self, relative: impl AsRef<Path>, text: impl AsRef<[u8]>) -> &Self {
        let path = self.path(relative);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        crate::files::write(&path, text.as_ref()).unwrap();
        // Python accepts bytecode for any source of the same size and second.
        self.clock.set(self.clock.get() + 2);
        let time = UNIX_EPOCH + Duration::from_secs(1_500_000_000 + self.clock.get());
        fs::File::open(path).unwrap().set_modified(time).unwrap();
        self
    }

    /// Changes a part of a file.
    #[track_caller]
    pub(crate) fn edit(&self, relative: impl AsRef<Path>, from: &str, to: &str) -> &Self {
        let text = fs::read_to_string(self.path(&relative)).unwrap();
        assert!(text.contains(from), "{text}");
        self.write(relative, text.replace(from, to))
    }

    pub(crate) fn remove(&self, relative: impl AsRef<Path>) -> &Self {
        let path = self.path(relative);
        if path.is_dir() {
            fs::remove_dir_all(path).unwrap();
        } else {
            fs::remove_file(path).unwrap();
        }
        self
    }

    pub(crate) fn link(&self, target: impl AsRef<Path>, relative: impl AsRef<Path>) -> &Self {
        let path = self.path(relative);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let _ = fs::remove_file(&path);
        symlink(target, path).unwrap();
        self
    }

    /// Writes an executable.
    pub(crate) fn program(&self, relative: &str, text: &str) -> &Self {
        self.write(relative, text);
        fs::set_permissions(self.path(relative), fs::Permissions::from_mode(0o755)).unwrap();
        self
    }

    fn counter(&self) -> String {
        self.base.path().join("tmp/.cashet/executions").display().to_string()
    }

    /// A Python script that counts its execution and then runs `body`.
    pub(crate) fn python(&self, relative: &str, body: &str) -> &Self {
        self.write(relative, format!("{}{body}", self.count_in_python()))
    }

    /// The line of Python that counts an execution.
    pub(crate) fn count_in_python(&self) -> String {
        format!("open('{}', 'a').write('x\\n')\n", self.counter())
    }

    /// The line of shell that counts an execution.
    pub(crate) fn count_in_shell(&self) -> String {
        format!("echo x >> '{}'\n", self.counter())
    }

    /// The line of JavaScript that counts an execution; needs `fs`.
    pub(crate) fn count_in_javascript(&self) -> String {
        format!("fs.appendFileSync('{}', 'x\\n');\n", self.counter())
    }

    fn executions(&self) -> usize {
        fs::read_to_string(self.counter()).unwrap().lines().count()
    }

    /// A call of these words.
    pub(crate) fn call<Word: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = Word>) -> Call<'_> {
        let words = words.into_iter().map(|word| word.as_ref().to_owned()).collect();
        Call { project: self, options: Vec::new(), words, variables: Vec::new() }
    }

    /// An empty virtual environment of the `python3` on PATH.
    pub(crate) fn environment(&self, relative: &str) -> &Self {
        let mut made = Command::new("python3");
        made.args(["-m", "venv", "--without-pip"]).arg(self.path(relative)).env("PATH", PATH);
        assert!(made.status().unwrap().success());
        self
    }

    /// The `site-packages` of a virtual environment.
    pub(crate) fn site(&self, environment: &str) -> String {
        let library = self.path(environment).join("lib");
        let version = fs::read_dir(library).unwrap().next().unwrap().unwrap().file_name();
        format!("{environment}/lib/{}/site-packages", version.to_str().unwrap())
    }

    /// Installs a distribution with one package of this code, in place of an existing one.
    pub(crate) fn install(&self, site: &str, name: &str, version: &str, code: &str) -> &Self {
        let entries = fs::read_dir(self.path(site)).unwrap().map(|entry| entry.unwrap().file_name());
        let old = entries.map(|entry| entry.into_string().unwrap());
        for entry in old.filter(|entry| entry.starts_with(&format!("{name}-"))) {
            self.remove(format!("{site}/{entry}"));
        }
        let record = format!("{site}/{name}-{version}.dist-info");
        self.write(format!("{site}/{name}/__init__.py"), code);
        self.write(
            format!("{record}/METADATA"),
            format!("Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n\n"),
        );
        let files = format!(
            "{name}/__init__.py,,\n{name}-{version}.dist-info/METADATA,,\n{name}-{version}.dist-info/RECORD,,\n"
        );
        self.write(format!("{record}/RECORD"), files)
    }
}

const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// A call that is being described.
#[derive(Clone)]
pub(crate) struct Call<'a> {
    project: &'a Project,
    options: Vec<OsString>,
    words: Vec<OsString>,
    variables: Vec<(OsString, OsString)>,
}

/// How a call was answered.
#[derive(Debug)]
pub(crate) struct Told {
    report: serde_json::Value,
}

impl Told {
    fn field(&self, name: &str) -> &serde_json::Value {
        self.report.get(name).unwrap()
    }

    /// Why it ran, one phrase a reason.
    pub(crate) fn reasons(&self) -> Vec<&str> {
        let reasons = self.field("reasons").as_array().unwrap();
        reasons.iter().map(|reason| reason.as_str().unwrap()).collect()
    }

    /// It ran for exactly this reason.
    #[track_caller]
    pub(crate) fn because(&self, reason: &str) {
        assert_eq!(self.reasons(), [reason]);
    }

    /// This is one of the reasons.
    #[track_caller]
    pub(crate) fn naming(&self, reason: &str) {
        assert!(self.reasons().iter().any(|found| found.contains(reason)), "{:?}", self.reasons());
    }
}

impl Call<'_> {
    /// Options of `exec`.
    pub(crate) fn with(mut self, options: &[&str]) -> Self {
        self.options.extend(options.iter().map(OsString::from));
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.variables.push((name.into(), value.as_ref().to_owned()));
        self
    }

    /// With this directory of the project first on PATH.
    pub(crate) fn on_path(self, directory: &str) -> Self {
        let path = format!("{}:{PATH}", self.project.path(directory).display());
        self.env("PATH", path)
    }

    /// Runs the words of the command after those of `begin`.
    pub(crate) fn output(&self, begin: &[OsString]) -> Output {
        let mut words = begin.iter().chain(&self.words);
        let project = self.project;
        let mut command = Command::new(words.next().unwrap());
        command.args(words).current_dir(project.path("")).env_clear();
        command.env("PATH", PATH).env("LANG", "C.UTF-8");
        command.env("HOME", project.path("../home")).env("TMPDIR", project.path("../tmp"));
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).output().unwrap()
    }

    /// The words that come before those of the command.
    pub(crate) fn prefix(&self) -> Vec<OsString> {
        let mut begin: Vec<OsString> = [CASHET, "exec", "--quiet", "--report"].map(OsString::from).into();
        begin.push(self.project.path("../report").into());
        if self.project.mode == Mode::Declared {
            begin.extend(["--trace", "off", "--pure"].map(OsString::from));
        }
        begin.extend(self.options.iter().cloned());
        begin.push("--".into());
        begin
    }

    /// Makes the call, and the same call bare, and compares the results. Returns how it was answered, and the number
    /// of executions.
    #[track_caller]
    pub(crate) fn make(&self) -> (Told, usize) {
        // Evidence as young as the clock's tick is not trusted. The answer would be the same, but the call would look
        // at more files.
        std::thread::sleep(Duration::from_millis(25));
        let before = self.project.executions();
        let ours = self.output(&self.prefix());
        let executed = self.project.executions() - before;
        let theirs = self.output(&[]);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert_eq!(text(&ours.stdout), text(&theirs.stdout), "{:?}", self.words);
        assert_eq!(ours.status.code(), theirs.status.code(), "{:?}: {}", self.words, text(&ours.stderr));
        let report = fs::read(self.project.path("../report")).unwrap();
        (Told { report: serde_json::from_slice(&report).unwrap() }, executed)
    }

    /// It runs, and is cached.
    #[track_caller]
    pub(crate) fn runs(&self) -> Told {
        let (told, executed) = self.make();
        assert_eq!(executed, 1, "{:?} {:?}: {told:?}", self.project.mode, self.words);
        assert_eq!(told.field("kept"), true, "{:?} {:?}: {told:?}", self.project.mode, self.words);
        told
    }

    /// It is a hit, without a message about any change.
    #[track_caller]
    pub(crate) fn hits(&self) {
        let (told, executed) = self.make();
        assert_eq!(executed, 0, "{:?} {:?}: {told:?}", self.project.mode, self.words);
        assert_eq!(told.field("outcome"), "hit", "{:?}: {told:?}", self.words);
        assert!(told.reasons().is_empty(), "{told:?}");
    }

    /// It runs once, and then hits.
    #[track_caller]
    pub(crate) fn settles(&self) -> Told {
        let told = self.runs();
        self.hits();
        told
    }
}

/// Whether a program is installed; prints a message if a test is skipped.
pub(crate) fn has(program: &str) -> bool {
    let found = Command::new("sh").args(["-c", &format!("command -v {program}")]).env("PATH", PATH).output();
    let found = found.unwrap().status.success();
    if !found {
        println!("SKIPPED: there is no {program}");
    }
    found
}
