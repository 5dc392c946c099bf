//! Programs that start another one and are looked through to it, each by its own option grammar.
//!
//! Words alone: knows nothing of files. What a grammar does not name ends the looking-through.

use super::grammar::{Item, Options, Reader, Word};
use super::program::base_name;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// Where a launcher's child finds programs before PATH.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finds {
    /// Nowhere else.
    OnPath,
    /// In the project's `.venv/bin`.
    InVirtualEnvironment,
    /// In `node_modules/.bin`, from the working directory upward.
    InNodeModules,
}

/// A launcher.
#[derive(Debug)]
pub struct Launcher {
    /// Its name, and the commands of it that start another program (`uv run`); without any, it always does.
    names: &'static [&'static str],
    commands: &'static [&'static str],
    options: Options,
    /// Operands before the command (`timeout 5`).
    operands: usize,
    /// Options with which it starts nothing, or something that is not known.
    stops: &'static [&'static str],
    /// Options that set the working directory of what is started.
    directories: &'static [&'static str],
    /// Files that settle what it starts, looked for from the working directory upward.
    pub settings: &'static [&'static str],
    /// Where programs are found.
    pub finds: Finds,
    /// Whether an operand that ends in `.py` is run by Python, and `-m` is a module.
    python: bool,
}

const NONE: Launcher = Launcher {
    names: &[],
    commands: &[],
    options: Options {
        flags: "",
        valued: "",
        optional: "",
        long_flags: &[],
        long_valued: &[],
        assigned: false,
        shell: false,
    },
    operands: 0,
    stops: &["h", "V", "help", "version"],
    directories: &[],
    settings: &[],
    finds: Finds::OnPath,
    python: false,
};

const NODE_LOCKS: &[&str] = &[
    "package.json",
    "package-lock.json",
    "npm-shrinkwrap.json",
    "pnpm-lock.yaml",
    "yarn.lock",
    "bun.lock",
    "bun.lockb",
];

const LAUNCHERS: &[Launcher] = &[
    Launcher {
        names: &["env"],
        options: Options {
            flags: "i0v",
            valued: "uCSa",
            long_flags: &[
                "block-signal",
                "debug",
                "default-signal",
                "help",
                "ignore-environment",
                "ignore-signal",
                "list-signal-handling",
                "null",
                "version",
            ],
            long_valued: &["argv0", "chdir", "split-string", "unset"],
            assigned: true,
            ..NONE.options
        },
        directories: &["C", "chdir"],
        ..NONE
    },
    Launcher {
        names: &["nice"],
        options: Options {
            flags: "0123456789",
            valued: "n",
            long_flags: &["help", "version"],
            long_valued: &["adjustment"],
            ..NONE.options
        },
        ..NONE
    },
    Launcher {
        names: &["ionice"],
        options: Options {
            flags: "thV",
            valued: "cnpPu",
            long_flags: &["help", "ignore", "version"],
            long_valued: &["class", "classdata", "pgid", "pid", "uid"],
            ..NONE.options
        },
        stops: &["h", "V", "help", "version", "p", "P", "u", "pid", "pgid", "uid"],
        ..NONE
    },
    Launcher { names: &["nohup", "catchsegv", "unbuffer"], ..NONE },
    Launcher {
        names: &["time", "gtime"],
        options: Options {
            flags: "apqvVlh",
            valued: "fo",
            long_flags: &["append", "help", "portability", "quiet", "verbose", "version"],
            long_valued: &["format", "output"],
            ..NONE.options
        },
        ..NONE
    },
    Launcher {
        names: &["timeout", "gtimeout"],
        options: Options {
            flags: "vfp",
            valued: "ks",
            long_flags: &["foreground", "help", "preserve-status", "verbose", "version"],
            long_valued: &["kill-after", "signal"],
            ..NONE.options
        },
        operands: 1,
        ..NONE
    },
    Launcher {
        names: &["stdbuf"],
        options: Options {
            valued: "ioe",
            long_flags: &["help", "version"],
            long_valued: &["error", "input", "output"],
            ..NONE.options
        },
        ..NONE
    },
    Launcher {
        names: &["setsid"],
        options: Options {
            flags: "cfwhV",
            long_flags: &["ctty", "fork", "help", "version", "wait"],
            ..NONE.options
        },
        ..NONE
    },
    Launcher {
        names: &["taskset"],
        options: Options {
            flags: "aphcV",
            long_flags: &["all-tasks", "cpu-list", "help", "pid", "version"],
            ..NONE.options
        },
        operands: 1,
        stops: &["h", "V", "help", "version", "p", "pid", "a", "all-tasks"],
        ..NONE
    },
    Launcher {
        names: &["chrt"],
        options: Options {
            flags: "bdfiorRGvhV",
            valued: "TPD",
            long_flags: &[
                "batch",
                "deadline",
                "fifo",
                "help",
                "idle",
                "other",
                "reset-on-fork",
                "rr",
                "verbose",
                "version",
            ],
            long_valued: &["sched-deadline", "sched-period", "sched-runtime"],
            ..NONE.options
        },
        operands: 1,
        ..NONE
    },
    Launcher {
        names: &["numactl"],
        options: Options {
            flags: "lab",
            valued: "CNmipw",
            long_flags: &["all", "balancing", "localalloc"],
            long_valued: &[
                "cpunodebind",
                "interleave",
                "membind",
                "physcpubind",
                "preferred",
                "weighted-interleave",
            ],
            ..NONE.options
        },
        ..NONE
    },
    Launcher {
        names: &["uv"],
        commands: &["run"],
        options: Options {
            flags: "msqvnU",
            valued: "pwifPC",
            long_flags: &[
                "active",
                "all-extras",
                "all-groups",
                "all-packages",
                "compile-bytecode",
                "exact",
                "frozen",
                "gui-script",
                "isolated",
                "locked",
                "managed-python",
                "module",
                "native-tls",
                "no-build",
                "no-build-isolation",
                "no-cache",
                "no-config",
                "no-default-groups",
                "no-dev",
                "no-editable",
                "no-env-file",
                "no-index",
                "no-managed-python",
                "no-progress",
                "no-project",
                "no-python-downloads",
                "no-sources",
                "no-sync",
                "offline",
                "only-dev",
                "quiet",
                "refresh",
                "reinstall",
                "script",
                "upgrade",
                "verbose",
            ],
            long_valued: &[
                "allow-insecure-host",
                "cache-dir",
                "color",
                "config-file",
                "config-setting",
                "default-index",
                "directory",
                "env-file",
                "exclude-newer",
                "extra",
                "extra-index-url",
                "find-links",
                "fork-strategy",
                "group",
                "index",
                "index-strategy",
                "index-url",
                "keyring-provider",
                "link-mode",
                "no-binary-package",
                "no-build-isolation-package",
                "no-build-package",
                "no-extra",
                "no-group",
                "only-group",
                "package",
                "prerelease",
                "project",
                "python",
                "python-platform",
                "refresh-package",
                "reinstall-package",
                "resolution",
                "upgrade-package",
                "with",
                "with-editable",
                "with-requirements",
            ],
            ..NONE.options
        },
        directories: &["directory"],
        settings: &["uv.lock", "pyproject.toml", "uv.toml", ".python-version"],
        finds: Finds::InVirtualEnvironment,
        python: true,
        ..NONE
    },
    Launcher {
        names: &["pipx"],
        commands: &["run"],
        options: Options {
            flags: "qv",
            long_flags: &[
                "fetch-missing-python",
                "no-cache",
                "no-path-check",
                "pypackages",
                "quiet",
                "verbose",
            ],
            long_valued: &["backend", "index-url", "pip-args", "python", "spec", "with"],
            ..NONE.options
        },
        python: true,
        ..NONE
    },
    Launcher {
        names: &["poetry"],
        commands: &["run"],
        options: Options {
            flags: "nqv",
            valued: "CP",
            long_flags: &["ansi", "no-ansi", "no-cache", "no-interaction", "no-plugins", "quiet", "verbose"],
            long_valued: &["directory", "project"],
            ..NONE.options
        },
        directories: &["C", "directory"],
        settings: &["poetry.lock", "pyproject.toml", "poetry.toml"],
        finds: Finds::InVirtualEnvironment,
        ..NONE
    },
    Launcher {
        names: &["pdm"],
        commands: &["run"],
        options: Options {
            flags: "qsv",
            valued: "p",
            long_flags: &["no-site-packages", "quiet", "recreate", "site-packages", "verbose"],
            long_valued: &["project", "venv"],
            ..NONE.options
        },
        settings: &["pdm.lock", "pyproject.toml", "pdm.toml", ".pdm-python"],
        finds: Finds::InVirtualEnvironment,
        python: true,
        ..NONE
    },
    Launcher {
        names: &["pipenv"],
        commands: &["run"],
        options: Options {
            flags: "qv",
            long_flags: &["quiet", "site-packages", "verbose"],
            long_valued: &["pypi-mirror", "python"],
            ..NONE.options
        },
        settings: &["Pipfile.lock", "Pipfile"],
        finds: Finds::InVirtualEnvironment,
        ..NONE
    },
    Launcher {
        names: &["bundle", "bundler"],
        commands: &["exec"],
        options: Options {
            long_flags: &["keep-file-descriptors", "no-color", "verbose"],
            long_valued: &["gemfile"],
            ..NONE.options
        },
        settings: &["Gemfile.lock", "Gemfile", ".bundle/config"],
        ..NONE
    },
    Launcher {
        names: &["npx", "pnpx", "bunx"],
        options: Options {
            flags: "yqn",
            valued: "pcw",
            long_flags: &["bun", "ignore-existing", "no", "no-install", "quiet", "silent", "yes"],
            long_valued: &["call", "package", "workspace"],
            ..NONE.options
        },
        stops: &["h", "V", "help", "version", "c", "call"],
        settings: NODE_LOCKS,
        finds: Finds::InNodeModules,
        ..NONE
    },
    Launcher {
        names: &["npm", "pnpm", "yarn"],
        commands: &["exec", "x"],
        options: Options {
            flags: "yqs",
            valued: "pcw",
            long_flags: &["no", "quiet", "silent", "yes"],
            long_valued: &["call", "package", "workspace"],
            ..NONE.options
        },
        stops: &["h", "V", "help", "version", "c", "call"],
        settings: NODE_LOCKS,
        finds: Finds::InNodeModules,
        ..NONE
    },
];

/// What a launcher starts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Started {
    /// The words of the command.
    pub words: Vec<Word>,
    /// The working directory, relative to the launcher's own, if it sets one.
    pub directory: Option<OsString>,
    /// Variables that it sets, or unsets.
    pub overlay: Vec<(OsString, Option<OsString>)>,
    /// Whether it begins with an empty environment.
    pub clears_environment: bool,
}

/// The launcher of this name, if it is one.
#[must_use]
pub fn launcher(name: &OsStr) -> Option<&'static Launcher> {
    LAUNCHERS.iter().find(|launcher| launcher.names.iter().any(|other| name == *other))
}

impl Launcher {
    /// What the words after the launcher's name start; `None` where that is not known, or nothing.
    #[must_use]
    pub fn started(&self, words: &[Word]) -> Option<Started> {
        let mut started = Started::default();
        let mut rest = words.to_vec();
        let mut module = false;
        let mut script = false;
        let mut command_seen = self.commands.is_empty();
        loop {
            let mut reader = Reader::new(&rest);
            let mut split = None;
            let at = loop {
                match reader.next(&self.options) {
                    Item::Unknown => return None,
                    Item::Operands(at) => break at,
                    Item::Option { name, value } => {
                        let is_in = |list: &[&str]| list.iter().any(|entry| entry.as_bytes() == name);
                        if is_in(self.stops) {
                            return None;
                        }
                        if is_in(self.directories) {
                            started.directory = value.map(|word| word.text);
                        } else if self.is_env() {
                            match (name.as_slice(), value) {
                                (b"i" | b"ignore-environment", _) => started.clears_environment = true,
                                (b"u" | b"unset", Some(word)) => started.overlay.push((word.text, None)),
                                (b"S" | b"split-string", Some(word)) => split = Some(split_words(&word)?),
                                _ => {}
                            }
                        } else if self.python {
                            module |= matches!(name.as_slice(), b"m" | b"module");
                            script |= matches!(name.as_slice(), b"s" | b"script" | b"gui-script");
                        }
                    }
                }
                if split.is_some() {
                    break reader.position();
                }
            };
            let mut tail = rest.get(at..).unwrap_or_default().to_vec();
            if let Some(mut words) = split {
                words.append(&mut tail);
                rest = words;
                continue;
            }
            if !command_seen {
                let first = tail.first()?;
                if !self.commands.iter().any(|command| first.text == *command) {
                    return None;
                }
                tail.remove(0);
                command_seen = true;
                rest = tail;
                continue;
            }
            rest = tail;
            break;
        }
        rest = rest.get(self.operands..)?.to_vec();
        if self.is_env() {
            take_assignments(&mut rest, &mut started);
        }
        started.words = self.with_python(rest, module, script);
        (!started.words.is_empty()).then_some(started)
    }

    fn is_env(&self) -> bool {
        self.names.contains(&"env")
    }

    fn with_python(&self, mut words: Vec<Word>, module: bool, script: bool) -> Vec<Word> {
        let is_script = words.first().is_some_and(|word| word.text.as_bytes().ends_with(b".py"));
        if self.python && (module || script || is_script) {
            let added = |text: &str| Word { text: text.into(), place: None };
            if module {
                words.insert(0, added("-m"));
            }
            words.insert(0, added("python"));
        }
        words
    }
}

/// `-` and `NAME=VALUE` before the command of `env`.
fn take_assignments(words: &mut Vec<Word>, started: &mut Started) {
    while let Some(word) = words.first() {
        let bytes = word.text.as_bytes();
        if bytes == b"-" {
            started.clears_environment = true;
        } else if let Some(place) = bytes.iter().position(|byte| *byte == b'=') {
            let (name, value) = bytes.split_at(place);
            let value = value.get(1..).unwrap_or_default();
            let owned = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
            started.overlay.push((owned(name), Some(owned(value))));
        } else {
            return;
        }
        words.remove(0);
    }
}

/// The words of `env -S`; `None` where quotes or escapes would have to be understood.
fn split_words(word: &Word) -> Option<Vec<Word>> {
    let bytes = word.text.as_bytes();
    if bytes.iter().any(|byte| matches!(byte, b'\\' | b'\'' | b'"' | b'$' | b'#')) {
        return None;
    }
    let parts = bytes.split(u8::is_ascii_whitespace).filter(|part| !part.is_empty());
    Some(parts.map(|part| Word { text: OsString::from_vec(part.to_vec()), place: word.place }).collect())
}

/// Names of commands whose answer is the moment or whose point is the deed: what they print or do is not decided by
/// anything that could be the same again.
const MOMENTARY: &[&str] = &[
    "at",
    "batch",
    "btop",
    "date",
    "df",
    "dmesg",
    "free",
    "gdate",
    "halt",
    "htop",
    "iostat",
    "journalctl",
    "kill",
    "killall",
    "last",
    "lastlog",
    "logger",
    "lsof",
    "mktemp",
    "mpstat",
    "notify-send",
    "pgrep",
    "pkill",
    "poweroff",
    "ps",
    "pstree",
    "reboot",
    "renice",
    "shred",
    "shuf",
    "shutdown",
    "sleep",
    "ss",
    "netstat",
    "sync",
    "top",
    "touch",
    "uptime",
    "users",
    "uuidgen",
    "vmstat",
    "w",
    "wall",
    "watch",
    "who",
    "whoami",
    "write",
    "xdg-open",
    "nvidia-smi",
];

/// Whether the program of this name answers with the moment or does a deed.
#[must_use]
pub fn is_momentary(name: &OsStr) -> bool {
    MOMENTARY.iter().any(|other| name == *other)
}

/// Whether the program of this name, with these words after it, shows the times of files.
#[must_use]
pub fn shows_times(name: &OsStr, words: &[OsString]) -> bool {
    let letters = |wanted: &[u8]| {
        words.iter().map(|word| word.as_bytes()).take_while(|word| *word != b"--").any(|word| {
            matches!(word, [b'-', rest @ ..] if rest.first() != Some(&b'-') && rest.iter().any(|byte| wanted.contains(byte)))
        })
    };
    let long = |starts: &[&str]| {
        words.iter().any(|word| starts.iter().any(|start| word.as_bytes().starts_with(start.as_bytes())))
    };
    match name.as_bytes() {
        b"ls" | b"dir" | b"vdir" | b"gls" => {
            name == "vdir" || letters(b"lgnotuc") || long(&["--format", "--full-time", "--time", "--sort"])
        }
        b"exa" | b"eza" | b"lsd" => letters(b"lts") || long(&["--long", "--sort", "--time"]),
        b"stat" | b"rsync" | b"zip" | b"jar" | b"cpio" | b"pax" | b"ar" | b"7z" | b"7za" | b"mksquashfs"
        | b"genisoimage" | b"mkisofs" | b"xorriso" => true,
        b"tar" | b"gtar" | b"bsdtar" => {
            let first = words.first().map(|word| word.as_bytes()).unwrap_or_default();
            let old_style = !first.starts_with(b"-") && first.iter().any(|byte| b"cru".contains(byte));
            old_style || letters(b"cru") || long(&["--create", "--append", "--update", "--catenate", "--get"])
        }
        b"find" | b"gfind" => long(&[
            "-printf", "-fprintf", "-ls", "-fls", "-newer", "-mtime", "-mmin", "-ctime", "-cmin", "-atime",
            "-amin",
        ]),
        b"cp" | b"gcp" => letters(b"pau") || long(&["--preserve", "--archive", "--update"]),
        b"mv" | b"gmv" => letters(b"u") || long(&["--update"]),
        b"install" => letters(b"p") || long(&["--preserve-timestamps"]),
        b"du" => long(&["--time"]),
        b"tree" => letters(b"Dtcr"),
        b"gzip" | b"pigz" => !letters(b"ncd"),
        _ => false,
    }
}

/// The first of `words` that names an inherited descriptor by path (`<(…)` becomes `/dev/fd/63`). Standard input,
/// output and error are seen by watching.
#[must_use]
pub fn names_descriptor(words: &[OsString]) -> Option<&OsString> {
    words.iter().find(|word| {
        let bytes = word.as_bytes();
        after_each(bytes, b"/dev/fd/").any(above_two)
            || after_each(bytes, b"/proc/").any(|rest| {
                let end = rest.iter().position(|byte| *byte == b'/').unwrap_or(rest.len());
                rest.get(end..).and_then(|tail| tail.strip_prefix(b"/fd/")).is_some_and(above_two)
            })
    })
}

fn after_each<'a>(bytes: &'a [u8], part: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    let places = bytes.windows(part.len()).enumerate().filter(move |(_, window)| *window == part);
    places.filter_map(move |(place, _)| bytes.get(place + part.len()..))
}

fn above_two(rest: &[u8]) -> bool {
    let digits: Vec<u8> = rest.iter().copied().take_while(u8::is_ascii_digit).collect();
    let number = std::str::from_utf8(&digits).ok().and_then(|text| text.parse::<u64>().ok());
    !digits.is_empty() && number.is_none_or(|number| number > 2)
}

/// The name by which a program is known: the last component of its word.
#[must_use]
pub fn known_name(word: &OsStr) -> &OsStr {
    base_name(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<Word> {
        let all = line.split(' ').enumerate();
        all.map(|(place, text)| Word { text: text.into(), place: Some(place) }).collect()
    }

    fn started(line: &str) -> Option<String> {
        let mut all = words(line);
        let program = all.remove(0);
        let started = launcher(&program.text).unwrap().started(&all)?;
        let texts: Vec<String> = started.words.iter().map(|word| word.text.display().to_string()).collect();
        Some(texts.join(" "))
    }

    #[test]
    fn launchers_are_looked_through() {
        for (line, expected) in [
            ("env python s.py", Some("python s.py")),
            ("env -i A=1 B= python s.py", Some("python s.py")),
            ("env -u A -C dir -- python s.py", Some("python s.py")),
            ("env -S python~-u s.py", None),
            ("env --unknown python", None),
            ("env", None),
            ("env A=1", None),
            ("nice -n 5 python s.py", Some("python s.py")),
            ("nice -10 python s.py", Some("python s.py")),
            ("ionice -c 3 python s.py", Some("python s.py")),
            ("ionice -p 1", None),
            ("nohup python s.py", Some("python s.py")),
            ("time -f %e -o t python s.py", Some("python s.py")),
            ("timeout -k 5 --signal=KILL 10s python s.py", Some("python s.py")),
            ("timeout 10", None),
            ("stdbuf -oL -e 0 python s.py", Some("python s.py")),
            ("setsid -w python s.py", Some("python s.py")),
            ("taskset -c 0-3 python s.py", Some("python s.py")),
            ("taskset -p 1 2", None),
            ("uv run s.py a", Some("python s.py a")),
            ("uv run --with numpy -p 3.12 python s.py", Some("python s.py")),
            ("uv --directory d run -m pkg", Some("python -m pkg")),
            ("uv pip install x", None),
            ("poetry run python s.py", Some("python s.py")),
            ("pipenv run pytest", Some("pytest")),
            ("bundle exec rake x", Some("rake x")),
            ("npx -y tsx s.ts", Some("tsx s.ts")),
            ("npx -c tsx", None),
            ("npm exec -- eslint .", Some("eslint .")),
            ("npm run build", None),
        ] {
            let line_words = line.replace('~', " ");
            let found = if line.contains('~') { started_split(&line_words) } else { started(line) };
            let expected = if line.contains('~') { Some("python -u s.py") } else { expected };
            assert_eq!(found.as_deref(), expected, "{line}");
        }
    }

    fn started_split(_: &str) -> Option<String> {
        let all = [("-S", 1), (" python -u", 2), ("s.py", 3)]
            .map(|(text, place)| Word { text: text.into(), place: Some(place) });
        let started = launcher(OsStr::new("env")).unwrap().started(&all)?;
        assert_eq!(
            started.words.iter().map(|word| word.place).collect::<Vec<_>>(),
            [Some(2), Some(2), Some(3)]
        );
        let texts: Vec<String> = started.words.iter().map(|word| word.text.display().to_string()).collect();
        Some(texts.join(" "))
    }

    #[test]
    fn env_tells_what_it_changes() {
        let found =
            launcher(OsStr::new("env")).unwrap().started(&words("-i -u A -C d B=1=2 cmd B=3")).unwrap();
        assert!(found.clears_environment);
        assert_eq!(found.directory, Some("d".into()));
        assert_eq!(found.overlay, [("A".into(), None), ("B".into(), Some("1=2".into()))]);
        assert_eq!(found.words.len(), 2);
    }

    #[test]
    fn programs_that_show_times_are_told_by_their_words() {
        for (line, expected) in [
            ("ls -l", true),
            ("ls -la x", true),
            ("ls -A", false),
            ("ls -- -l", false),
            ("stat x", true),
            ("tar cf x t", true),
            ("tar -czf x t", true),
            ("tar xf x", false),
            ("find . -printf x", true),
            ("find . -name x", false),
            ("rsync a b", true),
            ("cp -a a b", true),
            ("cp a b", false),
            ("python -l", false),
        ] {
            let mut all: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            let name = all.remove(0);
            assert_eq!(shows_times(&name, &all), expected, "{line}");
        }
    }

    #[test]
    fn words_that_name_descriptors_are_found() {
        for (word, expected) in [
            ("/dev/fd/63", true),
            ("--in=/dev/fd/3", true),
            ("@/proc/self/fd/11", true),
            ("/proc/123/fd/3", true),
            ("/dev/fd/99999999999999999999", true),
            ("/dev/stdin", false),
            ("/dev/fd/0", false),
            ("/dev/fd/", false),
            ("/proc/self/fd/2", false),
            ("/proc/self/fdinfo", false),
            ("x", false),
        ] {
            assert_eq!(names_descriptor(&[word.into()]).is_some(), expected, "{word}");
        }
    }
}
