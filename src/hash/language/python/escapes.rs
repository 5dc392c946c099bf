//! Escapes in Python literals that make the interpreter warn; works on the bytes of the source.

/// Kind of literal that contains the escapes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Text, including the literal parts of a formatted string.
    Text,
    /// Bytes, in which `\N`, `\u` and `\U` have no meaning.
    Bytes,
}

/// Whether `literal` (not raw) contains an invalid escape (`"\d"`), or an octal one above 255. Newer interpreters warn about
/// these, so `"\d"` and `"\\d"` are different programs although they denote the same text.
pub(super) fn warns(literal: &[u8], kind: Kind) -> bool {
    let mut bytes = literal.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            continue;
        }
        match bytes.next() {
            Some(
                b'\n'
                | b'\r'
                | b'\\'
                | b'\''
                | b'"'
                | b'a'
                | b'b'
                | b'f'
                | b'n'
                | b'r'
                | b't'
                | b'v'
                | b'x'
                | b'0'..=b'3',
            ) => {}
            Some(b'N' | b'u' | b'U') if kind == Kind::Text => {}
            // `\4` to `\7` are valid; with two more octal digits the value is too large.
            Some(b'4'..=b'7') => {
                let second = bytes.next_if(|byte| matches!(byte, b'0'..=b'7'));
                if second.is_some() && bytes.next_if(|byte| matches!(byte, b'0'..=b'7')).is_some() {
                    return true;
                }
            }
            _ => return true,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_escape_without_a_meaning_warns() {
        for literal in [r"'\d'", r"'\.'", r"'\8'", r"'a\ b'", r"'\400'", r"'\777'"] {
            assert!(warns(literal.as_bytes(), Kind::Text), "{literal}");
        }
        for literal in
            [r"'\n'", r"'\\d'", r"'\x41'", r"'\N{DASH}'", r"'\377'", r"'\47'", r"'\4 77'", "'\\\n'"]
        {
            assert!(!warns(literal.as_bytes(), Kind::Text), "{literal}");
        }
        assert!(warns(br"b'\u0041'", Kind::Bytes));
        assert!(!warns(br"b'\x41'", Kind::Bytes));
    }
}
