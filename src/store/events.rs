//! `hits.log`: events that are appended with one call each and folded into the database later.
//!
//! Each record verifies itself; a torn or damaged one is skipped. A lost record costs a statistic.
//!
//! Layout of a record: magic (4 bytes), payload length (4, little-endian), first bytes of the payload's digest (8),
//! payload.

use super::Event;
use super::files::{new_temporary, rename_into_place};
use super::layout::Layout;
use crate::digest::{CommitId, Digest};
use crate::encode::{Decode, DecodeError, Decoder, Encode, Encoder};
use crate::error::{Error, Result};
use crate::record::Timestamp;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};

const MAGIC: &[u8; 4] = b"\xffch1";
const HEADER: usize = 16;
const CHECK: usize = 8;

/// Longest command line, reason or detail stored in a missed event, in bytes.
const LONGEST: usize = 4 << 10;

/// Maximum number of bytes read from a log; more statistics than that are not worth the memory.
const LONGEST_LOG: u64 = 256 << 20;

/// Appends an event. Does nothing where the log does not exist or cannot be written.
pub(crate) fn note(layout: &Layout, event: &Event) {
    let payload = event.to_bytes();
    let Ok(length) = u32::try_from(payload.len()) else {
        return;
    };
    let mut record = Vec::with_capacity(HEADER.saturating_add(payload.len()));
    record.extend_from_slice(MAGIC);
    record.extend_from_slice(&length.to_le_bytes());
    record.extend_from_slice(&check_of(&payload));
    record.extend_from_slice(&payload);
    if let Ok(mut file) = OpenOptions::new().append(true).open(layout.hits()) {
        let _ = file.write(&record);
    }
}

fn check_of(payload: &[u8]) -> [u8; CHECK] {
    Digest::of(payload).as_bytes().first_chunk().copied().unwrap_or_default()
}

/// All valid records of a log, in order, and the number of bytes that belong to none.
pub(crate) fn parse(log: &[u8]) -> (Vec<Event>, usize) {
    let mut events = Vec::new();
    let mut skipped = 0;
    let mut rest = log;
    while !rest.is_empty() {
        if let Some((event, after)) = first_record(rest) {
            events.push(event);
            rest = after;
        } else {
            skipped += 1;
            rest = rest.get(1..).unwrap_or_default();
        }
    }
    (events, skipped)
}

fn first_record(bytes: &[u8]) -> Option<(Event, &[u8])> {
    let (magic, rest) = bytes.split_first_chunk::<4>()?;
    if magic != MAGIC {
        return None;
    }
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let (check, rest) = rest.split_first_chunk::<CHECK>()?;
    let (payload, rest) = rest.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)?;
    let event = Event::from_bytes(payload).ok()?;
    (check_of(payload) == *check).then_some((event, rest))
}

/// A log that was renamed so that it can be folded.
pub(crate) struct Folding {
    path: std::path::PathBuf,
    /// Its events.
    pub(crate) events: Vec<Event>,
    /// Digest of its bytes, so that it is not counted twice.
    pub(crate) digest: Digest,
}

/// Renames the log, so that the next event begins a new one; `None` where no event was noted. Only one process may call
/// this at a time. A record that is being appended at this moment may be lost.
pub(crate) fn begin_folding(layout: &Layout) -> Result<Option<Folding>> {
    let (log, path) = (layout.hits(), layout.root().join("hits.folding"));
    // A renamed log of a process that died is folded first.
    if fs::symlink_metadata(&path).is_err() {
        match fs::symlink_metadata(&log) {
            Ok(metadata) if metadata.len() == 0 => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                new_log(layout)?;
                return Ok(None);
            }
            _ => {}
        }
        fs::rename(&log, &path).map_err(|source| Error::io("rename", &log, source))?;
        new_log(layout)?;
    }
    let mut bytes = Vec::new();
    let read = File::open(&path).and_then(|file| file.take(LONGEST_LOG).read_to_end(&mut bytes));
    read.map_err(|source| Error::io("read", &path, source))?;
    let (events, _) = parse(&bytes);
    Ok(Some(Folding { path, events, digest: Digest::of(&bytes) }))
}

impl Folding {
    /// Removes the renamed log once the database has its events.
    pub(crate) fn done(self) -> Result<()> {
        super::files::remove_file(&self.path).map(|_| ())
    }
}

fn new_log(layout: &Layout) -> Result<()> {
    let path = layout.hits();
    let made =
        new_temporary(&layout.temporary()).and_then(|file| rename_into_place(file.into_temp_path(), &path));
    made.map(|_| ()).map_err(|source| Error::io("create", &path, source))
}

fn shortened(text: &str) -> &str {
    text.get(..text.floor_char_boundary(LONGEST)).unwrap_or(text)
}

impl Encode for Event {
    fn encode(&self, to: &mut Encoder) {
        match self {
            Self::Hit { commit, at } => to.unsigned(0).value(commit).value(at),
            Self::Missed { command, reason, detail, recorded, at } => to
                .unsigned(1)
                .bytes(command.get(..LONGEST).unwrap_or(command))
                .text(shortened(reason))
                .text(shortened(detail))
                .flag(*recorded)
                .value(at),
        };
    }
}

impl Decode for Event {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        match from.unsigned()? {
            0 => Ok(Self::Hit { commit: CommitId::decode(from)?, at: Timestamp::decode(from)? }),
            1 => Ok(Self::Missed {
                command: from.bytes()?.to_vec(),
                reason: from.text()?.to_owned(),
                detail: from.text()?.to_owned(),
                recorded: from.flag()?,
                at: Timestamp::decode(from)?,
            }),
            tag => Err(DecodeError::UnknownTag(tag)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::layout::tests::empty;
    use super::*;
    use proptest::prelude::*;

    fn hit(n: u8) -> Event {
        Event::Hit { commit: CommitId(Digest::of(&[n])), at: Timestamp(i64::from(n)) }
    }

    fn missed(words: &str) -> Event {
        Event::Missed {
            command: words.into(),
            reason: "network".to_owned(),
            detail: "é".repeat(10),
            recorded: false,
            at: Timestamp(5),
        }
    }

    #[test]
    fn what_is_noted_is_folded_once() {
        let (_directory, layout) = empty();
        assert!(begin_folding(&layout).unwrap().is_none());
        let events = vec![hit(1), missed("curl"), hit(2)];
        for event in &events {
            note(&layout, event);
        }
        let folding = begin_folding(&layout).unwrap().unwrap();
        assert_eq!(folding.events, events);
        // A process that dies here leaves the same log to the next one.
        let digest = folding.digest;
        drop(folding);
        note(&layout, &hit(3));
        let folding = begin_folding(&layout).unwrap().unwrap();
        assert_eq!((folding.digest, folding.events.len()), (digest, 3));
        folding.done().unwrap();
        assert_eq!(begin_folding(&layout).unwrap().unwrap().events, [hit(3)]);
    }

    #[test]
    fn a_long_command_is_cut() {
        let (_directory, layout) = empty();
        note(&layout, &missed(&"x".repeat(100_000)));
        assert!(fs::metadata(layout.hits()).unwrap().len() < 5000);
        assert_eq!(begin_folding(&layout).unwrap().unwrap().events.len(), 1);
    }

    proptest! {
        #[test]
        fn damage_costs_the_damaged_record_alone(place in 0_usize..400, bit in 0_u8..8, junk: Vec<u8>) {
            let (_directory, layout) = empty();
            let events = [hit(1), missed("a"), hit(2), missed("b"), hit(3)];
            let mut ends = Vec::new();
            for event in &events {
                note(&layout, event);
                ends.push(fs::metadata(layout.hits()).unwrap().len());
            }
            let mut log = fs::read(layout.hits()).unwrap();
            let place = place % log.len();
            log[place] ^= 1 << bit;
            log.splice(0..0, junk);
            let (found, skipped) = parse(&log);
            let hit_record = ends.iter().position(|end| (place as u64) < *end).unwrap();
            let expected: Vec<Event> = events.iter().enumerate()
                .filter(|(index, _)| *index != hit_record).map(|(_, event)| event.clone()).collect();
            prop_assert_eq!(found, expected);
            prop_assert!(skipped > 0);
        }
    }
}
