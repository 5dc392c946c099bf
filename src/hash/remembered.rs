//! The remembered capture: every fact of a capture with its evidence. The next call gets its key with one `stat` for each.
//!
//! Facts are grouped by directory and checked in their encoded form, without decoding into structures. The store verifies that
//! the bytes are complete.

use super::environment::{Environment, Selector, looks_secret, matches};
use super::holds::quick_check::{Missing, proves, shows};
use super::holds::{Present, QuickCheck, Validity, holds};
use super::recording_fs::Fact;
use super::request::Request;
use super::stat_cache::{Found, StatCache};
use crate::digest::{DIGEST_LENGTH, Digest, Key, LineageId};
use crate::encode::{Decode, DecodeError, Decoder, Encoder};
use crate::record::{Base, Evidence, FileState, Known, Observation, StoredPath, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Version of this encoding. Captures of another version are ignored.
pub(super) const VERSION: u64 = 3;

/// For each directory, the evidence that its absent names are still absent.
pub(super) type Rests = BTreeMap<StoredPath, Evidence>;

/// The part of a capture that a hit needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Summary {
    pub(super) key: Key,
    pub(super) lineage: LineageId,
    pub(super) volatile: Option<String>,
    pub(super) program: PathBuf,
    pub(super) selector: Selector,
    /// Variables that the capture read from the environment, in addition to those of the selector.
    pub(super) asked: BTreeSet<Vec<u8>>,
}

/// The summary in its encoded form. Nothing is copied until it is needed.
pub(super) struct Glance<'a> {
    pub(super) key: Key,
    pub(super) lineage: LineageId,
    pub(super) volatile: Option<String>,
    pub(super) program: &'a Path,
    /// Names, values and patterns of the selector, and other variables that were read; each list is sorted.
    lists: [Vec<&'a [u8]>; 4],
    whole: bool,
}

impl Glance<'_> {
    /// The variables that count.
    pub(super) fn selector(&self) -> Selector {
        let [names, values, patterns, _] =
            self.lists.each_ref().map(|list| list.iter().map(|name| name.to_vec()).collect());
        Selector { names, values, patterns, whole: self.whole }
    }

    /// An owned copy.
    pub(super) fn summary(&self) -> Summary {
        let [_, _, _, asked] = &self.lists;
        Summary {
            key: self.key,
            lineage: self.lineage,
            volatile: self.volatile.clone(),
            program: self.program.to_path_buf(),
            selector: self.selector(),
            asked: asked.iter().map(|name| name.to_vec()).collect(),
        }
    }

    fn counts(&self, name: &[u8]) -> bool {
        let [names, values, patterns, asked] = &self.lists;
        let listed = |list: &[&[u8]]| list.binary_search(&name).is_ok();
        self.whole
            || listed(names)
            || listed(values)
            || listed(asked)
            || patterns.iter().any(|pattern| matches(pattern, name))
    }
}

/// The remembered form.
pub(super) fn encode(
    summary: &Summary,
    facts: &[Fact],
    rests: &Rests,
    environment: &Environment,
    secret: &dyn Fn() -> [u8; DIGEST_LENGTH],
) -> Vec<u8> {
    let mut encoder = Encoder::new();
    encoder.unsigned(VERSION).value(&summary.key).value(&summary.lineage);
    encoder.option(summary.volatile.as_ref()).bytes(summary.program.as_os_str().as_bytes());
    for set in [&summary.selector.names, &summary.selector.values, &summary.selector.patterns, &summary.asked]
    {
        encoder.length(set.len());
        for name in set {
            encoder.bytes(name);
        }
    }
    encoder.flag(summary.selector.whole);
    let counts = |name: &[u8]| summary.asked.contains(name) || summary.selector.counts(name);
    let (plain, keyed) = digests(counts, environment, secret);
    encoder.digest(&plain).option(keyed.as_ref());
    let mut groups: BTreeMap<StoredPath, Group<'_>> = BTreeMap::new();
    for fact in facts {
        if let Some((directory, name)) = path_of(&fact.0).map(StoredPath::split) {
            let group = groups.entry(directory).or_default();
            match absence(&fact.0).filter(|_| !name.is_empty()) {
                Some(follow) => group.absent.push((name, follow)),
                None => group.facts.push((name, fact)),
            }
        }
    }
    encoder.length(groups.len());
    for (directory, group) in groups {
        encoder.value(&directory).length(group.facts.len());
        for (name, (observation, evidence)) in group.facts {
            encoder.bytes(name);
            encode_claim(observation, &mut encoder);
            encoder.option(evidence.as_ref());
        }
        encoder.option(rests.get(&directory)).length(group.absent.len());
        for (name, follow) in group.absent {
            encoder.bytes(name).flag(follow);
        }
    }
    encoder.finish()
}

/// The facts about the names in one directory.
#[derive(Default)]
struct Group<'a> {
    facts: Vec<(&'a [u8], &'a Fact)>,
    /// The absent names.
    absent: Vec<(&'a [u8], bool)>,
}

/// For an absent path, whether the look followed links.
fn absence(observation: &Observation) -> Option<bool> {
    match observation {
        Observation::State { follow, state: FileState::Absent, .. } => Some(*follow),
        _ => None,
    }
}

/// The absent names of a directory, and the evidence of their absence.
fn read_absent<'a>(
    decoder: &mut Decoder<'a>,
    names: &mut Vec<Missing<'a>>,
) -> Result<Option<Evidence>, DecodeError> {
    let rest = decoder.option()?;
    names.clear();
    for _ in 0..decoder.length()? {
        names.push(Missing { name: decoder.bytes()?, follow: decoder.flag()?, evidence: rest });
    }
    Ok(rest)
}

/// All facts, to renew them and to seed the digests of another capture.
pub(super) fn facts(bytes: &[u8]) -> Result<(Vec<Fact>, Rests), DecodeError> {
    let mut decoder = Decoder::new(bytes);
    read_glance(&mut decoder)?;
    read_digests(&mut decoder)?;
    let (mut facts, mut rests, mut absent) = (Vec::new(), Rests::new(), Vec::new());
    for _ in 0..decoder.length()? {
        let directory = StoredPath::decode(&mut decoder)?;
        for _ in 0..decoder.length()? {
            let name = decoder.bytes()?;
            let claim = Claim::decode(&mut decoder)?;
            facts.push((claim.observation(directory.join(name)), decoder.option()?));
        }
        let rest = read_absent(&mut decoder, &mut absent)?;
        for Missing { name, follow, .. } in &absent {
            let (path, follow) = (directory.join(name), *follow);
            facts.push((Observation::State { path, follow, state: FileState::Absent }, None));
        }
        rests.extend(rest.map(|rest| (directory, rest)));
    }
    decoder.finish()?;
    Ok((facts, rests))
}

/// A remembered capture that is still valid.
pub(super) struct Valid<'a> {
    pub(super) glance: Glance<'a>,
    /// The newest modification time of a file in the root whose content is a fact.
    pub(super) newest: Timestamp,
    /// New evidence for the facts with these numbers.
    pub(super) renewed: Vec<(usize, Option<Evidence>)>,
    /// New evidence for the absent names of these directories.
    pub(super) rests: Rests,
    /// What the check looked at.
    pub(super) seen: StatCache,
}

/// Checks every fact by its evidence, and reads only files without trusted evidence. `None` if a fact does not hold.
pub(super) fn check<'a>(
    bytes: &'a [u8],
    request: &Request,
    secret: &dyn Fn() -> [u8; DIGEST_LENGTH],
    now: Timestamp,
) -> Result<Option<Valid<'a>>, DecodeError> {
    let mut decoder = Decoder::new(bytes);
    let glance = read_glance(&mut decoder)?;
    let then = read_digests(&mut decoder)?;
    if digests(|name| glance.counts(name), &request.environment, secret) != then {
        return Ok(None);
    }
    let mut looks = QuickCheck::new(&request.places, None, now);
    let (mut newest, mut renewed, mut rests) = (Timestamp::default(), Vec::new(), Rests::new());
    let mut number = 0;
    let mut absent = Vec::new();
    for _ in 0..decoder.length()? {
        let directory = StoredPath::decode(&mut decoder)?;
        let count = decoder.length()?;
        looks.enter(directory.base(), directory.rest(), count);
        for _ in 0..count {
            let name = decoder.bytes()?;
            let claim = Claim::decode(&mut decoder)?;
            let evidence: Option<Evidence> = decoder.option()?;
            let found = looks.at(name, claim.follows());
            if let Ok(found) = &found {
                if claim.follows() {
                    looks.note(found);
                }
                if claim.is_of_content() && directory.base() == Base::Root {
                    newest = newest.max(found.modified);
                }
            }
            if !claim.agrees(&found, evidence.as_ref()) {
                let observation = claim.observation(directory.join(name));
                match closer(&observation, evidence.as_ref(), request, now) {
                    Validity::Valid => {}
                    Validity::Renewed(evidence) => renewed.push((number, evidence)),
                    Validity::Changed(..) | Validity::Invalid => return Ok(None),
                }
            }
            number += 1;
        }
        read_absent(&mut decoder, &mut absent)?;
        let mut still = true;
        let names = || absent.iter().copied();
        let rest = looks.absent(names, absent.len(), &mut |_, is_there| {
            still &= !is_there;
            still
        });
        if !still {
            return Ok(None);
        }
        rests.extend(rest.map(|rest| (directory, rest)));
        number += absent.len();
    }
    decoder.finish()?;
    Ok(Some(Valid { glance, newest, renewed, rests, seen: looks.own }))
}

/// Whether all of `facts` hold.
pub(super) fn hold(facts: &[Fact], request: &Request, now: Timestamp) -> bool {
    facts
        .iter()
        .all(|(observation, evidence)| closer(observation, evidence.as_ref(), request, now).is_valid())
}

fn closer(
    observation: &Observation,
    evidence: Option<&Evidence>,
    request: &Request,
    now: Timestamp,
) -> Validity {
    let present = Present {
        places: &request.places,
        environment: &request.environment,
        // Facts of a capture are about files only.
        circumstances: &Known::USUAL,
        secret: &|| [0; DIGEST_LENGTH],
        now,
        seen: None,
    };
    holds(observation, evidence, &present)
}

/// An observation without its path.
enum Claim {
    Content(Digest),
    State { follow: bool, state: FileState },
    Listing { everything: bool, digest: Digest },
}

fn encode_claim(observation: &Observation, to: &mut Encoder) {
    match observation {
        Observation::State { follow, state, .. } => to.unsigned(1).flag(*follow).value(state),
        Observation::Listing { everything, digest, .. } => to.unsigned(2).flag(*everything).digest(digest),
        Observation::Content { digest, .. } => to.unsigned(0).digest(digest),
        // A capture has no others: `path_of` has excluded them.
        _ => to,
    };
}

impl Decode for Claim {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        Ok(match from.unsigned()? {
            0 => Self::Content(from.digest()?),
            1 => Self::State { follow: from.flag()?, state: FileState::decode(from)? },
            2 => Self::Listing { everything: from.flag()?, digest: from.digest()? },
            tag => return Err(DecodeError::UnknownTag(tag)),
        })
    }
}

impl Claim {
    fn follows(&self) -> bool {
        !matches!(self, Self::State { follow: false, .. })
    }

    fn is_of_content(&self) -> bool {
        matches!(self, Self::Content(_) | Self::State { state: FileState::File { .. }, .. })
    }

    fn observation(self, path: StoredPath) -> Observation {
        match self {
            Self::Content(digest) => Observation::Content { path, digest },
            Self::State { follow, state } => Observation::State { path, follow, state },
            Self::Listing { everything, digest } => Observation::Listing { path, everything, digest },
        }
    }

    /// Whether the result of `stat` is enough to confirm the claim.
    fn agrees(&self, found: &Found, evidence: Option<&Evidence>) -> bool {
        match self {
            Self::State { state, .. } => shows(found, state, evidence),
            Self::Content(_) | Self::Listing { .. } => proves(found, evidence),
        }
    }
}

/// One digest of the values of all variables that count, and a keyed one of those that look like secrets, if there are any.
fn digests(
    counts: impl Fn(&[u8]) -> bool,
    environment: &Environment,
    secret: &dyn Fn() -> [u8; DIGEST_LENGTH],
) -> (Digest, Option<Digest>) {
    let pairs = environment.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    let mut pairs: Vec<(&[u8], &[u8])> = pairs.filter(|(name, _)| counts(name)).collect();
    // Several values of one name keep their order.
    pairs.sort_by_key(|(name, _)| *name);
    let (mut plain, mut keyed) = (Encoder::new(), Encoder::new());
    let mut secrets = false;
    for (name, value) in pairs {
        let is_secret = looks_secret(name, value);
        secrets |= is_secret;
        if is_secret { &mut keyed } else { &mut plain }.bytes(name).bytes(value);
    }
    let keyed = secrets.then(|| Digest::keyed(&secret(), &keyed.finish()));
    (Digest::of(&plain.finish()), keyed)
}

fn read_glance<'a>(decoder: &mut Decoder<'a>) -> Result<Glance<'a>, DecodeError> {
    let version = decoder.unsigned()?;
    if version != VERSION {
        return Err(DecodeError::UnknownTag(version));
    }
    let (key, lineage) = (Key::decode(decoder)?, LineageId::decode(decoder)?);
    let volatile = decoder.option()?;
    let program = Path::new(OsStr::from_bytes(decoder.bytes()?));
    let mut lists: [Vec<&[u8]>; 4] = Default::default();
    for list in &mut lists {
        let count = decoder.length()?;
        list.reserve(count.min(1024));
        for _ in 0..count {
            list.push(decoder.bytes()?);
        }
    }
    Ok(Glance { key, lineage, volatile, program, lists, whole: decoder.flag()? })
}

fn read_digests(decoder: &mut Decoder<'_>) -> Result<(Digest, Option<Digest>), DecodeError> {
    Ok((decoder.digest()?, decoder.option()?))
}

fn path_of(observation: &Observation) -> Option<&StoredPath> {
    match observation {
        Observation::Content { path, .. }
        | Observation::State { path, .. }
        | Observation::Listing { path, .. } => Some(path),
        _ => None,
    }
}
