//! Arguments that must not be stored: their replacement, and the digest by which they count.
//!
//! This module knows neither stores nor the terminal: bytes in, bytes out.

use super::request::Request;
use crate::digest::{DIGEST_LENGTH, Digest};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// The replacement of redacted text.
const MARK: &[u8] = b"[redacted]";

impl Request {
    /// The words as they may be stored and shown.
    #[must_use]
    pub fn shown_words(&self) -> Vec<OsString> {
        if self.redactions.is_empty() {
            return self.words.clone();
        }
        (0..self.words.len()).map(|place| OsString::from_vec(self.shown_word(place))).collect()
    }

    /// Text about the call as it may be stored and shown.
    #[must_use]
    pub fn shown_text(&self, text: &[u8]) -> Vec<u8> {
        let literal = self.redactions.iter().filter(|redaction| is_literal(redaction));
        literal.fold(text.to_vec(), |text, redaction| replaced(&text, redaction.as_bytes()))
    }

    /// The word at `place` as it may be stored and shown.
    #[must_use]
    pub fn shown_word(&self, place: usize) -> Vec<u8> {
        let word = self.words.get(place).map(|word| word.as_bytes()).unwrap_or_default();
        let before = place.checked_sub(1).and_then(|before| self.words.get(before));
        for redaction in self.redactions.iter().filter(|redaction| !is_literal(redaction)) {
            if before == Some(redaction) {
                return MARK.to_vec();
            }
            let mut start = redaction.as_bytes().to_vec();
            if !start.ends_with(b"=") {
                start.push(b'=');
            }
            if word.starts_with(&start) {
                start.extend_from_slice(MARK);
                return start;
            }
        }
        self.shown_text(word)
    }

    /// The digest by which the word at `place` counts if it must not be stored. It is keyed with the store's secret, so that
    /// nobody else can test guesses. `None` for any other word.
    pub(super) fn hidden(&self, place: usize, secret: &[u8; DIGEST_LENGTH]) -> Option<Digest> {
        let word = self.words.get(place)?.as_bytes();
        let is_hidden = !self.redactions.is_empty() && self.shown_word(place) != word;
        is_hidden.then(|| Digest::keyed(secret, word))
    }
}

/// Whether a redaction is a text to search for. Otherwise it names an option (`--token`) or a variable (`TOKEN=`), whose value is
/// removed.
fn is_literal(redaction: &OsStr) -> bool {
    !redaction.as_bytes().starts_with(b"-") && !redaction.as_bytes().ends_with(b"=")
}

/// `text` with [`MARK`] in place of each `what`.
fn replaced(text: &[u8], what: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        if let Some(after) = rest.strip_prefix(what).filter(|_| !what.is_empty()) {
            bytes.extend_from_slice(MARK);
            rest = after;
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::replaced;

    #[test]
    fn every_place_is_found() {
        for (text, what, expected) in [
            ("", "a", ""),
            ("abc", "b", "a[redacted]c"),
            ("bb", "b", "[redacted][redacted]"),
            ("aab", "ab", "a[redacted]"),
            ("abc", "", "abc"),
            ("abc", "abcd", "abc"),
        ] {
            assert_eq!(replaced(text.as_bytes(), what.as_bytes()), expected.as_bytes(), "{what} in {text}");
        }
    }
}
