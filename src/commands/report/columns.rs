//! The columns of the table for the page: lists of numbers; for text, each word once with indices.

use super::Shown;
use crate::commands::runs::sheet::{Key, Sheet, value};
use crate::record::Timestamp;
use crate::sweep::metrics::{number, shown};
use serde_json::{Value as Json, json};
use std::collections::HashMap;

/// All columns. The page hides those that are equal in all runs or contain paths of outputs, but can show them.
pub(super) fn of(sheet: &Sheet, runs: &[Shown]) -> Vec<Json> {
    let mut keys = vec![Key::Run, Key::State];
    keys.extend(sheet.all.iter().filter(|key| !is_constant(sheet, key)).cloned());
    keys.extend([Key::Took, Key::Age, Key::Error]);
    let mut columns: Vec<Json> = keys.iter().map(|key| column(sheet, runs, key)).collect();
    let hits: Vec<Json> = runs.iter().map(|shown| shown.run.found.hits.into()).collect();
    let place = columns.len() - 1;
    columns.insert(place, json!({ "title": "hits", "kind": "hits", "visible": false, "numbers": hits }));
    columns
}

fn is_constant(sheet: &Sheet, key: &Key) -> bool {
    matches!(key, Key::Parameter(name) if sheet.constant.iter().any(|(known, _)| known == name))
}

fn column(sheet: &Sheet, runs: &[Shown], key: &Key) -> Json {
    let is_visible = match key {
        Key::Error => runs.iter().any(|shown| shown.run.error.is_some()),
        // A number that is equal in many runs is not interesting.
        Key::Metric(title) => {
            let first = runs.first().and_then(|shown| value(&shown.run, title)).map(f64::to_bits);
            let of = |shown: &Shown| value(&shown.run, title).map(f64::to_bits);
            runs.len() < 2 || runs.iter().any(|shown| of(shown) != first)
        }
        key => sheet.columns.contains(key),
    };
    let kind = match key {
        Key::Run => "run",
        Key::State => "state",
        Key::Parameter(_) => "parameter",
        Key::Metric(_) => "metric",
        Key::Error => "error",
        Key::Took => "took",
        Key::Age => "started",
    };
    let title = if *key == Key::Age { "started" } else { key.title() };
    let head = json!({ "title": title, "kind": kind, "visible": is_visible });
    let values = match key {
        Key::Metric(title) => numbers(runs.iter().map(|shown| value(&shown.run, title))),
        Key::Took => numbers(runs.iter().map(|shown| {
            let wall = shown.run.found.commit.resources.wall;
            (wall > 0).then(|| seconds(i64::try_from(wall).unwrap_or(i64::MAX)))
        })),
        Key::Age => numbers(runs.iter().map(|shown| {
            let Timestamp(nanoseconds) = shown.run.found.commit.started;
            Some(seconds(nanoseconds))
        })),
        _ => {
            let texts: Vec<String> = runs.iter().map(|shown| sheet.text(&shown.run, key, false)).collect();
            let texts = texts.iter().map(|text| Some(text.as_str()).filter(|text| !text.is_empty()));
            let mut words = words(texts);
            if let (Key::Parameter(_), Json::Object(words)) = (key, &mut words) {
                let list = words.get("words").and_then(Json::as_array).into_iter().flatten();
                let numbers: Json = list.map(|word| json_number(word.as_str().and_then(number))).collect();
                words.insert("numbers".to_owned(), numbers);
            }
            json!({ "texts": words })
        }
    };
    let (Json::Object(mut column), Json::Object(values)) = (head, values) else { return Json::Null };
    column.extend(values);
    column.into()
}

/// In seconds, to the millisecond.
fn seconds(nanoseconds: i64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 are far from that")]
    let milliseconds = (nanoseconds / 1_000_000) as f64;
    milliseconds / 1000.0
}

fn numbers(values: impl Iterator<Item = Option<f64>>) -> Json {
    json!({ "numbers": values.map(json_number).collect::<Json>() })
}

/// A number, or its name where JSON has no such number.
pub(super) fn json_number(value: Option<f64>) -> Json {
    let Some(value) = value else { return Json::Null };
    #[expect(clippy::cast_possible_truncation, reason = "only if nothing is lost")]
    let whole = value as i64;
    #[expect(clippy::cast_precision_loss, clippy::float_cmp, reason = "only if nothing is lost")]
    let is_whole = whole as f64 == value && whole.abs() < 1 << 53;
    if is_whole {
        return whole.into();
    }
    serde_json::Number::from_f64(value).map_or_else(|| shown(value).into(), Json::Number)
}

/// Each word once, and for each run the index of its word, or -1.
pub(super) fn words<'a>(texts: impl Iterator<Item = Option<&'a str>>) -> Json {
    let mut known: HashMap<&str, usize> = HashMap::new();
    let mut words: Vec<&str> = Vec::new();
    let mut of: Vec<Json> = Vec::new();
    for text in texts {
        let Some(text) = text else {
            of.push((-1).into());
            continue;
        };
        let place = *known.entry(text).or_insert_with(|| {
            words.push(text);
            words.len() - 1
        });
        of.push(place.into());
    }
    json!({ "words": words, "of": of })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_words_take_little_room() {
        let told: Vec<String> = [Some(3.0), Some(0.1), Some(f64::NAN), Some(-1e300), None]
            .map(|value| json_number(value).to_string())
            .to_vec();
        assert_eq!(told, ["3", "0.1", "\"nan\"", "-1e+300", "null"]);
        let texts = [Some("a"), None, Some("b"), Some("a")];
        assert_eq!(words(texts.into_iter()).to_string(), r#"{"words":["a","b"],"of":[0,-1,1,0]}"#);
    }
}
