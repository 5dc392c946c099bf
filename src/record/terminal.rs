//! A stream that was written to a terminal.

use crate::encode::{Decode, DecodeError, Decoder, Encode, Encoder};

/// How a recorded stream was made that the command wrote to a terminal. One without it was written to a pipe or file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OnTerminal {
    /// How many characters were in a line of the terminal.
    pub columns: u16,
    /// How many lines it had.
    pub rows: u16,
    /// Whether the run asked for its size.
    pub size_counts: bool,
    /// Whether it is also what the command writes to a pipe or file.
    pub is_plain: bool,
}

impl OnTerminal {
    /// Whether a stream made so answers a call whose own is a terminal of this size, or none.
    #[must_use]
    pub fn answers(&self, terminal: Option<(u16, u16)>) -> bool {
        match terminal {
            Some(size) => !self.size_counts || size == (self.columns, self.rows),
            None => self.is_plain,
        }
    }
}

impl Encode for OnTerminal {
    fn encode(&self, to: &mut Encoder) {
        to.unsigned(u64::from(self.columns)).unsigned(u64::from(self.rows));
        to.flag(self.size_counts).flag(self.is_plain);
    }
}

impl Decode for OnTerminal {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let number =
            |from: &mut Decoder<'_>| u16::try_from(from.unsigned()?).map_err(|_| DecodeError::NotCanonical);
        Ok(Self {
            columns: number(from)?,
            rows: number(from)?,
            size_counts: from.flag()?,
            is_plain: from.flag()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_answers_what_it_would_be_there() {
        let plain = OnTerminal { columns: 80, rows: 24, size_counts: false, is_plain: true };
        assert!(plain.answers(None) && plain.answers(Some((100, 24))));
        let sized = OnTerminal { size_counts: true, is_plain: false, ..plain };
        assert!(sized.answers(Some((80, 24))));
        assert!(!sized.answers(Some((100, 24))) && !sized.answers(Some((80, 25))) && !sized.answers(None));
        assert_eq!(OnTerminal::from_bytes(&sized.to_bytes()), Ok(sized));
    }
}
