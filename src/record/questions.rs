//! An observation is a question (what was looked at) and an answer (what was there). Runs that looked at the same things share
//! their questions, whatever the answers are.
//!
//! The questions of a list of observations are one byte string, the answers another one. Two lists with equal questions are equal
//! if their answers and the third string are equal. This module does not look at files.

use super::names::Names;
use super::observation::Observation;
use super::path::{Base, StoredPath};
use super::product::{Product, Products};
use super::state::{FileState, ModeRule};
use super::stdin::StdinUse;
use crate::digest::Digest;
use crate::encode::Encoder;

mod joining;
mod left;

pub use joining::{join, join_onto, unanswered};
pub use left::put_back;

/// First field of encoded questions.
const VERSION: u64 = 1;

/// A list with up to this many observations is one part; a longer one is cut into parts.
pub const WHOLE: usize = 256;

/// Minimum number of observations in a part, except the last one.
const SMALLEST: usize = 64;

/// Maximum number of observations in a part.
const LARGEST: usize = 1024;

/// On average, one in this many directories ends a part that is large enough.
const ENDS: u8 = 4;

/// Observations, split into questions and answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Split {
    /// What was looked at.
    pub questions: Vec<u8>,
    /// What was there.
    pub answers: Vec<u8>,
    /// Values that are not compared: the offset at which the run left standard input, and modes of which only the rights count.
    /// They are not part of the answers.
    pub left: Vec<u8>,
}

/// Observations, joined from questions and answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Joined {
    /// The observations, in order.
    pub observations: Vec<Observation>,
    /// Numbers of listings of directories that are the run's own products. A missing directory counts as an empty one.
    pub own: Vec<usize>,
}

/// Number of forms of a state, apart from the rule for its mode.
const FORMS: u64 = 3;

/// The form in which a question asks for a state: by content (0), by size and time (1), or by kind (2) of a file; plus [`FORMS`]
/// times the number of the rule for its mode. See [`number_of`].
fn form_of(state: &FileState) -> u64 {
    let form = match state {
        FileState::File { .. } => 0,
        FileState::LargeFile { .. } => 1,
        _ => 2,
    };
    if state.mode().is_some() { form + FORMS * number_of(state.mode_rule()) } else { form }
}

/// The number of a rule for modes: 0 if only the rights of the present user count, 1 if all bits count; otherwise 2 plus the rights
/// that were asked for (0 to 7), plus 8 if the bits before the umask count, plus 16 if only the user's rights count of the others, plus
/// 32 if of those only the right to enter counts.
fn number_of(rule: ModeRule) -> u64 {
    match rule {
        ModeRule { by_rights: true, asked: 0, fresh: false, passed: false } => 0,
        ModeRule { by_rights: false, asked: 0, fresh: false, passed: false } => 1,
        ModeRule { by_rights, asked, fresh, passed } => {
            2 + u64::from(asked) + 8 * u64::from(fresh) + 16 * u64::from(by_rights) + 32 * u64::from(passed)
        }
    }
}

/// The rule with this number.
fn rule_of(number: u64) -> ModeRule {
    match number {
        0 => ModeRule { by_rights: true, ..ModeRule::default() },
        1 => ModeRule::default(),
        more => {
            let bits = more.wrapping_sub(2);
            let asked = u8::try_from(bits & 7).unwrap_or_default();
            ModeRule { by_rights: bits & 16 != 0, asked, fresh: bits & 8 != 0, passed: bits & 32 != 0 }
        }
    }
}

/// Cuts observations into parts that other runs are likely to share. The cuts depend only on what was looked at, and a change in
/// one part does not move the cuts of others.
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
        // Observations in the project change often, others seldom.
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

/// Splits observations; `is_own` says which are listings of the run's own directories.
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
            // It only holds or does not hold: the whole observation is the question.
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

/// The digest of the states of the products that a run read and rewrote; `state` returns that of one. `None` if there is no such
/// product, or if a state is unknown.
pub fn states(products: &Products, state: impl Fn(&Product) -> Option<FileState>) -> Option<Digest> {
    let seen: Option<Vec<Observation>> = products
        .consulted()
        .map(|product| {
            let path = StoredPath::in_root(product.path.clone());
            Some(Observation::State { path, follow: false, state: state(product)? })
        })
        .collect();
    let seen = seen.filter(|seen| !seen.is_empty())?;
    Some(digests(&split_all(&seen, &Products::default())).1)
}

/// The digests of the questions and of the answers of all parts.
#[must_use]
pub fn digests(split: &[Split]) -> (Digest, Digest) {
    digests_of(split.iter().map(|part| (Digest::of(&part.questions), Digest::of(&part.answers))))
}

/// The same, from the digests of each part.
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

/// Lists of names, each stored once, since many directories are searched for the same modules.
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

/// Splits an observation with one path. Returns whether it has one.
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
            question.unsigned(1).value(path).flag(*follow).unsigned(form_of(state));
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

/// Splits an observation without a path or with several. Returns whether it can be split.
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
        Observation::User { digest } => {
            question.unsigned(23);
            answer.digest(digest);
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
