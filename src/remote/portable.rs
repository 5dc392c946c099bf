//! Which questions may leave the machine, and be asked by others: none about secrets, none that only this machine can answer.

use super::toolchain::Token;
use crate::record::{Base, FileState, Observation, Places, StdinUse, StoredPath};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};

/// Names of files and directories that hold keys and passwords, wherever they are.
const SECRETS: &[&str] = &[
    ".ssh",
    ".aws",
    ".azure",
    ".gnupg",
    ".kube",
    ".netrc",
    "_netrc",
    ".pgpass",
    ".my.cnf",
    ".git-credentials",
    ".npmrc",
    ".yarnrc",
    ".pypirc",
    ".password-store",
    ".vault-token",
    "shadow",
    "gshadow",
    "trusted_keys",
];

/// The same, below another name.
const BELOW: &[(&str, &str)] = &[
    (".docker", "config.json"),
    (".cargo", "credentials"),
    (".cargo", "credentials.toml"),
    (".config", "gcloud"),
    (".config", "gh"),
    (".config", "hub"),
    (".config", "rclone"),
    (".gem", "credentials"),
    (".m2", "settings.xml"),
    (".local", "keyrings"),
];

/// Files among them that package managers look for in each project and in HOME. Their absence is not a secret, and no run of `npm`
/// could be shared if it were. A machine that has such a file gives no answer.
const LOOKED_FOR: &[&str] = &[".npmrc", ".yarnrc"];

/// Parts of names below `.config`.
const IN_NAMES: &[&str] = &["token", "secret", "credential", "password"];

/// Directories whose files the kernel makes.
const KERNEL: &[&str] = &["/proc", "/sys", "/dev"];

/// A directory among them for files of programs: semaphores, shared memory.
const SHARED_MEMORY: &str = "/dev/shm";

/// Why observations are not shared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Private {
    /// The path holds, or may hold, secrets.
    Secret(StoredPath),
    /// The path leads out of its base, or to a file of the kernel.
    Odd(StoredPath),
    /// A variable whose value is likely to be a secret, or the environment as a whole.
    Variable(String),
    /// The exact times of a file.
    Times(StoredPath),
    /// A file of which only size and time are known.
    Large(StoredPath),
    /// The network.
    Network,
    /// Another inherited descriptor.
    Descriptor,
    /// Files of the system were not compared.
    Toolchain(String),
}

/// The first of `observations` that is not shared. `is_secret` tells whether the value of a variable is likely to be a secret;
/// `token` replaces the files of the toolchain, if there is one.
#[must_use]
pub fn private(
    observations: &[Observation],
    places: Option<&Places>,
    is_secret: &dyn Fn(&[u8]) -> bool,
    token: Option<&Token>,
) -> Option<Private> {
    observations.iter().find_map(|observation| {
        let secret = paths(observation).into_iter().find_map(|path| of_path(path, places));
        let is_told =
            |why: &Private| matches!(why, Private::Secret(_)) && is_absence_of_settings(observation, places);
        secret.filter(|why| !is_told(why)).or_else(|| match observation {
            Observation::Modified { path, .. } => Some(Private::Times(path.clone())),
            Observation::State { path, state: FileState::LargeFile { .. }, .. } => {
                Some(Private::Large(path.clone()))
            }
            Observation::Settled { states } => states
                .iter()
                .find(|both| [&both.before, &both.after].iter().any(|state| is_large(state)))
                .map(|both| Private::Large(both.path.clone())),
            Observation::Network => Some(Private::Network),
            Observation::Descriptor { .. } | Observation::Stdin(StdinUse::Place { .. }) => {
                Some(Private::Descriptor)
            }
            Observation::Toolchain { token: other } if token.is_none_or(|own| own.as_bytes() != other) => {
                Some(Private::Toolchain(String::from_utf8_lossy(other).into_owned()))
            }
            Observation::Environment { .. } => Some(Private::Variable("the environment".to_owned())),
            Observation::Variable { name, value: Some(_) } if is_secret(name) => {
                Some(Private::Variable(String::from_utf8_lossy(name).into_owned()))
            }
            _ => None,
        })
    })
}

/// Whether it only says that a package manager has no settings of its own, in a directory that holds no secrets.
fn is_absence_of_settings(observation: &Observation, places: Option<&Places>) -> bool {
    let Observation::State { path, follow: false, state: FileState::Absent } = observation else {
        return false;
    };
    let (directory, name) = path.split();
    LOOKED_FOR.iter().any(|known| name == known.as_bytes()) && of_path(&directory, places).is_none()
}

const fn is_large(state: &FileState) -> bool {
    matches!(state, FileState::LargeFile { .. })
}

/// Every path that an observation is about.
fn paths(observation: &Observation) -> Vec<&StoredPath> {
    match observation {
        Observation::Settled { states } => states.iter().map(|both| &both.path).collect(),
        Observation::TimeOrder { groups } => groups.iter().flatten().collect(),
        Observation::Around { written, older, same, newer } => {
            [written, older, same, newer].into_iter().flatten().collect()
        }
        Observation::Search { programs, .. } => {
            programs.iter().filter_map(|found| found.program.as_ref()).collect()
        }
        Observation::Upward { found, .. } => found.iter().collect(),
        other => other.path().into_iter().collect(),
    }
}

fn of_path(path: &StoredPath, places: Option<&Places>) -> Option<Private> {
    let resolved = places.map(|places| places.resolve(path));
    let shown = Path::new(std::ffi::OsStr::from_bytes(path.rest()));
    let whole = resolved.as_deref().unwrap_or(shown);
    let leaves = shown.components().any(|part| matches!(part, Component::ParentDir));
    let is_misplaced = (path.base() == Base::Absolute) != shown.is_absolute();
    let is_of_kernel =
        KERNEL.iter().any(|kernel| whole.starts_with(kernel)) && !whole.starts_with(SHARED_MEMORY);
    if leaves || is_misplaced || is_of_kernel {
        return if is_device(whole) { None } else { Some(Private::Odd(path.clone())) };
    }
    let names: Vec<&[u8]> = whole.components().map(|part| part.as_os_str().as_bytes()).collect();
    let is = |name: &[u8], known: &str| name == known.as_bytes();
    let is_secret = names.iter().any(|name| SECRETS.iter().any(|known| is(name, known)))
        || BELOW.iter().any(|(directory, below)| {
            let place = names.iter().position(|name| is(name, directory));
            place.is_some_and(|place| names.iter().skip(place).any(|name| is(name, below)))
        })
        || names.iter().position(|name| is(name, ".config")).is_some_and(|place| {
            names.iter().skip(place).any(|name| {
                let name = String::from_utf8_lossy(name).to_lowercase();
                IN_NAMES.iter().any(|part| name.contains(part))
            })
        });
    is_secret.then(|| Private::Secret(path.clone()))
}

/// Devices that are the same everywhere.
fn is_device(path: &Path) -> bool {
    ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty", "/dev"]
        .iter()
        .any(|device| path == Path::new(device))
}

impl std::fmt::Display for Private {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Secret(path) => write!(formatter, "{} may hold secrets", path.shown().display()),
            Self::Odd(path) => write!(formatter, "{} is not the same elsewhere", path.shown().display()),
            Self::Variable(name) => write!(formatter, "it depends on {name}"),
            Self::Times(path) => {
                write!(formatter, "it depends on the exact times of {}", path.shown().display())
            }
            Self::Large(path) => {
                write!(formatter, "of {} only size and time are known", path.shown().display())
            }
            Self::Network => formatter.write_str("it used the network"),
            Self::Toolchain(name) => {
                write!(formatter, "it depends on the toolchain {name}: its system files were not compared")
            }
            Self::Descriptor => formatter.write_str("it depends on the position in an open file"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;

    fn content(path: StoredPath) -> Observation {
        Observation::Content { path, digest: Digest::of(b"x") }
    }

    fn places() -> Places {
        Places { root: "/home/me/project".into(), home: Some("/home/me".into()) }
    }

    fn stored(path: &str) -> StoredPath {
        places().store(Path::new(path))
    }

    #[test]
    fn secrets_are_not_asked_for_however_they_are_written() {
        for path in [
            "/home/me/.ssh/id_ed25519",
            "/home/me/.aws/credentials",
            "/home/me/.config/some/API-Token",
            "/home/me/.config/gh/hosts.yml",
            "/home/me/.docker/config.json",
            "/home/me/project/.npmrc",
            "/home/other/.gnupg",
            "/root/.ssh/known_hosts",
            "/etc/shadow",
            "/proc/self/environ",
            "/sys/class/net",
            "/dev/sda",
        ] {
            let seen = [content(stored(path))];
            assert!(private(&seen, Some(&places()), &|_| false, None).is_some(), "{path}");
        }
        let odd = [content(StoredPath::in_root("../.ssh/x")), content(StoredPath::in_root("/etc/passwd"))];
        for seen in odd {
            assert!(
                private(std::slice::from_ref(&seen), Some(&places()), &|_| false, None).is_some(),
                "{seen:?}"
            );
        }
        for path in
            ["/home/me/project/src/main.rs", "/home/me/.config/pip/pip.conf", "/usr/bin/env", "/dev/null"]
        {
            assert_eq!(private(&[content(stored(path))], Some(&places()), &|_| false, None), None, "{path}");
        }
        let state = |path: &str, state| [Observation::State { path: stored(path), follow: false, state }];
        let is_private = |seen: &[Observation]| private(seen, Some(&places()), &|_| false, None).is_some();
        for path in [
            "/home/me/project/.npmrc",
            "/home/me/.npmrc",
            "/home/me/project/a/.yarnrc",
            "/.npmrc",
            "/devel/.npmrc",
            "/system/a/.yarnrc",
        ] {
            assert!(!is_private(&state(path, FileState::Absent)), "{path}");
            assert!(is_private(&state(path, FileState::Directory { mode: 0o755 })), "{path}");
            let file = FileState::File { mode: 0o600, digest: Digest::of(b"x") };
            assert!(is_private(&state(path, file)), "{path}");
        }
        for path in [
            "/home/me/.netrc",
            "/home/me/.ssh/.npmrc",
            "/home/me/.config/gh/.npmrc",
            "/home/me/.aws",
            "/proc/1/root/.npmrc",
            "/dev/.npmrc",
        ] {
            assert!(is_private(&state(path, FileState::Absent)), "{path}");
        }
        // Semaphores are files of programs.
        let state = FileState::Absent;
        let seen = Observation::State { path: stored("/dev/shm/sem.lock"), follow: false, state };
        assert_eq!(private(&[seen], Some(&places()), &|_| false, None), None);
    }

    #[test]
    fn what_only_this_machine_can_answer_is_not_shared() {
        let path = || StoredPath::in_root("a");
        let time = crate::record::Timestamp(1);
        for seen in [
            Observation::Network,
            Observation::Modified { path: path(), follow: true, time, changed: time },
            Observation::State {
                path: path(),
                follow: true,
                state: FileState::LargeFile { mode: 0o644, size: 1, modified: time },
            },
            Observation::Descriptor { number: 5, offset: 0, digest: Digest::of(b"") },
            Observation::Environment { digest: Digest::of(b"") },
            Observation::Variable { name: b"MY_TOKEN".to_vec(), value: Some(Digest::of(b"")) },
        ] {
            let is_secret = |name: &[u8]| name == b"MY_TOKEN";
            assert!(private(std::slice::from_ref(&seen), None, &is_secret, None).is_some(), "{seen:?}");
        }
        assert_eq!(private(&[Observation::Umask(0o22)], None, &|_| true, None), None);
    }
}
