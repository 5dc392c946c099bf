//! Explains why two lines of output, printed by two runs of one command, differ although nothing changed: times and durations,
//! addresses and process numbers, unordered collections.
//!
//! A pure function of the two texts.

/// Cause of a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// Only times or durations differ.
    Time,
    /// The same lines, or words of a line, in a different order.
    Order,
    /// Only addresses in memory, process numbers or names of temporary files differ.
    Address,
    /// Two consecutive runs differ there too.
    Random,
    /// Two consecutive runs agree, and differ from the record: an unobserved dependency has changed.
    Change,
}

/// Causes of the difference between two lines, as far as their text shows; `None` where it does not, empty where the lines
/// are equal.
pub(super) fn explain(then: &[u8], now: &[u8]) -> Option<Vec<Cause>> {
    if then == now {
        return Some(Vec::new());
    }
    let (left, right) = (pieces(then), pieces(now));
    let alike = left.len() == right.len()
        && left
            .iter()
            .zip(&right)
            .all(|(one, other)| one.cause == other.cause && (one.cause.is_some() || one.text == other.text));
    if alike {
        let different = left.iter().zip(&right).filter(|(one, other)| one.text != other.text);
        let mut causes: Vec<Cause> = different.filter_map(|(one, _)| one.cause).collect();
        // If nothing else differs, it is the padding before a number of another width.
        if causes.is_empty() && left.iter().any(|piece| piece.cause == Some(Cause::Time)) {
            causes.push(Cause::Time);
        }
        causes.sort();
        causes.dedup();
        return (!causes.is_empty()).then_some(causes);
    }
    let sorted = |line| {
        let mut words = words(line);
        words.sort_unstable();
        words
    };
    (sorted(then) == sorted(now)).then(|| vec![Cause::Order])
}

/// A piece of a line: with a cause, its value is arbitrary; without one, it must be equal.
#[derive(Debug, PartialEq, Eq)]
struct Piece<'a> {
    cause: Option<Cause>,
    text: &'a [u8],
}

fn pieces(line: &[u8]) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = line;
    let mut before = None;
    while let Some(first) = rest.first() {
        let (length, cause) = if is_word(*first) && !before.is_some_and(is_word) {
            variable(rest)
        } else if *first == b' ' {
            (run(rest, |byte| byte == b' '), None)
        } else {
            (1, None)
        };
        let length =
            if cause.is_none() && is_word(*first) { run(rest, is_word).max(1) } else { length.max(1) };
        let Some((text, after)) = rest.split_at_checked(length) else { break };
        // Padding before a number depends on the number's width.
        let text = if *first == b' ' { b" ".as_slice() } else { text };
        pieces.push(Piece { cause, text });
        before = text.last().copied();
        rest = after;
    }
    pieces
}

fn words(line: &[u8]) -> Vec<&[u8]> {
    let mut words = Vec::new();
    let mut rest = line;
    while let Some(first) = rest.first() {
        let length = if is_word(*first) { run(rest, is_word) } else { 1 };
        let Some((word, after)) = rest.split_at_checked(length) else { break };
        words.push(word);
        rest = after;
    }
    words
}

const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 128
}

fn run(bytes: &[u8], of: impl Fn(u8) -> bool) -> usize {
    bytes.iter().take_while(|byte| of(**byte)).count()
}

fn digits(bytes: &[u8]) -> usize {
    run(bytes, |byte| byte.is_ascii_digit())
}

fn from(bytes: &[u8], place: usize) -> &[u8] {
    bytes.get(place..).unwrap_or_default()
}

/// The length and cause of an arbitrary value at the start of `text`, which is the start of a word.
fn variable(text: &[u8]) -> (usize, Option<Cause>) {
    for (length, cause) in [
        (address(text), Cause::Address),
        (process(text), Cause::Address),
        (temporary(text), Cause::Address),
        (moment(text), Cause::Time),
        (duration(text), Cause::Time),
    ] {
        if length > 0 {
            return (length, Some(cause));
        }
    }
    (0, None)
}

/// `0x` and at least four hexadecimal digits; or twelve or sixteen digits that look like a stack or heap address.
fn address(text: &[u8]) -> usize {
    let hex = |bytes: &[u8]| run(bytes, |byte| byte.is_ascii_hexdigit());
    if let Some(rest) = text.strip_prefix(b"0x").or_else(|| text.strip_prefix(b"0X")) {
        let count = hex(rest);
        return if count >= 4 { count + 2 } else { 0 };
    }
    let count = hex(text);
    let whole = !from(text, count).first().is_some_and(|byte| is_word(*byte));
    let high = text.strip_prefix(b"0000").unwrap_or(text);
    let mapped = [&b"7f"[..], b"7e", b"55", b"56"].iter().any(|start| high.starts_with(start));
    if whole && (count == 12 || count == 16) && mapped && digits(text) < count { count } else { 0 }
}

/// `pid 123`, `PID=123`, `process 123`: the number with its label.
fn process(text: &[u8]) -> usize {
    for name in [&b"pid"[..], b"PID", b"Pid", b"process", b"Process"] {
        let Some(rest) = text.strip_prefix(name) else { continue };
        let between = run(rest, |byte| b" =:#[(".contains(&byte));
        let number = digits(from(rest, between));
        if between > 0 && between < 4 && number > 0 {
            return name.len() + between + number;
        }
    }
    0
}

/// `tmpa8s7d6f`, `tmp.Xy12AbCd`: names from `mkstemp` and `mktemp`.
fn temporary(text: &[u8]) -> usize {
    let Some(rest) = text.strip_prefix(b"tmp") else { return 0 };
    let point = usize::from(matches!(rest.first(), Some(b'.' | b'-' | b'_')));
    let name = run(from(rest, point), is_word);
    if name >= 6 { 3 + point + name } else { 0 }
}

const DAYS: &[&str] = &["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const MONTHS: &[&str] = &[
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// A whole word that is one of `names`, or its first three letters.
fn name_of(text: &[u8], names: &[&str]) -> usize {
    let length = run(text, |byte| byte.is_ascii_alphabetic());
    let word = text.get(..length).unwrap_or_default();
    let is_one = |name: &&str| word == name.as_bytes() || Some(word) == name.as_bytes().get(..3);
    if names.iter().any(is_one) { length } else { 0 }
}

/// A date, a time of day, a number of seconds since 1970, the name of a day or a month with the day.
fn moment(text: &[u8]) -> usize {
    let named = name_of(text, DAYS);
    if named > 0 {
        return named;
    }
    let month = name_of(text, MONTHS);
    if month > 0 {
        let space = run(from(text, month), |byte| byte == b' ');
        let day = digits(from(text, month + space));
        let is_day =
            space > 0 && (1..=2).contains(&day) && from(text, month + space + day).first() != Some(&b':');
        return if is_day { month + space + day } else { month };
    }
    match digits(text) {
        count @ 1..=2 if from(text, count).first() == Some(&b':') => clock(text, count),
        count @ 1..=2 if from(text, count).first() == Some(&b' ') => {
            let month = name_of(from(text, count + 1), MONTHS);
            if month > 0 { count + 1 + month } else { 0 }
        }
        4 => date(text),
        8 if is_compact_date(text) => joined_clock(text, 8),
        14 if is_compact_date(text) => 14,
        count @ (10 | 13 | 16 | 19) if is_epoch(text) => count + fraction(from(text, count)),
        _ => 0,
    }
}

/// `12:30`, `12:30:05.123`, starting at the number before the first colon.
fn clock(text: &[u8], first: usize) -> usize {
    let two = |place: usize| from(text, place).first() == Some(&b':') && digits(from(text, place + 1)) == 2;
    if !two(first) {
        return 0;
    }
    let minutes = first + 3;
    let seconds = if two(minutes) { minutes + 3 } else { return minutes };
    seconds + fraction(from(text, seconds))
}

/// `.123` or `,123`.
fn fraction(text: &[u8]) -> usize {
    match (text.first(), digits(from(text, 1))) {
        (Some(b'.' | b','), count) if count > 0 => count + 1,
        _ => 0,
    }
}

/// `2026-11-22`, `2026/11/22`, optionally followed by `T12:30:05`.
fn date(text: &[u8]) -> usize {
    let separator = match text.get(4) {
        Some(separator @ (b'-' | b'/' | b'.' | b':')) => *separator,
        _ => return 0,
    };
    let two = digits(from(text, 5)) == 2 && text.get(7) == Some(&separator) && digits(from(text, 8)) == 2;
    if two { joined_clock(text, 10) } else { 0 }
}

/// The end of a time of day that follows `end` after a `T`, `_` or `-`; otherwise `end`.
fn joined_clock(text: &[u8], end: usize) -> usize {
    if !matches!(text.get(end), Some(b'T' | b't' | b'_' | b'-')) {
        return end;
    }
    let rest = from(text, end + 1);
    let time = match digits(rest) {
        2 => clock(rest, 2),
        count @ (4 | 6) => count + fraction(from(rest, count)),
        _ => 0,
    };
    if time == 0 {
        return end;
    }
    let end = end + 1 + time;
    end + usize::from(text.get(end) == Some(&b'Z'))
}

fn number(text: &[u8], length: usize) -> Option<u64> {
    std::str::from_utf8(text.get(..length)?).ok()?.parse().ok()
}

/// `20261122`: a year from 1970 to 2199, a month, a day.
fn is_compact_date(text: &[u8]) -> bool {
    number(text, 8).is_some_and(|date| {
        (1970..2200).contains(&(date / 10_000))
            && (1..=12).contains(&(date / 100 % 100))
            && (1..=31).contains(&(date % 100))
    })
}

/// Seconds, milliseconds, microseconds or nanoseconds since 1970, for times from 2001 to 2100.
fn is_epoch(text: &[u8]) -> bool {
    number(text, 10).is_some_and(|seconds| (1_000_000_000..4_102_444_800).contains(&seconds))
}

const UNITS: &[&str] = &[
    "ns",
    "us",
    "µs",
    "μs",
    "ms",
    "s",
    "sec",
    "secs",
    "second",
    "seconds",
    "min",
    "mins",
    "minute",
    "minutes",
    "hour",
    "hours",
    "milliseconds",
    "microseconds",
    "nanoseconds",
    "m",
    "h",
];

/// `12ms`, `0.3 s`, `1m2.5s`.
fn duration(text: &[u8]) -> usize {
    let whole = digits(text);
    if whole == 0 {
        return 0;
    }
    let value = whole + fraction(from(text, whole));
    let space = usize::from(from(text, value).first() == Some(&b' '));
    let after = from(text, value + space);
    let letters = run(after, |byte| byte.is_ascii_alphabetic() || byte >= 128);
    let unit = after.get(..letters).unwrap_or_default();
    let known =
        UNITS.iter().any(|known| known.as_bytes() == unit && (space == 0 || known.len() > 1 || unit == b"s"));
    if !known {
        return 0;
    }
    let end = value + space + letters;
    // `1m2.5s` continues.
    end + duration(from(text, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(then: &str, now: &str, expected: Option<&[Cause]>) {
        assert_eq!(explain(then.as_bytes(), now.as_bytes()).as_deref(), expected, "{then} / {now}");
    }

    #[test]
    fn moments_and_durations() {
        for (then, now) in [
            ("at 12:30:05", "at 12:31:59"),
            ("2026-11-22T12:30:05.123Z x", "2026-11-23T00:00:00Z x"),
            ("2026/01/02 03:04", "2027/02/03 04:05"),
            ("Sun Nov 22 12:00:00 UTC 2026", "Mon Nov  3 12:00:01 UTC 2026"),
            ("Sun, 22 Nov 2026 12:00:00", "Mon, 3 Dec 2026 12:00:00"),
            ("took 12ms", "took 8.5 ms"),
            ("1 passed in 0.03s", "1 passed in 1.12s"),
            ("real 0m1.200s", "real 1m0.100s"),
            ("1795348800", "1795348801"),
            ("1795348800.123456", "1795349801.9"),
            ("1795348800123456789", "1795349801999999999"),
            ("log-20261122-120000.txt", "log-20261123-120001.txt"),
            ("[   9 ms]", "[  10 ms]"),
        ] {
            check(then, now, Some(&[Cause::Time]));
        }
    }

    #[test]
    fn addresses_process_numbers_and_temporary_names() {
        for (then, now) in [
            ("<object at 0x7f1234567890>", "<object at 0x7fabcdefabcd>"),
            ("heap 55d0c8a1b2c3", "heap 5612aa00ff11"),
            ("started pid 123", "started pid 4567"),
            ("PID=1", "PID=99"),
            ("in /tmp/tmpab12cd34/x", "in /tmp/tmpzz98yx76/x"),
            ("/tmp/tmp.AbCdEfGh12", "/tmp/tmp.ZzCdEfGh12"),
        ] {
            check(then, now, Some(&[Cause::Address]));
        }
        check("0x7f1234 12ms", "0x7f1235 13ms", Some(&[Cause::Time, Cause::Address]));
    }

    #[test]
    fn words_of_a_line_in_another_order() {
        check("{'a', 'b', 'c'}", "{'c', 'a', 'b'}", Some(&[Cause::Order]));
        check("{\"x\": 1, \"y\": 2}", "{\"y\": 2, \"x\": 1}", Some(&[Cause::Order]));
    }

    #[test]
    fn anything_else_is_not_explained() {
        for (then, now) in [
            ("loss 0.5", "loss 0.4"),
            ("17", "23"),
            ("12ms loss 1", "13ms loss 2"),
            ("a", "b"),
            ("a", "a b"),
            ("0x12", "0x13"),
            ("12:30", "12"),
            ("tmp", "temp"),
            ("5 items", "6 items"),
            ("v1.2.3", "v1.2.4"),
            ("9876543210987", "9876543210988"),
            ("", "x"),
        ] {
            check(then, now, None);
        }
        check("x", "x", Some(&[]));
    }
}
