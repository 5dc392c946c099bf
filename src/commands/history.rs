//! `history`: a lineage over time, with what changed at each step.

use super::context::Context;
use super::exit::{DONE, Exit};
use super::found::{Found, Opened};
use crate::error::Result;
use crate::ui::changes::{self, Background};
use crate::ui::colour::Role;
use crate::ui::compare::{Comparison, Side};
use crate::ui::json;
use crate::ui::page::{Look, Page};
use crate::ui::{commits, escape, human};
use serde_json::Value as Json;
use std::ffi::OsString;
use std::fmt::Write;

/// Arguments of `history`.
#[derive(Clone, Debug, clap::Args)]
#[command(
    after_help = "Lists all runs of one command line in one directory, also those of earlier code and data."
)]
pub struct Args {
    /// A run of the command line; later runs are not listed
    #[arg(value_name = "REV")]
    revision: OsString,
    /// At most N steps
    #[arg(short = 'n', long, value_name = "N")]
    limit: Option<usize>,
    /// One JSON object per line
    #[arg(long)]
    json: bool,
}

/// Shows the lineage of a commit, newest first.
///
/// # Errors
/// No such commit; the store cannot be read.
pub fn run(args: &Args, context: &Context, page: &mut Page<'_>) -> Result<Exit> {
    let opened = Opened::open(context)?;
    opened.fold();
    let newest = opened.find(&args.revision)?;
    let limit = args.limit.unwrap_or(usize::MAX);
    let mut steps = opened.lineage(&newest)?.into_iter().peekable();
    let mut shown = 0;
    while let Some(found) = steps.next().filter(|_| shown < limit) {
        shown += 1;
        let step = Step::between(&opened, steps.peek(), &found);
        if args.json {
            page.json(&step.json(&found).into())?;
        } else {
            let text = step.view(&found, &page.look);
            page.write(&text)?;
        }
    }
    Ok(DONE)
}

/// The changes of a commit from its parent.
struct Step {
    since: Option<crate::digest::CommitId>,
    causes: Vec<String>,
    effects: Vec<String>,
}

impl Step {
    fn between(opened: &Opened, before: Option<&Found>, after: &Found) -> Self {
        let Some(before) = before else {
            return Self { since: None, causes: Vec::new(), effects: Vec::new() };
        };
        let (first, second) = (opened.outputs(before).ok(), opened.outputs(after).ok());
        let (older, newer) = (before.manifest(), after.manifest());
        let compared = Comparison::of(
            Side { commit: &before.commit, manifest: &older, outputs: first.as_ref() },
            Side { commit: &after.commit, manifest: &newer, outputs: second.as_ref() },
        );
        let pieces = opened.pieces(before, after);
        let background =
            Background { words: &after.commit.words, pieces: &pieces, there: &changes::not_of_now };
        let mut causes = compared.causes(background);
        if causes.is_empty() && !compared.sources.is_empty() {
            causes.push("only layout or comments changed".to_owned());
        }
        let effects = compared.effects(&before.commit, &after.commit);
        Self { since: Some(before.id), causes, effects }
    }

    fn view(&self, found: &Found, look: &Look) -> String {
        let entry = found.entry();
        let (status, role) = entry.status();
        let mut text = format!(
            "● {}  {}  {}  {}",
            look.paint(&entry.id.short(), Role::Hash),
            look.paint(&human::age(found.commit.started, look.now, &look.zone), Role::Faint),
            look.paint(&status, role),
            human::duration(found.commit.resources.wall),
        );
        if entry.hits > 0 {
            let _ = write!(text, "  {}", human::count(entry.hits, "hit"));
        }
        if !entry.tags.is_empty() {
            let _ = write!(text, "  {}", look.paint(&entry.tags(), Role::Hint));
        }
        text.push('\n');
        let beside = if self.since.is_some() { "│" } else { " " };
        let mut lines = |phrases: &[String], role| {
            for line in escape::wrapped(phrases, look.width.map(|width| width.saturating_sub(4))) {
                let _ = writeln!(text, "{beside}   {}", look.paint(&line, role));
            }
        };
        if let Some(accepted) = &found.commit.accepted {
            let accepted = commits::accepted_words(accepted, look);
            lines(&[format!("not run: accepted as {accepted}")], Role::Hint);
        }
        match self.since {
            None => lines(&["the first".to_owned()], Role::Faint),
            Some(_) if self.causes.is_empty() => lines(&["nothing known changed".to_owned()], Role::Faint),
            Some(_) => lines(&self.causes, Role::Changed),
        }
        if self.since.is_some() && self.effects.is_empty() {
            lines(&["same result".to_owned()], Role::Faint);
        }
        lines(&self.effects, Role::Plain);
        text
    }

    fn json(&self, found: &Found) -> json::Object {
        let texts =
            |phrases: &[String]| phrases.iter().map(|phrase| Json::from(phrase.as_str())).collect::<Json>();
        found
            .entry()
            .json()
            .with("since", self.since.map(|since| json::digest(&since.0)))
            .with("causes", texts(&self.causes))
            .with("effects", texts(&self.effects))
    }
}
