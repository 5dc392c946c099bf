//! Aligned tables that fit a page: columns shrink, then the least important ones go.
//!
//! Knows nothing of what is in the cells; their text must be escaped already.

use super::colour::Role;
use super::escape::{columns, cut};
use super::page::Look;
use std::fmt::Write;

/// Between two columns.
const GAP: usize = 2;

/// How narrow a cell is cut when nothing else helps.
const NARROWEST: usize = 4;

/// Where nothing is cut, a column is aligned up to this width; longer cells push what follows.
const WIDEST_ALIGNED: usize = 60;

/// To which side a column's cells are flush.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// One column of a table.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Its heading.
    pub heading: &'static str,
    /// To which side it is flush.
    pub side: Side,
    /// How narrow its cells may be cut; `None` where they are never cut.
    pub least: Option<usize>,
    /// Its place in the order of leaving when the page is too narrow: the highest goes first, 0 never.
    pub leaves: u8,
}

impl Column {
    /// A column of words that are never cut and never leave.
    #[must_use]
    pub const fn left(heading: &'static str) -> Self {
        Self { heading, side: Side::Left, least: None, leaves: 0 }
    }

    /// A column of numbers that are never cut and never leave.
    #[must_use]
    pub const fn right(heading: &'static str) -> Self {
        Self { heading, side: Side::Right, least: None, leaves: 0 }
    }

    /// The same, with cells that may be cut to `least` columns.
    #[must_use]
    pub const fn cut_to(mut self, least: usize) -> Self {
        self.least = Some(least);
        self
    }

    /// The same, leaving a narrow page; the highest number leaves first.
    #[must_use]
    pub const fn leaving(mut self, order: u8) -> Self {
        self.leaves = order;
        self
    }
}

/// One cell.
#[derive(Clone, Debug, Default)]
pub struct Cell {
    text: String,
    role: Option<Role>,
    /// Whether it takes the rest of the row.
    spans: bool,
}

impl Cell {
    /// A cell with a colour.
    #[must_use]
    pub fn new(text: impl Into<String>, role: Role) -> Self {
        Self { text: text.into(), role: Some(role), spans: false }
    }

    /// A cell that takes the room of all that follow it, and does not widen its column.
    #[must_use]
    pub fn spanning(text: impl Into<String>, role: Role) -> Self {
        Self { text: text.into(), role: Some(role), spans: true }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self { text: text.into(), role: None, spans: false }
    }
}

/// A table, row by row.
#[derive(Clone, Debug)]
pub struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
    headed: bool,
    /// How wide the cells of rows were that were rendered already, by column.
    earlier: Vec<usize>,
    /// Which columns those showed.
    shown: Option<Vec<bool>>,
}

impl Table {
    /// A table with headings and no rows yet.
    #[must_use]
    pub fn new(columns: impl IntoIterator<Item = Column>) -> Self {
        let columns: Vec<Column> = columns.into_iter().collect();
        Self { earlier: vec![0; columns.len()], columns, rows: Vec::new(), headed: true, shown: None }
    }

    /// The same without the line of headings.
    #[must_use]
    pub fn headless(mut self) -> Self {
        self.headed = false;
        self
    }

    /// Adds a row, with one cell for each column.
    pub fn row<const N: usize>(&mut self, cells: [Cell; N]) -> &mut Self {
        self.rows.push(cells.into());
        self
    }

    /// Adds a row, with one cell for each column.
    pub fn cells(&mut self, cells: Vec<Cell>) -> &mut Self {
        self.rows.push(cells);
        self
    }

    /// Whether all columns have room on a page of this width, however they are cut.
    #[must_use]
    pub fn fits(&self, page: usize) -> bool {
        let least = (0..self.columns.len()).map(|place| {
            let natural = self.natural(place)?;
            let least = self.columns.get(place).and_then(|column| column.least).unwrap_or(natural);
            Some(natural.min(least))
        });
        total(&least.collect::<Vec<_>>()) <= page
    }

    /// How many rows there are that were not rendered yet.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The table as lines.
    #[must_use]
    pub fn render(&self, look: &Look) -> String {
        let widths = self.widths(look.width);
        self.lines(&widths, self.headed, look)
    }

    /// The rows since the last part as lines; they are forgotten, so that a long table takes no memory. What comes later is
    /// aligned with them as far as it fits. Headings come first, and again where other columns are shown.
    pub fn render_part(&mut self, look: &Look) -> String {
        let widths = self.widths(look.width);
        let shown: Vec<bool> = widths.iter().map(Option::is_some).collect();
        let text = self.lines(&widths, self.headed && self.shown.as_ref() != Some(&shown), look);
        self.earlier = (0..self.columns.len()).map(|place| self.widest(place)).collect();
        self.shown = Some(shown);
        self.rows.clear();
        text
    }

    fn lines(&self, widths: &[Option<usize>], headed: bool, look: &Look) -> String {
        let mut text = String::new();
        if headed {
            let headings: Vec<Cell> =
                self.columns.iter().map(|column| Cell::new(column.heading, Role::Faint)).collect();
            self.render_row(&headings, widths, look, &mut text);
        }
        for row in &self.rows {
            self.render_row(row, widths, look, &mut text);
        }
        text
    }

    fn render_row(&self, row: &[Cell], widths: &[Option<usize>], look: &Look, text: &mut String) {
        // Blanks are written only when something follows: no line ends in any.
        let mut pending = 0;
        let mut used = 0;
        for ((cell, column), width) in row.iter().zip(&self.columns).zip(widths) {
            let Some(width) = *width else { continue };
            let width = match look.width {
                Some(page) if cell.spans => page.saturating_sub(used + pending),
                _ => width,
            };
            let shown = match look.width {
                Some(_) => cut(&cell.text, width),
                None => cell.text.as_str().into(),
            };
            let blanks = width.saturating_sub(columns(&shown));
            if column.side == Side::Right && !cell.spans {
                pending += blanks;
            }
            if !shown.is_empty() {
                used += pending + columns(&shown);
                let painted = look.paint(&shown, cell.role.unwrap_or(Role::Plain));
                // Writing to a string cannot fail.
                let _ = write!(text, "{:pending$}{painted}", "");
                pending = 0;
            }
            if cell.spans {
                break;
            }
            if column.side == Side::Left {
                pending += blanks;
            }
            pending += GAP;
        }
        text.push('\n');
    }

    /// The width of each column, `None` for those that are not shown.
    fn widths(&self, page: Option<usize>) -> Vec<Option<usize>> {
        let mut widths: Vec<Option<usize>> =
            (0..self.columns.len()).map(|place| self.natural(place)).collect();
        let Some(page) = page else {
            for width in widths.iter_mut().flatten() {
                *width = (*width).min(WIDEST_ALIGNED);
            }
            return widths;
        };
        loop {
            let excess = total(&widths).saturating_sub(page);
            if excess == 0 || self.shrink(&mut widths, excess, |least| least) {
                return widths;
            }
            let shown = self.columns.iter().zip(&mut widths).filter(|(_, width)| width.is_some());
            let leaving =
                shown.filter(|(column, _)| column.leaves > 0).max_by_key(|(column, _)| column.leaves);
            let Some((_, width)) = leaving else {
                self.shrink(&mut widths, excess, |least| least.min(NARROWEST));
                return widths;
            };
            *width = None;
        }
    }

    /// The widest cell of a column; `None` where all are empty.
    fn natural(&self, place: usize) -> Option<usize> {
        let widest = self.widest(place);
        let heading = self.columns.get(place).filter(|_| self.headed);
        (widest > 0).then(|| widest.max(heading.map_or(0, |column| columns(column.heading))))
    }

    /// How wide the widest cell of a column is, those included that were rendered already.
    fn widest(&self, place: usize) -> usize {
        let cells = self.rows.iter().filter_map(|row| row.get(place)).filter(|cell| !cell.spans);
        let earlier = self.earlier.get(place).copied().unwrap_or(0);
        cells.map(|cell| columns(&cell.text)).max().unwrap_or(0).max(earlier)
    }

    /// Takes `excess` columns from those that may be cut, always from the widest. Does nothing and says so if
    /// that is not enough.
    fn shrink(&self, widths: &mut [Option<usize>], excess: usize, floor: impl Fn(usize) -> usize) -> bool {
        let spare = |column: &Column, width: Option<usize>| match (column.least, width) {
            (Some(least), Some(width)) => width.saturating_sub(floor(least)),
            _ => 0,
        };
        let all: usize = self.columns.iter().zip(&*widths).map(|(column, width)| spare(column, *width)).sum();
        if all < excess {
            return false;
        }
        for _ in 0..excess {
            let cuttable = self.columns.iter().zip(widths.iter_mut());
            let widest = cuttable
                .filter(|(column, width)| spare(column, **width) > 0)
                .max_by_key(|(_, width)| **width);
            if let Some((_, Some(width))) = widest {
                *width -= 1;
            }
        }
        true
    }
}

fn total(widths: &[Option<usize>]) -> usize {
    let shown = widths.iter().flatten();
    let gaps = shown.clone().count().saturating_sub(1) * GAP;
    shown.sum::<usize>() + gaps
}

#[cfg(test)]
mod tests {
    use super::super::page::tests::look;
    use super::*;

    fn table() -> Table {
        let mut table = Table::new([
            Column::left("HASH"),
            Column::left("COMMAND").cut_to(10),
            Column::right("SIZE").leaving(1),
            Column::left("TAGS").cut_to(6).leaving(2),
            Column::left("EMPTY"),
        ]);
        table.row(["3f2a9c".into(), "python3 train.py".into(), "3 B".into(), "keep".into(), "".into()]);
        table.row(["8b1177".into(), "sort -n 東京/x".into(), "1.2 MiB".into(), "".into(), "".into()]);
        table
    }

    #[test]
    fn a_wide_page_has_it_all() {
        insta::assert_snapshot!(table().render(&look(60)), @r"
        HASH    COMMAND              SIZE  TAGS
        3f2a9c  python3 train.py      3 B  keep
        8b1177  sort -n 東京/x    1.2 MiB
        ");
    }

    #[test]
    fn a_narrower_page_cuts_then_leaves_out() {
        insta::assert_snapshot!(table().render(&look(33)), @r"
        HASH    COMMAND        SIZE  TAGS
        3f2a9c  python3 t…      3 B  keep
        8b1177  sort -n …   1.2 MiB
        ");
        insta::assert_snapshot!(table().render(&look(24)), @r"
        HASH    COMMAND
        3f2a9c  python3 train.py
        8b1177  sort -n 東京/x
        ");
    }

    #[test]
    fn no_line_is_wider_than_the_page_and_none_ends_in_blanks() {
        for width in 18..80 {
            for line in table().render(&look(width)).lines() {
                assert!(columns(line) <= width, "{width}: {line}");
                assert_eq!(line, line.trim_end());
            }
        }
    }

    #[test]
    fn a_long_table_comes_in_parts() {
        let mut table = Table::new([Column::left("HASH"), Column::left("COMMAND"), Column::left("TAGS")]);
        table.row(["3f2a9c".into(), "python3 train.py".into(), "".into()]);
        table.row(["8b1177".into(), "sort".into(), "".into()]);
        assert_eq!(table.pending(), 2);
        let mut text = table.render_part(&look(60));
        assert!(table.is_empty());
        table.row(["8b1178".into(), "cat".into(), "".into()]);
        text += &table.render_part(&look(60));
        table.row(["8b1179".into(), "ls".into(), "keep".into()]);
        text += &table.render_part(&look(60));
        insta::assert_snapshot!(text, @r"
        HASH    COMMAND
        3f2a9c  python3 train.py
        8b1177  sort
        8b1178  cat
        HASH    COMMAND           TAGS
        8b1179  ls                keep
        ");
    }

    #[test]
    fn a_spanning_cell_takes_the_rest_of_its_row() {
        let mut table = Table::new([Column::left("RUN"), Column::right("ACCURACY"), Column::right("AUC")]);
        table.row(["a".into(), "0.5".into(), "0.75".into()]);
        table.row(["b".into(), Cell::spanning("KeyError: 'a long story'", Role::Bad), "".into()]);
        insta::assert_snapshot!(table.render(&look(40)), @r"
        RUN  ACCURACY   AUC
        a         0.5  0.75
        b    KeyError: 'a long story'
        ");
        let mut narrow = look(80);
        narrow.width = Some(20);
        assert!(table.render(&narrow).ends_with("b    KeyError: 'a l…\n"));
    }

    #[test]
    fn into_a_pipe_nothing_is_cut() {
        let mut table = Table::new([Column::left("A").cut_to(4), Column::left("B")]);
        let long = "x".repeat(100);
        table.row([long.as_str().into(), "end".into()]).row(["short".into(), "end".into()]);
        let mut piped = look(80);
        piped.width = None;
        let text = table.render(&piped);
        assert!(text.contains(&format!("{long}  end\n")));
        assert!(text.contains(&format!("short{}end\n", " ".repeat(57))));
    }
}
