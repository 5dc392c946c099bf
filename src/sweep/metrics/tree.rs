//! JSON, YAML and TOML as one kind of tree, and the numbers in it.

use super::{Form, is_name, number};
use saphyr_parser::{Event, Parser, ScalarStyle};

/// Deeper than this no metric lies.
const DEEPEST: usize = 16;

/// A value of any of the forms.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Tree {
    Number(f64),
    List(Vec<Tree>),
    Object(Vec<(String, Tree)>),
    /// Text, truth values, times: no metric.
    Other,
}

/// Reads a file; `None` where it is malformed.
pub(super) fn read(form: Form, bytes: &[u8]) -> Option<Tree> {
    let text = std::str::from_utf8(bytes).ok()?;
    match form {
        Form::Json => json(text),
        Form::JsonLines => json(text.lines().rev().find(|line| !line.trim().is_empty())?),
        Form::Yaml => yaml(text),
        Form::Toml => Some(from_toml(text.parse::<toml::Table>().ok().map(toml::Value::Table)?)),
        Form::Table => None,
    }
}

/// The numbers of a tree with their names; of a list of objects the last one counts, other lists are data.
pub(super) fn numbers(tree: &Tree) -> Vec<super::Metric> {
    let mut found = Vec::new();
    gather(tree, "", 0, &mut found);
    found
}

fn gather(tree: &Tree, at: &str, depth: usize, found: &mut Vec<super::Metric>) {
    match tree {
        _ if depth > DEEPEST => {}
        Tree::Number(value) => {
            if !at.is_empty() && !found.iter().any(|known| known.name == at) {
                found.push(super::Metric::new(at, *value));
            }
        }
        Tree::Object(fields) => {
            for (name, value) in fields.iter().filter(|(name, _)| is_name(name)) {
                let at = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
                gather(value, &at, depth + 1, found);
            }
        }
        Tree::List(items) => {
            if let Some(last @ Tree::Object(_)) = items.last() {
                gather(last, at, depth + 1, found);
            }
        }
        Tree::Other => {}
    }
}

/// The number at a path with dots; of a list its last element, or the one of a number in the path.
pub(super) fn at(tree: &Tree, key: &str) -> Option<f64> {
    match tree {
        Tree::Number(value) => key.is_empty().then_some(*value),
        Tree::Object(fields) => fields.iter().find_map(|(name, value)| {
            let rest = key.strip_prefix(name.as_str())?;
            match rest.strip_prefix('.') {
                Some(rest) => at(value, rest),
                None if rest.is_empty() => at(value, ""),
                None => None,
            }
        }),
        Tree::List(items) => {
            let (first, rest) = key.split_once('.').unwrap_or((key, ""));
            match first.parse::<usize>() {
                Ok(place) => at(items.get(place)?, rest),
                Err(_) => at(items.last()?, key),
            }
        }
        Tree::Other => None,
    }
}

/// JSON, and the `NaN` and `Infinity` that many writers put into it.
fn json(text: &str) -> Option<Tree> {
    let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok();
    read(text).or_else(|| read(&with_quoted_words(text))).map(from_json)
}

/// Puts quotes around `NaN` and `Infinity` outside of strings.
fn with_quoted_words(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 16);
    let mut rest = text;
    let mut inside = false;
    while let Some(c) = rest.chars().next() {
        let word =
            ["NaN", "-Infinity", "Infinity"].into_iter().find(|word| !inside && rest.starts_with(word));
        if let Some(word) = word {
            quoted.extend(["\"\u{e000}", word, "\""]);
            rest = rest.get(word.len()..).unwrap_or_default();
            continue;
        }
        let mut length = c.len_utf8();
        if c == '"' {
            inside = !inside;
        } else if c == '\\' && inside {
            length += rest.chars().nth(1).map_or(0, char::len_utf8);
        }
        quoted.push_str(rest.get(..length).unwrap_or_default());
        rest = rest.get(length..).unwrap_or_default();
    }
    quoted
}

fn from_json(value: serde_json::Value) -> Tree {
    use serde_json::Value;
    match value {
        Value::Number(value) => value.as_f64().map_or(Tree::Other, Tree::Number),
        Value::Array(items) => Tree::List(items.into_iter().map(from_json).collect()),
        Value::Object(fields) => {
            Tree::Object(fields.into_iter().map(|(name, value)| (name, from_json(value))).collect())
        }
        Value::String(text) => match text.strip_prefix('\u{e000}').and_then(number) {
            Some(value) => Tree::Number(value),
            None => Tree::Other,
        },
        Value::Null | Value::Bool(_) => Tree::Other,
    }
}

#[expect(clippy::cast_precision_loss, reason = "a count that large is shown rounded")]
fn from_toml(value: toml::Value) -> Tree {
    use toml::Value;
    match value {
        Value::Integer(value) => Tree::Number(value as f64),
        Value::Float(value) => Tree::Number(value),
        Value::Array(items) => Tree::List(items.into_iter().map(from_toml).collect()),
        Value::Table(fields) => {
            Tree::Object(fields.into_iter().map(|(name, value)| (name, from_toml(value))).collect())
        }
        Value::String(_) | Value::Boolean(_) | Value::Datetime(_) => Tree::Other,
    }
}

/// A list or an object that is not ended yet.
enum Open {
    List(Vec<Tree>),
    Object(Vec<(String, Tree)>, Option<String>),
}

/// The first document. Aliases are not followed: few bytes can stand for more than memory holds.
fn yaml(text: &str) -> Option<Tree> {
    let mut open: Vec<Open> = Vec::new();
    for event in Parser::new_from_str(text) {
        let value = match event.ok()?.0 {
            Event::Scalar(text, style, ..) => {
                if let Some(Open::Object(_, name @ None)) = open.last_mut() {
                    *name = Some(text.into_owned());
                    continue;
                }
                match number(&text).filter(|_| style == ScalarStyle::Plain) {
                    Some(value) => Tree::Number(value),
                    None => Tree::Other,
                }
            }
            Event::Alias(_) => {
                if let Some(Open::Object(_, name @ None)) = open.last_mut() {
                    *name = Some(String::new());
                    continue;
                }
                Tree::Other
            }
            Event::SequenceStart(..) | Event::MappingStart(..) if open.len() > 4 * DEEPEST => return None,
            Event::SequenceStart(..) => {
                open.push(Open::List(Vec::new()));
                continue;
            }
            Event::MappingStart(..) => {
                open.push(Open::Object(Vec::new(), None));
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => match open.pop()? {
                Open::List(items) => Tree::List(items),
                Open::Object(fields, _) => Tree::Object(fields),
            },
            Event::DocumentEnd | Event::StreamEnd => return None,
            _ => continue,
        };
        match open.last_mut() {
            None => return Some(value),
            Some(Open::List(items)) => items.push(value),
            // A list or an object as a name is none.
            Some(Open::Object(_, name @ None)) => *name = Some(String::new()),
            Some(Open::Object(fields, name)) => fields.push((name.take().unwrap_or_default(), value)),
        }
    }
    None
}
