//! Lists of commits: a table that fits the page, or a drawing of their lineages.

use super::{Entry, arguments, command, hash_and_command};
use crate::digest::CommitId;
use crate::ui::colour::Role;
use crate::ui::escape;
use crate::ui::graph::Lanes;
use crate::ui::human;
use crate::ui::page::Look;
use crate::ui::table::{Cell, Column, Table};
use std::collections::BTreeSet;
use std::fmt::Write;

/// Number of rows of a table that are aligned together.
const PART: usize = 1000;

/// A commit of a drawing.
#[derive(Debug)]
struct Line {
    id: CommitId,
    parent: Option<CommitId>,
    age: String,
    command: String,
    status: (String, Role),
}

/// A list of commits, newest first. Only the displayed parts are kept in memory.
#[derive(Debug)]
pub struct Listing {
    table: Table,
    lines: Vec<Line>,
}

impl Default for Listing {
    fn default() -> Self {
        Self::new()
    }
}

impl Listing {
    /// An empty list.
    #[must_use]
    pub fn new() -> Self {
        let table = Table::new([
            Column::left("RUN"),
            Column::left("AGE").leaving(3),
            Column::left("STATUS"),
            Column::left("FUNCTION").cut_to(12),
            Column::left("ARGUMENTS").cut_to(14),
            Column::right("TOOK").leaving(4),
            Column::right("SIZE").leaving(5),
            Column::right("HITS").leaving(6),
            Column::left("TAGS").cut_to(12).leaving(7),
        ]);
        Self { table, lines: Vec::new() }
    }

    /// Adds a commit to the table.
    pub fn push(&mut self, entry: &Entry<'_>, look: &Look) {
        let (status, role) = entry.status();
        let hits = if entry.hits == 0 { String::new() } else { human::number(entry.hits) };
        self.table.row([
            Cell::new(entry.id.short(), Role::Hash),
            Cell::new(human::age(entry.commit.started, look.now, &look.zone), Role::Faint),
            Cell::new(status, role),
            entry.function().into(),
            escape::words(arguments(entry.commit)).into(),
            // The duration of a run that was killed together with cashet is not known.
            match entry.commit.resources.wall {
                0 => String::new().into(),
                wall => human::duration(wall).into(),
            },
            human::size(entry.bytes).into(),
            hits.into(),
            Cell::new(entry.tags(), Role::Hint),
        ]);
    }

    /// Adds a commit to the drawing.
    pub fn push_line(&mut self, entry: &Entry<'_>, look: &Look) {
        self.lines.push(Line {
            id: entry.id,
            parent: entry.commit.parent,
            age: human::age(entry.commit.started, look.now, &look.zone),
            command: command(entry.commit),
            status: entry.status(),
        });
    }

    /// The next complete part of the table, if there is one.
    pub fn full_part(&mut self, look: &Look) -> Option<String> {
        (self.table.pending() >= PART).then(|| self.table.render_part(look))
    }

    /// The rest of the table.
    pub fn rest(&mut self, look: &Look) -> String {
        if self.table.is_empty() { String::new() } else { self.table.render_part(look) }
    }

    /// The drawing: the commits, with a line for each lineage beside them.
    #[must_use]
    pub fn graph(&self, look: &Look) -> String {
        let listed: BTreeSet<CommitId> = self.lines.iter().map(|line| line.id).collect();
        let mut lanes = Lanes::new();
        let mut text = String::new();
        let next = |line: &Line| line.parent.filter(|parent| listed.contains(parent));
        let drawn: Vec<String> = self.lines.iter().map(|line| lanes.draw(&line.id, next(line))).collect();
        let widest = drawn.iter().map(|lane| escape::columns(lane)).max().unwrap_or(0);
        let oldest = self.lines.iter().map(|line| escape::columns(&line.age)).max().unwrap_or(0);
        for (line, lane) in self.lines.iter().zip(&drawn) {
            let blanks = " ".repeat(widest.saturating_sub(escape::columns(lane)) + 1);
            let age = format!("{:>oldest$}", line.age);
            let room = look.width.map(|width| width.saturating_sub(widest + oldest + 3));
            let rest = hash_and_command(&line.id, &line.command, &line.status, room, look);
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{lane}{blanks}{}  {rest}", look.paint(&age, Role::Faint));
        }
        text
    }
}
