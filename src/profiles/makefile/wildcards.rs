//! The patterns by which make finds names in directories: in its function `wildcard`, and in targets and prerequisites.
//!
//! They are overestimated on purpose.

use super::text::{is_like, without_references};
use memchr::memmem;

const FUNCTION: &[u8] = b"wildcard";

/// Patterns of base names in which `*` matches anything.
#[derive(Debug, Default)]
pub(super) struct Wildcards {
    patterns: Vec<Vec<u8>>,
    /// Text of the makefiles, in which names of variables are found.
    text: Vec<u8>,
    /// Names of variables with special characters in their values.
    special: Vec<Vec<u8>>,
}

/// Whether the text has a special character of patterns.
fn is_special(text: &[u8]) -> bool {
    text.iter().any(|byte| b"*?[".contains(byte))
}

impl Wildcards {
    pub(super) fn add_all(&mut self) {
        self.patterns.push(b"*".to_vec());
    }

    pub(super) fn add_value(&mut self, name: &[u8], value: &[u8]) {
        if is_special(value) {
            self.special.push(name.to_vec());
        }
    }

    /// Adds what a line gives to the function `wildcard`. A plain name is looked for, too.
    pub(super) fn of_functions(&mut self, line: &[u8]) {
        for found in memmem::find_iter(line, FUNCTION) {
            let rest = line.get(found + FUNCTION.len()..).unwrap_or_default();
            let mut depth = 0_i32;
            let inside = rest.iter().take_while(|byte| {
                depth += i32::from(b"({".contains(byte)) - i32::from(b")}".contains(byte));
                depth >= 0
            });
            let inside = rest.get(..inside.count()).unwrap_or_default();
            for word in without_references(inside).split(u8::is_ascii_whitespace) {
                self.word(word);
            }
        }
    }

    /// Adds the patterns in a line that is not a recipe. A variable may stand for the rest of a name.
    pub(super) fn of_names(&mut self, line: &[u8]) {
        self.text.extend_from_slice(line);
        let is_end = |byte: &u8| byte.is_ascii_whitespace() || b"(){},:=|;&".contains(byte);
        for word in line.split(is_end).filter(|word| is_special(word) && *word != b"?") {
            self.word(&[b"*", word, b"*"].concat());
        }
    }

    fn word(&mut self, word: &[u8]) {
        for name in word.split(|byte| *byte == b'/').filter(|name| !name.is_empty()) {
            let any = |byte: &u8| if b"?$%\\".contains(byte) { b'*' } else { *byte };
            let is_class = name.iter().any(|byte| b"[]".contains(byte));
            self.patterns.push(if is_class { b"*".to_vec() } else { name.iter().map(any).collect() });
        }
    }

    /// Whether a name may be found.
    pub(super) fn may_find(&self, name: &[u8]) -> bool {
        self.special.iter().any(|variable| memmem::find(&self.text, variable).is_some())
            || self.patterns.iter().any(|pattern| is_like(pattern, name))
    }
}
