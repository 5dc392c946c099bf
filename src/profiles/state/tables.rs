//! The tables but that of private state. Each row names the programs that keep the state, evidence of their activity, and the locations.

use super::Place::Root;
use super::{Row, Shown};

pub(super) const PYTHON: &[&str] = &["python*", "pypy*", "ipython*"];
pub(super) const NODE: &[&str] = &["node", "nodejs", "bun", "npm", "npx", "yarn", "pnpm"];
/// Compilers and linkers that a build tool starts.
pub(super) const BUILDERS: &[&str] = &[
    "cargo",
    "cargo-clippy",
    "clippy-driver",
    "rustc",
    "rustdoc",
    "build-script-*",
    "gcc*",
    "g++*",
    "cc",
    "c++",
    "clang*",
    "cc1*",
    "as",
    "ld*",
    "collect2",
    "ar",
    "rust-lld",
    "*-linux-gnu-*",
    "cmake",
    "cmake3",
    "ctest",
    "ninja",
    "make",
    "gmake",
];

/// State that a tool makes anew from other state when that is newer. It is an output where it is written; where it is only read, it
/// does not count.
pub(super) const DERIVED: &[Row] = &[Row {
    // From the lists that compilers write beside objects (`-MD`).
    name: "what cmake's makefiles know of dependencies",
    programs: BUILDERS,
    used: &["cmake", "cmake3"],
    places: &[
        Root("CMakeFiles/*/compiler_depend.internal"),
        Root("CMakeFiles/*/compiler_depend.make"),
        Root("CMakeFiles/*/compiler_depend.ts"),
    ],
}];

/// How long earlier work took. It decides in which order the tool works, and is an output.
pub(super) const TIMINGS: &[Row] = &[Row {
    name: "how long vitest's tests took",
    programs: NODE,
    used: &["vitest"],
    places: &[Root("node_modules/.vite/vitest"), Root("node_modules/.vitest")],
}];

/// State that records which products were made from which inputs.
pub(super) const PRODUCTS: &[Row] = &[
    Row {
        name: "tsc's build info",
        programs: &["tsc", "vue-tsc"],
        used: &[],
        places: &[Root("*.tsbuildinfo")],
    },
    Row {
        name: "ninja's log",
        programs: &["ninja", "ninja-build", "samu"],
        used: &[],
        places: &[Root(".ninja_log"), Root(".ninja_deps")],
    },
    Row { name: "cargo's target directory", programs: BUILDERS, used: &["cargo"], places: &[Root("target")] },
    Row { name: "cargo's lock file", programs: &["cargo"], used: &[], places: &[Root("Cargo.lock")] },
    Row {
        name: "gradle's project cache",
        programs: &["gradle", "gradlew", "java"],
        used: &["gradle*"],
        places: &[Root(".gradle")],
    },
    Row {
        name: "cmake's cache",
        programs: BUILDERS,
        used: &["cmake", "ctest", "cmake3"],
        places: &[Root("CMakeCache.txt"), Root("CMakeFiles")],
    },
    Row { name: "eslint's cache", programs: &["eslint"], used: &[], places: &[Root(".eslintcache")] },
    Row {
        name: "sphinx's doctrees",
        programs: &["sphinx-build", "sphinx"],
        used: &[],
        places: &[Root(".doctrees"), Root("doctrees"), Root(".buildinfo"), Root("searchindex.js")],
    },
    Row {
        name: "which pages coverage has written",
        programs: &["coverage", "coverage3", "pytest", "py.test"],
        used: &["coverage"],
        places: &[Root("status.json")],
    },
    Row { name: "nyc's raw coverage", programs: NODE, used: &["nyc"], places: &[Root(".nyc_output")] },
    // They look at what is there before they write, and leave the same.
    Row {
        name: "what postcss wrote",
        programs: &["postcss"],
        used: &[],
        places: &[Root("*.css"), Root("*.css.map")],
    },
    Row { name: "what rsync copied", programs: &["rsync"], used: &[], places: &[Root("*")] },
    Row { name: "what bzip2 packed", programs: &["bzip2"], used: &[], places: &[Root("*.bz2")] },
    Row {
        name: "what cython translated",
        programs: &["cython", "cython3"],
        used: &[],
        places: &[Root("*.c"), Root("*.cpp")],
    },
    Row {
        name: "bytecode that was asked for",
        programs: &["compileall"],
        used: &[],
        places: &[Root("__pycache__")],
    },
    Row { name: "what cmake installed", programs: &["cmake --install"], used: &[], places: &[Root("*")] },
    Row { name: "what go build made", programs: &["go build -o"], used: &[], places: &[Root("*")] },
    Row { name: "joblib's folder", programs: PYTHON, used: &["joblib"], places: &[Root("joblib")] },
];

/// Results of earlier runs, which a tool reads and ignores unless it is asked for them.
pub(super) const RESULTS: &[Row] = &[
    Row {
        name: "pytest's cache",
        programs: &["pytest", "py.test"],
        used: &[],
        places: &[Root(".pytest_cache")],
    },
    Row { name: "ctest's logs", programs: &["ctest"], used: &[], places: &[Root("Testing/Temporary")] },
];

/// Directories of tool state of which a later command of the tool reads every file (`nyc report`).
pub(super) const READ_WHOLE: &[&str] = &[".nyc_output"];

/// Tools that can be asked to show what they found in their state.
pub(super) const SHOWN: &[Shown] = &[
    // It says which files it did not look at again.
    Shown {
        row: "black",
        letter: b'v',
        options: &["verbose", "config"],
        settings: &["verbose"],
        files: &["pyproject.toml", "black"],
        alone: false,
    },
    // Its plugins may read the output, and what they write in place is their input.
    Shown {
        row: "what postcss wrote",
        letter: b'r',
        options: &["replace"],
        settings: &["fs", "./", "import("],
        files: &[
            "postcss.config.js",
            "postcss.config.cjs",
            "postcss.config.mjs",
            "postcss.config.ts",
            "postcss.config.cts",
            "postcss.config.mts",
            ".postcssrc.js",
            ".postcssrc.cjs",
            ".postcssrc.mjs",
            ".postcssrc.ts",
            ".postcssrc.cts",
            ".postcssrc.mts",
        ],
        alone: true,
    },
];
