//! Whether modes of files count: only if a result can show them.

use super::{Observer, differs, present};
use crate::exec::{Access, FirstChange, ModeGiven, Shows, Trace};
use crate::hash::entry::LanguageKind;
use crate::hash::rights;
use crate::profiles::attributes::named;
use crate::profiles::users::NO_LOOK_UP;
use crate::record::{Evidence, FileState, ModeRule};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::ops::Bound::{Excluded, Unbounded};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Programs that rewrite files in place, and show and copy no modes.
const FORMATTERS: &[&str] = &[
    "autopep8",
    "black",
    "clang-format",
    "gofmt",
    "goimports",
    "isort",
    "prettier",
    "ruff",
    "rustfmt",
    "shfmt",
    "sqlite3",
    "stylua",
    "taplo",
    "yapf",
];
/// Modes that programs use by default.
const USUAL: [u32; 2] = [0o666, 0o777];

impl Observer<'_> {
    /// Modes that programs gave to paths inside the root and may have copied from another file. This covers all paths: a
    /// directory that was removed and created again with the old inode is not an output.
    pub(super) fn modes_given(&self) -> ModesGiven {
        // Bytecode that is nobody's output is not restored.
        given(self.trace, |path| self.scope.relative(path).is_some() && !self.aside.has(path))
    }

    /// The part of the earlier state of a product that counts if it has to be as it was. A mode that comes from the umask counts as
    /// the usual bits.
    pub(super) fn state_before(&self, state: FileState, access: Access) -> FileState {
        let fresh =
            state.mode().filter(|mode| !self.modes_given.exact.contains(mode)).and_then(rights::usual);
        match fresh {
            Some(usual) if is_file(&state) && !self.is_shown(access) => {
                state.with_rule(ModeRule { fresh: true, ..ModeRule::default() }, usual, 0)
            }
            _ => state,
        }
    }

    /// The same for a file that the run used and wrote in place: it keeps its mode, and so does a replay. Only what the mode lets us
    /// do counts, unless the mode was set, or something else may have got it.
    pub(super) fn state_in_place(&self, path: &Path, state: FileState, access: Access) -> FileState {
        use ModeGiven::{Asked, Fresh, Kept, Literal};
        let keeps =
            matches!(self.trace.modes.get(path), None | Some(Asked(_) | Literal(_) | Fresh(_) | Kept { .. }));
        let is_given = state.mode().is_some_and(|mode| self.modes_given.contains(mode));
        let is_left = keeps && !access.altered && !access.given_up && !is_given && self.is_formatter();
        if is_left && is_file(&state) && !self.is_shown(access) {
            return rights::apply(path, false, state, ModeRule { by_rights: true, ..ModeRule::default() });
        }
        state
    }

    /// Whether the call is that of a program which rewrites files and shows no modes.
    fn is_formatter(&self) -> bool {
        let program = &self.run.captured.program;
        // One that is installed there is a tool, too.
        let is_of_project = self.scope.relative(program).is_some()
            && !program.iter().any(|part| part == "node_modules" || part == "bin");
        let is_one = |word: &OsStr| named(Path::new(word).file_name().unwrap_or_default(), FORMATTERS);
        let named_first = self.run.words.first().is_some_and(|word| is_one(word));
        // A shell and its usual companions show no modes either.
        let programs = || self.trace.programs.iter().filter_map(|program| program.file_name());
        let in_shell = || {
            self.run.captured.command.entry.language == LanguageKind::Shell
                && programs().any(is_one)
                && programs().all(|name| is_one(name) || named(name, NO_LOOK_UP))
        };
        (named_first || in_shell()) && !is_of_project && !self.trace.own_shown
    }

    /// Whether a result may show the mode of a file.
    fn is_shown(&self, access: Access) -> bool {
        access.times_shown
            || access.mode_shown
            || self.run.captured.shows_times
            || self.asked != Shows::Nothing
            || self.run.exact_state
    }

    /// The part of a state that counts: all permission bits if a result may show them, otherwise the rights of the present user.
    pub(super) fn by_rights(&self, path: &Path, follow: bool, state: FileState) -> FileState {
        let Some(mode) = state.mode() else { return state };
        let access = self.trace.accesses.get(path).copied().unwrap_or_default();
        let is_opened = self.is_only_opened(path, access);
        let shown = (access.changed && !is_opened) || self.is_shown(access);
        let mut asked = access.rights_asked;
        if is_opened {
            asked |= rights::READ_AND_WRITE;
        }
        if self.allowing.contains(path) {
            asked |= rights::CHANGE_ENTRIES;
        }
        // A directory for temporary files that may not be used is as good as another one.
        let asked = if self.watcher.tables.is_temporary(path) { 0 } else { asked };
        let mut is_exact = shown || self.modes_given.exact.contains(&mode);
        let is_given = !is_exact && self.modes_given.fresh.contains(&mode);
        // What the umask has to do with the modes of others' files is not known.
        let fresh = is_given && self.scope.relative(path).is_some();
        is_exact |= is_given && !fresh;
        let passed = !is_exact && !fresh && asked == 0 && self.is_on_the_way(path, &state, access);
        rights::apply(path, follow, state, ModeRule { by_rights: !is_exact, asked, fresh, passed })
    }

    /// Whether the run opened a file for writing, with its content, and did nothing else to it: a database that was only queried.
    /// Then it counts whether the present user may do that.
    pub(super) fn is_only_opened(&self, path: &Path, access: Access) -> bool {
        let before = self.watcher.before.get(path).and_then(|before| before.evidence);
        let is_file = |evidence: &Evidence| evidence.mode & libc::S_IFMT == libc::S_IFREG;
        access.changed
            && matches!(access.first_change, FirstChange::InPlace | FirstChange::Appended)
            && !(access.altered || access.given_up || access.changed_otherwise)
            && before.is_some_and(|before| is_file(&before))
            && present(path).is_ok_and(|now| !differs(before.as_ref(), now.as_ref()))
    }

    /// Whether a directory outside of the root was only looked at on the way to something below it, as `realpath` does. Whether it
    /// can be listed or written decides nothing then.
    fn is_on_the_way(&self, path: &Path, state: &FileState, access: Access) -> bool {
        let is_below = || {
            let mut after = self.trace.accesses.range::<Path, _>((Excluded(path), Unbounded));
            after.next().is_some_and(|(next, _)| next.starts_with(path))
        };
        // Perl derives `-r` and `-w` from the mode.
        let derives = || {
            let names = self.trace.programs.iter().filter_map(|program| program.file_name());
            names.into_iter().any(|name| name.as_bytes().starts_with(b"perl"))
        };
        matches!(state, FileState::Directory { .. })
            && !access.opened
            && !access.listed
            && self.scope.relative(path).is_none()
            && is_below()
            && !derives()
    }
}

/// Modes that outputs got, perhaps from other files.
#[derive(Debug, Default)]
pub(super) struct ModesGiven {
    /// These come from nowhere else but a program, or another file.
    exact: BTreeSet<u32>,
    /// These are what the umask leaves of usual ones.
    fresh: BTreeSet<u32>,
}

impl ModesGiven {
    /// Whether the mode of a file that has this one counts as more than what it lets us do.
    pub(super) fn contains(&self, mode: u32) -> bool {
        self.exact.contains(&mode) || self.fresh.contains(&mode)
    }
}

fn is_file(state: &FileState) -> bool {
    matches!(state, FileState::File { .. } | FileState::LargeFile { .. })
}

/// Whether a file that SQLite makes beside a database, with the mode of that, is left.
fn is_beside_database(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().as_bytes();
    [&b"-journal"[..], b"-wal", b"-shm"].iter().any(|ending| name.ends_with(ending))
        && fs::symlink_metadata(path).is_ok()
}

fn given(trace: &Trace, is_output: impl Fn(&Path) -> bool) -> ModesGiven {
    let mut modes = ModesGiven::default();
    for (path, given) in &trace.modes {
        let (set, mode) = match given {
            ModeGiven::Asked(mode)
            | ModeGiven::Set { mode, is_computed: true }
            | ModeGiven::Kept { asked: mode, is_fresh: false, is_literal: false } => {
                (&mut modes.exact, *mode)
            }
            ModeGiven::Fresh(mode) | ModeGiven::Kept { asked: mode, is_fresh: true, .. } => {
                (&mut modes.fresh, *mode)
            }
            ModeGiven::Literal(mode) if is_beside_database(path) => (&mut modes.exact, *mode),
            ModeGiven::Copied => {
                let mode = fs::symlink_metadata(path).map_or(0, |found| found.mode() & 0o7777);
                let is_usual = rights::usual(mode).is_some();
                (if is_usual { &mut modes.fresh } else { &mut modes.exact }, mode)
            }
            // It is not that of another file.
            ModeGiven::Literal(_)
            | ModeGiven::Kept { .. }
            | ModeGiven::Fixed
            | ModeGiven::Set { .. }
            | ModeGiven::Moved => continue,
        };
        // Every program asks for the usual modes. One that sets them, whatever the umask is, may have them from a file.
        let is_set = matches!(given, ModeGiven::Set { .. });
        if (is_set || !USUAL.contains(&mode)) && is_output(path) {
            set.insert(mode);
        }
    }
    modes
}
