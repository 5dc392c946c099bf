//! Compares two contents in bounded memory: finds the first difference, and classifies the others.
//!
//! Callers pass functions that open a content; each content is opened as often as needed.

use super::cause::{Cause, explain};
use crate::digest::Digest;
use crate::error::{Error, Result};
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

/// Number of bytes compared per step.
const PIECE: usize = 64 * 1024;
/// Maximum size of a line, in bytes; a longer line is compared in parts of this size.
const LONGEST_LINE: u64 = 64 * 1024;
/// Size of the reported excerpt of a differing line, or of differing bytes, in bytes.
const EXCERPT: usize = 200;
/// Number of bytes that are searched for a NUL, which marks binary content: git's rule.
const HEAD: u64 = 8000;

/// How two contents differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contrast {
    /// Sizes in bytes: recorded, and now.
    pub sizes: (u64, u64),
    /// Offset of the first differing byte, from 0.
    pub offset: u64,
    /// Number of its line, from 1; `None` for binary contents.
    pub line: Option<u64>,
    /// The beginning of that line, or of the differing bytes, as recorded; `None` where the recorded content ends before.
    pub then: Option<Vec<u8>>,
    /// The same for the present content.
    pub now: Option<Vec<u8>>,
    /// Causes of all differences, as far as the text shows; empty where it does not.
    pub causes: Vec<Cause>,
}

/// Opens a content at its beginning.
pub(super) type Open<'a> = &'a dyn Fn() -> Result<Box<dyn Read>>;

/// Compares two contents; `None` where they are equal.
///
/// # Errors
/// When one of them cannot be read.
pub(super) fn contrast(then: Open<'_>, now: Open<'_>) -> Result<Option<Contrast>> {
    let unreadable = |error| Error::io("read", Path::new("the compared content"), error);
    let Some(first) = first_difference(&mut then()?, &mut now()?).map_err(unreadable)? else {
        return Ok(None);
    };
    let binary = has_nul(then()?).map_err(unreadable)? || has_nul(now()?).map_err(unreadable)?;
    let start = if binary { first.offset } else { first.line_start };
    let mut pair = Pair { then: opened(then, start)?, now: opened(now, start)? };
    let rest = if binary { pair.bytes(start) } else { pair.lines() }.map_err(unreadable)?;
    let mut head = Vec::new();
    then()?.take(4).read_to_end(&mut head).map_err(unreadable)?;
    let causes = if binary { compressed_moment(&head, &first, &rest) } else { rest.causes };
    Ok(Some(Contrast {
        sizes: (start.saturating_add(rest.sizes.0), start.saturating_add(rest.sizes.1)),
        offset: first.offset,
        line: (!binary).then_some(first.line),
        then: rest.then,
        now: rest.now,
        causes,
    }))
}

fn opened(open: Open<'_>, start: u64) -> Result<BufReader<Box<dyn Read>>> {
    let mut from = open()?;
    io::copy(&mut from.by_ref().take(start), &mut io::sink())
        .map_err(|error| Error::io("read", Path::new("the compared content"), error))?;
    Ok(BufReader::with_capacity(PIECE, from))
}

fn has_nul(from: Box<dyn Read>) -> io::Result<bool> {
    let mut head = Vec::new();
    from.take(HEAD).read_to_end(&mut head)?;
    Ok(head.contains(&0))
}

struct First {
    offset: u64,
    /// Line number, from 1.
    line: u64,
    line_start: u64,
}

/// Reads until `buffer` is full or the content ends.
fn fill(from: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match from.read(rest) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

fn wide(size: usize) -> u64 {
    u64::try_from(size).unwrap_or(u64::MAX)
}

fn first_difference(then: &mut dyn Read, now: &mut dyn Read) -> io::Result<Option<First>> {
    let (mut left, mut right) = (vec![0; PIECE], vec![0; PIECE]);
    let mut first = First { offset: 0, line: 1, line_start: 0 };
    loop {
        let (one, other) = (fill(then, &mut left)?, fill(now, &mut right)?);
        let (left, right) = (left.get(..one).unwrap_or_default(), right.get(..other).unwrap_or_default());
        let same = left.iter().zip(right).take_while(|(one, other)| one == other).count();
        for (place, byte) in left.iter().take(same).enumerate() {
            if *byte == b'\n' {
                first.line += 1;
                first.line_start = first.offset + wide(place) + 1;
            }
        }
        first.offset += wide(same);
        if same < one.max(other) {
            return Ok(Some(first));
        }
        if one == 0 {
            return Ok(None);
        }
    }
}

/// The contents from the first difference on.
struct Rest {
    sizes: (u64, u64),
    then: Option<Vec<u8>>,
    now: Option<Vec<u8>>,
    causes: Vec<Cause>,
    /// Offset of the last differing byte, for binary content.
    last: u64,
}

struct Pair {
    then: BufReader<Box<dyn Read>>,
    now: BufReader<Box<dyn Read>>,
}

impl Pair {
    fn bytes(&mut self, start: u64) -> io::Result<Rest> {
        let mut rest = Rest { sizes: (0, 0), then: None, now: None, causes: Vec::new(), last: start };
        let (mut left, mut right) = (vec![0; PIECE], vec![0; PIECE]);
        loop {
            let (one, other) = (fill(&mut self.then, &mut left)?, fill(&mut self.now, &mut right)?);
            if one == 0 && other == 0 {
                return Ok(rest);
            }
            let (left, right) = (left.get(..one).unwrap_or_default(), right.get(..other).unwrap_or_default());
            if rest.sizes == (0, 0) {
                // A few bytes are enough for an excerpt.
                let excerpt = |bytes: &[u8]| bytes.get(..bytes.len().min(EXCERPT / 10)).map(<[u8]>::to_vec);
                (rest.then, rest.now) = (excerpt(left), excerpt(right));
            }
            let base = start.saturating_add(rest.sizes.0);
            if let Some(place) = left.iter().zip(right).rposition(|(one, other)| one != other) {
                rest.last = base.saturating_add(wide(place));
            }
            rest.sizes.0 += wide(one);
            rest.sizes.1 += wide(other);
        }
    }

    fn lines(&mut self) -> io::Result<Rest> {
        let mut rest = Rest { sizes: (0, 0), then: None, now: None, causes: Vec::new(), last: 0 };
        let mut explained = true;
        let (mut left, mut right) = (Lines::default(), Lines::default());
        let mut is_first = true;
        loop {
            let more = (left.next(&mut self.then)?, right.next(&mut self.now)?);
            if std::mem::take(&mut is_first) {
                let excerpt = |line: &[u8]| line.get(..line.len().min(EXCERPT)).map(<[u8]>::to_vec);
                rest.then = more.0.then(|| excerpt(left.text())).flatten();
                rest.now = more.1.then(|| excerpt(right.text())).flatten();
            }
            match more {
                (false, false) => break,
                (true, true) if explained => match explain(left.text(), right.text()) {
                    Some(causes) => rest.causes.extend(causes),
                    None => explained = false,
                },
                (true, true) => {}
                _ => explained = false,
            }
            rest.causes.sort();
            rest.causes.dedup();
        }
        if left.sum == right.sum && left.count == right.count && left.line_ends == right.line_ends {
            rest.causes = vec![Cause::Order];
        } else if !explained || left.line_ends != right.line_ends {
            rest.causes.clear();
        }
        rest.sizes = (left.bytes, right.bytes);
        Ok(rest)
    }
}

/// Reads the lines of a content, and computes a checksum over all lines that does not depend on their order.
#[derive(Default)]
struct Lines {
    line: Vec<u8>,
    sum: u128,
    count: u64,
    bytes: u64,
    line_ends: u64,
}

impl Lines {
    fn next(&mut self, from: &mut BufReader<Box<dyn Read>>) -> io::Result<bool> {
        self.line.clear();
        let read = from.take(LONGEST_LINE).read_until(b'\n', &mut self.line)?;
        if read == 0 {
            return Ok(false);
        }
        self.bytes += wide(read);
        self.line_ends += u64::from(self.line.last() == Some(&b'\n'));
        self.count += 1;
        let digest = Digest::of(self.text());
        let half = digest.as_bytes().iter().take(16).fold(0_u128, |sum, byte| sum << 8 | u128::from(*byte));
        self.sum = self.sum.wrapping_add(half);
        Ok(true)
    }

    /// The line without its end.
    fn text(&self) -> &[u8] {
        self.line.strip_suffix(b"\n").unwrap_or(&self.line)
    }
}

/// A gzip header contains a time in bytes 4 to 7 (RFC 1952): the cause is time if nothing else differs.
fn compressed_moment(head: &[u8], first: &First, rest: &Rest) -> Vec<Cause> {
    let gzip = head.starts_with(&[0x1f, 0x8b]);
    let only_there = first.offset >= 4 && rest.last < 8 && rest.sizes.0 == rest.sizes.1;
    if gzip && only_there { vec![Cause::Time] } else { Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    fn compare(then: &[u8], now: &[u8]) -> Option<Contrast> {
        let open = |bytes: &[u8]| {
            let bytes = bytes.to_vec();
            move || Ok(Box::new(Cursor::new(bytes.clone())) as Box<dyn Read>)
        };
        contrast(&open(then), &open(now)).unwrap()
    }

    #[test]
    fn the_first_difference_is_reported_by_byte_and_line() {
        assert_eq!(compare(b"a\nb\n", b"a\nb\n"), None);
        assert_eq!(compare(b"", b""), None);
        let found = compare(b"one\ntwo x\n3\n", b"one\ntwo y\n3\n").unwrap();
        assert_eq!((found.offset, found.line, found.sizes), (8, Some(2), (12, 12)));
        assert_eq!(found.then.as_deref(), Some(&b"two x"[..]));
        assert_eq!(found.now.as_deref(), Some(&b"two y"[..]));
        assert!(found.causes.is_empty());
        let found = compare(b"a\nb\n", b"a\n").unwrap();
        assert_eq!((found.offset, found.line, found.now), (2, Some(2), None));
        let found = compare(b"\0abc", b"\0abdef").unwrap();
        assert_eq!((found.offset, found.line, found.sizes), (3, None, (4, 6)));
        assert_eq!(found.now.as_deref(), Some(&b"def"[..]));
    }

    #[test]
    fn reordered_lines_are_distinguished_from_changed_ones() {
        assert_eq!(compare(b"h\na\nb\nc\n", b"h\nc\nb\na\n").unwrap().causes, [Cause::Order]);
        assert!(compare(b"a\nb\n", b"b\nb\n").unwrap().causes.is_empty());
        assert!(compare(b"a\na\nb\n", b"b\nb\na\n").unwrap().causes.is_empty());
        assert!(compare(b"a\nb", b"a\nb\n").unwrap().causes.is_empty());
    }

    #[test]
    fn one_line_that_is_not_explained_spoils_all() {
        assert_eq!(compare(b"1 ms\nx\n2 ms\n", b"3 ms\nx\n4 ms\n").unwrap().causes, [Cause::Time]);
        assert!(compare(b"1 ms\nx\n2 ms\n", b"3 ms\ny\n4 ms\n").unwrap().causes.is_empty());
        assert!(compare(b"1 ms\n", b"3 ms\n4 ms\n").unwrap().causes.is_empty());
    }

    #[test]
    fn large_contents_are_compared_piece_by_piece() {
        let mut then = vec![b'x'; 3 * PIECE];
        then.extend(b"\nlast 1\n");
        let mut now = then.clone();
        let place = now.len() - 2;
        now[place] = b'2';
        let found = compare(&then, &now).unwrap();
        assert_eq!((found.offset, found.line), (wide(place), Some(2)));
        assert_eq!(found.now.as_deref(), Some(&b"last 2"[..]));
    }

    #[test]
    fn the_moment_of_a_compressed_file() {
        let then = [0x1f, 0x8b, 8, 0, 1, 2, 3, 4, 0, 3, 9];
        let mut now = then;
        now[5] = 77;
        assert_eq!(compare(&then, &now).unwrap().causes, [Cause::Time]);
        now[10] = 8;
        assert!(compare(&then, &now).unwrap().causes.is_empty());
    }
}
