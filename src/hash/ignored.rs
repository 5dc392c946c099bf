//! What a call asks not to be compared: it is passed on, and which it is is part of the key.

use super::environment::{self, Environment};
use super::globs::Patterns;
use crate::error::Result;
use crate::record::Places;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

/// What is passed on and not compared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ignored {
    /// `--ignore-write`: globs of paths that are not outputs, relative to the working directory, absolute, or below `~`.
    pub writes: Vec<OsString>,
    /// `--ignore-read`: globs of paths that decide nothing, likewise.
    pub reads: Vec<OsString>,
    /// `--ignore-env`: names of variables, and patterns (`CI_*`).
    pub variables: Vec<OsString>,
    /// `--ignore-arg`: options (`--quiet`), or options with their value in the next word (`--threads N`).
    pub arguments: Vec<OsString>,
}

impl Ignored {
    /// The paths that are not outputs.
    ///
    /// # Errors
    /// A wrong pattern is a usage error.
    pub fn written(&self, directory: &Path, places: &Places) -> Result<Patterns> {
        Patterns::inputs(&absolute(&self.writes, directory, places), directory)
    }

    /// The paths that decide nothing.
    ///
    /// # Errors
    /// A wrong pattern is a usage error.
    pub fn read(&self, directory: &Path, places: &Places) -> Result<Patterns> {
        Patterns::inputs(&absolute(&self.reads, directory, places), directory)
    }

    /// Whether the value of a variable does not count.
    #[must_use]
    pub fn variable(&self, name: &[u8]) -> bool {
        self.variables.iter().any(|pattern| environment::matches(pattern.as_bytes(), name))
    }

    /// The variables that may count. `PATH` stays: programs are found by it.
    #[must_use]
    pub fn counted(&self, environment: &Environment) -> Vec<(OsString, OsString)> {
        let counts = |name: &OsStr| name == "PATH" || !self.variable(name.as_bytes());
        environment.iter().filter(|(name, _)| counts(name)).cloned().collect()
    }

    /// Whether each of `words` counts. The command itself always does.
    #[must_use]
    pub fn words(&self, words: &[OsString]) -> Vec<bool> {
        let mut counts = vec![true; words.len()];
        for argument in &self.arguments {
            let argument = argument.as_bytes();
            let end = argument.iter().position(u8::is_ascii_whitespace).unwrap_or(argument.len());
            let (option, value) = argument.split_at(end);
            let glued = [option, b"="].concat();
            // `-j N` stands for `-j8`, too.
            let is_short =
                option.len() == 2 && option.starts_with(b"-") && option != b"--" && !value.is_empty();
            for (place, word) in words.iter().enumerate().skip(1) {
                let word = word.as_bytes();
                if word == option {
                    let next = if value.is_empty() { place } else { place + 1 };
                    counts.iter_mut().take(next + 1).skip(place).for_each(|counts| *counts = false);
                } else if word.starts_with(&glued) || (is_short && word.starts_with(option)) {
                    counts.iter_mut().skip(place).take(1).for_each(|counts| *counts = false);
                }
            }
        }
        counts
    }

    /// What is ignored, as options of `exec`. Paths are as they are stored: the same in every clone.
    pub(super) fn options(&self, directory: &Path, places: &Places) -> Vec<String> {
        let globs = |name: &'static str, globs: &[OsString]| {
            let stored = absolute(globs, directory, places)
                .into_iter()
                .map(|glob| places.store(Path::new(&glob)).shown().into_os_string());
            stored.map(|glob| written(name, &glob)).collect::<Vec<_>>()
        };
        let words = |name: &'static str, words: &[OsString]| {
            words.iter().map(|word| written(name, word)).collect::<Vec<_>>()
        };
        let mut all = globs(WRITE, &self.writes);
        all.extend(globs(READ, &self.reads));
        all.extend(words(VARIABLE, &self.variables));
        all.extend(words(ARGUMENT, &self.arguments));
        all
    }

    /// Takes in one option of a call, where paths are relative to `root`. What is not one of them is left alone.
    pub fn take(&mut self, option: &str, root: &Path) {
        let Some((name, value)) = option.split_once('=') else { return };
        let Ok(value) = unescape(value) else { return };
        match name {
            WRITE => self.writes.push(below(root, value)),
            READ => self.reads.push(below(root, value)),
            VARIABLE => self.variables.push(value),
            ARGUMENT => self.arguments.push(value),
            _ => {}
        }
    }
}

const WRITE: &str = "ignore-write";
const READ: &str = "ignore-read";
const VARIABLE: &str = "ignore-env";
const ARGUMENT: &str = "ignore-arg";

fn written(name: &str, value: &OsStr) -> String {
    format!("{name}={}", value.as_bytes().escape_ascii())
}

/// The bytes that `escape_ascii` wrote.
fn unescape(text: &str) -> std::result::Result<OsString, ()> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let (byte, after) = match (first, tail) {
            (b'\\', [b'x', high, low, after @ ..]) => {
                let digit =
                    |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
                (digit(high).ok_or(())? << 4 | digit(low).ok_or(())?, after)
            }
            (b'\\', [letter, after @ ..]) => {
                let byte = match letter {
                    b't' => b'\t',
                    b'n' => b'\n',
                    b'r' => b'\r',
                    other => *other,
                };
                (byte, after)
            }
            (byte, after) => (*byte, after),
        };
        bytes.push(byte);
        rest = after;
    }
    Ok(OsString::from_vec(bytes))
}

fn below(root: &Path, value: OsString) -> OsString {
    if value.as_bytes().starts_with(b"~") { value } else { root.join(value).into_os_string() }
}

/// Globs made absolute; `~` is HOME.
fn absolute(globs: &[OsString], directory: &Path, places: &Places) -> Vec<OsString> {
    let place = |glob: &OsString| {
        let home = places.home.as_deref();
        match (Path::new(glob).strip_prefix("~"), home) {
            (Ok(below), Some(home)) => home.join(below).into_os_string(),
            _ => directory.join(glob).into_os_string(),
        }
    };
    globs.iter().map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ignoring(arguments: &[&str], words: &str) -> String {
        let arguments = arguments.iter().map(OsString::from).collect();
        let ignored = Ignored { arguments, ..Ignored::default() };
        let words: Vec<OsString> = words.split(' ').map(OsString::from).collect();
        let counts = ignored.words(&words);
        let kept = words.iter().zip(counts).filter(|(_, counts)| *counts);
        kept.map(|(word, _)| word.to_str().unwrap()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn options_alone_and_with_values() {
        for (arguments, words, left) in [
            (&["--quiet"][..], "p --quiet in", "p in"),
            (&["--quiet"], "p --quiet=yes in --quieter", "p in --quieter"),
            (&["--threads N"], "p --threads 8 in", "p in"),
            (&["--threads N"], "p --threads=8 in", "p in"),
            (&["--threads 8"], "p in --threads", "p in"),
            (&["-j *", "--run-id *"], "p -j 4 --run-id x y", "p y"),
            (&["p"], "p p", "p"),
            (&["-j N"], "p -j8 in", "p in"),
            (&["-j"], "p -j8 -j in", "p -j8 in"),
            (&["-j N"], "p -j=8 --jobs in -k", "p --jobs in -k"),
        ] {
            assert_eq!(ignoring(arguments, words), left, "{arguments:?} {words}");
        }
    }

    #[test]
    fn what_is_ignored_is_read_again() {
        let places = Places { root: "/r".into(), home: Some("/h".into()) };
        let ignored = Ignored {
            writes: vec!["log*".into(), "~/.cache/x".into(), "/tmp/y".into()],
            reads: vec![OsString::from_vec(b"a\\\xff\nb".to_vec())],
            variables: vec!["CI_*".into()],
            arguments: vec!["--threads N".into()],
        };
        let mut again = Ignored::default();
        for option in ignored.options(Path::new("/r/d"), &places) {
            again.take(&option, Path::new("/r"));
        }
        let options_at = |ignored: &Ignored, directory: &str| ignored.options(Path::new(directory), &places);
        assert_eq!(options_at(&again, "/r"), options_at(&ignored, "/r/d"));
    }
}
