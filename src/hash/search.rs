//! Programs that a run found through PATH: PATH itself does not count, but where it leads does.

use super::environment::{Environment, lookup};
use super::program::{Unrecorded, find};
use crate::digest::Digest;
use crate::record::{FileState, FoundProgram, Observation, Places, StoredPath};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, absolute};

/// The digest of PATH; that of nothing where it is not set.
fn path_digest(environment: &Environment) -> Digest {
    let path = lookup(environment, OsStr::new("PATH"));
    Digest::of(path.as_deref().map(OsStr::as_bytes).unwrap_or_default())
}

/// Where `name` leads through the PATH of `environment`, from the working directory.
fn found(name: &[u8], environment: &Environment, places: &Places) -> FoundProgram {
    let program = find(OsStr::from_bytes(name), Path::new(""), &mut Unrecorded(environment)).program();
    // A relative place on PATH counts from the working directory, which is ours.
    let program = program.map(|program| absolute(&program).unwrap_or(program));
    FoundProgram { name: name.to_vec(), program: program.map(|program| places.store(&program)) }
}

/// The observation that these names lead where they lead now; `moved` says that a process changed its working directory.
#[must_use]
pub fn observe(names: &[Vec<u8>], moved: bool, environment: &Environment, places: &Places) -> Observation {
    let programs = names.iter().map(|name| found(name, environment, places)).collect();
    Observation::Search { path: path_digest(environment), programs, moved }
}

/// Whether a place on PATH means another directory wherever a process works.
#[must_use]
pub fn is_relative(place: &[u8]) -> bool {
    !place.starts_with(b"/")
}

/// Whether a directory on PATH may not be entered, and that is all that is known of `path` in it. A search goes on there as where
/// nothing is, if the observations with it say that the program is found elsewhere. Where PATH itself counts, nothing is passed over.
#[must_use]
pub fn is_passed_over<'a>(
    (path, state): (&StoredPath, &FileState),
    with: impl Iterator<Item = &'a Observation>,
    (environment, places): (&Environment, &Places),
) -> bool {
    if *state != (FileState::Unreadable { errno: libc::EACCES }) {
        return false;
    }
    let resolved = places.resolve(path);
    let (Some(directory), Some(asked)) = (resolved.parent(), resolved.file_name()) else { return false };
    let mut is_found = false;
    for observation in with {
        match observation {
            Observation::Variable { name, .. } if name == b"PATH" => return false,
            Observation::Search { programs, .. } => {
                is_found |= programs.iter().any(|one| one.name == asked.as_bytes() && one.program.is_some());
            }
            _ => {}
        }
    }
    let path = lookup(environment, OsStr::new("PATH")).unwrap_or_default();
    is_found
        && path
            .as_bytes()
            .split(|byte| *byte == b':')
            .any(|place| Path::new(OsStr::from_bytes(place)) == directory)
}

/// Where names led, as it was observed.
pub(super) struct Found<'a> {
    pub(super) path: &'a Digest,
    pub(super) programs: &'a [FoundProgram],
    pub(super) moved: bool,
}

impl Found<'_> {
    /// Whether the names still lead there: at once where PATH is the same, since what was looked at on the way is observed
    /// by itself.
    pub(super) fn holds(&self, environment: &Environment, places: &Places) -> bool {
        if path_digest(environment) == *self.path {
            return true;
        }
        let path = lookup(environment, OsStr::new("PATH"));
        let relative =
            path.as_deref().is_some_and(|path| path.as_bytes().split(|byte| *byte == b':').any(is_relative));
        !(self.moved && relative)
            && self.programs.iter().all(|program| found(&program.name, environment, places) == *program)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsString;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn another_path_holds_where_it_leads_to_the_same_programs() {
        let root = tempfile::tempdir().unwrap();
        let places = Places { root: root.path().to_path_buf(), home: None };
        for (directory, name) in [("a", "tool"), ("b", "tool"), ("c", "other")] {
            fs::create_dir_all(root.path().join(directory)).unwrap();
            let file = root.path().join(directory).join(name);
            fs::write(&file, "").unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let with = |directories: &[&str]| {
            let path = directories.iter().map(|name| root.path().join(name).into_os_string());
            let path = path.collect::<Vec<OsString>>().join(OsStr::new(":"));
            vec![(OsString::from("PATH"), path)]
        };
        let names = [b"tool".to_vec(), b"missing".to_vec()];
        let Observation::Search { path, programs, .. } = observe(&names, false, &with(&["a", "b"]), &places)
        else {
            panic!("no search");
        };
        for (directories, expected) in [
            (&["a", "b"][..], true),
            (&["a"], true),
            (&["c", "a"], true),
            (&["b", "a"], false),
            (&["c"], false),
        ] {
            let found = Found { path: &path, programs: &programs, moved: false };
            assert_eq!(found.holds(&with(directories), &places), expected, "{directories:?}");
        }
        let of = |name: &str, state| {
            let search = observe(&names, false, &with(&["c", "a"]), &places);
            let whole = Observation::Variable { name: b"PATH".to_vec(), value: None };
            let path = places.store(&root.path().join("c").join(name));
            let passed = |with: &[&Observation], environment: &Environment| {
                is_passed_over((&path, &state), with.iter().copied(), (environment, &places))
            };
            let is = passed(&[&search], &with(&["c", "a"]));
            assert!(!passed(&[&search], &with(&["a"])) && !passed(&[], &with(&["c", "a"])));
            assert!(!passed(&[&search, &whole], &with(&["c", "a"])));
            is
        };
        let refused = || FileState::Unreadable { errno: libc::EACCES };
        assert!(of("tool", refused()));
        // If the program is found nowhere, or was not searched for, the error counts.
        assert!(!of("missing", refused()) && !of("other", refused()));
        assert!(!of("tool", FileState::Absent) && !of("tool", FileState::Unreadable { errno: libc::EIO }));
        fs::rename(root.path().join("c/other"), root.path().join("c/missing")).unwrap();
        let found = Found { path: &path, programs: &programs, moved: false };
        assert!(!found.holds(&with(&["a", "c"]), &places));
    }
}
