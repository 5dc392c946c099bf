//! Where the helper listens, how it is found, started, and greeted.

use super::Settings;
use crate::remote::carrier::Failure;
use crate::remote::frames::send_all;
use crate::remote::protocol::{greeting, read_greeting};
use rustix::fs::FlockOperation;
use std::ffi::{OsStr, OsString};
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// The helper's program.
const PROGRAM: &str = "cashet-remote";
/// Time within which a helper starts.
const START: Duration = Duration::from_secs(1);
/// The interval at which it is looked for.
const STEP: Duration = Duration::from_millis(2);
/// The longest path of a socket.
const LONGEST: usize = 100;

/// Variables that the helper gets: credentials, certificates, proxies, and where their files are. All others stay here.
const PREFIXES: &[&str] = &["AWS_", "CASHET_REMOTE_", "SSL_CERT_"];
const NAMES: &[&str] = &[
    "HOME",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "https_proxy",
    "http_proxy",
    "all_proxy",
    "no_proxy",
];

/// The helper of one server: one process for each address and set of credentials.
#[derive(Debug)]
pub(super) struct Place {
    url: String,
    settings: Settings,
    name: String,
    directory: Option<PathBuf>,
}

/// Why there is no connection.
enum NotConnected {
    /// Nobody listens.
    Nobody,
    /// A process listens and does not answer.
    Hung,
    /// A helper of this other release listens.
    Other(String),
}

impl Place {
    pub(super) fn new(url: &str, settings: &Settings) -> Self {
        let mut settings = settings.clone();
        settings.variables.retain(|(name, _)| is_passed(name));
        settings.variables.sort();
        settings.ca = settings.ca.map(|ca| std::path::absolute(&ca).unwrap_or(ca));
        let mut hasher = blake3::Hasher::new();
        let ca = settings.ca.as_ref().map_or(OsStr::new(""), |ca| ca.as_os_str());
        let variables = settings.variables.iter().flat_map(|(name, value)| [name.as_os_str(), value]);
        for part in [OsStr::new(url), ca].into_iter().chain(variables) {
            hasher.update(&part.len().to_le_bytes());
            hasher.update(part.as_bytes());
        }
        let mut name = hasher.finalize().to_hex().to_string();
        name.truncate(16);
        Self { url: url.to_owned(), settings, name, directory: None }
    }

    /// The directory of sockets: made where it does not exist, and nobody else's.
    fn directory(&mut self) -> Result<&Path, String> {
        if self.directory.is_none() {
            let directory = match &self.settings.sockets {
                Some(directory) => directory.clone(),
                None => usual_directory(),
            };
            own_directory(&directory)?;
            self.directory = Some(directory);
        }
        Ok(self.directory.as_deref().unwrap_or(Path::new("/")))
    }

    /// A file of this helper.
    pub(super) fn file(&mut self, extension: &str) -> Result<PathBuf, String> {
        let name = format!("{}{extension}", self.name);
        Ok(self.directory()?.join(name))
    }

    /// Removes the socket of the helper: the next connection starts a new one.
    pub(super) fn abandon(&mut self) {
        if let Ok(socket) = self.file("") {
            let _ = fs::remove_file(socket);
        }
    }

    /// A connection to a helper of this release, which is started if none runs.
    pub(super) fn connect(&mut self) -> Result<UnixStream, Failure> {
        let until = Instant::now() + START * self.settings.patience();
        let unreachable = Failure::Unreachable;
        let socket = self.file("").map_err(unreachable)?;
        match greet(&socket, until) {
            Ok(stream) => return Ok(stream),
            Err(NotConnected::Hung) => return Err(self.hung()),
            Err(NotConnected::Nobody | NotConnected::Other(_)) => {}
        }
        let program = self.program()?;
        // One process starts it, others wait.
        let lock = File::create(self.file(".start").map_err(unreachable)?);
        let lock = lock.map_err(|error| unreachable(error.to_string()))?;
        while rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
            if Instant::now() > until {
                return Err(unreachable(format!("{PROGRAM} is being started by another process")));
            }
            std::thread::sleep(STEP);
        }
        match greet(&socket, until) {
            Ok(stream) => return Ok(stream),
            Err(NotConnected::Other(_)) => self.abandon(),
            Err(NotConnected::Nobody | NotConnected::Hung) => {}
        }
        self.start(&program, &socket).map_err(|error| match error.kind() {
            // It is not to be started here: nothing has failed.
            io::ErrorKind::Unsupported => Failure::Paused,
            _ => unreachable(format!("{} was not started: {error}", program.display())),
        })?;
        loop {
            match greet(&socket, until) {
                Ok(stream) => return Ok(stream),
                Err(NotConnected::Hung) => return Err(self.hung()),
                Err(NotConnected::Other(release)) => {
                    let ours = env!("CARGO_PKG_VERSION");
                    return Err(unreachable(format!(
                        "{} is of release {release}, cashet of {ours}: install both of one release",
                        program.display()
                    )));
                }
                Err(NotConnected::Nobody) if Instant::now() > until => {
                    return Err(unreachable(format!(
                        "{} was started and does not listen",
                        program.display()
                    )));
                }
                Err(NotConnected::Nobody) => std::thread::sleep(STEP),
            }
        }
    }

    fn hung(&mut self) -> Failure {
        self.abandon();
        Failure::Unreachable(format!("{PROGRAM} does not answer"))
    }

    fn program(&self) -> Result<PathBuf, Failure> {
        if let Some(helper) = &self.settings.helper {
            return Ok(helper.clone());
        }
        let ours = std::env::current_exe().ok();
        let beside = ours.as_ref().and_then(|ours| ours.parent()).map(Path::to_path_buf);
        let path = std::env::var_os("PATH").unwrap_or_default();
        let places =
            beside.into_iter().chain(std::env::split_paths(&path).filter(|place| place.is_absolute()));
        places.map(|place| place.join(PROGRAM)).find(|program| program.is_file()).ok_or_else(|| {
            let cure = "install it, or use a dir: address";
            Failure::Refused(format!("the program {PROGRAM} is neither beside cashet nor on PATH: {cure}"))
        })
    }

    fn start(&self, program: &Path, socket: &Path) -> io::Result<()> {
        let mut command = Command::new(program);
        command.env_clear().envs(self.settings.variables.iter().map(|(name, value)| (name, value)));
        command.env("CASHET_REMOTE_URL", &self.url).env("CASHET_REMOTE_SOCKET", socket);
        if let Some(ca) = &self.settings.ca {
            command.env("CASHET_REMOTE_CA", ca);
        }
        // No directory of the user's is held.
        command.current_dir("/");
        (self.settings.start)(&mut command)
    }
}

fn is_passed(name: &OsString) -> bool {
    let Some(name) = name.to_str() else { return false };
    NAMES.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// `$XDG_RUNTIME_DIR/cashet`, or `/tmp/cashet-UID`: the path of a socket has to be short.
fn usual_directory() -> PathBuf {
    let user = rustix::process::geteuid().as_raw();
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|runtime| {
        let is_ours = fs::metadata(runtime).is_ok_and(|found| found.is_dir() && found.uid() == user);
        runtime.is_absolute() && is_ours && runtime.as_os_str().len() < LONGEST - 30
    });
    match runtime {
        Some(runtime) => runtime.join("cashet"),
        None => PathBuf::from(format!("/tmp/cashet-{user}")),
    }
}

fn own_directory(directory: &Path) -> Result<(), String> {
    match DirBuilder::new().mode(0o700).create(directory) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(format!("{}: {error}", directory.display()));
        }
        _ => {}
    }
    let found =
        fs::symlink_metadata(directory).map_err(|error| format!("{}: {error}", directory.display()))?;
    let is_ours = found.is_dir() && found.uid() == rustix::process::geteuid().as_raw();
    if !is_ours || found.mode() & 0o077 != 0 {
        let shown = directory.display();
        return Err(format!(
            "{shown} must be a directory that belongs to you alone: remove it, or chmod 700"
        ));
    }
    Ok(())
}

/// Connects without ever waiting for a full queue, and exchanges greetings.
fn greet(socket: &Path, until: Instant) -> Result<UnixStream, NotConnected> {
    let found = fs::symlink_metadata(socket).map_err(|_| NotConnected::Nobody)?;
    if !found.file_type().is_socket() || found.uid() != rustix::process::geteuid().as_raw() {
        return Err(NotConnected::Nobody);
    }
    let mut stream = match connect_at_once(socket) {
        Ok(stream) => stream,
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(NotConnected::Hung),
        Err(_) => return Err(NotConnected::Nobody),
    };
    let rest = until.saturating_duration_since(Instant::now()).max(Duration::from_millis(100));
    let patience = stream.set_read_timeout(Some(rest)).and_then(|()| stream.set_write_timeout(Some(rest)));
    match patience.and_then(|()| send_all(&stream, &greeting())).and_then(|()| read_greeting(&mut stream)) {
        Ok(Ok(())) => Ok(stream),
        Ok(Err(release)) => Err(NotConnected::Other(release)),
        Err(error) if super::is_timeout(&error) => Err(NotConnected::Hung),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            Err(NotConnected::Other("unknown".to_owned()))
        }
        // It ended just now.
        Err(_) => Err(NotConnected::Nobody),
    }
}

#[cfg(target_os = "linux")]
fn connect_at_once(socket: &Path) -> io::Result<UnixStream> {
    use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let ours = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    connect(&ours, &SocketAddrUnix::new(socket)?)?;
    let stream = UnixStream::from(ours);
    stream.set_nonblocking(false)?;
    Ok(stream)
}

#[cfg(not(target_os = "linux"))]
fn connect_at_once(socket: &Path) -> io::Result<UnixStream> {
    UnixStream::connect(socket)
}
