//! What carries a shared cache: one place, reachable by several machines, that holds records and blobs.

use std::fmt;
use std::fs::File;

/// The name of a record: what its key, question set and answers digest to (BLAKE3, 32 bytes).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Name(pub [u8; 32]);

/// A blob: BLAKE3 of its bytes as they are in the file (not compressed), and how many there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Blob {
    /// BLAKE3 of the bytes.
    pub digest: [u8; 32],
    /// How many bytes there are.
    pub size: u64,
}

/// Why a carrier did not do what it was asked. None of them changes what a command does.
#[derive(Debug)]
pub enum Failure {
    /// No connection, no answer within the deadline, or the connection broke.
    Unreachable(String),
    /// The server answered that this is not allowed.
    Refused(String),
    /// The answer is malformed: too large, too short, another digest.
    Invalid(String),
    /// There is no room.
    Full(String),
    /// Not asked: it failed several times shortly before, and that was said then.
    Paused,
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(why) => write!(formatter, "not reached: {why}"),
            Self::Refused(why) => write!(formatter, "not allowed: {why}"),
            Self::Invalid(why) => write!(formatter, "not valid: {why}"),
            Self::Full(why) => write!(formatter, "no room: {why}"),
            Self::Paused => formatter.write_str("not asked, since it failed before"),
        }
    }
}

/// Most bytes of a record.
pub const LARGEST_RECORD: usize = 1 << 20;

/// Gets the record that is there, and returns what is to be there; `None`: it is there already.
pub type Merge<'a> = &'a mut dyn FnMut(Option<&[u8]>) -> Option<Vec<u8>>;

/// A carrier. Every function fails with a [`Failure`]. Records are opaque and signed by the caller; at most 1 MiB each, longer ones are `Invalid`.
pub trait Carrier {
    /// The record of the question sets of `key` (`W`).
    ///
    /// # Errors
    /// Any [`Failure`].
    fn questions(&mut self, key: &Name) -> Result<Option<Vec<u8>>, Failure>;

    /// Changes that record. `merge` gets what is there, and returns what is to be there, or `None` if that is there already.
    /// It is called again if another writer changed the record, up to five times with jitter.
    ///
    /// # Errors
    /// Any [`Failure`].
    fn merge_questions(&mut self, key: &Name, merge: Merge<'_>) -> Result<(), Failure>;

    /// The records of results (`S`), in one round trip; one answer for each name.
    ///
    /// # Errors
    /// Any [`Failure`].
    fn results(&mut self, names: &[Name]) -> Result<Vec<Option<Vec<u8>>>, Failure>;

    /// Adds the record of a result; one that is there stays. `blobs`: all that it refers to; they are there already.
    ///
    /// # Errors
    /// Any [`Failure`].
    fn add_result(&mut self, name: &Name, record: &[u8], blobs: &[Blob]) -> Result<(), Failure>;

    /// Which of these blobs are not there, as far as that can be told without their bytes (else all of them).
    ///
    /// # Errors
    /// Any [`Failure`].
    fn missing(&mut self, blobs: &[Blob]) -> Result<Vec<Blob>, Failure>;

    /// Writes a blob to `to`, which is empty, from the first byte to the last: other threads read what is there already.
    /// `false` if it is not there. The caller verifies the digest.
    ///
    /// # Errors
    /// Any [`Failure`].
    fn fetch(&mut self, blob: &Blob, to: &File) -> Result<bool, Failure>;

    /// How often a blob was fetched again from its beginning, into the same file.
    fn restarts(&self) -> u64 {
        0
    }

    /// Adds a blob that `from` holds; one that is there stays.
    ///
    /// # Errors
    /// Any [`Failure`].
    fn add_blob(&mut self, blob: &Blob, from: &File) -> Result<(), Failure>;
}
