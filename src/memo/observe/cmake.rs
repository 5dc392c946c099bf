//! Builds of cmake: what cmake itself compares times of, and whether its code may compare more.

use super::Observer;
use crate::hash::interpreters;
use crate::hash::occurrence::is_of_project;
use crate::profiles::cmake;
use crate::profiles::state::is_build_tool;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

impl Observer<'_> {
    /// Whether cmake ran code that may decide by times.
    pub(super) fn cmake_asks(&self) -> bool {
        let is_cmake = |program: &PathBuf| program.file_name().is_some_and(|name| name == "cmake");
        let is_code = |path: &Path| cmake::is_code(path) && !cmake::is_own_module(path);
        // A file that is gone was made by the run, or cannot be read: it may say anything.
        let asks = |path: &Path| fs::read(path).map_or(true, |text| cmake::asks_for_times(&text));
        self.trace.programs.iter().any(is_cmake)
            && self.contents.iter().any(|(path, _)| is_code(path) && asks(path))
    }

    /// Whether cmake ran code that is like that.
    pub(super) fn cmake_says(&self, is_so: &dyn Fn(&[u8]) -> bool) -> bool {
        let is_cmake = |program: &PathBuf| program.file_name().is_some_and(|name| name == "cmake");
        let is_code = |path: &Path| cmake::is_code(path) && !cmake::is_own_module(path);
        let mut read = self.trace.accesses.iter().filter(|(_, access)| access.read && !access.changed);
        self.trace.programs.iter().any(is_cmake)
            && read.any(|(path, _)| is_code(path) && fs::read(path).map_or(true, |text| is_so(&text)))
    }

    /// Whether nothing ran but cmake, make, compilers and shells, and for a cmake that is a package the Python that starts it.
    pub(super) fn builds_alone(&self) -> bool {
        let root = self.run.places.root.as_path();
        let is_python = |name: &OsStr| name.as_bytes().starts_with(b"python");
        let is_one = |program: &PathBuf| {
            program.file_name().is_some_and(|name| {
                is_build_tool(name.as_bytes()) || interpreters::is_shell(name) || is_python(name)
            })
        };
        let mut read = self.trace.accesses.iter().filter(|(_, access)| access.read).map(|(path, _)| path);
        let is_script =
            |path: &PathBuf| is_of_project(path, root) && path.extension() == Some(OsStr::new("py"));
        self.trace.programs.iter().all(|program| is_one(program) && !program.starts_with(root))
            && self.watcher.made.python.is_empty()
            && !read.any(is_script)
    }

    /// The files whose times cmake compares before make builds.
    pub(super) fn checked_by_cmake(&self) -> BTreeSet<PathBuf> {
        let read =
            self.trace.accesses.iter().filter(|(path, access)| access.read && path.ends_with(cmake::CHECKED));
        let mut files = BTreeSet::new();
        for (path, _) in read {
            if let (Ok(text), Some(build)) = (fs::read(path), path.ancestors().nth(2)) {
                files.extend(cmake::checked(build, &text));
            }
        }
        files
    }
}
