//! Runs in the background of the test: waited for, signalled, or driven through a terminal.

use super::run::{Before, Collected, Input, Ran, Run, stdio_of};
use nix::fcntl::{OFlag, open};
use nix::pty::{grantpt, posix_openpt, ptsname_r, unlockpt};
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::unistd::Pid;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Maximum duration of a run; a longer one has hung.
const LONGEST: Duration = Duration::from_mins(5);

/// Poll interval for states without a notification.
const LOOK: Duration = Duration::from_millis(2);

/// A run in the background.
pub(crate) struct Background<'a> {
    run: Option<(Run<'a>, Before)>,
    child: Child,
    feed: Feed,
    stdout: Collector,
    stderr: Collector,
    peak: u64,
}

impl<'a> Background<'a> {
    pub(super) fn start(run: Run<'a>, before: Before, input: Input) -> Self {
        let (mut child, feed) = start(&mut run.command(&[]), input);
        let stdout = Collector::of(child.stdout.take().unwrap());
        let stderr = Collector::of(child.stderr.take().unwrap());
        Self { run: Some((run, before)), child, feed, stdout, stderr, peak: 0 }
    }

    /// The process of the wrapper.
    pub(crate) fn process(&self) -> Pid {
        pid_of(&self.child)
    }

    /// Waits until standard output holds `text`.
    #[track_caller]
    pub(crate) fn wait_for_stdout(&self, text: &str) -> &Self {
        self.stdout.wait_for(text);
        self
    }

    /// Waits until standard error holds `text`.
    #[track_caller]
    pub(crate) fn wait_for_stderr(&self, text: &str) -> &Self {
        self.stderr.wait_for(text);
        self
    }

    /// Sends a signal to the wrapper only.
    pub(crate) fn send(&self, signal: Signal) -> &Self {
        kill(self.process(), signal).unwrap();
        self
    }

    /// Whether it has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits for the process only; other processes may still hold its streams.
    #[track_caller]
    pub(crate) fn wait(&mut self) -> ExitStatus {
        wait(&mut self.child, &mut self.peak)
    }

    /// Waits for the end of process and streams, and compares.
    #[track_caller]
    pub(crate) fn finish(mut self) -> Ran<'a> {
        let status = self.wait();
        self.feed.join();
        let (stdout, stderr) = (self.stdout.end(), self.stderr.end());
        let (run, before) = self.run.take().unwrap();
        run.judge(&before, Collected { stdout, stderr, status, peak: self.peak })
    }
}

/// A run on a separate terminal.
pub(crate) struct Terminal<'a> {
    run: Run<'a>,
    before: Before,
    child: Child,
    keyboard: File,
    screen: Collector,
    peak: u64,
}

impl<'a> Terminal<'a> {
    pub(super) fn start(run: Run<'a>, before: Before) -> Self {
        let (ours, theirs) = terminal();
        let screen = Collector::of(ours.try_clone().unwrap());
        // setsid does not fork here, so the child process is the command itself.
        let mut command = run.command(&["setsid", "--ctty"]);
        command.stdin(Stdio::from(theirs.try_clone().unwrap()));
        command.stdout(Stdio::from(theirs.try_clone().unwrap())).stderr(Stdio::from(theirs));
        let child = command.spawn().unwrap();
        // The command holds copies of the terminal's other end.
        drop(command);
        Self { run: run.any_stderr(), before, child, keyboard: ours, screen, peak: 0 }
    }

    /// Waits until the screen shows `text`.
    #[track_caller]
    pub(crate) fn wait_for(&self, text: &str) -> &Self {
        self.screen.wait_for(text);
        self
    }

    /// Types: `\x03` is Ctrl-C, `\x1c` Ctrl-\, `\x04` the end of input.
    pub(crate) fn type_in(&self, keys: &str) -> &Self {
        (&self.keyboard).write_all(keys.as_bytes()).unwrap();
        self
    }

    /// The process that leads the session.
    pub(crate) fn process(&self) -> Pid {
        pid_of(&self.child)
    }

    /// Waits for the end and compares the screen, with plain line feeds, as standard output.
    #[track_caller]
    pub(crate) fn finish(mut self) -> Ran<'a> {
        let status = wait(&mut self.child, &mut self.peak);
        let screen = String::from_utf8_lossy(&self.screen.end()).replace("\r\n", "\n");
        let collected =
            Collected { stdout: screen.into_bytes(), stderr: Vec::new(), status, peak: self.peak };
        self.run.judge(&self.before, collected)
    }
}

/// Opens a terminal: the user's side and the program's. Processes of other tests inherit neither, which `openpty` does
/// not guarantee: otherwise the screen would stay open until they end.
fn terminal() -> (File, File) {
    let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let user = posix_openpt(flags).unwrap();
    grantpt(&user).unwrap();
    unlockpt(&user).unwrap();
    let program = open(ptsname_r(&user).unwrap().as_str(), flags, Mode::empty()).unwrap();
    (File::from(OwnedFd::from(user)), File::from(program))
}

/// Starts `command` with pipes on its output streams.
pub(super) fn start(command: &mut Command, input: Input) -> (Child, Feed) {
    let (stdin, bytes, stays_open) = stdio_of(input);
    let mut child = command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let feed = Feed::start(child.stdin.take(), bytes, stays_open);
    (child, feed)
}

/// Waits for the end of the process and of its streams.
#[track_caller]
pub(super) fn collect(child: &mut Child) -> Collected {
    let stdout = Collector::of(child.stdout.take().unwrap());
    let stderr = Collector::of(child.stderr.take().unwrap());
    let mut peak = 0;
    let status = wait(child, &mut peak);
    Collected { stdout: stdout.end(), stderr: stderr.end(), status, peak }
}

/// Waits for a process and samples its memory; kills a process that hangs and fails the test.
#[track_caller]
fn wait(child: &mut Child, peak: &mut u64) -> ExitStatus {
    let started = Instant::now();
    loop {
        *peak = (*peak).max(resident_peak(pid_of(child)).unwrap_or(0));
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if started.elapsed() > LONGEST {
            child.kill().unwrap();
            panic!("the run has not ended after {LONGEST:?}");
        }
        thread::sleep(LOOK);
    }
}

/// Peak resident memory of a process so far, in bytes.
fn resident_peak(process: Pid) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kibibytes| kibibytes * 1024)
}

fn pid_of(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).unwrap())
}

/// Feeds a run its standard input.
pub(super) struct Feed {
    writer: Option<JoinHandle<()>>,
    open: Option<ChildStdin>,
}

impl Feed {
    fn start(pipe: Option<ChildStdin>, bytes: Option<Vec<u8>>, stays_open: bool) -> Self {
        match (pipe, bytes) {
            (Some(mut pipe), Some(bytes)) => {
                // A command may leave its input unread.
                let writer = thread::spawn(move || drop(pipe.write_all(&bytes)));
                Self { writer: Some(writer), open: None }
            }
            (pipe, _) => Self { writer: None, open: pipe.filter(|_| stays_open) },
        }
    }

    pub(super) fn join(self) {
        drop(self.open);
        if let Some(writer) = self.writer {
            writer.join().unwrap();
        }
    }
}

/// Reads a stream to its end in a separate thread.
struct Collector {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: JoinHandle<()>,
}

impl Collector {
    fn of(mut stream: impl Read + Send + 'static) -> Self {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&bytes);
        let reader = thread::spawn(move || {
            let mut buffer = vec![0; 1 << 16];
            // Reading a terminal whose other end is closed returns an error.
            while let Ok(count @ 1..) = stream.read(&mut buffer) {
                shared.lock().unwrap().extend_from_slice(buffer.get(..count).unwrap());
            }
        });
        Self { bytes, reader }
    }

    #[track_caller]
    fn wait_for(&self, text: &str) {
        let started = Instant::now();
        loop {
            let found = String::from_utf8_lossy(&self.bytes.lock().unwrap()).into_owned();
            if found.contains(text) {
                return;
            }
            let ended = self.reader.is_finished() && !self.bytes_contain(text);
            assert!(!ended && started.elapsed() < LONGEST, "{text:?} never came, but: {found}");
            thread::sleep(LOOK);
        }
    }

    fn bytes_contain(&self, text: &str) -> bool {
        String::from_utf8_lossy(&self.bytes.lock().unwrap()).contains(text)
    }

    fn end(self) -> Vec<u8> {
        self.reader.join().unwrap();
        std::mem::take(&mut *self.bytes.lock().unwrap())
    }
}
