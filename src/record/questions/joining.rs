//! Questions and answers become observations again. What comes back is what was split, or nothing.

use super::left::{self, Numbers};
use super::{FORMS, Joined, LARGEST, VERSION, WHOLE_TAG, form_of, rule_of};
use crate::digest::{DIGEST_LENGTH, Digest};
use crate::encode::{Decode, DecodeError, Decoder};
use crate::record::{FileState, Names, Observation, StdinKind, StdinUse, StoredPath, Timestamp};

/// Puts together what [`super::split_all`] made.
///
/// # Errors
/// Any [`DecodeError`].
pub fn join(questions: &[u8], answers: &[u8], left: &[u8]) -> Result<Joined, DecodeError> {
    let mut joined = Joined::default();
    join_onto(&mut joined, questions, answers, left)?;
    Ok(joined)
}

/// The same, appended to the observations of earlier parts, which saves moving them.
///
/// # Errors
/// Any [`DecodeError`].
pub fn join_onto(
    joined: &mut Joined,
    questions: &[u8],
    answers: &[u8],
    left: &[u8],
) -> Result<(), DecodeError> {
    let (mut answers, mut left) = (Answers(Some(Decoder::new(answers))), Numbers::new(left, true));
    let before = joined.observations.len();
    read(questions, &mut answers, joined)?;
    let new = joined.observations.iter_mut().skip(before);
    for observation in new.filter(|observation| left::of(observation).is_some()) {
        if !left::set(observation, left.next()?) {
            return Err(DecodeError::NotCanonical);
        }
    }
    left.finish()?;
    if let Some(answers) = answers.0 {
        answers.finish()?;
    }
    Ok(())
}

/// The observations that questions are of, with answers that are most likely wrong: what is to be asked where no answer is
/// known.
///
/// # Errors
/// Any [`DecodeError`].
pub fn unanswered(questions: &[u8]) -> Result<Joined, DecodeError> {
    let mut joined = Joined::default();
    read(questions, &mut Answers(None), &mut joined)?;
    Ok(joined)
}

fn read(questions: &[u8], answers: &mut Answers<'_>, joined: &mut Joined) -> Result<(), DecodeError> {
    let mut question = Decoder::new(questions);
    let version = question.unsigned()?;
    if version != VERSION {
        return Err(DecodeError::UnknownTag(version));
    }
    let names: Vec<Names> = question.list()?;
    let count = question.length()?;
    joined.observations.reserve(count.min(LARGEST));
    for _ in 0..count {
        let tag = question.unsigned()?;
        let observation = match tag {
            0..=10 => {
                let (observation, is_own) = path_of(tag, &names, &mut question, answers)?;
                if is_own {
                    joined.own.push(joined.observations.len());
                }
                observation
            }
            WHOLE_TAG => Observation::decode(&mut question)?,
            _ => else_of(tag, &mut question, answers)?,
        };
        joined.observations.push(observation);
    }
    question.finish()
}

/// Reads answers. Without any, it returns placeholders.
struct Answers<'a>(Option<Decoder<'a>>);

impl<'a> Answers<'a> {
    /// What `read` returns, or a placeholder.
    fn or<T>(
        &mut self,
        placeholder: T,
        read: impl FnOnce(&mut Decoder<'a>) -> Result<T, DecodeError>,
    ) -> Result<T, DecodeError> {
        self.0.as_mut().map_or(Ok(placeholder), read)
    }

    fn digest(&mut self) -> Result<Digest, DecodeError> {
        self.or(Digest::from_bytes([0; DIGEST_LENGTH]), Decoder::digest)
    }

    fn unsigned(&mut self) -> Result<u64, DecodeError> {
        self.or(0, Decoder::unsigned)
    }

    fn flag(&mut self) -> Result<bool, DecodeError> {
        self.or(false, Decoder::flag)
    }

    fn bytes(&mut self) -> Result<Vec<u8>, DecodeError> {
        self.or(Vec::new(), |answer| Ok(answer.bytes()?.to_vec()))
    }

    fn time(&mut self) -> Result<Timestamp, DecodeError> {
        self.or(Timestamp(0), Timestamp::decode)
    }

    /// A state in this form. Where only rights count, the mode itself is not part of the answer.
    fn state(&mut self, form: u64) -> Result<FileState, DecodeError> {
        let state = self.or(placeholder_state(form), FileState::decode)?;
        let has_mode = state.shown_bits().is_some_and(|bits| bits != 0);
        if form_of(&state) == form && !has_mode { Ok(state) } else { Err(DecodeError::NotCanonical) }
    }
}

/// A placeholder state in this form.
fn placeholder_state(form: u64) -> FileState {
    let (mode, digest) = (0, Digest::from_bytes([0; DIGEST_LENGTH]));
    let rule = rule_of(form / FORMS);
    let state = match form % FORMS {
        0 => FileState::File { mode, digest },
        1 => FileState::LargeFile { mode, size: 0, modified: Timestamp(0) },
        _ if form < FORMS => FileState::Absent,
        _ => FileState::Directory { mode },
    };
    state.with_rule(rule, 0, 0)
}

fn path_of(
    tag: u64,
    names: &[Names],
    question: &mut Decoder<'_>,
    answer: &mut Answers<'_>,
) -> Result<(Observation, bool), DecodeError> {
    let path = StoredPath::decode(question)?;
    let list = |question: &mut Decoder<'_>| -> Result<Names, DecodeError> {
        let place = usize::try_from(question.unsigned()?).map_err(|_| DecodeError::NotCanonical)?;
        names.get(place).cloned().ok_or(DecodeError::NotCanonical)
    };
    let mut is_own = false;
    let observation = match tag {
        0 => Observation::Content { path, digest: answer.digest()? },
        1 => {
            let follow = question.flag()?;
            let state = answer.state(question.unsigned()?)?;
            Observation::State { path, follow, state }
        }
        2 => Observation::Listing { path, everything: question.flag()?, digest: answer.digest()? },
        3 => Observation::Importable { path, names: list(question)?, digest: answer.digest()? },
        4 => {
            let aside = list(question)?;
            is_own = question.flag()?;
            Observation::Entries { path, aside, digest: answer.digest()? }
        }
        5 => Observation::Index { path, digest: answer.digest()? },
        6 => Observation::Modules { path, digest: answer.digest()? },
        7 => Observation::Distributions { path, digest: answer.digest()? },
        8 => Observation::Loader { path, names: list(question)?, digest: answer.digest()? },
        9 => {
            let mut ids = Vec::new();
            for _ in 0..question.length()? {
                ids.push(question.unsigned32()?);
            }
            Observation::Accounts { path, ids, digest: answer.digest()? }
        }
        10 => Observation::Modified {
            path,
            follow: question.flag()?,
            time: answer.time()?,
            changed: answer.time()?,
        },
        tag => return Err(DecodeError::UnknownTag(tag)),
    };
    Ok((observation, is_own))
}

fn else_of(
    tag: u64,
    question: &mut Decoder<'_>,
    answer: &mut Answers<'_>,
) -> Result<Observation, DecodeError> {
    Ok(match tag {
        11 => Observation::Variable {
            name: question.bytes()?.to_vec(),
            value: answer.or(None, Decoder::option)?,
        },
        12 => Observation::Environment { digest: answer.digest()? },
        13 => Observation::Umask(answer.or(0, Decoder::unsigned32)?),
        14 => Observation::Superuser(answer.flag()?),
        23 => Observation::User { digest: answer.digest()? },
        15 => Observation::Root(answer.bytes()?),
        16 => Observation::RootName(answer.bytes()?),
        17 => Observation::Stdin(StdinUse::Content {
            offset: answer.unsigned()?,
            digest: answer.digest()?,
            left_at: 0,
        }),
        18 => Observation::Stdin(StdinUse::Place { size: answer.unsigned()?, offset: answer.unsigned()? }),
        19 => Observation::StdinKind(answer.or(StdinKind::Device(0), StdinKind::decode)?),
        20 => Observation::StdinTerminal(answer.flag()?),
        21 => Observation::StdinName(answer.bytes()?),
        22 => {
            let mut groups: Vec<Vec<StoredPath>> = Vec::new();
            let count = question.length()?;
            for _ in 0..count {
                let path = StoredPath::decode(question)?;
                let rank = usize::try_from(answer.unsigned()?).map_err(|_| DecodeError::NotCanonical)?;
                if rank >= count {
                    return Err(DecodeError::NotCanonical);
                }
                if groups.len() <= rank {
                    groups.resize(rank.saturating_add(1), Vec::new());
                }
                if let Some(group) = groups.get_mut(rank) {
                    group.push(path);
                }
            }
            Observation::TimeOrder { groups }
        }
        tag => return Err(DecodeError::UnknownTag(tag)),
    })
}
