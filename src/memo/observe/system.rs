//! System tables of which a run needs only a part: the loader's cache, users and groups.

use super::made::Made;
use super::witness::Watcher;
use super::{Observer, Run};
use crate::digest::Digest;
use crate::exec::{Access, Image, LooksUp, Trace};
use crate::hash::accounts::{self, TABLES};
use crate::hash::entry::What;
use crate::hash::files;
use crate::hash::loader::{self, CACHE};
use crate::hash::occurrence::{NameSearch, is_of_project};
use crate::memo::reason::NotKept;
use crate::profiles::attributes::{has_options_alone, named};
use crate::profiles::introductions;
use crate::profiles::users::{FIND_OTHERS, LOOK_UP_OWN, LOOK_UP_OWNERS};
use crate::record::{Circumstances, Names, Observation, Timestamp};
use memchr::memmem;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Larger files are not code.
const LARGEST_CODE: u64 = 1 << 20;
/// The directory of the system's settings.
const SETTINGS: &str = "/etc";

/// Words in code that looks up users or groups by name, or all of them.
const LOOK_UP: &[&str] = &[
    "getpw",
    "getgr",
    "import pwd",
    "import grp",
    "from pwd",
    "from grp",
    "chown",
    "Etc.",
    "/etc/passwd",
    "/etc/group",
    "posix_getpw",
    "userid",
    "getent",
];

/// The users and groups that a process with this program looks up.
pub(super) fn looks_up(image: &Image<'_>, circumstances: &dyn Circumstances) -> LooksUp {
    let name = image.program.file_name().map(OsStr::as_bytes).unwrap_or_default();
    let end = name
        .iter()
        .rposition(|byte| !(byte.is_ascii_digit() || matches!(byte, b'.' | b'-')))
        .map_or(0, |end| end + 1);
    let base = name.get(..end).unwrap_or_default();
    if matches!(base, b"tar" | b"gtar" | b"bsdtar") {
        // Files that root unpacks get the owner in the archive.
        return if circumstances.is_superuser() { LooksUp::Named } else { LooksUp::Owners };
    }
    if matches!(base, b"id" | b"groups") {
        // Any other argument is a user name.
        return if has_options_alone(image.words) { LooksUp::Own } else { LooksUp::Anybody };
    }
    let is_one_of = |names: &str| names.split(' ').any(|known| known.as_bytes() == base);
    if base == b"find" && image.words.iter().any(|word| named(word, FIND_OTHERS)) {
        LooksUp::Named
    } else if LOOK_UP_OWNERS.iter().any(|names| is_one_of(names)) {
        LooksUp::Owners
    } else if LOOK_UP_OWN.iter().any(|names| is_one_of(names)) {
        LooksUp::Own
    } else {
        LooksUp::Anybody
    }
}

/// Whether `path` is such a table.
pub(super) fn is_table(path: &Path) -> bool {
    path == Path::new(CACHE) || TABLES.iter().any(|table| path == Path::new(table))
}

/// Whether text contains the home of another user: `~name`, or `~` before a computed name.
fn names_home(text: &[u8]) -> bool {
    memchr::memchr_iter(b'~', text).any(|at| {
        let before = at.checked_sub(1).and_then(|before| text.get(before));
        let begins = before.is_none_or(|byte| !byte.is_ascii_alphanumeric() && !b"/~_.".contains(byte));
        let rest = text.get(at + 1..).unwrap_or_default();
        let names = match rest {
            [first, ..] if first.is_ascii_alphabetic() || b"_${%".contains(first) => true,
            // A composed text.
            [b'"' | b'\'', rest @ ..] => rest.trim_ascii_start().starts_with(b"+"),
            _ => false,
        };
        begins && names
    })
}

/// The system tables that were read and of which only a part counts.
pub(super) fn counted_in_part(run: &Run<'_>, trace: &Trace, watcher: &Watcher<'_>) -> BTreeSet<PathBuf> {
    let is_read_to_look_up = |(path, access): &(&PathBuf, &Access)| {
        // A program that lists the directory reads all files in it.
        let directory = path.parent().and_then(|parent| trace.accesses.get(parent));
        let is_walked = directory.is_some_and(|directory| directory.listed);
        let otherwise = access.as_data || access.changed || access.executed || access.looked;
        access.read && !otherwise && !is_walked
    };
    let tables = [CACHE].into_iter().chain(TABLES);
    let tables = tables.filter_map(|table| trace.accesses.get_key_value(Path::new(table)));
    let mut counted: BTreeSet<PathBuf> =
        tables.filter(is_read_to_look_up).map(|(path, _)| path.clone()).collect();
    let is_of_accounts = |path: &PathBuf| path.as_path() != Path::new(CACHE);
    if counted.iter().any(is_of_accounts) && call_looks_up(run, trace, watcher) {
        counted.retain(|path| !is_of_accounts(path));
    }
    counted
}

/// Whether the arguments of a call, its sources, or text of the project that it read or created may look up users or groups by
/// name, or all of them.
fn call_looks_up(run: &Run<'_>, trace: &Trace, watcher: &Watcher<'_>) -> bool {
    let says = |text: &[u8]| {
        LOOK_UP.iter().any(|part| memmem::find(text, part.as_bytes()).is_some()) || names_home(text)
    };
    let read = trace.accesses.iter().filter(|(_, access)| access.read).map(|(path, _)| path);
    says_of_call(run, &watcher.made, &says)
        || read.filter(|path| is_of_project(path, &run.places.root)).any(|path| match fs::metadata(path) {
            Ok(found) if !found.is_file() || found.len() > LARGEST_CODE => false,
            // A file that cannot be read may say anything.
            _ => fs::read(path).map_or(true, |bytes| says(&bytes)),
        })
}

/// Whether an argument, a source, or Python code that the run created contains one of the words.
fn says_of_call(run: &Run<'_>, made: &Made, says: &dyn Fn(&[u8]) -> bool) -> bool {
    run.words.iter().any(|word| says(word.as_bytes()))
        || run.captured.sources.iter().any(|source| says(&source.bytes))
        || made.python.iter().any(|(_, code)| says(code))
}

/// Whether a script is `pip`, `pip3` or `pip3.11`.
fn is_pip_script(name: &OsStr) -> bool {
    let rest = name.as_bytes().strip_prefix(b"pip");
    rest.is_some_and(|rest| rest.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.'))
}

impl Observer<'_> {
    /// Whether pip lists `/etc`, or looks at a file there, to tell servers the name of the system, in a run without code of the
    /// project. What it reads counts.
    pub(super) fn introduces_itself(&self, path: &Path, access: Access) -> bool {
        let is_only_seen = !(access.read || access.opened || access.changed || access.absent);
        let is_there =
            path == Path::new(SETTINGS) || path.parent() == Some(Path::new(SETTINGS)) && is_only_seen;
        let is_pip = || match &self.run.captured.command.entry.what {
            What::Module(name) => name == "pip",
            What::Script(script) => script.file_name().is_some_and(is_pip_script),
            What::Inline { .. } | What::Program => false,
        };
        let is_distro = |path: &Path| path.iter().any(|name| name == introductions::NAMES_SYSTEM);
        is_there
            && is_pip()
            && self.trace.accesses.iter().any(|(path, access)| access.read && is_distro(path))
            && !self.reads_own_code()
    }

    /// Observes the parts that count.
    pub(super) fn tables(&mut self) -> Result<(), NotKept> {
        let are_tables_needed = !self.only_settings_are_sought();
        for path in std::mem::take(&mut self.tables) {
            if !are_tables_needed && TABLES.iter().any(|table| path == Path::new(table)) {
                continue;
            }
            let moved = || NotKept::InputMoved(path.clone());
            let now = Timestamp::now();
            let (bytes, _, evidence) = files::read_file(&path).map_err(|_| moved())?;
            let before = self.watcher.system.get(&path).ok_or_else(moved)?;
            let evidence = files::trusted(&path, evidence, now).filter(|evidence| !self.is_young(evidence));
            let stored = self.stored(&path);
            let observation = if path == Path::new(CACHE) && self.cache_is_named() {
                if bytes != *before {
                    return Err(moved());
                }
                Observation::Content { path: stored, digest: Digest::of(&bytes) }
            } else if path == Path::new(CACHE) {
                let names: Vec<Vec<u8>> = library_names(self.trace, &bytes).into_iter().collect();
                match (loader::digest(&bytes, &names), loader::digest(before, &names)) {
                    (Some(digest), Some(first)) if digest == first => {
                        Observation::Loader { path: stored, names: Names::of(&names), digest }
                    }
                    (None, None) if bytes == *before => {
                        Observation::Content { path: stored, digest: Digest::of(&bytes) }
                    }
                    _ => return Err(moved()),
                }
            } else {
                let ids = self.owners().ok_or_else(moved)?;
                let digest = accounts::digest(&bytes, &ids);
                if accounts::digest(before, &ids) != digest {
                    return Err(moved());
                }
                Observation::Accounts { path: stored, ids, digest }
            };
            self.observe(observation, evidence);
        }
        Ok(())
    }

    /// Whether code or data of the project names the loader's cache, so that a program may read it.
    fn cache_is_named(&self) -> bool {
        const NAME: &[u8] = b"ld.so";
        let files = self.contents.iter().filter(|(path, _)| is_of_project(path, &self.run.places.root));
        let files: Vec<_> = files.cloned().collect();
        says_of_call(self.run, &self.watcher.made, &|text| memmem::find(text, NAME).is_some())
            || !NameSearch::new([NAME]).search_seen_files(&files, self.run.recall).is_empty()
    }

    /// The present user and groups, and the owners of shown files; `None` if one of these files is gone.
    fn owners(&self) -> Option<Vec<u32>> {
        let mut ids: BTreeSet<u32> = BTreeSet::new();
        ids.extend([rustix::process::getuid().as_raw(), rustix::process::geteuid().as_raw()]);
        ids.extend([rustix::process::getgid().as_raw(), rustix::process::getegid().as_raw()]);
        let groups = rustix::process::getgroups().unwrap_or_default();
        ids.extend(groups.into_iter().map(rustix::process::Gid::as_raw));
        for (path, access) in &self.trace.accesses {
            if !(access.looked || access.looked_at_link || access.times_shown || access.listed) {
                continue;
            }
            let found = [fs::metadata(path), fs::symlink_metadata(path)];
            let was_there = match self.watcher.before.get(path) {
                Some(before) => before.evidence.is_some(),
                None => self.watcher.first(path).is_some(),
            };
            if was_there && found.iter().all(Result::is_err) {
                // What the run removed had an owner, too.
                let before = self.watcher.before.get(path).and_then(|before| before.owner);
                match before {
                    Some((user, group)) => ids.extend([user, group]),
                    None if self.aside.has(path) => {}
                    None => return None,
                }
            }
            for found in found.into_iter().flatten() {
                ids.extend([found.uid(), found.gid()]);
            }
        }
        Some(ids.into_iter().collect())
    }
}

/// The base names of libraries that were opened, or looked for, in a directory that the cache covers.
fn library_names(trace: &Trace, cache: &[u8]) -> BTreeSet<Vec<u8>> {
    let directories = loader::directories(cache).unwrap_or_default();
    let used = trace.accesses.iter().filter(|(_, access)| access.read || access.absent);
    let covered = used.filter(|(path, _)| path.parent().is_some_and(|parent| directories.contains(parent)));
    let names = covered.filter_map(|(path, _)| path.file_name()).map(OsStr::as_bytes);
    names.filter(|name| name.windows(3).any(|part| part == b".so")).map(<[u8]>::to_vec).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn homes_of_other_users_are_found() {
        for text in ["cd ~ann", "PATH=a:~ann/bin", "\"~{name}\"", "eval echo ~$n", "expanduser('~' + n)"] {
            assert!(names_home(text.as_bytes()), "{text}");
        }
        for text in ["cd ~/x", "ls x~a", "expanduser('~')", "a =~ b", "~", "x.txt~"] {
            assert!(!names_home(text.as_bytes()), "{text}");
        }
    }
}
