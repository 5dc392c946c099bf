//! Which programs are interpreters, and which of their words is the script, the module or the code.
//!
//! Words alone: knows nothing of files.

use super::entry::LanguageKind;
use super::grammar::{Item, Options, Reader, Word};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

/// An interpreter's own grammar.
#[derive(Debug)]
pub struct Interpreter {
    /// Names without a version (`python` stands for `python3.11` too).
    names: &'static [&'static str],
    /// The language that it speaks.
    pub language: LanguageKind,
    options: Options,
    /// Options whose value is code.
    code: &'static [&'static str],
    /// Options whose value is a module's name.
    module: &'static [&'static str],
    /// Options whose value is the script.
    script: &'static [&'static str],
    /// Options that make the first operand code.
    code_follows: &'static [&'static str],
    /// Options with which what is run, or how it is read, is something else: nothing is known then.
    stops: &'static [&'static str],
    /// First operands that are commands of the interpreter: what follows is a script, or code.
    commands: &'static [(&'static str, Operand)],
    /// Whether a script's name must hold a dot or a slash, since the interpreter has commands of its own.
    pub plain_words_are_commands: bool,
}

/// What an operand is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operand {
    Script,
    Code,
}

/// What an interpreter is asked to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// The script that this word names.
    Script(Word),
    /// A module.
    Module(OsString),
    /// Code, in this word.
    Code(Word),
    /// Something else, or nothing that is known.
    Else,
}

const NONE: Interpreter = Interpreter {
    names: &[],
    language: LanguageKind::Other,
    options: Options {
        flags: "",
        valued: "",
        optional: "",
        long_flags: &[],
        long_valued: &[],
        assigned: false,
        shell: false,
    },
    code: &[],
    module: &[],
    script: &[],
    code_follows: &[],
    stops: &[],
    commands: &[],
    plain_words_are_commands: false,
};

const NODE_FLAGS: &[&str] = &[
    "abort-on-*",
    "allow-*",
    "enable-*",
    "experimental-*",
    "expose-*",
    "expose_*",
    "force-*",
    "frozen-intrinsics",
    "harmony*",
    "inspect*",
    "insecure-*",
    "jitless",
    "no-*",
    "node-snapshot",
    "pending-deprecation",
    "permission",
    "preserve-symlinks*",
    "throw-deprecation",
    "trace-*",
    "track-heap-objects",
    "use-*",
    "verify-base-objects",
    "zero-fill-buffers",
];
const NODE_VALUED: &[&str] = &[
    "conditions",
    "diagnostic-dir",
    "disable-warning",
    "env-file",
    "eval",
    "experimental-loader",
    "icu-data-dir",
    "import",
    "input-type",
    "loader",
    "openssl-config",
    "print",
    "redirect-warnings",
    "require",
    "title",
    "tls-cipher-list",
    "trace-event-categories",
    "unhandled-rejections",
];
const NODE_STOPS: &[&str] = &[
    "build-snapshot",
    "c",
    "check",
    "completion-bash",
    "h",
    "help",
    "i",
    "interactive",
    "run",
    "test",
    "v",
    "v8-options",
    "version",
    "watch*",
];

const INTERPRETERS: &[Interpreter] = &[
    Interpreter {
        names: &["python", "pypy"],
        language: LanguageKind::Python,
        options: Options {
            flags: "3bBdEhiIOPqRsStuvVx?",
            valued: "cmQWX",
            long_flags: &["help*", "version"],
            long_valued: &["check-hash-based-pycs"],
            ..NONE.options
        },
        code: &["c"],
        module: &["m"],
        stops: &["h", "V", "?", "x", "help*", "version"],
        ..NONE
    },
    Interpreter {
        names: &["sh", "bash", "dash", "ash", "ksh", "mksh", "zsh"],
        language: LanguageKind::Shell,
        options: Options {
            flags: "abcefhiklmnprstuvxBCDEHPT",
            valued: "oO",
            long_flags: &[
                "debugger",
                "help",
                "login",
                "noediting",
                "noprofile",
                "norc",
                "posix",
                "restricted",
                "verbose",
                "version",
            ],
            long_valued: &["init-file", "rcfile"],
            shell: true,
            ..NONE.options
        },
        code_follows: &["c"],
        stops: &["s", "D", "help", "version"],
        ..NONE
    },
    Interpreter {
        names: &["node", "nodejs"],
        language: LanguageKind::JavaScript,
        options: Options {
            flags: "chiv",
            valued: "Cepr",
            long_flags: NODE_FLAGS,
            long_valued: NODE_VALUED,
            assigned: true,
            ..NONE.options
        },
        code: &["e", "p", "eval", "print"],
        stops: NODE_STOPS,
        ..NONE
    },
    Interpreter {
        names: &["tsx", "ts-node"],
        language: LanguageKind::TypeScript,
        options: Options {
            flags: "chivT",
            valued: "CeprPO",
            long_flags: &[
                "abort-on-*",
                "enable-*",
                "esm",
                "experimental-*",
                "files",
                "inspect*",
                "no-*",
                "preserve-symlinks*",
                "swc",
                "trace-*",
                "transpile-only",
                "transpileOnly",
            ],
            long_valued: &[
                "conditions",
                "env-file",
                "eval",
                "import",
                "print",
                "project",
                "require",
                "tsconfig",
            ],
            assigned: true,
            ..NONE.options
        },
        code: &["e", "p", "eval", "print"],
        stops: NODE_STOPS,
        plain_words_are_commands: true,
        ..NONE
    },
    Interpreter {
        names: &["bun"],
        language: LanguageKind::JavaScript,
        options: Options {
            flags: "bhv",
            valued: "depr",
            long_flags: &["bun", "expose-gc", "inspect*", "no-*", "silent", "smol"],
            long_valued: &[
                "conditions",
                "define",
                "env-file",
                "eval",
                "import",
                "preload",
                "print",
                "require",
            ],
            assigned: true,
            ..NONE.options
        },
        code: &["e", "p", "eval", "print"],
        stops: &["h", "v", "cwd", "hot", "watch"],
        commands: &[("run", Operand::Script)],
        plain_words_are_commands: true,
        ..NONE
    },
    Interpreter {
        names: &["deno"],
        language: LanguageKind::JavaScript,
        options: Options {
            flags: "AEINRSWqfr",
            valued: "Lc",
            long_flags: &[
                "allow-*",
                "cached-only",
                "check",
                "deny-*",
                "frozen",
                "inspect*",
                "no-*",
                "node-modules-dir",
                "print",
                "quiet",
                "reload",
                "unstable*",
            ],
            long_valued: &["cert", "config", "import-map", "location", "log-level", "seed"],
            assigned: true,
            ..NONE.options
        },
        stops: &["watch*"],
        commands: &[("run", Operand::Script), ("eval", Operand::Code)],
        plain_words_are_commands: true,
        ..NONE
    },
    Interpreter {
        names: &["ruby"],
        language: LanguageKind::Ruby,
        options: Options {
            flags: "achlnpsvwySU",
            valued: "CEFIer",
            optional: "0KTWdix",
            long_flags: &["debug*", "disable-*", "enable-*", "jit*", "rjit*", "verbose", "yjit*"],
            long_valued: &["encoding", "external-encoding", "internal-encoding"],
            assigned: true,
            ..NONE.options
        },
        code: &["e"],
        stops: &["C", "S", "x", "h"],
        ..NONE
    },
    Interpreter {
        names: &["perl"],
        language: LanguageKind::Perl,
        options: Options {
            flags: "acfghnpsStTuUvwWX",
            valued: "eEI",
            optional: "0CDFMVdilmx",
            ..NONE.options
        },
        code: &["e", "E"],
        stops: &["S", "V", "v", "x", "h"],
        ..NONE
    },
    Interpreter {
        names: &["Rscript"],
        language: LanguageKind::R,
        options: Options {
            valued: "e",
            long_flags: &["no-*", "restore", "save", "slave", "vanilla", "verbose"],
            assigned: true,
            ..NONE.options
        },
        code: &["e"],
        ..NONE
    },
    Interpreter {
        names: &["lua", "luajit"],
        language: LanguageKind::Lua,
        options: Options { flags: "EWiv", valued: "el", optional: "Oj", ..NONE.options },
        stops: &["e", "i"],
        ..NONE
    },
    Interpreter {
        names: &["php"],
        language: LanguageKind::Php,
        options: Options { flags: "Cehnq", valued: "cdfrz", ..NONE.options },
        code: &["r"],
        script: &["f"],
        stops: &["h"],
        ..NONE
    },
    Interpreter {
        names: &["julia"],
        language: LanguageKind::Julia,
        options: Options {
            flags: "iq",
            valued: "CEHJLept",
            optional: "Og",
            long_flags: &["project", "quiet"],
            long_valued: &["cpu-target", "eval", "home", "load", "print", "procs", "sysimage", "threads"],
            assigned: true,
            ..NONE.options
        },
        code: &["e", "E", "eval", "print"],
        ..NONE
    },
];

/// The interpreter of this name, if it is one.
#[must_use]
pub fn interpreter(name: &OsStr) -> Option<&'static Interpreter> {
    let name = name.as_bytes();
    let versioned = |base: &&str| {
        name.strip_prefix(base.as_bytes()).is_some_and(|rest| {
            let rest = rest.strip_suffix(b"t").unwrap_or(rest);
            let rest = rest.strip_suffix(b"-dbg").unwrap_or(rest);
            rest.iter().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-'))
        })
    };
    INTERPRETERS.iter().find(|interpreter| interpreter.names.iter().any(versioned))
}

impl Interpreter {
    /// What the words after the interpreter's name ask it to run, and how many of them come before that.
    #[must_use]
    pub fn asked(&self, words: &[Word]) -> (Asked, usize) {
        let mut reader = Reader::new(words);
        let mut code_follows = false;
        loop {
            let before = reader.position();
            match reader.next(&self.options) {
                Item::Unknown => return (Asked::Else, before),
                Item::Operands(at) => return self.operand(words, at, code_follows),
                Item::Option { name, value } => {
                    let is_in = |list: &[&str]| list.iter().any(|entry| names(entry, &name));
                    if is_in(self.stops) {
                        return (Asked::Else, before);
                    }
                    code_follows |= is_in(self.code_follows);
                    match value {
                        // `node -pe CODE`
                        Some(word) if is_in(self.code) && word.text == "e" && self.is_node() => {
                            let code = words.get(reader.position()).cloned();
                            return (code.map_or(Asked::Else, Asked::Code), before);
                        }
                        Some(word) if is_in(self.code) => return (Asked::Code(word), before),
                        Some(word) if is_in(self.module) => return (Asked::Module(word.text), before),
                        Some(word) if is_in(self.script) => return (Asked::Script(word), before),
                        _ => {}
                    }
                }
            }
        }
    }

    fn is_node(&self) -> bool {
        self.names.contains(&"node")
    }

    fn operand(&self, words: &[Word], at: usize, code_follows: bool) -> (Asked, usize) {
        let Some(word) = words.get(at) else {
            return (Asked::Else, at);
        };
        if code_follows {
            return (Asked::Code(word.clone()), at);
        }
        let command = self.commands.iter().find(|(name, _)| word.text == *name);
        if let Some((_, operand)) = command {
            let rest = words.get(at + 1..).unwrap_or_default();
            let plain = Self { commands: &[], ..Self { ..NONE } };
            let inner = Self { names: self.names, options: self.options, stops: self.stops, ..plain };
            let (asked, count) = inner.asked(rest);
            let asked = match (asked, operand) {
                (Asked::Script(word), Operand::Code) => Asked::Code(word),
                (asked, _) => asked,
            };
            return (asked, at + 1 + count);
        }
        // `-` is standard input.
        if word.text == "-" || word.text.is_empty() {
            return (Asked::Else, at);
        }
        (Asked::Script(word.clone()), at)
    }
}

fn names(entry: &str, name: &[u8]) -> bool {
    match entry.strip_suffix('*') {
        Some(start) => name.starts_with(start.as_bytes()),
        None => name == entry.as_bytes(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(line: &str) -> String {
        let mut words: Vec<Word> = line
            .split(' ')
            .enumerate()
            .map(|(place, text)| Word { text: text.into(), place: Some(place) })
            .collect();
        let program = words.remove(0);
        let interpreter = interpreter(&program.text).unwrap();
        match interpreter.asked(&words).0 {
            Asked::Script(word) => format!("script {}", word.text.display()),
            Asked::Module(name) => format!("module {}", name.display()),
            Asked::Code(word) => format!("code {}@{}", word.text.display(), word.place.unwrap()),
            Asked::Else => "else".to_owned(),
        }
    }

    #[test]
    fn the_script_is_where_the_interpreter_looks_for_it() {
        for (line, expected) in [
            ("python s.py -c x", "script s.py"),
            ("python3.11 -u -X dev s.py", "script s.py"),
            ("python3.13t -Xdev -Werror s.py", "script s.py"),
            ("pypy3 -OO s.py", "script s.py"),
            ("python -W ignore s.py", "script s.py"),
            ("python -m pkg.mod x.py", "module pkg.mod"),
            ("python -um pkg.mod", "module pkg.mod"),
            ("python -mpkg", "module pkg"),
            ("python -c print(1) x", "code print(1)@2"),
            ("python -cprint(1)", "code print(1)@1"),
            ("python -V s.py", "else"),
            ("python -x s.py", "else"),
            ("python -", "else"),
            ("python", "else"),
            ("python --unknown s.py", "else"),
            ("python --check-hash-based-pycs always s.py", "script s.py"),
            ("bash -eu s.sh", "script s.sh"),
            ("bash -euo pipefail s.sh", "script s.sh"),
            ("bash +x -- s.sh", "script s.sh"),
            ("bash -c CODE name", "code CODE@2"),
            ("sh -ec CODE", "code CODE@2"),
            ("bash -c -e CODE", "code CODE@3"),
            ("bash --norc --rcfile x s.sh", "script s.sh"),
            ("bash -s s.sh", "else"),
            ("zsh s.zsh", "script s.zsh"),
            ("node s.js", "script s.js"),
            ("node --max-old-space-size=4096 --no-warnings s.js", "script s.js"),
            ("node -r ./a.js s.js", "script s.js"),
            ("node --input-type=module -e CODE", "code CODE@3"),
            ("node -p CODE", "code CODE@2"),
            ("node -pe CODE", "code CODE@2"),
            ("node --eval=CODE", "code CODE@1"),
            ("node --max-old-space-size 4096 s.js", "else"),
            ("node --test s.js", "else"),
            ("node --check s.js", "else"),
            ("deno run -A --allow-net=a s.ts", "script s.ts"),
            ("deno eval CODE", "code CODE@2"),
            ("bun run s.ts", "script s.ts"),
            ("bun s.ts", "script s.ts"),
            ("tsx --tsconfig x.json s.ts", "script s.ts"),
            ("ruby -w -I lib s.rb", "script s.rb"),
            ("ruby -e CODE", "code CODE@2"),
            ("perl -w -Ilib -MData::Dumper s.pl", "script s.pl"),
            ("perl -ne CODE f", "code CODE@2"),
            ("perl -i.bak -pe CODE f", "code CODE@3"),
            ("Rscript --vanilla s.R", "script s.R"),
            ("Rscript -e CODE", "code CODE@2"),
            ("lua -l m s.lua", "script s.lua"),
            ("php -d a=b s.php", "script s.php"),
            ("php -f s.php", "script s.php"),
            ("php8.2 -r CODE", "code CODE@2"),
            ("julia --project=. -O3 -t 4 s.jl", "script s.jl"),
        ] {
            assert_eq!(asked(line), expected, "{line}");
        }
    }

    #[test]
    fn what_is_no_interpreter_is_none() {
        for name in
            ["pythonic", "python3-config", "shellcheck", "nodemon", "luac", "bashful", "sha256sum", ""]
        {
            assert!(interpreter(OsStr::new(name)).is_none(), "{name}");
        }
    }
}
