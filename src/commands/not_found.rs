//! Hints where a word names no program: it is a shell builtin or a whole command line, or `exec --` was omitted.

use crate::error::{Error, Kind};
use crate::ui::escape;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Builtins and reserved words of all shells, which usually are not programs.
const OF_ANY_SHELL: &[&str] = &[
    ".", ":", "!", "{", "alias", "bg", "break", "case", "cd", "command", "continue", "do", "eval", "exec",
    "exit", "export", "fc", "fg", "for", "getopts", "hash", "if", "jobs", "read", "readonly", "return",
    "set", "shift", "times", "trap", "type", "ulimit", "umask", "unalias", "unset", "until", "wait", "while",
];

/// Builtins of bash only.
const OF_BASH: &[&str] = &[
    "[[",
    "((",
    "bind",
    "builtin",
    "caller",
    "compgen",
    "complete",
    "compopt",
    "coproc",
    "declare",
    "dirs",
    "disown",
    "enable",
    "function",
    "help",
    "history",
    "let",
    "local",
    "logout",
    "mapfile",
    "popd",
    "pushd",
    "readarray",
    "select",
    "shopt",
    "source",
    "suspend",
    "time",
    "typeset",
];

/// Maximum number of columns for a command line in a hint.
const WIDTH: usize = 60;

fn shown(words: &[OsString]) -> String {
    let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
    // A very long line is shortened before it is quoted.
    let some: Vec<&[u8]> =
        words.iter().take(WIDTH).map(|word| word.get(..4 * WIDTH).unwrap_or(word)).collect();
    escape::cut(&escape::words(&some), WIDTH).into_owned()
}

fn in_shell(shell: &str, words: &[OsString]) -> String {
    let line = match words {
        // A single word may be a whole command line.
        [line] => line.clone(),
        words => shown(words).into(),
    };
    let call = [shell.into(), "-c".into(), line];
    format!("cashet exec -- {}", shown(&call))
}

/// Adds a suitable hint to an error of `exec`, `check` or `audit`.
pub(super) fn explained(error: Error, words: &[OsString]) -> Error {
    if error.kind() != Kind::CommandNotFound || !error.to_string().ends_with("command not found") {
        return error;
    }
    let Some((first, rest)) = words.split_first() else { return error };
    let is = |names: &[&str]| names.iter().any(|name| first == name);
    let bytes = first.as_bytes();
    if is(OF_ANY_SHELL) || is(OF_BASH) {
        let shell = if is(OF_BASH) { "bash" } else { "sh" };
        let name = first.display();
        return error
            .with_hint(format!("{name} is part of the shell, no program: {}", in_shell(shell, words)));
    }
    if let Some(variable) = assigned(bytes) {
        let call = std::iter::once("env".into()).chain(words.iter().cloned()).collect::<Vec<_>>();
        let variable = escape::brief(variable, 30);
        return error.with_hint(format!("to set {variable} for a command: cashet exec -- {}", shown(&call)));
    }
    if rest.is_empty()
        && bytes.iter().any(|byte| byte.is_ascii_whitespace() || b"|&;<>()$`\"'*?".contains(byte))
    {
        return error.with_hint(format!("a line with shell syntax needs a shell: {}", in_shell("sh", words)));
    }
    error
}

/// The variable that a word such as `NAME=value` sets.
fn assigned(word: &[u8]) -> Option<&[u8]> {
    let name = word.get(..word.iter().position(|byte| *byte == b'=')?)?;
    let (first, rest) = name.split_first()?;
    let letter = |byte: &u8| byte.is_ascii_alphabetic() || *byte == b'_';
    (letter(first) && rest.iter().all(|byte| letter(byte) || byte.is_ascii_digit())).then_some(name)
}

/// The hint for a program in place of a command: `cashet ls -l`.
pub(super) fn to_run(words: &[OsString]) -> Option<String> {
    let start = words.iter().position(|word| !word.as_bytes().starts_with(b"-"))?;
    let words = words.get(start..)?;
    is_program(words.first()?).then(|| format!("to run it: cashet exec -- {}", shown(words)))
}

fn is_program(word: &OsStr) -> bool {
    let executable =
        |path: &Path| path.is_file() && rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok();
    if word.as_bytes().contains(&b'/') {
        return executable(Path::new(word));
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| executable(&directory.join(word)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hint(words: &[&str]) -> String {
        let words: Vec<OsString> = words.iter().map(OsString::from).collect();
        let error = Error::new(Kind::CommandNotFound, format!("{}: command not found", words[0].display()));
        explained(error, &words).hint().unwrap().to_owned()
    }

    #[test]
    fn what_the_shell_has_is_named_as_such() {
        for (words, expected) in [
            (&["cd", "/tmp"][..], "cd is part of the shell, no program: cashet exec -- sh -c 'cd /tmp'"),
            (
                &["export", "A=1"],
                "export is part of the shell, no program: cashet exec -- sh -c 'export A=1'",
            ),
            (
                &["source", "env.sh"],
                "source is part of the shell, no program: cashet exec -- bash -c 'source env.sh'",
            ),
            (&["ls | wc"], "a line with shell syntax needs a shell: cashet exec -- sh -c 'ls | wc'"),
            (&["ls -l"], "a line with shell syntax needs a shell: cashet exec -- sh -c 'ls -l'"),
            (&["a;b"], "a line with shell syntax needs a shell: cashet exec -- sh -c 'a;b'"),
            (&["LR=0.1", "make", "all"], "to set LR for a command: cashet exec -- env LR=0.1 make all"),
            (&["nothing"], "a name without a slash is searched on PATH"),
            (&["a b", "c"], "a name without a slash is searched on PATH"),
        ] {
            assert_eq!(hint(words), expected, "{words:?}");
        }
    }

    #[test]
    fn long_words_are_cut() {
        let long = "x y ".repeat(50_000);
        assert!(hint(&[&long]).len() < 300);
        assert!(hint(&["cd", &long]).len() < 300);
        assert!(hint(&[&format!("A={long}"), &long]).len() < 300);
    }
}
