//! Tools that list directories to find their input, and never take for input what they made themselves.
//!
//! tsc leaves out the directory of its output, sphinx its own builds, pytest its reports: called again, they do the same work,
//! although a listing now has the names of their products. What another program made they do find.

use super::state::{is_like, is_named, names};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Directories of packages.
const PACKAGES: &[&str] = &["site-packages", "dist-packages", "node_modules"];

/// Ends of the names of scripts that a package or a project contains.
const EXTENSIONS: &[&str] = &[".js", ".mjs", ".cjs", ".py"];

/// A tool.
struct Builder {
    /// Names of its programs: itself, and the processes that it starts for a part of its work.
    programs: &'static [&'static str],
    /// Names of what it takes for input after all. Code of the project that runs in its process (a test) may make such a file.
    inputs: &'static [&'static str],
    /// It never decides by which of two files is newer. At most it compares the time of a file with the one that its private cache
    /// contains, to know whether that file is another one.
    is_timeless: bool,
}

const fn row(programs: &'static [&'static str], inputs: &'static [&'static str]) -> Builder {
    Builder { programs, inputs, is_timeless: false }
}

const fn timeless(programs: &'static [&'static str], inputs: &'static [&'static str]) -> Builder {
    Builder { programs, inputs, is_timeless: true }
}

const TESTS: &[&str] = &["*.test.*", "*.spec.*", "__tests__", "package.json"];

const BUILDERS: &[Builder] = &[
    row(&["tsc"], &[]),
    row(&["sphinx-build", "sphinx"], &["*.rst", "*.md"]),
    row(&["mkdocs"], &["*.md"]),
    // The front ends of Python packaging, and the process in which they run the builder.
    row(&["pyproject-build", "pip", "pip3*", "_in_process"], &[]),
    timeless(&["jest", "processChild"], TESTS),
    timeless(&["vitest"], TESTS),
    timeless(&["mocha"], &["*.js", "*.cjs", "*.mjs", "*.ts"]),
    timeless(&["c8"], &[]),
    row(&["nyc"], &[]),
    timeless(&["pytest", "py.test", "coverage", "coverage3"], &["*.py", "*.ini", "*.toml", "*.cfg"]),
    timeless(&["prove"], &["*.t"]),
    row(&["postcss"], &[]),
    row(&["babel"], &[]),
    row(&["rollup"], &[]),
    timeless(&["vite"], &[]),
    timeless(&["webpack", "webpack-cli"], &[]),
    row(&["meson"], &[]),
    row(&["ctest"], &[]),
    row(&["jupyter-nbconvert", "nbconvert", "papermill"], &[]),
];

/// The code that execnet gives a worker of pytest to begin with.
const WORKER: &str = "import sys;exec(eval(sys.stdin.readline()))";

/// Which of these tools the process that runs `program` with these words belongs to, as a number below 64.
#[must_use]
pub fn builder(program: &Path, words: &[OsString]) -> Option<u8> {
    let names = names(program, words);
    // A script of the project may have such a name, too.
    let is_file = |name: &[u8]| EXTENSIONS.iter().any(|extension| name.ends_with(extension.as_bytes()));
    let is_tool = |name: &[u8]| !is_file(name) || words.iter().any(|word| is_of_package(word, name));
    let is_worker = words.iter().any(|word| word == WORKER);
    let is_one = |row: &Builder| {
        names.iter().any(|name| is_named(name, row.programs) && is_tool(name))
            || is_worker && row.programs.contains(&"pytest")
    };
    let row = BUILDERS.iter().position(is_one)?;
    u8::try_from(row).ok()
}

/// Whether a process of this tool never decides by which of two files is newer. Code of the project that runs in it may.
#[must_use]
pub fn is_timeless(tool: u8, words: &[OsString]) -> bool {
    // prove can run new tests first.
    let is_asked = words.iter().any(|word| word.as_bytes().starts_with(b"--state"));
    !is_asked && BUILDERS.get(usize::from(tool)).is_some_and(|row| row.is_timeless)
}

/// Names that esbuild looks for in the directories above its input, which it lists.
pub const SOUGHT_ABOVE: &[&str] = &[
    "package.json",
    "tsconfig.json",
    "jsconfig.json",
    "node_modules",
    ".pnp.data.json",
    ".pnp.cjs",
    ".pnp.js",
];

/// Whether a program lists the directories above its input only to find [`SOUGHT_ABOVE`].
#[must_use]
pub fn seeks_settings(program: &Path) -> bool {
    program.file_name().is_some_and(|name| name == "esbuild")
}

/// Whether one of the tools, a set of bits with the numbers of [`builder`], takes a file of this name for input.
#[must_use]
pub fn is_input(tools: u64, name: &[u8]) -> bool {
    let rows = BUILDERS.iter().enumerate().filter(|(number, _)| tools & 1 << number != 0);
    rows.flat_map(|(_, row)| row.inputs).any(|pattern| is_like(pattern, name))
}

/// Whether `word` is the path of a file `name` in a directory of packages.
fn is_of_package(word: &OsStr, name: &[u8]) -> bool {
    let path = Path::new(word);
    let is_package = |part: &OsStr| PACKAGES.iter().any(|package| part == OsStr::new(package));
    path.file_name().is_some_and(|last| last.as_bytes() == name) && path.iter().any(is_package)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> Option<u8> {
        let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        builder(Path::new(&words[0]), &words)
    }

    #[test]
    fn tools_are_known_by_the_script_or_module_that_runs() {
        for line in [
            "node node_modules/.bin/tsc -p .",
            "node node_modules/nyc/bin/nyc.js node x.js",
            "/usr/bin/python3.11 /opt/bin/pip3.11 wheel .",
            "/usr/bin/python3 /opt/bin/pytest -q",
            "prove -Q t",
        ] {
            assert!(of(line).is_some(), "{line}");
        }
        let worker = ["python3", "-u", "-c", WORKER].map(OsString::from);
        assert_eq!(builder(Path::new("/usr/bin/python3.11"), &worker), of("pytest"));
        let front = of("python3 -m pip wheel .");
        let process = "/v/lib/python3.11/site-packages/pyproject_hooks/_in_process/_in_process.py";
        assert_eq!(front, of(&format!("python3 {process} build_wheel /tmp/x")));
        assert_ne!(front, of("node node_modules/.bin/tsc"));
        // Options by which pytest does use what it made, and scripts of the project.
        for line in [
            "python3 -m pytest --lf",
            "python3 tsc_like.py",
            "node tools/webpack.js",
            "node x.js tsc",
            "sh tsx",
        ] {
            assert_eq!(of(line), None, "{line}");
        }
    }

    #[test]
    fn some_names_are_input_after_all() {
        let bit = |line: &str| of(line).map_or(0, |number| 1 << number);
        for (line, name, is) in [
            ("pytest", "test_made.py", true),
            ("pytest", "report.xml", false),
            ("node node_modules/.bin/jest", "a.test.js", true),
            ("node node_modules/.bin/jest", "__tests__", true),
            ("node node_modules/.bin/jest", "prettify.js", false),
            ("node node_modules/.bin/tsc", "a.js", false),
            ("make", "a.py", false),
        ] {
            assert_eq!(is_input(bit(line), name.as_bytes()), is, "{line}: {name}");
        }
    }

    #[test]
    fn each_number_fits() {
        assert!(BUILDERS.len() <= 64);
    }
}
