//! Parsing of values that users type: durations, sizes, times, tags.
//!
//! Any deviation from the form is refused with one line that says what is wrong.

use crate::error::{Error, Result};
use crate::record::Timestamp;
use crate::ui::escape;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

const SECOND: u64 = 1_000_000_000;

/// Units of time, in nanoseconds.
const DURATIONS: &[(&str, u64)] = &[
    ("ms", SECOND / 1000),
    ("s", SECOND),
    ("m", 60 * SECOND),
    ("min", 60 * SECOND),
    ("h", 3600 * SECOND),
    ("d", 86_400 * SECOND),
    ("w", 604_800 * SECOND),
];

/// Units of size, in bytes: a single letter and `KiB` are powers of 1024, `KB` is a power of 1000, as in GNU tools.
const SIZES: &[(&str, u64)] = &[
    ("", 1),
    ("B", 1),
    ("K", 1 << 10),
    ("KiB", 1 << 10),
    ("KB", 1000),
    ("M", 1 << 20),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("G", 1 << 30),
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("T", 1 << 40),
    ("TiB", 1 << 40),
    ("TB", 1_000_000_000_000),
];

/// A duration such as `90s`, `5m`, `1h`, `30d`, `2w`, in nanoseconds.
///
/// # Errors
/// [`crate::error::Kind::Usage`] for anything else, and for what does not fit 64 bits (584 years).
pub fn duration(text: &str) -> Result<u64> {
    let wrong = |what: &str| {
        refused(text, what).with_hint("a duration is a whole number and a unit: 30s, 5m, 1h, 7d")
    };
    let (number, unit) = split(text).map_err(wrong)?;
    if unit.is_empty() {
        return Err(wrong("has no unit"));
    }
    let factor = factor(DURATIONS, unit).ok_or_else(|| wrong("has an unknown unit"))?;
    number.checked_mul(factor).ok_or_else(|| wrong("is too long"))
}

/// A size such as `500`, `64K`, `100MB`, `10G`, in bytes.
///
/// # Errors
/// [`crate::error::Kind::Usage`] for anything else, and for what does not fit 64 bits.
pub fn size(text: &str) -> Result<u64> {
    let wrong = |what: &str| {
        refused(text, what).with_hint("a size is a whole number and a unit: 500K, 100M, 10G, 1T")
    };
    let (number, unit) = split(text).map_err(wrong)?;
    let factor = factor(SIZES, unit).ok_or_else(|| wrong("has an unknown unit"))?;
    number.checked_mul(factor).ok_or_else(|| wrong("is too large"))
}

/// A time in the past: a duration before `now` (`2h`), a day (`2026-11-22`), a local time
/// (`2026-11-22T17:30`) or an RFC 3339 time.
///
/// # Errors
/// [`crate::error::Kind::Usage`] for anything else.
pub fn moment(text: &str, now: Timestamp) -> Result<Timestamp> {
    if let Ok(before) = duration(text) {
        let before = i64::try_from(before).unwrap_or(i64::MAX);
        return Ok(Timestamp(now.0.saturating_sub(before)));
    }
    let local = |civil: DateTime| civil.to_zoned(TimeZone::system()).ok().map(|zoned| zoned.timestamp());
    // A time with an offset would also parse as a civil time, and that as a date. So the longest form comes first.
    let parsed = text
        .parse::<jiff::Timestamp>()
        .ok()
        .or_else(|| text.parse::<DateTime>().ok().filter(|_| text.contains([':', 'T'])).and_then(local))
        .or_else(|| text.parse::<Date>().ok().and_then(|day| local(day.at(0, 0, 0, 0))));
    let nanoseconds = parsed.and_then(|moment| i64::try_from(moment.as_nanosecond()).ok());
    nanoseconds.map(Timestamp).ok_or_else(|| {
        refused(text, "is neither a duration nor a date")
            .with_hint("say how long ago (2h, 7d) or since when (2026-11-22, 2026-11-22T17:30)")
    })
}

/// A tag `name=value`, or a name alone, whose value is empty.
///
/// # Errors
/// [`crate::error::Kind::Usage`] when there is no name, or for control characters.
pub fn tag(text: &str) -> Result<(String, String)> {
    let wrong = |what: &str| refused(text, what).with_hint("a tag is name=value, or a name alone");
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    if name.is_empty() {
        return Err(wrong("has no name"));
    }
    if text.contains(char::is_control) {
        return Err(wrong("has a control character"));
    }
    Ok((name.to_owned(), value.to_owned()))
}

/// A tag of a filter: a name, and a value if only that value is selected.
///
/// # Errors
/// As [`tag`].
pub fn tag_filter(text: &str) -> Result<(String, Option<String>)> {
    let (name, value) = tag(text)?;
    Ok((name, text.contains('=').then_some(value)))
}

/// Adds the name of the option to the error of a value.
#[must_use]
pub fn of_option(option: &str, refused: &Error) -> Error {
    let named = Error::usage(format!("{option}: {refused}"));
    match refused.hint() {
        Some(hint) => named.with_hint(hint),
        None => named,
    }
}

/// The leading digits as a number, and the rest.
fn split(text: &str) -> Result<(u64, &str), &'static str> {
    if text.is_empty() {
        return Err("is empty");
    }
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at_checked(end).unwrap_or((text, ""));
    if digits.is_empty() {
        return Err("does not begin with a number");
    }
    if unit.starts_with(['.', ',']) {
        return Err("is not a whole number");
    }
    let number = digits.parse().map_err(|_| "is too large a number")?;
    Ok((number, unit))
}

fn factor(units: &[(&str, u64)], wanted: &str) -> Option<u64> {
    units.iter().find(|(unit, _)| *unit == wanted).map(|(_, factor)| *factor)
}

fn refused(text: &str, what: &str) -> Error {
    Error::usage(format!("'{}' {what}", escape::brief(text.as_bytes(), 60)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_a_number_and_a_unit() {
        for (text, seconds) in
            [("90s", 90), ("5m", 300), ("5min", 300), ("1h", 3600), ("30d", 2_592_000), ("0s", 0)]
        {
            assert_eq!(duration(text).unwrap(), seconds * SECOND, "{text}");
        }
        assert_eq!(duration("2w").unwrap(), 14 * 86_400 * SECOND);
        assert_eq!(duration("250ms").unwrap(), SECOND / 4);
    }

    #[test]
    fn every_malformed_duration_has_its_own_words() {
        for (text, message) in [
            ("", "'' is empty"),
            ("30", "'30' has no unit"),
            ("h", "'h' does not begin with a number"),
            ("-5m", "'-5m' does not begin with a number"),
            (" 5m", "' 5m' does not begin with a number"),
            ("5 m", "'5 m' has an unknown unit"),
            ("5M", "'5M' has an unknown unit"),
            ("1h30m", "'1h30m' has an unknown unit"),
            ("1.5h", "'1.5h' is not a whole number"),
            ("99999999999999999999s", "'99999999999999999999s' is too large a number"),
            ("9999999w", "'9999999w' is too long"),
            ("5\n", "'5\\n' has an unknown unit"),
            ("٣s", "'٣s' does not begin with a number"),
        ] {
            let error = duration(text).unwrap_err();
            assert_eq!(error.to_string(), message);
            assert_eq!(error.command_status(), 2);
            assert!(error.hint().is_some());
        }
    }

    #[test]
    fn sizes_are_bytes_or_have_a_unit() {
        for (text, bytes) in [
            ("0", 0),
            ("500", 500),
            ("64K", 65_536),
            ("64KiB", 65_536),
            ("64KB", 64_000),
            ("10G", 10 << 30),
            ("1T", 1 << 40),
        ] {
            assert_eq!(size(text).unwrap(), bytes, "{text}");
        }
        for (text, message) in [
            ("", "'' is empty"),
            ("10g", "'10g' has an unknown unit"),
            ("10 G", "'10 G' has an unknown unit"),
            ("G", "'G' does not begin with a number"),
            ("1.5G", "'1.5G' is not a whole number"),
            ("99999999T", "'99999999T' is too large"),
        ] {
            assert_eq!(size(text).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn a_moment_is_an_age_or_a_date() {
        let now = Timestamp(1_800_000_000 * 1_000_000_000);
        assert_eq!(moment("1h", now).unwrap(), Timestamp(now.0 - 3_600_000_000_000));
        assert_eq!(moment("2026-11-22T17:30:00Z", now).unwrap(), Timestamp(1_795_368_600_000_000_000));
        assert_eq!(moment("2026-11-22T17:30:00+01:00", now).unwrap(), Timestamp(1_795_365_000_000_000_000));
        let day = moment("2026-11-22", now).unwrap();
        assert_eq!(moment("2026-11-22T01:00", now).unwrap().0 - day.0, 3_600_000_000_000);
        for text in ["", "yesterday", "2026-13-01", "22.11.2026", "9999999999h", "12:00"] {
            let error = moment(text, now).unwrap_err().to_string();
            assert_eq!(error, format!("'{text}' is neither a duration nor a date"));
        }
    }

    #[test]
    fn a_tag_has_a_name() {
        assert_eq!(tag("stage=train").unwrap(), ("stage".to_owned(), "train".to_owned()));
        assert_eq!(tag("keep").unwrap(), ("keep".to_owned(), String::new()));
        assert_eq!(tag("a=b=c").unwrap(), ("a".to_owned(), "b=c".to_owned()));
        assert_eq!(tag_filter("a").unwrap(), ("a".to_owned(), None));
        assert_eq!(tag_filter("a=").unwrap(), ("a".to_owned(), Some(String::new())));
        assert_eq!(tag("=v").unwrap_err().to_string(), "'=v' has no name");
        assert_eq!(tag("a=\x1b[1m").unwrap_err().to_string(), "'a=\\x1b[1m' has a control character");
    }

    #[test]
    fn an_endless_value_is_shown_in_brief() {
        let error = duration(&"9".repeat(100_000)).unwrap_err().to_string();
        assert!(error.len() < 120, "{}", error.len());
    }
}
