//! Listens on the socket, answers requests, and ends when nobody has asked for a while or another helper took the place.

use crate::carrier::Failure;
use crate::frames::send_all;
use crate::protocol::{Answer, Request, greeting, read_greeting, receive_request, send_answer};
use crate::server::{Progress, Server, Settings, open};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Resource, Rlimit, setrlimit};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The variable that names the socket.
pub(crate) const SOCKET: &str = "CASHET_REMOTE_SOCKET";
/// The variable for another time, in seconds, after which an idle helper ends.
const IDLE_VARIABLE: &str = "CASHET_REMOTE_IDLE";
const IDLE: Duration = Duration::from_mins(10);
/// A request in which nothing has happened for this time is no longer waited for.
const DEAD: Duration = Duration::from_mins(1);
/// How often the helper looks whether it is still wanted.
const STEP: Duration = Duration::from_secs(1);
/// No answer of a server makes the program larger than this.
const MEMORY: u64 = 2 << 30;

struct Shared {
    settings: Result<Settings, String>,
    /// Connections to the server that nobody uses now.
    servers: Mutex<Vec<Box<dyn Server>>>,
    activity: Mutex<Activity>,
}

struct Activity {
    requests: usize,
    last: Instant,
}

pub(crate) fn main() -> ExitCode {
    let Some(socket) = std::env::var_os(SOCKET).map(PathBuf::from) else { return ExitCode::FAILURE };
    setrlimit(Resource::As, Rlimit { current: Some(MEMORY), maximum: Some(MEMORY) }).ok();
    let _ = rustls::crypto::ring::default_provider().install_default();
    let Ok((listener, identity)) = listen(&socket) else { return ExitCode::FAILURE };
    let seconds = std::env::var(IDLE_VARIABLE).ok().and_then(|value| value.parse().ok());
    let idle = seconds.map_or(IDLE, Duration::from_secs);
    let shared = Arc::new(Shared {
        settings: Settings::from_environment().map_err(|failure| failure.to_string()),
        servers: Mutex::new(Vec::new()),
        activity: Mutex::new(Activity { requests: 0, last: Instant::now() }),
    });
    loop {
        if is_readable(&listener)
            && let Ok((stream, _)) = listener.accept()
        {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || converse(stream, &shared));
            continue;
        }
        let (quiet, requests) = {
            let activity = lock(&shared.activity);
            (activity.last.elapsed(), activity.requests)
        };
        let is_ours = identity_of(&socket).is_ok_and(|found| found == identity);
        if is_ours && quiet >= idle {
            // A process that connects from now on starts another helper.
            let _ = fs::remove_file(&socket);
            return ExitCode::SUCCESS;
        }
        if !is_ours && (requests == 0 || quiet >= DEAD) {
            return ExitCode::SUCCESS;
        }
    }
}

/// Takes the place at once: whoever listened there before is no longer found.
fn listen(socket: &Path) -> io::Result<(UnixListener, (u64, u64))> {
    let mut own = socket.to_path_buf().into_os_string();
    own.push(format!(".{}", std::process::id()));
    let own = PathBuf::from(own);
    let _ = fs::remove_file(&own);
    let listener = UnixListener::bind(&own)?;
    listener.set_nonblocking(true)?;
    let identity = identity_of(&own)?;
    fs::rename(&own, socket)?;
    Ok((listener, identity))
}

fn identity_of(socket: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(socket).map(|found| (found.dev(), found.ino()))
}

fn is_readable(listener: &UnixListener) -> bool {
    let wait = Timespec { tv_sec: i64::try_from(STEP.as_secs()).unwrap_or(1), tv_nsec: 0 };
    poll(&mut [PollFd::new(listener, PollFlags::IN)], Some(&wait)).is_ok_and(|ready| ready > 0)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Answers the requests of one `cashet` until it closes the connection.
fn converse(mut stream: UnixStream, shared: &Shared) {
    let patience = Some(Duration::from_secs(1));
    let greeted = stream
        .set_nonblocking(false)
        .and_then(|()| stream.set_read_timeout(patience))
        .and_then(|()| stream.set_write_timeout(patience))
        .and_then(|()| send_all(&stream, &greeting()))
        .and_then(|()| read_greeting(&mut stream));
    if !matches!(greeted, Ok(Ok(()))) || stream.set_read_timeout(None).is_err() {
        return;
    }
    while let Ok(Some((request, file))) = receive_request(&mut stream) {
        note(shared, |activity| activity.requests += 1);
        let answer = answer(&request, file.as_ref(), &mut stream, shared);
        note(shared, |activity| activity.requests -= 1);
        if send_answer(&mut stream, &answer).is_err() {
            return;
        }
    }
}

fn note(shared: &Shared, change: impl FnOnce(&mut Activity)) {
    let mut activity = lock(&shared.activity);
    activity.last = Instant::now();
    change(&mut activity);
}

fn answer(request: &Request, file: Option<&File>, stream: &mut UnixStream, shared: &Shared) -> Answer {
    let settings = match &shared.settings {
        Ok(settings) => settings,
        Err(why) => return Answer::Failed(Failure::Refused(why.clone())),
    };
    let kept = lock(&shared.servers).pop();
    let mut server = match kept.map_or_else(|| open(settings), Ok) {
        Ok(server) => server,
        Err(failure) => return Answer::Failed(failure),
    };
    let mut tell = || {
        note(shared, |_| ());
        send_answer(stream, &Answer::Alive).is_ok()
    };
    match of_server(server.as_mut(), request, file, &mut Progress::new(&mut tell)) {
        Ok(answer) => {
            lock(&shared.servers).push(server);
            answer
        }
        // The next request gets a new connection.
        Err(failure) => Answer::Failed(failure),
    }
}

fn of_server(
    server: &mut dyn Server,
    request: &Request,
    file: Option<&File>,
    progress: &mut Progress<'_>,
) -> Result<Answer, Failure> {
    let file = || file.ok_or_else(|| Failure::Invalid("a request without its file".to_owned()));
    Ok(match request {
        Request::Questions(key) => Answer::Questions(server.questions(key)?),
        Request::Swap { key, version, record } => {
            Answer::Done(server.swap(key, version.as_deref(), record)?)
        }
        Request::Results(names) => Answer::Results(server.results(names)?),
        Request::AddResult { name, record, blobs } => {
            server.add_result(name, record, blobs)?;
            Answer::Done(true)
        }
        Request::Missing(blobs) => {
            let full: Vec<_> = blobs.iter().copied().filter(|blob| blob.size > 0).collect();
            Answer::Missing(if full.is_empty() { full } else { server.missing(&full)? })
        }
        // An empty blob is everywhere.
        Request::Fetch(blob) | Request::AddBlob(blob) if blob.size == 0 => Answer::Done(true),
        Request::Fetch(blob) => Answer::Done(server.fetch(blob, file()?, progress)?),
        Request::AddBlob(blob) => {
            server.add_blob(blob, file()?, progress)?;
            Answer::Done(true)
        }
        Request::Describe => Answer::Described(server.describe()?),
        Request::Execute(execution) => Answer::Executed(server.execute(execution, file()?, progress)?),
    })
}
