//! `runs`: a table of runs with their parameters and results.

pub mod select;
pub mod sheet;
mod view;

use super::context::Context;
use super::exit::{DONE, Exit};
use super::found::Opened;
use super::found::measured::{self, Measured};
use crate::error::{Error, Kind, Result};
use crate::ui::message;
use crate::ui::page::Page;
use sheet::{Options, Sheet};
use std::ffi::OsString;

/// Arguments of `runs`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
The table has one row for each command line: its newest run. Parameters are the options and arguments of the command, and those of 'cashet map'; \
those that are the same in all runs are listed once, above the table. Metrics are numbers in small JSON, YAML, TOML and CSV outputs (the last row), \
and in printed lines such as 'loss: 0.25' or 'loss=0.25'. [metrics] in cashet.toml says exactly where they are:

  [metrics]
  accuracy = \"metrics.json:test.accuracy\"
  loss = 'loss=([0-9.]+)'

KEY is a parameter, a metric, or run, state, took or age. The best value is the highest one. For names such as loss, error or time, and with \
min:KEY, it is the lowest one.

Examples:
  cashet runs                                 runs of the script that ran last
  cashet runs train.py --sort -accuracy
  cashet runs first-sweep --columns run,lr,accuracy --csv > runs.csv
  cashet runs train.py --metrics metrics.json:test.auc --metrics 'loss=([0-9.]+)'
  cashet get \"$(cashet runs train.py --best accuracy):model.bin\" > best.bin")]
pub struct Args {
    /// Names of scripts, programs or sweeps, or runs [default: the script that ran last]
    #[arg(value_name = "SCRIPT|SWEEP|REV")]
    selection: Vec<OsString>,
    /// Only parameters, no metrics
    #[arg(long)]
    params: bool,
    /// Where metrics are: an output (metrics.json), a key in one (metrics.json:test.auc), or a pattern for printed lines
    #[arg(long, value_name = "FILE[:KEY]|REGEX")]
    metrics: Vec<String>,
    /// Sort by KEY; -KEY sorts the highest first; repeat it to order equal rows
    #[arg(long, value_name = "[-]KEY", allow_hyphen_values = true)]
    sort: Vec<String>,
    /// Print only the hash of the run with the best value
    #[arg(long, value_name = "KEY", conflicts_with_all = ["sort", "columns", "csv", "json", "changed"])]
    best: Option<String>,
    /// Only parameters and metrics that differ between runs
    #[arg(long)]
    changed: bool,
    /// Only these columns, in this order
    #[arg(long, value_name = "KEY,…", value_delimiter = ',')]
    columns: Vec<String>,
    /// Comma-separated values, with all columns
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    /// One JSON object per line
    #[arg(long)]
    json: bool,
}

/// Shows the table.
///
/// # Errors
/// No run has such a name; no run has such a key; the store cannot be read.
pub fn run(args: &Args, context: &Context, page: &mut Page<'_>) -> Result<Exit> {
    let opened = Opened::open(context)?;
    opened.fold();
    let rules = opened.rules(&args.metrics)?;
    let (name, found) = select::select(&opened, &args.selection)?;
    let mut runs: Vec<Measured> =
        found.into_iter().map(|found| measured::measure(&opened, found, &rules)).collect();
    if let Some(key) = &args.best {
        let best =
            measured::best(&runs, key).ok_or_else(|| no_such_metric(&runs, measured::wanted(key).0))?;
        page.line(&best.found.id.short())?;
        return Ok(DONE);
    }
    if args.params {
        for run in &mut runs {
            run.metrics.clear();
        }
    }
    let options = Options { changed: args.changed, columns: &args.columns, sort: &args.sort };
    let sheet = Sheet::new(runs, &options)?;
    if args.json {
        for object in view::json(&sheet) {
            page.json(&object.into())?;
        }
    } else if args.csv {
        let text = view::csv(&sheet);
        page.write(&text)?;
    } else if sheet.runs.is_empty() {
        message::status("nothing is recorded yet; 'cashet exec -- COMMAND' records a run");
    } else {
        let text = view::table(&sheet, &name, &page.look);
        page.write(&text)?;
    }
    Ok(DONE)
}

fn no_such_metric(runs: &[Measured], key: &str) -> Error {
    let mut known: Vec<String> = Vec::new();
    for metric in runs.iter().flat_map(|run| &run.metrics) {
        if !known.contains(&metric.title()) {
            known.push(metric.title());
        }
    }
    let hint = match known.as_slice() {
        [] => "no run has any metric: see 'cashet help runs'".to_owned(),
        known => format!("there are {}", known.join(", ")),
    };
    Error::new(Kind::NoSuchRevision, format!("no run has a metric '{key}'")).with_hint(hint)
}
