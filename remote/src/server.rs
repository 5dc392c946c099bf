//! What a kind of server has to do, and which one an address names.

use crate::bazel_http::BazelHttp;
use crate::buffer::Buffer;
use crate::carrier::{Blob, Failure, Name};
use crate::execution::{Executed, Execution};
use crate::grpc::Grpc;
use crate::protocol::Versioned;
use crate::redis_server::Redis;
use crate::s3::S3;
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

/// Time limit for a connection.
const CONNECT: Duration = Duration::from_millis(250);
/// With TLS it takes two round trips more.
const CONNECT_TLS: Duration = Duration::from_millis(700);
/// A look-up is answered within this time, connecting included; `cashet` waits a little longer.
const LOOK_UP: Duration = Duration::from_millis(900);
/// The variable with a factor for these times.
const PATIENCE: &str = "CASHET_REMOTE_PATIENCE";
/// The longest time in which too little moves.
pub(crate) const STALL: Duration = Duration::from_millis(9500);
/// Minimum number of bytes that move in that time.
const LEAST: u64 = 64 << 10;
/// Time between messages to the other side that bytes move.
const TELL: Duration = Duration::from_millis(500);
/// Bytes read or written at once.
pub(crate) const CHUNK: usize = 256 << 10;

/// What to reach, and with what.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) url: String,
    /// Certificates (PEM) that are trusted instead of the system's.
    pub(crate) ca: Option<Vec<u8>>,
    pub(crate) token: Option<String>,
}

/// A server. Records are at most as long as the caller allows; it checks those that it gets from here, too.
pub(crate) trait Server: Send {
    fn questions(&mut self, key: &Name) -> Result<Option<Versioned>, Failure>;
    /// `false`: another process changed the record in the meantime.
    fn swap(&mut self, key: &Name, version: Option<&[u8]>, record: &[u8]) -> Result<bool, Failure>;
    fn results(&mut self, names: &[Name]) -> Result<Vec<Option<Vec<u8>>>, Failure>;
    fn add_result(&mut self, name: &Name, record: &[u8], blobs: &[Blob]) -> Result<(), Failure>;
    fn missing(&mut self, blobs: &[Blob]) -> Result<Vec<Blob>, Failure>;
    /// `false`: it is not there.
    fn fetch(&mut self, blob: &Blob, to: &File, progress: &mut Progress<'_>) -> Result<bool, Failure>;
    fn add_blob(&mut self, blob: &Blob, from: &File, progress: &mut Progress<'_>) -> Result<(), Failure>;

    /// How it runs commands.
    fn describe(&mut self) -> Result<String, Failure> {
        Err(Failure::Refused("a server of this kind runs no commands".to_owned()))
    }

    /// Runs a command; its record goes to the file.
    fn execute(
        &mut self,
        execution: &Execution,
        record: &File,
        progress: &mut Progress<'_>,
    ) -> Result<Executed, Failure> {
        let _ = (execution, record, progress);
        self.describe().map(Executed::Stopped)
    }
}

/// The server at the address.
///
/// # Errors
/// When the address is none.
pub(crate) fn open(settings: &Settings) -> Result<Box<dyn Server>, Failure> {
    let scheme = settings.url.split(':').next().unwrap_or_default();
    match scheme {
        "grpc" | "grpcs" => Ok(Box::new(Grpc::open(settings)?)),
        "http" | "https" => Ok(Box::new(BazelHttp::open(settings)?)),
        "redis" | "rediss" => Ok(Box::new(Redis::open(settings)?)),
        "s3" => Ok(Box::new(S3::open(settings)?)),
        _ => Err(Failure::Refused(format!("{scheme}: is not a kind of shared cache"))),
    }
}

impl Settings {
    /// As the environment says.
    ///
    /// # Errors
    /// When a file that it names cannot be read.
    pub(crate) fn from_environment() -> Result<Self, Failure> {
        let text = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let file = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let read = |path: OsString| {
            std::fs::read(&path).map_err(|error| Failure::Refused(format!("{}: {error}", path.display())))
        };
        let token = match (text("CASHET_REMOTE_TOKEN"), file("CASHET_REMOTE_TOKEN_FILE")) {
            (Some(token), _) => Some(token),
            (None, Some(path)) => Some(String::from_utf8_lossy(&read(path)?).trim().to_owned()),
            (None, None) => None,
        };
        let ca = file("CASHET_REMOTE_CA").map(read).transpose()?;
        Ok(Self { url: text("CASHET_REMOTE_URL").unwrap_or_default(), ca, token })
    }
}

/// The time for connecting.
pub(crate) fn connecting(is_tls: bool) -> Duration {
    patience() * if is_tls { CONNECT_TLS } else { CONNECT }
}

/// The time for a look-up.
pub(crate) fn looking_up() -> Duration {
    patience() * LOOK_UP
}

fn patience() -> u32 {
    let number = std::env::var(PATIENCE).ok().and_then(|value| value.parse().ok());
    number.filter(|number| (1..=100).contains(number)).unwrap_or(1)
}

/// Tells the other side that bytes move, and fails where too few do.
pub(crate) struct Progress<'a> {
    tell: &'a mut dyn FnMut() -> bool,
    told: Instant,
    since: Instant,
    bytes: u64,
}

impl<'a> Progress<'a> {
    /// `tell` says whether the other side is still there.
    pub(crate) fn new(tell: &'a mut dyn FnMut() -> bool) -> Self {
        Self { tell, told: Instant::now(), since: Instant::now(), bytes: 0 }
    }

    /// Notes that bytes have moved.
    ///
    /// # Errors
    /// When too few have, or nobody waits for them any more.
    pub(crate) fn moved(&mut self, bytes: usize) -> Result<(), Failure> {
        self.bytes = self.bytes.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
        let now = Instant::now();
        if now - self.since > STALL {
            if self.bytes < LEAST {
                return Err(Failure::Unreachable(format!("only {} bytes in ten seconds", self.bytes)));
            }
            (self.since, self.bytes) = (now, 0);
        }
        self.waits()
    }

    /// Nothing moves, and that is well.
    ///
    /// # Errors
    /// When nobody waits any more.
    pub(crate) fn waits(&mut self) -> Result<(), Failure> {
        let now = Instant::now();
        if now - self.told > TELL {
            self.told = now;
            if !(self.tell)() {
                return Err(Failure::Unreachable("the caller has gone".to_owned()));
            }
        }
        Ok(())
    }
}

/// Writes to a file by position, at most as many bytes as a blob has.
pub(crate) struct Sink<'a, 'b> {
    to: &'a File,
    size: u64,
    written: u64,
    /// Bytes to be written at once: large writes get large pages in the file's cache.
    chunk: Buffer,
    filled: usize,
    progress: &'a mut Progress<'b>,
}

impl<'a, 'b> Sink<'a, 'b> {
    pub(crate) fn new(to: &'a File, blob: &Blob, progress: &'a mut Progress<'b>) -> Self {
        Self { to, size: blob.size, written: 0, chunk: Buffer::empty(), filled: 0, progress }
    }

    /// # Errors
    /// When there are more bytes than there should be, or the file cannot hold them.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.put(bytes)?;
        self.progress.moved(bytes.len())
    }

    /// Where the next bytes may be put; [`Sink::fill`] says how many were.
    pub(crate) fn room(&mut self) -> &mut [u8] {
        self.chunk.resize(CHUNK);
        self.chunk.get_mut(self.filled..).unwrap_or_default()
    }

    /// # Errors
    /// As [`Sink::write`].
    pub(crate) fn fill(&mut self, count: usize) -> Result<(), Failure> {
        self.filled = self.filled.saturating_add(count);
        self.after(self.filled)?;
        if self.filled >= CHUNK {
            self.flush()?;
        }
        self.progress.moved(count)
    }

    fn flush(&mut self) -> Result<(), Failure> {
        let (chunk, filled) = (std::mem::take(&mut self.chunk), std::mem::take(&mut self.filled));
        let done = self.put(chunk.get(..filled).unwrap_or_default());
        self.chunk = chunk;
        done
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let after = self.after(bytes.len())?;
        self.to.write_all_at(bytes, self.written).map_err(|error| of_file(&error))?;
        self.written = after;
        Ok(())
    }

    /// How many bytes there are after these.
    fn after(&self, count: usize) -> Result<u64, Failure> {
        let after = self.written.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        if after > self.size {
            return Err(Failure::Invalid(format!("a blob is longer than its {} bytes", self.size)));
        }
        Ok(after)
    }

    /// # Errors
    /// When bytes are missing, or the file cannot hold the last ones.
    pub(crate) fn end(mut self) -> Result<bool, Failure> {
        self.flush()?;
        if self.written == self.size {
            return Ok(true);
        }
        Err(Failure::Invalid(format!("a blob of {} bytes ended after {}", self.size, self.written)))
    }
}

/// Reads a file by position, exactly as many bytes as a blob has.
pub(crate) struct Source<'a, 'b> {
    from: &'a File,
    size: u64,
    read: u64,
    progress: &'a mut Progress<'b>,
    /// Why the last read failed.
    pub(crate) failure: Option<Failure>,
}

impl<'a, 'b> Source<'a, 'b> {
    pub(crate) fn new(from: &'a File, blob: &Blob, progress: &'a mut Progress<'b>) -> Self {
        Self { from, size: blob.size, read: 0, progress, failure: None }
    }
}

impl io::Read for Source<'_, '_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let rest = usize::try_from(self.size - self.read).unwrap_or(usize::MAX).min(into.len());
        let Some(into) = into.get_mut(..rest).filter(|into| !into.is_empty()) else { return Ok(0) };
        let count = self.from.read_at(into, self.read)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.read += u64::try_from(count).unwrap_or(0);
        match self.progress.moved(count) {
            Ok(()) => Ok(count),
            Err(failure) => {
                self.failure = Some(failure);
                Err(io::ErrorKind::TimedOut.into())
            }
        }
    }
}

/// A failure of the file that a blob goes to or comes from.
pub(crate) fn of_file(error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Failure::Full(error.to_string()),
        _ => Failure::Invalid(error.to_string()),
    }
}

/// The whole content of a small blob's file.
///
/// # Errors
/// When it cannot be read or is shorter.
pub(crate) fn read_all(blob: &Blob, from: &File) -> Result<Vec<u8>, Failure> {
    let mut content = vec![0; usize::try_from(blob.size).unwrap_or(usize::MAX)];
    from.read_exact_at(&mut content, 0).map_err(|error| of_file(&error))?;
    Ok(content)
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
