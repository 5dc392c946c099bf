//! Learning curves: numbers that a run gave step by step, in the rows of a table, in JSON lines, or in lines such as
//! `step 10 loss 0.5` and `Epoch 3/10 - loss: 0.25`.

use super::{Form, csv, is_name, number, tree};

/// Numbers along steps.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// What was measured.
    pub name: String,
    /// What it was measured along: `epoch`; `row` or `line` where nothing says.
    pub along: String,
    /// The steps, and the value at each; values may be NaN.
    pub points: Vec<(f64, f64)>,
}

/// So many curves of one source are taken; more are data.
const MOST_CURVES: usize = 24;

/// So many rows or lines are read.
const MOST_ROWS: usize = 200_000;

/// The longest line that is looked at, in bytes.
const LONGEST_LINE: usize = 2000;

/// Names of what grows from one measurement to the next.
const STEPS: &[&str] = &[
    "step",
    "steps",
    "global_step",
    "epoch",
    "epochs",
    "iter",
    "iters",
    "iteration",
    "iterations",
    "it",
    "round",
    "rounds",
    "batch",
    "trial",
    "generation",
    "fold",
    "update",
    "episode",
    "n_iter",
    "boosting_round",
];

/// The curves of a file.
#[must_use]
pub fn of_file(form: Form, bytes: &[u8]) -> Vec<Curve> {
    let rows = match form {
        Form::Table => table(bytes),
        Form::JsonLines => json_lines(bytes),
        _ => return Vec::new(),
    };
    let grown = growing(&rows);
    gathered(rows, grown.as_deref(), "row")
}

/// The curves in what was printed.
#[must_use]
pub fn of_lines(bytes: &[u8]) -> Vec<Curve> {
    let mut rows: Vec<Row> = Vec::new();
    // A progress bar writes its line again and again.
    for line in bytes.split(|byte| matches!(byte, b'\n' | b'\r')).take(MOST_ROWS) {
        let line = line.trim_ascii();
        if line.is_empty() || line.len() > LONGEST_LINE {
            continue;
        }
        let Ok(line) = std::str::from_utf8(line) else { continue };
        let row = if line.starts_with('{') && line.ends_with('}') { json_row(line) } else { line_row(line) };
        if !row.is_empty() {
            rows.push(row);
        }
    }
    gathered(rows, None, "line")
}

/// Names and numbers of one step.
type Row = Vec<(String, f64)>;

fn is_step(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let last = lower.rsplit(['/', '.', ' ']).next().unwrap_or(&lower);
    STEPS.contains(&last)
}

/// Makes a curve of each name: the steps are what bears the name of one, or `grown`, else the rows themselves.
fn gathered(rows: Vec<Row>, grown: Option<&str>, otherwise: &str) -> Vec<Curve> {
    let mut curves: Vec<Curve> = Vec::new();
    let mut count = 0.0;
    for row in rows {
        count += 1.0;
        let step = row.iter().find(|(name, _)| is_step(name) || grown == Some(name.as_str()));
        let (along, x) = step.map_or((otherwise, count), |(name, x)| (name.as_str(), *x));
        for (name, y) in row.iter().filter(|(name, _)| name != along) {
            let is_full = curves.len() >= MOST_CURVES;
            match curves.iter_mut().find(|curve| curve.name == *name) {
                Some(curve) if curve.along == along => curve.points.push((x, *y)),
                Some(_) => {}
                None if !is_full => {
                    curves.push(Curve { name: name.clone(), along: along.to_owned(), points: vec![(x, *y)] });
                }
                None => return Vec::new(),
            }
        }
    }
    // Two values are a curve where something says what they were measured along.
    curves.retain(|curve| {
        let least = if curve.along == otherwise && otherwise == "line" { 3 } else { 2 };
        curve.points.len() >= least && curve.points.iter().any(|(_, y)| y.is_finite())
    });
    for curve in &mut curves {
        curve.points.sort_by(|one, other| one.0.total_cmp(&other.0));
        // Of several values at a step the last one counts.
        curve.points.reverse();
        curve.points.dedup_by(|next, kept| next.0.total_cmp(&kept.0).is_eq());
        curve.points.reverse();
    }
    curves.retain(|curve| curve.points.len() >= 2);
    curves
}

/// The rows of a table with a head.
fn table(mut bytes: &[u8]) -> Vec<Row> {
    let first = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let tabs = !first.contains(&b',') && first.contains(&b'\t');
    let mut records: Vec<Vec<String>> = Vec::new();
    if tabs {
        let lines = bytes.split(|byte| *byte == b'\n').take(MOST_ROWS);
        let fields = |line: &[u8]| line.split(|byte| *byte == b'\t').map(text).collect();
        records.extend(lines.filter(|line| !line.is_empty()).map(fields));
    } else {
        while let Some(fields) =
            csv::next_record(&mut bytes).ok().flatten().filter(|_| records.len() < MOST_ROWS)
        {
            records.push(fields.iter().map(|field| text(field)).collect());
        }
    }
    let mut records = records.into_iter();
    let Some(names) = records.next().filter(|names| names.iter().all(|name| number(name).is_none())) else {
        return Vec::new();
    };
    let rows = records.map(|fields| {
        let pairs = names.iter().zip(&fields).filter(|(name, _)| is_name(name));
        pairs.filter_map(|(name, value)| Some((name.clone(), number(value)?))).collect::<Row>()
    });
    rows.filter(|row| !row.is_empty()).collect()
}

fn text(field: &[u8]) -> String {
    String::from_utf8_lossy(field).trim_start_matches('\u{feff}').trim().to_owned()
}

/// Where nothing is called as a step is: the name that comes first, if there are others and its value only grows.
fn growing(rows: &[Row]) -> Option<String> {
    let (first, _) = rows.first()?.first().filter(|_| rows.first().is_some_and(|row| row.len() > 1))?;
    if rows.iter().flatten().any(|(name, _)| is_step(name)) {
        return None;
    }
    let value = |row: &Row| row.first().filter(|(name, _)| name == first).map(|(_, value)| *value);
    let grows = rows.windows(2).all(|pair| match pair {
        [one, other] => matches!((value(one), value(other)), (Some(one), Some(other)) if one < other),
        _ => false,
    });
    (grows && rows.len() > 1).then(|| first.clone())
}

fn json_lines(bytes: &[u8]) -> Vec<Row> {
    let lines = bytes.split(|byte| *byte == b'\n').take(MOST_ROWS);
    let lines = lines.filter_map(|line| std::str::from_utf8(line).ok()).map(str::trim);
    lines.filter(|line| !line.is_empty()).map(json_row).filter(|row| !row.is_empty()).collect()
}

fn json_row(line: &str) -> Row {
    let tree = tree::read(Form::JsonLines, line.as_bytes());
    let numbers = tree.map(|tree| tree::numbers(&tree)).unwrap_or_default();
    numbers.into_iter().map(|metric| (metric.title(), metric.value)).collect()
}

/// `step 10 loss 0.5`, `Epoch 3/10 - loss: 0.25 - acc: 0.9`, `[12] loss=0.5`, `loss: 0.5`, or two bare numbers.
fn line_row(line: &str) -> Row {
    let apart = |c: char| c.is_whitespace() || matches!(c, ',' | ';' | '|' | '=' | '(' | ')' | '[' | ']');
    let words: Vec<&str> =
        line.split(apart).map(|word| word.trim_end_matches(':')).filter(|word| !word.is_empty()).collect();
    if let [step, value] = words.as_slice()
        && let (Ok(step), Some(value)) = (step.parse::<u32>(), number(value))
    {
        return vec![("step".to_owned(), f64::from(step)), ("value".to_owned(), value)];
    }
    let mut row: Row = Vec::new();
    for (name, value) in words.iter().zip(words.iter().skip(1)) {
        // `fold 1 of 3`.
        if !is_name(name) || *name == "of" || row.iter().any(|(known, _)| known == name) {
            continue;
        }
        // Of `3/10` the first number is the step.
        let value = match value.split_once('/') {
            Some((at, whole)) if is_step(name) && number(whole).is_some() => at,
            _ => value,
        };
        if let Some(value) = number(value) {
            row.push(((*name).to_owned(), value));
        }
    }
    // `took 5`, `12 files`: a number in a sentence is not a measurement, unless a step or a sign says so.
    let says = row.iter().any(|(name, _)| is_step(name)) || line.contains('=') || line.contains(": ");
    if says { row } else { Vec::new() }
}

impl Curve {
    /// The curve with at most `most` points (two at least): of each stretch of it the lowest and the highest one.
    #[must_use]
    pub fn thinned(&self, most: usize) -> Vec<(f64, f64)> {
        if self.points.len() <= most.max(2) {
            return self.points.clone();
        }
        let stretch = self.points.len().div_ceil((most / 2).max(1));
        let mut kept = Vec::with_capacity(most);
        for points in self.points.chunks(stretch) {
            let value = |place: &usize| points.get(*place).map_or(f64::NAN, |point| point.1);
            let low = (0..points.len()).min_by(|one, other| value(one).total_cmp(&value(other))).unwrap_or(0);
            let high =
                (0..points.len()).max_by(|one, other| value(one).total_cmp(&value(other))).unwrap_or(0);
            kept.extend(points.get(low.min(high)));
            if low != high {
                kept.extend(points.get(low.max(high)));
            }
        }
        kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn told(curves: &[Curve]) -> Vec<String> {
        let points = |curve: &Curve| {
            curve.points.iter().map(|(x, y)| format!("{x}:{y}")).collect::<Vec<_>>().join(" ")
        };
        curves.iter().map(|curve| format!("{}/{} {}", curve.name, curve.along, points(curve))).collect()
    }

    #[test]
    fn files_give_their_curves() {
        for (form, text, expected) in [
            (Form::Table, "round,loss,acc\n1,0.5,0.1\n2,0.25,\n", vec!["loss/round 1:0.5 2:0.25"]),
            (Form::Table, "t,y\n0.5,1\n1.5,2\n", vec!["y/t 0.5:1 1.5:2"]),
            (Form::Table, "loss\n3\n2\n2\n", vec!["loss/row 1:3 2:2 3:2"]),
            (Form::Table, "epoch\tloss\n1\t5\n2\tnan\n3\t4\n", vec!["loss/epoch 1:5 2:NaN 3:4"]),
            (Form::Table, "1,2\n3,4\n", vec![]),
            (Form::Table, "name,x\na,b\n", vec![]),
            (
                Form::JsonLines,
                "{\"step\": 1, \"a\": {\"b\": 2}}\n{\"step\": 2, \"a\": {\"b\": 1}}\nx\n",
                vec!["a.b/step 1:2 2:1"],
            ),
            (Form::Json, "{\"loss\": [1, 2]}", vec![]),
        ] {
            assert_eq!(told(&of_file(form, text.as_bytes())), expected, "{text}");
        }
    }

    #[test]
    fn lines_give_their_curves() {
        for (text, expected) in [
            ("step 1 loss 0.5\nstep 2 loss 0.25\n", vec!["loss/step 1:0.5 2:0.25"]),
            (
                "Epoch 1/3 - loss: 0.5 - acc: 0.9\nEpoch 2/3 - loss: 0.4 - acc: 1\n",
                vec!["loss/Epoch 1:0.5 2:0.4", "acc/Epoch 1:0.9 2:1"],
            ),
            ("[1] loss=3\n[2] loss=2\n[3] loss=1\n", vec!["loss/line 1:3 2:2 3:1"]),
            ("1 0.5\n2 0.25\n", vec!["value/step 1:0.5 2:0.25"]),
            ("step: 1, loss: 1e-3\rstep: 1, loss: 2e-3\rstep: 2, loss: 0\n", vec!["loss/step 1:0.002 2:0"]),
            ("{\"epoch\": 1, \"loss\": 2}\n{\"epoch\": 2, \"loss\": 1}\n", vec!["loss/epoch 1:2 2:1"]),
            ("it took 5 minutes\nit took 6 minutes\nread 3 files\n", vec![]),
            ("accuracy: 0.9\n", vec![]),
            ("fold 1 of 3 done\nfold 2 of 3 done\nfold 3 of 3 done\n", vec![]),
            ("", vec![]),
        ] {
            assert_eq!(told(&of_lines(text.as_bytes())), expected, "{text}");
        }
    }

    #[test]
    fn thinning_keeps_the_extremes() {
        let points: Vec<(f64, f64)> =
            (0..1000).map(|x| (f64::from(x), if x == 577 { 9.0 } else { 0.0 })).collect();
        let curve = Curve { name: "y".to_owned(), along: "x".to_owned(), points };
        let kept = curve.thinned(100);
        assert!(kept.len() <= 100 && kept.contains(&(577.0, 9.0)), "{}", kept.len());
        assert_eq!(curve.thinned(1).len(), 2);
    }

    proptest! {
        #[test]
        fn no_text_is_too_odd(text in "[a-c\"{}:,.0-9e\n \t=|/]{0,120}") {
            for curve in of_lines(text.as_bytes()).iter().chain(&of_file(Form::Table, text.as_bytes())).chain(&of_file(Form::JsonLines, text.as_bytes())) {
                prop_assert!(curve.points.len() >= 2);
                prop_assert!(curve.thinned(3).len() <= curve.points.len());
            }
        }
    }
}
