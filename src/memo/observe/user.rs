//! Whether the umask, the superuser and the user count: only if a result can show them.

use super::{Observer, Run};
use crate::exec::Shows;
use crate::hash::accounts::TABLES;
use crate::hash::entry::LanguageKind;
use crate::hash::occurrence::{NameSearch, is_of_project};
use crate::profiles::attributes::{TESTS_OWNER, WITHOUT_EXECUTING, named};
use crate::record::Evidence;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Programs that set owners and modes differently if the user is root.
const ACT_FOR_ROOT: &[&str] =
    &["tar", "gtar", "bsdtar", "cpio", "pax", "unzip", "7z", "7za", "7zr", "bsdcpio", "rsync"];
/// Programs that print which user runs them.
const PRINT_USER: &[&str] = &["id", "gid", "whoami", "gwhoami", "groups", "ggroups", "logname", "glogname"];
/// Names by which code asks which user runs it.
const ASKS_USER: &[&str] = &[
    "geteuid",
    "getuid",
    "getegid",
    "getgid",
    "Geteuid",
    "Getuid",
    "Getegid",
    "Getgid",
    "getgroups",
    "Getgroups",
    "getresuid",
    "getresgid",
    "getuser",
    "getlogin",
    "Getlogin",
    "getpwuid",
    "userInfo",
    "EUID",
    "EGID",
    "UID",
    "GROUPS",
    "USER_ID",
    "get_effective_uid",
    "get_current_uid",
    "current_user",
    "user.Current",
    "Sys.info",
];
/// How Perl and Ruby name the user in an expression.
const NAME_USER: &[&[u8]] = &[b"$<", b"$>", b"$EUID", b"Process.uid", b"Process.euid"];
/// Perl's tests for whether the present user owns a file.
const PERL_TESTS: &[&[u8]] = &[b"-o $", b"-o '", b"-o \"", b"-O $", b"-O '", b"-O \""];
/// How code asks for what Java, Tcl, git and shells look up of their own user at each start, and how a shell comes to look up the
/// home directory.
const ASKS_LOOKED_UP: &[&str] = &[
    "\"user.name\"",
    "\"user.home\"",
    "XshowSettings",
    "tcl_platform(user)",
    "array get tcl_platform",
    "GIT_AUTHOR_IDENT",
    "GIT_COMMITTER_IDENT",
    "$SHELL",
    "${SHELL",
    "unset HOME",
    "-u HOME",
    "unset=HOME",
    "env -i",
    "env - ",
    "ignore-environment",
];
/// Names by which code asks only whether root runs it, or does what only root can do.
const ASKS_ROOT: &[&str] = &[
    "is_root",
    "isRoot",
    "IsUserAnAdmin",
    "chown",
    "fchown",
    "lchown",
    "fchownat",
    "fchownSync",
    "chownSync",
];

impl Observer<'_> {
    /// Decides whether the umask, the superuser and the user count; `is_refused` says that something may have been refused.
    pub(super) fn user(&mut self, is_refused: bool) {
        let trace = self.trace;
        let makes = trace.accesses.values().any(|access| access.changed);
        let shows_own = trace.own_shown || (makes && self.asked != Shows::Nothing);
        let any_of = |names: &[&str]| {
            trace.programs.iter().filter_map(|program| program.file_name()).any(|name| named(name, names))
        };
        self.observed.umask_counts |= trace.umask_used || shows_own;
        self.observed.user_counts = is_refused
            || shows_own
            || trace.owners_set
            || any_of(ACT_FOR_ROOT)
            || self.is_forbidden_to_others()
            || self.code_has(ASKS_ROOT);
        self.observed.identity_counts = any_of(PRINT_USER)
            || self.has_tool_of_user()
            || self.code_has(ASKS_USER)
            || self.code_has(TESTS_OWNER)
            || self.looks_itself_up();
    }

    /// Whether a program looked up its own user, and may have used that.
    fn looks_itself_up(&self) -> bool {
        let tables = TABLES.iter().filter_map(|table| self.trace.accesses.get(Path::new(table)));
        let mut read = tables.filter(|access| access.read).peekable();
        let has_home = || self.run.captured.environment.iter().any(|(name, _)| name == "HOME");
        let line = || self.run.words.join(OsStr::new(" "));
        read.peek().is_some()
            && (read.any(|access| access.own_user_looked_up)
                || !has_home()
                || ASKS_LOOKED_UP
                    .iter()
                    .any(|name| memchr::memmem::find(line().as_bytes(), name.as_bytes()).is_some())
                || self.code_has(ASKS_LOOKED_UP))
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

    /// Whether code of the call or of the project has one of these names.
    fn code_has(&self, names: &[&str]) -> bool {
        let search = NameSearch::new(names.iter().map(|name| name.as_bytes()));
        let has = |text: &[u8]| !search.search(text, false).is_empty();
        let Run { captured, words, recall, places, .. } = *self.run;
        let files = self.contents.iter().filter(|(path, _)| is_of_project(path, &places.root));
        let files: Vec<_> = files.cloned().collect();
        words.iter().any(|word| has(word.as_bytes()))
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
