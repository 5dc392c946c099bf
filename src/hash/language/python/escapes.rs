//! Escapes in Python literals that the interpreter warns of.
//!
//! Works on the bytes of the source; knows nothing of syntax trees.

/// What sort of literal holds the escapes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Text, also the literal pieces of a formatted string.
    Text,
    /// Bytes: `\N`, `\u` and `\U` mean nothing there.
    Bytes,
}

/// Whether `literal` (not raw) holds an escape without a meaning (`"\d"`), or an octal one above 255: newer
/// interpreters warn of them, so `"\d"` and `"\\d"` are not the same program though they are the same text.
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
            // `\4` to `\7` are meant; with two more octal digits they are too large.
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
