use super::*;
use std::collections::BTreeSet;

fn tables() -> Tables {
    let environment = [("GOCACHE", "/big/go/"), ("TMPDIR", "/scratch/job"), ("XDG_CACHE_HOME", "/c")];
    let environment: Vec<(OsString, OsString)> =
        environment.iter().map(|(name, value)| (name.into(), value.into())).collect();
    Tables::new(Path::new("/home/u/p"), &[Path::new("/home/u")], &environment)
}

/// The state that a program keeps; the first word is the program.
fn kept_by(line: &str) -> u64 {
    let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
    keeps(Path::new(&words[0]), &words)
}

#[test]
fn rows_have_names_of_their_own_and_fit_in_bits() {
    let names: BTreeSet<&str> = rows().map(|(_, _, row)| row.name).collect();
    assert_eq!(names.len(), rows().count());
    assert!(rows().count() < 62);
    for (_, _, row) in rows() {
        // State of any program is recognized by what the run used.
        assert!(!row.programs.is_empty() || !row.used.is_empty(), "{}", row.name);
        assert!(!row.places.is_empty(), "{}", row.name);
    }
}

#[test]
fn state_is_found_by_its_location_and_its_tool() {
    let tables = tables();
    for (line, path, expected) in [
        ("mypy x.py", "/home/u/p/.mypy_cache/3.11/a.json", Some("/home/u/p/.mypy_cache")),
        ("/usr/bin/python3 -m mypy x.py", "/home/u/p/sub/.mypy_cache", Some("/home/u/p/sub/.mypy_cache")),
        ("/usr/bin/python3 /usr/bin/mypy x.py", "/home/u/p/.mypy_cache/a", Some("/home/u/p/.mypy_cache")),
        ("find . -name .mypy_cache", "/home/u/p/.mypy_cache", None),
        ("grep mypy .", "/home/u/p/.mypy_cache", None),
        ("sh -c mypy", "/home/u/p/.mypy_cache", None),
        ("pip install x", "/c/pip/http/a", Some("/c/pip")),
        ("uv pip install x", "/c/uv/a", Some("/c/uv")),
        ("npm ci", "/home/u/.npm/_cacache/x", Some("/home/u/.npm")),
        ("go build", "/big/go/00/x", Some("/big/go")),
        ("go build", "/scratch/job/go-build1/x", None),
        ("cat x", "/big/go/00/x", None),
        ("black x.py", "/c/black/26/cache.pickle", Some("/c/black")),
        ("black -qS x.py", "/c/black/26/cache.pickle", Some("/c/black")),
        ("black -Sv x.py", "/c/black/26/cache.pickle", None),
        ("black --verbose x.py", "/c/black/26/cache.pickle", None),
        ("black --config=c x.py", "/c/black/26/cache.pickle", None),
        ("pre-commit run", "/c/pre-commit/db.db", Some("/c/pre-commit/db.db")),
        ("pre-commit run", "/c/pre-commit/repo1/bin/x", None),
        ("node x", "/scratch/job/tsx-0/a", Some("/scratch/job/tsx-0")),
        ("node x", "/scratch/job/tsx-data/a", None),
        ("python3 x.py", "/home/u/.config/matplotlib", Some("/home/u/.config/matplotlib")),
        ("python3 x.py", "/home/u/.config/matplotlib/matplotlibrc", None),
        ("java A", "/scratch/job/hsperfdata_u/12", Some("/scratch/job/hsperfdata_u")),
        ("java A", "/home/u/p/hsperfdata_u", None),
        ("pytest -q", "/home/u/p/.pytest_cache/v/cache/nodeids", Some("/home/u/p/.pytest_cache")),
        ("pytest --lf", "/home/u/p/.pytest_cache/v/cache/nodeids", None),
        ("python3 -m pytest --sw", "/home/u/p/.pytest_cache/v/cache/stepwise", None),
        ("coverage run -m pytest -q", "/home/u/p/.pytest_cache/v", Some("/home/u/p/.pytest_cache")),
        ("python3 -m coverage run -p -m pytest", "/home/u/p/.pytest_cache/v", None),
        ("coverage run --branch -m pytest --lf", "/home/u/p/.pytest_cache/v", None),
        ("cmake -B build", "/home/u/p/build/CMakeCache.txt", Some("/home/u/p/build/CMakeCache.txt")),
        ("cc1 x.c", "/home/u/p/build/CMakeFiles/a/x.o", Some("/home/u/p/build/CMakeFiles")),
        ("cat x", "/home/u/p/build/CMakeFiles/a/x.o", None),
        ("tsc -b", "/home/u/p/a/x.tsbuildinfo", Some("/home/u/p/a/x.tsbuildinfo")),
        ("go build -o bin/x .", "/home/u/p/bin/x", Some("/home/u/p/bin")),
    ] {
        let found = tables.find(Path::new(path), kept_by(line));
        assert_eq!(found.map(|found| found.base), expected.map(PathBuf::from), "{line}: {path}");
    }
}

#[test]
fn products_are_distinguished_from_private_state() {
    let tables = tables();
    let kind = |line, path| tables.find(Path::new(path), kept_by(line)).map(|found| found.kind);
    let describes = |line, path| kind(line, path).is_some_and(|kind| kind != Kind::Private);
    assert!(describes("ninja", "/home/u/p/.ninja_log"));
    assert!(describes("pytest", "/home/u/p/.pytest_cache/v"));
    assert!(!describes("ruff check", "/home/u/p/.ruff_cache/v"));
    assert_eq!(kind("gmake", "/home/u/p/b/CMakeFiles/a.dir/compiler_depend.internal"), Some(Kind::Derived));
    assert_eq!(kind("gmake", "/home/u/p/b/CMakeFiles/a.dir/x.c.o.d"), Some(Kind::Products));
    assert!(!describes("cat", "/home/u/p/.ninja_log"));
}

#[test]
fn versions_of_python_and_git_are_recognized() {
    for (line, bit, is) in [
        ("/usr/bin/python3.11 x.py", BYTECODE, true),
        ("node x.js", BYTECODE, false),
        ("cat python3", BYTECODE, false),
        ("git status", GIT_INDEX, true),
        ("git diff-files", GIT_INDEX, false),
        ("git ls-files", GIT_INDEX, true),
        ("git ls-files -s --others", GIT_INDEX, true),
        ("git ls-files --debug f", GIT_INDEX, false),
        ("git ls-files -dm", GIT_INDEX, false),
        ("python3 git", GIT_INDEX, false),
        ("cat .git/index", GIT_INDEX, false),
    ] {
        assert_eq!(kept_by(line) & bit != 0, is, "{line}");
    }
}

#[test]
fn directories_above_state_are_known() {
    let tables = tables();
    for (path, is) in
        [("/c", true), ("/home/u/.config/go", true), ("/home/u/.config/x", false), ("/big", true)]
    {
        assert_eq!(tables.is_above(Path::new(path)), is, "{path}");
    }
    assert!(tables.is_temporary(Path::new("/scratch/job")) && !tables.is_temporary(Path::new("/scratch")));
}
