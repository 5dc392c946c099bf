//! Several runs in one process, each in a directory of its own, with one store.

use cashet::exec::Executor;
use cashet::record::{Circumstances, Known};
use cashet::{Answer, Context, LocalStore, Outcome, Policy, Project, Request, StoreOptions, Unix, memoize};
use std::fs::{self, File};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::thread;

/// Reads a file and writes one, both named relative to the working directory, and prints that directory.
const SCRIPT: &str = "cat input && cat input > copy && umask && exec pwd -P";

/// One store, and directories of projects beside it.
struct Place {
    folder: tempfile::TempDir,
    store: LocalStore,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("together-").tempdir_in(env!("CARGO_TARGET_TMPDIR"));
        let folder = folder.unwrap();
        let options = StoreOptions { create: true, ..StoreOptions::default() };
        let store = LocalStore::open(&folder.path().join("store"), &options).unwrap();
        Self { folder, store }
    }

    fn project(&self, number: usize, input: &str) -> PathBuf {
        let directory = self.folder.path().join(number.to_string());
        fs::create_dir(&directory).unwrap();
        fs::write(directory.join("input"), input).unwrap();
        fs::canonicalize(directory).unwrap()
    }

    /// What the call printed, and how it was answered.
    fn call(&self, directory: &Path, executor: &dyn Executor) -> (String, Answer) {
        let project = Project::find(directory.to_path_buf(), None, Some(self.folder.path().as_os_str()));
        let environment = vec![("PATH".into(), "/usr/bin:/bin".into())];
        let words = ["sh", "-c", SCRIPT].map(Into::into).to_vec();
        let request = Request::new(words, project.directory, project.places, environment);
        let printed = directory.with_extension("printed");
        let (null, stdout) = (File::open("/dev/null").unwrap(), File::create(&printed).unwrap());
        let context = Context {
            store: Some(&self.store),
            no_store: None,
            recall: &self.store,
            executor,
            observer: &(),
            remotes: &[],
            stdin: null.as_fd(),
            stdout: stdout.as_fd(),
            stderr: stdout.as_fd(),
        };
        let answer = memoize(&context, &request, None, &Policy::default()).unwrap();
        (fs::read_to_string(printed).unwrap(), answer)
    }
}

#[test]
fn runs_side_by_side_have_a_directory_each() {
    let place = Place::new();
    let ours = std::env::current_dir().unwrap();
    // Two of three leave the same bytes.
    let directories: Vec<PathBuf> = ["one\n", "two\n", "one\n"]
        .into_iter()
        .enumerate()
        .map(|(number, input)| place.project(number, input))
        .collect();
    for is_first in [true, false] {
        thread::scope(|scope| {
            for directory in &directories {
                let place = &place;
                scope.spawn(move || {
                    let (printed, answer) = place.call(directory, &Unix);
                    let input = fs::read_to_string(directory.join("input")).unwrap();
                    assert!(printed.starts_with(&input), "{printed:?}");
                    assert!(printed.ends_with(&format!("{}\n", directory.display())), "{printed:?}");
                    assert_eq!(fs::read_to_string(directory.join("copy")).unwrap(), input);
                    assert_eq!(
                        matches!(answer.outcome, Outcome::Ran { .. }),
                        is_first,
                        "{:?}",
                        answer.outcome
                    );
                    fs::remove_file(directory.join("copy")).unwrap();
                });
            }
        });
    }
    assert_eq!(std::env::current_dir().unwrap(), ours);
}

/// Runs commands here, and says that they run under another umask.
struct Elsewhere(Known);

impl Executor for Elsewhere {
    fn run(
        &self,
        spec: cashet::exec::Spec<'_>,
        recorder: &mut dyn cashet::exec::Recorder,
        witness: &mut dyn cashet::exec::Witness,
    ) -> cashet::Result<cashet::exec::Finished> {
        Unix.run(spec, recorder, witness)
    }

    fn circumstances(&self) -> &dyn Circumstances {
        &self.0
    }
}

#[test]
fn the_executor_says_under_which_umask_commands_run() {
    let place = Place::new();
    let directory = place.project(0, "text\n");
    let here = Known { umask: Unix.umask(), is_superuser: Unix.is_superuser(), user: Unix.user() };
    let other = Known { umask: here.umask ^ 0o7, ..here };
    for (circumstances, hits) in [(here, false), (here, true), (other, false)] {
        let (_, answer) = place.call(&directory, &Elsewhere(circumstances));
        assert_eq!(
            matches!(answer.outcome, Outcome::Hit { .. }),
            hits,
            "{circumstances:?}: {:?}",
            answer.outcome
        );
    }
}

#[test]
fn a_directory_that_is_gone_is_reported() {
    let place = Place::new();
    let directory = place.project(0, "text\n");
    fs::remove_file(directory.join("input")).unwrap();
    fs::remove_dir(&directory).unwrap();
    let null = File::open("/dev/null").unwrap();
    let spec = cashet::exec::Spec {
        program: Path::new("/bin/true"),
        words: &["true".into()],
        environment: &[],
        directory: &directory,
        stdin: cashet::exec::Stdin::Null,
        stdout: null.as_fd(),
        stderr: null.as_fd(),
        output: cashet::exec::Output::Direct,
        tty: cashet::exec::Tty::Never,
        watch: cashet::exec::WatchMode::Off,
        unobserved: &[],
        behind_shim: None,
        followed: &[],
    };
    let error = Unix.run(spec, &mut Nothing, &mut Nothing).unwrap_err().to_string();
    assert!(error.contains(&format!("go to {}", directory.display())), "{error}");
}

struct Nothing;

impl cashet::exec::Recorder for Nothing {
    fn chunk(&mut self, _: cashet::record::Stream, _: &[u8]) {}
}

impl cashet::exec::Witness for Nothing {
    fn about_to_look(&mut self, _: &Path, _: cashet::exec::Seen<'_>) {}
    fn about_to_list(&mut self, _: &Path) {}
    fn about_to_change(&mut self, _: &Path, _: cashet::exec::Fate) {}
}
