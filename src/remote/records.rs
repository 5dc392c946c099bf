//! What is written to a shared cache: lists that are found by the key of a call (`W`), and results (`S`).
//!
//! A list has at most eight bodies, each signed by itself: sets of questions, or which sources of a function count. A result
//! is found by key, questions and answers. Encodings are canonical.

use super::carrier::{Blob, LARGEST_RECORD, Name};
use super::keys::{Distrust, Seal, SigningKey, Trust};
use crate::digest::{CommitId, Digest, Key, LineageId};
use crate::encode::{Decode, DecodeError, Decoder, Encode, Encoder};
use crate::record::StoredPath;
use std::io::Read;

/// First field of every record.
const VERSION: u64 = 1;

/// Most bodies of a list.
pub const MOST_BODIES: usize = 8;

/// Most bytes of a list.
pub const LARGEST_LIST: usize = 256 << 10;

/// Most bytes of a list's bodies together, and of a result's body.
const LARGEST_BODY: u64 = 16 << 20;

/// Most blobs of a result.
pub const MOST_BLOBS: usize = 16_384;

/// Most bytes of the blobs that come with a record.
pub const LARGEST_INLINE: u64 = 256 << 10;

/// Level of compression.
const LEVEL: i32 = 3;

/// Of what kind the body of a list is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A set of questions.
    Questions,
    /// The sources of a function that count.
    Sources,
    /// A result.
    Result,
}

impl Kind {
    const fn tag(self) -> u8 {
        match self {
            Self::Questions => b'w',
            Self::Sources => b'l',
            Self::Result => b's',
        }
    }
}

/// Where the question sets of a key are.
#[must_use]
pub fn questions_name(key: &Key) -> Name {
    named("cashet shared questions 1", &[&key.0])
}

/// Where it is said which sources of the function of a command line count.
#[must_use]
pub fn sources_name(lineage: &LineageId) -> Name {
    named("cashet shared sources 1", &[&lineage.0])
}

/// Where the result is that was made under `key`, where these questions had these answers.
#[must_use]
pub fn result_name(key: &Key, questions: &Digest, answers: &Digest) -> Name {
    named("cashet shared result 1", &[&key.0, questions, answers])
}

/// Where the same result is once more by the earlier states of files that the run read and rewrote: `states` is their digest. Under
/// [`result_name`] is the one that was written last.
#[must_use]
pub fn found_name(key: &Key, questions: &Digest, answers: &Digest, states: &Digest) -> Name {
    named("cashet shared result by states 1", &[&key.0, questions, answers, states])
}

fn named(what: &str, digests: &[&Digest]) -> Name {
    let mut encoder = Encoder::new();
    encoder.text(what);
    for digest in digests {
        encoder.digest(digest);
    }
    Name(*Digest::of(&encoder.finish()).as_bytes())
}

/// One body of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Who signed it.
    pub seal: Option<Seal>,
}

impl Body {
    /// A body under `name`, signed if there is a key.
    #[must_use]
    pub fn new(kind: Kind, name: &Name, bytes: Vec<u8>, key: Option<&SigningKey>) -> Self {
        let seal = key.map(|key| key.sign(kind.tag(), &name.0, &Digest::of(&bytes)));
        Self { bytes, seal }
    }

    /// Whether it counts.
    ///
    /// # Errors
    /// Why it does not.
    pub fn trusted(&self, kind: Kind, name: &Name, trust: &Trust) -> Result<(), Distrust> {
        trust.admits(self.seal.as_ref(), kind.tag(), &name.0, &Digest::of(&self.bytes))
    }
}

/// The bodies of a list, the one written last first.
///
/// # Errors
/// Any [`DecodeError`].
pub fn read_list(record: &[u8]) -> Result<Vec<Body>, DecodeError> {
    if record.len() > LARGEST_LIST {
        return Err(DecodeError::NotCanonical);
    }
    let mut outer = Decoder::new(record);
    version(&mut outer)?;
    let packed = outer.bytes()?;
    outer.finish()?;
    let unpacked = unpack(packed)?;
    let mut from = Decoder::new(&unpacked);
    let count = from.length()?;
    if count > MOST_BODIES {
        return Err(DecodeError::NotCanonical);
    }
    let mut bodies = Vec::new();
    for _ in 0..count {
        bodies.push(Body { bytes: from.bytes()?.to_vec(), seal: seal(&mut from)? });
    }
    from.finish()?;
    Ok(bodies)
}

/// A list of these bodies; of those that have no room the last ones are left out. `None` where not even the first has.
#[must_use]
pub fn write_list(bodies: &[Body]) -> Option<Vec<u8>> {
    for count in (1..=bodies.len().min(MOST_BODIES)).rev() {
        let bodies = bodies.get(..count).unwrap_or_default();
        let mut inner = Encoder::new();
        inner.length(bodies.len());
        for body in bodies {
            inner.bytes(&body.bytes);
            encode_seal(body.seal.as_ref(), &mut inner);
        }
        let mut outer = Encoder::new();
        outer.unsigned(VERSION).bytes(&pack(&inner.finish())?);
        let record = outer.finish();
        if record.len() <= LARGEST_LIST && read_list(&record).is_ok() {
            return Some(record);
        }
    }
    None
}

/// The record with `new` as its first bodies, where there was `before`; `None` where all of them were there already. What
/// cannot be read is written again.
#[must_use]
pub fn merged(
    (kind, name, trust): (Kind, &Name, &Trust),
    before: Option<&[u8]>,
    new: &[Body],
) -> Option<Vec<u8>> {
    let known = before.and_then(|record| read_list(record).ok()).unwrap_or_default();
    let is_there = |body: &Body| {
        let mut same = known.iter().filter(|known| known.bytes == body.bytes);
        same.any(|known| known.trusted(kind, name, trust).is_ok())
    };
    let mut bodies: Vec<Body> = new.iter().filter(|body| !is_there(body)).cloned().collect();
    if bodies.is_empty() {
        return None;
    }
    let rest = known.into_iter().filter(|known| bodies.iter().all(|body| body.bytes != known.bytes));
    let rest: Vec<Body> = rest.collect();
    bodies.extend(rest);
    write_list(&bodies)
}

/// The body of a set of questions: its parts.
#[must_use]
pub fn questions_body<'a>(parts: impl ExactSizeIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut encoder = Encoder::new();
    encoder.length(parts.len());
    for part in parts {
        encoder.bytes(part);
    }
    encoder.finish()
}

/// The parts of a set of questions.
///
/// # Errors
/// Any [`DecodeError`].
pub fn read_questions(body: &[u8]) -> Result<Vec<Vec<u8>>, DecodeError> {
    let mut from = Decoder::new(body);
    let parts = from.list::<Vec<u8>>()?;
    from.finish()?;
    Ok(parts)
}

/// The body that says which sources count; they are sorted.
#[must_use]
pub fn sources_body(sources: &[StoredPath]) -> Vec<u8> {
    let mut encoder = Encoder::new();
    encoder.list(sources);
    encoder.finish()
}

/// Which sources count.
///
/// # Errors
/// Any [`DecodeError`].
pub fn read_sources(body: &[u8]) -> Result<Vec<StoredPath>, DecodeError> {
    let mut from = Decoder::new(body);
    let sources = from.list()?;
    from.finish()?;
    Ok(sources)
}

/// A result without its observations: a machine that finds it has answered its questions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shared {
    /// The id of the run, observations included.
    pub id: CommitId,
    /// The encoded commit, without observations.
    pub commit: Vec<u8>,
    /// What the run left that nobody can look at, of all parts of the questions.
    pub left: Vec<u8>,
    /// Small blobs.
    pub inline: Vec<Vec<u8>>,
}

impl Encode for Shared {
    fn encode(&self, to: &mut Encoder) {
        to.value(&self.id).bytes(&self.commit).bytes(&self.left).list(&self.inline);
    }
}

impl Decode for Shared {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let (id, commit) = (CommitId::decode(from)?, from.bytes()?.to_vec());
        Ok(Self { id, commit, left: from.bytes()?.to_vec(), inline: from.list()? })
    }
}

/// The record of a result under `name`, which needs these blobs beside those that come with it. `None` where it is too large.
#[must_use]
pub fn write_result(
    name: &Name,
    shared: &Shared,
    blobs: &[Blob],
    key: Option<&SigningKey>,
) -> Option<Vec<u8>> {
    let mut encoder = Encoder::new();
    encoder.unsigned(VERSION).length(blobs.len());
    for blob in blobs {
        encoder.digest(&Digest::from_bytes(blob.digest)).unsigned(blob.size);
    }
    encoder.bytes(&pack(&shared.to_bytes())?);
    let mut record = encoder.finish();
    let seal = key.map(|key| key.sign(Kind::Result.tag(), &name.0, &Digest::of(&record)));
    let mut end = Encoder::new();
    encode_seal(seal.as_ref(), &mut end);
    record.extend(end.finish());
    (record.len() <= LARGEST_RECORD && blobs.len() <= MOST_BLOBS).then_some(record)
}

/// Why a record of a result is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// It is malformed.
    Invalid(DecodeError),
    /// It does not count.
    Distrusted(Distrust),
}

/// The result under `name` and its other blobs. Nothing of what is not trusted is unpacked.
///
/// # Errors
/// [`Unusable`].
pub fn read_result(name: &Name, record: &[u8], trust: &Trust) -> Result<(Shared, Vec<Blob>), Unusable> {
    let (blobs, packed, signed, seal) = outside(record).map_err(Unusable::Invalid)?;
    let body = Digest::of(record.get(..signed).unwrap_or_default());
    trust.admits(seal.as_ref(), Kind::Result.tag(), &name.0, &body).map_err(Unusable::Distrusted)?;
    let shared = unpack(packed).and_then(|bytes| Shared::from_bytes(&bytes)).map_err(Unusable::Invalid)?;
    Ok((shared, blobs))
}

/// The blobs that a record of a result needs; none if it is malformed.
#[must_use]
pub fn blobs_of(record: &[u8]) -> Vec<Blob> {
    outside(record).map(|(blobs, ..)| blobs).unwrap_or_default()
}

type Outside<'a> = (Vec<Blob>, &'a [u8], usize, Option<Seal>);

/// The blobs, the packed body, how many bytes are signed, and by whom.
fn outside(record: &[u8]) -> Result<Outside<'_>, DecodeError> {
    let mut from = Decoder::new(record);
    version(&mut from)?;
    let count = from.length()?;
    if count > MOST_BLOBS {
        return Err(DecodeError::NotCanonical);
    }
    let mut blobs = Vec::new();
    for _ in 0..count {
        blobs.push(Blob { digest: *from.digest()?.as_bytes(), size: from.unsigned()? });
    }
    let packed = from.bytes()?;
    let signed = record.len().saturating_sub(from.remaining());
    let seal = seal(&mut from)?;
    from.finish()?;
    Ok((blobs, packed, signed, seal))
}

fn version(from: &mut Decoder<'_>) -> Result<(), DecodeError> {
    match from.unsigned()? {
        VERSION => Ok(()),
        other => Err(DecodeError::UnknownTag(other)),
    }
}

fn encode_seal(seal: Option<&Seal>, to: &mut Encoder) {
    to.flag(seal.is_some());
    if let Some(seal) = seal {
        to.bytes(&seal.key).bytes(&seal.signature);
    }
}

fn seal(from: &mut Decoder<'_>) -> Result<Option<Seal>, DecodeError> {
    if !from.flag()? {
        return Ok(None);
    }
    let key = from.bytes()?.try_into().map_err(|_| DecodeError::NotCanonical)?;
    let signature = from.bytes()?.try_into().map_err(|_| DecodeError::NotCanonical)?;
    Ok(Some(Seal { key, signature }))
}

fn pack(bytes: &[u8]) -> Option<Vec<u8>> {
    (bytes.len() as u64 <= LARGEST_BODY).then(|| zstd::encode_all(bytes, LEVEL).ok()).flatten()
}

/// Never more than the largest body is made of it, whatever it says.
fn unpack(packed: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let decoder = zstd::Decoder::new(packed).map_err(|_| DecodeError::NotCanonical)?;
    let mut bytes = Vec::new();
    let read = decoder.take(LARGEST_BODY + 1).read_to_end(&mut bytes);
    if read.is_err() || bytes.len() as u64 > LARGEST_BODY {
        return Err(DecodeError::NotCanonical);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests;
