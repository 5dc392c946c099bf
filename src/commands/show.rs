//! `show`: all details of one commit.

mod json;

use super::context::Context;
use super::exit::{DONE, Exit};
use super::found::measured::{self, Measured};
use super::found::{Found, Opened};
use super::provenance;
use super::publish;
use crate::error::Result;
use crate::hash::manifest::{Part, Value};
use crate::record::{Commit, Content, Coverage, Observation, OutputKind, OutputTree, ProductClass, Replay};
use crate::sweep::metrics::{Metric, shown};
use crate::ui::colour::Role;
use crate::ui::facts::{self, Line};
use crate::ui::page::{Look, Page};
use crate::ui::table::{Cell, Column, Table};
use crate::ui::{commits, compare, diff, escape, human};
use std::ffi::OsString;
use std::fmt::Write;
use std::os::unix::ffi::OsStrExt;

/// Arguments of `show`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The run
    #[arg(value_name = "REV")]
    revision: OsString,
    /// List every dependency, also outside the project, and the whole of each source
    #[arg(long)]
    all: bool,
    /// One JSON object
    #[arg(long, conflicts_with = "all")]
    json: bool,
}

/// Maximum number of lines of error output that are shown.
const ERROR_LINES: usize = 20;

/// Maximum number of lines of each source that are shown.
const SOURCE_LINES: usize = 20;

/// Shows the commit.
///
/// # Errors
/// No such commit; the store cannot be read.
pub fn run(args: &Args, context: &Context, page: &mut Page<'_>) -> Result<Exit> {
    let opened = Opened::open(context)?;
    opened.fold();
    let found = opened.find(&args.revision)?;
    let outputs = opened.outputs(&found).ok();
    let used = provenance::used(&opened, &found, outputs.as_ref())?;
    let made = provenance::made(&opened, &found, outputs.as_ref())?;
    let remotes = context.project.settings().and_then(|settings| publish::remotes_of(&settings));
    let remotes = remotes.unwrap_or_default();
    let kept_here = publish::kept_here(&remotes, &found.commit, &found.manifest(), &context.project.places);
    if args.json {
        page.json(&json::shape(&found, outputs.as_ref(), (&used, &made), kept_here).into())?;
    } else {
        let errors = opened.content(&found.commit.stderr).filter(|bytes| !bytes.is_empty());
        let sources = found.commit.sources.iter().map(|source| {
            let path = escape::line(source.path.shown().as_os_str().as_bytes()).into_owned();
            (path, opened.content(&Content { blob: source.blob, size: 0 }))
        });
        let sources: Vec<(String, Option<Vec<u8>>)> = sources.collect();
        let rules = opened.rules(&[])?;
        let measured = measured::measure(&opened, found.clone(), &rules);
        let view = View {
            found: &found,
            measured: &measured,
            sources: &sources,
            outputs: outputs.as_ref(),
            errors,
            used: &used,
            made: &made,
            kept_here: kept_here.filter(|_| !remotes.is_empty()),
            all: args.all,
        };
        let text = view.render(&page.look);
        page.write(&text)?;
    }
    Ok(DONE)
}

struct View<'a> {
    found: &'a Found,
    measured: &'a Measured,
    outputs: Option<&'a OutputTree>,
    errors: Option<Vec<u8>>,
    /// Path and text of each source; `None` where the text is no longer stored.
    sources: &'a [(String, Option<Vec<u8>>)],
    used: &'a [provenance::Link],
    made: &'a [provenance::Link],
    /// Why it is in no shared cache, where the project has one.
    kept_here: Option<String>,
    all: bool,
}

impl View<'_> {
    fn render(&self, look: &Look) -> String {
        let mut text = self.head(look);
        let mut section = |title: &str, lines: &str| {
            if !lines.is_empty() {
                let _ = write!(text, "\n{}\n{lines}", look.paint(title, Role::Heading));
            }
        };
        let commit = &self.found.commit;
        let manifest = self.found.manifest();
        section("outputs", &self.output_lines(look));
        section("errors", &self.error_lines());
        section("made from", &links(self.used, look));
        section("went into", &links(self.made, look));
        let (told, untold): (Vec<_>, Vec<_>) =
            manifest.facts().partition(|(part, value)| self.all || tells(part, value));
        let facts: Vec<Line> =
            told.into_iter().map(|(part, value)| facts::fact(part, value, &commit.words)).collect();
        let number =
            |wanted: fn(&Part) -> bool| count(untold.iter().filter(|(part, _)| wanted(part)).count());
        let counted = [
            (number(|part| matches!(part, Part::Package(..))), "package"),
            (number(|part| matches!(part, Part::Shadow(_))), "absent file"),
        ];
        let counted = counted.into_iter().filter(|(number, _)| *number > 0);
        let counted: Vec<String> = counted.map(|(number, what)| human::count(number, what)).collect();
        let title = match counted.as_slice() {
            [] => "known before the run".to_owned(),
            counted => format!("known before the run (and {}: --all)", counted.join(", ")),
        };
        section(&title, &lines(&facts, look));
        section(&self.observed_title(), &self.observed(look));
        for (path, source) in self.sources {
            section(&format!("source {path}"), &self.source_lines(source.as_deref()));
        }
        text
    }

    fn head(&self, look: &Look) -> String {
        let (entry, commit) = (self.found.entry(), &self.found.commit);
        let mut table = Table::new([Column::left(""), Column::left("").cut_to(20)]).headless();
        let mut row = |label: &str, text: String, role| {
            if !text.is_empty() {
                table.row([Cell::new(label, Role::Faint), Cell::new(text, role)]);
            }
        };
        let (status, role) = entry.status();
        let detail = match &commit.replay {
            Replay::Never { reason, detail } if !detail.is_empty() && reason != "failed" => {
                format!(" ({})", escape::line(detail.as_bytes()))
            }
            _ => String::new(),
        };
        row("run", self.found.id.to_string(), Role::Hash);
        row("command", escape::words(&commit.words), Role::Plain);
        row("parameters", self.parameters(), Role::Plain);
        row("metrics", self.metrics(), Role::Plain);
        row("function", entry.function(), Role::Plain);
        row(
            "directory",
            escape::line(commit.directory.shown().as_os_str().as_bytes()).into_owned(),
            Role::Plain,
        );
        row("status", format!("{status}{detail}"), role);
        let accepted = commit.accepted.as_ref().map(|accepted| commits::accepted_words(accepted, look));
        row("accepted", accepted.unwrap_or_default(), Role::Changed);
        let age = human::age(commit.started, look.now, &look.zone);
        row("started", format!("{} ({age})", human::moment(commit.started, &look.zone)), Role::Plain);
        row("took", human::times(&commit.resources), Role::Plain);
        if commit.resources.peak_memory > 0 {
            row("memory", format!("{} at most", human::size(commit.resources.peak_memory)), Role::Plain);
        }
        let used = human::age(self.found.last_used, look.now, &look.zone);
        let hits = match entry.hits {
            0 => "none".to_owned(),
            hits => format!("{}, last used {used}", human::number(hits)),
        };
        row("hits", hits, Role::Plain);
        let coverage = match commit.coverage {
            Coverage::Watched => "the whole run",
            Coverage::Declared => "no: the call declared what counts",
        };
        row("watched", coverage.to_owned(), Role::Plain);
        row("stdout", human::size(commit.stdout.size), Role::Plain);
        row("stderr", human::size(commit.stderr.size), Role::Plain);
        let kept_here = self.kept_here.as_ref().map(|why| format!("kept here alone: {why}"));
        row("sharing", kept_here.unwrap_or_default(), Role::Plain);
        row("tags", entry.tags(), Role::Hint);
        row("parent", commit.parent.map(|parent| parent.short()).unwrap_or_default(), Role::Hash);
        row("key", commit.key.to_string(), Role::Faint);
        row("lineage", commit.lineage.to_string(), Role::Faint);
        table.render(look)
    }

    fn parameters(&self) -> String {
        let pair = |(name, value): &(String, String)| {
            format!("{}={}", escape::line(name.as_bytes()), escape::word(value.as_bytes()))
        };
        self.measured.parameters.iter().map(pair).collect::<Vec<_>>().join(" ")
    }

    fn metrics(&self) -> String {
        let metrics = self.measured.metrics.iter();
        let pair = |metric: &Metric| {
            let unit = metric.unit.as_deref().map(|unit| format!(" {unit}")).unwrap_or_default();
            format!("{}={}{unit}", escape::line(metric.name.as_bytes()), shown(metric.value))
        };
        metrics.map(pair).collect::<Vec<_>>().join(", ")
    }

    fn is_listed(&self, observation: &Observation) -> bool {
        self.all || !facts::is_outside(observation)
    }

    fn observed_title(&self) -> String {
        let all = &self.found.commit.observations;
        let outside = all.iter().filter(|each| !self.is_listed(each)).count();
        match outside {
            0 => "seen during the run".to_owned(),
            _ => format!(
                "seen during the run (and {} outside the project: --all)",
                human::number(count(outside))
            ),
        }
    }

    fn observed(&self, look: &Look) -> String {
        let all = &self.found.commit.observations;
        let listed: Vec<Line> =
            all.iter().filter(|each| self.is_listed(each)).map(facts::observation).collect();
        if listed.is_empty() && !all.is_empty() {
            "nothing inside the project\n".to_owned()
        } else {
            lines(&listed, look)
        }
    }

    /// The beginning of a source, or all of it.
    fn source_lines(&self, source: Option<&[u8]>) -> String {
        let Some(source) = source else { return "no longer stored\n".to_owned() };
        if diff::is_binary(source) {
            return "binary\n".to_owned();
        }
        let text = escape::text(source);
        let all = text.lines().count();
        let shown = if self.all { all } else { all.min(SOURCE_LINES) };
        let mut lines: String = text.lines().take(shown).flat_map(|line| [line, "\n"]).collect();
        if shown < all {
            let _ = writeln!(lines, "… {} more: --all", human::count(count(all - shown), "line"));
        }
        lines
    }

    fn output_lines(&self, look: &Look) -> String {
        let Some(outputs) = self.outputs else { return "no longer stored\n".to_owned() };
        let mut table =
            Table::new([Column::left(""), Column::right(""), Column::left("").cut_to(20)]).headless();
        for entry in outputs.entries() {
            let mode = match entry.kind {
                OutputKind::File { mode, .. }
                | OutputKind::Sparse { mode, .. }
                | OutputKind::Directory { mode } => format!("{mode:03o}"),
                OutputKind::Symlink { .. } => "link".to_owned(),
                OutputKind::Removed => "-".to_owned(),
            };
            let mut path = escape::line(&entry.path).into_owned();
            if is_appended(&self.found.commit, &entry.path) {
                path.push_str(" (appended)");
            }
            let (size, path) = match &entry.kind {
                OutputKind::Symlink { .. } => {
                    (String::new(), format!("{path} {}", compare::what(&entry.kind)))
                }
                kind => (compare::what(kind), path),
            };
            table.row([Cell::new(mode, Role::Faint), size.into(), path.into()]);
        }
        if table.is_empty() { String::new() } else { table.render(look) }
    }

    /// The end of the error output.
    fn error_lines(&self) -> String {
        let Some(errors) = &self.errors else { return String::new() };
        if diff::is_binary(errors) {
            return "binary\n".to_owned();
        }
        let text = escape::text(errors);
        let all: Vec<&str> = text.lines().collect();
        let left_out = all.len().saturating_sub(ERROR_LINES);
        let mut shown = match left_out {
            0 => String::new(),
            _ => format!("… {} before\n", human::count(count(left_out), "line")),
        };
        for line in all.iter().skip(left_out) {
            shown.push_str(line);
            shown.push('\n');
        }
        shown
    }
}

/// Whether a fact is listed: not the words and the directory, which are shown above, and not absent files.
fn tells(part: &Part, value: &Value) -> bool {
    match part {
        // There may be hundreds of packages.
        Part::Word(_) | Part::Platform | Part::Directory | Part::Package(..) => false,
        Part::Shadow(_) => *value != Value::Absent,
        _ => true,
    }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

fn lines(lines: &[Line], look: &Look) -> String {
    let mut table =
        Table::new([Column::left(""), Column::left("").cut_to(16), Column::left("").cut_to(12)]).headless();
    for line in lines {
        table.row([
            Cell::new(line.kind, Role::Faint),
            line.subject.as_str().into(),
            Cell::new(line.value.as_str(), Role::Faint),
        ]);
    }
    if table.is_empty() { String::new() } else { table.render(look) }
}

fn links(links: &[provenance::Link], look: &Look) -> String {
    let mut table =
        Table::new([Column::left("").cut_to(12), Column::left(""), Column::left("").cut_to(16)]).headless();
    for link in links {
        table.row([
            escape::line(&link.label).into_owned().into(),
            Cell::new(link.id.short(), Role::Hash),
            link.command.as_str().into(),
        ]);
    }
    if table.is_empty() { String::new() } else { table.render(look) }
}

/// Whether an output is what the run appended to a file.
fn is_appended(commit: &Commit, path: &[u8]) -> bool {
    commit.products.find(path).is_some_and(|product| product.class == ProductClass::Appended)
}
