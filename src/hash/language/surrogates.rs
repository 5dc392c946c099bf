//! Escapes of lone surrogates, which parsers that store text as UTF-8 cannot represent.

/// Whether the source contains `\ud800` to `\udfff`, in either case, also written with `\U` (Python) or `\u{…}`
/// (JavaScript).
pub(super) fn has_lone_surrogate(source: &[u8]) -> bool {
    let mut rest = source;
    while let Some(at) = rest.iter().position(|byte| *byte == b'\\') {
        rest = rest.get(at + 1..).unwrap_or_default();
        let digits = match rest.first() {
            Some(b'u') if rest.get(1) == Some(&b'{') => {
                let inside = rest.get(2..).unwrap_or_default();
                let zeros = inside.iter().take_while(|byte| **byte == b'0').count();
                inside.get(zeros..zeros + 2)
            }
            Some(b'u') => rest.get(1..3),
            Some(b'U') if rest.get(1..5) == Some(b"0000") => rest.get(5..7),
            _ => None,
        };
        if matches!(digits, Some([b'd' | b'D', b'8'..=b'9' | b'a'..=b'f' | b'A'..=b'F'])) {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lone_surrogates_are_found_in_any_spelling() {
        for source in [
            r"'\ud800'",
            r"'\uDFFF'",
            r"'\uD9ab'",
            r"'\U0000d800'",
            r"'\U0000DfFf'",
            r"\\ud800",
            r"'\u{d800}'",
            r"'\u{00DFff}'",
        ] {
            assert!(has_lone_surrogate(source.as_bytes()), "{source}");
        }
        for source in [r"'\ud7ff'", r"'\ue000'", r"'\U0001d800'", "ud800", r"'\u", r"'\U0000", r"'\u{1f600}'"]
        {
            assert!(!has_lone_surrogate(source.as_bytes()), "{source}");
        }
    }
}
