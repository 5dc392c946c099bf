//! Attributes of files that the run may show: times, owners and modes. If a process of the run is a program that shows them, they
//! count for the files that the process looked at. If the function's own code asks for them, they count for the whole run.

use super::asks::mentions;
use super::importer::Importer;
use super::session::says;
use super::{Observer, Run, present};
use crate::exec::{Access, Shows};
use crate::hash::entry::What;
use crate::hash::interpreters;
use crate::memo::reason::NotKept;
use crate::profiles::attributes::{is_of_system, named};
use crate::record::{Evidence, Observation};
use memchr::memmem;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Programs that look at each directory on the way to a file.
const GO_THROUGH: &[&str] = &["rsync", "java", "jar", "javac", "cmake"];
/// Those that look at the directory for temporary files at each start.
const KEEP_TEMPORARY_FILES: &[&str] = &["java", "jar", "javac", "cmake"];
/// Larger files are not searched: they may contain anything.
const LARGEST: u64 = 1 << 20;

impl Observer<'_> {
    /// Observes the times of files that were looked at or opened, if a program may show them.
    pub(super) fn exact_times(&mut self) -> Result<(), NotKept> {
        let by_function = self.run.captured.shows_times || self.asked == Shows::Times;
        if !by_function && !self.trace.accesses.values().any(|access| access.times_shown) {
            return Ok(());
        }
        let importer = Importer::new(self.run, self.trace, &self.watcher.made);
        for (path, access) in &self.trace.accesses {
            let shown = access.times_shown || self.run.captured.shows_times || self.function_asks(path);
            if !shown || access.absent || self.is_ignored(path, *access) || self.is_passed(path, *access) {
                continue;
            }
            // The importer looks at directories for imports; this does not show what the code asks for.
            if access.listed && !access.times_shown && importer.lists(path, *access) {
                continue;
            }
            if access.looked || (access.read && self.opening_counts(path, *access, &importer)) {
                self.times(path, true, *access)?;
            }
            if access.looked_at_link {
                self.times(path, false, *access)?;
            }
        }
        Ok(())
    }

    /// Whether `path` is a directory above the root, or for temporary files, that only such programs have looked at as go through each
    /// directory on the way to a file, or keep files of their own there.
    fn is_passed(&self, path: &Path, access: Access) -> bool {
        let root = self.run.places.root.as_path();
        let is_above = root.starts_with(path) && path != root;
        let names = || self.trace.programs.iter().filter_map(|program| program.file_name());
        let is_temporary = || {
            self.watcher.tables.is_temporary(path)
                && !access.listed
                && names().any(|name| named(name, KEEP_TEMPORARY_FILES))
                && !self.is_in_project(path.as_os_str().as_bytes())
        };
        (is_above || is_temporary())
            && names().any(|name| named(name, GO_THROUGH))
            && names().all(|name| named(name, GO_THROUGH) || interpreters::is_shell(name))
            && !self.run.words.iter().any(|word| Path::new(word) == path)
            && !says(self.run, "..")
    }

    /// Whether a file of the project that the run read contains `text`.
    fn is_in_project(&self, text: &[u8]) -> bool {
        let own = self.contents.iter().filter(|(path, _)| self.scope.relative(path).is_some());
        { own }.any(|(path, _)| {
            let is_small = fs::metadata(path).is_ok_and(|found| found.len() <= LARGEST);
            !is_small || fs::read(path).map_or(true, |bytes| memmem::find(&bytes, text).is_some())
        })
    }

    /// Whether the function's own code may ask for the times, the owner, the links or the size of `path`. (An interpreter looks
    /// at the directories above the root for other reasons.)
    fn function_asks(&self, path: &Path) -> bool {
        let Run { captured, places, directory, words, .. } = self.run;
        // A module outside of the function is searched in the directory of the call, which does not show what the code asks for.
        let is_module = matches!(captured.command.entry.what, What::Module(_)) && captured.sources.is_empty();
        let goes_up = || words.iter().any(|word| mentions(word.as_bytes(), &[".."]));
        let is_sought = is_module && path == *directory && !self.is_word(path) && !goes_up();
        let is_above = places.root.starts_with(path) && path != places.root.as_path();
        self.asked == Shows::Times && !(is_sought || is_above)
    }

    /// Whether the attributes of an opened file count: it was not opened to be run.
    pub(super) fn opening_counts(&self, path: &Path, access: Access, importer: &Importer) -> bool {
        let is_of_system = is_of_system(path) && !self.is_word(path);
        !access.executed && !is_of_system && !importer.loads(path)
    }

    /// Whether an argument of the command is this path.
    fn is_word(&self, path: &Path) -> bool {
        self.run.words.iter().any(|word| self.run.directory.join(word) == path)
    }

    /// The times of `path` at the first look: if the run changed them, they will differ next time.
    fn times(&mut self, path: &Path, follow: bool, access: Access) -> Result<(), NotKept> {
        let at_first = if access.changed {
            self.watcher.before.get(path).and_then(|before| before.evidence)
        } else if follow {
            self.watcher.first(path)
        } else {
            let now = present(path)?;
            let first = self.watcher.first(path);
            let is_link = |now: &Evidence| now.mode & libc::S_IFMT == libc::S_IFLNK;
            if now.as_ref().is_some_and(is_link) { now } else { first.or(now) }
        };
        if let Some(Evidence { modified: time, changed, .. }) = at_first {
            let path = self.stored(path);
            self.observe(Observation::Modified { path, follow, time, changed }, None);
        }
        Ok(())
    }

    /// Whether the mode of a file that was read, and that nothing looked at by name, counts nevertheless.
    pub(super) fn opening_shows_mode(&self, path: &Path, access: Access, importer: &Importer) -> bool {
        let shown = access.mode_shown || self.asked == Shows::Modes;
        shown && self.opening_counts(path, access, importer)
    }
}
