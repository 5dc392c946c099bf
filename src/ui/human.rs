//! Ages, durations, sizes, numbers and times for people.
//!
//! Values are truncated, never rounded up.

use crate::record::{Resources, Termination, Timestamp};
use jiff::tz::TimeZone;

const SECOND: u64 = 1_000_000_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// How long ago `then` was: `just now`, `40 s ago`, `3 min ago`, `5 h ago`, `12 d ago`, `7 wk ago`; from half a
/// year on, and for times in the future, the date.
#[must_use]
pub fn age(then: Timestamp, now: Timestamp, zone: &TimeZone) -> String {
    let Ok(passed) = u64::try_from(now.0.saturating_sub(then.0)) else {
        return day(then, zone);
    };
    match passed {
        0..SECOND => "just now".to_owned(),
        SECOND..MINUTE => format!("{} s ago", passed / SECOND),
        MINUTE..HOUR => format!("{} min ago", passed / MINUTE),
        HOUR..DAY => format!("{} h ago", passed / HOUR),
        _ if passed < 14 * DAY => format!("{} d ago", passed / DAY),
        _ if passed < 182 * DAY => format!("{} wk ago", passed / (7 * DAY)),
        _ => day(then, zone),
    }
}

/// A duration in nanoseconds: `350 µs`, `8.2 ms`, `850 ms`, `12.3 s`, `2 min 5 s`, `1 h 2 min`, `3 d 4 h`.
#[must_use]
pub fn duration(nanoseconds: u64) -> String {
    let two = |large: u64, large_unit, small: u64, small_unit| match small {
        0 => format!("{large} {large_unit}"),
        _ => format!("{large} {large_unit} {small} {small_unit}"),
    };
    match nanoseconds {
        0 => "0 s".to_owned(),
        1..1000 => format!("{nanoseconds} ns"),
        1000..1_000_000 => format!("{} µs", nanoseconds / 1000),
        1_000_000..10_000_000 => format!("{} ms", tenths(nanoseconds, 1_000_000)),
        10_000_000..SECOND => format!("{} ms", nanoseconds / 1_000_000),
        SECOND..MINUTE => format!("{} s", tenths(nanoseconds, SECOND)),
        MINUTE..HOUR => two(nanoseconds / MINUTE, "min", nanoseconds % MINUTE / SECOND, "s"),
        HOUR..DAY => two(nanoseconds / HOUR, "h", nanoseconds % HOUR / MINUTE, "min"),
        _ => two(nanoseconds / DAY, "d", nanoseconds % DAY / HOUR, "h"),
    }
}

/// A number of bytes: `0 B`, `512 B`, `1.2 KiB`, `340 MiB`, `1.0 GiB`.
#[must_use]
pub fn size(bytes: u64) -> String {
    let units = [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    match units.into_iter().find(|(_, factor)| bytes >= *factor) {
        None => format!("{bytes} B"),
        Some((unit, factor)) if bytes / factor >= 100 => format!("{} {unit}", bytes / factor),
        Some((unit, factor)) => format!("{} {unit}", tenths(bytes, factor)),
    }
}

/// A number with its digits in groups: `1,234,567`.
#[must_use]
pub fn number(value: u64) -> String {
    let digits = value.to_string();
    let mut shown = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// A number with a noun: `1 commit`, `2 commits`, `3 entries`.
#[must_use]
pub fn count(value: u64, thing: &str) -> String {
    let shown = number(value);
    match thing.strip_suffix('y') {
        _ if value == 1 => format!("{shown} {thing}"),
        Some(stem) if !stem.ends_with(['a', 'e', 'o', 'u']) => format!("{shown} {stem}ies"),
        _ => format!("{shown} {thing}s"),
    }
}

/// At most `most` of `names`, and the number of the others: `a, b, c and 12 others`.
#[must_use]
pub fn list(names: &[String], most: usize) -> String {
    let first = names.get(..most).unwrap_or(names).join(", ");
    match names.len().checked_sub(most) {
        None | Some(0) => first,
        Some(left) => format!("{first} and {}", others(left)),
    }
}

/// `1 other`, `12 others`.
#[must_use]
pub fn others(number: usize) -> String {
    count(u64::try_from(number).unwrap_or(u64::MAX), "other")
}

/// A time to the second, with the offset of the zone: `2026-11-22 17:30:05 +01:00`.
#[must_use]
pub fn moment(moment: Timestamp, zone: &TimeZone) -> String {
    format(moment, zone, "%Y-%m-%d %H:%M:%S %:z")
}

/// How a command ended: `ok`, `exit 3`, `SIGKILL`.
#[must_use]
pub fn termination(termination: Termination) -> String {
    match termination {
        Termination::Exited(0) => "ok".to_owned(),
        Termination::Exited(status) => format!("exit {status}"),
        Termination::Signaled(signal) => signal_name(signal),
    }
}

/// The time that a run took: `12.3 s (6.1 s user, 10 ms system)`.
#[must_use]
pub fn times(taken: &Resources) -> String {
    format!("{} ({} user, {} system)", duration(taken.wall), duration(taken.user), duration(taken.system))
}

/// The name of a signal; its number where it has none.
#[must_use]
pub fn signal_name(signal: i32) -> String {
    match nix::sys::signal::Signal::try_from(signal) {
        Ok(known) => known.as_str().to_owned(),
        Err(_) => format!("signal {signal}"),
    }
}

fn day(moment: Timestamp, zone: &TimeZone) -> String {
    format(moment, zone, "%Y-%m-%d")
}

fn format(moment: Timestamp, zone: &TimeZone, pattern: &str) -> String {
    match jiff::Timestamp::from_nanosecond(i128::from(moment.0)) {
        Ok(known) => known.to_zoned(zone.clone()).strftime(pattern).to_string(),
        Err(_) => "unknown".to_owned(),
    }
}

/// `value / unit` with one decimal place.
fn tenths(value: u64, unit: u64) -> String {
    let (whole, rest) = (value / unit, value % unit);
    format!("{whole}.{}", u128::from(rest) * 10 / u128::from(unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_have_one_unit() {
        let now = Timestamp(1_795_348_800_000_000_000);
        for (seconds, shown) in [
            (0, "just now"),
            (59, "59 s ago"),
            (60, "1 min ago"),
            (3599, "59 min ago"),
            (3600, "1 h ago"),
            (86_399, "23 h ago"),
            (86_400, "1 d ago"),
            (20 * 86_400, "2 wk ago"),
            (200 * 86_400, "2026-05-06"),
            (-3600, "2026-11-22"),
        ] {
            let then = Timestamp(now.0 - seconds * 1_000_000_000);
            assert_eq!(age(then, now, &TimeZone::UTC), shown, "{seconds}");
        }
    }

    #[test]
    fn durations_have_sensible_units() {
        for (nanoseconds, shown) in [
            (0, "0 s"),
            (999, "999 ns"),
            (350_000, "350 µs"),
            (8_290_000, "8.2 ms"),
            (850_999_999, "850 ms"),
            (12_345_000_000, "12.3 s"),
            (59_999_999_999, "59.9 s"),
            (125 * SECOND, "2 min 5 s"),
            (120 * SECOND, "2 min"),
            (62 * MINUTE, "1 h 2 min"),
            (76 * HOUR, "3 d 4 h"),
            (u64::MAX, "213503 d 23 h"),
        ] {
            assert_eq!(duration(nanoseconds), shown);
        }
    }

    #[test]
    fn sizes_have_binary_units() {
        for (bytes, shown) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1_258_292, "1.2 MiB"),
            (340 << 20, "340 MiB"),
            (1 << 30, "1.0 GiB"),
            (u64::MAX, "16777215 TiB"),
        ] {
            assert_eq!(size(bytes), shown);
        }
    }

    #[test]
    fn numbers_and_counts() {
        assert_eq!(number(0), "0");
        assert_eq!(number(999), "999");
        assert_eq!(number(1_234_567), "1,234,567");
        assert_eq!(count(1, "run"), "1 run");
        assert_eq!(count(2, "entry"), "2 entries");
        assert_eq!(count(0, "key"), "0 keys");
        assert_eq!(count(100_000, "blob"), "100,000 blobs");
    }

    #[test]
    fn endings_have_names() {
        assert_eq!(termination(Termination::Exited(0)), "ok");
        assert_eq!(termination(Termination::Exited(3)), "exit 3");
        assert_eq!(termination(Termination::Signaled(9)), "SIGKILL");
        assert_eq!(termination(Termination::Signaled(64)), "signal 64");
    }

    #[test]
    fn moments_have_an_offset_and_may_be_absurd() {
        assert_eq!(
            moment(Timestamp(1_795_348_800_000_000_000), &TimeZone::UTC),
            "2026-11-22 12:00:00 +00:00"
        );
        assert_eq!(moment(Timestamp(i64::MIN), &TimeZone::UTC), "1677-09-21 00:12:43 +00:00");
    }
}
