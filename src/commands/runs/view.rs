//! The table of runs: as text, as CSV, and as JSON.

use super::sheet::{Key, Sheet, value};
use crate::commands::found::measured::Measured;
use crate::ui::colour::Role;
use crate::ui::json::{self, Object};
use crate::ui::page::Look;
use crate::ui::table::{Cell, Column, Table};
use crate::ui::{commits, escape, human};
use serde_json::Value as Json;

/// Number of digits of a hash in the table.
const DIGITS: usize = 8;

/// Maximum number of columns; the others are named below the table.
const MOST_COLUMNS: usize = 100;

/// The table, with common values above it and the names of omitted columns below.
pub(super) fn table(sheet: &Sheet, name: &str, look: &Look) -> String {
    let mut text = String::new();
    let count =
        |what: &str| sheet.runs.iter().filter(|run| commits::state(&run.found.commit) == what).count();
    let states = ["ok", "failed", "killed", "interrupted"].into_iter().filter_map(|state| {
        let number = count(state);
        (number > 0).then(|| format!("{} {state}", human::number(number as u64)))
    });
    let runs = human::count(sheet.runs.len() as u64, "run");
    let head = std::iter::once(format!("{name}: {runs}")).chain(states).collect::<Vec<_>>().join(" · ");
    push_line(&mut text, &head, Role::Heading, look);
    if !sheet.constant.is_empty() {
        let same: Vec<String> = sheet
            .constant
            .iter()
            .map(|(name, value)| {
                format!("{}={}", escape::line(name.as_bytes()), escape::word(value.as_bytes()))
            })
            .collect();
        push_line(&mut text, &format!("same in all: {}", same.join(" ")), Role::Faint, look);
    }
    text.push('\n');
    let shown: Vec<&Key> = sheet.columns.iter().take(MOST_COLUMNS).collect();
    let (table, left_out) = laid_out(sheet, &shown, look);
    text.push_str(&table.render(look));
    let left_out = left_out.iter().map(|key| key.title());
    let more = sheet.columns.iter().skip(MOST_COLUMNS).map(Key::title);
    let left_out: Vec<&str> = left_out.chain(more).collect();
    if !left_out.is_empty() {
        text.push('\n');
        let line = format!("no room for {} (--columns, --csv)", left_out.join(", "));
        push_line(&mut text, &line, Role::Faint, look);
    }
    text
}

fn push_line(text: &mut String, line: &str, role: Role, look: &Look) {
    let words: Vec<String> = line.split(' ').map(|word| escape::line(word.as_bytes()).into_owned()).collect();
    let mut lines: Vec<String> = Vec::new();
    for word in words {
        match lines.last_mut() {
            Some(last)
                if look
                    .width
                    .is_none_or(|width| escape::columns(last) + 1 + escape::columns(&word) <= width) =>
            {
                last.push(' ');
                last.push_str(&word);
            }
            _ => lines.push(word),
        }
    }
    for line in lines {
        let line = match look.width {
            Some(width) => escape::cut(&line, width).into_owned(),
            None => line,
        };
        text.push_str(&look.paint(&line, role));
        text.push('\n');
    }
}

/// The table, and the columns that do not fit: the rightmost are omitted first.
fn laid_out<'k>(sheet: &Sheet, keys: &[&'k Key], look: &Look) -> (Table, Vec<&'k Key>) {
    let mut kept = keys.to_vec();
    loop {
        let table = filled(sheet, &kept, look);
        let fits = look.width.is_none_or(|width| table.fits(width));
        // The hash and the first requested column stay.
        if fits || kept.len() <= 2 {
            let left_out = keys.iter().filter(|key| !kept.contains(key)).copied().collect();
            return (table, left_out);
        }
        kept.pop();
    }
}

fn filled(sheet: &Sheet, keys: &[&Key], look: &Look) -> Table {
    let columns = keys.iter().map(|key| match key {
        Key::Run | Key::State | Key::Age => Column::left(""),
        Key::Metric(_) | Key::Took => Column::right(""),
        Key::Parameter(name) if is_numeric(sheet, name) => Column::right(""),
        Key::Parameter(_) => Column::left("").cut_to(12),
        Key::Error => Column::left("").cut_to(20),
    });
    let mut table = Table::new(columns).headless();
    let headings = keys.iter().map(|key| {
        let mark = sheet.sorted.iter().find(|(sorted, _)| sorted == *key);
        let mark = mark.map_or("", |(_, down)| if *down { "▼" } else { "▲" });
        let title = escape::line(key.title().as_bytes()).into_owned();
        let title = match key {
            Key::Parameter(_) | Key::Metric(_) => title,
            _ => title.to_uppercase(),
        };
        Cell::new(format!("{title}{mark}"), Role::Faint)
    });
    table.cells(headings.collect());
    let first_metric = keys.iter().position(|key| matches!(key, Key::Metric(_)));
    let tells_errors = keys.contains(&&Key::Error);
    for run in &sheet.runs {
        let mut cells: Vec<Cell> = keys.iter().map(|key| cell(sheet, run, key, look)).collect();
        // A failed run has no metrics: its error is shown in their place.
        if let (Some(place), Some(error), false) = (first_metric, &run.error, tells_errors)
            && let Some(cell) = cells.get_mut(place)
        {
            *cell = Cell::spanning(error.as_str(), Role::Bad);
        }
        table.cells(cells);
    }
    table
}

fn is_numeric(sheet: &Sheet, name: &str) -> bool {
    let mut values = sheet.runs.iter().filter_map(|run| run.parameter(name));
    values.all(|value| crate::sweep::metrics::number(value).is_some())
}

fn cell(sheet: &Sheet, run: &Measured, key: &Key, look: &Look) -> Cell {
    let text = sheet.text(run, key, false);
    match key {
        Key::Run => Cell::new(text.get(..DIGITS).unwrap_or(&text), Role::Hash),
        Key::State => Cell::new(text, if run.is_ok() { Role::Good } else { Role::Bad }),
        Key::Error => Cell::new(text, Role::Bad),
        Key::Age => Cell::new(human::age(run.found.commit.started, look.now, &look.zone), Role::Faint),
        Key::Parameter(_) | Key::Metric(_) => escape::line(text.as_bytes()).into_owned().into(),
        Key::Took => text.into(),
    }
}

/// All columns, with durations in seconds and times in UTC.
pub(super) fn csv(sheet: &Sheet) -> String {
    let own = sheet
        .columns
        .iter()
        .filter(|key| !matches!(key, Key::Age | Key::Took | Key::Error | Key::Run | Key::State));
    let wanted: Vec<&Key> =
        if sheet.columns.contains(&Key::Age) { sheet.all.iter().collect() } else { own.collect() };
    let mut head: Vec<String> = vec!["run".into(), "state".into()];
    head.extend(wanted.iter().map(|key| key.title().to_owned()));
    head.extend(["took_s".into(), "started".into(), "error".into()]);
    let mut text = record(&head);
    for run in &sheet.runs {
        let mut row = vec![sheet.text(run, &Key::Run, true), sheet.text(run, &Key::State, true)];
        row.extend(wanted.iter().map(|key| sheet.text(run, key, true)));
        row.push(sheet.text(run, &Key::Took, true));
        row.push(json::moment(run.found.commit.started).as_str().unwrap_or_default().to_owned());
        row.push(sheet.text(run, &Key::Error, true));
        text.push_str(&record(&row));
    }
    text
}

fn record(fields: &[String]) -> String {
    let quoted = fields.iter().map(|field| {
        if field.contains([',', '"', '\n', '\r']) {
            format!("\"{}\"", field.replace('"', "\"\""))
        } else {
            field.clone()
        }
    });
    quoted.collect::<Vec<_>>().join(",") + "\n"
}

/// One object for each run.
pub(super) fn json(sheet: &Sheet) -> impl Iterator<Item = Object> + '_ {
    sheet.runs.iter().map(|run| {
        let commit = &run.found.commit;
        let parameters = run
            .parameters
            .iter()
            .fold(Object::part(), |object, (name, value)| object.with(name, value.as_str()));
        Object::whole()
            .with("commit", json::digest(&run.found.id.0))
            .with("words", json::texts(&commit.words))
            .with("directory", json::path(&commit.directory))
            .with("state", commits::state(commit))
            .with("termination", json::termination(commit.termination))
            .with("parameters", parameters)
            .with("metrics", metrics(run))
            .with("error", run.error.clone().map_or(Json::Null, Into::into))
            .with("wall_ns", commit.resources.wall)
            .with("started", json::moment(commit.started))
    })
}

/// Numbers by title; those that JSON cannot represent are text.
fn metrics(run: &Measured) -> Object {
    run.metrics.iter().fold(Object::part(), |object, metric| {
        let value = value(run, &metric.title()).unwrap_or(metric.value);
        let json = serde_json::Number::from_f64(value).map(Json::Number);
        object.with(&metric.title(), json.unwrap_or_else(|| crate::sweep::metrics::shown(value).into()))
    })
}
