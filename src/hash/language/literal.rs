//! Languages whose sources count byte for byte, with a scan for the files and variables that they name by literals: Ruby,
//! Perl, R, Lua, PHP, Julia.
//!
//! The scan finds calls by spelling and does not parse. It also finds calls in comments, which only adds dependencies.

use super::{Import, Language, Parsed, Piece};
use std::collections::BTreeSet;

/// What the argument of a call names.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Names {
    /// A file beside the source.
    BesideSource,
    /// A file relative to the working directory if it begins with `.` or `/`; otherwise a library that is not read.
    FileOrLibrary,
    /// A file relative to the working directory.
    File,
    /// A dotted module relative to the working directory; otherwise a library that is not read.
    Dotted,
    /// A library that is not read.
    Library,
    /// An environment variable.
    Variable,
}

/// One of these languages.
#[derive(Clone, Copy)]
pub struct Literal {
    name: &'static str,
    /// Words, the text between them and the literal, and what the literal names.
    calls: &'static [(&'static str, &'static str, Names)],
    /// Words that stand for the whole environment where none of the calls above uses them.
    environment: &'static [&'static str],
}

impl Literal {
    /// The language with that name: `ruby`, `perl`, `r`, `lua`, `php`, `julia`.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        LANGUAGES.iter().find(|language| language.name == name).copied()
    }
}

const LANGUAGES: &[Literal] = &[
    Literal {
        name: "ruby",
        calls: &[
            ("require_relative", "", Names::BesideSource),
            ("require", "", Names::FileOrLibrary),
            ("load", "", Names::File),
            ("autoload", "", Names::Library),
            ("ENV", "[", Names::Variable),
            ("ENV.fetch", "", Names::Variable),
            ("ENV.key?", "", Names::Variable),
            ("ENV.has_key?", "", Names::Variable),
            ("ENV.include?", "", Names::Variable),
        ],
        environment: &["ENV"],
    },
    Literal {
        name: "perl",
        calls: &[
            ("require", "", Names::FileOrLibrary),
            ("do", "", Names::File),
            ("use", "", Names::Library),
            ("$ENV", "{", Names::Variable),
        ],
        environment: &["%ENV", "$ENV", "@ENV"],
    },
    Literal {
        name: "r",
        calls: &[
            ("source", "", Names::File),
            ("sys.source", "", Names::File),
            ("library", "", Names::Library),
            ("require", "", Names::Library),
            ("requireNamespace", "", Names::Library),
            ("Sys.getenv", "", Names::Variable),
        ],
        environment: &["Sys.getenv"],
    },
    Literal {
        name: "lua",
        calls: &[
            ("require", "", Names::Dotted),
            ("dofile", "", Names::File),
            ("loadfile", "", Names::File),
            ("os.getenv", "", Names::Variable),
        ],
        environment: &["os.getenv"],
    },
    Literal {
        name: "php",
        calls: &[
            ("require", "", Names::File),
            ("require_once", "", Names::File),
            ("include", "", Names::File),
            ("include_once", "", Names::File),
            ("getenv", "", Names::Variable),
            ("$_ENV", "[", Names::Variable),
            ("$_SERVER", "[", Names::Variable),
        ],
        environment: &["getenv", "$_ENV", "$_SERVER"],
    },
    Literal {
        name: "julia",
        calls: &[
            ("include", "", Names::BesideSource),
            ("using", "", Names::Library),
            ("import", "", Names::Library),
            ("ENV", "[", Names::Variable),
        ],
        environment: &["ENV"],
    },
];

impl Language for Literal {
    fn form(&self) -> &'static str {
        super::raw::FORM
    }

    fn parse(&self, source: &[u8]) -> Parsed {
        let mut parsed = Parsed { lists_directories: true, reads_docstrings: true, ..Parsed::default() };
        let mut variables = BTreeSet::new();
        let mut accounted = BTreeSet::new();
        for (word, opening, names) in self.calls {
            for at in occurrences(source, word) {
                let rest = source.get(at + word.len()..).unwrap_or_default();
                let literal = argument(rest, opening);
                match (names, literal) {
                    (Names::Variable, Some(name)) => {
                        accounted.insert(at);
                        variables.insert(name);
                    }
                    // Handled below.
                    (Names::Variable, None) => {}
                    (_, None) | (Names::Library, _) => parsed.computed_imports = true,
                    (names, Some(path)) => self.file(*names, path, &mut parsed),
                }
            }
        }
        for word in self.environment {
            parsed.whole_environment |= occurrences(source, word).any(|at| !accounted.contains(&at));
        }
        parsed.variables = variables.into_iter().collect();
        parsed
    }

    fn pieces(&self, _source: &[u8]) -> Vec<Piece> {
        Vec::new()
    }
}

impl Literal {
    fn file(&self, names: Names, path: Vec<u8>, parsed: &mut Parsed) {
        let is_path = path.first().is_some_and(|first| b"./".contains(first));
        match names {
            Names::BesideSource => parsed.imports.push(Import::FileFromSource(path)),
            Names::File => {
                // PHP searches its include path, and beside the source.
                parsed.computed_imports |= self.name == "php" && !is_path;
                parsed.imports.push(Import::FileFromDirectory(path));
            }
            Names::FileOrLibrary if is_path => parsed.imports.push(Import::FileFromDirectory(path)),
            Names::Dotted => {
                let path: Vec<u8> =
                    path.iter().map(|byte| if *byte == b'.' { b'/' } else { *byte }).collect();
                parsed.computed_imports = true;
                parsed.imports.push(Import::FileFromDirectory(path));
            }
            _ => parsed.computed_imports = true,
        }
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 128
}

/// Positions where `word` occurs as a whole word.
fn occurrences<'a>(source: &'a [u8], word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let found = source.windows(word.len()).enumerate().filter(|(_, window)| *window == word.as_bytes());
    found.map(|(at, _)| at).filter(move |at| {
        let before = at.checked_sub(1).and_then(|before| source.get(before)).copied().unwrap_or(b' ');
        let after = source.get(at + word.len()).copied().unwrap_or(b' ');
        let joined = is_word(before) || before == b'.' || before == b'$';
        let starts_as_word = word.as_bytes().first().is_some_and(|first| is_word(*first));
        !(is_word(after) || starts_as_word && joined)
    })
}

/// The literal argument of a call, in quotes or, in braces, without; `None` where it is not a literal or only a part of the
/// argument.
fn argument(rest: &[u8], opening: &str) -> Option<Vec<u8>> {
    let mut rest = rest.trim_ascii_start();
    if !opening.is_empty() {
        rest = rest.strip_prefix(opening.as_bytes())?.trim_ascii_start();
    } else if let Some(inside) = rest.strip_prefix(b"(") {
        rest = inside.trim_ascii_start();
    }
    let quote = *rest.first()?;
    if opening == "{" && is_word(quote) {
        let end = rest.iter().position(|byte| !is_word(*byte))?;
        let (name, after) = rest.split_at_checked(end)?;
        return after.trim_ascii_start().starts_with(b"}").then(|| name.to_vec());
    }
    if quote != b'"' && quote != b'\'' {
        return None;
    }
    let inside = rest.get(1..)?;
    let end = inside.iter().position(|byte| *byte == quote)?;
    let (text, after) = inside.split_at_checked(end)?;
    // Text with interpolation, escapes or concatenation is not a literal.
    let computed = text.iter().any(|byte| b"\\\n".contains(byte))
        || quote == b'"' && text.iter().any(|byte| b"#$@".contains(byte));
    let after = after.get(1..)?;
    let next = after.iter().copied().find(|byte| !matches!(byte, b' ' | b'\t')).unwrap_or(b'\n');
    (!computed && !text.is_empty() && !b".+*%&|".contains(&next)).then(|| text.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(language: &str, source: &str) -> Parsed {
        Literal::by_name(language).unwrap().parse(source.as_bytes())
    }

    #[test]
    fn literal_files_are_found() {
        let beside = |path: &str| Import::FileFromSource(path.as_bytes().to_vec());
        let directory = |path: &str| Import::FileFromDirectory(path.as_bytes().to_vec());
        for (language, source, import) in [
            ("ruby", "require_relative 'lib/a'\n", beside("lib/a")),
            ("ruby", "require \"./a\"", directory("./a")),
            ("perl", "require './a.pl';", directory("./a.pl")),
            ("r", "source(\"a.R\")", directory("a.R")),
            ("lua", "local a = require \"b.c\"", directory("b/c")),
            ("php", "<?php require_once('./a.php');", directory("./a.php")),
            ("julia", "include(\"a.jl\")", beside("a.jl")),
        ] {
            assert_eq!(parsed(language, source).imports, [import], "{source}");
        }
    }

    #[test]
    fn what_is_not_a_literal_is_computed() {
        for (language, source) in [
            ("ruby", "require_relative name"),
            ("ruby", "require 'json'"),
            ("ruby", "require_relative \"#{a}/b\""),
            ("perl", "use List::Util;"),
            ("r", "source(paste0(a, \"b\"))"),
            ("r", "library(ggplot2)"),
            ("php", "require __DIR__ . '/a.php';"),
            ("php", "require 'a' . $b;"),
        ] {
            let parsed = parsed(language, source);
            assert!(parsed.computed_imports && parsed.imports.is_empty(), "{source}");
        }
        assert!(!parsed("ruby", "puts 1 # required").computed_imports);
    }

    #[test]
    fn names_of_the_environment_are_found() {
        for (language, source) in [
            ("ruby", "ENV['A'] || ENV.fetch(\"A\")"),
            ("perl", "$ENV{A} . $ENV{'A'}"),
            ("r", "Sys.getenv(\"A\")"),
            ("lua", "os.getenv('A')"),
            ("php", "getenv('A') . $_ENV['A']"),
            ("julia", "ENV[\"A\"]"),
        ] {
            let parsed = parsed(language, source);
            assert_eq!(parsed.variables, [b"A".to_vec()], "{source}");
            assert!(!parsed.whole_environment, "{source}");
        }
        for (language, source) in [
            ("ruby", "ENV.to_h"),
            ("ruby", "ENV[name]"),
            ("perl", "keys %ENV"),
            ("perl", "$ENV{$name}"),
            ("r", "Sys.getenv()"),
            ("lua", "os.getenv(name)"),
            ("php", "print_r($_SERVER)"),
            ("julia", "copy(ENV)"),
        ] {
            assert!(parsed(language, source).whole_environment, "{source}");
        }
    }

    proptest::proptest! {
        #[test]
        fn never_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200), which in 0..LANGUAGES.len()) {
            let _ = LANGUAGES[which].parse(&bytes);
        }
    }
}
