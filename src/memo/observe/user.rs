//! Whether the umask, the superuser and the user count: only if a result can show them.

use super::witness::Before;
use super::{Observer, Run};
use crate::exec::{Access, FirstChange, Shows, Trace};
use crate::hash::accounts::{self, TABLES};
use crate::hash::entry::LanguageKind;
use crate::hash::environment;
use crate::hash::occurrence::{NameSearch, is_of_project};
use crate::profiles::attributes::{WITHOUT_EXECUTING, named};
use crate::profiles::users::{
    self, ACT_FOR_ROOT, ASKS_LOOKED_UP, ASKS_ROOT, ASKS_USER, NAME_USER, NO_LOOK_UP, PERL_TESTS, PRINT_USER,
    SETTINGS_IN_HOME, TESTS_OWNER,
};
use crate::record::{Base, Evidence, Observation};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Whether something in the run looked up users or groups.
pub(super) fn looks_up(trace: &Trace) -> bool {
    let tables = TABLES.into_iter().chain([accounts::NAME_SERVICES]);
    let mut accesses = tables.filter_map(|table| trace.accesses.get(Path::new(table)));
    accesses.any(|access| access.read)
}

impl Observer<'_> {
    /// Decides whether the umask, the superuser and the user count; `is_refused` says that something may have been refused.
    pub(super) fn user(&mut self, is_refused: bool) {
        let trace = self.trace;
        let makes = trace.accesses.values().any(|access| access.changed);
        let shows_own = trace.own_shown || (makes && self.asked != Shows::Nothing);
        let any_of = |names: &[&str]| {
            trace.programs.iter().filter_map(|program| program.file_name()).any(|name| named(name, names))
        };
        let asks_mask = trace.umask_used || trace.umask_used_by_python && !self.is_masked();
        self.observed.umask_counts |= asks_mask || shows_own;
        self.observed.user_counts = is_refused
            || shows_own
            || trace.owners_set
            || any_of(ACT_FOR_ROOT)
            || self.is_forbidden_to_others()
            || self.is_for_owners()
            || self.code_has(ASKS_ROOT.iter().copied());
        self.observed.identity_counts = any_of(PRINT_USER)
            || self.has_tool_of_user()
            || self.program_looks_itself_up()
            || self.code_has(self.names_of_user());
    }

    /// The names by which the code of this run can ask which user runs it.
    fn names_of_user(&self) -> impl Iterator<Item = &'static str> {
        let looked_up: &[&str] = if self.accounts_read().next().is_some() { ASKS_LOOKED_UP } else { &[] };
        ASKS_USER.iter().chain(TESTS_OWNER).chain(looked_up).copied()
    }

    /// Whether a program looked up its own user, other than at its start as all programs of its kind do.
    fn program_looks_itself_up(&self) -> bool {
        let has_home = || self.run.captured.environment.iter().any(|(name, _)| name == "HOME");
        let mut read = self.accounts_read().peekable();
        read.peek().is_some()
            && (!has_home() || read.any(|access| access.own_user_looked_up))
            && !self.looks_up_for_jupyter_alone()
    }

    /// Whether the run looked up its user only because Jupyter asks who owns the environment that it runs in: that decides whether its
    /// directories come before the user's, and nothing is in those.
    fn looks_up_for_jupyter_alone(&self) -> bool {
        let environment = &self.run.captured.environment;
        let is_set = |(name, _): &(OsString, OsString)| name.as_bytes().starts_with(b"JUPYTER_");
        let Some(home) = environment::lookup(environment, OsStr::new("HOME")) else { return false };
        let own = users::JUPYTER.iter().map(|directory| Path::new(&home).join(directory));
        let own: Vec<PathBuf> = own.collect();
        let is_own = |path: &Path| own.iter().any(|directory| path.starts_with(directory));
        let is_found = |(path, access): (&PathBuf, &Access)| {
            is_own(path) && !access.absent && !access.changed && !self.aside.has(path)
        };
        let converts = |word: &OsString| {
            let name = Path::new(word).file_name().unwrap_or_default();
            users::CONVERT.iter().any(|known| name == *known)
        };
        let is_core = |path: &Path| path.iter().any(|name| name == "jupyter_core");
        self.trace.accesses.iter().any(|(path, access)| access.read && is_core(path))
            && self.run.words.iter().any(converts)
            && !self.own_code_names("jupyter_core")
            && !environment.iter().any(is_set)
            && !self.trace.accesses.iter().any(is_found)
    }

    /// Whether `path` is that of settings in the home directory that the table of users contains for this one, which a program
    /// looked for and which are not there. Another user has them elsewhere.
    pub(super) fn is_missing_in_home(&self, path: &Path, access: Access) -> bool {
        let runs = |program: &str| {
            self.trace.programs.iter().any(|known| known.file_name().is_some_and(|name| name == program))
        };
        let is_sought =
            |(program, name): &(&str, &str)| path.ends_with(name) && runs(program) && !self.names(name);
        access.absent
            && !access.changed
            && SETTINGS_IN_HOME.iter().any(is_sought)
            && self.stored(path).base() != Base::Root
            && accounts::own_home().is_some_and(|home| path.parent() == Some(home.as_path()))
    }

    /// Whether nothing but such settings was sought by the tables of users: they count as missing, for any user.
    pub(super) fn only_settings_are_sought(&self) -> bool {
        let mut names = self.trace.programs.iter().filter_map(|program| program.file_name());
        let is_missing = |observation: &Observation| matches!(observation, Observation::NotInHome { .. });
        self.observed.observations.iter().any(|(observation, _)| is_missing(observation))
            && names.all(|name| {
                named(name, NO_LOOK_UP) || SETTINGS_IN_HOME.iter().any(|(known, _)| name == *known)
            })
    }

    /// Reads of the tables of users and groups.
    fn accounts_read(&self) -> impl Iterator<Item = &Access> {
        let tables = TABLES.iter().filter_map(|table| self.trace.accesses.get(Path::new(table)));
        tables.filter(|access| access.read)
    }

    /// Whether root did something that the mode of a file forbids to others, or to its owner.
    fn is_forbidden_to_others(&self) -> bool {
        if !self.run.circumstances.is_superuser() {
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

    /// Whether root set the mode or times of what was there before: others may do so only where they own it.
    fn is_for_owners(&self) -> bool {
        let was_there =
            |path| self.watcher.before.get(path).is_some_and(|before: &Before| before.evidence.is_some());
        let is_replaced =
            |change| matches!(change, FirstChange::Put | FirstChange::Created | FirstChange::Removed);
        self.run.circumstances.is_superuser()
            && self
                .trace
                .accesses
                .iter()
                .any(|(path, access)| access.altered && !is_replaced(access.first_change) && was_there(path))
    }

    /// Whether the words of the call, its sources, or files of the project have one of these names.
    fn code_has(&self, names: impl IntoIterator<Item = &'static str>) -> bool {
        let search = NameSearch::new(names.into_iter().map(str::as_bytes));
        let has = |text: &[u8]| !search.search(text, false).is_empty();
        let Run { captured, words, recall, places, .. } = *self.run;
        let files = self.contents.iter().filter(|(path, _)| is_of_project(path, &places.root));
        let files: Vec<_> = files.cloned().collect();
        // A name like `env -i` is two words.
        has(words.join(OsStr::new(" ")).as_bytes())
            || captured.sources.iter().any(|source| has(&source.bytes))
            || !search.search_seen_files(&files, recall).is_empty()
    }

    /// Whether the arguments of the call name a tool of busybox that prints which user runs it, or the call or its sources name the
    /// user as Perl and Ruby do.
    fn has_tool_of_user(&self) -> bool {
        let Run { captured, words, .. } = *self.run;
        let base = |word: &OsString| Path::new(word).file_name().map(OsStr::to_owned).unwrap_or_default();
        let is_tool = words.windows(2).any(|pair| {
            let [first, second] = pair else { return false };
            named(&base(first), WITHOUT_EXECUTING) && named(&base(second), PRINT_USER)
        });
        let has = |text: &[u8], names: &[&[u8]]| {
            names.iter().any(|name| memchr::memmem::find(text, name).is_some())
        };
        let is_perl = captured.command.entry.language == LanguageKind::Perl;
        let says = |text: &[u8]| has(text, NAME_USER) || (is_perl && has(text, PERL_TESTS));
        is_tool
            || words.iter().any(|word| says(word.as_bytes()))
            || captured.sources.iter().any(|source| says(&source.bytes))
    }
}
