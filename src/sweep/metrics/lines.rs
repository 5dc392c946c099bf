//! Metrics in what a run prints: `loss: 0.25`, `loss=0.25`, `Epoch 3/10 - loss: 0.25 - acc: 0.9`, a line of JSON.
//!
//! The last value of a name counts. `12:30:05`, `3/10`, `1.2.3`, `host:8080` are none.

use super::{Form, Metric, is_name, number, tree};

/// More names than this are data.
const MOST: usize = 64;

/// The longest line that is looked at, in bytes.
const LONGEST: usize = 2000;

/// What may follow a number as its unit.
const UNITS: &[&str] = &[
    "%",
    "s",
    "sec",
    "secs",
    "seconds",
    "ms",
    "us",
    "µs",
    "ns",
    "min",
    "mins",
    "minutes",
    "h",
    "hours",
    "d",
    "days",
    "B",
    "kB",
    "KB",
    "MB",
    "GB",
    "TB",
    "KiB",
    "MiB",
    "GiB",
    "TiB",
    "bytes",
    "it/s",
    "items/s",
    "samples/s",
    "tokens/s",
    "tok/s",
    "img/s",
    "fps",
    "FPS",
    "Hz",
    "kHz",
    "MHz",
    "GHz",
    "W",
    "mW",
    "kW",
    "J",
    "kJ",
    "Wh",
    "kWh",
    "dB",
    "px",
    "mm",
    "cm",
    "m",
    "km",
    "g",
    "kg",
    "K",
    "°C",
    "V",
    "A",
    "mA",
    "x",
    "bits",
    "MB/s",
    "GB/s",
    "MiB/s",
    "GiB/s",
];

/// The metrics of what was printed.
#[must_use]
pub fn of_lines(text: &[u8]) -> Vec<Metric> {
    let mut found: Vec<Metric> = Vec::new();
    for line in text.split(|byte| *byte == b'\n') {
        // What a progress bar wrote over is gone.
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let line = line.rsplit(|byte| *byte == b'\r').next().unwrap_or(line).trim_ascii();
        if line.is_empty() || line.len() > LONGEST {
            continue;
        }
        let Ok(line) = std::str::from_utf8(line) else { continue };
        let metrics = if line.starts_with('{') && line.ends_with('}') {
            tree::read(Form::Json, line.as_bytes()).map(|tree| tree::numbers(&tree)).unwrap_or_default()
        } else {
            of_line(line)
        };
        for metric in metrics {
            let is_full = found.len() >= MOST;
            match found.iter_mut().find(|known| known.name == metric.name && known.unit == metric.unit) {
                Some(known) => known.value = metric.value,
                None if !is_full => found.push(metric),
                None => return Vec::new(),
            }
        }
    }
    found
}

fn of_line(line: &str) -> Vec<Metric> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some((place, sign)) = next_sign(line, from) {
        from = place + 1;
        let (before, after) =
            (line.get(..place).unwrap_or_default(), line.get(place + 1..).unwrap_or_default());
        // After a colon there is a blank: `host:8080` is an address.
        if sign == ':' && !after.starts_with([' ', '\t']) {
            continue;
        }
        let Some((value, unit)) = value(after.trim_start()) else { continue };
        let Some(name) = name(before, sign) else { continue };
        found.push(Metric { name, unit, value });
    }
    found
}

fn next_sign(line: &str, from: usize) -> Option<(usize, char)> {
    let rest = line.get(from..)?;
    rest.char_indices().find(|(_, c)| matches!(c, ':' | '=')).map(|(place, c)| (from + place, c))
}

/// The name that ends before a sign: a word, or all that the line has before it, if these are plain words.
fn name(before: &str, sign: char) -> Option<String> {
    let before = before.trim_end();
    let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '/' | '@' | '-' | '%');
    let start =
        before.char_indices().rev().take_while(|(_, c)| is_word(*c)).last().map(|(place, _)| place)?;
    let word = before.get(start..)?;
    // `a == 3`, `a <= 3`, `f(x) = 3` are not results.
    if !is_name(word) || word.ends_with(['-', '/', '.']) {
        return None;
    }
    let others = before.get(..start)?.trim();
    let is_words = !others.is_empty() && others.chars().all(|c| c.is_alphabetic() || c == ' ' || c == '_');
    // `Test accuracy: 0.9` has a name of two words; `INFO loss=0.9` has one of one.
    if sign == ':' && is_words && others.split_whitespace().count() <= 3 {
        return Some(format!("{others} {word}")).filter(|name| is_name(name));
    }
    if others.ends_with(['"', '\'', '<', '$', '\\']) {
        return None;
    }
    Some(word.to_owned())
}

/// The number that a text begins with, and its unit; `None` where it is part of something else.
fn value(text: &str) -> Option<(f64, Option<String>)> {
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    let (token, rest) = text.split_at_checked(end)?;
    let bare = token.trim_end_matches([',', ';', ')', ']', '|', '.']);
    let ends = bare.len() < token.len();
    if let Some(value) = number(bare) {
        let rest = rest.trim_start();
        let unit_end = rest
            .find(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | ')' | '|'))
            .unwrap_or(rest.len());
        let (unit, behind) = rest.split_at_checked(unit_end)?;
        // A unit that stands apart is the last of its pair.
        let closes = behind.trim_start();
        let closes = closes.is_empty() || closes.starts_with([',', ';', ')', '|', '-', '·']);
        let unit = (!ends && closes && UNITS.contains(&unit)).then(|| unit.to_owned());
        return Some((value, unit));
    }
    // `85.3%`, `12ms`: digits, then a unit.
    let split = bare.find(|c: char| c.is_alphabetic() || matches!(c, '%' | '°' | 'µ'))?;
    let mut candidates =
        [split, bare.len()].into_iter().chain(bare.rfind(|c: char| c.is_ascii_digit()).map(|last| last + 1));
    candidates.find_map(|at| {
        let (digits, unit) = bare.split_at_checked(at)?;
        let value = number(digits)?;
        UNITS.contains(&unit).then(|| (value, Some(unit.to_owned())))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sweep::metrics::shown;

    fn told(text: &str) -> Vec<String> {
        of_lines(text.as_bytes())
            .iter()
            .map(|metric| format!("{}={}", metric.title(), shown(metric.value)))
            .collect()
    }

    #[test]
    fn lines_give_their_numbers() {
        let cases: &[(&str, &[&str])] = &[
            ("accuracy: 0.85", &["accuracy=0.85"]),
            ("loss=1e-3", &["loss=0.001"]),
            ("loss = 0.5", &["loss=0.5"]),
            ("loss: 0.5\nloss: 0.25\n", &["loss=0.25"]),
            ("Epoch 3/10 - loss: 0.25 - val_acc: 0.9", &["loss=0.25", "val_acc=0.9"]),
            ("step=100 lr=3e-4, loss=0.5;", &["step=100", "lr=0.0003", "loss=0.5"]),
            ("Test accuracy: 85.3%", &["Test accuracy [%]=85.3"]),
            ("time: 12.5 s", &["time [s]=12.5"]),
            ("took: 5 minutes ago", &["took=5"]),
            ("latency: 12ms, p99: 40 ms", &["latency [ms]=12", "p99 [ms]=40"]),
            ("time: 1.5 s\ntime: 900 ms", &["time [s]=1.5", "time [ms]=900"]),
            ("loss: nan\nbest: -inf", &["loss=nan", "best=-inf"]),
            ("params: 1,234,567", &["params=1234567"]),
            ("f1/macro: 0.5 (best 0.7)", &["f1/macro=0.5"]),
            ("10%|#  | 1/10 [00:01]\r100%|##| 10/10\racc: 0.5", &["acc=0.5"]),
            ("{\"loss\": 0.5, \"n\": {\"a\": 2}}", &["loss=0.5", "n.a=2"]),
            ("2026-11-22 12:30:05,123 INFO train: loss=0.5", &["loss=0.5"]),
            ("done (loss=0.5)", &["loss=0.5"]),
            ("Genauigkeit größe: 0.5", &["Genauigkeit größe=0.5"]),
        ];
        for (text, expected) in cases {
            assert_eq!(told(text), *expected, "{text}");
        }
    }

    #[test]
    fn what_is_not_a_result_is_none() {
        for text in [
            "12:30:05",
            "Date: 2026-11-22",
            "Time: 12:30",
            "progress: 3/10",
            "version: 1.2.3",
            "listening on http://localhost:8080",
            "localhost:8080",
            "https://example.com/?a=1b",
            "a == 3",
            "hash: 0x10",
            "price: 1,23",
            "id: 12abc",
            "  File \"x.py\", line 4, in f",
            "x: y: z",
            "note: see 5",
            "=5",
            ": 5",
            "3: 5",
            "",
        ] {
            assert_eq!(told(text), Vec::<String>::new(), "{text}");
        }
        let many: Vec<String> = (0..100).map(|n| format!("k{n}: {n}")).collect();
        assert!(told(&many.join("\n")).is_empty());
    }
}
