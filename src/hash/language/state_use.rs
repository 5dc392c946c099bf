//! What a program's code does with existing files: distinguishes a program that resumes from one that only looks.

/// Tests of existing files in a source, and what follows them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StateUse {
    /// It tests whether a path exists and, where it does, passes that path on to something that may use what is there.
    pub resumes: bool,
    /// It tests whether a directory exists and makes it where it does not.
    pub makes_directories: bool,
    /// Number of tests that are known to be harmless.
    pub harmless: usize,
}

impl StateUse {
    /// The assumption for code that cannot be parsed.
    pub(super) const UNKNOWN: Self = Self { resumes: true, makes_directories: false, harmless: 0 };
}

/// A tested path, as written in the source, and whether the test holds where the path does not exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tested {
    pub(super) path: String,
    pub(super) negated: bool,
}

/// Calls that test whether a path exists.
pub(super) const TESTS: &[&str] = &[
    "exists",
    "isfile",
    "isdir",
    "lexists",
    "is_file",
    "is_dir",
    "existsSync",
    "stat",
    "lstat",
    "statSync",
    "lstatSync",
    "access",
    "accessSync",
    "getsize",
    "pathExists",
    "pathExistsSync",
];

/// Calls that do not use the content of a path that they receive: they remove it, make a directory, or print.
const HARMLESS: &[&str] = &[
    "remove",
    "unlink",
    "rmtree",
    "rmdir",
    "mkdir",
    "makedirs",
    "print",
    "log",
    "info",
    "debug",
    "warning",
    "warn",
    "error",
    "touch",
    "join",
    "unlinkSync",
    "rmSync",
    "rm",
    "rmdirSync",
    "mkdirSync",
    "mkdirp",
    "ensureDir",
    "ensureDirSync",
    "removeSync",
];

/// Calls that make a directory.
const MAKE: &[&str] = &["mkdir", "makedirs", "mkdirSync", "mkdirp", "ensureDir", "ensureDirSync"];

/// Whether a call with this name does not use the content of a path that it receives.
pub(super) fn is_harmless(name: &str) -> bool {
    HARMLESS.contains(&name) || TESTS.contains(&name)
}

/// Whether a call of this name makes a directory.
pub(super) fn makes_directory(name: &str) -> bool {
    MAKE.contains(&name)
}

/// An expression in a form for comparison: without white space, with uniform quotes.
pub(super) fn compared(text: &str) -> String {
    let kept = text.chars().filter(|character| !character.is_whitespace());
    kept.map(|character| if matches!(character, '\'' | '`') { '"' } else { character }).collect()
}

#[cfg(test)]
mod tests;
