//! A command that a server of the Bazel remote-execution API is asked to run, and how it ended.
//!
//! The helper compiles this file too.

use super::carrier::Blob;
use super::fields::{Reader, Writer, malformed};
use std::io;

/// A call of the program on a worker, in a directory of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Execution {
    /// What is in the directory. Directories above what is named are there as well.
    pub inputs: Vec<Input>,
    /// The words of the command; the first one is a path in the directory, or absolute.
    pub words: Vec<String>,
    /// The environment.
    pub variables: Vec<(String, String)>,
    /// Properties of the worker.
    pub platform: Vec<(String, String)>,
    /// The directory that the command fills with files, whose names are BLAKE3 digests in hexadecimal digits.
    pub output: String,
    /// The file with the record that the command leaves.
    pub record: String,
    /// Time limit of the command in seconds; 0 for that of the server.
    pub limit: u64,
}

/// The longest record, in bytes.
pub const LARGEST_RECORD: u64 = 64 << 20;

/// Something in the directory of an execution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// Relative to the directory, without `.` and `..`.
    pub path: String,
    /// What it is.
    pub kind: Kind,
}

/// What an input is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File {
        /// Its content.
        blob: Blob,
        /// Whether it may be executed.
        executable: bool,
    },
    /// A symbolic link with this text.
    Link(String),
    /// A directory, which may be empty.
    Directory,
}

/// What became of an execution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Executed {
    /// The command ended with this status; the file that came with the request is its record, if it left one.
    Ended {
        /// Its exit status.
        status: i32,
        /// Whether there is a record.
        has_record: bool,
        /// The end of what it wrote to standard error.
        messages: Vec<u8>,
        /// What the server calls the worker.
        worker: String,
    },
    /// How it ended is not known, for this reason.
    Stopped(String),
    /// These blobs are not known: they are to be added first.
    Lacks(Vec<Blob>),
}

impl Execution {
    pub(super) fn write(&self, out: &mut Writer) {
        out.length(self.inputs.len());
        for input in &self.inputs {
            out.bytes(input.path.as_bytes());
            match &input.kind {
                Kind::File { blob, executable } => out.kind(u8::from(*executable)).blob(blob),
                Kind::Link(target) => out.kind(2).bytes(target.as_bytes()),
                Kind::Directory => out.kind(3),
            };
        }
        out.length(self.words.len());
        for word in &self.words {
            out.bytes(word.as_bytes());
        }
        for pairs in [&self.variables, &self.platform] {
            out.length(pairs.len());
            for (name, value) in pairs {
                out.bytes(name.as_bytes()).bytes(value.as_bytes());
            }
        }
        out.bytes(self.output.as_bytes()).bytes(self.record.as_bytes()).bytes(&self.limit.to_le_bytes());
    }

    pub(super) fn read(from: &mut Reader<'_>) -> io::Result<Self> {
        let mut execution = Self::default();
        for _ in 0..from.length()? {
            let path = from.text()?;
            let kind = match from.byte()? {
                kind @ (0 | 1) => Kind::File { blob: from.blob()?, executable: kind == 1 },
                2 => Kind::Link(from.text()?),
                3 => Kind::Directory,
                _ => return Err(malformed()),
            };
            execution.inputs.push(Input { path, kind });
        }
        for _ in 0..from.length()? {
            execution.words.push(from.text()?);
        }
        for pairs in [&mut execution.variables, &mut execution.platform] {
            for _ in 0..from.length()? {
                pairs.push((from.text()?, from.text()?));
            }
        }
        (execution.output, execution.record) = (from.text()?, from.text()?);
        let limit = from.bytes()?.try_into().map_err(|_| malformed())?;
        execution.limit = u64::from_le_bytes(limit);
        Ok(execution)
    }
}

impl Executed {
    pub(super) fn write(&self, out: &mut Writer) {
        match self {
            Self::Ended { status, has_record, messages, worker } => {
                let has_record = u8::from(*has_record);
                out.kind(0).bytes(&status.to_le_bytes()).kind(has_record).bytes(messages);
                out.bytes(worker.as_bytes());
            }
            Self::Stopped(why) => {
                out.kind(1).bytes(why.as_bytes());
            }
            Self::Lacks(blobs) => {
                out.kind(2).blobs(blobs);
            }
        }
    }

    pub(super) fn read(from: &mut Reader<'_>) -> io::Result<Self> {
        Ok(match from.byte()? {
            0 => Self::Ended {
                status: i32::from_le_bytes(from.bytes()?.try_into().map_err(|_| malformed())?),
                has_record: from.byte()? == 1,
                messages: from.bytes()?,
                worker: from.text()?,
            },
            1 => Self::Stopped(from.text()?),
            2 => Self::Lacks(from.blobs()?),
            _ => return Err(malformed()),
        })
    }
}
