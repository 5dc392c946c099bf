//! Whether the user, the umask, and the modes of files count: only where a result shows them.

use super::{Observer, Run};
use crate::exec::{Image, ModeGiven, Shows, Trace};
use crate::hash::occurrence::{NameSearch, is_of_project};
use crate::hash::rights;
use crate::record::{Evidence, FileState};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Programs that ask for the umask and give what they make the modes that it has without them: intermediate directories,
/// temporary files, modes that the words name.
const KEEP_UMASK: &[&str] = &["mkdir", "ginstall", "install", "sed", "gsed", "mktemp", "make", "gmake"];
/// Programs that get the modes that they set in their words.
const NAME_MODES: &[&str] = &["chmod", "gchmod", "mkdir", "install", "ginstall", "mkfifo", "mknod"];
/// Linkers, which let execute what they make as far as the umask allows.
const LINKERS: &[&str] = &["ld", "gold", "lld", "mold", "wild"];
/// Programs that give files owners and modes otherwise where root runs them.
const ACT_FOR_ROOT: &[&str] =
    &["tar", "gtar", "bsdtar", "cpio", "pax", "unzip", "7z", "7za", "7zr", "bsdcpio", "rsync"];
/// Programs that never ask for a mode that they have from another file, though not for a usual one.
const ASK_LITERALLY: &[&str] = &["go", "gofmt", "compile", "link", "asm", "esbuild", "tsgo", "hugo"];
/// Names by which code asks who runs it.
const ASKS_USER: &[&str] = &[
    "geteuid",
    "getuid",
    "getegid",
    "getgid",
    "Geteuid",
    "Getuid",
    "EUID",
    "UID",
    "is_root",
    "isRoot",
    "IsUserAnAdmin",
    "USER_ID",
    "get_effective_uid",
    "get_current_uid",
];

/// Modes for which programs ask that have none in mind.
const USUAL: [u32; 2] = [0o666, 0o777];

fn name<'i>(image: &'i Image<'_>) -> &'i OsStr {
    image.program.file_name().unwrap_or_default()
}

fn is_one(name: &OsStr, names: &[&str]) -> bool {
    names.iter().any(|known| name == OsStr::new(known))
}

/// Whether a process makes something of the umask that it asks for.
pub(super) fn uses_umask(image: &Image<'_>) -> bool {
    let name = name(image);
    if is_one(name, &["chmod", "gchmod"]) {
        // `+x` is for all whom the umask allows; `a+x` and `755` are not.
        let mode =
            image.words.iter().skip(1).map(|word| word.as_bytes()).find(|word| {
                !word.starts_with(b"-") || word.get(1).is_some_and(|byte| b"rwxXst".contains(byte))
            });
        let says_who = |clause: &[u8]| clause.first().is_some_and(|byte| b"ugoa01234567".contains(byte));
        return !mode.is_some_and(|mode| mode.split(|byte| *byte == b',').all(says_who));
    }
    !is_one(name, KEEP_UMASK) && !is_linker(image)
}

/// Whether a program gets the modes that it sets in its words.
pub(super) fn names_modes(image: &Image<'_>) -> bool {
    is_one(name(image), NAME_MODES)
}

/// Whether a program asks for the same modes whatever it finds.
pub(super) fn asks_literally(image: &Image<'_>) -> bool {
    is_one(name(image), ASK_LITERALLY)
}

/// Whether a program is a linker.
pub(super) fn is_linker(image: &Image<'_>) -> bool {
    let bytes = name(image).as_bytes();
    let last = bytes.rsplit(|byte| *byte == b'-').next().unwrap_or_default();
    let first = last.split(|byte| *byte == b'.').next().unwrap_or_default();
    is_one(OsStr::from_bytes(first), LINKERS)
}

impl Observer<'_> {
    /// Settles whether the umask counts, and whether root runs the command; `is_refused` says that something may not have been
    /// allowed.
    pub(super) fn user(&mut self, is_refused: bool) {
        let trace = self.trace;
        let makes = trace.accesses.values().any(|access| access.changed);
        let shows_own = trace.own_shown || (makes && self.asked != Shows::Nothing);
        let acts = trace.programs.iter().filter_map(|program| program.file_name());
        let acts = acts.into_iter().any(|name| is_one(name, ACT_FOR_ROOT));
        self.observed.umask_counts = trace.umask_used || shows_own;
        self.observed.user_counts = is_refused
            || shows_own
            || trace.owners_set
            || acts
            || self.is_forbidden_to_others()
            || self.code_asks_user();
    }

    /// Whether root did what the mode of a file forbids to others, or even to its owner.
    fn is_forbidden_to_others(&self) -> bool {
        if !rustix::process::geteuid().is_root() {
            return false;
        }
        let lacks =
            |evidence: Option<Evidence>, bits: u32| evidence.is_some_and(|found| found.mode & bits != bits);
        self.trace.accesses.iter().any(|(path, access)| {
            if access.changed {
                let before = self.watcher.before.get(path).and_then(|before| before.evidence);
                let is_link = before.is_some_and(|before| before.mode & libc::S_IFMT == libc::S_IFLNK);
                let above = path.parent().and_then(|parent| self.watcher.first(parent));
                return (!is_link && lacks(before, 0o200)) || lacks(above, 0o300);
            }
            (access.read && lacks(self.watcher.first(path), 0o004))
                || (access.listed && lacks(self.watcher.first(path), 0o005))
        })
    }

    /// Whether code of the call or of the project asks who runs it.
    fn code_asks_user(&self) -> bool {
        let search = NameSearch::new(ASKS_USER.iter().map(|name| name.as_bytes()));
        let has = |text: &[u8]| !search.search(text, false).is_empty();
        let Run { captured, words, recall, places, .. } = *self.run;
        let files = self.contents.iter().filter(|(path, _)| is_of_project(path, &places.root));
        let files: Vec<_> = files.cloned().collect();
        words.iter().any(|word| has(word.as_bytes()))
            || captured.sources.iter().any(|source| has(&source.bytes))
            || !search.search_seen_files(&files, recall).is_empty()
    }

    /// The modes that paths inside the root were given by programs that may have taken them from another file. All paths: a
    /// directory that was removed and made again, with the number of the old one, is not an output.
    pub(super) fn modes_given(&self) -> BTreeSet<u32> {
        given(self.trace, |path| self.scope.relative(path).is_some())
    }

    /// What counts of the state of a path that was looked at: all permission bits where a result may show them, and else what
    /// they let us do.
    pub(super) fn by_rights(&self, path: &Path, follow: bool, state: FileState) -> FileState {
        let Some(mode) = state.mode() else { return state };
        let access = self.trace.accesses.get(path).copied().unwrap_or_default();
        let shown = access.times_shown
            || access.mode_shown
            || access.changed
            || self.run.captured.shows_times
            || self.asked != Shows::Nothing
            || self.run.exact_state;
        if shown || self.modes_given.contains(&mode) {
            return state;
        }
        match rights::at(path, follow) {
            Some(rights) => state.by_rights(rights),
            None => state,
        }
    }
}

fn given(trace: &Trace, is_output: impl Fn(&Path) -> bool) -> BTreeSet<u32> {
    let modes = trace.modes.iter().filter_map(|(path, given)| match given {
        ModeGiven::Asked(mode) | ModeGiven::Set { mode, is_computed: true } => Some((path, *mode)),
        ModeGiven::Fixed | ModeGiven::Set { .. } | ModeGiven::Moved => None,
    });
    let modes = modes.filter(|(path, mode)| !USUAL.contains(mode) && is_output(path));
    modes.map(|(_, mode)| mode).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsString;

    #[test]
    fn programs_that_ask_for_the_umask_are_told_apart() {
        let uses = |line: &str| {
            let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            let program = Path::new(line.split(' ').next().unwrap()).to_path_buf();
            uses_umask(&Image { program: &program, words: &words, name: OsStr::new("") })
        };
        for line in ["chmod +x f", "chmod -R +x,u+w d", "chmod -x f", "sh x", "tar xf a", "chmod"] {
            assert!(uses(line), "{line}");
        }
        for line in [
            "chmod 755 f",
            "chmod -R a+x d",
            "chmod u+x,g-w f",
            "mkdir -p a/b",
            "x86_64-linux-gnu-ld.bfd -o x",
        ] {
            assert!(!uses(line), "{line}");
        }
    }
}
