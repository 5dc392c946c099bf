//! Patterns in the text of shell scripts, by text alone: whatever a shell may take for one is one.

use super::is_special;
use memchr::memmem;
use std::collections::BTreeSet;

/// Patterns that the shells of a run may expand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Globs {
    /// Words with a special character that stands for itself in no place.
    patterns: Vec<Vec<u8>>,
    /// Words that hold what a variable or a command says, which may be a pattern.
    expansions: Vec<Vec<u8>>,
    /// Variables whose values may be expanded.
    variables: BTreeSet<Vec<u8>>,
    /// What a variable or a command says may hold a special character.
    is_dynamic: bool,
    /// It is not understood.
    anything: bool,
}

/// How text is quoted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Quote {
    None,
    Single,
    Double,
}

/// A word as it is read.
#[derive(Default)]
struct Word {
    pattern: Vec<u8>,
    /// It has a special character.
    special: bool,
    /// That, or the word, was quoted or assigned: a variable may hold it.
    kept: bool,
    /// A variable or a command is expanded outside of quotes.
    expands: bool,
    /// It is given to a variable: as it is, until that is expanded.
    assigned: bool,
}

impl Globs {
    /// Takes in a script.
    pub fn script(&mut self, text: &[u8]) {
        let says = |words: &[&str]| words.iter().any(|word| memmem::find(text, word.as_bytes()).is_some());
        self.anything |= says(&["compgen", "extglob", "complete "]);
        let computes = memmem::find_iter(text, b"$(").any(|at| text.get(at + 2) != Some(&b'('));
        self.is_dynamic |= computes || says(&["`", "read ", "mapfile", "readarray", "eval", "printf -v"]);
        self.read(text, Quote::None);
    }

    /// Takes in text that a variable of the shell may hold: a word of the call.
    pub fn value(&mut self, text: &[u8]) {
        if is_special(text) {
            self.is_dynamic = true;
            self.read(text, Quote::Double);
        }
    }

    /// Variables of the environment whose values may be expanded.
    pub fn variables(&self) -> impl Iterator<Item = &[u8]> {
        self.variables.iter().map(Vec::as_slice)
    }

    /// Whether a name that a listing found may decide: as what a pattern stands for.
    #[must_use]
    pub fn may_find(&self, name: &[u8]) -> bool {
        let special = |part: &[u8]| is_special(part) && super::is_like(part, name);
        // Something was listed: by what is not known.
        self.anything || self.words().next().is_none() || self.is_any(|part, _| special(part))
    }

    /// Whether a name that was looked for may decide: it is what follows a pattern in a path.
    #[must_use]
    pub fn may_test(&self, name: &[u8]) -> bool {
        self.is_any(|part, follows| follows && super::is_like(part, name))
    }

    fn words(&self) -> impl Iterator<Item = &Vec<u8>> {
        self.patterns.iter().chain(self.expansions.iter().filter(|_| self.is_dynamic))
    }

    fn is_any(&self, is_it: impl Fn(&[u8], bool) -> bool) -> bool {
        self.words().any(|word| {
            let mut follows = false;
            word.split(|byte| *byte == b'/').filter(|part| !part.is_empty()).any(|part| {
                let found = is_it(part, follows);
                follows |= is_special(part);
                found
            })
        })
    }

    fn read(&mut self, text: &[u8], mut quote: Quote) {
        let is_value = quote == Quote::Double;
        let mut word = Word { kept: is_value, ..Word::default() };
        let mut at = 0;
        while let Some(byte) = text.get(at) {
            at += 1;
            match (byte, quote) {
                (b'\'', Quote::None) => quote = Quote::Single,
                (b'\'', Quote::Single) => quote = Quote::None,
                (b'"', Quote::None) => quote = Quote::Double,
                (b'"', Quote::Double) if !is_value => quote = Quote::None,
                (b'\\', Quote::None | Quote::Double) => {
                    word.pattern.extend(text.get(at));
                    at += 1;
                }
                (b'$', Quote::None | Quote::Double) if !is_value => {
                    at += self.expansion(text.get(at..).unwrap_or_default(), quote, &mut word);
                }
                (byte, Quote::None) if byte.is_ascii_whitespace() || b";|&()<>`".contains(byte) => {
                    self.take(std::mem::take(&mut word));
                    // What a command says may go on.
                    if matches!(byte, b')' | b'`') {
                        word.pattern.push(b'*');
                    }
                }
                // One value may hold several words, or a part of a name.
                (byte, _) if byte.is_ascii_whitespace() => {
                    word.pattern.push(b'*');
                    let ended = std::mem::take(&mut word);
                    self.take(ended);
                    word = Word { pattern: vec![b'*'], kept: true, ..Word::default() };
                }
                (b'=', Quote::None) => {
                    self.take(std::mem::take(&mut word));
                    word = Word { pattern: vec![b'*'], kept: true, assigned: true, ..Word::default() };
                }
                (byte, _) => {
                    word.special |= matches!(byte, b'*' | b'?' | b'[');
                    word.kept |= quote != Quote::None && matches!(byte, b'*' | b'?' | b'[');
                    word.pattern.push(*byte);
                }
            }
        }
        self.take(word);
    }

    /// A dollar sign; how much of what follows it was read.
    fn expansion(&mut self, rest: &[u8], quote: Quote, word: &mut Word) -> usize {
        let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        word.pattern.push(b'*');
        if rest.starts_with(b"((") {
            // A number.
            return memmem::find(rest, b"))").map_or(0, |end| end + 2);
        }
        word.expands |= quote == Quote::None;
        match rest.first() {
            Some(b'{') => {
                let end = rest.iter().position(|byte| *byte == b'}').map_or(rest.len(), |end| end + 1);
                let inner = rest.get(1..end).unwrap_or_default();
                let name = inner.iter().take_while(|byte| is_part(byte)).count();
                self.variables.extend(inner.get(..name).map(<[u8]>::to_vec));
                // `${x:-*.csv}`
                self.read(inner.get(name..).unwrap_or_default(), Quote::None);
                end
            }
            Some(byte) if is_part(byte) => {
                let name = rest.iter().take_while(|byte| is_part(byte)).count();
                self.variables.extend(rest.get(..name).map(<[u8]>::to_vec));
                name
            }
            // What parentheses hold is read like the rest.
            Some(b'(') | None => 0,
            Some(_) => 1,
        }
    }

    fn take(&mut self, word: Word) {
        let Word { pattern, special, kept, expands, assigned } = word;
        // A test, or the end of one.
        if matches!(pattern.as_slice(), b"[" | b"[[" | b"" | b"!" | b"?") {
            return;
        }
        if special {
            self.is_dynamic |= kept;
            self.patterns.push(pattern);
        } else if expands && !assigned {
            self.expansions.push(pattern);
        }
    }
}
