//! Which metrics are wanted, where the user says so: `metrics.json`, `metrics.json:test.auc`, or a pattern for what is printed.

use super::{Form, Metric, at_key, number, of_file};
use crate::error::{Error, Result};
use regex::Regex;

/// One source of metrics.
#[derive(Clone, Debug)]
pub enum Rule {
    /// All numbers of an output whose path ends so, or the one at a key.
    File {
        /// The name of the metric, if there is but one.
        name: Option<String>,
        /// The end of the path.
        path: String,
        /// The key.
        key: Option<String>,
    },
    /// What a pattern finds in what is printed; the last place counts.
    Pattern {
        /// The name of what the first group holds, where it has none.
        name: String,
        /// The pattern.
        pattern: Regex,
    },
}

/// All sources that were given; none means that everything is looked at.
#[derive(Clone, Debug, Default)]
pub struct Rules(Vec<Rule>);

impl Rules {
    /// Reads rules: the name, where there is one, and the source.
    ///
    /// # Errors
    /// [`crate::error::Kind::Usage`] for a pattern that is none.
    pub fn read<'a>(given: impl IntoIterator<Item = (Option<&'a str>, &'a str)>) -> Result<Self> {
        given.into_iter().map(|(name, text)| rule(name, text)).collect::<Result<_>>().map(Self)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether what is printed is looked at.
    #[must_use]
    pub fn want_lines(&self) -> bool {
        self.0.is_empty() || self.0.iter().any(|rule| matches!(rule, Rule::Pattern { .. }))
    }

    /// Whether the output at `path` is looked at.
    #[must_use]
    pub fn want_file(&self, path: &str) -> bool {
        self.0.is_empty()
            || self.0.iter().any(|rule| matches!(rule, Rule::File { path: end, .. } if ends_with(path, end)))
    }

    /// The metrics of an output.
    #[must_use]
    pub fn of_file(&self, path: &str, form: Form, bytes: &[u8]) -> Vec<Metric> {
        if self.0.is_empty() {
            return of_file(form, bytes);
        }
        let mut found = Vec::new();
        for rule in &self.0 {
            let Rule::File { name, path: end, key } = rule else { continue };
            if !ends_with(path, end) {
                continue;
            }
            match key {
                None => found.extend(of_file(form, bytes)),
                Some(key) => {
                    let name = name.as_deref().unwrap_or(key);
                    found.extend(at_key(form, bytes, key).map(|value| Metric::new(name, value)));
                }
            }
        }
        found
    }

    /// The metrics of what was printed.
    #[must_use]
    pub fn of_lines(&self, text: &[u8]) -> Vec<Metric> {
        if self.0.is_empty() {
            return super::of_lines(text);
        }
        let text = String::from_utf8_lossy(text);
        let mut found = Vec::new();
        for rule in &self.0 {
            let Rule::Pattern { name, pattern } = rule else { continue };
            let Some(last) = pattern.captures_iter(&text).last() else { continue };
            let groups = pattern.capture_names().enumerate().skip(1);
            for (place, group) in groups {
                let name = match (group, place) {
                    (Some(group), _) => group,
                    (None, 1) => name,
                    (None, _) => continue,
                };
                let value = last.get(place).and_then(|group| number(group.as_str().trim()));
                found.extend(value.map(|value| Metric::new(name, value)));
            }
        }
        found
    }
}

/// Whether a path ends so, at a whole name.
fn ends_with(path: &str, end: &str) -> bool {
    path.strip_suffix(end).is_some_and(|before| before.is_empty() || before.ends_with('/'))
}

fn rule(name: Option<&str>, text: &str) -> Result<Rule> {
    if text.contains('(') {
        let pattern = Regex::new(text).map_err(|error| {
            let why = error.to_string();
            let why = why.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
            Error::usage(format!("metrics: '{text}' is not a pattern: {why}"))
                .with_hint("a file (metrics.json), a file and a key (metrics.json:test.auc), or a pattern with a group: 'loss=([0-9.]+)'")
        })?;
        // `loss=([0-9.]+)` is called by what stands before its group.
        let before: String = text.split('(').next().unwrap_or_default().to_owned();
        let word = before.trim_end_matches(|c: char| !c.is_alphanumeric());
        let start = word.rfind(|c: char| !c.is_alphanumeric() && c != '_').map_or(0, |place| place + 1);
        let own = word.get(start..).filter(|own| !own.is_empty()).unwrap_or("value");
        return Ok(Rule::Pattern { name: name.unwrap_or(own).to_owned(), pattern });
    }
    let (path, key) = match text.split_once(':') {
        Some((path, key)) => (path, Some(key.to_owned())),
        None => (text, None),
    };
    if path.is_empty() || Form::of(path.as_bytes()).is_none() {
        return Err(Error::usage(format!("metrics: '{text}' names no JSON, YAML, TOML or CSV file"))
            .with_hint("a file (metrics.json), a file and a key (metrics.json:test.auc), or a pattern with a group: 'loss=([0-9.]+)'"));
    }
    Ok(Rule::File { name: name.map(str::to_owned), path: path.to_owned(), key })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_take_what_they_name() {
        let rules = Rules::read([
            (Some("auc"), "m.json:test.auc"),
            (None, r"loss=([0-9.]+)"),
            (None, r"step (?<step>\d+)"),
            (Some("gap"), r"(-?[0-9.]+) apart"),
        ]);
        let rules = rules.unwrap();
        let json = br#"{"acc": 1, "test": {"auc": 0.5}}"#;
        assert_eq!(rules.of_file("runs/a/m.json", Form::Json, json), [Metric::new("auc", 0.5)]);
        assert!(rules.of_file("runs/a/xm.json", Form::Json, json).is_empty());
        assert!(rules.want_file("m.json") && !rules.want_file("n.json") && rules.want_lines());
        let text = b"step 1 loss=0.5\nstep 2 loss=0.25 -3.5 apart\n";
        assert_eq!(
            rules.of_lines(text),
            [Metric::new("loss", 0.25), Metric::new("step", 2.0), Metric::new("gap", -3.5)]
        );
        for wrong in ["x(", "model.bin", ":key", ""] {
            assert!(Rules::read([(None, wrong)]).is_err(), "{wrong}");
        }
    }
}
