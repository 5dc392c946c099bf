//! Selects the environment variables that count before the run, and digests their values so that the values are not stored.
//!
//! Works on names and values only.

pub(crate) mod composed;
mod lists;
mod mentioned;
mod relative;

use super::entry::LanguageKind;
use crate::digest::{DIGEST_LENGTH, Digest};
use crate::encode::Encoder;
use crate::record::Places;
use lists::{
    ALWAYS, BATCH_MARKS, BATCH_RUNS, CI_RUN_PATTERNS, CI_RUNS, DEVICES, ESSENTIAL, JAVASCRIPT, JOB_PATTERNS,
    LUA, PERL, PYTHON, R, RUBY, SESSION, SESSION_PATTERNS, SHELL, TOOLS,
};
pub(super) use mentioned::mentioned;
pub(crate) use mentioned::takes_all;
use relative::relative;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// An environment: names and values, in the order of the process.
pub type Environment = [(OsString, OsString)];

/// Parts of names whose values are likely to be secret.
const SECRETS: &[&str] = &[
    "TOKEN",
    "SECRET",
    "PASSWORD",
    "PASSWD",
    "PASSPHRASE",
    "KEY",
    "CREDENTIAL",
    "AUTH",
    "COOKIE",
    "PRIVATE",
    "_DSN",
    "_PASS",
];

/// Whether a variable describes only the session. It counts if the function's source or the call names it.
#[must_use]
pub fn is_session(name: &OsStr) -> bool {
    let name = name.as_bytes();
    let listed = |list: &[&str]| list.binary_search_by(|entry| entry.as_bytes().cmp(name)).is_ok();
    let like = |list: &[&str]| list.iter().any(|pattern| matches(pattern.as_bytes(), name));
    listed(SESSION)
        || listed(CI_RUNS)
        || listed(BATCH_RUNS)
        || like(SESSION_PATTERNS)
        || like(CI_RUN_PATTERNS)
}

/// The evidence needed to conclude that a program reads a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// Its name anywhere.
    Strong,
    /// Its name in text of the project, or near an access to the environment in other text: for short names, and
    /// variables of jobs in CI services and batch systems.
    Weak,
    /// Its name in text of the project: for variables that identify one such job.
    Job,
    /// Its name near an access to the environment in text of the project: for variables that describe the session.
    Session,
}

/// The evidence needed for a variable with this name.
#[must_use]
pub fn weight(name: &[u8]) -> Weight {
    let text = OsStr::from_bytes(name);
    let listed = |list: &[&str]| list.binary_search_by(|entry| entry.as_bytes().cmp(name)).is_ok();
    if is_session(text) {
        let is_job = listed(CI_RUNS) || listed(BATCH_RUNS);
        return if is_job { Weight::Job } else { Weight::Session };
    }
    let is_job = || JOB_PATTERNS.iter().any(|pattern| matches(pattern.as_bytes(), name));
    if name.len() <= 3 || is_job() { Weight::Weak } else { Weight::Strong }
}

/// Names that describe the session or jobs, which count where text of the project contains them, whether or not they
/// are set.
pub fn telling() -> impl Iterator<Item = &'static [u8]> {
    [SESSION, CI_RUNS, BATCH_RUNS].into_iter().flatten().map(|name| name.as_bytes())
}

/// Short names that the program of this name asks for.
#[must_use]
pub fn asked_by_tool(program: &[u8]) -> &'static [&'static str] {
    let end = program.iter().rposition(|byte| !(byte.is_ascii_digit() || matches!(byte, b'.' | b'-')));
    let base = program.get(..end.map_or(0, |end| end + 1)).unwrap_or_default();
    let is_one = |names: &str| names.split(' ').any(|name| name.as_bytes() == base);
    TOOLS.iter().find(|(names, _)| is_one(names)).map_or(&[], |(_, asked)| asked)
}

/// The variables that say which devices a job of a batch system may use; none outside of one.
#[must_use]
pub fn devices(environment: &Environment) -> &'static [&'static str] {
    let is_mark = |name: &OsStr| BATCH_MARKS.iter().any(|mark| name == OsStr::new(mark));
    if environment.iter().any(|(name, _)| is_mark(name)) { DEVICES } else { &[] }
}

/// Whether a variable counts wherever it is set, for some language or for all, even if nothing names it.
#[must_use]
pub fn counts_when_set(name: &[u8]) -> bool {
    let lists = [ALWAYS, PYTHON, JAVASCRIPT, SHELL, RUBY, PERL, R, LUA];
    lists.into_iter().flatten().any(|listed| matches(listed.as_bytes(), name))
}

/// The value of `name`. Programs disagree about a name that is set several times: then all its values count.
#[must_use]
pub fn lookup<'a>(environment: &'a Environment, name: &OsStr) -> Option<Cow<'a, OsStr>> {
    let mut values = environment.iter().filter(|(other, _)| other == name).map(|(_, value)| value);
    let first = values.next()?;
    let mut joined: Option<Vec<u8>> = None;
    for value in values {
        let bytes = joined.get_or_insert_with(|| first.as_bytes().to_vec());
        // A value cannot contain a zero byte.
        bytes.push(0);
        bytes.extend_from_slice(value.as_bytes());
    }
    Some(joined.map_or(Cow::Borrowed(first.as_os_str()), |bytes| Cow::Owned(OsString::from_vec(bytes))))
}

/// The digest of a variable's value. In variables by which tools search for files, paths below the root are relative to it. Where the name or the value looks like a secret,
/// the digest is keyed with `secret`, so that guessed values cannot be checked against it without the store.
#[must_use]
pub fn variable_digest(name: &[u8], value: &[u8], places: &Places, secret: &[u8; DIGEST_LENGTH]) -> Digest {
    variable_digest_by(name, value, places, &|| *secret)
}

/// Like [`variable_digest`], with a secret that is loaded only where it is needed.
pub(super) fn variable_digest_by(
    name: &[u8],
    value: &[u8],
    places: &Places,
    secret: &dyn Fn() -> [u8; DIGEST_LENGTH],
) -> Digest {
    let mut encoder = Encoder::new();
    let decisive = decisive(name, value);
    match relative(name, &decisive, &places.root) {
        None => {
            encoder.bytes(name).bytes(&decisive);
        }
        Some(relative) => {
            encoder.bytes(name).bytes(&relative.rest);
            for offset in relative.offsets {
                encoder.length(offset);
            }
        }
    }
    let bytes = encoder.finish();
    if looks_secret(name, value) { Digest::keyed(&secret(), &bytes) } else { Digest::of(&bytes) }
}

/// The part of a value that can affect a result: what one `make` passes to the next, without its job server.
fn decisive<'a>(name: &[u8], value: &'a [u8]) -> Cow<'a, [u8]> {
    if name != b"MAKEFLAGS" {
        return Cow::Borrowed(value);
    }
    let beside = |word: &&[u8]| {
        word.is_empty() || [&b"-j"[..], b"-l", b"--jobserver"].iter().any(|start| word.starts_with(start))
    };
    let words: Vec<&[u8]> = value.split(|byte| *byte == b' ').filter(|word| !beside(word)).collect();
    Cow::Owned(words.join(&b' '))
}

/// The digest of a whole environment, independent of its order.
#[must_use]
pub fn environment_digest(
    environment: &Environment,
    places: &Places,
    secret: &[u8; DIGEST_LENGTH],
) -> Digest {
    let mut pairs: Vec<(&[u8], Digest)> = environment
        .iter()
        .map(|(name, value)| {
            (name.as_bytes(), variable_digest(name.as_bytes(), value.as_bytes(), places, secret))
        })
        .collect();
    pairs.sort_by_key(|(name, _)| *name);
    let mut encoder = Encoder::new();
    for (name, digest) in pairs {
        encoder.bytes(name).digest(&digest);
    }
    Digest::of(&encoder.finish())
}

/// Whether a variable looks like a secret, by its name or because its value is an address that contains a password.
#[must_use]
pub fn looks_secret(name: &[u8], value: &[u8]) -> bool {
    let name = name.to_ascii_uppercase();
    let named = SECRETS.iter().any(|part| name.windows(part.len()).any(|window| window == part.as_bytes()));
    named
        || value
            .windows(3)
            .position(|window| window == b"://")
            .and_then(|place| value.get(place + 3..))
            .and_then(|rest| rest.split(|byte| *byte == b'/').next())
            .is_some_and(|host| host.contains(&b'@'))
}

/// A variable's name and value; `None` where it is not set.
pub type Selected<'a> = (Cow<'a, [u8]>, Option<Cow<'a, OsStr>>);

/// Selection of the variables that count before the run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector {
    /// Names that count even where they are not set.
    pub names: BTreeSet<Vec<u8>>,
    /// Names that count only where they are set.
    pub values: BTreeSet<Vec<u8>>,
    /// Patterns with `*` and `?`.
    pub patterns: BTreeSet<Vec<u8>>,
    /// The whole environment.
    pub whole: bool,
}

impl Selector {
    /// The variables that count for every function in `language`.
    #[must_use]
    pub fn for_language(language: LanguageKind) -> Self {
        let own = match language {
            LanguageKind::Python => PYTHON,
            LanguageKind::JavaScript | LanguageKind::TypeScript => JAVASCRIPT,
            LanguageKind::Shell => SHELL,
            LanguageKind::Ruby => RUBY,
            LanguageKind::Perl => PERL,
            LanguageKind::R => R,
            LanguageKind::Lua => LUA,
            LanguageKind::Php | LanguageKind::Julia | LanguageKind::Other | LanguageKind::Executable => &[],
        };
        let words = ALWAYS.iter().chain(own).map(|name| name.as_bytes().to_vec());
        let (patterns, values) = words.partition(|word| is_pattern(word));
        Self { values, patterns, ..Self::default() }
    }

    /// Adds a name or pattern from the call.
    pub fn add(&mut self, word: &OsStr) {
        let bytes = word.as_bytes();
        if is_pattern(bytes) { &mut self.patterns } else { &mut self.names }.insert(bytes.to_vec());
    }

    /// Whether `name` counts.
    #[must_use]
    pub fn counts(&self, name: &[u8]) -> bool {
        self.whole
            || self.names.contains(name)
            || self.values.contains(name)
            || self.patterns.iter().any(|pattern| matches(pattern, name))
    }

    /// The selected variables with their values, sorted; `None` for a name that is not set.
    #[must_use]
    pub fn select<'a>(&self, environment: &'a Environment) -> Vec<Selected<'a>> {
        let mut names: BTreeSet<Cow<'a, [u8]>> = environment
            .iter()
            .filter(|(name, _)| self.counts(name.as_bytes()))
            .map(|(name, _)| Cow::Borrowed(name.as_bytes()))
            .collect();
        names.extend(self.names.iter().map(|name| Cow::Owned(name.clone())));
        let devices = devices(environment);
        let value = |name: Cow<'a, [u8]>| {
            let mut value = lookup(environment, OsStr::from_bytes(&name));
            let is_device = devices.iter().any(|device| device.as_bytes() == &*name);
            if is_device && !self.whole && !self.names.contains(&*name) {
                // The system gives a job any that are free.
                value = value.map(|value| {
                    let count =
                        value.as_bytes().split(|byte| *byte == b',').filter(|one| !one.is_empty()).count();
                    Cow::Owned(OsString::from(format!("{count} devices")))
                });
            }
            (name, value)
        };
        names.into_iter().map(value).collect()
    }

    /// The part of `environment` that a child gets with `--env-strict`.
    #[must_use]
    pub fn strict(&self, environment: &Environment) -> Vec<(OsString, OsString)> {
        let essential = |name: &OsStr| ESSENTIAL.iter().any(|other| other.as_bytes() == name.as_bytes());
        environment
            .iter()
            .filter(|(name, _)| essential(name) || self.counts(name.as_bytes()))
            .cloned()
            .collect()
    }
}

fn is_pattern(word: &[u8]) -> bool {
    word.iter().any(|byte| matches!(byte, b'*' | b'?'))
}

/// Whether `name` matches `pattern`, in which `*` stands for any bytes and `?` for one byte.
pub(super) fn matches(pattern: &[u8], name: &[u8]) -> bool {
    match pattern.split_first() {
        None => name.is_empty(),
        Some((b'*', [])) => true,
        Some((b'*', rest)) => {
            (0..=name.len()).any(|skip| name.get(skip..).is_some_and(|tail| matches(rest, tail)))
        }
        Some((first, rest)) => name
            .split_first()
            .is_some_and(|(byte, tail)| (*first == b'?' || first == byte) && matches(rest, tail)),
    }
}

#[cfg(test)]
mod tests;
