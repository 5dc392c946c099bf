//! The values of one parameter as people type them: `a,b,c`, `2..6`, `0..1:0.25`, `1e-4..1e-1:log4`.
//!
//! Ranges are never written out: a range of a million values takes no memory.

use super::csv;
use crate::error::{Error, Result};

/// The values that a parameter takes, in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// Each as it is.
    List(Vec<Vec<u8>>),
    /// `first`, `first + step`, …, in units of ten to the power of minus `scale`.
    Steps {
        /// The first value.
        first: i128,
        /// From one value to the next.
        step: i128,
        /// How many there are.
        count: u64,
        /// Digits after the decimal point.
        scale: u32,
    },
    /// Values between two that are equally far from each other by ratio, both included.
    Logs {
        /// The first value.
        first: f64,
        /// The last value.
        last: f64,
        /// How many there are.
        count: u64,
    },
}

/// More values of one parameter than anybody means.
const MOST_VALUES: u64 = 1_000_000_000;

/// More values than are written out one by one.
const MOST_WRITTEN: u64 = 1_000_000;

/// More digits of a number than any that is swept has.
const MOST_DIGITS: u32 = 24;

const FORMS: &str = "a,b,c · 2..6 · 0..1:0.25 · 1e-4..1e-1:log4";

impl Values {
    /// Reads values. Commas separate them, quotes as in CSV hold those with commas.
    ///
    /// # Errors
    /// [`crate::error::Kind::Usage`] for an empty list, and a range that never ends.
    pub fn parse(text: &[u8]) -> Result<Self> {
        if let Some(range) = std::str::from_utf8(text).ok().and_then(range) {
            return range;
        }
        if text.is_empty() {
            return Err(Error::usage("no values").with_hint(FORMS));
        }
        Ok(Self::List(csv::record(text)?))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> u64 {
        match self {
            Self::List(values) => u64::try_from(values.len()).unwrap_or(u64::MAX),
            Self::Steps { count, .. } | Self::Logs { count, .. } => *count,
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value at `place`, counted from 0.
    #[must_use]
    pub fn get(&self, place: u64) -> Option<Vec<u8>> {
        if place >= self.len() {
            return None;
        }
        match self {
            Self::List(values) => values.get(usize::try_from(place).ok()?).cloned(),
            Self::Steps { first, step, scale, .. } => {
                Some(decimal(first.checked_add(step.checked_mul(place.into())?)?, *scale).into_bytes())
            }
            Self::Logs { first, last, count } => Some(logarithmic(*first, *last, *count, place).into_bytes()),
        }
    }

    /// These values and those of `more` after them.
    ///
    /// # Errors
    /// [`crate::error::Kind::Usage`] for more than are written out one by one.
    pub fn and(self, more: &Self) -> Result<Self> {
        if self.len().saturating_add(more.len()) > MOST_WRITTEN {
            return Err(Error::usage("too many values for a list of several ranges").with_hint(FORMS));
        }
        let all = |values: &Self| (0..values.len()).filter_map(|place| values.get(place)).collect::<Vec<_>>();
        let mut values = all(&self);
        values.extend(all(more));
        Ok(Self::List(values))
    }
}

/// A range; `None` where the text is none.
fn range(text: &str) -> Option<Result<Values>> {
    let (first, rest) = text.split_once("..")?;
    let (last, step) = match rest.split_once(':') {
        Some((last, step)) => (last, Some(step)),
        None => (rest, None),
    };
    let (from, to) = (number(first)?, number(last)?);
    let wrong = |what: &str| Some(Err(Error::usage(format!("'{text}' {what}")).with_hint(FORMS)));
    if let Some(count) = step.and_then(|step| step.strip_prefix("log")) {
        let (Ok(first), Ok(last)) = (first.parse::<f64>(), last.parse::<f64>()) else { return None };
        let Some(count) = count.parse().ok().filter(|count| (2..=MOST_VALUES).contains(count)) else {
            return wrong("says not how many values: log4 is four of them");
        };
        if first <= 0.0 || last <= 0.0 {
            return wrong("has no logarithms: both ends must be above 0");
        }
        return Some(Ok(Values::Logs { first, last, count }));
    }
    let by = match step {
        Some(step) => match number(step) {
            Some(step) => step,
            None => return wrong("has a step that is not a number"),
        },
        None => (1, 0),
    };
    let scale = from.1.max(to.1).max(by.1);
    let scaled = |(digits, own): (i128, u32)| digits.checked_mul(10_i128.checked_pow(scale - own)?);
    let (Some(first), Some(last), Some(by)) = (scaled(from), scaled(to), scaled(by)) else {
        return wrong("is out of range");
    };
    if by == 0 {
        return wrong("never ends: its step is 0");
    }
    let step = if last < first { -by.abs() } else { by.abs() };
    let count = last.checked_sub(first).map(|all| all / step + 1);
    match u64::try_from(count.unwrap_or(i128::MAX)) {
        Ok(count) if count <= MOST_VALUES => Some(Ok(Values::Steps { first, step, count, scale })),
        _ => wrong("has too many values"),
    }
}

/// A decimal number as its digits and how many of them follow the point.
fn number(text: &str) -> Option<(i128, u32)> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let digits = mantissa.strip_prefix(['-', '+']).unwrap_or(mantissa);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all = [whole, fraction].concat();
    if all.is_empty() || !all.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let value: i128 = all.parse().ok()?;
    let value = if mantissa.starts_with('-') { -value } else { value };
    let scale = i32::try_from(fraction.len()).ok()?.checked_sub(exponent)?;
    if scale.unsigned_abs() > MOST_DIGITS {
        return None;
    }
    match u32::try_from(scale) {
        Ok(scale) => Some((value, scale)),
        Err(_) => Some((value.checked_mul(10_i128.checked_pow(scale.unsigned_abs())?)?, 0)),
    }
}

/// `digits` with a decimal point `scale` digits from the right, and no zeros after it that say nothing.
fn decimal(digits: i128, scale: u32) -> String {
    let sign = if digits < 0 { "-" } else { "" };
    let base = 10_u128.pow(scale.min(38));
    let (whole, fraction) = (digits.unsigned_abs() / base, digits.unsigned_abs() % base);
    if fraction == 0 {
        return format!("{sign}{whole}");
    }
    let width = usize::try_from(scale).unwrap_or(0);
    let fraction = format!("{fraction:0width$}");
    format!("{sign}{whole}.{}", fraction.trim_end_matches('0'))
}

/// The value at `place` of `count` that lead from `first` to `last`, to nine significant digits.
#[expect(clippy::cast_precision_loss, reason = "so many values are never asked for")]
fn logarithmic(first: f64, last: f64, count: u64, place: u64) -> String {
    let value = if place == 0 {
        first
    } else if place + 1 == count {
        last
    } else {
        first * (last / first).powf(place as f64 / (count - 1) as f64)
    };
    let rounded: f64 = format!("{value:.8e}").parse().unwrap_or(value);
    let plain = format!("{rounded}");
    // Beyond that, people write exponents.
    if plain.len() > 12 { format!("{rounded:e}") } else { plain }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(text: &str) -> Vec<String> {
        let values = Values::parse(text.as_bytes()).unwrap();
        (0..values.len()).map(|place| String::from_utf8(values.get(place).unwrap()).unwrap()).collect()
    }

    #[test]
    fn lists_ranges_steps_and_logarithms() {
        for (text, values) in [
            ("a,b,c", &["a", "b", "c"][..]),
            ("0.1,0.01", &["0.1", "0.01"]),
            ("a b, c", &["a b", " c"]),
            ("\"a,b\",c", &["a,b", "c"]),
            ("a,,b", &["a", "", "b"]),
            ("2..6", &["2", "3", "4", "5", "6"]),
            ("6..4", &["6", "5", "4"]),
            ("-1..1", &["-1", "0", "1"]),
            ("0..1:0.25", &["0", "0.25", "0.5", "0.75", "1"]),
            ("0..0.3:0.1", &["0", "0.1", "0.2", "0.3"]),
            ("1..0:0.5", &["1", "0.5", "0"]),
            ("1e-4..1e-1:log4", &["0.0001", "0.001", "0.01", "0.1"]),
            ("1..64:log4", &["1", "4", "16", "64"]),
            ("1e3..2e3:5e2", &["1000", "1500", "2000"]),
            ("0..10:4", &["0", "4", "8"]),
            ("7..7", &["7"]),
            // Paths are not ranges.
            ("../a", &["../a"]),
            ("a..b", &["a..b"]),
            ("1..2,3", &["1..2", "3"]),
        ] {
            assert_eq!(all(text), values, "{text}");
        }
    }

    #[test]
    fn what_has_no_end_or_no_values_is_refused() {
        for (text, said) in [
            ("", "no values"),
            ("1..5:0", "'1..5:0' never ends: its step is 0"),
            ("0..1:log4", "'0..1:log4' has no logarithms: both ends must be above 0"),
            ("1..8:logx", "'1..8:logx' says not how many values: log4 is four of them"),
            ("1..8:x", "'1..8:x' has a step that is not a number"),
            ("0..1e20", "'0..1e20' has too many values"),
            ("\"a", "a quote does not end"),
        ] {
            assert_eq!(Values::parse(text.as_bytes()).unwrap_err().to_string(), said);
        }
    }

    #[test]
    fn a_long_range_takes_no_memory() {
        let values = Values::parse(b"1..1000000000").unwrap();
        assert_eq!((values.len(), values.get(999_999_999).unwrap()), (1_000_000_000, b"1000000000".to_vec()));
        assert_eq!(values.get(1_000_000_000), None);
    }

    proptest! {
        #[test]
        fn no_text_is_too_odd(text in ".{0,24}") {
            if let Ok(values) = Values::parse(text.as_bytes()) {
                prop_assert!(!values.is_empty());
                prop_assert!(values.get(values.len() - 1).is_some());
            }
        }

        /// Steps are exact: no 0.30000000000000004.
        #[test]
        fn decimals_are_exact(first in -1000_i64..1000, step in 1_i64..50, count in 1_i64..50) {
            let place = |n: i64| format!("{}{}.{:02}", if n < 0 { "-" } else { "" }, n.abs() / 100, n.abs() % 100);
            let last = first + step * (count - 1);
            let text = format!("{}..{}:{}", place(first), place(last), place(step));
            let values = Values::parse(text.as_bytes()).unwrap();
            prop_assert_eq!(values.len(), count.unsigned_abs());
            for n in 0..count {
                let value: f64 = String::from_utf8(values.get(n.unsigned_abs()).unwrap()).unwrap().parse().unwrap();
                prop_assert_eq!(value.to_bits(), (place(first + step * n).parse::<f64>().unwrap() + 0.0).to_bits());
            }
        }
    }
}
