//! `diff`: the differences between two commits.

mod json;

use super::context::Context;
use super::exit::{DONE, Exit, NO};
use super::found::measured::{self, Measured};
use super::found::{Found, Opened};
use crate::digest::BlobId;
use crate::error::Result;
use crate::hash::manifest::Part;
use crate::record::{Commit, Content, OutputEntry, OutputKind, OutputTree, StoredPath};
use crate::ui::changes::{self, Background};
use crate::ui::colour::Role;
use crate::ui::compare::{self, Comparison, Pair, Side};
use crate::ui::page::Page;
use crate::ui::table::{Cell, Column, Table};
use crate::ui::{commits, diff, escape, human, seen};
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

/// Arguments of `diff`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  cashet diff @{2} @                          the newest run against the one before it
  cashet diff 'train.py --lr 0.01~1' 'train.py --lr 0.01'
  cashet diff --stat --exit-code 3f2a 8b11    only the summary; status 1 if anything differs")]
pub struct Args {
    /// The older run
    #[arg(value_name = "REV")]
    before: OsString,
    /// The newer run
    #[arg(value_name = "REV")]
    after: OsString,
    /// Only the summary
    #[arg(long, conflicts_with = "json")]
    stat: bool,
    /// One JSON object
    #[arg(long)]
    json: bool,
    /// Exit with status 1 if anything but the duration differs
    #[arg(long)]
    exit_code: bool,
}

/// Compares two commits.
///
/// # Errors
/// No such commit; the store cannot be read.
pub fn run(args: &Args, context: &Context, page: &mut Page<'_>) -> Result<Exit> {
    let opened = Opened::open(context)?;
    let (before, after) = (opened.find(&args.before)?, opened.find(&args.after)?);
    let rules = opened.rules(&[])?;
    let measured = [&before, &after].map(|found| measured::measure(&opened, found.clone(), &rules));
    let [first, second] = paired(&opened, &measured);
    let (older, newer) = (before.manifest(), after.manifest());
    let compared = Comparison::of(
        Side { commit: &before.commit, manifest: &older, outputs: first.as_ref() },
        Side { commit: &after.commit, manifest: &newer, outputs: second.as_ref() },
    );
    let pieces = opened.pieces(&before, &after);
    let view = View {
        before: &before,
        after: &after,
        compared: &compared,
        measured: &measured,
        read: &|content| opened.content(content),
        pieces: &pieces,
    };
    if args.json {
        page.json(&view.json().into())?;
    } else {
        view.summary(page)?;
        if !args.stat {
            view.details(page)?;
        }
    }
    Ok(if args.exit_code && compared.differs() { NO } else { DONE })
}

/// The outputs of both. If a parameter names their directory, and the directories differ, paths are relative to these, so that
/// corresponding outputs are compared.
fn paired(opened: &Opened, measured: &[Measured; 2]) -> [Option<OutputTree>; 2] {
    let trees = measured.each_ref().map(|run| opened.outputs(&run.found).ok());
    let [before, after] = measured;
    let moved: Vec<String> = before
        .places
        .iter()
        .filter(|name| after.places.contains(name) && before.parameter(name) != after.parameter(name))
        .cloned()
        .collect();
    if moved.is_empty() {
        return trees;
    }
    let [first, second] = trees;
    [(first, before), (second, after)].map(|(tree, run)| {
        let mut entries = tree?.entries().to_vec();
        for entry in &mut entries {
            entry.path = measured::role(&entry.path, &run.parameters, &moved);
        }
        Some(OutputTree::new(entries))
    })
}

/// Two commits, their differences, and the store with their contents.
struct View<'a> {
    before: &'a Found,
    after: &'a Found,
    compared: &'a Comparison,
    measured: &'a [Measured; 2],
    read: &'a dyn Fn(&Content) -> Option<Vec<u8>>,
    pieces: &'a dyn Fn(&StoredPath, &str) -> Vec<String>,
}

impl View<'_> {
    fn summary(&self, page: &mut Page<'_>) -> Result<()> {
        for (sign, found) in [("−", self.before), ("+", self.after)] {
            let age = human::age(found.commit.started, page.look.now, &page.look.zone);
            let room = page
                .look
                .width
                .map_or(usize::MAX, |width| width.saturating_sub(18 + escape::columns(&age)).max(10));
            let command = commits::command(&found.commit);
            let hash = page.look.paint(&found.id.short(), Role::Hash).into_owned();
            page.line(&format!("{sign} {hash}  {}  {age}", escape::cut(&command, room)))?;
        }
        let mut table = Table::new([Column::left(""), Column::left("").cut_to(20)]).headless();
        for (label, role, text) in self.lines() {
            table.row([Cell::new(label, Role::Faint), Cell::new(text, role)]);
        }
        page.line("")?;
        let rendered = table.render(&page.look);
        page.write(&rendered)
    }

    /// The summary: the differences of each part.
    fn lines(&self) -> Vec<(&'static str, Role, String)> {
        let background =
            Background { words: &self.after.commit.words, pieces: self.pieces, there: &changes::not_of_now };
        let of = |wanted: fn(&Part) -> bool| self.compared.changes_of(wanted, background);
        let mut function =
            of(|part| matches!(part, Part::Source(_) | Part::Shadow(_) | Part::Program(_) | Part::Tool(_)));
        if function.is_empty() && !self.compared.sources.is_empty() {
            function.push("only layout or comments".to_owned());
        }
        let mut inputs = of(|part| matches!(part, Part::Input(_) | Part::Stdin));
        let mut course = 0;
        for pair in &self.compared.observed {
            match (&pair.before, &pair.after) {
                (Some(before), Some(after)) => inputs.push(seen::observed(Some(before), Some(after))),
                _ => course += 1,
            }
        }
        if course > 0 {
            inputs.push(format!("{} made by one run only", human::count(course, "observation")));
        }
        // Words of the same script are named after its options.
        let of_one = self.before.commit.function_id == self.after.commit.function_id;
        let parameters = if of_one { self.parameters() } else { Vec::new() };
        let named = !parameters.is_empty();
        let arguments = if named { Vec::new() } else { of(|part| matches!(part, Part::Word(_))) };
        let [older, newer] = self.measured;
        let parts = [
            ("parameters", parameters),
            ("metrics", measured::compared(&older.metrics, &newer.metrics)),
            ("function", function),
            ("arguments", arguments),
            ("environment", of(|part| matches!(part, Part::Variable(_)))),
            ("inputs", inputs),
            ("packages", of(|part| matches!(part, Part::Package(..) | Part::Setting(_)))),
            (
                "call",
                of(|part| {
                    matches!(
                        part,
                        Part::Output(_) | Part::Salt | Part::Flag(_) | Part::Directory | Part::Platform
                    )
                }),
            ),
        ];
        let (mut lines, mut same) = (Vec::new(), Vec::new());
        for (label, phrases) in parts {
            // Parts without content are omitted, and so are arguments that are shown as parameters.
            if phrases.is_empty()
                && !matches!(label, "parameters" | "metrics")
                && !(named && label == "arguments")
            {
                same.push(label);
            }
            for (place, phrase) in phrases.into_iter().enumerate() {
                lines.push((if place == 0 { label } else { "" }, Role::Changed, phrase));
            }
        }
        let (before, after) = (&self.before.commit, &self.after.commit);
        let mut add = |label, how: Option<String>| match how {
            Some(how) => lines.push((label, Role::Changed, how)),
            None => same.push(label),
        };
        let ended = |commit: &Commit| human::termination(commit.termination);
        add("status", self.compared.termination.then(|| format!("{} → {}", ended(before), ended(after))));
        for (label, was, is) in
            [("stdout", &before.stdout, &after.stdout), ("stderr", &before.stderr, &after.stderr)]
        {
            add(label, (was != is).then(|| self.content_differs(was, is)));
        }
        add("outputs", self.outputs_differ());
        let took = |commit: &Commit| human::duration(commit.resources.wall);
        lines.push(("duration", Role::Plain, format!("{} → {}", took(before), took(after))));
        if !same.is_empty() {
            lines.push(("same", Role::Faint, same.join(", ")));
        }
        lines
    }

    /// The parameters that differ.
    fn parameters(&self) -> Vec<String> {
        let [before, after] = self.measured;
        let mut names: Vec<&String> = before.parameters.iter().map(|(name, _)| name).collect();
        names.extend(
            after.parameters.iter().map(|(name, _)| name).filter(|name| before.parameter(name).is_none()),
        );
        // The directory of the outputs comes last.
        names.sort_by_key(|name| before.places.contains(name));
        let value = |run: &Measured, name: &str| {
            run.parameter(name)
                .map_or_else(|| "none".to_owned(), |value| escape::word(value.as_bytes()).into_owned())
        };
        let differ = names.into_iter().filter(|name| before.parameter(name) != after.parameter(name));
        differ
            .map(|name| {
                let shown = escape::line(name.as_bytes());
                format!("{shown} {} → {}", value(before, name), value(after, name))
            })
            .collect()
    }

    fn outputs_differ(&self) -> Option<String> {
        if self.compared.outputs_unknown {
            return Some("differ; how is no longer stored".to_owned());
        }
        let number = |wanted: fn(&Pair<OutputEntry>) -> bool| {
            self.compared.outputs.values().filter(|pair| wanted(pair)).count()
        };
        let counts = [
            (number(|pair| pair.before.is_some() && pair.after.is_some()), "changed"),
            (number(|pair| pair.before.is_none()), "added"),
            (number(|pair| pair.after.is_none()), "missing"),
        ];
        let told =
            counts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}"));
        let told: Vec<String> = told.collect();
        (!told.is_empty()).then(|| told.join(", "))
    }

    /// The difference of two contents, in brief.
    fn content_differs(&self, before: &Content, after: &Content) -> String {
        let sizes = if before.size == after.size {
            human::size(after.size)
        } else {
            format!("{} → {}", human::size(before.size), human::size(after.size))
        };
        let counted = match (self.text(before), self.text(after)) {
            (Some(before), Some(after)) => diff::counted(&before, &after),
            _ => None,
        };
        match counted {
            Some(lines) => format!("{sizes}, +{} −{} lines", lines.added, lines.removed),
            None => sizes,
        }
    }

    /// A content, if it is stored and not too large to compare.
    fn text(&self, content: &Content) -> Option<Vec<u8>> {
        if content.size > diff::LARGEST_COMPARED { None } else { (self.read)(content) }
    }

    fn details(&self, page: &mut Page<'_>) -> Result<()> {
        for (path, pair) in &self.compared.sources {
            let name = escape::line(path.shown().as_os_str().as_bytes()).into_owned();
            let content = |blob: &Option<BlobId>| match blob {
                Some(blob) => (self.read)(&Content { blob: *blob, size: 0 }),
                None => Some(Vec::new()),
            };
            self.unified(&name, content(&pair.before), content(&pair.after), page)?;
        }
        let (before, after) = (&self.before.commit, &self.after.commit);
        for (name, was, is) in
            [("stdout", &before.stdout, &after.stdout), ("stderr", &before.stderr, &after.stderr)]
        {
            if was != is {
                self.contents(name, was, is, page)?;
            }
        }
        for (path, pair) in &self.compared.outputs {
            let name = escape::line(path).into_owned();
            match (file(pair.before.as_ref()), file(pair.after.as_ref())) {
                (Some(was), Some(is)) if was != is => {
                    self.contents(&name, &was, &is, page)?;
                    if let Some(modes) = compare::modes(pair) {
                        let line = page.look.paint(&format!("{name}: {modes}"), Role::Changed).into_owned();
                        page.line(&line)?;
                    }
                }
                _ => {
                    let line = format!("\n{name}: {}", compare::output(pair));
                    let line = page.look.paint(&line, Role::Changed).into_owned();
                    page.line(&line)?;
                }
            }
        }
        Ok(())
    }

    fn contents(&self, name: &str, was: &Content, is: &Content, page: &mut Page<'_>) -> Result<()> {
        if was.size.max(is.size) > diff::LARGEST_COMPARED {
            return page.line(&format!(
                "\n{name}: {} → {}, too large to compare",
                was.blob.short(),
                is.blob.short()
            ));
        }
        self.unified(name, (self.read)(was), (self.read)(is), page)
    }

    fn unified(
        &self,
        name: &str,
        was: Option<Vec<u8>>,
        is: Option<Vec<u8>>,
        page: &mut Page<'_>,
    ) -> Result<()> {
        let (Some(was), Some(is)) = (was, is) else {
            return page.line(&format!("\n{name}: no longer stored"));
        };
        let (first, second) = (self.before.id.short(), self.after.id.short());
        let names = (format!("{first}/{name}"), format!("{second}/{name}"));
        let text = if diff::is_binary(&was) || diff::is_binary(&is) {
            format!("{name}: {}", diff::unified((&names.0, &was), (&names.1, &is), &page.look))
        } else {
            diff::unified((&names.0, &was), (&names.1, &is), &page.look)
        };
        page.line("")?;
        page.write(&text)
    }
}

fn file(entry: Option<&OutputEntry>) -> Option<Content> {
    match entry.map(|entry| &entry.kind) {
        Some(OutputKind::File { content, .. }) => Some(*content),
        _ => None,
    }
}
