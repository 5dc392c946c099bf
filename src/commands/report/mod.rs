//! `report`: runs as a page for the browser, in one file.

mod columns;
mod contents;
mod curves;
mod origin;
mod share;

use super::context::Context;
use super::destination::{Destination, directory_of, open_as_it_stands};
use super::exit::{DONE, Exit};
use super::found::Opened;
use super::found::measured::{self, Measured};
use super::runs::select;
use super::runs::sheet::{Options, Sheet};
use crate::error::{Error, Kind, Result};
use crate::record::OutputTree;
use crate::ui::page::{Look, Page};
use crate::ui::report::Report;
use crate::ui::{commits, escape, human, message};
use clap::ValueHint;
use serde_json::{Value as Json, json};
use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Arguments of `report`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
The page is one file that needs neither a server nor a network. It has a table to sort and filter, charts of any two columns, learning curves, \
images, printed output, a comparison of any two runs with their code, and the graph of what the results were made from. \
Select runs as with 'cashet runs'; metrics are the same. Learning curves come from CSV, TSV and JSON-lines outputs and from lines such as \
'step 10 loss 0.5'. Long texts are shortened in the middle; large images are only named.

Examples:
  cashet report -o report.html                runs of the script that ran last
  cashet report first-sweep -o sweep.html --open
  cashet report train.py --metrics metrics.json -o - | ssh host 'cat > report.html'")]
pub struct Args {
    /// Names of scripts, programs or sweeps, or runs [default: the script that ran last]
    #[arg(value_name = "SCRIPT|SWEEP|REV")]
    selection: Vec<OsString>,
    /// The file to write; '-' is standard output
    #[arg(short, long, value_name = "FILE", required = true, value_hint = ValueHint::FilePath)]
    output: PathBuf,
    /// Where metrics are: an output (metrics.json), a key in one (metrics.json:test.auc), or a pattern for printed lines
    #[arg(long, value_name = "FILE[:KEY]|REGEX")]
    metrics: Vec<String>,
    /// Open the page in the browser
    #[arg(long)]
    open: bool,
}

/// A run and its outputs.
struct Shown {
    run: Measured,
    outputs: OutputTree,
}

/// Writes the page.
///
/// # Errors
/// No run has such a name, or none is recorded; the file cannot be written; no browser can be started.
pub fn run(args: &Args, context: &Context, page: &mut Page<'_>) -> Result<Exit> {
    let to_page = args.output == Path::new("-");
    if args.open && to_page {
        return Err(Error::usage("--open needs a file").with_hint("name one with -o"));
    }
    let opened = Opened::open(context)?;
    opened.fold();
    let rules = opened.rules(&args.metrics)?;
    let (name, found) = select::select(&opened, &args.selection)?;
    if found.is_empty() {
        return Err(Error::new(Kind::NoSuchRevision, "nothing is recorded yet")
            .with_hint("'cashet exec -- COMMAND' records a run"));
    }
    let runs: Vec<Measured> =
        found.into_iter().map(|found| measured::measure(&opened, found, &rules)).collect();
    let options = Options { changed: false, columns: &[], sort: &[] };
    let mut sheet = Sheet::new(runs, &options)?;
    let runs: Vec<Shown> = std::mem::take(&mut sheet.runs)
        .into_iter()
        .map(|run| Shown { outputs: opened.outputs(&run.found).unwrap_or_default(), run })
        .collect();
    let text = text(&opened, &name, &sheet, &runs, &page.look)?;
    if to_page {
        page.write(&text)?;
        return Ok(DONE);
    }
    write(&args.output, &text)?;
    let shown = escape::line(args.output.as_os_str().as_bytes()).into_owned();
    let runs = human::count(u64::try_from(runs.len()).unwrap_or(u64::MAX), "run");
    message::status(&format!(
        "{runs} in {shown} ({})",
        human::size(u64::try_from(text.len()).unwrap_or(u64::MAX))
    ));
    if args.open {
        open(&args.output)?;
    }
    Ok(DONE)
}

fn text(opened: &Opened, name: &str, sheet: &Sheet, runs: &[Shown], look: &Look) -> Result<String> {
    let mut notes = Vec::new();
    let contents = contents::of(opened, runs, &mut notes);
    let curves = curves::of(opened, runs, &mut notes);
    let graph = origin::drawing(opened, runs)?;
    let commands: Vec<String> = runs.iter().map(|shown| commits::command(&shown.run.found.commit)).collect();
    let ids: Vec<String> = runs.iter().map(|shown| shown.run.found.id.short()).collect();
    let constant: Vec<Json> = sheet.constant.iter().map(|(name, value)| json!([name, value])).collect();
    let mut of_run = contents.of_run;
    of_run.insert("id".to_owned(), ids.into());
    let data = json!({
        "totals": totals(runs),
        "constant": constant,
        "notes": notes,
        "columns": columns::of(sheet, runs),
        "commands": columns::words(commands.iter().map(|command| Some(command.as_str()))),
        "runs": of_run,
        "texts": contents.texts,
        "sources": contents.sources,
        "pictures": contents.pictures,
        "curves": curves.curves,
        "steps": curves.steps,
    });
    let footer = format!("cashet {}, {}", env!("CARGO_PKG_VERSION"), human::moment(look.now, &look.zone));
    Ok(Report { title: name, data: &data, graph: &graph, footer: &footer }.page())
}

/// Totals: how runs ended, their durations, the hits, and the time that these saved.
fn totals(runs: &[Shown]) -> Json {
    let commits = || runs.iter().map(|shown| &shown.run.found);
    let count = |wanted: &str| commits().filter(|found| commits::state(&found.commit) == wanted).count();
    let states = ["ok", "failed", "killed", "interrupted"].into_iter();
    let states: Vec<Json> = states
        .map(|state| (state, count(state)))
        .filter(|(_, count)| *count > 0)
        .map(|pair| json!(pair))
        .collect();
    let wall = |found: &super::found::Found| found.commit.resources.wall;
    let spent = commits().fold(0_u64, |sum, found| sum.saturating_add(wall(found)));
    let saved =
        commits().fold(0_u64, |sum, found| sum.saturating_add(wall(found).saturating_mul(found.hits)));
    let hits = commits().fold(0_u64, |sum, found| sum.saturating_add(found.hits));
    json!({ "states": states, "spent": human::duration(spent), "hits": hits, "saved": human::duration(saved) })
}

/// Writes the page to a temporary file and renames it when it is complete.
fn write(file: &Path, text: &str) -> Result<()> {
    let failed = |source| Error::io("write", file, source);
    let Destination::Whole(place) = Destination::of(file) else {
        return open_as_it_stands(file).and_then(|mut to| to.write_all(text.as_bytes())).map_err(failed);
    };
    let mut builder = tempfile::Builder::new();
    // The mode of any new file, according to the umask.
    let builder = builder.prefix(".cashet-").permissions(Permissions::from_mode(0o666));
    let mut beside = builder.tempfile_in(directory_of(&place)).map_err(failed)?;
    beside.write_all(text.as_bytes()).map_err(failed)?;
    if let Ok(standing) = fs::metadata(&place) {
        let mode = Permissions::from_mode(standing.permissions().mode() & 0o777);
        beside.as_file().set_permissions(mode).map_err(failed)?;
    }
    beside.persist(&place).map_err(|refused| failed(refused.error))?;
    Ok(())
}

/// Starts the browser: `$BROWSER`, or the desktop's opener.
fn open(file: &Path) -> Result<()> {
    let file = fs::canonicalize(file).map_err(|source| Error::io("open", file, source))?;
    let browser = std::env::var_os("BROWSER").filter(|browser| !browser.is_empty());
    let openers = browser.into_iter().chain(["xdg-open", "open", "wslview"].map(OsString::from));
    for opener in openers {
        let mut command = Command::new(opener);
        command.arg(&file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        // A browser continues and is not a job of the shell. A program that opens the page in a running browser ends immediately.
        if command.process_group(0).spawn().is_ok() {
            return Ok(());
        }
    }
    Err(Error::new(Kind::CommandNotFound, "no program was found to open the page").with_hint(format!(
        "open {} in a browser, or set BROWSER",
        escape::line(file.as_os_str().as_bytes())
    )))
}
