//! Runs real commands. Where the state of our own process matters (closed descriptors, signals), the test
//! binary starts itself again as a *wrapper*: a process that does nothing but run one command and end as it did.

use super::{
    Executor, Finished, Output, Recorder, Seen, Spec, Stdin, Tty, Unix, Unwatched, WatchMode, Witness,
};
use super::{begin, raise_again};
use crate::error::Result;
use crate::record::{Stream, Termination};
use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Read, Seek};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// Set for a wrapper: where it writes what it learnt.
const REPORT: &str = "CASHET_TEST_WRAPPER";
/// Set for a wrapper that shall watch if it can.
const WATCH: &str = "CASHET_TEST_WATCH";

/// Makes two tests of each function: one with an unwatched wrapper, one with a watched one.
macro_rules! watched_or_not {
    ($($name:ident),* $(,)?) => {
        mod unwatched {
            $(#[test] fn $name() { super::$name($crate::exec::WatchMode::Off); })*
        }
        mod watched {
            $(#[test] fn $name() { super::$name($crate::exec::WatchMode::Auto); })*
        }
    };
}

mod bare;
mod left_behind;
mod run;
mod signals;

/// Keeps all that it is told.
#[derive(Default)]
struct Told(Vec<(Stream, Vec<u8>)>);

impl Recorder for Told {
    fn chunk(&mut self, stream: Stream, bytes: &[u8]) {
        self.0.push((stream, bytes.to_vec()));
    }
}

impl Told {
    fn of(&self, wanted: Stream) -> Vec<u8> {
        self.0.iter().filter(|(stream, _)| *stream == wanted).flat_map(|(_, bytes)| bytes.clone()).collect()
    }
}

struct Nobody;

impl Recorder for Nobody {
    fn chunk(&mut self, _stream: Stream, _bytes: &[u8]) {}
}

impl Witness for Nobody {
    fn about_to_look(&mut self, _: &Path, _: Seen<'_>) {}
    fn about_to_list(&mut self, _: &Path) {}
    fn about_to_change(&mut self, _path: &Path, _fate: crate::exec::Fate) {}
}

/// A run inside this process, and what came out.
struct Ran {
    finished: Finished,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    told: Told,
}

fn environment() -> Vec<(OsString, OsString)> {
    std::env::vars_os().filter(|(name, _)| name != REPORT && name != WATCH).collect()
}

/// An unwatched run in this directory, with empty standard input and both streams to `to`.
fn spec<'a>(
    program: &'a Path,
    words: &'a [OsString],
    environment: &'a [(OsString, OsString)],
    to: BorrowedFd<'a>,
) -> Spec<'a> {
    Spec {
        program,
        words,
        environment,
        directory: Path::new("."),
        stdin: Stdin::Null,
        stdout: to,
        stderr: to,
        output: Output::Recorded { spool: None },
        tty: Tty::Never,
        watch: WatchMode::Off,
        unobserved: &[],
        behind_shim: None,
        followed: &[],
    }
}

fn run(program: impl AsRef<Path>, words: &[&OsStr], stdin: Stdin) -> Result<Ran> {
    let mut told = Told::default();
    let mut files = [tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap()];
    let [stdout, stderr] = &files;
    let (words, environment) = (words.iter().map(OsString::from).collect::<Vec<_>>(), environment());
    let spec = spec(program.as_ref(), &words, &environment, stdout.as_fd());
    let spec = Spec { stdin, stderr: stderr.as_fd(), ..spec };
    let finished = Unix.run(spec, &mut told, &mut Nobody)?;
    let [stdout, stderr] = files.each_mut().map(|file| {
        let mut bytes = Vec::new();
        file.rewind().unwrap();
        file.read_to_end(&mut bytes).unwrap();
        bytes
    });
    Ok(Ran { finished, stdout, stderr, told })
}

fn shell(script: &str) -> Ran {
    run("/bin/sh", &["sh".as_ref(), "-c".as_ref(), script.as_ref()], Stdin::Null).unwrap()
}

/// A wrapper to be started, whose report goes to `report`.
fn wrapper(report: &Path, watch: WatchMode) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    make_wrapper(&mut command, report, watch);
    command
}

/// Makes a wrapper of the test binary when `command` comes to start it.
fn make_wrapper(command: &mut Command, report: &Path, watch: WatchMode) {
    command.env(REPORT, report);
    if watch != WatchMode::Off {
        command.env(WATCH, "1");
    }
}

/// Waits until `condition` holds; fails when it never does.
#[track_caller]
fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < Duration::from_secs(20), "{what} did not happen");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn make_fifo(path: &Path) {
    nix::unistd::mkfifo(path, nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap();
}

/// What the wrapper does: run its words, report, and end as they did.
fn be_wrapper(report: &Path) -> io::Result<()> {
    begin();
    let words: Vec<OsString> = std::env::args_os().skip(1).collect();
    let program = on_path(words.first().map(AsRef::as_ref).unwrap_or_default());
    let (stdout, stderr) = (io::stdout(), io::stderr());
    let spec = Spec {
        program: &program,
        words: &words,
        environment: &environment(),
        directory: Path::new("."),
        stdin: Stdin::Inherit,
        stdout: stdout.as_fd(),
        stderr: stderr.as_fd(),
        output: Output::Recorded { spool: None },
        tty: Tty::Auto,
        watch: if std::env::var_os(WATCH).is_some() { WatchMode::Auto } else { WatchMode::Off },
        unobserved: &[],
        behind_shim: None,
        followed: &[],
    };
    let finished = match Unix.run(spec, &mut Nobody, &mut Nobody) {
        // What was seen is of no interest here.
        Ok(finished) => Finished { trace: Err(Unwatched::Off), ..finished },
        Err(error) => {
            fs::write(report, format!("{error}"))?;
            std::process::exit(i32::from(error.exec_status()))
        }
    };
    let mut finished = finished;
    let backlog = std::mem::take(&mut finished.backlog);
    let mut text = format!("{finished:?}\n");
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    for line in status.lines().filter(|line| line.starts_with("VmHWM") || line.starts_with("RssFile")) {
        let _ = writeln!(text, "{line}");
    }
    fs::write(report, text)?;
    backlog.deliver();
    match finished.termination {
        Termination::Exited(status) => std::process::exit(i32::from(status)),
        Termination::Signaled(signal) => raise_again(signal),
    }
}

fn on_path(word: &OsStr) -> PathBuf {
    if word.as_encoded_bytes().contains(&b'/') {
        return word.into();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|folder| folder.join(word))
        .find(|file| file.is_file())
        .unwrap_or_default()
}

extern "C" fn before_main() {
    crate::exec::remember_start();
    if let Some(report) = std::env::var_os(REPORT) {
        let _ = be_wrapper(report.as_ref());
        std::process::exit(99);
    }
}

#[used]
#[unsafe(link_section = ".init_array")]
#[expect(unsafe_code, reason = "the test harness would print before a wrapper gets its turn")]
// SAFETY: a pointer to a function, as the table wants it; std is ready for what a wrapper does by then.
static BEFORE_MAIN: extern "C" fn() = before_main;

/// Writes an executable, which nobody has open for writing any more when this returns: a process that another thread is
/// just starting holds a copy of our descriptor until it executes, and all copies share one lock.
pub(super) fn write_executable(path: &Path, bytes: &[u8]) {
    use rustix::fs::{FlockOperation, flock};
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;
    let mut file = File::create(path).unwrap();
    flock(&file, FlockOperation::LockExclusive).unwrap();
    file.write_all(bytes).unwrap();
    drop(file);
    flock(File::open(path).unwrap(), FlockOperation::LockExclusive).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// A terminal: the user's side and the program's. No process that another test starts inherits either, which `openpty`
/// does not promise: the terminal would live as long as that process.
pub(super) fn terminal() -> (File, File) {
    use nix::fcntl::OFlag;
    use nix::pty::{grantpt, posix_openpt, ptsname_r, unlockpt};
    use std::os::fd::OwnedFd;
    let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let user = posix_openpt(flags).unwrap();
    grantpt(&user).unwrap();
    unlockpt(&user).unwrap();
    let program =
        nix::fcntl::open(ptsname_r(&user).unwrap().as_str(), flags, nix::sys::stat::Mode::empty()).unwrap();
    (File::from(OwnedFd::from(user)), File::from(program))
}

/// The words of a report about a stream or a signal.
#[track_caller]
fn report(path: &Path) -> String {
    fs::read_to_string(path).expect("a wrapper has run")
}
