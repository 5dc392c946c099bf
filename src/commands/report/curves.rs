//! Learning curves of the runs, by metric and file.

use super::columns::json_number;
use super::{Shown, share};
use crate::commands::found::{Opened, measured};
use crate::record::{Content, OutputKind};
use crate::sweep::metrics::Form;
use crate::sweep::metrics::curves::{Curve, of_file, of_lines};
use crate::ui::{escape, human};
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, HashMap};

/// Maximum number of points of all curves, and of one.
const POINTS: usize = 250_000;
const POINTS_OF_ONE: usize = 1000;

/// Maximum number of different curves.
const MOST: usize = 60;

/// Maximum number of examined files of a run, and the largest examined stream, in bytes.
const FILES: usize = 16;
const STREAM: u64 = 16 << 20;

/// The source of curves that were printed.
const STREAMS: [&[u8]; 2] = [b"stdout", b"stderr"];

/// Curves for the page.
pub(super) struct Curves {
    /// Each metric, and for each run that has it the index of its steps, and its values.
    pub(super) curves: Vec<Json>,
    /// Lists of steps, equal ones once.
    pub(super) steps: Vec<Json>,
}

/// The source and the metric of a curve. Equal ones of several runs are shown together.
type Name = (Vec<u8>, String);

/// The curves of all runs.
pub(super) fn of(opened: &Opened, runs: &[Shown], notes: &mut Vec<String>) -> Curves {
    let mut by_name: BTreeMap<Name, Vec<(usize, Curve)>> = BTreeMap::new();
    for (place, shown) in runs.iter().enumerate() {
        for (source, curve) in of_run(opened, shown) {
            by_name.entry((source, curve.name.clone())).or_default().push((place, curve));
        }
    }
    let left_out = by_name.len().saturating_sub(MOST);
    if left_out > 0 {
        notes.push(format!(
            "{} left out.",
            human::count(u64::try_from(left_out).unwrap_or(u64::MAX), "learning curve")
        ));
    }
    let names: Vec<Name> = by_name.keys().cloned().collect();
    let mut shown: Vec<(Name, Vec<(usize, Curve)>)> = by_name.into_iter().collect();
    // Files are more reliable than printed lines.
    shown.sort_by_key(|((source, _), _)| STREAMS.contains(&source.as_slice()));
    shown.truncate(MOST);
    let sizes = shown.iter().flat_map(|(_, lines)| lines).map(|(_, curve)| curve.points.len());
    let limit = share::limit(sizes, POINTS, POINTS_OF_ONE);
    let mut steps = Steps::default();
    let curves = shown.iter().map(|(name, lines)| {
        let along = lines.first().map(|(_, curve)| curve.along.clone()).unwrap_or_default();
        let lines = lines.iter().map(|(run, curve)| {
            let points = curve.thinned(limit);
            let values: Json = points.iter().map(|(_, y)| json_number(Some(*y))).collect();
            json!([run, steps.place(points.iter().map(|(x, _)| *x)), values])
        });
        let lines: Json = lines.collect();
        json!({ "name": title(name, &names), "along": along, "lines": lines })
    });
    let curves = curves.collect();
    Curves { curves, steps: steps.all }
}

#[derive(Default)]
struct Steps {
    places: HashMap<String, usize>,
    all: Vec<Json>,
}

impl Steps {
    fn place(&mut self, steps: impl Iterator<Item = f64>) -> usize {
        let steps: Json = steps.map(|step| json_number(Some(step))).collect();
        let all = &mut self.all;
        *self.places.entry(steps.to_string()).or_insert_with(|| {
            all.push(steps);
            all.len() - 1
        })
    }
}

/// The name of a metric, after the file's name where several files have it.
fn title(name: &Name, all: &[Name]) -> String {
    let (source, what) = name;
    if all.iter().filter(|(_, other)| other == what).count() < 2 {
        return what.clone();
    }
    let file = source.rsplit(|byte| *byte == b'/').next().unwrap_or(source);
    let is_clear = all
        .iter()
        .filter(|(other, same)| same == what && other.rsplit(|byte| *byte == b'/').next() == Some(file))
        .count()
        < 2;
    format!("{what} ({})", escape::line(if is_clear { file } else { source }))
}

/// The curves of a run: from its files, or else from its output.
fn of_run(opened: &Opened, shown: &Shown) -> Vec<(Vec<u8>, Curve)> {
    let run = &shown.run;
    let mut curves: Vec<(Vec<u8>, Curve)> = Vec::new();
    let mut read = 0;
    for entry in shown.outputs.entries() {
        let OutputKind::File { content, .. } = &entry.kind else { continue };
        let Some((form @ (Form::Table | Form::JsonLines), largest)) = Form::of(&entry.path) else { continue };
        if content.size > largest || read >= FILES {
            continue;
        }
        read += 1;
        let bytes = opened.content(content).unwrap_or_default();
        let source = measured::role(&entry.path, &run.parameters, &run.places);
        curves.extend(of_file(form, &bytes).into_iter().map(|curve| (source.clone(), curve)));
    }
    let commit = &run.found.commit;
    for (name, content) in STREAMS.into_iter().zip([&commit.stdout, &commit.stderr]) {
        for curve in printed(opened, content) {
            // A curve that a file contains too is shown once.
            if !curves.iter().any(|(_, known)| known.name == curve.name) {
                curves.push((name.into(), curve));
            }
        }
    }
    curves
}

fn printed(opened: &Opened, content: &Content) -> Vec<Curve> {
    if content.size == 0 || content.size > STREAM {
        return Vec::new();
    }
    opened.content(content).map(|bytes| of_lines(&bytes)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_is_called_as_shortly_as_is_clear() {
        let name = |source: &str, what: &str| (source.as_bytes().to_vec(), what.to_owned());
        let all = [name("{out}/a.csv", "loss"), name("stdout", "loss"), name("{out}/a.csv", "acc")];
        assert_eq!(all.each_ref().map(|name| title(name, &all)), ["loss (a.csv)", "loss (stdout)", "acc"]);
        let all = [name("x/a.csv", "loss"), name("y/a.csv", "loss")];
        assert_eq!(title(&all[0], &all), "loss (x/a.csv)");
    }
}
