//! Which variables of the environment count before the run, and how their values are told apart without being kept.
//!
//! Names and values alone: knows nothing of files, of the run, or of the key.

use super::entry::LanguageKind;
use crate::digest::{DIGEST_LENGTH, Digest};
use crate::encode::Encoder;
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// An environment: names and values, in the order of the process.
pub type Environment = [(OsString, OsString)];

/// Decide how nearly any program behaves.
const ALWAYS: &[&str] = &[
    "CLICOLOR",
    "CLICOLOR_FORCE",
    "COLUMNS",
    "CUDA_VISIBLE_DEVICES",
    "FORCE_COLOR",
    "LANG",
    "LANGUAGE",
    "LC_ALL",
    "LC_COLLATE",
    "LC_CTYPE",
    "LC_MESSAGES",
    "LC_MONETARY",
    "LC_NUMERIC",
    "LC_TIME",
    "LD_LIBRARY_PATH",
    "LD_PRELOAD",
    "NO_COLOR",
    "OMP_NUM_THREADS",
    "SOURCE_DATE_EPOCH",
    "TZ",
];

const PYTHON: &[&str] = &[
    "PYTHONHASHSEED",
    "PYTHONHOME",
    "PYTHONIOENCODING",
    "PYTHONOPTIMIZE",
    "PYTHONPATH",
    "PYTHONUTF8",
    "PYTHONWARNINGS",
];
const JAVASCRIPT: &[&str] = &["NODE_ENV", "NODE_OPTIONS", "NODE_PATH"];
const SHELL: &[&str] = &["BASH_ENV", "ENV"];
const RUBY: &[&str] = &["RUBYLIB", "RUBYOPT"];
const PERL: &[&str] = &["PERL5LIB", "PERL5OPT"];
const R: &[&str] = &["R_LIBS*"];
const LUA: &[&str] = &["LUA_PATH*", "LUA_CPATH*", "LUA_INIT*"];

/// Tell of the session, the terminal or the login, not of the work: they count only where the function's own source or
/// the call names them.
const SESSION: &[&str] = &[
    "CASHET_*",
    "COLORTERM",
    "DBUS_*",
    "DISPLAY",
    "EDITOR",
    "GPG_*",
    "HIST*",
    "HOME",
    "HOSTNAME",
    "INVOCATION_ID",
    "JOURNAL_STREAM",
    "LESS*",
    "LINES",
    "LOGNAME",
    "LS_COLORS",
    "MAIL",
    "MAKEFLAGS",
    "MAKELEVEL",
    "MFLAGS",
    "NAME",
    "OLDPWD",
    "PAGER",
    "PATH",
    "PROMPT_COMMAND",
    "PS1",
    "PWD",
    "SHELL",
    "SHLVL",
    "SSH_*",
    "STY",
    "SUDO_*",
    "TERM",
    "TERM_*",
    "TMPDIR",
    "TMUX*",
    "USER",
    "VISUAL",
    "VTE_VERSION",
    "WAYLAND_DISPLAY",
    "WINDOWID",
    "XAUTHORITY",
    "XDG_RUNTIME_DIR",
    "XDG_SESSION_*",
    "_",
];

/// Name one run of a CI service, its log or its short-lived credentials.
const CI_RUNS: &[&str] = &[
    // GitHub, Gitea, Forgejo
    "ACTIONS_CACHE_URL",
    "ACTIONS_ID_TOKEN_REQUEST_*",
    "ACTIONS_RESULTS_URL",
    "ACTIONS_RUNTIME_*",
    "ACTIONS_ORCHESTRATION_ID",
    "GITHUB_ACTION",
    "GITHUB_ENV",
    "GITHUB_EVENT_PATH",
    "GITHUB_OUTPUT",
    "GITHUB_PATH",
    "GITHUB_RUN_ATTEMPT",
    "GITHUB_RUN_ID",
    "GITHUB_RUN_NUMBER",
    "GITHUB_STATE",
    "GITHUB_STEP_SUMMARY",
    "RUNNER_NAME",
    "RUNNER_TRACKING_ID",
    // GitLab
    "CI_BUILD_ID",
    "CI_CONCURRENT_ID",
    "CI_CONCURRENT_PROJECT_ID",
    "CI_JOB_ID",
    "CI_JOB_JWT*",
    "CI_JOB_STARTED_AT",
    "CI_JOB_TOKEN",
    "CI_JOB_URL",
    "CI_PIPELINE_CREATED_AT",
    "CI_PIPELINE_ID",
    "CI_PIPELINE_IID",
    "CI_PIPELINE_URL",
    "CI_RUNNER_ID",
    "CI_RUNNER_SHORT_TOKEN",
    // Jenkins, TeamCity
    "BUILD_DISPLAY_NAME",
    "BUILD_ID",
    "BUILD_NUMBER",
    "BUILD_TAG",
    "BUILD_URL",
    "EXECUTOR_NUMBER",
    "HUDSON_COOKIE",
    "JENKINS_NODE_COOKIE",
    "JENKINS_SERVER_COOKIE",
    "RUN_*DISPLAY_URL",
    // Azure
    "BUILD_BUILDID",
    "BUILD_BUILDNUMBER",
    "BUILD_BUILDURI",
    "SYSTEM_JOBID",
    "SYSTEM_PLANID",
    "SYSTEM_TASKINSTANCEID",
    "SYSTEM_TIMELINEID",
    // CircleCI, Travis, Buildkite, AppVeyor, Bitbucket, Drone, Woodpecker, Cirrus
    "CIRCLE_BUILD_NUM",
    "CIRCLE_BUILD_URL",
    "CIRCLE_PIPELINE_ID",
    "CIRCLE_WORKFLOW_ID",
    "CIRCLE_WORKFLOW_JOB_ID",
    "CIRCLE_WORKFLOW_WORKSPACE_ID",
    "TRAVIS_BUILD_ID",
    "TRAVIS_BUILD_NUMBER",
    "TRAVIS_BUILD_WEB_URL",
    "TRAVIS_JOB_ID",
    "TRAVIS_JOB_NUMBER",
    "TRAVIS_JOB_WEB_URL",
    "BUILDKITE_AGENT_*",
    "BUILDKITE_BUILD_ID",
    "BUILDKITE_BUILD_NUMBER",
    "BUILDKITE_BUILD_URL",
    "BUILDKITE_JOB_ID",
    "APPVEYOR_BUILD_ID",
    "APPVEYOR_BUILD_NUMBER",
    "APPVEYOR_JOB_ID",
    "BITBUCKET_BUILD_NUMBER",
    "BITBUCKET_PIPELINE_UUID",
    "BITBUCKET_STEP_UUID",
    "DRONE_BUILD_CREATED",
    "DRONE_BUILD_NUMBER",
    "DRONE_BUILD_STARTED",
    "CI_PIPELINE_NUMBER",
    "CI_PIPELINE_STARTED",
    "CI_STEP_STARTED",
    "CIRRUS_BUILD_ID",
    "CIRRUS_TASK_ID",
];

/// What every program needs, with `--env-strict` too.
const ESSENTIAL: &[&str] = &["HOME", "LOGNAME", "PATH", "PWD", "SHELL", "TERM", "TMPDIR", "USER"];

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

/// Whether a variable tells of the session alone, unless the function's source or the call names it.
#[must_use]
pub fn is_session(name: &OsStr) -> bool {
    let name = name.as_bytes();
    SESSION.iter().chain(CI_RUNS).any(|pattern| matches(pattern.as_bytes(), name))
}

/// The value of `name`. Where a name is there several times, which programs disagree about, all values count.
#[must_use]
pub fn lookup<'a>(environment: &'a Environment, name: &OsStr) -> Option<Cow<'a, OsStr>> {
    let mut values = environment.iter().filter(|(other, _)| other == name).map(|(_, value)| value);
    let first = values.next()?;
    let mut joined: Option<Vec<u8>> = None;
    for value in values {
        let bytes = joined.get_or_insert_with(|| first.as_bytes().to_vec());
        // No value holds a zero byte.
        bytes.push(0);
        bytes.extend_from_slice(value.as_bytes());
    }
    Some(joined.map_or(Cow::Borrowed(first.as_os_str()), |bytes| Cow::Owned(OsString::from_vec(bytes))))
}

/// The digest that stands for a variable's value. Where the name or the value looks like a secret it is keyed with
/// `secret`, so that nobody without the store can try values against it.
#[must_use]
pub fn variable_digest(name: &[u8], value: &[u8], secret: &[u8; DIGEST_LENGTH]) -> Digest {
    let mut encoder = Encoder::new();
    encoder.bytes(name).bytes(value);
    let bytes = encoder.finish();
    if looks_secret(name, value) { Digest::keyed(secret, &bytes) } else { Digest::of(&bytes) }
}

/// The digest of a whole environment, whatever its order.
#[must_use]
pub fn environment_digest(environment: &Environment, secret: &[u8; DIGEST_LENGTH]) -> Digest {
    let mut pairs: Vec<(&[u8], Digest)> = environment
        .iter()
        .map(|(name, value)| (name.as_bytes(), variable_digest(name.as_bytes(), value.as_bytes(), secret)))
        .collect();
    pairs.sort_by_key(|(name, _)| *name);
    let mut encoder = Encoder::new();
    for (name, digest) in pairs {
        encoder.bytes(name).digest(&digest);
    }
    Digest::of(&encoder.finish())
}

/// Whether a name, or a value that is an address with a password in it, looks like a secret.
pub(super) fn looks_secret(name: &[u8], value: &[u8]) -> bool {
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

/// Which variables count before the run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector {
    /// Names of which also the absence counts.
    pub names: BTreeSet<Vec<u8>>,
    /// Names of which only the value counts.
    pub values: BTreeSet<Vec<u8>>,
    /// Patterns with `*` and `?`.
    pub patterns: BTreeSet<Vec<u8>>,
    /// All of them.
    pub whole: bool,
}

impl Selector {
    /// What counts for every function in `language`.
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

    /// Adds a name or pattern of the call.
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

    /// The variables that count with their values, sorted; `None` for a name that is not set.
    #[must_use]
    pub fn select<'a>(&self, environment: &'a Environment) -> Vec<Selected<'a>> {
        let mut names: BTreeSet<Cow<'a, [u8]>> = environment
            .iter()
            .filter(|(name, _)| self.counts(name.as_bytes()))
            .map(|(name, _)| Cow::Borrowed(name.as_bytes()))
            .collect();
        names.extend(self.names.iter().map(|name| Cow::Owned(name.clone())));
        let value = |name: Cow<'a, [u8]>| {
            let value = lookup(environment, OsStr::from_bytes(&name));
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

/// Whether `name` fits `pattern`, in which `*` stands for any bytes and `?` for one.
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
mod tests {
    use super::*;

    fn environment(pairs: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
        pairs.iter().map(|(name, value)| (name.into(), value.into())).collect()
    }

    #[test]
    fn session_variables_are_told_by_name_and_pattern() {
        for name in [
            "PATH",
            "_",
            "TERM",
            "TERM_PROGRAM",
            "SSH_AUTH_SOCK",
            "TMUX",
            "TMUX_PANE",
            "GITHUB_RUN_ID",
            "CASHET_DIR",
        ] {
            assert!(is_session(OsStr::new(name)), "{name}");
        }
        for name in ["LANG", "GITHUB_SHA", "TERMINFO", "CI", "PATHS", "DATABASE_URL", "XDG_CONFIG_HOME", ""] {
            assert!(!is_session(OsStr::new(name)), "{name}");
        }
    }

    #[test]
    fn patterns_match_as_in_a_shell() {
        for (pattern, name, expected) in [
            ("CUDA_*", "CUDA_X", true),
            ("CUDA_*", "CUDA_", true),
            ("CUDA_*", "CUDA", false),
            ("*_URL", "DB_URL", true),
            ("*_URL", "DB_URLS", false),
            ("A?C", "ABC", true),
            ("A?C", "AC", false),
            ("A*B*C", "AxBxBxC", true),
        ] {
            assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn unset_differs_from_empty_and_all_values_of_a_name_count() {
        let name = OsStr::new("A");
        assert_eq!(lookup(&environment(&[("B", "1")]), name), None);
        assert_eq!(lookup(&environment(&[("A", "")]), name).as_deref(), Some(OsStr::new("")));
        let twice = environment(&[("A", "1"), ("A", "2")]);
        let swapped = environment(&[("A", "2"), ("A", "1")]);
        assert_ne!(lookup(&twice, name), lookup(&swapped, name));
    }

    #[test]
    fn digests_of_secrets_need_the_key_and_others_do_not() {
        let (one, other) = ([1; 32], [2; 32]);
        for (name, value) in [("API_TOKEN", "x"), ("aws_secret_access_key", "x"), ("DB", "pg://u:p@host/db")]
        {
            let digest = |key| variable_digest(name.as_bytes(), value.as_bytes(), key);
            assert_ne!(digest(&one), digest(&other), "{name}");
        }
        for (name, value) in [("LANG", "C"), ("DB", "pg://host/db@x")] {
            let digest = |key| variable_digest(name.as_bytes(), value.as_bytes(), key);
            assert_eq!(digest(&one), digest(&other), "{name}");
        }
        assert_ne!(variable_digest(b"A", b"BC", &one), variable_digest(b"AB", b"C", &one));
    }

    #[test]
    fn the_whole_environment_counts_without_its_order() {
        let key = [0; 32];
        let first = environment_digest(&environment(&[("A", "1"), ("B", "2")]), &key);
        assert_eq!(first, environment_digest(&environment(&[("B", "2"), ("A", "1")]), &key));
        assert_ne!(first, environment_digest(&environment(&[("A", "1"), ("B", "3")]), &key));
        assert_ne!(first, environment_digest(&environment(&[("A", "1")]), &key));
    }

    #[test]
    fn a_strict_environment_is_what_counts_and_what_every_program_needs() {
        let mut selector = Selector::for_language(LanguageKind::Python);
        selector.add(OsStr::new("CUDA_*"));
        selector.add(OsStr::new("UNSET"));
        let all = environment(&[
            ("PATH", "/bin"),
            ("CUDA_X", "1"),
            ("FOO", "2"),
            ("PYTHONPATH", "p"),
            ("LANG", "C"),
        ]);
        let kept: Vec<_> = selector.strict(&all).into_iter().map(|(name, _)| name).collect();
        assert_eq!(kept, ["PATH", "CUDA_X", "PYTHONPATH", "LANG"]);
        let selected: Vec<_> = selector
            .select(&all)
            .into_iter()
            .map(|(name, value)| (name.into_owned(), value.is_some()))
            .collect();
        assert_eq!(
            selected,
            [("CUDA_X", true), ("LANG", true), ("PYTHONPATH", true), ("UNSET", false)]
                .map(|(name, set)| (name.as_bytes().to_vec(), set))
        );
    }
}
