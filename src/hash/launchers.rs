//! Launchers: programs that start another program (`env`, `timeout`, `uv run`). The call is analyzed as a call of that other
//! program, found by the launcher's option grammar.
//!
//! Parses words only and reads no files. A word that the grammar does not contain ends the analysis at the launcher.

mod table;

use super::grammar::{Item, Options, Reader, Word, named};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use table::LAUNCHERS;

/// Where a launcher's child searches for programs before PATH.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finds {
    /// On PATH only.
    OnPath,
    /// In `.venv/bin` of the project.
    InVirtualEnvironment,
    /// In `node_modules/.bin` of the working directory and its parents.
    InNodeModules,
}

/// A launcher.
#[derive(Debug)]
pub struct Launcher {
    /// Its name, with the subcommands that start another program (`uv run`); without any, it always starts one.
    names: &'static str,
    commands: &'static str,
    options: Options,
    /// Operands before the command (`timeout 5`).
    operands: usize,
    /// Options with which it starts no program, or an unknown one.
    stops: &'static str,
    /// Options that set the working directory of the started program.
    directories: &'static str,
    /// Files that determine what it starts, searched in the working directory and its parents.
    pub settings: &'static str,
    /// Where it searches for programs.
    pub finds: Finds,
    /// Whether Python runs an operand that ends in `.py`, and `-m` names a module.
    python: bool,
}

/// The command that a launcher starts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Started {
    /// The words of the command.
    pub words: Vec<Word>,
    /// The working directory, relative to the launcher's, if it sets one.
    pub directory: Option<OsString>,
    /// Variables that it sets or unsets.
    pub overlay: Vec<(OsString, Option<OsString>)>,
    /// Whether it starts with an empty environment.
    pub clears_environment: bool,
}

/// The launcher of this name, if it is one.
#[must_use]
pub fn launcher(name: &OsStr) -> Option<&'static Launcher> {
    LAUNCHERS.iter().find(|launcher| named(launcher.names, name.as_bytes()))
}

impl Launcher {
    /// The command in the words after the launcher's name; `None` where there is none, or it is unknown.
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
                        let is_in = |list: &str| named(list, &name);
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
                if !named(self.commands, first.text.as_bytes()) {
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
        self.names == "env"
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

/// Takes `-` and `NAME=VALUE` before the command of `env`.
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

/// The words of `env -S`; `None` where they contain quotes or escapes.
fn split_words(word: &Word) -> Option<Vec<Word>> {
    let bytes = word.text.as_bytes();
    if bytes.iter().any(|byte| matches!(byte, b'\\' | b'\'' | b'"' | b'$' | b'#')) {
        return None;
    }
    let parts = bytes.split(u8::is_ascii_whitespace).filter(|part| !part.is_empty());
    Some(parts.map(|part| Word { text: OsString::from_vec(part.to_vec()), place: word.place }).collect())
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
    fn env_reports_what_it_changes() {
        let found =
            launcher(OsStr::new("env")).unwrap().started(&words("-i -u A -C d B=1=2 cmd B=3")).unwrap();
        assert!(found.clears_environment);
        assert_eq!(found.directory, Some("d".into()));
        assert_eq!(found.overlay, [("A".into(), None), ("B".into(), Some("1=2".into()))]);
        assert_eq!(found.words.len(), 2);
    }
}
