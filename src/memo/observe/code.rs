//! Whether the code of a run asks what standard input is.
//!
//! Interpreters ask this at each start. Of the code that they run, only files of the project are searched: packages ask for their
//! own purposes, mostly about standard output.

use super::Run;
use crate::memo::stdin::Asks;
use crate::record::Evidence;
use memchr::memmem;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Words with which code asks, in any language.
fn words(asks: Asks) -> &'static [&'static str] {
    match asks {
        Asks::Terminal | Asks::AnyTerminal => &[
            "isatty",
            "isTTY",
            "tty?",
            "isTerminal",
            "is_terminal",
            "is_interactive",
            "Base.TTY",
            "interactive(",
            "setRawMode",
        ],
        Asks::Kind => &[
            "fstat",
            "seekable",
            "stdin.seek",
            "stdin.tell",
            "stdin.stat",
            "STDIN.stat",
            "buffer.tell",
            "buffer.seek",
            "lseek",
            "stat(0",
            "path.exists(0",
            "/dev/stdin",
            "/dev/fd/",
            "/fd/0",
            "guessHandleType",
        ],
        Asks::Name => &["ttyname", "readlink", "realpath", "resolve(", "/fd/0", "/dev/stdin"],
    }
}

/// Operators of shells and Perl that test a descriptor or handle.
const OPERATORS: &[u8] = b"tpfsScbdrwxeMAC";

/// What can precede such an operator.
const BEFORE: &[&str] = &[
    "[", "[[", "test", "!", "-a", "-o", "&&", "||", "(", "if", "unless", "while", "until", "and", "or",
    "not", "return", "=", "?", ":", ",", "print", "say", "{", ";", "elsif",
];

/// Larger files were not written by hand, and are not searched.
const LARGEST_CODE: u64 = 1 << 20;

/// Directories of packages.
const PACKAGES: &[&str] = &["node_modules", "site-packages", "dist-packages", "gems"];

/// Suffixes of files with code.
const CODE: &[&str] = &[
    "py", "pyw", "js", "mjs", "cjs", "jsx", "ts", "mts", "cts", "tsx", "sh", "bash", "ksh", "zsh", "pl",
    "pm", "t", "rb", "rake", "R", "r", "php", "lua", "jl", "mk", "json", "toml", "yml", "yaml", "cfg", "ini",
    "in", "bats",
];

/// Whether the arguments, a source of the function, or a code file that was read asks what standard input is.
pub(super) fn asks_of_stdin(run: &Run<'_>, contents: &[(PathBuf, Option<Evidence>)], asks: Asks) -> bool {
    let says = |text: &[u8]| says(text, asks);
    let root = run.places.root.as_path();
    let home = run.places.home.as_deref();
    run.words.iter().any(|word| says(word.as_bytes()))
        || run.captured.sources.iter().any(|source| says(&source.bytes))
        || contents.iter().any(|(path, _)| is_code(path, root, home) && file_says(path, &says))
}

/// Whether `path` may be code of the project, or code of the user elsewhere.
fn is_code(path: &Path, root: &Path, home: Option<&Path>) -> bool {
    let parts = || path.iter().map(OsStr::as_bytes);
    if parts().any(|part| PACKAGES.iter().any(|name| part == name.as_bytes())) {
        return false;
    }
    let is_own = match (path.strip_prefix(root), home.map(|home| path.strip_prefix(home))) {
        (Ok(_), _) => true,
        // Interpreters and their libraries are in hidden directories there, or in `lib`.
        (_, Some(Ok(below))) => {
            !below.iter().map(OsStr::as_bytes).any(|part| part.starts_with(b".") || part.starts_with(b"lib"))
        }
        _ => {
            !["/usr", "/lib", "/bin", "/sbin", "/opt", "/etc", "/nix"].iter().any(|top| path.starts_with(top))
        }
    };
    is_own && path.extension().is_none_or(|end| CODE.iter().any(|known| end == *known))
}

fn file_says(path: &Path, says: &dyn Fn(&[u8]) -> bool) -> bool {
    match std::fs::metadata(path) {
        Ok(found) if !found.is_file() || found.len() > LARGEST_CODE => false,
        // A file that cannot be read may ask.
        _ => std::fs::read(path).map_or(true, |bytes| says(&bytes)),
    }
}

/// Whether `text` asks this about standard input.
fn says(text: &[u8], asks: Asks) -> bool {
    words(asks).iter().any(|word| memmem::find(text, word.as_bytes()).is_some())
        || memmem::find_iter(text, b"-").any(|at| is_operator(text, at, asks))
}

/// Whether an operator that tests a descriptor or handle is at `at`: `[ -t 0 ]`, `if (-p STDIN)`.
fn is_operator(text: &[u8], at: usize, asks: Asks) -> bool {
    let (before, rest) = text.split_at(at);
    let [_, letter, rest @ ..] = rest else { return false };
    let is_wanted = match asks {
        Asks::Terminal | Asks::AnyTerminal => *letter == b't',
        Asks::Kind => *letter != b't' && OPERATORS.contains(letter),
        Asks::Name => false,
    };
    if !is_wanted || rest.first().is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_') {
        return false;
    }
    let begins = |byte: &u8| byte.is_ascii_whitespace() || b"([{;\"'`".contains(byte);
    if before.last().is_some_and(|byte| !begins(byte)) {
        return false;
    }
    let operand = rest.iter().position(|byte| !b" \t\"'(*\\{".contains(byte));
    let operand = operand.and_then(|start| rest.get(start..)).unwrap_or_default();
    let begins = |names: &[&str]| names.iter().any(|name| operand.starts_with(name.as_bytes()));
    if begins(&["STDIN", "stdin"])
        || asks == Asks::AnyTerminal && begins(&["STDOUT", "stdout", "STDERR", "stderr"])
    {
        return true;
    }
    // By number, or without an argument, only this test.
    let line = before.rsplit(|byte| *byte == b'\n').next().unwrap_or_default().trim_ascii_end();
    let word = line.rsplit(u8::is_ascii_whitespace).next().unwrap_or_default();
    let is_test = word.is_empty() || BEFORE.iter().any(|known| word.ends_with(known.as_bytes()));
    let by_number = operand.first().is_none_or(|byte| byte.is_ascii_digit() || b"$)];&|?:".contains(byte));
    *letter == b't' && is_test && by_number
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(text: &str) -> [bool; 2] {
        [Asks::Terminal, Asks::Kind].map(|asks| says(text.as_bytes(), asks))
    }

    #[test]
    fn code_that_asks() {
        for text in [
            "[ -t 0 ] && echo",
            "if [[ -t 0 ]]; then",
            "test -t 0 || x",
            "test ! -t $fd",
            "[ \"$1\" = x -a -t 0 ]",
            "print \"yes\" if -t STDIN;",
            "-t *STDIN",
            "my $t = -t;",
            "(-t)",
            "[ -t \"$n\" ]",
            "sys.stdin.isatty()",
            "process.stdin.isTTY",
        ] {
            assert_eq!(asked(text), [true, false], "{text}");
        }
        for text in
            ["if (-p STDIN) {", "[ -p /dev/stdin ]", "os.fstat(0)", "-s \\*STDIN", "sys.stdin.seekable()"]
        {
            assert_eq!(asked(text), [false, true], "{text}");
        }
    }

    #[test]
    fn code_that_asks_of_any_stream() {
        for text in ["print(-t(STDOUT)?1:2)", "-t *STDERR", "[ -t 1 ]", "sys.stdout.isatty()", "-t STDIN"] {
            assert!(says(text.as_bytes(), Asks::AnyTerminal), "{text}");
        }
        assert!(!says(b"sort -t, -k2", Asks::AnyTerminal));
    }

    #[test]
    fn code_that_does_not() {
        for text in [
            "sort -t, -k2 f",
            "sort -t ' ' f",
            "docker build -t \"$tag\" .",
            "ls -t $d",
            "mkdir -p d",
            "tar -tf x",
            "parser.add_argument('-t', '--threads')",
            "test -f x && [ -s y ]",
            "x -t0",
        ] {
            assert_eq!(asked(text), [false, false], "{text}");
        }
    }
}
