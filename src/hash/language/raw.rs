//! The language of all other sources: they count byte for byte, and nothing else is known about them.

use super::{Language, Parsed, Piece};

/// Name of the raw form.
pub(super) const FORM: &str = "raw";

/// Any file that no other language parses.
#[derive(Clone, Copy, Debug)]
pub struct Raw;

impl Language for Raw {
    fn form(&self) -> &'static str {
        FORM
    }

    fn parse(&self, _source: &[u8]) -> Parsed {
        Parsed::unknown()
    }

    fn pieces(&self, _source: &[u8]) -> Vec<Piece> {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_has_no_normal_form_and_may_do_anything() {
        let parsed = Raw.parse(b"anything");
        assert_eq!(parsed.normal, None);
        assert!(parsed.lists_directories && parsed.reads_docstrings && parsed.computed_imports);
    }
}
