//! Table of known interpreters and their option grammars.
//!
//! Names in a list are separated by spaces.

use super::{Interpreter, Operand};
use crate::hash::entry::LanguageKind;
use crate::hash::grammar::Options;

pub(super) const NONE: Interpreter = Interpreter {
    names: "",
    language: LanguageKind::Other,
    options: Options::NONE,
    code: "",
    module: "",
    script: "",
    code_follows: "",
    stops: "",
    commands: &[],
    plain_words_are_commands: false,
};

const NODE_FLAGS: &str = "abort-on-* allow-* enable-* experimental-* expose-* expose_* force-* frozen-intrinsics harmony* \
    inspect* insecure-* jitless no-* node-snapshot pending-deprecation permission preserve-symlinks* \
    throw-deprecation trace-* track-heap-objects use-* verify-base-objects zero-fill-buffers";
const NODE_VALUED: &str = "conditions diagnostic-dir disable-warning env-file eval experimental-loader icu-data-dir import \
    input-type loader openssl-config print redirect-warnings require title tls-cipher-list \
    trace-event-categories unhandled-rejections";
const NODE_STOPS: &str =
    "build-snapshot c check completion-bash h help i interactive run test v v8-options version watch*";

pub(super) const INTERPRETERS: &[Interpreter] = &[
    Interpreter {
        names: "python pypy",
        language: LanguageKind::Python,
        options: Options {
            flags: "3bBdEhiIOPqRsStuvVx?",
            valued: "cmQWX",
            long_flags: "help* version",
            long_valued: "check-hash-based-pycs",
            ..NONE.options
        },
        code: "c",
        module: "m",
        stops: "h V ? x help* version",
        ..NONE
    },
    Interpreter {
        names: "sh bash dash ash ksh mksh zsh",
        language: LanguageKind::Shell,
        options: Options {
            flags: "abcefhiklmnprstuvxBCDEHPT",
            valued: "oO",
            long_flags: "debugger help login noediting noprofile norc posix restricted verbose version",
            long_valued: "init-file rcfile",
            shell: true,
            ..NONE.options
        },
        code_follows: "c",
        stops: "s D help version",
        ..NONE
    },
    Interpreter {
        names: "node nodejs",
        language: LanguageKind::JavaScript,
        options: Options {
            flags: "chiv",
            valued: "Cepr",
            long_flags: NODE_FLAGS,
            long_valued: NODE_VALUED,
            assigned: true,
            ..NONE.options
        },
        code: "e p eval print",
        stops: NODE_STOPS,
        ..NONE
    },
    Interpreter {
        names: "tsx ts-node",
        language: LanguageKind::TypeScript,
        options: Options {
            flags: "chivT",
            valued: "CeprPO",
            long_flags: "abort-on-* enable-* esm experimental-* files inspect* no-* preserve-symlinks* swc \
                trace-* transpile-only transpileOnly",
            long_valued: "conditions env-file eval import print project require tsconfig",
            assigned: true,
            ..NONE.options
        },
        code: "e p eval print",
        stops: NODE_STOPS,
        plain_words_are_commands: true,
        ..NONE
    },
    Interpreter {
        names: "bun",
        language: LanguageKind::JavaScript,
        options: Options {
            flags: "bhv",
            valued: "depr",
            long_flags: "bun expose-gc inspect* no-* silent smol",
            long_valued: "conditions define env-file eval import preload print require",
            assigned: true,
            ..NONE.options
        },
        code: "e p eval print",
        stops: "h v cwd hot watch",
        commands: &[("run", Operand::Script)],
        plain_words_are_commands: true,
        ..NONE
    },
    Interpreter {
        names: "deno",
        language: LanguageKind::JavaScript,
        options: Options {
            flags: "AEINRSWqfr",
            valued: "Lc",
            long_flags: "allow-* cached-only check deny-* frozen inspect* no-* node-modules-dir print quiet \
                reload unstable*",
            long_valued: "cert config import-map location log-level seed",
            assigned: true,
            ..NONE.options
        },
        stops: "watch*",
        commands: &[("run", Operand::Script), ("eval", Operand::Code)],
        plain_words_are_commands: true,
        ..NONE
    },
    Interpreter {
        names: "ruby",
        language: LanguageKind::Ruby,
        options: Options {
            flags: "achlnpsvwySU",
            valued: "CEFIer",
            optional: "0KTWdix",
            long_flags: "debug* disable-* enable-* jit* rjit* verbose yjit*",
            long_valued: "encoding external-encoding internal-encoding",
            assigned: true,
            ..NONE.options
        },
        code: "e",
        stops: "C S x h",
        ..NONE
    },
    Interpreter {
        names: "perl",
        language: LanguageKind::Perl,
        options: Options {
            flags: "acfghnpsStTuUvwWX",
            valued: "eEI",
            optional: "0CDFMVdilmx",
            ..NONE.options
        },
        code: "e E",
        stops: "S V v x h",
        ..NONE
    },
    Interpreter {
        names: "Rscript",
        language: LanguageKind::R,
        options: Options {
            valued: "e",
            long_flags: "no-* restore save slave vanilla verbose",
            assigned: true,
            ..NONE.options
        },
        code: "e",
        ..NONE
    },
    Interpreter {
        names: "lua luajit",
        language: LanguageKind::Lua,
        options: Options { flags: "EWiv", valued: "el", optional: "Oj", ..NONE.options },
        stops: "e i",
        ..NONE
    },
    Interpreter {
        names: "php",
        language: LanguageKind::Php,
        options: Options { flags: "Cehnq", valued: "cdfrz", ..NONE.options },
        code: "r",
        script: "f",
        stops: "h",
        ..NONE
    },
    Interpreter {
        names: "julia",
        language: LanguageKind::Julia,
        options: Options {
            flags: "iq",
            valued: "CEHJLept",
            optional: "Og",
            long_flags: "project quiet",
            long_valued: "cpu-target eval home load print procs sysimage threads",
            assigned: true,
            ..NONE.options
        },
        code: "e E eval print",
        ..NONE
    },
];
