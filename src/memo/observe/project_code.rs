//! What the code of the project says: the words of the call, its sources, and the code files that the run read.

use super::Observer;
use super::bytecode;
use super::session::any_text;
use crate::hash::resume;
use memchr::memmem;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

impl Observer<'_> {
    /// Whether a word of the call, or code of the project, is like that.
    pub(super) fn code_says(&self, is_so: &dyn Fn(&[u8]) -> bool) -> bool {
        any_text(self.run, is_so)
            || self.watcher.made.python.iter().any(|(_, code)| is_so(code))
            || self.code.get_or_init(|| self.code_that_was_read()).iter().any(|text| match text {
                Some(text) => is_so(text),
                None => true,
            })
    }

    /// The texts of the project's code that the run read, or of which it loaded the bytecode; `None` for a file that may say
    /// anything.
    fn code_that_was_read(&self) -> Vec<Option<Vec<u8>>> {
        let read = self.trace.accesses.iter().filter(|(_, access)| access.read && !access.changed);
        let source = |path: &PathBuf| bytecode::source_of(path).unwrap_or_else(|| path.clone());
        let files: BTreeSet<PathBuf> = read.map(|(path, _)| source(path)).collect();
        let is_code = |path: &&PathBuf| {
            let relative = self.scope.relative(path).map(OsStr::from_bytes);
            relative.is_some_and(|relative| resume::is_code_of_project(Path::new(relative)))
        };
        files.iter().filter(is_code).map(|path| resume::text_of_code(path)).collect()
    }

    /// Whether code of the project contains one of these names.
    pub(super) fn names(&self, name: &str) -> bool {
        self.code_says(&|text| memmem::find(text, name.as_bytes()).is_some())
    }

    /// Whether code of the project asks for sizes of files.
    pub(super) fn names_sizes(&self) -> bool {
        ["getsize", "st_size", "stat", "du ", "-s ", ".size", "ls -"].iter().any(|name| self.names(name))
    }
}
