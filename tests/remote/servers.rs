//! Real servers on loopback, one for each test, and clients of them.

use cashet::exec::start_helper;
use cashet::remote::carrier::{Carrier, Name};
use cashet::remote::client::{Client, Settings};
use std::ffi::OsString;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Set where everything is installed: then nothing is skipped.
const REQUIRED: &str = "CASHET_TEST_SERVERS";

/// The helper, where it was built.
pub(crate) fn helper() -> Option<PathBuf> {
    let helper = Path::new(env!("CARGO_BIN_EXE_cashet")).with_file_name("cashet-remote");
    if helper.is_file() {
        return Some(helper);
    }
    skipped("cashet-remote is not built: RUSTFLAGS= cargo build -p cashet-remote");
    None
}

pub(crate) fn skipped(why: &str) {
    assert!(std::env::var_os(REQUIRED).is_none(), "{why}");
    eprintln!("SKIPPED: {why}");
}

/// A name that no other call gives.
pub(crate) fn name() -> Name {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let seed = format!("{} {number} {:?}", std::process::id(), std::time::SystemTime::now());
    Name(*blake3::hash(seed.as_bytes()).as_bytes())
}

/// A port such that it and so many after it are free now, and those ten thousand higher, which one of the servers takes too.
pub(crate) fn free_port(count: u16) -> u16 {
    let is_free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    loop {
        let random = u16::from_le_bytes([name().0[0], name().0[1]]);
        let first = 20_000 + random % 12_000;
        if (first..first + count).all(|port| is_free(port) && is_free(port + 10_000)) {
            return first;
        }
    }
}

/// A server; it ends with this value.
pub(crate) struct Server {
    process: Child,
    pub(crate) port: u16,
    pub(crate) directory: tempfile::TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Server {
    /// Starts it and waits until all its ports answer. `None`: it is not installed.
    pub(crate) fn start(kind: &str, ports: u16, behind: Option<u16>) -> Option<Self> {
        for _ in 0..3 {
            let (port, directory) = (free_port(4), tempfile::tempdir().unwrap());
            let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/servers/start");
            let mut command = Command::new(script);
            command.arg(kind).arg(directory.path()).arg(port.to_string());
            command.args(behind.map(|port| port.to_string()));
            let process =
                command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            let mut server = Self { process, port, directory };
            let until = Instant::now() + Duration::from_mins(2);
            while Instant::now() < until {
                if let Some(status) = server.process.try_wait().unwrap() {
                    if status.code() == Some(77) {
                        skipped(&format!("{kind} is not installed: tests/servers/install {kind}"));
                        return None;
                    }
                    // Another process may have taken a port meanwhile.
                    break;
                }
                if (port..port + ports).all(|port| TcpStream::connect(("127.0.0.1", port)).is_ok()) {
                    return Some(server);
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        panic!("{kind} does not start");
    }
}

/// What clients of a test share: helpers of their own, which end soon.
pub(crate) struct Clients {
    pub(crate) settings: Settings,
    pub(crate) sockets: tempfile::TempDir,
}

impl Clients {
    /// With these variables beside nothing of this environment. `None`: the helper is not built.
    pub(crate) fn new(variables: &[(&str, &str)]) -> Option<Self> {
        let helper = helper()?;
        let sockets = tempfile::tempdir().unwrap();
        let own = sockets.path().join("own");
        std::fs::DirBuilder::new().mode(0o700).create(&own).unwrap();
        let home = ("HOME", sockets.path().to_str().unwrap());
        // Deadlines that a loaded machine keeps, where the test is not about them.
        let usual = [home, ("CASHET_REMOTE_IDLE", "20"), ("CASHET_REMOTE_PATIENCE", "20")];
        let is_usual = |(name, _): &&(&str, &str)| variables.iter().all(|(own, _)| own != name);
        let variables = variables.iter().chain(usual.iter().filter(is_usual));
        let settings = Settings {
            ca: None,
            variables: variables.map(|(name, value)| (OsString::from(name), OsString::from(value))).collect(),
            helper: Some(helper),
            sockets: Some(own),
            start: start_helper,
        };
        Some(Self { settings, sockets })
    }

    pub(crate) fn open(&self, url: &str) -> Client {
        Client::new(url, &self.settings)
    }

    pub(crate) fn carrier(&self, url: &str) -> Box<dyn Carrier> {
        Box::new(self.open(url))
    }
}
