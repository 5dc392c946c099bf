//! What a program's own code does with files that it finds: what tells one that resumes from one that merely looks.

/// What the code of a source says of files that it looks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StateUse {
    /// It tests whether a path exists and, where it does, passes that path on to something that may use what is there.
    pub resumes: bool,
    /// It tests whether a directory exists and makes it where it does not.
    pub makes_directories: bool,
    /// How many tests are known to be harmless.
    pub harmless: usize,
}

impl StateUse {
    /// What has to be assumed of code that cannot be read.
    pub(super) const UNKNOWN: Self = Self { resumes: true, makes_directories: false, harmless: 0 };

    /// What two sources together say.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            resumes: self.resumes || other.resumes,
            makes_directories: self.makes_directories || other.makes_directories,
            harmless: self.harmless + other.harmless,
        }
    }
}

/// A path that is tested, as the source words it, and whether the test holds where nothing is there.
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

/// Calls to which a path may be passed without what is there being used: they remove, make a directory, or print.
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

/// Whether a call of this name does not use what is at a path that it is given.
pub(super) fn is_harmless(name: &str) -> bool {
    HARMLESS.contains(&name) || TESTS.contains(&name)
}

/// Whether a call of this name makes a directory.
pub(super) fn makes_directory(name: &str) -> bool {
    MAKE.contains(&name)
}

/// An expression as it is compared with another: without white space, quotes alike.
pub(super) fn compared(text: &str) -> String {
    let kept = text.chars().filter(|character| !character.is_whitespace());
    kept.map(|character| if matches!(character, '\'' | '`') { '"' } else { character }).collect()
}

#[cfg(test)]
mod tests;
