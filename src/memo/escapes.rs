//! Text in its unescaped forms: URLs, JSON, languages, shells, HTML.

use std::borrow::Cow;

/// How bytes are escaped.
#[derive(Clone, Copy)]
enum Escape {
    /// `%20`; a plus may be a blank.
    Percent { plus: bool },
    /// `\u00e9`, `\303\251`, `\xc3\xa9`, `\ `; what two digits mean is a byte or a character.
    Backslash { bytes: bool },
    /// `&#233;`, `&amp;`.
    Entity,
}

/// The unescaped forms of `bytes`.
pub(super) fn unescaped(bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let has = |mark: u8| bytes.contains(&mark);
    let (percent, backslash, entity) = (has(b'%'), has(b'\\'), has(b'&'));
    let quoted = if backslash {
        Cow::Owned(plain(bytes, Escape::Backslash { bytes: true }))
    } else {
        Cow::Borrowed(bytes)
    };
    let mut all = Vec::new();
    if percent {
        all.extend([false, true].map(|plus| plain(&quoted, Escape::Percent { plus })));
    }
    if backslash {
        all.extend([quoted.into_owned(), plain(bytes, Escape::Backslash { bytes: false })]);
    }
    if entity {
        all.push(plain(bytes, Escape::Entity));
    }
    all.into_iter()
}

fn plain(bytes: &[u8], escape: Escape) -> Vec<u8> {
    let mut result = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((first, after)) = rest.split_first() {
        let taken = match (escape, first) {
            (Escape::Percent { plus: true }, b'+') => {
                result.push(b' ');
                Some(after)
            }
            (Escape::Percent { .. }, b'%') => digits(after, 2, 16).and_then(|(value, after)| {
                result.push(u8::try_from(value).ok()?);
                Some(after)
            }),
            (Escape::Backslash { bytes }, b'\\') => backslash(after, bytes, &mut result),
            (Escape::Entity, b'&') => entity(after, &mut result),
            _ => None,
        };
        rest = taken.unwrap_or_else(|| {
            result.push(*first);
            after
        });
    }
    result
}

/// Decodes what follows a backslash.
fn backslash<'b>(after: &'b [u8], bytes: bool, result: &mut Vec<u8>) -> Option<&'b [u8]> {
    let (kind, rest) = after.split_first()?;
    let byte = |value: u32, result: &mut Vec<u8>| match u8::try_from(value) {
        Ok(value) if bytes => result.push(value),
        _ => character(value, result),
    };
    match kind {
        b'u' | b'U' => {
            let (value, rest) = match rest.strip_prefix(b"{") {
                Some(rest) => {
                    let end = rest.iter().position(|byte| *byte == b'}')?;
                    (digits(rest, end, 16)?.0, rest.get(end + 1..)?)
                }
                None => digits(rest, if *kind == b'U' { 8 } else { 4 }, 16)?,
            };
            // A surrogate pair.
            if (0xd800..0xdc00).contains(&value)
                && let Some((low, after)) = rest.strip_prefix(b"\\u").and_then(|rest| digits(rest, 4, 16))
                && (0xdc00..0xe000).contains(&low)
            {
                character(0x10000 + ((value - 0xd800) << 10) + (low - 0xdc00), result);
                return Some(after);
            }
            character(value, result);
            Some(rest)
        }
        b'x' => {
            let (value, rest) = digits(rest, 2, 16)?;
            byte(value, result);
            Some(rest)
        }
        b'0'..=b'7' => {
            let (value, rest) = digits(after, 3, 8)?;
            byte(value, result);
            Some(rest)
        }
        other if !other.is_ascii_alphanumeric() => {
            result.push(*other);
            Some(rest)
        }
        _ => None,
    }
}

/// Decodes what follows an ampersand.
fn entity<'b>(after: &'b [u8], result: &mut Vec<u8>) -> Option<&'b [u8]> {
    const NAMED: [(&[u8], u8); 5] =
        [(b"amp", b'&'), (b"lt", b'<'), (b"gt", b'>'), (b"quot", b'"'), (b"apos", b'\'')];
    let end = after.iter().take(10).position(|byte| *byte == b';')?;
    let (name, rest) = (after.get(..end)?, after.get(end + 1..)?);
    if let Some(number) = name.strip_prefix(b"#") {
        let value = match number.strip_prefix(b"x").or(number.strip_prefix(b"X")) {
            Some(hex) => digits(hex, hex.len(), 16)?.0,
            None => digits(number, number.len(), 10)?.0,
        };
        character(value, result);
    } else {
        result.push(NAMED.iter().find(|(known, _)| *known == name)?.1);
    }
    Some(rest)
}

/// The number that the first `count` bytes are, and what follows.
fn digits(bytes: &[u8], count: usize, base: u32) -> Option<(u32, &[u8])> {
    let (number, rest) = bytes.split_at_checked(count)?;
    let number = std::str::from_utf8(number).ok()?;
    Some((u32::from_str_radix(number, base).ok()?, rest))
}

fn character(value: u32, result: &mut Vec<u8>) {
    if let Some(character) = char::from_u32(value) {
        result.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    }
}
