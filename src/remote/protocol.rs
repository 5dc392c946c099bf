//! The protocol of `cashet` and its helper `cashet-remote` over a unix socket: after a greeting, requests and
//! answers, one frame each.
//!
//! The first byte of a frame names the kind. The bytes of a blob are in no frame: a request passes the descriptor of a file,
//! which the helper reads or writes by position.
//!
//! The helper compiles this file too. Both programs come from one release, and the greeting makes sure of it.

use super::carrier::{Blob, Failure, Name};
use super::execution::{Executed, Execution};
use super::fields::{Reader, Writer, malformed};
use super::frames::{receive_frame, send_frame};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::net::UnixStream;

/// Changes with every change of the frames.
const PROTOCOL: u32 = 3;
/// What a greeting begins with; never changes.
const MAGIC: &[u8; 8] = b"cashet-r";
/// Names in one request for results, so that the answer fits into a frame.
pub const MAX_NAMES: usize = 8;

/// What `cashet` asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum Request {
    /// The record of question sets.
    Questions(Name),
    /// Puts the record of question sets if it still has this version; `None`: if there is none.
    Swap { key: Name, version: Option<Vec<u8>>, record: Vec<u8> },
    /// Records of results.
    Results(Vec<Name>),
    /// Adds the record of a result.
    AddResult { name: Name, record: Vec<u8>, blobs: Vec<Blob> },
    /// Which blobs are not there.
    Missing(Vec<Blob>),
    /// Writes a blob to the file that comes with the request.
    Fetch(Blob),
    /// Adds a blob from the file that comes with the request.
    AddBlob(Blob),
    /// Whether and how the server runs commands.
    Describe,
    /// Runs a command; its record goes to the file that comes with the request.
    Execute(Box<Execution>),
}

/// What the helper answers.
#[derive(Debug)]
pub enum Answer {
    /// Nothing yet, but bytes flow.
    Alive,
    /// The record of question sets and its version.
    Questions(Option<Versioned>),
    /// Records of results, one for each name.
    Results(Vec<Option<Vec<u8>>>),
    /// Blobs that are not there.
    Missing(Vec<Blob>),
    /// Done; or, of a fetch or a swap, whether it was.
    Done(bool),
    /// How the server runs commands.
    Described(String),
    /// What became of a command.
    Executed(Executed),
    /// Not done.
    Failed(Failure),
}

/// A record that several writers change, and its version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versioned {
    pub version: Vec<u8>,
    pub record: Vec<u8>,
}

/// What both sides say first: the program, the protocol, the release.
pub fn greeting() -> Vec<u8> {
    let release = env!("CARGO_PKG_VERSION").as_bytes();
    let length = u8::try_from(release.len()).unwrap_or(u8::MAX);
    [MAGIC, PROTOCOL.to_le_bytes().as_slice(), &[length], release].concat()
}

/// Reads the other side's greeting. `Err(text)` in the result: another release, and which.
///
/// # Errors
/// When nothing comes, or something that is not a greeting.
pub fn read_greeting(stream: &mut UnixStream) -> io::Result<Result<(), String>> {
    let mut start = [0; 13];
    stream.read_exact(&mut start)?;
    let (Some(magic), Some(length)) = (start.get(..8), start.last()) else { return Err(malformed()) };
    if magic != MAGIC {
        return Err(malformed());
    }
    let mut release = vec![0; usize::from(*length)];
    stream.read_exact(&mut release)?;
    let received = [start.as_slice(), &release].concat();
    if received == greeting() {
        return Ok(Ok(()));
    }
    Ok(Err(String::from_utf8_lossy(&release).into_owned()))
}

/// Sends a request, and the file that belongs to it.
///
/// # Errors
/// When the other side is gone.
pub fn send_request(stream: &mut UnixStream, request: &Request, file: Option<&File>) -> io::Result<()> {
    let mut out = Writer::new();
    match request {
        Request::Questions(key) => out.kind(1).name(key),
        Request::Swap { key, version, record } => {
            out.kind(2).name(key).optional(version.as_deref()).bytes(record)
        }
        Request::Results(names) => {
            out.kind(3).length(names.len());
            names.iter().fold(&mut out, |out, name| out.name(name))
        }
        Request::AddResult { name, record, blobs } => out.kind(4).name(name).bytes(record).blobs(blobs),
        Request::Missing(blobs) => out.kind(5).blobs(blobs),
        Request::Fetch(blob) => out.kind(6).blob(blob),
        Request::AddBlob(blob) => out.kind(7).blob(blob),
        Request::Describe => out.kind(8),
        Request::Execute(execution) => {
            execution.write(out.kind(9));
            &mut out
        }
    };
    send_frame(stream, out.frame(), file)
}

/// Receives a request, and the file that came with it. `None`: the other side has closed the connection.
///
/// # Errors
/// When the connection breaks, or the request is malformed.
pub fn receive_request(stream: &mut UnixStream) -> io::Result<Option<(Request, Option<File>)>> {
    let Some((frame, file)) = receive_frame(stream)? else { return Ok(None) };
    let mut frame = Reader::new(&frame);
    let request = match frame.byte()? {
        1 => Request::Questions(frame.name()?),
        2 => Request::Swap { key: frame.name()?, version: frame.optional()?, record: frame.bytes()? },
        3 => {
            let count = frame.length()?;
            Request::Results((0..count).map(|_| frame.name()).collect::<io::Result<_>>()?)
        }
        4 => Request::AddResult { name: frame.name()?, record: frame.bytes()?, blobs: frame.blobs()? },
        5 => Request::Missing(frame.blobs()?),
        6 => Request::Fetch(frame.blob()?),
        7 => Request::AddBlob(frame.blob()?),
        8 => Request::Describe,
        9 => Request::Execute(Box::new(Execution::read(&mut frame)?)),
        _ => return Err(malformed()),
    };
    frame.end()?;
    Ok(Some((request, file)))
}

/// Sends an answer.
///
/// # Errors
/// When the other side is gone.
pub fn send_answer(stream: &mut UnixStream, answer: &Answer) -> io::Result<()> {
    let mut out = Writer::new();
    match answer {
        Answer::Alive => out.kind(0),
        Answer::Questions(None) => out.kind(1),
        Answer::Questions(Some(found)) => out.kind(2).bytes(&found.version).bytes(&found.record),
        Answer::Results(records) => {
            out.kind(3).length(records.len());
            records.iter().fold(&mut out, |out, record| out.optional(record.as_deref()))
        }
        Answer::Missing(blobs) => out.kind(4).blobs(blobs),
        Answer::Done(false) => out.kind(5),
        Answer::Done(true) => out.kind(6),
        Answer::Failed(Failure::Unreachable(text)) => out.kind(7).bytes(text.as_bytes()),
        Answer::Failed(Failure::Refused(text)) => out.kind(8).bytes(text.as_bytes()),
        Answer::Failed(Failure::Invalid(text)) => out.kind(9).bytes(text.as_bytes()),
        Answer::Failed(Failure::Full(text)) => out.kind(10).bytes(text.as_bytes()),
        Answer::Failed(Failure::Paused) => out.kind(11),
        Answer::Described(text) => out.kind(12).bytes(text.as_bytes()),
        Answer::Executed(executed) => {
            executed.write(out.kind(13));
            &mut out
        }
    };
    send_frame(stream, out.frame(), None)
}

/// Receives an answer.
///
/// # Errors
/// When none comes in the time that is set for the stream, the connection breaks, or the answer is malformed.
pub fn receive_answer(stream: &mut UnixStream) -> io::Result<Answer> {
    let (frame, _) = receive_frame(stream)?.ok_or(io::ErrorKind::UnexpectedEof)?;
    let mut frame = Reader::new(&frame);
    let answer = match frame.byte()? {
        0 => Answer::Alive,
        1 => Answer::Questions(None),
        2 => Answer::Questions(Some(Versioned { version: frame.bytes()?, record: frame.bytes()? })),
        3 => {
            let count = frame.length()?;
            Answer::Results((0..count).map(|_| frame.optional()).collect::<io::Result<_>>()?)
        }
        4 => Answer::Missing(frame.blobs()?),
        5 => Answer::Done(false),
        6 => Answer::Done(true),
        7 => Answer::Failed(Failure::Unreachable(frame.text()?)),
        8 => Answer::Failed(Failure::Refused(frame.text()?)),
        9 => Answer::Failed(Failure::Invalid(frame.text()?)),
        10 => Answer::Failed(Failure::Full(frame.text()?)),
        11 => Answer::Failed(Failure::Paused),
        12 => Answer::Described(frame.text()?),
        13 => Answer::Executed(Executed::read(&mut frame)?),
        _ => return Err(malformed()),
    };
    frame.end()?;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::super::execution::{Input, Kind};
    use super::*;
    use std::io::{Seek, Write};

    fn blob(seed: u8) -> Blob {
        Blob { digest: [seed; 32], size: u64::from(seed) << 33 }
    }

    fn execution() -> Execution {
        let input = |path: &str, kind| Input { path: path.to_owned(), kind };
        let pair = |name: &str| vec![(name.to_owned(), String::new())];
        Execution {
            inputs: vec![
                input("a/b", Kind::File { blob: blob(1), executable: true }),
                input("a/c", Kind::File { blob: blob(2), executable: false }),
                input("l", Kind::Link("a/b".to_owned())),
                input("d", Kind::Directory),
            ],
            words: vec!["./x".to_owned(), String::new()],
            variables: pair("V"),
            platform: pair("P"),
            output: "out".to_owned(),
            record: ".cashet-worker/record".to_owned(),
            limit: 1 << 40,
        }
    }

    #[test]
    fn requests_come_as_they_were_sent_and_bring_their_file() {
        let (mut here, mut there) = UnixStream::pair().unwrap();
        let requests = [
            Request::Questions(Name([1; 32])),
            Request::Swap { key: Name([2; 32]), version: None, record: vec![3; 70_000] },
            Request::Swap { key: Name([2; 32]), version: Some(Vec::new()), record: Vec::new() },
            Request::Results(vec![Name([4; 32]), Name([5; 32])]),
            Request::AddResult { name: Name([6; 32]), record: b"record".to_vec(), blobs: vec![blob(7)] },
            Request::Missing(vec![blob(8), blob(9)]),
            Request::Describe,
            Request::Execute(Box::new(execution())),
        ];
        for request in &requests {
            let receiver = std::thread::scope(|scope| {
                let receiver = scope.spawn(|| receive_request(&mut there).unwrap().unwrap());
                send_request(&mut here, request, None).unwrap();
                receiver.join().unwrap()
            });
            assert_eq!(&receiver.0, request);
            assert!(receiver.1.is_none());
        }
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"content").unwrap();
        file.rewind().unwrap();
        send_request(&mut here, &Request::Fetch(blob(1)), Some(&file)).unwrap();
        let (request, received) = receive_request(&mut there).unwrap().unwrap();
        assert_eq!(request, Request::Fetch(blob(1)));
        let mut content = String::new();
        received.unwrap().read_to_string(&mut content).unwrap();
        assert_eq!(content, "content");
        drop(here);
        assert!(receive_request(&mut there).unwrap().is_none());
    }

    #[test]
    fn answers_come_as_they_were_sent() {
        let (mut here, mut there) = UnixStream::pair().unwrap();
        let answers = [
            Answer::Alive,
            Answer::Questions(None),
            Answer::Questions(Some(Versioned { version: b"v".to_vec(), record: b"r".to_vec() })),
            Answer::Results(vec![None, Some(b"r".to_vec())]),
            Answer::Missing(vec![blob(1)]),
            Answer::Done(true),
            Answer::Done(false),
            Answer::Failed(Failure::Full("no room".to_owned())),
            Answer::Failed(Failure::Paused),
            Answer::Described("buildbox".to_owned()),
            Answer::Executed(Executed::Stopped("why".to_owned())),
            Answer::Executed(Executed::Lacks(vec![blob(3)])),
            Answer::Executed(Executed::Ended {
                status: -3,
                has_record: true,
                messages: b"m".to_vec(),
                worker: "w".to_owned(),
            }),
        ];
        for answer in &answers {
            send_answer(&mut here, answer).unwrap();
            assert_eq!(format!("{:?}", receive_answer(&mut there).unwrap()), format!("{answer:?}"));
        }
    }

    #[test]
    fn malformed_frames_are_errors() {
        for bytes in [
            &[0xff, 0xff, 0xff, 0xff][..],
            &[1, 0, 0, 0, 99],
            &[0, 0, 0, 0],
            &[2, 0, 0, 0, 1, 1],
            &[5, 0, 0, 0, 3, 0xff, 0xff, 0xff, 0xff],
            &[34, 0, 0],
        ] {
            let (mut here, mut there) = UnixStream::pair().unwrap();
            here.write_all(bytes).unwrap();
            drop(here);
            assert!(receive_request(&mut there).is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn another_release_is_told_by_its_greeting() {
        let (mut here, mut there) = UnixStream::pair().unwrap();
        here.write_all(&greeting()).unwrap();
        assert_eq!(read_greeting(&mut there).unwrap(), Ok(()));
        here.write_all(b"cashet-r\x09\0\0\0\x050.0.9").unwrap();
        assert_eq!(read_greeting(&mut there).unwrap(), Err("0.0.9".to_owned()));
        here.write_all(b"HTTP/1.1 400 Bad Request\r\n").unwrap();
        assert!(read_greeting(&mut there).is_err());
    }
}
