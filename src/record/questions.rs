//! An observation is a question and an answer: what was looked at, and what was there. Runs that looked at the same things
//! share their questions, whatever they found.
//!
//! The questions of several observations are one byte string, their answers another one: two lists of observations with equal
//! questions are equal exactly if their answers, and what is in the third string, are. Nothing is looked at here.

use super::names::Names;
use super::observation::Observation;
use super::path::{Base, StoredPath};
use super::product::Products;
use super::state::{FileState, ModeRule};
use super::stdin::StdinUse;
use crate::digest::Digest;
use crate::encode::Encoder;

mod joining;
mod left;

pub use joining::{join, unanswered};
pub use left::put_back;

/// First field of encoded questions.
const VERSION: u64 = 1;

/// Up to so many observations are one part; more are cut into parts.
pub const WHOLE: usize = 256;

/// A part has at least so many observations, unless it is the last one.
const SMALLEST: usize = 64;

/// A part has at most so many.
const LARGEST: usize = 1024;

/// One of so many directories ends a part that is large enough.
const ENDS: u8 = 4;

/// Observations, split.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Split {
    /// What was looked at.
    pub questions: Vec<u8>,
    /// What was there.
    pub answers: Vec<u8>,
    /// What says nothing of the world: where the run left standard input, and modes of which only what they allow counts. It is
    /// no part of the answers.
    pub left: Vec<u8>,
}

/// Observations that were put together again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Joined {
    /// They, in their order.
    pub observations: Vec<Observation>,
    /// The numbers of listings of directories that are the run's own products: one that is gone is an empty one.
    pub own: Vec<usize>,
}

/// So many ways there are to tell what is found at a path, beside its mode.
const WAYS: u64 = 3;

/// How what is found at a path is told, which is that of the recorded state: by the content of a regular file (0), by its size
/// and time (1), or by its kind alone (2); and [`WAYS`] times the number of what counts of its mode more: what it allows (0),
/// all bits (1), or 2 and the sum of the rights that were asked for (1, 2, 4), of 8 where the bits are those of which the umask
/// leaves the mode, and of 16 where of other bits only what they allow counts.
fn told(state: &FileState) -> u64 {
    let told = match state {
        FileState::File { .. } => 0,
        FileState::LargeFile { .. } => 1,
        _ => 2,
    };
    if state.mode().is_some() { told + WAYS * number_of(state.mode_rule()) } else { told }
}

fn number_of(rule: ModeRule) -> u64 {
    match rule {
        ModeRule { by_rights: true, asked: 0, fresh: false } => 0,
        ModeRule { by_rights: false, asked: 0, fresh: false } => 1,
        ModeRule { by_rights, asked, fresh } => {
            2 + u64::from(asked) + 8 * u64::from(fresh) + 16 * u64::from(by_rights)
        }
    }
}

/// What counts of a mode, by its number.
fn rule_of(number: u64) -> ModeRule {
    match number {
        0 => ModeRule { by_rights: true, asked: 0, fresh: false },
        1 => ModeRule { by_rights: false, asked: 0, fresh: false },
        more => {
            let bits = more.wrapping_sub(2);
            let asked = u8::try_from(bits & 7).unwrap_or_default();
            ModeRule { by_rights: bits & 16 != 0, asked, fresh: bits & 8 != 0 }
        }
    }
}

/// Cuts observations into parts that runs are likely to share: the cuts depend on what was looked at alone, and those of one
/// part do not move those of others.
#[must_use]
pub fn parts(observations: &[Observation]) -> Vec<&[Observation]> {
    if observations.len() <= WHOLE {
        return vec![observations];
    }
    let (mut parts, mut begin) = (Vec::new(), 0);
    let places: Vec<_> =
        observations.iter().map(|observation| observation.path().map(StoredPath::place)).collect();
    for (number, pair) in places.windows(2).enumerate() {
        let [here, next] = pair else { continue };
        let end = number.saturating_add(1);
        let length = end.saturating_sub(begin);
        let base = |place: &Option<(Base, &[u8])>| place.map(|(base, _)| base);
        // What is in the project changes, what is elsewhere seldom does.
        let is_other_base = base(here) != base(next);
        let is_end = here != next
            && length >= SMALLEST
            && here.is_none_or(|(_, path)| {
                Digest::of(path).as_bytes().first().is_some_and(|byte| byte % ENDS == 0)
            });
        if is_other_base || is_end || length >= LARGEST {
            parts.extend(observations.get(begin..end));
            begin = end;
        }
    }
    parts.extend(observations.get(begin..));
    parts
}

/// Whether an observation is a listing of a directory that is a product of the run itself.
#[must_use]
pub fn is_own(observation: &Observation, products: &Products) -> bool {
    matches!(observation, Observation::Entries { path, .. }
        if path.base() == Base::Root && products.find(path.rest()).is_some())
}

/// Splits observations, of which `is_own` says which are listings of the run's own directories.
fn split(observations: &[Observation], is_own: &dyn Fn(usize) -> bool) -> Split {
    let names = lists(observations);
    let [mut questions, mut answers] = [(); 2].map(|()| Encoder::new());
    questions.unsigned(VERSION).length(names.len());
    for list in &names {
        questions.value(*list);
    }
    questions.length(observations.len());
    for (number, observation) in observations.iter().enumerate() {
        if !of_path(observation, is_own(number), &names, (&mut questions, &mut answers))
            && !of_else(observation, (&mut questions, &mut answers))
        {
            // It holds or does not: all of it is the question.
            questions.unsigned(WHOLE_TAG).value(observation);
        }
    }
    Split { questions: questions.finish(), answers: answers.finish(), left: left::encode(observations) }
}

/// Splits observations of a run with these products, part by part.
#[must_use]
pub fn split_all(observations: &[Observation], products: &Products) -> Vec<Split> {
    let is_own = |number: usize| observations.get(number).is_some_and(|seen| is_own(seen, products));
    split_all_by(observations, &is_own)
}

/// The same, where it is known which are listings of the run's own directories.
#[must_use]
pub fn split_all_by(observations: &[Observation], is_own: &dyn Fn(usize) -> bool) -> Vec<Split> {
    let mut before = 0_usize;
    let one = |part: &[Observation]| {
        let begin = before;
        before = before.saturating_add(part.len());
        split(part, &|number| is_own(number.saturating_add(begin)))
    };
    parts(observations).into_iter().map(one).collect()
}

/// What stands for questions and for answers of all parts.
#[must_use]
pub fn digests(split: &[Split]) -> (Digest, Digest) {
    digests_of(split.iter().map(|part| (Digest::of(&part.questions), Digest::of(&part.answers))))
}

/// The same, of the digests of each part.
#[must_use]
pub fn digests_of(parts: impl Iterator<Item = (Digest, Digest)>) -> (Digest, Digest) {
    let [mut questions, mut answers] = [(); 2].map(|()| Encoder::new());
    questions.text("questions");
    answers.text("answers");
    for (asked, found) in parts {
        questions.digest(&asked);
        answers.digest(&found);
    }
    (Digest::of(&questions.finish()), Digest::of(&answers.finish()))
}

/// Lists of names, each once: many directories are asked for the same modules.
fn lists(observations: &[Observation]) -> Vec<&Names> {
    let mut lists: Vec<&Names> = Vec::new();
    for observation in observations {
        if let Observation::Importable { names, .. }
        | Observation::Entries { aside: names, .. }
        | Observation::Loader { names, .. } = observation
            && !lists.contains(&names)
        {
            lists.push(names);
        }
    }
    lists
}

/// The tag of a question that is an observation as a whole.
const WHOLE_TAG: u64 = 63;

/// Splits what is of one path; tells whether that is so.
fn of_path(
    observation: &Observation,
    is_own: bool,
    names: &[&Names],
    (question, answer): (&mut Encoder, &mut Encoder),
) -> bool {
    let place = |list: &Names| names.iter().position(|known| *known == list).unwrap_or_default();
    match observation {
        Observation::Content { path, digest } => {
            question.unsigned(0).value(path);
            answer.digest(digest);
        }
        Observation::State { path, follow, state } => {
            question.unsigned(1).value(path).flag(*follow).unsigned(told(state));
            answer.value(&state.clone().with_bits(0));
        }
        Observation::Listing { path, everything, digest } => {
            question.unsigned(2).value(path).flag(*everything);
            answer.digest(digest);
        }
        Observation::Importable { path, names, digest } => {
            question.unsigned(3).value(path).length(place(names));
            answer.digest(digest);
        }
        Observation::Entries { path, aside, digest } => {
            question.unsigned(4).value(path).length(place(aside)).flag(is_own);
            answer.digest(digest);
        }
        Observation::Index { path, digest } => {
            question.unsigned(5).value(path);
            answer.digest(digest);
        }
        Observation::Modules { path, digest } => {
            question.unsigned(6).value(path);
            answer.digest(digest);
        }
        Observation::Distributions { path, digest } => {
            question.unsigned(7).value(path);
            answer.digest(digest);
        }
        Observation::Loader { path, names, digest } => {
            question.unsigned(8).value(path).length(place(names));
            answer.digest(digest);
        }
        Observation::Accounts { path, ids, digest } => {
            question.unsigned(9).value(path).length(ids.len());
            for id in ids {
                question.unsigned(u64::from(*id));
            }
            answer.digest(digest);
        }
        Observation::Modified { path, follow, time, changed } => {
            question.unsigned(10).value(path).flag(*follow);
            answer.value(time).value(changed);
        }
        _ => return false,
    }
    true
}

/// Splits what is of no path, or of several; tells whether that can be done.
fn of_else(observation: &Observation, (question, answer): (&mut Encoder, &mut Encoder)) -> bool {
    match observation {
        Observation::Variable { name, value } => {
            question.unsigned(11).bytes(name);
            answer.option(value.as_ref());
        }
        Observation::Environment { digest } => {
            question.unsigned(12);
            answer.digest(digest);
        }
        Observation::Umask(mask) => {
            question.unsigned(13);
            answer.unsigned(u64::from(*mask));
        }
        Observation::Superuser(is) => {
            question.unsigned(14);
            answer.flag(*is);
        }
        Observation::Root(path) => {
            question.unsigned(15);
            answer.bytes(path);
        }
        Observation::RootName(name) => {
            question.unsigned(16);
            answer.bytes(name);
        }
        Observation::Stdin(StdinUse::Content { offset, digest, .. }) if left::of(observation).is_some() => {
            question.unsigned(17);
            answer.unsigned(*offset).digest(digest);
        }
        Observation::Stdin(StdinUse::Place { size, offset }) => {
            question.unsigned(18);
            answer.unsigned(*size).unsigned(*offset);
        }
        Observation::StdinKind(kind) => {
            question.unsigned(19);
            answer.value(kind);
        }
        Observation::StdinTerminal(is) => {
            question.unsigned(20);
            answer.flag(*is);
        }
        Observation::StdinName(name) => {
            question.unsigned(21);
            answer.bytes(name);
        }
        Observation::TimeOrder { groups } if is_plain(groups) => {
            let mut ranks: Vec<(&StoredPath, usize)> = groups
                .iter()
                .enumerate()
                .flat_map(|(rank, group)| group.iter().map(move |path| (path, rank)))
                .collect();
            ranks.sort();
            question.unsigned(22).length(ranks.len());
            for (path, rank) in ranks {
                question.value(path);
                answer.length(rank);
            }
        }
        _ => return false,
    }
    true
}

/// Whether each group is sorted and not empty, and no path is in two.
fn is_plain(groups: &[Vec<StoredPath>]) -> bool {
    let is_sorted = |paths: &[&StoredPath]| paths.windows(2).all(|pair| pair.first() < pair.last());
    let mut all: Vec<&StoredPath> = groups.iter().flatten().collect();
    let are_sorted =
        groups.iter().all(|group| !group.is_empty() && is_sorted(&group.iter().collect::<Vec<_>>()));
    all.sort();
    are_sorted && is_sorted(&all)
}

#[cfg(test)]
mod tests;
