//! Comma-separated values as RFC 4180 has them, a record at a time.
//!
//! A quote in the middle of a field is text, as most writers of such files mean it.

use crate::error::{Error, Result};
use std::io::{self, BufRead};

/// The longest record that is read, in bytes: a quote that never ends must not read a whole disk.
const LONGEST: usize = 16 << 20;

/// The fields of one record that is all of `text`; line ends are part of its fields.
///
/// # Errors
/// [`crate::error::Kind::Usage`] when a quote does not end.
pub fn record(text: &[u8]) -> Result<Vec<Vec<u8>>> {
    let mut splitter = Splitter::default();
    splitter.take(text);
    splitter.finish().ok_or_else(|| Error::usage("a quote does not end"))
}

/// The next record of `from`, without its line end; `None` at the end. Empty lines are passed over.
///
/// # Errors
/// What reading fails of; `InvalidData` when a quote does not end.
pub fn next_record(from: &mut impl BufRead) -> io::Result<Option<Vec<Vec<u8>>>> {
    let mut line = Vec::new();
    let mut splitter = Splitter::default();
    let mut taken = 0_usize;
    loop {
        line.clear();
        if from.read_until(b'\n', &mut line)? == 0 {
            if taken == 0 {
                return Ok(None);
            }
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a quote does not end"));
        }
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        if taken == 0 && text.is_empty() {
            continue;
        }
        taken = taken.saturating_add(line.len());
        if taken > LONGEST {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a record of more than 16 MiB"));
        }
        splitter.take(text);
        if splitter.is_open() {
            splitter.take(line.get(text.len()..).unwrap_or_default());
            continue;
        }
        return Ok(splitter.finish());
    }
}

/// Takes text apart into fields.
#[derive(Default)]
struct Splitter {
    fields: Vec<Vec<u8>>,
    field: Vec<u8>,
    /// Whether the field began with a quote, and whether that has ended.
    quoted: bool,
    ended: bool,
}

impl Splitter {
    fn is_open(&self) -> bool {
        self.quoted && !self.ended
    }

    fn take(&mut self, text: &[u8]) {
        let mut bytes = text.iter().copied().peekable();
        while let Some(byte) = bytes.next() {
            match byte {
                b'"' if self.is_open() && bytes.peek() == Some(&b'"') => {
                    bytes.next();
                    self.field.push(b'"');
                }
                b'"' if self.is_open() => self.ended = true,
                b'"' if self.field.is_empty() && !self.quoted => self.quoted = true,
                b',' if !self.is_open() => {
                    self.fields.push(std::mem::take(&mut self.field));
                    (self.quoted, self.ended) = (false, false);
                }
                other => self.field.push(other),
            }
        }
    }

    fn finish(mut self) -> Option<Vec<Vec<u8>>> {
        if self.is_open() {
            return None;
        }
        self.fields.push(self.field);
        Some(self.fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn records(text: &str) -> Vec<Vec<String>> {
        let mut from = text.as_bytes();
        let next = || next_record(&mut from).unwrap();
        let text = |fields: Vec<Vec<u8>>| fields.into_iter().map(|field| String::from_utf8(field).unwrap());
        std::iter::from_fn(next).map(|fields| text(fields).collect()).collect()
    }

    #[test]
    fn fields_quotes_and_lines() {
        assert_eq!(
            records("a,b\r\n1,\"x, \"\"y\"\"\nz\"\n\n,\n\"\",q\"r"),
            [&["a", "b"][..], &["1", "x, \"y\"\nz"], &["", ""], &["", "q\"r"]]
        );
        assert_eq!(records(""), Vec::<Vec<String>>::new());
        assert!(next_record(&mut &b"a\n\"b\n"[..]).unwrap().is_some());
        assert!(next_record(&mut &b"\"b\nc"[..]).is_err());
    }

    proptest! {
        /// What is quoted by the rules comes back as it was.
        #[test]
        fn all_fields_survive(fields in prop::collection::vec("[a\",\r\n é]{0,6}", 1..5)) {
            let quote = |field: &String| format!("\"{}\"", field.replace('"', "\"\""));
            let text = fields.iter().map(quote).collect::<Vec<_>>().join(",") + "\n";
            prop_assert_eq!(records(&text), vec![fields]);
        }

        #[test]
        fn nothing_is_too_odd(text in "[a\",\r\n]{0,40}") {
            let mut from = text.as_bytes();
            while let Ok(Some(_)) = next_record(&mut from) {}
        }
    }
}
