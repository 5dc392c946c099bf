//! A shared cache behind a network. `cashet` itself uses no network: the helper program `cashet-remote` does, and is
//! asked over a unix socket. It is started on demand and continues for the next calls.
//!
//! Nothing here takes longer than its deadline, whatever the server or the helper does.

mod helper;
mod pause;

use super::carrier::{Blob, Carrier, Failure, LARGEST_RECORD, Merge, Name};
use super::execution::{Executed, Execution};
use super::protocol::{Answer, MAX_NAMES, Request, Versioned, receive_answer, send_request};
use helper::Place;
use pause::Pause;
use std::ffi::OsString;
use std::fs::File;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

/// A look-up is answered within this time, or it is a miss.
const LOOK_UP: Duration = Duration::from_secs(1);
/// The longest time in which no byte moves.
const STALL: Duration = Duration::from_secs(10);
/// A variable with a factor for all deadlines but the last one: for slow networks and loaded machines.
const PATIENCE: &str = "CASHET_REMOTE_PATIENCE";
/// How often a record of question sets is merged again where others write at the same time.
const TRIES: u32 = 12;

/// What the helper is started with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Certificates (PEM) to trust instead of the system's.
    pub ca: Option<PathBuf>,
    /// The environment. The helper gets those that hold credentials and the like.
    pub variables: Vec<(OsString, OsString)>,
    /// The helper program, instead of the one beside this program or on PATH.
    pub helper: Option<PathBuf>,
    /// A directory for sockets, instead of the user's own.
    pub sockets: Option<PathBuf>,
    /// Starts a program that continues by itself.
    pub start: fn(&mut Command) -> io::Result<()>,
}

impl Settings {
    /// With the environment of this process.
    pub fn new(start: fn(&mut Command) -> io::Result<()>) -> Self {
        Self { ca: None, variables: std::env::vars_os().collect(), helper: None, sockets: None, start }
    }

    fn patience(&self) -> u32 {
        let value = self.variables.iter().find(|(name, _)| name == PATIENCE);
        let number = value.and_then(|(_, value)| value.to_str()?.parse().ok());
        number.filter(|number| (1..=100).contains(number)).unwrap_or(1)
    }
}

/// A shared cache that the helper reaches. Connects with the first request.
#[derive(Debug)]
pub struct Client {
    place: Place,
    /// Whether a server that fails is left alone for a while.
    pauses: bool,
    pause: Option<Pause>,
    look_up: Duration,
    stream: Option<UnixStream>,
    restarts: u64,
}

impl Client {
    /// The shared cache at `url`.
    pub fn new(url: &str, settings: &Settings) -> Self {
        let look_up = LOOK_UP * settings.patience();
        Self {
            place: Place::new(url, settings),
            pauses: true,
            pause: None,
            look_up,
            stream: None,
            restarts: 0,
        }
    }

    /// The server at `url`, which is asked each time, however often it failed.
    pub fn always(url: &str, settings: &Settings) -> Self {
        Self { pauses: false, ..Self::new(url, settings) }
    }

    /// How the server runs commands.
    ///
    /// # Errors
    /// [`Failure::Refused`] where it runs none.
    pub fn describe(&mut self) -> Result<String, Failure> {
        match self.ask(&Request::Describe, None, STALL)? {
            Answer::Described(text) => Ok(text),
            _ => Err(unexpected()),
        }
    }

    /// Has a command run, and waits for its end. Its record is written to `record`. If this process ends before that, the
    /// command is cancelled.
    ///
    /// # Errors
    /// Any [`Failure`]; how the command ended is not known then.
    pub fn execute(&mut self, execution: Execution, record: &File) -> Result<Executed, Failure> {
        match self.ask(&Request::Execute(Box::new(execution)), Some(record), STALL)? {
            Answer::Executed(executed) => Ok(executed),
            _ => Err(unexpected()),
        }
    }

    /// Asks; `patience` is how long no byte may come.
    fn ask(&mut self, request: &Request, file: Option<&File>, patience: Duration) -> Result<Answer, Failure> {
        if !self.pauses {
            return match self.exchange(request, file, patience)? {
                Answer::Failed(failure) => Err(failure),
                answer => Ok(answer),
            };
        }
        if self.pause.is_none() {
            self.pause = Some(Pause::new(self.place.file(".failed").map_err(Failure::Unreachable)?));
        }
        if self.pause.as_mut().is_some_and(Pause::is_on) {
            return Err(Failure::Paused);
        }
        let answer = match self.exchange(request, file, patience) {
            Ok(Answer::Failed(failure)) => Err(failure),
            other => other,
        };
        let Some(pause) = &mut self.pause else { return answer };
        match answer {
            Err(Failure::Unreachable(why)) => {
                let pauses = pause.failed();
                Err(Failure::Unreachable(if pauses {
                    format!("{why}; it is not asked for the next minute")
                } else {
                    why
                }))
            }
            answer => {
                pause.succeeded();
                answer
            }
        }
    }

    /// Sends and receives; once more with a new helper if the helper has ended: every request may come twice.
    fn exchange(
        &mut self,
        request: &Request,
        file: Option<&File>,
        patience: Duration,
    ) -> Result<Answer, Failure> {
        let mut last = String::new();
        for _ in 0..2 {
            let mut stream = match self.stream.take() {
                Some(stream) => stream,
                None => self.place.connect()?,
            };
            match round(&mut stream, request, file, patience) {
                Ok(answer) => {
                    self.stream = Some(stream);
                    return Ok(answer);
                }
                Err(error) if is_timeout(&error) => {
                    self.place.abandon();
                    let seconds = patience.as_secs();
                    return Err(Failure::Unreachable(format!(
                        "cashet-remote gave no answer within {seconds} s"
                    )));
                }
                Err(error) => last = error.to_string(),
            }
            match (request, file) {
                // The command may have begun.
                (Request::Execute(_), _) => break,
                (Request::Fetch(_), Some(file)) if file.set_len(0).is_ok() => self.restarts += 1,
                _ => {}
            }
        }
        Err(Failure::Unreachable(format!("cashet-remote ended: {last}")))
    }

    fn questions_within(&mut self, key: &Name, patience: Duration) -> Result<Option<Versioned>, Failure> {
        let Answer::Questions(found) = self.ask(&Request::Questions(*key), None, patience)? else {
            return Err(unexpected());
        };
        if let Some(found) = &found {
            check(&found.record)?;
        }
        Ok(found)
    }

    fn done(&mut self, request: &Request, file: Option<&File>) -> Result<bool, Failure> {
        match self.ask(request, file, STALL)? {
            Answer::Done(done) => Ok(done),
            _ => Err(unexpected()),
        }
    }
}

impl Carrier for Client {
    fn questions(&mut self, key: &Name) -> Result<Option<Vec<u8>>, Failure> {
        Ok(self.questions_within(key, self.look_up)?.map(|found| found.record))
    }

    fn merge_questions(&mut self, key: &Name, merge: Merge<'_>) -> Result<(), Failure> {
        for try_number in 0..TRIES {
            let found = self.questions_within(key, STALL)?;
            let (version, record) = found.map(|found| (found.version, found.record)).unzip();
            let Some(record) = merge(record.as_deref()) else { return Ok(()) };
            check(&record)?;
            if self.done(&Request::Swap { key: *key, version, record }, None)? {
                return Ok(());
            }
            std::thread::sleep(jitter(try_number));
        }
        Err(Failure::Unreachable("other processes keep changing the same record".to_owned()))
    }

    fn results(&mut self, names: &[Name]) -> Result<Vec<Option<Vec<u8>>>, Failure> {
        let mut all = Vec::with_capacity(names.len());
        for names in names.chunks(MAX_NAMES) {
            match self.ask(&Request::Results(names.to_vec()), None, self.look_up)? {
                Answer::Results(records) if records.len() == names.len() => {
                    for record in records {
                        record.as_deref().map_or(Ok(()), check)?;
                        all.push(record);
                    }
                }
                _ => return Err(unexpected()),
            }
        }
        Ok(all)
    }

    fn add_result(&mut self, name: &Name, record: &[u8], blobs: &[Blob]) -> Result<(), Failure> {
        check(record)?;
        let (record, blobs) = (record.to_vec(), blobs.to_vec());
        self.done(&Request::AddResult { name: *name, record, blobs }, None).map(drop)
    }

    fn missing(&mut self, blobs: &[Blob]) -> Result<Vec<Blob>, Failure> {
        match self.ask(&Request::Missing(blobs.to_vec()), None, STALL)? {
            Answer::Missing(blobs) => Ok(blobs),
            _ => Err(unexpected()),
        }
    }

    fn fetch(&mut self, blob: &Blob, to: &File) -> Result<bool, Failure> {
        self.done(&Request::Fetch(*blob), Some(to))
    }

    fn restarts(&self) -> u64 {
        self.restarts
    }

    fn add_blob(&mut self, blob: &Blob, from: &File) -> Result<(), Failure> {
        self.done(&Request::AddBlob(*blob), Some(from)).map(drop)
    }
}

fn round(
    stream: &mut UnixStream,
    request: &Request,
    file: Option<&File>,
    patience: Duration,
) -> io::Result<Answer> {
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
    send_request(stream, request, file)?;
    loop {
        match receive_answer(stream)? {
            Answer::Alive => {}
            answer => return Ok(answer),
        }
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

fn check(record: &[u8]) -> Result<(), Failure> {
    if record.len() > LARGEST_RECORD {
        return Err(Failure::Invalid(format!("a record of {} bytes", record.len())));
    }
    Ok(())
}

fn unexpected() -> Failure {
    Failure::Invalid("cashet-remote answered something else".to_owned())
}

/// A time to wait before the next try: others wait another one.
fn jitter(try_number: u32) -> Duration {
    let random = RandomState::new().build_hasher().finish();
    Duration::from_micros(random % (2000 << try_number.min(5)))
}
