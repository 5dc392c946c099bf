//! The table of state that only saves a tool time.

use super::Place::{Cache, Home, HomeAlone, Root, Settings, Temporary, TemporaryAlone, Variable};
use super::Row;
use super::tables::{NODE, PYTHON};

/// Python libraries that compile kernels, with the compilers, assemblers and linkers that they start.
const PYTHON_AND_COMPILERS: &[&str] = &[
    "python*",
    "gcc*",
    "g++*",
    "cc",
    "c++",
    "clang*",
    "cc1*",
    "as",
    "ld*",
    "collect2",
    "ptxas",
    "*-linux-gnu-*",
];

/// State that never affects results: only its existence counts.
pub(super) const PRIVATE: &[Row] = &[
    Row {
        name: "mypy",
        programs: &["mypy", "dmypy", "stubtest"],
        used: &[],
        places: &[Root(".mypy_cache"), Variable("MYPY_CACHE_DIR")],
    },
    Row {
        name: "ruff",
        programs: &["ruff"],
        used: &[],
        places: &[Root(".ruff_cache"), Variable("RUFF_CACHE_DIR")],
    },
    Row {
        name: "black",
        programs: &["black"],
        used: &[],
        places: &[Cache("black"), Variable("BLACK_CACHE_DIR")],
    },
    Row { name: "yapf", programs: &["yapf"], used: &[], places: &[Cache("YAPF")] },
    Row {
        name: "pre-commit",
        programs: &["pre-commit"],
        used: &[],
        // Not the hooks that it has installed beside these.
        places: &[
            Cache("pre-commit/db.db*"),
            Cache("pre-commit/.lock"),
            Cache("pre-commit/README"),
            Cache("pre-commit/tmp*"),
        ],
    },
    // Its entries are found by the times of all places of metadata.
    Row {
        name: "entry points that stevedore has found",
        programs: PYTHON,
        used: &["stevedore"],
        places: &[Cache("python-entrypoints")],
    },
    Row { name: "standard", programs: NODE, used: &["standard"], places: &[Cache("standard")] },
    Row { name: "tsx", programs: NODE, used: &["tsx"], places: &[Temporary("tsx-#"), TemporaryAlone("tsx")] },
    Row {
        name: "pip",
        programs: &["pip", "pip3*", "uv", "python*"],
        used: &["pip", "pip3", "pip-*"],
        places: &[Cache("pip"), Variable("PIP_CACHE_DIR")],
    },
    Row { name: "uv", programs: &["uv", "uvx"], used: &[], places: &[Cache("uv"), Variable("UV_CACHE_DIR")] },
    Row {
        name: "npm",
        programs: NODE,
        used: &[],
        places: &[Home(".npm"), Variable("npm_config_cache"), Variable("NPM_CONFIG_CACHE")],
    },
    Row {
        name: "yarn",
        programs: NODE,
        used: &[],
        places: &[Home(".yarn"), Cache("yarn"), Variable("YARN_CACHE_FOLDER")],
    },
    Row {
        name: "pnpm",
        programs: NODE,
        used: &[],
        places: &[Home(".local/share/pnpm"), Home(".local/state/pnpm"), Home(".pnpm-store"), Cache("pnpm")],
    },
    Row {
        name: "cargo",
        programs: &["cargo", "cargo-*", "rustup"],
        used: &[],
        places: &[
            Home(".cargo/registry"),
            Home(".cargo/git"),
            Home(".cargo/.package-cache*"),
            Home(".cargo/.global-cache*"),
        ],
    },
    Row {
        name: "go",
        programs: &["go", "compile", "link", "asm", "cgo", "vet", "cover", "gopls"],
        used: &[],
        places: &[
            Cache("go-build"),
            Home("go/pkg/mod"),
            Home("go/pkg/sumdb"),
            Home(".config/go/telemetry"),
            Variable("GOCACHE"),
            Variable("GOMODCACHE"),
        ],
    },
    Row {
        name: "gradle",
        programs: &["gradle", "gradlew", "java"],
        used: &["gradle*"],
        places: &[Home(".gradle"), Variable("GRADLE_USER_HOME")],
    },
    Row {
        name: "maven",
        programs: &["mvn", "mvnw", "java"],
        used: &["maven*", "mvn"],
        places: &[Home(".m2/repository")],
    },
    Row {
        name: "ccache",
        programs: &["ccache", "gcc*", "g++*", "cc", "c++", "clang*", "cc1*", "as", "*-linux-gnu-*"],
        used: &["ccache"],
        places: &[Home(".ccache"), Cache("ccache"), Variable("CCACHE_DIR")],
    },
    Row {
        name: "fontconfig",
        programs: &[],
        used: &["libfontconfig.so*", "fc-cache", "fc-list", "fc-match"],
        places: &[Cache("fontconfig"), Home(".fontconfig")],
    },
    Row {
        name: "matplotlib",
        programs: PYTHON,
        used: &["matplotlib"],
        // Its settings count; the directory for them it creates in any case.
        places: &[Cache("matplotlib"), Temporary("matplotlib-*"), Settings("matplotlib")],
    },
    Row {
        name: "the directories of IPython's profile",
        programs: PYTHON,
        used: &["IPython", "ipykernel"],
        // The scripts and settings in them count.
        places: &[
            HomeAlone(".ipython"),
            HomeAlone(".ipython/profile_default"),
            HomeAlone(".ipython/profile_default/startup"),
            Home(".ipython/profile_default/startup/README"),
            Home(".ipython/profile_default/log"),
            Home(".ipython/profile_default/pid"),
            Home(".ipython/profile_default/security"),
            Home(".ipython/profile_default/db"),
        ],
    },
    Row {
        name: "Jupyter's marks",
        programs: PYTHON,
        used: &["jupyter_core"],
        places: &[
            HomeAlone(".jupyter"),
            Home(".jupyter/migrated"),
            HomeAlone(".local/share/jupyter"),
            Home(".local/share/jupyter/runtime"),
        ],
    },
    Row {
        name: "terraform's question for newer versions",
        programs: &["terraform"],
        used: &[],
        places: &[
            HomeAlone(".terraform.d"),
            Home(".terraform.d/checkpoint_cache"),
            Home(".terraform.d/checkpoint_signature"),
        ],
    },
    Row {
        name: "nyc's instrumented sources",
        programs: NODE,
        used: &["nyc"],
        places: &[Root("node_modules/.cache/nyc")],
    },
    Row {
        name: "webpack's cache",
        programs: NODE,
        used: &["webpack"],
        places: &[Root("node_modules/.cache/webpack")],
    },
    Row {
        name: "babel-loader",
        programs: NODE,
        used: &["babel-loader"],
        places: &[Root("node_modules/.cache/babel-loader")],
    },
    Row {
        name: "numba",
        programs: PYTHON,
        used: &["numba"],
        places: &[
            Root("__pycache__/*.nbi"),
            Root("__pycache__/*.nbc"),
            Cache("numba"),
            Variable("NUMBA_CACHE_DIR"),
        ],
    },
    Row {
        name: "torch inductor",
        programs: PYTHON_AND_COMPILERS,
        used: &["torch"],
        places: &[Temporary("torchinductor_*"), Variable("TORCHINDUCTOR_CACHE_DIR")],
    },
    Row {
        name: "triton",
        programs: PYTHON_AND_COMPILERS,
        used: &["triton"],
        places: &[Home(".triton"), Variable("TRITON_CACHE_DIR")],
    },
    Row {
        name: "jest",
        programs: &["node", "nodejs", "jest"],
        used: &["jest*"],
        places: &[Temporary("jest_*"), Temporary("jest-*")],
    },
    Row {
        name: "node's compile cache",
        programs: NODE,
        used: &[],
        places: &[
            Temporary("node-compile-cache"),
            Temporary("v8-compile-cache-*"),
            Variable("NODE_COMPILE_CACHE"),
        ],
    },
    Row {
        name: "performance data of the JVM",
        programs: &[],
        used: &["libjvm.so"],
        places: &[Temporary("hsperfdata_*")],
    },
    Row {
        name: "pytest's temporary directories",
        programs: &[],
        used: &["pytest", "_pytest", "py.test"],
        places: &[Temporary("pytest-of-*")],
    },
    Row {
        name: "bytecode in a place of its own",
        programs: PYTHON,
        used: &[],
        places: &[Variable("PYTHONPYCACHEPREFIX")],
    },
];
