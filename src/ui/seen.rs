//! What was seen differently, in words: how an observation of one run stands to the same one of another.
//!
//! Knows nothing of how an observation is made or tried.

use super::{ages, escape};
use crate::record::{FileState, Observation, StdinUse, StoredPath};
use std::os::unix::ffi::OsStrExt;

/// Names longer than this are cut.
const LONGEST_NAME: usize = 40;

/// In words, how an observation of an earlier run differs from that of a later one, or from what is found now.
/// Both must be about the same thing; `None` where one run did not look.
#[must_use]
pub fn observed(before: Option<&Observation>, after: Option<&Observation>) -> String {
    let Some(either) = after.or(before) else { return String::new() };
    let looked = match (before, after) {
        (None, _) => Some("is a new dependency"),
        (_, None) => Some("is no longer a dependency"),
        _ => None,
    };
    let verb = |changed: &'static str| looked.unwrap_or(changed);
    match either {
        Observation::Content { path, .. } | Observation::Index { path, .. } => {
            format!("{} {}", shown(path), verb("changed"))
        }
        Observation::State { path, .. } => match (before, after) {
            (Some(Observation::State { state: was, .. }), Some(Observation::State { state: is, .. })) => {
                format!("{} {}", shown(path), state(was, is))
            }
            _ => format!("{} {}", shown(path), verb("changed")),
        },
        Observation::Listing { path, .. } | Observation::Entries { path, .. } => {
            format!("entries of {} {}", shown(path), plural(verb("changed")))
        }
        Observation::Importable { path, .. } | Observation::Modules { path, .. } => {
            format!("importable entries of {} {}", shown(path), plural(verb("changed")))
        }
        Observation::Exists { path } => format!("{} {}", shown(path), verb("is gone")),
        Observation::Settled { states } => {
            let path = states.first().map(|state| shown(&state.path)).unwrap_or_default();
            format!("{path} {}", verb("changed"))
        }
        Observation::Search { .. } => "PATH leads to other programs".to_owned(),
        Observation::Network => "network use is not allowed".to_owned(),
        Observation::TimeOrder { .. } | Observation::Around { .. } => {
            aged(before, after).unwrap_or_else(|| format!("order of modification times {}", verb("changed")))
        }
        Observation::Modified { path, .. } => {
            format!("times of {} {}", shown(path), verb("changed"))
        }
        Observation::Stdin(StdinUse::Content { .. }) => format!("standard input {}", verb("changed")),
        Observation::Stdin(StdinUse::Place { .. }) => {
            format!("size or offset of standard input {}", verb("changed"))
        }
        Observation::StdinKind(was) => match after {
            Some(Observation::StdinKind(is)) if was != is => {
                format!("standard input is {}, not {}", is.word(), was.word())
            }
            _ => format!("the kind of standard input {}", verb("changed")),
        },
        Observation::StdinTerminal(_) => {
            format!("whether standard input is a terminal {}", verb("changed"))
        }
        Observation::StdinName(_) => format!("the name of standard input {}", verb("changed")),
        Observation::Descriptor { number, .. } => format!("descriptor {number} {}", verb("changed")),
        Observation::Variable { name, .. } => {
            let name = escape::brief(name, LONGEST_NAME);
            match (before, after) {
                (Some(Observation::Variable { value: None, .. }), Some(_)) => format!("{name} set"),
                (Some(_), Some(Observation::Variable { value: None, .. })) => format!("{name} unset"),
                _ => format!("{name} {}", looked.map_or("changed", in_environment)),
            }
        }
        Observation::Environment { .. } => format!("the environment {}", verb("changed")),
        Observation::Umask(_) | Observation::UmaskAtLeast(_) => match (before, after) {
            (
                Some(Observation::Umask(was) | Observation::UmaskAtLeast(was)),
                Some(Observation::Umask(is)),
            ) => {
                format!("umask {was:03o} → {is:03o}")
            }
            _ => format!("umask {}", verb("changed")),
        },
        Observation::Superuser(is) => match looked {
            Some(looked) => format!("whether root runs it {looked}"),
            None if *is => "run as root".to_owned(),
            None => "not run as root".to_owned(),
        },
        Observation::User { .. } => format!("the user or the groups {}", verb("changed")),
        Observation::NotInHome { name } => {
            format!("{} in the user's home {}", escape::brief(name, LONGEST_NAME), verb("appeared"))
        }
        Observation::Root(path) => {
            format!("root {} {}", escape::brief(path, LONGEST_NAME), verb("is another"))
        }
        Observation::RootName(name) => {
            format!("name of the root {} {}", escape::brief(name, LONGEST_NAME), verb("is another"))
        }
        Observation::Unset { .. } => "a variable that its own code names is set".to_owned(),
        Observation::Toolchain { token } => {
            format!("toolchain {} {}", escape::brief(token, LONGEST_NAME), verb("is another"))
        }
        Observation::Upward { name, .. } => {
            let name = escape::brief(name, LONGEST_NAME);
            format!("{name} above the root {}", verb("is found elsewhere"))
        }
        Observation::Distributions { path, .. } => {
            format!("packages in {} {}", shown(path), plural(verb("changed")))
        }
        Observation::Loader { .. } => format!("paths of libraries {}", plural(verb("changed"))),
        Observation::Accounts { path, .. } => {
            format!("accounts in {} {}", shown(path), plural(verb("changed")))
        }
    }
}

/// What an observation is about: two with the same subject can be compared.
#[must_use]
pub fn subject(observation: &Observation) -> (u8, Vec<u8>) {
    let path = |path: &StoredPath| path.shown().as_os_str().as_bytes().to_vec();
    match observation {
        Observation::Content { path: at, .. } => (0, path(at)),
        Observation::State { path: at, follow, .. } => (if *follow { 1 } else { 2 }, path(at)),
        Observation::Listing { path: at, .. } => (3, path(at)),
        Observation::TimeOrder { .. } => (4, Vec::new()),
        Observation::Modified { path: at, follow, .. } => (if *follow { 5 } else { 13 }, path(at)),
        Observation::Stdin(_) => (6, Vec::new()),
        Observation::StdinKind(_) => (18, Vec::new()),
        Observation::StdinTerminal(_) => (19, Vec::new()),
        Observation::StdinName(_) => (20, Vec::new()),
        Observation::Descriptor { number, .. } => (7, number.to_be_bytes().to_vec()),
        Observation::Variable { name, .. } => (8, name.clone()),
        Observation::Environment { .. } => (9, Vec::new()),
        Observation::Umask(_) | Observation::UmaskAtLeast(_) => (10, Vec::new()),
        Observation::Superuser(_) => (11, Vec::new()),
        Observation::User { .. } => (36, Vec::new()),
        Observation::NotInHome { name } => (37, name.clone()),
        Observation::Root(_) => (12, Vec::new()),
        Observation::Importable { path: at, .. } => (17, path(at)),
        Observation::Entries { path: at, .. } => (32, path(at)),
        Observation::Exists { path: at } => (33, path(at)),
        Observation::Index { path: at, .. } => (34, path(at)),
        Observation::Settled { states } => {
            (35, states.first().map(|state| path(&state.path)).unwrap_or_default())
        }
        Observation::Network => (14, Vec::new()),
        Observation::Search { .. } => (15, Vec::new()),
        Observation::RootName(_) => (24, Vec::new()),
        Observation::Unset { .. } => (25, Vec::new()),
        Observation::Modules { path: at, .. } => (26, path(at)),
        Observation::Distributions { path: at, .. } => (27, path(at)),
        Observation::Loader { .. } => (28, Vec::new()),
        Observation::Accounts { path: at, .. } => (29, path(at)),
        Observation::Upward { name, .. } => (30, name.clone()),
        Observation::Toolchain { .. } => (40, Vec::new()),
        Observation::Around { written, .. } => (16, written.first().map(path).unwrap_or_default()),
    }
}

/// Which files became newer or older than others, where single ones stand out.
fn aged(before: Option<&Observation>, after: Option<&Observation>) -> Option<String> {
    match (before?, after?) {
        (Observation::TimeOrder { groups: before }, Observation::TimeOrder { groups: after }) => {
            ages::reordered(before, after)
        }
        (
            Observation::Around { older: was_older, same: was_same, newer: was_newer, .. },
            Observation::Around { older, same, newer, .. },
        ) => ages::around([was_older, was_same, was_newer], [older, same, newer]),
        _ => None,
    }
}

fn shown(path: &StoredPath) -> String {
    escape::line(path.shown().as_os_str().as_bytes()).into_owned()
}

fn state(was: &FileState, is: &FileState) -> String {
    let mode = |state: &FileState| match state {
        FileState::File { mode, .. }
        | FileState::LargeFile { mode, .. }
        | FileState::Directory { mode }
        | FileState::Special { mode } => Some(mode & 0o7777),
        FileState::Absent | FileState::Symlink { .. } | FileState::Unreadable { .. } => None,
    };
    match (was, is) {
        (FileState::Absent, _) => "appeared".to_owned(),
        (_, FileState::Absent) => "is gone".to_owned(),
        (_, FileState::Unreadable { .. }) => "cannot be inspected".to_owned(),
        (FileState::File { digest: first, .. }, FileState::File { digest: second, .. })
            if first != second =>
        {
            "changed".to_owned()
        }
        (FileState::Symlink { .. }, FileState::Symlink { .. }) => "links elsewhere".to_owned(),
        (was, is) if was.rights().zip(is.rights()).is_some_and(|(before, now)| before != now) => {
            "gives this user other rights".to_owned()
        }
        (was, is)
            if std::mem::discriminant(was) != std::mem::discriminant(is)
                && !(is_regular(was) && is_regular(is)) =>
        {
            "is another kind of file".to_owned()
        }
        _ => match (mode(was), mode(is)) {
            (Some(first), Some(second)) if first != second => {
                format!("changed mode {first:04o} → {second:04o}")
            }
            _ => "changed".to_owned(),
        },
    }
}

const fn is_regular(state: &FileState) -> bool {
    matches!(state, FileState::File { .. } | FileState::LargeFile { .. })
}

fn plural(verb: &'static str) -> &'static str {
    match verb {
        "is a new dependency" => "are new dependencies",
        "is no longer a dependency" => "are no longer dependencies",
        other => other,
    }
}

fn in_environment(looked: &'static str) -> &'static str {
    if looked == "is a new dependency" { "counts now" } else { "no longer counts" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;
    use crate::record::{ModeRule, Timestamp};

    fn at(path: &str) -> StoredPath {
        StoredPath::in_root(path)
    }

    #[test]
    fn observations_have_words_too() {
        let content =
            |text: &str| Observation::Content { path: at("data.csv"), digest: Digest::of(text.as_bytes()) };
        let state = |state| Observation::State { path: at("x"), follow: true, state };
        let file = |mode| FileState::File { mode, digest: Digest::of(b"") };
        let large = |mode| FileState::LargeFile { mode, size: 1 << 30, modified: Timestamp::now() };
        let rule = ModeRule { by_rights: true, ..ModeRule::default() };
        let by_rights = |rights| file(0o644).with_rule(rule, 0o644, rights);
        let variable = |value: Option<&str>| Observation::Variable {
            name: b"LR".to_vec(),
            value: value.map(|value| Digest::of(value.as_bytes())),
        };
        let listing = |text: &str| Observation::Listing {
            path: at("src"),
            everything: false,
            digest: Digest::of(text.as_bytes()),
        };
        for (before, after, expected) in [
            (Some(content("a")), Some(content("b")), "data.csv changed"),
            (None, Some(content("b")), "data.csv is a new dependency"),
            (Some(content("a")), None, "data.csv is no longer a dependency"),
            (Some(state(FileState::Absent)), Some(state(file(0o644))), "x appeared"),
            (Some(state(file(0o644))), Some(state(FileState::Absent)), "x is gone"),
            (Some(state(file(0o644))), Some(state(file(0o600))), "x changed mode 0644 → 0600"),
            (
                Some(state(file(0o644))),
                Some(state(FileState::Directory { mode: 0o755 })),
                "x is another kind of file",
            ),
            (Some(state(file(0o644))), Some(state(large(0o644))), "x changed"),
            (Some(state(by_rights(6))), Some(state(by_rights(4))), "x gives this user other rights"),
            (Some(listing("a")), Some(listing("b")), "entries of src changed"),
            (Some(listing("a")), None, "entries of src are no longer dependencies"),
            (Some(variable(None)), Some(variable(Some("1"))), "LR set"),
            (Some(variable(Some("1"))), Some(variable(None)), "LR unset"),
            (Some(variable(Some("1"))), Some(variable(Some("2"))), "LR changed"),
            (None, Some(variable(Some("2"))), "LR counts now"),
            (Some(Observation::Umask(0o22)), Some(Observation::Umask(0o77)), "umask 022 → 077"),
            (Some(Observation::Superuser(false)), Some(Observation::Superuser(true)), "run as root"),
        ] {
            assert_eq!(observed(before.as_ref(), after.as_ref()), expected);
            let subjects = [before, after].into_iter().flatten().map(|it| subject(&it)).collect::<Vec<_>>();
            assert!(subjects.windows(2).all(|pair| pair[0] == pair[1]));
        }
    }
}
