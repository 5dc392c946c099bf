//! git's index: what git keeps there to save work does not count.

use super::Observer;
use super::witness::Before;
use crate::exec::{Access, Shows};
use crate::hash::occurrence::is_of_project;
use crate::hash::{interpreters, look};
use crate::memo::reason::NotKept;
use crate::profiles::state::GIT_INDEX;
use crate::record::{Evidence, Observation};
use memchr::memmem;
use std::ffi::OsStr;
use std::fs;
use std::path::Path;

/// Whether a program is a package manager that starts scripts of the project.
fn is_manager(name: &OsStr) -> bool {
    ["npm", "npx", "pnpm", "yarn"].iter().any(|known| name == *known)
}

impl Observer<'_> {
    /// Whether code that walks directories only looked at a file, and asks for no sizes: at git's index, whose size is that of its
    /// content but for what git keeps to save work.
    pub(super) fn is_walked_past(&self, access: Access) -> bool {
        let mut names = self.trace.programs.iter().filter_map(|program| program.file_name());
        !(access.read || access.changed || access.opened || access.times_shown || access.mode_shown)
            && self.asked == Shows::Nothing
            && names.all(|name| {
                let walks = interpreters::is_one(name) && !interpreters::is_shell(name);
                walks
                    || name == "env"
                    || (self.runs_scripts() && (is_manager(name) || interpreters::is_shell(name)))
            })
            && !self.names_sizes()
    }

    /// Whether the call is that of a package manager, which starts a shell for each script, and no script tests for files.
    fn runs_scripts(&self) -> bool {
        let first = self.run.words.first().and_then(|word| Path::new(word).file_name());
        let tests = |text: Vec<u8>| {
            ["[ ", "[[ ", "test -", "test !"]
                .iter()
                .any(|test| memmem::find(&text, test.as_bytes()).is_some())
        };
        let is_list =
            |path: &Path| path.ends_with("package.json") && is_of_project(path, &self.run.places.root);
        let mut lists = self.trace.accesses.iter().filter(|(path, access)| access.read && is_list(path));
        first.is_some_and(is_manager) && lists.all(|(path, _)| fs::read(path).is_ok_and(|text| !tests(text)))
    }

    /// Observes the content part of git's index, which was only looked at; its time counts like that of any other file.
    pub(super) fn walked_past_index(&mut self, path: &Path) -> Result<(), NotKept> {
        let (state, evidence) = look::state(path, true);
        self.looked_at_file(path, &state, evidence);
        self.index(path)
    }

    /// Observes the content part of git's index, or the whole file if its format is unknown.
    pub(super) fn index(&mut self, path: &Path) -> Result<(), NotKept> {
        let Some((digest, evidence)) = look::index(path) else { return self.state(path, true) };
        let first = self.watcher.first(path);
        let same = |now: &fs::Metadata| Some(Evidence::of(now)) == first;
        if !fs::metadata(path).is_ok_and(|now| same(&now)) {
            return Err(NotKept::InputMoved(path.to_path_buf()));
        }
        self.observe(Observation::Index { path: self.stored(path), digest }, evidence);
        Ok(())
    }

    /// Whether `path` is git's index, only git touched it, and only times, sizes and inodes in it changed. If so, its content
    /// part is observed.
    pub(super) fn is_same_index(&mut self, path: &Path, access: Access, before: &Before) -> bool {
        let Some(was) = before.index.filter(|_| access.strangers & GIT_INDEX == 0) else { return false };
        let same = look::index(path).is_some_and(|(now, _)| now == was);
        if same {
            self.observe(Observation::Index { path: self.stored(path), digest: was }, None);
        }
        same
    }
}
