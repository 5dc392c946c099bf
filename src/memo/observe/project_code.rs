//! What the code of the project says: the words of the call, its sources, and the code files that the run read.

use super::asks::{mentions, takes_whole};
use super::session::{any_text, own_text};
use super::{Observer, bytecode, programs};
use crate::exec::Shows;
use crate::hash::entry::What;
use crate::hash::environment::composed;
use crate::hash::resume;
use crate::profiles::cmake;
use crate::profiles::code_names::{
    ASKS_MODES, AWK_ASKS_TIMES, COMPARES_TIMES, COPIES_NEWER, NAMES_DIRECTORY, NAMES_HOME, NAMES_ITSELF,
    PERL_ASKS_SIZES, PERL_ASKS_TIMES, REMOVES_TREES, TAKES_LAST_NAME, TAKES_TIMES, TCL_ASKS_TIMES,
};
use memchr::memmem;
use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The project's code that was read, and what was asked of it before.
#[derive(Debug)]
pub(super) struct ProjectCode {
    files: Vec<Code>,
    removes_trees: OnceCell<bool>,
    names_home: OnceCell<bool>,
    names_order: OnceCell<bool>,
}

/// A file of the project's code.
#[derive(Debug)]
struct Code {
    path: PathBuf,
    /// `None` if it may say anything.
    text: Option<Vec<u8>>,
}

impl Observer<'_> {
    /// Whether a word of the call, or code of the project, is like that.
    pub(super) fn code_says(&self, is_so: &dyn Fn(&[u8]) -> bool) -> bool {
        any_text(self.run, is_so)
            || self.watcher.made.python.iter().any(|(_, code)| is_so(code))
            || self.code_read().any(|code| code.text.as_ref().is_none_or(|text| is_so(text)))
    }

    /// What scripts of the project that another program than the function's own runs (a shell, make, prove) ask for of files: modes,
    /// in Perl also times. The function's own code is known by [`super::asks::asked_by`].
    pub(super) fn asked_by_scripts(&self) -> Shows {
        let programs = programs::names(self.trace);
        // Interpreters that scripts name in their first line are executed, too.
        let executed = self.trace.accesses.iter().filter(|(_, access)| access.executed);
        let executed = executed.filter_map(|(path, _)| path.file_name());
        let names: BTreeSet<&[u8]> =
            programs.iter().map(std::ffi::OsString::as_os_str).chain(executed).map(OsStr::as_bytes).collect();
        let is_own = |path: &Path| self.run.captured.sources.iter().any(|source| source.absolute == path);
        let asked = self.code_read().filter(|code| !is_own(&code.path)).map(|code| {
            let text = code.text.as_deref();
            let language = composed::of_file(&code.path, text.unwrap_or_default());
            let language = language.filter(|language| language.is_run_by(&names));
            let is =
                |program: &[u8]| language.is_some_and(|known| known.is_run_by(&BTreeSet::from([program])));
            let says = |names: &[&str]| text.is_none_or(|text| mentions(text, names));
            if is(b"awk") && says(AWK_ASKS_TIMES) || is(b"tclsh") && says(TCL_ASKS_TIMES) {
                return Shows::Times;
            }
            // What a shell or awk starts is judged by its own words.
            if language.is_none() || is(b"sh") || is(b"awk") {
                return Shows::Nothing;
            }
            let Some(text) = text else { return Shows::Modes };
            if is(b"perl") && mentions(text, PERL_ASKS_TIMES) {
                return Shows::Times;
            }
            let is_in_perl = is(b"perl") && mentions(text, &["stat"]);
            let shows = is_in_perl || mentions(text, ASKS_MODES) || takes_whole(text);
            if shows { Shows::Modes } else { Shows::Nothing }
        });
        let by_cmake = if self.cmake_says(&cmake::shows_times) { Shows::Times } else { Shows::Nothing };
        asked.max().unwrap_or_default().max(by_cmake)
    }

    /// Whether the run read code of the project other than the script of the call.
    pub(super) fn reads_own_code(&self) -> bool {
        self.code_beside_script().next().is_some()
    }

    /// Whether a word of the call, or such code, contains this name.
    pub(super) fn own_code_names(&self, name: &str) -> bool {
        let has = |text: &[u8]| memmem::find(text, name.as_bytes()).is_some();
        self.run.words.iter().any(|word| has(word.as_bytes()))
            || self.code_beside_script().any(|code| code.text.as_deref().is_none_or(has))
    }

    fn code_beside_script(&self) -> impl Iterator<Item = &Code> {
        let script = match &self.run.captured.command.entry.what {
            What::Script(script) => Some(script),
            _ => None,
        };
        self.code_read().filter(move |code| Some(&code.path) != script)
    }

    fn code_read(&self) -> impl Iterator<Item = &Code> {
        self.project_code().files.iter()
    }

    fn project_code(&self) -> &ProjectCode {
        self.code.get_or_init(|| ProjectCode {
            files: self.code_that_was_read(),
            removes_trees: OnceCell::new(),
            names_home: OnceCell::new(),
            names_order: OnceCell::new(),
        })
    }

    /// The project's code that the run read, or of which it loaded the bytecode.
    fn code_that_was_read(&self) -> Vec<Code> {
        let read = self.trace.accesses.iter().filter(|(_, access)| access.read && !access.changed);
        let source = |path: &PathBuf| bytecode::source_of(path).unwrap_or_else(|| path.clone());
        let files: BTreeSet<PathBuf> = read.map(|(path, _)| source(path)).collect();
        let is_code = |path: &&PathBuf| {
            let relative = self.scope.relative(path).map(OsStr::from_bytes);
            relative.is_some_and(|relative| resume::is_code_of_project(Path::new(relative)))
        };
        let code = files.iter().filter(is_code);
        code.map(|path| Code { path: path.clone(), text: resume::text_of_code(path) }).collect()
    }

    /// Whether code of the project contains one of these names.
    pub(super) fn names(&self, name: &str) -> bool {
        self.code_says(&|text| memmem::find(text, name.as_bytes()).is_some())
    }

    /// Whether code of the project may compare times of files in the process of a tool that does not. The script of an
    /// installed tool is none.
    pub(super) fn code_compares_times(&self) -> bool {
        let takes = |text: &[u8]| mentions(text, TAKES_TIMES);
        own_text(self.run, &takes)
            || self.watcher.made.python.iter().any(|(_, code)| takes(code))
            || self.code_read().any(|code| code.text.as_deref().is_none_or(takes))
    }

    /// Whether code of the project compares times of files by name, in any language.
    pub(super) fn names_order(&self) -> bool {
        let says = || self.code_says(&|text| mentions(text, COMPARES_TIMES) || mentions(text, COPIES_NEWER));
        *self.project_code().names_order.get_or_init(says)
    }

    /// Whether code of the project removes directories with all that is in them.
    pub(super) fn removes_trees(&self) -> bool {
        let says = || self.code_says(&|text| mentions(text, REMOVES_TREES));
        *self.project_code().removes_trees.get_or_init(says)
    }

    /// Whether code of the project names HOME.
    pub(super) fn names_home(&self) -> bool {
        let says = || self.code_says(&|text| mentions(text, NAMES_HOME));
        *self.project_code().names_home.get_or_init(says)
    }

    /// Whether code of the project takes the last name of a directory that may be the root: what it makes or reads may be named
    /// after it.
    pub(super) fn takes_root_name(&self) -> bool {
        self.code_says(&takes_last_name) || self.cmake_says(&takes_last_name)
    }

    /// Whether code of the project asks where it is in an open file, and so whether that is empty.
    pub(super) fn asks_for_positions(&self) -> bool {
        self.code_says(&|text| mentions(text, &["tell", "seek"]))
    }

    /// Whether code of the project asks how large an open file is.
    pub(super) fn asks_for_sizes_of_open_files(&self) -> bool {
        let runs_perl = || programs::names(self.trace).iter().any(|name| name == "perl");
        self.names("fstat") || self.code_says(&|text| mentions(text, PERL_ASKS_SIZES)) && runs_perl()
    }

    /// Whether code of the project asks for sizes of files.
    pub(super) fn names_sizes(&self) -> bool {
        ["getsize", "st_size", "stat", "du ", "-s ", ".size", "ls -"].iter().any(|name| self.names(name))
    }
}

fn takes_last_name(text: &[u8]) -> bool {
    let of_parent = mentions(text, &[".parent.name", ".parent.stem", "].name"])
        || mentions(text, &[".parent"]) && mentions(text, &[".name"])
        || mentions(text, &["basename"]) && mentions(text, &["dirname"]);
    (of_parent && mentions(text, NAMES_ITSELF))
        || (mentions(text, NAMES_DIRECTORY)
            && text
                .split(|byte| *byte == b'\n')
                .any(|line| mentions(line, NAMES_DIRECTORY) && mentions(line, TAKES_LAST_NAME)))
}

#[cfg(test)]
mod tests {
    use super::takes_last_name;

    #[test]
    fn code_that_takes_the_name_of_its_directory_is_told_from_other_code() {
        for code in [
            "n = os.path.basename(os.getcwd())",
            "p = Path(__file__).resolve().parent\nout = f'{p.name}.txt'",
            "P := $(notdir $(CURDIR))",
            "name=${PWD##*/}",
            "echo $(basename \"$(pwd)\")",
            "const n = path.basename(__dirname)",
            "get_filename_component(N ${CMAKE_SOURCE_DIR} NAME)",
            "n=$(basename $(dirname $0))",
        ] {
            assert!(takes_last_name(code.as_bytes()), "{code}");
        }
        for code in [
            "print(os.getcwd())\nprint(p.name)",
            "b=$(basename $1)",
            "data = Path(__file__).parent / 'data'",
            "const f = path.join(__dirname, 'a.js')",
            "",
        ] {
            assert!(!takes_last_name(code.as_bytes()), "{code}");
        }
    }
}
