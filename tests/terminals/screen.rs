//! A terminal with a screen that is read and a keyboard on which is typed, in front of a project of its own.

use nix::fcntl::{OFlag, open};
use nix::pty::{grantpt, posix_openpt, ptsname_r, unlockpt};
use nix::sys::stat::Mode;
use nix::sys::termios::{Termios, tcgetattr};
use rustix::termios::{Winsize, tcsetwinsize};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The program under test.
pub(crate) const CASHET: &str = env!("CARGO_BIN_EXE_cashet");

/// Nothing that is waited for takes longer.
const LONGEST: Duration = Duration::from_mins(1);

/// A project in a directory of its own.
pub(crate) struct Project {
    base: TempDir,
}

impl Project {
    pub(crate) fn new() -> Self {
        let base =
            tempfile::Builder::new().prefix("screen-").tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let project = Self { base };
        project.clear();
        project
    }

    /// As new, at the same place.
    pub(crate) fn clear(&self) {
        for name in ["project", "home", "tmp"] {
            let path = self.base.path().join(name);
            if path.exists() {
                fs::remove_dir_all(&path).unwrap();
            }
            fs::create_dir(&path).unwrap();
        }
        self.write("cashet.toml", "");
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.base.path().join("project").join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> &Self {
        fs::write(self.path(name), text).unwrap();
        self
    }

    /// A command in the project, in a small environment.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).current_dir(self.path("")).env_clear();
        let path = std::env::var_os("PATH").unwrap();
        let (home, tmp) = (self.base.path().join("home"), self.base.path().join("tmp"));
        command.env("PATH", path).env("HOME", home).env("TMPDIR", tmp);
        command.env("TERM", "xterm").env("LANG", "C.UTF-8").env("PS1", "$ ").env("GIT_CONFIG_NOSYSTEM", "1");
        command.env("npm_config_update_notifier", "false").env("PIP_DISABLE_PIP_VERSION_CHECK", "1");
        command
    }

    /// A command at a terminal.
    pub(crate) fn at_terminal(&self, words: &[&str]) -> Screen {
        Screen::start(self.command(&[&["setsid", "--ctty"], words].concat()))
    }

    /// What a command writes to a pipe: stdout, then stderr.
    pub(crate) fn piped(&self, words: &[&str]) -> (String, String) {
        let output = self.command(words).stdin(Stdio::null()).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        (text(output.stdout), text(output.stderr))
    }
}

/// The words of a call.
pub(crate) fn below<'a>(options: &[&'a str], words: &[&'a str]) -> Vec<&'a str> {
    [&[CASHET, "exec"], options, &["--"], words].concat()
}

/// A command at a terminal.
pub(crate) struct Screen {
    pub(crate) child: Child,
    keyboard: File,
    /// The side of the command: as long as it is open, the terminal lives.
    terminal: Option<File>,
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: Option<thread::JoinHandle<()>>,
    pub(crate) before: Termios,
}

impl Screen {
    fn start(mut command: Command) -> Self {
        let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
        let user = posix_openpt(flags).unwrap();
        grantpt(&user).unwrap();
        unlockpt(&user).unwrap();
        let terminal = open(ptsname_r(&user).unwrap().as_str(), flags, Mode::empty()).unwrap();
        let (keyboard, terminal) = (File::from(OwnedFd::from(user)), File::from(terminal));
        size(&keyboard, 80, 24);
        let before = tcgetattr(&terminal).unwrap();
        let theirs = || Stdio::from(terminal.try_clone().unwrap());
        let child = command.stdin(theirs()).stdout(theirs()).stderr(theirs()).spawn().unwrap();
        drop(command);
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let (shared, mut screen) = (Arc::clone(&bytes), keyboard.try_clone().unwrap());
        let reader = thread::spawn(move || {
            let mut buffer = vec![0; 1 << 16];
            while let Ok(count @ 1..) = screen.read(&mut buffer) {
                shared.lock().unwrap().extend_from_slice(&buffer[..count]);
            }
        });
        Self { child, keyboard, terminal: Some(terminal), bytes, reader: Some(reader), before }
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes.lock().unwrap()).into_owned()
    }

    /// Waits until the screen shows `text`.
    #[track_caller]
    pub(crate) fn wait_for(&self, text: &str) -> &Self {
        self.wait_for_nth(text, 1)
    }

    /// Waits until the screen shows `text` as many times.
    #[track_caller]
    pub(crate) fn wait_for_nth(&self, text: &str, times: usize) -> &Self {
        eventually(|| if self.text().matches(text).count() >= times { Ok(()) } else { Err(self.text()) });
        self
    }

    /// Waits until `text` is the last that the screen shows.
    #[track_caller]
    pub(crate) fn wait_for_end(&self, text: &str) -> &Self {
        eventually(|| if self.text().ends_with(text) { Ok(()) } else { Err(self.text()) });
        self
    }

    pub(crate) fn type_in(&self, keys: &str) -> &Self {
        (&self.keyboard).write_all(keys.as_bytes()).unwrap();
        self
    }

    pub(crate) fn resize(&self, columns: u16, rows: u16) -> &Self {
        size(&self.keyboard, columns, rows);
        self
    }

    /// The modes of the terminal now.
    pub(crate) fn modes(&self) -> Termios {
        tcgetattr(self.terminal.as_ref().unwrap()).unwrap()
    }

    /// Waits until the terminal hands on each key as it is typed.
    #[track_caller]
    pub(crate) fn wait_for_raw(&self) -> &Self {
        use nix::sys::termios::LocalFlags;
        eventually(|| {
            if self.modes().local_flags.contains(LocalFlags::ICANON) { Err(self.text()) } else { Ok(()) }
        });
        self
    }

    /// Waits for the end: all that was on the screen, and how it ended. The terminal must be as it was.
    #[track_caller]
    pub(crate) fn end(self) -> (String, ExitStatus) {
        let before = self.before.clone();
        let (text, status, after) = self.end_anyhow();
        assert_eq!(before, after, "the terminal is not as it was; {text}");
        (text, status)
    }

    /// As that, with the modes of the terminal in the end.
    #[track_caller]
    pub(crate) fn end_anyhow(mut self) -> (String, ExitStatus, Termios) {
        let mut status = None;
        eventually(|| {
            status = self.child.try_wait().unwrap();
            if status.is_some() { Ok(()) } else { Err(self.text()) }
        });
        let modes = self.modes();
        self.terminal = None;
        self.reader.take().unwrap().join().unwrap();
        (self.text(), status.unwrap(), modes)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // One that a failed test left behind.
        let _ = self.child.kill();
    }
}

fn size(keyboard: &File, columns: u16, rows: u16) {
    tcsetwinsize(keyboard, Winsize { ws_col: columns, ws_row: rows, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
}

/// Waits until `done`; fails with what it says last.
#[track_caller]
pub(crate) fn eventually(mut done: impl FnMut() -> Result<(), String>) {
    let began = Instant::now();
    while let Err(text) = done() {
        assert!(began.elapsed() < LONGEST, "this did not happen; the screen: {text:?}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Whether a program is installed; says so if not.
pub(crate) fn is_there(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).any(|directory| Path::new(&directory).join(program).is_file());
    if !found {
        println!("SKIPPED: {program} is not there");
    }
    found
}

/// All processes below `process`, with their names.
pub(crate) fn below_process(process: u32) -> Vec<(i32, String)> {
    let mut all = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
        let (Some(first), Some(last)) = (stat.find('('), stat.rfind(')')) else { continue };
        let parent = stat[last + 2..].split(' ').nth(1).unwrap_or_default().parse().unwrap_or(0);
        let number: i32 = stat[..first].trim().parse().unwrap_or(0);
        all.push((number, stat[first + 1..last].to_owned(), parent));
    }
    let mut found = Vec::new();
    let mut next = vec![process.cast_signed()];
    while let Some(parent) = next.pop() {
        for (number, name, _) in all.iter().filter(|(.., of)| *of == parent) {
            found.push((*number, name.clone()));
            next.push(*number);
        }
    }
    found
}
