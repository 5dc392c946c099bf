//! What observations say beside question and answer: where a run left standard input, and modes of which only what they allow
//! counts. It says nothing of the world, but belongs to the record.
//!
//! Numbers, each with how often it follows itself: most files have the same mode.

use crate::digest::Digest;
use crate::encode::{DecodeError, Decoder, Encoder};
use crate::record::{Observation, StdinUse};

/// The number of an observation, if it has one.
pub(super) fn of(observation: &Observation) -> Option<u64> {
    match observation {
        Observation::State { state, .. } => state.shown_bits().map(u64::from),
        // What is left of nothing says whether that was a file.
        Observation::Stdin(StdinUse::Content { offset: 0, digest, left_at })
            if *left_at != 0 && *digest == Digest::of(b"") =>
        {
            None
        }
        Observation::Stdin(StdinUse::Content { left_at, .. }) => Some(*left_at),
        _ => None,
    }
}

/// The numbers of observations.
pub(super) fn encode(observations: &[Observation]) -> Vec<u8> {
    let mut to = Encoder::new();
    let mut run: Option<(u64, u64)> = None;
    for number in observations.iter().filter_map(of) {
        match &mut run {
            Some((count, known)) if *known == number => *count = count.saturating_add(1),
            _ => {
                end(run, &mut to);
                run = Some((1, number));
            }
        }
    }
    end(run, &mut to);
    to.finish()
}

fn end(run: Option<(u64, u64)>, to: &mut Encoder) {
    if let Some((count, number)) = run {
        to.unsigned(count).unsigned(number);
    }
}

/// Reads the numbers of one part, or of several in order.
pub(super) struct Numbers<'a> {
    from: Decoder<'a>,
    is_one_part: bool,
    count: u64,
    number: Option<u64>,
}

impl<'a> Numbers<'a> {
    pub(super) fn new(left: &'a [u8], is_one_part: bool) -> Self {
        Self { from: Decoder::new(left), is_one_part, count: 0, number: None }
    }

    /// The next number. In one part, one run of equal numbers does not follow another.
    pub(super) fn next(&mut self) -> Result<u64, DecodeError> {
        let number = if let Some(number) = self.number.filter(|_| self.count > 0) {
            number
        } else {
            let (count, number) = (self.from.unsigned()?, self.from.unsigned()?);
            if count == 0 || self.is_one_part && self.number == Some(number) {
                return Err(DecodeError::NotCanonical);
            }
            (self.count, self.number) = (count, Some(number));
            number
        };
        self.count = self.count.saturating_sub(1);
        Ok(number)
    }

    /// Nothing follows.
    pub(super) fn finish(self) -> Result<(), DecodeError> {
        if self.count == 0 { self.from.finish() } else { Err(DecodeError::NotCanonical) }
    }
}

/// Puts what is left of the parts of `observations`, one after the other, back into them, as far as it fits them.
pub fn put_back(left: &[u8], observations: &mut [Observation]) {
    let mut numbers = Numbers::new(left, false);
    for observation in observations {
        if of(observation).is_none() {
            continue;
        }
        let Ok(number) = numbers.next() else { return };
        set(observation, number);
    }
}

/// Sets the number of an observation. Returns whether the observation can have it.
pub(super) fn set(observation: &mut Observation, number: u64) -> bool {
    match observation {
        Observation::Stdin(StdinUse::Content { left_at, .. }) => *left_at = number,
        Observation::State { state, .. } => {
            let bits = u32::try_from(number).unwrap_or(u32::MAX);
            return state.set_shown_bits(bits) && state.shown_bits() == Some(bits);
        }
        _ => {}
    }
    of(observation) == Some(number)
}
