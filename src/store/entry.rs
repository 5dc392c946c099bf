//! The entry of a key: the question sets by which its results are found, and the results.
//!
//! A look-up answers each question set once; the answers name the results that hold. This module does not know files.

use super::Candidate;
use super::candidate::{
    MOST_CANDIDATES, decode_candidate, decode_evidence, encode_candidate, encode_evidence, fitted,
};
use crate::digest::{Digest, Key};
use crate::encode::{DecodeError, Decoder, Encoder};
use crate::record::questions::{self, Joined, Split};
use crate::record::{Commit, Evidence, Observation, Products};

/// Maximum number of question sets in an entry.
const MOST_SETS: usize = 8;

/// What an observation takes in a part, with its answer and evidence, in bytes.
const USUAL_LENGTH: usize = 128;

/// For how many observations of an entry room is made at once. What an entry says of itself is not trusted beyond this.
const MOST_ROOM: usize = 1 << 16;

/// A question set of a key, with the answers that were found last.
#[derive(Clone, Debug)]
pub struct QuestionSet {
    /// The digest of the questions.
    pub id: Digest,
    /// The digest of the answers.
    pub answers: Digest,
    /// Questions and answers as observations.
    pub observations: Vec<Observation>,
    /// Numbers of listings of directories that are the run's own products. A missing directory counts as an empty one.
    pub own: Vec<usize>,
    /// For each observation, in order, its evidence, if any is trusted.
    pub evidence: Vec<Option<Evidence>>,
}

/// The dependencies of a result.
#[derive(Clone, Debug)]
pub struct Depends {
    /// The number of its question set.
    pub set: usize,
    /// The digest of its answers.
    pub answers: Digest,
    /// Values of its observations that are not compared, encoded.
    left: Vec<u8>,
}

/// The entry of a key.
#[derive(Clone, Debug, Default)]
pub struct Entry {
    /// The question sets, that of the newest result first.
    pub sets: Vec<QuestionSet>,
    /// The results: the newest first, then those that were used or recorded last. Their commits have no observations and no
    /// evidence; those are in the set if the answers are the same.
    pub results: Vec<Candidate>,
    /// The dependencies of each result.
    pub depends: Vec<Depends>,
    /// Whether the entry has all results of the key.
    pub is_whole: bool,
}

impl Entry {
    /// An entry with these results, newest first; `is_whole` says that they are all.
    #[must_use]
    pub fn of(candidates: Vec<Candidate>, is_whole: bool) -> Self {
        let mut entry = Self { is_whole, ..Self::default() };
        for candidate in candidates.into_iter().rev() {
            entry.add(candidate, 0);
        }
        entry
    }

    /// Moves a result that was used behind the newest one; its observations are the present state.
    pub(super) fn put_in(&mut self, candidate: Candidate) {
        let place = self.results.iter().position(|known| known.id == candidate.id);
        self.add(candidate, place.unwrap_or(1));
    }

    /// Adds a result at a place. Its observations become the answers of its question set.
    pub(super) fn add(&mut self, mut candidate: Candidate, place: usize) {
        let observations = std::mem::take(&mut candidate.commit.observations);
        let evidence = fitted(std::mem::take(&mut candidate.evidence), observations.len());
        let split = questions::split_all(&observations, &candidate.commit.products);
        let (id, answers) = questions::digests(&split);
        let left = split.iter().flat_map(|part| part.left.iter().copied()).collect();
        if let Some(place) = self.results.iter().position(|known| known.id == candidate.id) {
            self.results.remove(place);
            self.depends.remove(place);
        }
        let set = self.note(id, answers, observations, (evidence, &candidate.commit.products));
        let place = place.min(self.results.len());
        self.results.insert(place, candidate);
        self.depends.insert(place, Depends { set, answers, left });
        if self.results.len() > MOST_CANDIDATES {
            self.is_whole = false;
            self.results.truncate(MOST_CANDIDATES);
            self.depends.truncate(MOST_CANDIDATES);
        }
    }

    /// Adds a question set with its answers as the first one. The oldest set is dropped if there are too many.
    pub(super) fn add_questions(&mut self, commit: Commit) {
        let split = questions::split_all(&commit.observations, &commit.products);
        let (id, answers) = questions::digests(&split);
        if self.sets.len() < MOST_SETS && self.sets.iter().all(|set| set.id != id) {
            let evidence = fitted(Vec::new(), commit.observations.len());
            let own = own_of(&commit.observations, &commit.products);
            let set = QuestionSet { id, answers, observations: commit.observations, own, evidence };
            self.sets.push(set);
        }
    }

    fn note(
        &mut self,
        id: Digest,
        answers: Digest,
        observations: Vec<Observation>,
        (evidence, products): (Vec<Option<Evidence>>, &Products),
    ) -> usize {
        if let Some(place) = self.sets.iter().position(|set| set.id == id) {
            if let Some(set) = self.sets.get_mut(place) {
                (set.answers, set.observations, set.evidence) = (answers, observations, evidence);
            }
            return place;
        }
        let own = own_of(&observations, products);
        self.sets.insert(0, QuestionSet { id, answers, observations, own, evidence });
        for depends in &mut self.depends {
            depends.set = depends.set.saturating_add(1);
        }
        if self.sets.len() > MOST_SETS {
            self.sets.truncate(MOST_SETS);
            self.is_whole = false;
            let is_kept = |depends: &Depends| depends.set < MOST_SETS;
            let mut kept = self.depends.iter().map(is_kept);
            self.results.retain(|_| kept.next().unwrap_or(false));
            self.depends.retain(is_kept);
        }
        0
    }

    /// The result at `place` as a candidate with observations and evidence, if it has the present answers of its set.
    #[must_use]
    pub fn candidate(&self, place: usize) -> Option<Candidate> {
        let (known, depends) = (self.results.get(place)?, self.depends.get(place)?);
        let set = self.sets.get(depends.set).filter(|set| set.answers == depends.answers)?;
        let mut candidate = known.clone();
        candidate.commit.observations.clone_from(&set.observations);
        candidate.evidence.clone_from(&set.evidence);
        depends.leave(&mut candidate.commit.observations);
        Some(candidate)
    }
}

impl Depends {
    /// Puts the values that are not compared into the observations of its set.
    pub fn leave(&self, observations: &mut [Observation]) {
        if !self.left.is_empty() {
            questions::put_back(&self.left, observations);
        }
    }
}

fn own_of(observations: &[Observation], products: &Products) -> Vec<usize> {
    let is_own = |observation: &Observation| questions::is_own(observation, products);
    observations.iter().enumerate().filter(|(_, seen)| is_own(seen)).map(|(number, _)| number).collect()
}

/// A part of a question set in its own file, shared by many sets.
pub(super) struct Shared {
    /// The digest of the questions.
    pub(super) id: Digest,
    pub(super) payload: Vec<u8>,
}

/// The payload of a hot entry, and the parts in other files.
pub(super) fn encode(entry: &Entry) -> (Vec<u8>, Vec<Shared>) {
    let (mut to, mut shared) = (Encoder::new(), Vec::new());
    to.flag(entry.is_whole).length(entry.sets.len());
    for set in &entry.sets {
        to.digest(&set.id).digest(&set.answers);
        let parts = set.split();
        to.flag(parts.len() > 1).length(parts.len());
        let mut evidence = set.evidence.as_slice();
        let mut sizes = questions::parts(&set.observations).into_iter().map(<[Observation]>::len);
        for part in &parts {
            let (own, rest) = evidence.split_at_checked(sizes.next().unwrap_or(0)).unwrap_or((evidence, &[]));
            evidence = rest;
            if parts.len() > 1 {
                let id = Digest::of(&part.questions);
                let mut payload = Encoder::new();
                payload.digest(&Digest::of(&part.answers));
                encode_part(part, own, &mut payload);
                to.digest(&id);
                shared.push(Shared { id, payload: payload.finish() });
            } else {
                encode_part(part, own, &mut to);
            }
        }
    }
    to.length(entry.results.len());
    for (candidate, Depends { set, answers, left }) in entry.results.iter().zip(&entry.depends) {
        to.length(*set).digest(answers).bytes(left);
        encode_candidate(candidate, &mut to);
    }
    (to.finish(), shared)
}

fn encode_part(part: &Split, evidence: &[Option<Evidence>], to: &mut Encoder) {
    to.bytes(&part.questions).bytes(&part.answers).bytes(&part.left);
    encode_evidence(evidence, to);
}

/// Decodes an entry, which must be consistent in itself and with the key. `part` finds parts in other files.
pub(super) fn parse(payload: &[u8], key: &Key, part: &dyn Fn(&Digest) -> Option<Vec<u8>>) -> Option<Entry> {
    let entry = decode(payload, part).ok()?;
    let is_true = |candidate: &Candidate| {
        candidate.commit.key == *key
            && candidate.commit.is_replayable()
            && candidate.commit.outputs.is_some() == candidate.outputs.is_some()
            && candidate.inline.iter().all(|(blob, bytes)| Digest::of(bytes) == blob.0)
    };
    entry.results.iter().all(is_true).then_some(entry)
}

/// Like [`parse`], and also verifies the digests of sets and the ids of results with present answers.
pub(super) fn parse_strictly(
    payload: &[u8],
    key: &Key,
    part: &dyn Fn(&Digest) -> Option<Vec<u8>>,
) -> Option<Entry> {
    let entry = parse(payload, key, part)?;
    let is_true = |set: &QuestionSet| questions::digests(&set.split()) == (set.id, set.answers);
    let is_own =
        |place: usize| entry.candidate(place).is_none_or(|candidate| candidate.commit.id() == candidate.id);
    (entry.sets.iter().all(is_true) && (0..entry.results.len()).all(is_own)).then_some(entry)
}

fn decode(payload: &[u8], part: &dyn Fn(&Digest) -> Option<Vec<u8>>) -> Result<Entry, DecodeError> {
    let mut from = Decoder::new(payload);
    let mut entry = Entry { is_whole: from.flag()?, ..Entry::default() };
    let count = from.length()?;
    if count > MOST_SETS {
        return Err(DecodeError::NotCanonical);
    }
    for _ in 0..count {
        let (id, answers) = (from.digest()?, from.digest()?);
        let (observations, own, evidence) = (Vec::new(), Vec::new(), Vec::new());
        let mut set = QuestionSet { id, answers, observations, own, evidence };
        let (is_shared, mut parts) = (from.flag()?, Vec::new());
        let count = from.length()?;
        for number in 0..count {
            if is_shared {
                let id = from.digest()?;
                let bytes = part(&id).ok_or(DecodeError::Truncated)?;
                set.reserve(bytes.len(), count.saturating_sub(number));
                let mut inner = Decoder::new(&bytes);
                // The digest of the file covers that of the answers: to make it again is what a hit can spare.
                parts.push((id, inner.digest()?));
                set.decode_part(&mut inner)?;
                inner.finish()?;
            } else {
                set.decode_part(&mut from)?;
            }
        }
        if is_shared {
            // Another set with this part may have got other answers since.
            (set.id, set.answers) = questions::digests_of(parts.into_iter());
        }
        entry.sets.push(set);
    }
    let count = from.length()?;
    if count > MOST_CANDIDATES {
        return Err(DecodeError::NotCanonical);
    }
    for _ in 0..count {
        let set = usize::try_from(from.unsigned()?).map_err(|_| DecodeError::NotCanonical)?;
        if set >= entry.sets.len() {
            return Err(DecodeError::NotCanonical);
        }
        let (answers, left) = (from.digest()?, from.bytes()?.to_vec());
        entry.results.push(decode_candidate(&mut from)?);
        entry.depends.push(Depends { set, answers, left });
    }
    from.finish()?;
    Ok(entry)
}

impl QuestionSet {
    /// Makes room for the observations of so many parts, the next of which takes `length` bytes: without it they are moved several
    /// times. Parts are about equally long.
    fn reserve(&mut self, length: usize, parts: usize) {
        let expected = length / USUAL_LENGTH;
        if self.observations.capacity().saturating_sub(self.observations.len()) < expected {
            let room = expected.saturating_mul(parts).min(MOST_ROOM);
            self.observations.reserve(room);
            self.evidence.reserve(room);
        }
    }

    /// Adds a part.
    fn decode_part(&mut self, from: &mut Decoder<'_>) -> Result<(), DecodeError> {
        let (asked, found, left) = (from.bytes()?, from.bytes()?, from.bytes()?);
        let before = self.observations.len();
        let (observations, own) = (std::mem::take(&mut self.observations), std::mem::take(&mut self.own));
        let mut joined = Joined { observations, own };
        questions::join_onto(&mut joined, asked, found, left)?;
        Joined { observations: self.observations, own: self.own } = joined;
        decode_evidence(from, self.observations.len().saturating_sub(before), &mut self.evidence)
    }

    /// A set with these questions, part by part, without answers; a look-up answers it.
    ///
    /// # Errors
    /// Any [`DecodeError`].
    pub fn unanswered<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, DecodeError> {
        let (mut observations, mut own) = (Vec::new(), Vec::new());
        for part in parts {
            let before = observations.len();
            let asked = questions::unanswered(part)?;
            own.extend(asked.own.into_iter().map(|number| before.saturating_add(number)));
            observations.extend(asked.observations);
        }
        let evidence = vec![None; observations.len()];
        let mut set = Self { id: Digest::of(&[]), answers: Digest::of(&[]), observations, own, evidence };
        (set.id, set.answers) = questions::digests(&set.split());
        Ok(set)
    }

    /// Questions and answers, part by part.
    #[must_use]
    pub fn split(&self) -> Vec<Split> {
        let is_own = |number: usize| self.own.binary_search(&number).is_ok();
        questions::split_all_by(&self.observations, &is_own)
    }
}

#[cfg(test)]
pub(super) mod tests;
