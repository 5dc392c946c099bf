//! Python against the `ast` of `CPython`.

use crate::tally::Tally;
use crate::{full, script, tools};
use cashet::hash::language::{Language, Python};
use serde_json::Value;
use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The form of a source: complete, and without docstrings. `Err`: its bytes.
type Form = Result<(Vec<u8>, Vec<u8>), Vec<u8>>;

fn form(python: Python, source: &str) -> Form {
    match python.parse(source.as_bytes()).normal {
        Some(normal) => {
            let without = normal.without_docstrings.unwrap_or_else(|| normal.bytes.clone());
            Ok((normal.bytes, without))
        }
        None => Err(source.as_bytes().to_vec()),
    }
}

/// The interpreter's version; prints a message and returns `None` without Python 3.
fn version() -> Option<Python> {
    let output = Command::new("python3").arg(script("oracle.py")).args(["version", "0", "0"]).output();
    let text = match output {
        Ok(output) if output.status.success() => String::from_utf8(output.stdout).unwrap(),
        _ => {
            eprintln!("SKIPPED: no python3 to compare with");
            return None;
        }
    };
    let mut numbers = text.split_whitespace().map(|number| number.parse().unwrap());
    Some(Python::for_version(numbers.next().unwrap(), numbers.next().unwrap()))
}

/// Runs the oracle and compares every source with the first of its group.
fn compare<S: AsRef<OsStr>>(python: Python, arguments: impl IntoIterator<Item = S>) -> Tally {
    let mut command = Command::new("python3");
    command.arg(script("oracle.py")).args(arguments).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut tally = Tally::default();
    let mut original: Option<(Value, Form)> = None;
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let record: Value = serde_json::from_str(&line.unwrap()).unwrap();
        let text = |name: &str, of: &Value| of.get(name).and_then(Value::as_str).map(str::to_owned);
        let source = text("source", &record).unwrap();
        let form = form(python, &source);
        let kind = text("kind", &record).unwrap();
        if kind == "original" {
            if text("tree", &record).is_none() && form.is_ok() {
                tally.false_equal.push(format!("accepted what CPython does not: {source:.300}"));
            }
            original = Some((record, form));
            continue;
        }
        let (first, first_form) = original.as_ref().unwrap();
        let shown = || format!("{kind}:\n{:.2000}\n-----\n{source:.2000}", text("source", first).unwrap());
        let Some(tree) = text("tree", first) else { continue };
        let Ok(one) = first_form else {
            tally.exact(&kind);
            continue;
        };
        let (full, bare) = match &form {
            Ok(other) => (one.0 == other.0, one.1 == other.1),
            Err(_) => (false, false),
        };
        tally.pair(&kind, (&tree, text("tree", &record).as_deref()), full, shown);
        let bare_kind = format!("{kind}, bare");
        let trees = (text("bare", first).unwrap(), text("bare", &record));
        tally.pair(&bare_kind, (&trees.0, trees.1.as_deref()), bare, shown);
    }
    assert!(child.wait().unwrap().success(), "the oracle failed");
    tally
}

#[test]
fn mutants_of_the_standard_library() {
    let Some(python) = version() else { return };
    let (count, seeds) = if full() { ("12000", vec!["7", "1"]) } else { ("600", vec!["3"]) };
    for seed in seeds {
        let tally = compare(python, ["mutants", count, seed]);
        tally.print(&format!("Python, {count} mutants, seed {seed}"));
        tally.assert_sound();
        assert!(tally.unequal() > 300, "too few mutants that differ");
        assert!(tally.kept() * 100 >= tally.same() * 90, "kept {} of {}", tally.kept(), tally.same());
    }
}

#[test]
fn whole_files_of_the_standard_library() {
    let Some(python) = version() else { return };
    let tally = compare(python, ["files", if full() { "0" } else { "12" }, "5"]);
    tally.print("Python, whole files");
    tally.assert_sound();
    assert!(tally.kept() * 100 >= tally.same() * 90, "kept {} of {}", tally.kept(), tally.same());
}

/// `black` in a separate virtual environment; prints a message and returns `None` where it cannot be installed.
fn black() -> Option<PathBuf> {
    let directory = tools("black");
    let program = directory.join("bin/black");
    if !program.exists() {
        let made = Command::new("python3").args(["-m", "venv"]).arg(&directory).status();
        let installed = made.is_ok_and(|status| status.success())
            && Command::new(directory.join("bin/pip"))
                .args(["install", "--quiet", "--disable-pip-version-check", "black"])
                .status()
                .is_ok_and(|status| status.success());
        if !installed {
            eprintln!("SKIPPED: black cannot be installed");
            return None;
        }
    }
    Some(program)
}

/// Copies of the library's modules, flat, for `black` to change.
fn copies(directory: &Path, most: usize) -> Vec<(PathBuf, PathBuf)> {
    let query = "import sysconfig; print(sysconfig.get_path('stdlib'))";
    let output = Command::new("python3").args(["-c", query]).output().unwrap();
    let library = PathBuf::from(String::from_utf8(output.stdout).unwrap().trim());
    let mut files: Vec<PathBuf> =
        ["", "json", "email", "asyncio", "importlib", "unittest", "concurrent/futures", "http"]
            .iter()
            .flat_map(|part| fs::read_dir(library.join(part)).unwrap())
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "py"))
            .filter(|path| fs::metadata(path).unwrap().len() < 60_000)
            .collect();
    files.sort();
    let chosen = files.into_iter().take(most);
    let pairs = chosen.enumerate().map(|(place, file)| {
        let copy = directory.join(format!("{place}.py"));
        fs::copy(&file, &copy).unwrap();
        (file, copy)
    });
    pairs.collect()
}

#[test]
fn black_keeps_digests() {
    let (Some(python), Some(black)) = (version(), black()) else { return };
    let directory = tempfile::tempdir().unwrap();
    let pairs = copies(directory.path(), if full() { 1000 } else { 4 });
    let status = Command::new(black)
        .args(["--quiet", "--fast", "--workers", "1"])
        .arg(directory.path())
        .env("BLACK_CACHE_DIR", directory.path().join("cache"))
        .status()
        .unwrap();
    assert!(status.code().is_some_and(|code| code == 0 || code == 123), "{status}");
    let mut arguments = vec!["given".into(), "black".into(), "0".into()];
    arguments
        .extend(pairs.into_iter().flat_map(|(one, other)| [one.into_os_string(), other.into_os_string()]));
    let tally = compare(python, arguments);
    tally.print("Python, black");
    tally.assert_sound();
    assert!(tally.same() > 0);
    assert!(tally.kept() * 100 >= tally.same() * 95, "kept {} of {}", tally.kept(), tally.same());
}
