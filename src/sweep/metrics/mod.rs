//! Numbers that a run gives as its result: from small JSON, YAML, TOML and CSV files, and from lines such as `loss: 0.25`.
//!
//! Whatever is not clearly a name with a number is none: a missing column is a nuisance, a wrong one is a lie.

pub mod curves;
mod lines;
mod rules;
mod tree;

pub use lines::of_lines;
pub use rules::{Rule, Rules};

use super::csv;
use std::io::BufRead;

/// One number with its name.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    /// Its name; nested ones with dots: `test.accuracy`.
    pub name: String,
    /// What follows the number: `%`, `ms`. Values with other units are other metrics.
    pub unit: Option<String>,
    /// The number; it may be NaN or infinite.
    pub value: f64,
}

impl Metric {
    /// A metric without a unit.
    #[must_use]
    pub fn new(name: impl Into<String>, value: f64) -> Self {
        Self { name: name.into(), unit: None, value }
    }

    /// The name with the unit behind it: `time [ms]`.
    #[must_use]
    pub fn title(&self) -> String {
        match &self.unit {
            Some(unit) => format!("{} [{unit}]", self.name),
            None => self.name.clone(),
        }
    }
}

/// The largest file that is looked at for metrics, in bytes; a table may be larger, since only its last row counts.
pub const LARGEST: u64 = 256 << 10;

/// The largest table, in bytes.
pub const LARGEST_TABLE: u64 = 8 << 20;

/// A file with more numbers than this holds data.
const MOST: usize = 64;

/// The longest name that is one.
const LONGEST_NAME: usize = 60;

/// What kind of file a path names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// One JSON value.
    Json,
    /// One JSON value a line; the last one counts.
    JsonLines,
    /// YAML.
    Yaml,
    /// TOML.
    Toml,
    /// Comma- or tab-separated values; the last row counts.
    Table,
}

impl Form {
    /// The form of a file of this path, and how large it may be.
    #[must_use]
    pub fn of(path: &[u8]) -> Option<(Self, u64)> {
        let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or(path).to_ascii_lowercase();
        let suffix = name.rsplit(|byte| *byte == b'.').next().filter(|suffix| suffix.len() < name.len())?;
        Some(match suffix {
            b"json" => (Self::Json, LARGEST),
            b"jsonl" | b"ndjson" => (Self::JsonLines, LARGEST_TABLE),
            b"yaml" | b"yml" => (Self::Yaml, LARGEST),
            b"toml" => (Self::Toml, LARGEST),
            b"csv" | b"tsv" => (Self::Table, LARGEST_TABLE),
            _ => return None,
        })
    }
}

/// The metrics of a file; none where it is malformed, or holds data rather than metrics.
#[must_use]
pub fn of_file(form: Form, bytes: &[u8]) -> Vec<Metric> {
    let all = match form {
        Form::Table => of_table(bytes),
        _ => tree::read(form, bytes).map(|tree| tree::numbers(&tree)).unwrap_or_default(),
    };
    if all.len() > MOST { Vec::new() } else { all }
}

/// The value at a key of a file: a column of a table, a path with dots; of a list the last element.
#[must_use]
pub fn at_key(form: Form, bytes: &[u8], key: &str) -> Option<f64> {
    match form {
        Form::Table => {
            of_table(bytes).into_iter().find(|metric| metric.name == key).map(|metric| metric.value)
        }
        _ => tree::at(&tree::read(form, bytes)?, key),
    }
}

/// The last row of a table whose first row is names.
fn of_table(bytes: &[u8]) -> Vec<Metric> {
    let Some((names, last)) = ends_of_table(bytes) else { return Vec::new() };
    // Names that are numbers are a first row of data.
    if names.len() != last.len() || names.iter().any(|name| number(name).is_some()) {
        return Vec::new();
    }
    let mut found: Vec<Metric> = Vec::new();
    for (name, value) in names.iter().zip(&last) {
        if !is_name(name) || found.iter().any(|known| known.name == *name) {
            continue;
        }
        found.extend(number(value).map(|value| Metric::new(name.as_str(), value)));
    }
    found
}

/// The first row of a table and its last.
fn ends_of_table(mut bytes: &[u8]) -> Option<(Vec<String>, Vec<String>)> {
    let first = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let tabs = !first.contains(&b',') && first.contains(&b'\t');
    let mut next = || {
        if tabs {
            let mut line = Vec::new();
            (bytes.read_until(b'\n', &mut line).ok()? > 0).then(|| {
                line.trim_ascii_end().split(|byte| *byte == b'\t').map(<[u8]>::to_vec).collect::<Vec<_>>()
            })
        } else {
            csv::next_record(&mut bytes).ok().flatten()
        }
    };
    let text = |fields: Vec<Vec<u8>>| {
        let texts = fields.into_iter().map(String::from_utf8);
        texts
            .map(|text| text.ok().map(|text| text.trim_start_matches('\u{feff}').trim().to_owned()))
            .collect()
    };
    let names: Option<Vec<String>> = text(next()?);
    let mut last = None;
    while let Some(fields) = next() {
        last = Some(fields);
    }
    Some((names?, text(last?)?))
}

/// Whether a text may name a metric.
fn is_name(text: &str) -> bool {
    text.len() <= LONGEST_NAME
        && text.chars().next().is_some_and(|c| c.is_alphabetic() || c == '_')
        && !text.chars().any(char::is_control)
}

/// A number that is all of a text: `12`, `-0.5`, `1e-4`, `NaN`, `inf`, `1_000`, `1,234.5`.
#[must_use]
pub fn number(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let lower = unsigned.to_ascii_lowercase();
    let sign = if text.starts_with('-') { -1.0 } else { 1.0 };
    match lower.as_str() {
        "nan" | ".nan" => return Some(f64::NAN),
        "inf" | "infinity" | ".inf" => return Some(sign * f64::INFINITY),
        _ => {}
    }
    let plain = |c: char| c.is_ascii_digit() || matches!(c, '.' | 'e' | '-' | '+' | '_' | ',');
    if !lower.starts_with(|c: char| c.is_ascii_digit() || c == '.') || !lower.chars().all(plain) {
        return None;
    }
    let digits = if lower.contains(',') { without_groups(&lower)? } else { lower.replace('_', "") };
    if lower.starts_with('_') || lower.ends_with('_') {
        return None;
    }
    digits.parse::<f64>().ok().map(|value| sign * value)
}

/// `1,234,567.8` without its commas; `None` where they do not part groups of three.
fn without_groups(text: &str) -> Option<String> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut groups = whole.split(',');
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let first = groups.next().filter(|first| (1..=3).contains(&first.len()) && is_digits(first))?;
    let rest: Vec<&str> = groups.collect();
    if !rest.iter().all(|group| group.len() == 3 && is_digits(group)) || !is_digits(fraction) {
        return None;
    }
    Some(format!("{first}{}.{fraction}0", rest.concat()))
}

/// A number as people read it: six significant digits, no zeros that say nothing.
#[must_use]
pub fn shown(value: f64) -> String {
    if value.is_nan() {
        return "nan".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    let rounded: f64 = format!("{value:.5e}").parse().unwrap_or(value);
    let magnitude = rounded.abs();
    if magnitude != 0.0 && !(1e-5..1e15).contains(&magnitude) {
        return format!("{rounded:e}");
    }
    // Counts are shown to the last digit.
    #[expect(clippy::float_cmp, reason = "whether it is whole")]
    let is_whole = value.trunc() == value;
    if is_whole { format!("{value}") } else { format!("{rounded}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn told(metrics: &[Metric]) -> Vec<String> {
        metrics.iter().map(|metric| format!("{}={}", metric.title(), shown(metric.value))).collect()
    }

    #[test]
    fn files_of_every_form_give_their_numbers() {
        let cases: &[(&str, &str, &[&str])] = &[
            (
                "m.json",
                r#"{"acc": 0.85, "test": {"auc": 9.1e-1, "n": 3}, "name": "x", "ok": true}"#,
                &["acc=0.85", "test.auc=0.91", "test.n=3"],
            ),
            (
                "m.json",
                r#"{"loss": NaN, "best": -Infinity, "said": "NaN: 3, Infinity"}"#,
                &["loss=nan", "best=-inf"],
            ),
            ("m.json", r#"{"matrix": [[1, 2], [3, 4]], "sizes": [64, 32], "a": 1}"#, &["a=1"]),
            ("m.json", r#"{"a": 1,"#, &[]),
            ("m.json", r#"[{"loss": 0.5}, {"loss": 0.25}]"#, &["loss=0.25"]),
            (
                "log.jsonl",
                "{\"step\": 1, \"loss\": 0.5}\n{\"step\": 2, \"loss\": 0.25}\n",
                &["step=2", "loss=0.25"],
            ),
            (
                "m.yaml",
                "acc: 0.85\ntest:\n  auc: 1e-3\n  bad: .nan\nnote: |\n  loss: 3\nlist: [1, 2]\nversion: 1.2.3\nid: '12'\n",
                &["acc=0.85", "test.auc=0.001", "test.bad=nan"],
            ),
            ("m.yml", "a: &x {b: 1}\nc: *x\n", &["a.b=1"]),
            (
                "m.toml",
                "acc = 0.85\n[test]\nauc = 1e-3\nnan = nan\nwhen = 2026-11-22\n",
                &["acc=0.85", "test.auc=0.001", "test.nan=nan"],
            ),
            ("m.csv", "epoch,loss,name\n1,0.5,a\n2,2.5e-1,b\n", &["epoch=2", "loss=0.25"]),
            ("m.tsv", "epoch\tloss\n1\t0.5\n", &["epoch=1", "loss=0.5"]),
            ("m.csv", "1,2\n3,4\n", &[]),
            ("m.csv", "a,b\n", &[]),
            ("m.csv", "a,b\n1,2\n3\n", &[]),
            ("m.csv", "a,a\n1,2\n", &["a=1"]),
            ("m.csv", "", &[]),
        ];
        for (path, text, expected) in cases {
            let (form, _) = Form::of(path.as_bytes()).unwrap();
            assert_eq!(told(&of_file(form, text.as_bytes())), *expected, "{path}: {text}");
        }
        assert_eq!(Form::of(b"a.json/model"), None);
    }

    #[test]
    fn a_file_with_many_numbers_holds_data() {
        let many: Vec<String> = (0..100).map(|n| format!("\"k{n}\": {n}")).collect();
        assert!(of_file(Form::Json, format!("{{{}}}", many.join(",")).as_bytes()).is_empty());
        let deep = format!("{}1{}", "{\"a\":".repeat(100_000), "}".repeat(100_000));
        assert!(of_file(Form::Json, deep.as_bytes()).is_empty());
        let deep = format!("{}1", "- ".repeat(50_000));
        assert!(of_file(Form::Yaml, deep.as_bytes()).is_empty());
    }

    #[test]
    fn a_key_reaches_what_is_not_taken_by_itself() {
        let json =
            br#"{"history": {"loss": [0.5, 0.25]}, "a.b": 3, "name": "x", "runs": [{"auc": 1}, {"auc": 2}]}"#;
        for (key, value) in [
            ("history.loss", Some(0.25)),
            ("history.loss.0", Some(0.5)),
            ("a.b", Some(3.0)),
            ("runs.auc", Some(2.0)),
            ("name", None),
            ("none", None),
        ] {
            assert_eq!(at_key(Form::Json, json, key), value, "{key}");
        }
    }

    #[test]
    fn numbers_are_numbers_and_nothing_else_is() {
        for (text, value) in [
            ("12", 12.0),
            ("-0.5", -0.5),
            ("+1e-4", 1e-4),
            (".5", 0.5),
            ("1_000", 1000.0),
            ("1,234.5", 1234.5),
            ("2.", 2.0),
        ] {
            assert_eq!(number(text), Some(value), "{text}");
        }
        assert!(number("NaN").unwrap().is_nan());
        assert_eq!(number("-inf"), Some(f64::NEG_INFINITY));
        for text in [
            "", "x", "1.2.3", "12:30", "3/10", "0x10", "1,23", "1,2", "e5", "--1", "1-2", "infinite", "1 2",
            "_1", "-",
        ] {
            assert_eq!(number(text), None, "{text}");
        }
    }

    #[test]
    fn numbers_are_shown_short() {
        for (value, text) in [
            (0.874_000_01, "0.874"),
            (1.0 / 3.0, "0.333333"),
            (1e-9, "1e-9"),
            (123_456_789.0, "123456789"),
            (0.0, "0"),
            (-2.50, "-2.5"),
            (1e20, "1e20"),
            (12_345.678_9, "12345.7"),
        ] {
            assert_eq!(shown(value), text);
        }
    }

    /// The same names in the same order, and the same numbers but for the last digit.
    fn are_alike(found: &[Metric], expected: &[Metric]) -> bool {
        let alike = |(one, two): (&Metric, &Metric)| {
            one.title() == two.title() && (one.value - two.value).abs() <= two.value.abs() * 1e-14
        };
        found.len() == expected.len() && found.iter().zip(expected).all(alike)
    }

    proptest! {
        #[test]
        fn no_file_is_too_odd(text in "[a-c\"{}\\[\\]:,.0-9eNI\\-\n \t&*|>#=']{0,80}") {
            for form in [Form::Json, Form::JsonLines, Form::Yaml, Form::Toml, Form::Table] {
                for metric in of_file(form, text.as_bytes()) {
                    prop_assert!(is_name(&metric.name) || metric.name.contains('.'), "{:?}", metric);
                }
                let _ = at_key(form, text.as_bytes(), "a.0");
            }
        }

        #[test]
        fn no_bytes_are_too_odd(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            for form in [Form::Json, Form::JsonLines, Form::Yaml, Form::Toml, Form::Table] {
                let _ = of_file(form, &bytes);
            }
            let _ = of_lines(&bytes);
        }

        /// What was written is what is read, under its own name, in every form.
        #[test]
        fn no_column_is_wrong(values in prop::collection::btree_map("[a-z][a-z_]{0,8}", -1e9_f64..1e9, 1..8)) {
            // Words of YAML and TOML that are not names.
            prop_assume!(!values.keys().any(|name| ["nan", "inf", "y", "n", "yes", "no", "on", "off", "true", "false", "null"].contains(&name.as_str())));
            let expected: Vec<Metric> = values.iter().map(|(name, value)| Metric::new(name.as_str(), *value)).collect();
            let pairs = |open: &str, between: &str, apart: &str, close: &str| {
                let all: Vec<String> = values.iter().map(|(name, value)| format!("{open}{name}{open}{between}{value:?}")).collect();
                all.join(apart) + close
            };
            let names: Vec<&str> = values.keys().map(String::as_str).collect();
            let row: Vec<String> = values.values().map(|value| format!("{value:?}")).collect();
            let table = format!("{}\n{}\n{}\n", names.join(","), vec!["7"; names.len()].join(","), row.join(","));
            for (form, text) in [
                (Form::Json, format!("{{{}", pairs("\"", ": ", ", ", "}"))),
                (Form::JsonLines, format!("{{\"old\": 1}}\n{{{}\n", pairs("\"", ":", ",", "}"))),
                (Form::Yaml, pairs("", ": ", "\n", "\n")),
                (Form::Toml, pairs("", " = ", "\n", "\n")),
                (Form::Table, table),
            ] {
                prop_assert!(are_alike(&of_file(form, text.as_bytes()), &expected), "{}", text);
            }
            for text in [pairs("", ": ", "\n", "\n"), pairs("", "=", " ", "\n"), pairs("", "=", ", ", ""), pairs("", ": ", " - ", "\n")] {
                prop_assert!(are_alike(&of_lines(text.as_bytes()), &expected), "{}", text);
            }
        }
    }
}
