//! Table of known launchers and their option grammars.
//!
//! Names in a list are separated by spaces.

use super::{Finds, Launcher};
use crate::hash::grammar::Options;

const NONE: Launcher = Launcher {
    names: "",
    commands: "",
    options: Options::NONE,
    operands: 0,
    stops: "h V help version",
    directories: "",
    settings: "",
    finds: Finds::OnPath,
    python: false,
};

const NODE_LOCKS: &str =
    "package.json package-lock.json npm-shrinkwrap.json pnpm-lock.yaml yarn.lock bun.lock bun.lockb";

pub(super) const LAUNCHERS: &[Launcher] = &[
    Launcher {
        names: "env",
        options: Options {
            flags: "i0v",
            valued: "uCSa",
            long_flags: "block-signal debug default-signal help ignore-environment ignore-signal \
                list-signal-handling null version",
            long_valued: "argv0 chdir split-string unset",
            assigned: true,
            ..NONE.options
        },
        directories: "C chdir",
        ..NONE
    },
    Launcher {
        names: "nice",
        options: Options {
            flags: "0123456789",
            valued: "n",
            long_flags: "help version",
            long_valued: "adjustment",
            ..NONE.options
        },
        ..NONE
    },
    Launcher {
        names: "ionice",
        options: Options {
            flags: "thV",
            valued: "cnpPu",
            long_flags: "help ignore version",
            long_valued: "class classdata pgid pid uid",
            ..NONE.options
        },
        stops: "h V help version p P u pid pgid uid",
        ..NONE
    },
    Launcher { names: "nohup catchsegv unbuffer", ..NONE },
    Launcher {
        names: "time gtime",
        options: Options {
            flags: "apqvVlh",
            valued: "fo",
            long_flags: "append help portability quiet verbose version",
            long_valued: "format output",
            ..NONE.options
        },
        ..NONE
    },
    Launcher {
        names: "timeout gtimeout",
        options: Options {
            flags: "vfp",
            valued: "ks",
            long_flags: "foreground help preserve-status verbose version",
            long_valued: "kill-after signal",
            ..NONE.options
        },
        operands: 1,
        ..NONE
    },
    Launcher {
        names: "stdbuf",
        options: Options {
            valued: "ioe",
            long_flags: "help version",
            long_valued: "error input output",
            ..NONE.options
        },
        ..NONE
    },
    Launcher {
        names: "setsid",
        options: Options { flags: "cfwhV", long_flags: "ctty fork help version wait", ..NONE.options },
        ..NONE
    },
    Launcher {
        names: "taskset",
        options: Options {
            flags: "aphcV",
            long_flags: "all-tasks cpu-list help pid version",
            ..NONE.options
        },
        operands: 1,
        stops: "h V help version p pid a all-tasks",
        ..NONE
    },
    Launcher {
        names: "chrt",
        options: Options {
            flags: "bdfiorRGvhV",
            valued: "TPD",
            long_flags: "batch deadline fifo help idle other reset-on-fork rr verbose version",
            long_valued: "sched-deadline sched-period sched-runtime",
            ..NONE.options
        },
        operands: 1,
        ..NONE
    },
    Launcher {
        names: "numactl",
        options: Options {
            flags: "lab",
            valued: "CNmipw",
            long_flags: "all balancing localalloc",
            long_valued: "cpunodebind interleave membind physcpubind preferred weighted-interleave",
            ..NONE.options
        },
        ..NONE
    },
    Launcher {
        names: "uv",
        commands: "run",
        options: Options {
            flags: "msqvnU",
            valued: "pwifPC",
            long_flags: "active all-extras all-groups all-packages compile-bytecode exact frozen gui-script \
                isolated locked managed-python module native-tls no-build no-build-isolation \
                no-cache no-config no-default-groups no-dev no-editable no-env-file no-index \
                no-managed-python no-progress no-project no-python-downloads no-sources no-sync \
                offline only-dev quiet refresh reinstall script upgrade verbose",
            long_valued: "allow-insecure-host cache-dir color config-file config-setting default-index \
                directory env-file exclude-newer extra extra-index-url find-links fork-strategy \
                group index index-strategy index-url keyring-provider link-mode no-binary-package \
                no-build-isolation-package no-build-package no-extra no-group only-group package \
                prerelease project python python-platform refresh-package reinstall-package \
                resolution upgrade-package with with-editable with-requirements",
            ..NONE.options
        },
        directories: "directory",
        settings: "uv.lock pyproject.toml uv.toml .python-version",
        finds: Finds::InVirtualEnvironment,
        python: true,
        ..NONE
    },
    Launcher {
        names: "pipx",
        commands: "run",
        options: Options {
            flags: "qv",
            long_flags: "fetch-missing-python no-cache no-path-check pypackages quiet verbose",
            long_valued: "backend index-url pip-args python spec with",
            ..NONE.options
        },
        python: true,
        ..NONE
    },
    Launcher {
        names: "poetry",
        commands: "run",
        options: Options {
            flags: "nqv",
            valued: "CP",
            long_flags: "ansi no-ansi no-cache no-interaction no-plugins quiet verbose",
            long_valued: "directory project",
            ..NONE.options
        },
        directories: "C directory",
        settings: "poetry.lock pyproject.toml poetry.toml",
        finds: Finds::InVirtualEnvironment,
        ..NONE
    },
    Launcher {
        names: "pdm",
        commands: "run",
        options: Options {
            flags: "qsv",
            valued: "p",
            long_flags: "no-site-packages quiet recreate site-packages verbose",
            long_valued: "project venv",
            ..NONE.options
        },
        settings: "pdm.lock pyproject.toml pdm.toml .pdm-python",
        finds: Finds::InVirtualEnvironment,
        python: true,
        ..NONE
    },
    Launcher {
        names: "pipenv",
        commands: "run",
        options: Options {
            flags: "qv",
            long_flags: "quiet site-packages verbose",
            long_valued: "pypi-mirror python",
            ..NONE.options
        },
        settings: "Pipfile.lock Pipfile",
        finds: Finds::InVirtualEnvironment,
        ..NONE
    },
    Launcher {
        names: "bundle bundler",
        commands: "exec",
        options: Options {
            long_flags: "keep-file-descriptors no-color verbose",
            long_valued: "gemfile",
            ..NONE.options
        },
        settings: "Gemfile.lock Gemfile .bundle/config",
        ..NONE
    },
    Launcher {
        names: "npx pnpx bunx",
        options: Options {
            flags: "yqn",
            valued: "pcw",
            long_flags: "bun ignore-existing no no-install quiet silent yes",
            long_valued: "call package workspace",
            ..NONE.options
        },
        stops: "h V help version c call",
        settings: NODE_LOCKS,
        finds: Finds::InNodeModules,
        ..NONE
    },
    Launcher {
        names: "npm pnpm yarn",
        commands: "exec x",
        options: Options {
            flags: "yqs",
            valued: "pcw",
            long_flags: "no quiet silent yes",
            long_valued: "call package workspace",
            ..NONE.options
        },
        stops: "h V help version c call",
        settings: NODE_LOCKS,
        finds: Finds::InNodeModules,
        ..NONE
    },
];
