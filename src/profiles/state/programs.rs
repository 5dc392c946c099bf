//! The state that a program keeps, determined from its words.

use super::tables::BUILDERS;
use super::{BYTECODE, GIT_INDEX, is_like, rows};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Programs that run another program named in their words.
const INTERPRETERS: &[&str] =
    &["python*", "pypy*", "node", "nodejs", "bun", "deno", "sh", "bash", "dash", "perl*", "ruby*", "java"];
/// Programs that run a script or module in their own process after the word `run`.
const MEASURERS: &[&str] = &["coverage", "coverage3", "coverage-*"];
/// Programs that import Python modules.
const PYTHONS: &[&str] = &["python*", "pypy*", "ipython*"];
/// git commands whose output depends on the times in the index.
const SHOWS_TIMES: &[&str] = &["diff-files", "diff-index"];

/// Programs that store results of earlier runs, and use them only on request.
const RESULT_KEEPERS: &[&str] = &["pytest", "py.test", "ctest"];
/// Words that request it.
const ASK_RESULTS: &[&str] = &[
    "--lf",
    "--last-failed",
    "--ff",
    "--failed-first",
    "--nf",
    "--new-first",
    "--sw",
    "--stepwise",
    "--cache-show",
    "--cache-clear",
    "--rerun-failed",
];

/// Whether `text`, a word or a setting, makes a program use results of earlier runs.
#[must_use]
pub fn asks_earlier_results(text: &[u8]) -> bool {
    ASK_RESULTS.iter().any(|option| memchr::memmem::find(text, option.as_bytes()).is_some())
}

/// Whether a program of this name compiles, links, or starts those that do.
#[must_use]
pub fn is_build_tool(name: &[u8]) -> bool {
    is_named(name, BUILDERS)
}

/// The state that a process running `program` with these words keeps: one bit for each row, [`BYTECODE`], [`GIT_INDEX`].
#[must_use]
pub fn keeps(program: &Path, words: &[OsString]) -> u64 {
    let names = names(program, words);
    let is_one = |patterns: &[&str]| names.iter().any(|name| is_named(name, patterns));
    let mut bits = 0;
    for (number, _, row) in rows() {
        let is_shown =
            || row.shown_by().is_some_and(|shown| words.iter().any(|word| shown.is_in(word.as_bytes())));
        if (row.programs.is_empty() || is_one(row.programs)) && !is_shown() {
            bits |= 1 << number;
        }
    }
    if is_one(PYTHONS) {
        bits |= BYTECODE;
    }
    let shows_times = words.iter().any(|word| SHOWS_TIMES.iter().any(|command| word == command))
        || (words.iter().any(|word| word == "ls-files") && words.iter().any(|word| asks_times(word)));
    // Not a script with that name.
    if is_one(&["git"]) && !is_one(INTERPRETERS) && !shows_times {
        bits |= GIT_INDEX;
    }
    bits
}

/// Whether an option of `git ls-files` asks for times in the index, or for files that differ from it.
fn asks_times(word: &OsStr) -> bool {
    match word.as_bytes() {
        [b'-', b'-', long @ ..] => {
            [&b"debug"[..], b"modi", b"eol"].iter().any(|start| long.starts_with(start))
        }
        [b'-', letters @ ..] => letters.contains(&b'm'),
        _ => false,
    }
}

/// The base names of what runs: the program, the name by which it was called, and the script or module that it runs.
pub(in crate::profiles) fn names<'a>(program: &'a Path, words: &'a [OsString]) -> Vec<&'a [u8]> {
    let mut names = vec![last_name(program.as_os_str())];
    names.extend(words.first().map(|word| last_name(word)));
    if names.iter().any(|name| is_named(name, INTERPRETERS)) {
        names.extend(script(words).map(last_name));
    }
    // `coverage run -m pytest` runs pytest in its own process.
    if names.iter().any(|name| is_named(name, MEASURERS))
        && let Some(run) = words.iter().position(|word| word == "run")
    {
        names.extend(script(words.get(run..).unwrap_or_default()).map(last_name));
    }
    let has = |start: &str| words.iter().any(|word| word.as_bytes().starts_with(start.as_bytes()));
    if names.contains(&b"go".as_slice()) && has("build") && has("-o") {
        names.push(b"go build -o");
    }
    if names.iter().any(|name| is_named(name, &["cmake", "cmake3"])) && has("--install") {
        names.push(b"cmake --install");
    }
    // Then its behavior depends on the results of earlier runs.
    if words.iter().any(|word| asks_earlier_results(word.as_bytes())) {
        names.retain(|name| !is_named(name, RESULT_KEEPERS));
    }
    names
}

/// The script or module in the words of an interpreter: the first that is not an option, or the argument of `-m`.
fn script(words: &[OsString]) -> Option<&OsStr> {
    let mut words = words.iter().skip(1);
    while let Some(word) = words.next() {
        match word.as_bytes() {
            b"-m" => return words.next().map(OsString::as_os_str),
            [b'-', b'm', module @ ..] if !module.is_empty() => return Some(OsStr::from_bytes(module)),
            // Code, and options whose value is the next word.
            b"-c" | b"-e" | b"-p" => return None,
            b"-X" | b"-W" | b"-r" | b"--require" | b"--import" | b"--loader" => drop(words.next()),
            [b'-', ..] => {}
            _ => return Some(word),
        }
    }
    None
}

fn last_name(path: &OsStr) -> &[u8] {
    path.as_bytes().rsplit(|byte| *byte == b'/').next().unwrap_or_default()
}

/// Whether `name`, with or without the extension of a script, matches one of `patterns`.
pub(in crate::profiles) fn is_named(name: &[u8], patterns: &[&str]) -> bool {
    let stem =
        [&b".js"[..], b".mjs", b".cjs", b".py", b".exe"].iter().find_map(|end| name.strip_suffix(*end));
    patterns.iter().any(|pattern| is_like(pattern, name) || stem.is_some_and(|stem| is_like(pattern, stem)))
}
