//! Texts in makefiles: words, references to variables, patterns.

/// The words of a text; references are not split.
pub(super) fn words(text: &[u8]) -> Vec<&[u8]> {
    let mut depth = 0_u32;
    let split = text.split(move |byte| {
        match byte {
            b'(' | b'{' => depth += 1,
            b')' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && byte.is_ascii_whitespace()
    });
    split.filter(|word| !word.is_empty()).collect()
}

/// The inside of a word that is a single reference: `$(…)`, `${…}`, `$X`.
pub(super) fn reference(word: &[u8]) -> Option<&[u8]> {
    let rest = word.strip_prefix(b"$")?;
    match rest {
        [b'(', inside @ .., b')'] | [b'{', inside @ .., b'}'] => {
            let mut depth = 0_i32;
            let is_one = inside.iter().all(|byte| {
                depth += i32::from(b"({".contains(byte)) - i32::from(b")}".contains(byte));
                depth >= 0
            });
            is_one.then_some(inside)
        }
        [letter] if letter.is_ascii_alphabetic() => Some(rest),
        _ => None,
    }
}

/// `text` with each reference replaced by `*`.
pub(super) fn without_references(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut depth = 0_u32;
    let mut bytes = text.iter().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b'$' if depth == 0 => {
                plain.push(b'*');
                // For `$X` the letter is part of the reference; for `$(` the bracket comes next.
                if !matches!(bytes.peek(), Some(b'(' | b'{')) {
                    bytes.next();
                }
            }
            b'(' | b'{' if depth > 0 || plain.last() == Some(&b'*') => depth += 1,
            b')' | b'}' if depth > 0 => depth -= 1,
            _ if depth > 0 => {}
            byte => plain.push(*byte),
        }
    }
    plain
}

/// Whether `name` matches `pattern`, in which every `*` matches anything.
pub(super) fn is_like(pattern: &[u8], name: &[u8]) -> bool {
    let mut parts = pattern.split(|byte| *byte == b'*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        let Some(found) = memchr::memmem::find(rest, part) else { return false };
        rest = rest.get(found + part.len()..).unwrap_or_default();
    }
    rest.ends_with(last)
}
