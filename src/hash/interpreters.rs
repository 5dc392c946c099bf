//! Recognizes interpreters, and finds the script, the module or the code in their words.
//!
//! Parses words only and reads no files.

use super::entry::LanguageKind;
mod table;

use super::grammar::{Item, Options, Reader, Word, named};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use table::{INTERPRETERS, NONE};

/// An interpreter's own grammar.
#[derive(Debug)]
pub struct Interpreter {
    /// Names without a version (`python` stands for `python3.11` too).
    names: &'static str,
    /// Its language.
    pub language: LanguageKind,
    options: Options,
    /// Options whose value is code.
    code: &'static str,
    /// Options whose value is a module's name.
    module: &'static str,
    /// Options whose value is the script.
    script: &'static str,
    /// Options that make the first operand code.
    code_follows: &'static str,
    /// Options that change what is run, or how it is read: the command is then unknown.
    stops: &'static str,
    /// First operands that are commands of the interpreter: what follows is a script, or code.
    commands: &'static [(&'static str, Operand)],
    /// Whether a script's name must contain a dot or a slash, since the interpreter has commands of its own.
    pub plain_words_are_commands: bool,
}

/// Meaning of an operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operand {
    Script,
    Code,
}

/// What an interpreter runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// The script that this word names.
    Script(Word),
    /// A module.
    Module(OsString),
    /// Code, in this word.
    Code(Word),
    /// Something else, or unknown.
    Else,
}

/// The interpreter of this name, if it is one.
#[must_use]
pub fn interpreter(name: &OsStr) -> Option<&'static Interpreter> {
    let name = name.as_bytes();
    let versioned = |base: &str| {
        name.strip_prefix(base.as_bytes()).is_some_and(|rest| {
            let rest = rest.strip_suffix(b"t").unwrap_or(rest);
            let rest = rest.strip_suffix(b"-dbg").unwrap_or(rest);
            rest.iter().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-'))
        })
    };
    INTERPRETERS.iter().find(|interpreter| interpreter.names.split_ascii_whitespace().any(versioned))
}

/// Whether a program of this name runs code in files.
#[must_use]
pub fn is_one(name: &OsStr) -> bool {
    // Started by `Rscript`.
    name == "R" || interpreter(name).is_some()
}

/// Whether a program of this name is a shell.
#[must_use]
pub fn is_shell(name: &OsStr) -> bool {
    interpreter(name).is_some_and(|interpreter| interpreter.language == LanguageKind::Shell)
}

impl Interpreter {
    /// What the words after the interpreter's name make it run, and the number of words before that.
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
                    let is_in = |list: &str| named(list, &name);
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
        named(self.names, b"node")
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
    fn what_is_not_an_interpreter_is_none() {
        for name in
            ["pythonic", "python3-config", "shellcheck", "nodemon", "luac", "bashful", "sha256sum", ""]
        {
            assert!(interpreter(OsStr::new(name)).is_none(), "{name}");
        }
    }
}
