//! Command lines by a program's own option grammar: which words are options, which are their values, and where the
//! operands begin.
//!
//! What the grammar does not name ends the reading: better not to know than to take a value for an operand.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// A word, and which word of the call it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// Its bytes.
    pub text: OsString,
    /// Its place in the call; `None` for one that a first line or `env -S` added.
    pub place: Option<usize>,
}

/// The options of a program.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// One-letter options without a value; they may stand together (`-eu`).
    pub flags: &'static str,
    /// One-letter options with a value: the rest of the word, or the next word.
    pub valued: &'static str,
    /// One-letter options that may have a value, in the same word only.
    pub optional: &'static str,
    /// Long options without a value, separated by blanks; `x*` means all that begin with `x`.
    pub long_flags: &'static str,
    /// Long options with a value: after `=`, or the next word.
    pub long_valued: &'static str,
    /// Whether a long option that is not named is a flag if it brings its value after `=`.
    pub assigned: bool,
    /// Whether the value of a one-letter option is always the next word, and `+x` takes options back (shells).
    pub shell: bool,
}

impl Options {
    /// No options.
    pub const NONE: Self = Self {
        flags: "",
        valued: "",
        optional: "",
        long_flags: "",
        long_valued: "",
        assigned: false,
        shell: false,
    };
}

/// What comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// An option, by its letter or long name, and its value.
    Option {
        /// `c`, `eval`.
        name: Vec<u8>,
        /// Its value with the place of the word that holds it.
        value: Option<Word>,
    },
    /// The operands begin with this word, counted within the words being read; or there are none.
    Operands(usize),
    /// Something that the grammar does not name.
    Unknown,
}

/// Reads words by a grammar.
#[derive(Debug)]
pub struct Reader<'a> {
    words: &'a [Word],
    at: usize,
    /// What is left of a word of one-letter options.
    cluster: Vec<u8>,
}

impl<'a> Reader<'a> {
    /// Reads `words`, which begin after the program's own name.
    #[must_use]
    pub const fn new(words: &'a [Word]) -> Self {
        Self { words, at: 0, cluster: Vec::new() }
    }

    /// How many words were read.
    #[must_use]
    pub const fn position(&self) -> usize {
        self.at
    }

    /// The next option, or where the operands begin.
    pub fn next(&mut self, options: &Options) -> Item {
        if !self.cluster.is_empty() {
            return self.letter(options);
        }
        let Some(word) = self.words.get(self.at) else {
            return Item::Operands(self.at);
        };
        let bytes = word.text.as_bytes();
        match bytes {
            b"--" => {
                self.at += 1;
                Item::Operands(self.at)
            }
            [b'-', b'-', long @ ..] => self.long(long, word, options),
            [b'-', letters @ ..] if !letters.is_empty() => {
                self.at += 1;
                self.cluster = letters.to_vec();
                self.letter(options)
            }
            [b'+', letters @ ..] if options.shell && !letters.is_empty() => {
                self.at += 1;
                self.cluster = letters.to_vec();
                self.letter(options)
            }
            _ => Item::Operands(self.at),
        }
    }

    fn letter(&mut self, options: &Options) -> Item {
        let letter = self.cluster.remove(0);
        let is_in = |set: &str| set.as_bytes().contains(&letter);
        let name = vec![letter];
        if is_in(options.flags) {
            return Item::Option { name, value: None };
        }
        let place = self.words.get(self.at.wrapping_sub(1)).and_then(|word| word.place);
        if is_in(options.optional) {
            let rest = std::mem::take(&mut self.cluster);
            let value = (!rest.is_empty()).then(|| Word { text: OsString::from_vec(rest), place });
            return Item::Option { name, value };
        }
        if !is_in(options.valued) || (options.shell && !self.cluster.is_empty()) {
            return Item::Unknown;
        }
        if !self.cluster.is_empty() {
            let text = OsString::from_vec(std::mem::take(&mut self.cluster));
            return Item::Option { name, value: Some(Word { text, place }) };
        }
        self.next_word(name)
    }

    fn next_word(&mut self, name: Vec<u8>) -> Item {
        match self.words.get(self.at) {
            Some(word) => {
                self.at += 1;
                Item::Option { name, value: Some(word.clone()) }
            }
            None => Item::Unknown,
        }
    }

    fn long(&mut self, long: &[u8], word: &Word, options: &Options) -> Item {
        self.at += 1;
        let equals = long.iter().position(|byte| *byte == b'=');
        let name = long.get(..equals.unwrap_or(long.len())).unwrap_or_default();
        let value = equals
            .and_then(|place| long.get(place + 1..))
            .map(|value| Word { text: OsStr::from_bytes(value).to_owned(), place: word.place });
        if named(options.long_valued, name) {
            return match value {
                Some(value) => Item::Option { name: name.to_vec(), value: Some(value) },
                None => self.next_word(name.to_vec()),
            };
        }
        if named(options.long_flags, name) || (options.assigned && value.is_some()) {
            return Item::Option { name: name.to_vec(), value };
        }
        Item::Unknown
    }
}

/// Whether `name` is in `list`, whose names are separated by blanks; `x*` means all that begin with `x`.
#[must_use]
pub fn named(list: &str, name: &[u8]) -> bool {
    list.split_ascii_whitespace().any(|entry| match entry.strip_suffix('*') {
        Some(start) => name.starts_with(start.as_bytes()),
        None => name == entry.as_bytes(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: Options = Options {
        flags: "ab",
        valued: "o",
        optional: "W",
        long_flags: "flag no-*",
        long_valued: "value",
        ..Options::NONE
    };

    fn read(line: &[&str], options: &Options) -> (Vec<String>, Option<usize>) {
        let words: Vec<Word> = line
            .iter()
            .enumerate()
            .map(|(place, text)| Word { text: OsString::from(text), place: Some(place) })
            .collect();
        let mut reader = Reader::new(&words);
        let mut seen = Vec::new();
        loop {
            match reader.next(options) {
                Item::Option { name, value } => {
                    let value = value.map(|word| format!("={}", word.text.display())).unwrap_or_default();
                    seen.push(format!("{}{value}", String::from_utf8(name).unwrap()));
                }
                Item::Operands(at) => return (seen, Some(at)),
                Item::Unknown => return (seen, None),
            }
        }
    }

    #[test]
    fn options_end_where_the_grammar_says() {
        for (line, options, operands) in [
            (&["-ab", "x"][..], &["a", "b"][..], Some(1)),
            (&["-ao", "v", "x"], &["a", "o=v"], Some(2)),
            (&["-aov", "x"], &["a", "o=v"], Some(1)),
            (&["-W", "x"], &["W"], Some(1)),
            (&["-Wall", "x"], &["W=all"], Some(1)),
            (&["--value=v", "--value", "w", "--flag", "x"], &["value=v", "value=w", "flag"], Some(4)),
            (&["--no-color", "--", "-a"], &["no-color"], Some(2)),
            (&["-"], &[], Some(0)),
            (&[], &[], Some(0)),
            (&["-c", "x"], &[], None),
            (&["--other=1"], &[], None),
            (&["-o"], &[], None),
            (&["--value"], &[], None),
        ] {
            let options: Vec<String> = options.iter().map(ToString::to_string).collect();
            assert_eq!(read(line, &OPTIONS), (options, operands), "{line:?}");
        }
    }

    #[test]
    fn a_shell_takes_values_from_the_next_word_alone() {
        let options = Options { shell: true, ..OPTIONS };
        assert_eq!(read(&["-ao", "v", "+b", "x"], &options).1, Some(3));
        assert_eq!(read(&["-oa", "v", "x"], &options).1, None);
    }
}
