//! Whether code tests for a file and continues with it. This distinguishes a run that resumes from one that only checks whether
//! its output exists.
//!
//! Code without a test for a file cannot resume. If it has tests, each must be known to be harmless.

mod unparsed;

use super::entry::LanguageKind;
use super::language::{JavaScript, Python, Shell, StateUse};
use memchr::memmem;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Names with which code tests whether a path exists, or its kind.
const NAMES: &[&str] = &[
    "exists",
    "isfile",
    "isdir",
    "is_file",
    "is_dir",
    "lexists",
    "getsize",
    "stat",
    "lstat",
    "access",
    "st_size",
    "existsSync",
    "statSync",
    "lstatSync",
    "accessSync",
    "pathExists",
    "pathExistsSync",
    "file_exists",
    "is_readable",
    "compgen",
];
/// Other text that does.
const TEXTS: &[&str] = &[
    "[ -",
    "[ ! -",
    "[[ -",
    "[[ ! -",
    "test -",
    "test ! -",
    "$(ls",
    "`ls",
    "$(find",
    "`find",
    "exist?",
    "file?",
    "if -e",
    "unless -e",
    "while -e",
    "until -e",
    "if -d",
    "unless -d",
    "while -d",
    "until -d",
    "if -f",
    "unless -f",
    "while -f",
    "until -f",
    "(-d ",
    "(-f ",
    "(-s ",
    "(-e ",
    "if ! -e",
    "if ! -f",
    "File.exist",
    // What is there is kept under another name.
    " --backup",
    "cp -b",
    "mv -b",
    "install -b",
    "ln -b",
    "ln -sb",
    "patch -b",
    "--backup=",
    "file.exists",
];
/// Suffixes of code files.
const CODE: &[&str] = &[
    "py", "js", "mjs", "cjs", "ts", "mts", "cts", "tsx", "jsx", "sh", "bash", "pl", "pm", "t", "rb", "R",
    "r", "lua", "php", "mk", "tcl", "exp", "awk", "gawk", "jl", "exs", "groovy",
];
/// Directories of packages: what is in them is not code of the project.
const PACKAGES: &[&str] = &["node_modules", "site-packages", "dist-packages", ".venv", "venv"];
/// Larger files are not parsed, and do not count as code: programs and bundles are recognized by mode or name.
const LARGEST_PARSED: u64 = 1 << 20;

/// Whether `path`, relative to the root, is in a package installed in the project, and so not code of the project.
#[must_use]
pub fn is_of_package(path: &Path) -> bool {
    path.components().any(|part| PACKAGES.iter().any(|name| part.as_os_str() == *name))
}

/// Whether `path`, relative to the root, is a file of the project's own code.
#[must_use]
pub fn is_code_of_project(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let extension = path.extension().and_then(|extension| extension.to_str());
    let is_named = match extension {
        Some(extension) => CODE.contains(&extension),
        // A script may have no ending.
        None => true,
    };
    !is_of_package(path) && (is_named || name.ends_with("akefile"))
}

/// Names by which code learns that something exists when it creates it.
const TAKEN: &[&str] = &["FileExistsError", "! mkdir", "until mkdir"];
/// Text by which code asks for a call that fails where a file is.
const EXCLUSIVE: &[&str] = &[
    "'x'",
    "\"x\"",
    "'xb'",
    "\"xb\"",
    "'wx'",
    "\"wx\"",
    "O_EXCL",
    "conv=excl",
    "noclobber",
    "no-clobber",
    "set -C",
    "cp -n",
];

/// Whether a source, in this language or that of its name, may test for a file and continue with it.
#[must_use]
pub fn may_resume(language: Option<LanguageKind>, path: &Path, source: &[u8]) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    if unparsed::may_test(parsed(extension).or(language), extension, source) {
        return true;
    }
    let mentions = mentions(source);
    if mentions == 0 && !TAKEN.iter().any(|name| memmem::find(source, name.as_bytes()).is_some()) {
        return false;
    }
    if source.len() as u64 > LARGEST_PARSED {
        return true;
    }
    let used = state_use(language, path, source);
    used.resumes || mentions > used.harmless
}

/// The language of files with this ending, if it is parsed.
fn parsed(extension: &str) -> Option<LanguageKind> {
    match extension {
        "py" => Some(LanguageKind::Python),
        "js" | "mjs" | "cjs" | "ts" | "mts" | "cts" | "tsx" | "jsx" => Some(LanguageKind::JavaScript),
        "sh" | "bash" => Some(LanguageKind::Shell),
        _ => None,
    }
}

/// How a source uses files that it finds; unknown for a language that is not parsed.
fn state_use(language: Option<LanguageKind>, path: &Path, source: &[u8]) -> StateUse {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    match parsed(extension).or(language) {
        Some(LanguageKind::Python) => Python::newest().state_use(source),
        Some(LanguageKind::JavaScript | LanguageKind::TypeScript) => {
            JavaScript::for_extension(extension).state_use(source)
        }
        Some(LanguageKind::Shell) => Shell.state_use(source),
        // Other code is only searched for words.
        _ => StateUse::default(),
    }
}

/// Whether a source, in this language or that of its name, creates a directory that a test finds missing.
#[must_use]
pub fn makes_directories(language: Option<LanguageKind>, path: &Path, source: &[u8]) -> bool {
    let may = mentions(source) > 0 && source.len() as u64 <= LARGEST_PARSED;
    may && state_use(language, path, source).makes_directories
}

/// Like [`may_resume`], for a file of the project.
#[must_use]
pub fn file_may_resume(path: &Path) -> bool {
    text_of_code(path).is_none_or(|text| may_resume(None, path, &text))
}

/// The text of a file of the project. `None` if it may do anything: it cannot be read, or is a large program or code file. Empty for
/// another large file, which is data.
#[must_use]
pub fn text_of_code(path: &Path) -> Option<Vec<u8>> {
    let found = fs::metadata(path).ok()?;
    if found.len() <= LARGEST_PARSED {
        return fs::read(path).ok();
    }
    let is_code = found.mode() & 0o111 != 0 || path.extension().is_some();
    (!is_code).then(Vec::new)
}

/// Whether text contains a test for a file.
#[must_use]
pub fn mentions_tests(text: &[u8]) -> bool {
    mentions(text) > 0
}

/// Whether text may test for a file of this name: the path that it tests ends so, or is not written out.
#[must_use]
pub fn may_test(text: &[u8], name: &[u8]) -> bool {
    let is_taken = || TAKEN.iter().any(|taken| memmem::find(text, taken.as_bytes()).is_some());
    tests(text).any(|at| {
        let rest = text.get(at..).unwrap_or_default();
        // After `[ -f`, or after `exists(`.
        let (rest, is_call) = rest.strip_prefix(b"(").map_or((rest, false), |rest| (rest, true));
        let is_option = rest.get(1) == Some(&b' ') && rest.first().is_some_and(u8::is_ascii_alphabetic);
        let rest = if is_option { rest.get(2..).unwrap_or_default() } else { rest };
        let rest = rest.trim_ascii_start();
        // An argument of a call that is not quoted is an expression.
        let is_expression = is_call && !matches!(rest.first(), Some(b'"' | b'\''));
        let path = tested(rest).filter(|_| !is_expression);
        path.is_none_or(|path| path.rsplit(|byte| *byte == b'/').next() == Some(name))
    }) || is_taken()
}

/// Whether text goes on in another way where something that it makes is there: `mkdir lock && …`, `except FileExistsError`, or may
/// ask for a call that fails then (`open(p, "x")`).
#[must_use]
pub fn may_lock(text: &[u8]) -> bool {
    let has = |text: &[u8], part: &str| memmem::find(text, part.as_bytes()).is_some();
    let decides = |command: &str, goes_on_anyway: &dyn Fn(&[u8]) -> bool| {
        memmem::find_iter(text, command.as_bytes()).any(|at| {
            let rest = text.get(at..).unwrap_or_default();
            let line = rest.split(|byte| matches!(byte, b'\n' | b';')).next().unwrap_or_default();
            let before = text.get(..at).unwrap_or_default();
            let before = before.rsplit(|byte| matches!(byte, b'\n' | b';')).next().unwrap_or_default();
            let mut words = before.split(|byte| !byte.is_ascii_alphanumeric());
            let is_condition = words.any(|word| [&b"if"[..], b"unless", b"while", b"until"].contains(&word));
            (is_condition || has(line, "&&") || has(line, "||")) && !goes_on_anyway(line)
        })
    };
    let is_forced = |line: &[u8]| {
        let mut words = line.split(u8::is_ascii_whitespace);
        words.any(|word| word.starts_with(b"-") && !word.starts_with(b"--") && word.contains(&b'f'))
            || has(line, "--force")
    };
    TAKEN.iter().chain(EXCLUSIVE).any(|taken| has(text, taken))
        || has(text, "mkdirSync(") && has(text, "catch") && !has(text, "recursive")
        || decides("mkdir ", &|line| has(line, " -p"))
        || decides("ln ", &is_forced)
}

/// The path at the start of `text`, if it is written out.
fn tested(text: &[u8]) -> Option<&[u8]> {
    let (quote, text) = match text.first()? {
        quote @ (b'"' | b'\'') => (Some(*quote), text.get(1..)?),
        _ => (None, text),
    };
    let is_end = |byte: &u8| match quote {
        Some(quote) => *byte == quote,
        None => byte.is_ascii_whitespace() || b"];&|)".contains(byte),
    };
    let path = text.get(..text.iter().position(is_end)?)?;
    // After a quoted path, a call may go on: `exists("a" + b)`.
    let after = text.get(path.len() + 1..).unwrap_or_default().trim_ascii_start();
    let goes_on =
        quote.is_some() && !matches!(after.first(), None | Some(b')' | b']' | b';' | b'&' | b'|' | b','));
    let is_plain = !path.is_empty() && !path.iter().any(|byte| b"$`*?[{~(\\".contains(byte));
    (is_plain && !goes_on).then_some(path)
}

fn mentions(text: &[u8]) -> usize {
    tests(text).count()
}

/// Where text names a test for a file: the positions after the names.
fn tests(text: &[u8]) -> impl Iterator<Item = usize> {
    let is_part = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    let names = NAMES.iter().flat_map(move |name| {
        let found = memmem::find_iter(text, name.as_bytes());
        let whole = found.filter(move |at| {
            let before = at.checked_sub(1).and_then(|at| text.get(at));
            !is_part(before) && !is_part(text.get(at + name.len()))
        });
        whole.map(move |at| at + name.len())
    });
    let texts = TEXTS
        .iter()
        .flat_map(move |words| memmem::find_iter(text, words.as_bytes()).map(move |at| at + words.len()));
    names.chain(texts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_that_names_a_test_resumes_unless_all_are_known_to_be_harmless() {
        for (resumes, path, code) in [
            (false, "a.py", "open('out', 'w').write('1')"),
            (false, "a.py", "import os\nos.makedirs('out', exist_ok=True)\n"),
            (false, "a.py", "import os\nif not os.path.exists('out'):\n    os.makedirs('out')\n"),
            (false, "a.py", "import os\nif os.path.exists('out'):\n    os.remove('out')\nopen('out', 'w')\n"),
            (true, "a.py", "if (p := Path('ck')).exists():\n    load(p)\n"),
            (true, "a.py", "if all(os.path.exists(x) for x in fs):\n    load(fs)\n"),
            (true, "a.py", "ex = os.path.exists\nif ex('ck'):\n    load('ck')\n"),
            (true, "a.py", "there = {'a': exists('ck')}\n"),
            (true, "a.js", "fs.access('ck', error => { if (!error) load('ck') })"),
            (false, "a.js", "if (!fs.existsSync('d')) fs.mkdirSync('d')"),
            (true, "a.sh", "have() { [ -f \"$1\" ]; }; have ck && cat ck"),
            (false, "a.sh", "[ -d d ] || mkdir d"),
            (true, "a.pl", "if (-e 'ck') { load() }"),
            (true, "a.pl", "$n++ while -e \"run$n\"; mkdir \"run$n\";"),
            (true, "a.sh", "n=1; until mkdir run$n; do n=$((n+1)); done"),
            (true, "a.sh", "n=1; while ! mkdir run$n 2> /dev/null; do n=$((n+1)); done"),
            (false, "a.sh", "while read x; do mkdir -p $x; done < list"),
            (true, "a.sh", "cp --backup=numbered a b"),
            (
                true,
                "a.py",
                "while True:\n    try:\n        os.mkdir(d)\n        break\n    except FileExistsError:\n        n += 1\n",
            ),
            (
                true,
                "a.py",
                "for n in count():\n    try:\n        f = open(f'o{n}', 'x')\n    except FileExistsError:\n        continue\n    break\n",
            ),
            (
                false,
                "a.py",
                "for d in ds:\n    try:\n        os.mkdir(d)\n    except FileExistsError:\n        pass\n",
            ),
            (true, "a.pl", "open(F, '>o') if !-f 'o';"),
            (false, "a.pl", "print $x-$e, -1; open(F, '>o');"),
            (true, "a.tcl", "if {![file exists o]} {file copy in o}"),
            (false, "a.tcl", "puts \"a file\""),
            (true, "a.awk", "BEGIN { if (system(\"test in -nt o\")) exit }"),
            (false, "Makefile", "all:\n\tcc -c a.c\n"),
        ] {
            assert_eq!(may_resume(None, Path::new(path), code.as_bytes()), resumes, "{code}");
        }
        for (may, code) in [
            (true, "[ -f log ] || echo head > log"),
            (true, "if [ ! -e d/log ]; then"),
            (true, "[ -f \"$log\" ] || echo head > log"),
            (true, "test -s log || : > log"),
            (true, "if not os.path.exists('log'):"),
            (true, "if not exists('lo' + 'g'):"),
            (true, "if not exists(path):"),
            (true, "try:\n    open(p, 'x')\nexcept FileExistsError:\n    pass"),
            (true, "print F 5 if ! -e q(log) and open F, q(>log)"),
            (false, "[ -d build ] || mkdir build; echo row >> log"),
            (false, "if not os.path.exists(\"out\"):\n    os.makedirs(\"out\")"),
            (false, "echo row >> log"),
        ] {
            assert_eq!(may_test(code.as_bytes(), b"log"), may, "{code}");
        }
        for (may, code) in [
            (true, "mkdir lock 2> /dev/null && echo head > x"),
            (true, "if mkdir lock; then echo head > x; fi"),
            (true, "try:\n    os.mkdir('lock')\nexcept FileExistsError:\n    pass"),
            (true, "try { fs.mkdirSync('lock') } catch { }"),
            (true, "ln -s x lock && echo head > x"),
            (true, "open(p, 'x').write('0')"),
            (false, "ln -sf x lock && echo done"),
            (false, "tar xf t.tar; echo row >> log"),
            (false, "os.makedirs('out', exist_ok=True)"),
            (false, "fs.mkdirSync('out', { recursive: true })"),
            (false, "mkdir -p out && cd out"),
            (false, "mkdir out; cd out && ls"),
        ] {
            assert_eq!(may_lock(code.as_bytes()), may, "{code}");
        }
        let large = "# a comment\n".repeat(100_000);
        assert!(may_resume(None, Path::new("a.py"), format!("{large}exists('ck')\n").as_bytes()));
        assert!(!may_resume(None, Path::new("a.py"), large.as_bytes()));
        assert!(is_code_of_project(Path::new("/p/run")) && !is_code_of_project(Path::new("/p/data.csv")));
        assert!(!is_code_of_project(Path::new("/p/node_modules/a/b.js")));
    }
}
