//! Servers that all tests of this crate share: started once, on 127.0.0.1, and ended with this process.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{OnceLock, mpsc};
use std::time::{Duration, Instant};

/// The exit status of a server's script where it is not installed.
const NOT_INSTALLED: i32 = 77;

/// A server that runs.
pub(crate) struct Server {
    pub(crate) directory: PathBuf,
}

impl Server {
    /// The process of one of its programs.
    pub(crate) fn process(&self, name: &str) -> Option<i32> {
        fs::read_to_string(self.directory.join(format!("{name}.pid"))).ok()?.trim().parse().ok()
    }

    /// Kills one of its programs; it is started again when the returned value is dropped.
    pub(crate) fn kill(&self, name: &str) -> Held {
        let held = self.directory.join(format!("hold-{name}"));
        fs::write(&held, "").unwrap();
        let process = self.process(name).unwrap();
        let _ =
            nix::sys::signal::kill(nix::unistd::Pid::from_raw(process), nix::sys::signal::Signal::SIGKILL);
        Held(held)
    }
}

/// A program of a server that stays dead.
pub(crate) struct Held(PathBuf);

impl Drop for Held {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// The Slurm of these tests.
pub(crate) fn slurm() -> Option<&'static Server> {
    static SLURM: OnceLock<Option<Server>> = OnceLock::new();
    let ready = |directory: &Path| {
        let mut sinfo = Command::new("sinfo");
        sinfo.args(["--noheader", "-p", "main", "-o", "%t"]).env("SLURM_CONF", directory.join("slurm.conf"));
        sinfo.output().is_ok_and(|output| output.stdout.starts_with(b"idle"))
    };
    SLURM.get_or_init(|| start("slurm", ready)).as_ref()
}

/// The sshd of these tests.
pub(crate) fn ssh() -> Option<&'static Server> {
    static SSH: OnceLock<Option<Server>> = OnceLock::new();
    let ready = |directory: &Path| {
        let mut ssh = Command::new("ssh");
        ssh.arg("-F").arg(directory.join("ssh_config")).args(["node", "true"]).stdin(Stdio::null());
        ssh.output().is_ok_and(|output| output.status.success())
    };
    SSH.get_or_init(|| start("ssh", ready)).as_ref()
}

/// The `HyperQueue` of these tests.
pub(crate) fn hyperqueue() -> Option<&'static Server> {
    static HYPERQUEUE: OnceLock<Option<Server>> = OnceLock::new();
    HYPERQUEUE.get_or_init(|| start("hyperqueue", |directory| directory.join("ready").exists())).as_ref()
}

/// The server of the remote-execution API of these tests, and one of a test's own.
pub(crate) fn reapi() -> Option<&'static Server> {
    static REAPI: OnceLock<Option<Server>> = OnceLock::new();
    REAPI.get_or_init(own_reapi).as_ref()
}

pub(crate) fn own_reapi() -> Option<Server> {
    let helper = Path::new(env!("CARGO_BIN_EXE_cashet")).with_file_name("cashet-remote");
    if !helper.is_file() {
        println!("SKIPPED: cashet-remote is not built: packaging/build-remote");
        return None;
    }
    let port = |directory: &Path| fs::read_to_string(directory.join("port")).ok()?.parse::<u16>().ok();
    start("reapi", |directory| {
        port(directory).is_some_and(|port| std::net::TcpStream::connect(("127.0.0.1", port)).is_ok())
    })
}

/// Starts a server and waits until it answers; `None` where it is not installed.
fn start(name: &'static str, ready: impl Fn(&Path) -> bool) -> Option<Server> {
    // Its sockets need a short path.
    let directory = tempfile::Builder::new().prefix("cashet-").tempdir_in("/tmp").unwrap().keep();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/servers").join(name);
    let (told, ended) = mpsc::channel();
    let port = free_port();
    fs::write(directory.join("port"), port.to_string()).unwrap();
    let its_directory = directory.clone();
    // It is killed when the thread ends that started it.
    std::thread::spawn(move || {
        let mut command = Command::new(script);
        command.arg(&its_directory).arg(port.to_string()).env_remove("SLURM_CONF");
        let log = fs::File::create(its_directory.join("script.log")).unwrap();
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let status = command.status().unwrap();
        let _ = told.send(status.code());
    });
    let begun = Instant::now();
    while !ready(&directory) {
        if let Ok(status) = ended.try_recv() {
            assert_eq!(status, Some(NOT_INSTALLED), "{name} ended: see {}", directory.display());
            return None;
        }
        assert!(begun.elapsed() < Duration::from_mins(2), "{name} is not ready: see {}", directory.display());
        std::thread::sleep(Duration::from_millis(50));
    }
    Some(Server { directory })
}

/// A port that is free, as is the next one, and that no other call gets: some servers share a port without a word.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 21_000_u16 + u16::try_from(std::process::id() % 1000).unwrap() * 20;
    loop {
        let port = first + NEXT.fetch_add(2, Ordering::Relaxed);
        let free = |port| TcpListener::bind(("127.0.0.1", port)).is_ok();
        if free(port) && free(port + 1) {
            return port;
        }
    }
}

/// Says that a test is left out.
pub(crate) fn skipped(name: &str, server: &str) {
    println!(
        "SKIPPED: {name}: {server} is not installed (tests/servers/install-executors, tests/servers/install), or this user is not root"
    );
}

/// Waits until `done` returns true.
#[track_caller]
pub(crate) fn wait_until(what: &str, done: impl Fn() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < Duration::from_mins(3), "waited too long for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
