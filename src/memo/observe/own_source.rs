//! Sources that count in normal form: whether the run did more with a source than its interpreter does to run it.
//!
//! The order of the interpreter's own looks and opens is known for each language; it was measured. A source with any other
//! access, or an access by another process, is an ordinary file.

use super::bytecode::stands_for;
use crate::exec::{Access, Touch, Touched, Trace};
use crate::hash::capture::Captured;
use crate::hash::entry::{LanguageKind, What};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The first version of bash that is known to look at its script when it has opened it.
const BASH_THAT_LOOKS: (u32, u32) = (5, 2);

/// The sources of the function that were only run.
pub(super) struct OwnSources {
    all: BTreeSet<PathBuf>,
    run_alone: BTreeSet<PathBuf>,
}

impl OwnSources {
    /// Compares the accesses of each source with those of its interpreter.
    pub(super) fn new(captured: &Captured, trace: &Trace) -> Self {
        let all: BTreeSet<PathBuf> = captured.sources.iter().map(|source| source.absolute.clone()).collect();
        let interpreter = Interpreter::new(captured, trace, &all);
        let mut run_alone: BTreeSet<PathBuf> =
            all.iter().filter(|path| interpreter.runs_alone(path)).cloned().collect();
        let behind: Vec<PathBuf> = run_alone.iter().filter_map(|path| behind_link(path)).collect();
        run_alone.extend(behind.into_iter().filter(|path| interpreter.only_follows(path)));
        Self { all, run_alone }
    }

    /// Whether `path` is in the manifest in normal form.
    pub(super) fn contains(&self, path: &Path) -> bool {
        self.all.contains(path)
    }

    /// Whether `path` is in the manifest in normal form and was only run.
    pub(super) fn is_run_alone(&self, path: &Path) -> bool {
        self.run_alone.contains(path)
    }
}

/// What ran the sources.
struct Interpreter<'a> {
    captured: &'a Captured,
    trace: &'a Trace,
    /// The process that runs them, as an index into the images of the trace.
    image: usize,
    /// The accesses of Python's bytecode, by the source of the function.
    bytecode: BTreeMap<PathBuf, Access>,
}

impl<'a> Interpreter<'a> {
    fn new(captured: &'a Captured, trace: &'a Trace, sources: &BTreeSet<PathBuf>) -> Self {
        let opened =
            |touches: &Vec<Touch>| touches.iter().find(|touch| touch.how == Touched::Opened).copied();
        let main = match &captured.command.entry.what {
            What::Script(script) => trace.touches.get(script).and_then(opened),
            _ => None,
        };
        let mut bytecode: BTreeMap<PathBuf, Access> = BTreeMap::new();
        if captured.command.entry.language == LanguageKind::Python {
            for (path, access) in &trace.accesses {
                if let Some(source) = stands_for(path).filter(|source| sources.contains(source)) {
                    bytecode.entry(source).or_default().merge(*access);
                }
            }
        }
        Self { captured, trace, image: main.map_or(0, |touch| touch.image), bytecode }
    }

    /// Whether the only other access of a script behind a link was to read the link, as Python does to find its directory.
    fn only_follows(&self, path: &Path) -> bool {
        let touches = self.trace.touches.get(path).map(Vec::as_slice).unwrap_or_default();
        self.captured.command.entry.language == LanguageKind::Python
            && !self.captured.sources.iter().any(|source| source.absolute == path)
            && touches.iter().all(|touch| touch.image == self.image && touch.how == Touched::LookedAtLink)
    }

    fn runs_alone(&self, path: &Path) -> bool {
        let Some(touches) = self.trace.touches.get(path) else { return true };
        if touches.iter().any(|touch| touch.image != self.image) {
            return false;
        }
        let letter = |touch: &Touch| match touch.how {
            Touched::Looked => 'L',
            Touched::LookedAtLink => 'K',
            Touched::Opened => 'O',
        };
        let done: String = touches.iter().map(letter).collect();
        let entry = &self.captured.command.entry;
        let is_main = matches!(&entry.what, What::Script(script) if script == path);
        match entry.language {
            // Python first checks whether the script is an archive, then for its real path, unless -I or -P is given.
            LanguageKind::Python if is_main => matches!(done.as_str(), "LOLO" | "LOLKO" | "LOLKKO"),
            LanguageKind::Python => self.imports(path, &done),
            // ES modules are looked at once more.
            LanguageKind::JavaScript | LanguageKind::TypeScript => {
                done == "LKO" || (is_main && done == "LKLKO")
            }
            LanguageKind::Shell if is_main => done == "O" || (done == "OL" && self.is_bash_that_looks()),
            LanguageKind::Shell => done == "O" && !self.is_redirected_from(path),
            LanguageKind::Perl if !is_main => done == "LO",
            _ => done == "O",
        }
    }

    /// Whether these are the accesses of an import: its finder and its loader look, then the bytecode is opened, and the source
    /// if there is none. When bytecode is written, the source's mode is read. If bytecode was read and not written, it was valid,
    /// so an open of the source was by the program.
    fn imports(&self, path: &Path, done: &str) -> bool {
        let Some(bytecode) = self.bytecode.get(path) else { return false };
        match done {
            "LL" => bytecode.read,
            "LLO" => !bytecode.read,
            "LLOL" => bytecode.changed,
            _ => false,
        }
    }

    fn is_bash_that_looks(&self) -> bool {
        let Some(program) = self.trace.images.get(self.image) else { return false };
        program.file_name().is_some_and(|name| name == "bash")
            && fs::read(program).is_ok_and(|bytes| version_of_bash(&bytes) >= Some(BASH_THAT_LOOKS))
    }

    /// Whether a source may read `path` with `<`, which looks the same as running it with `.`.
    fn is_redirected_from(&self, path: &Path) -> bool {
        let name = path.file_name().unwrap_or_default().as_encoded_bytes();
        self.captured.sources.iter().any(|source| redirects_from(&source.bytes, name))
    }
}

/// The real path of a source that is a link.
pub(super) fn behind_link(source: &Path) -> Option<PathBuf> {
    let is_link = fs::symlink_metadata(source).is_ok_and(|found| found.is_symlink());
    if is_link { fs::canonicalize(source).ok() } else { None }
}

/// Whether a shell script redirects input from a file of this name, or from a computed name.
fn redirects_from(script: &[u8], name: &[u8]) -> bool {
    let mut rest = script;
    while let Some(at) = rest.iter().position(|byte| *byte == b'<') {
        rest = rest.get(at + 1..).unwrap_or_default();
        if let Some(b'<' | b'&' | b'(') = rest.first() {
            // A here-document, a descriptor, or a process.
            rest = rest.get(1..).unwrap_or_default();
            continue;
        }
        let word = rest.iter().position(|byte| !b" \t>|".contains(byte)).and_then(|start| rest.get(start..));
        let word = word.unwrap_or_default();
        let end = word.iter().position(|byte| b" \t\n;&|<>)".contains(byte)).unwrap_or(word.len());
        let word = word.get(..end).unwrap_or_default();
        let is_computed = word.iter().any(|byte| b"$`*?[{~\\\"'".contains(byte));
        let last = word.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        if is_computed || last == name {
            return true;
        }
    }
    false
}

/// The version in the program text of bash.
fn version_of_bash(program: &[u8]) -> Option<(u32, u32)> {
    const BEFORE: &[u8] = b"@(#)Bash version ";
    let at = program.windows(BEFORE.len()).position(|window| window == BEFORE)?;
    let text = program.get(at + BEFORE.len()..)?;
    let end = text.iter().position(|byte| !byte.is_ascii_digit() && *byte != b'.')?;
    let mut numbers = std::str::from_utf8(text.get(..end)?).ok()?.split('.');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirections_are_found() {
        for script in ["read x < part.sh", "while read x; do :; done<./part.sh", "cat <\"$1\"", "x=$(<$f)"] {
            assert!(redirects_from(script.as_bytes(), b"part.sh"), "{script}");
        }
        for script in
            ["cat <<END\npart.sh\nEND", "cat <&3", "cat < other; . ./part.sh", "diff <(ls) a", "a <<< b"]
        {
            assert!(!redirects_from(script.as_bytes(), b"part.sh"), "{script}");
        }
    }

    #[test]
    fn bash_tells_its_version() {
        let text = b"\0@(#)Bash version 5.2.15(1) release GNU\0";
        assert_eq!(version_of_bash(text), Some((5, 2)));
        assert_eq!(version_of_bash(b"Bash version 5"), None);
    }
}
