//! Runs in progress, as `top` shows them.

use super::colour::Role;
use super::json::{self, Object};
use super::page::Look;
use super::table::{Cell, Column, Table};
use super::{commits, human};
use crate::record::{Commit, Timestamp};
use crate::store::Waiter;

/// Cells of a bar.
const BAR: usize = 10;

/// A run in progress.
#[derive(Clone, Debug)]
pub struct Going<'a> {
    /// What is known of it before it ends.
    pub commit: &'a Commit,
    /// Its tags.
    pub tags: &'a [(String, String)],
    /// The process that records it.
    pub process: u32,
    /// How long the command took when it was last kept, in nanoseconds.
    pub usual: Option<u64>,
    /// The calls that wait for it.
    pub waiting: Vec<Waiter>,
    /// The last line that it wrote which is not blank.
    pub last_line: Option<String>,
}

fn age(then: Timestamp, now: Timestamp) -> u64 {
    u64::try_from(now.0.saturating_sub(then.0)).unwrap_or(0)
}

/// So many hundredths of the usual time have passed.
fn part(going: &Going<'_>, now: Timestamp) -> Option<u64> {
    let usual = u128::from(going.usual.filter(|usual| *usual > 0)?);
    u64::try_from(u128::from(age(going.commit.started, now)).saturating_mul(100) / usual).ok()
}

/// `■■■■□□□□□□  42 %`.
fn bar(hundredths: u64) -> String {
    let full = usize::try_from(hundredths.min(100)).unwrap_or(100) * BAR / 100;
    format!("{}{} {hundredths:>3} %", "■".repeat(full), "□".repeat(BAR - full))
}

/// A table of the runs.
#[must_use]
pub fn view(runs: &[Going<'_>], look: &Look) -> String {
    if runs.is_empty() {
        return format!("{}\n", look.paint("nothing runs in this store now", Role::Faint));
    }
    let mut table = Table::new([
        Column::left("run"),
        Column::left("command").cut_to(16),
        Column::right("for"),
        Column::right("usually").leaving(2),
        Column::left("").leaving(3),
        Column::right("waiting").leaving(1),
        Column::left("last line").cut_to(8).leaving(4),
    ]);
    for going in runs {
        let waiting = match going.waiting.len() {
            0 => String::new(),
            some => some.to_string(),
        };
        table.row([
            Cell::new(going.commit.id().short(), Role::Hash),
            commits::command(going.commit).into(),
            human::duration(age(going.commit.started, look.now)).into(),
            going.usual.map(human::duration).unwrap_or_default().into(),
            part(going, look.now).map(bar).unwrap_or_default().into(),
            waiting.into(),
            Cell::new(going.last_line.clone().unwrap_or_default(), Role::Faint),
        ]);
    }
    table.render(look)
}

/// As many of the lines of `text` as the screen of standard output has, less one for the cursor.
#[must_use]
pub fn cut_to_screen(text: &str) -> String {
    let rows = rustix::termios::tcgetwinsize(std::io::stdout()).map_or(24, |size| usize::from(size.ws_row));
    let most = rows.saturating_sub(1).max(1);
    text.split_inclusive('\n').take(most).collect()
}

/// A run as JSON.
#[must_use]
pub fn json(going: &Going<'_>, now: Timestamp) -> Object {
    let commit = going.commit;
    let tags = going.tags.iter().map(|(name, value)| (name.clone(), value.as_str().into()));
    let waiting = going.waiting.iter().map(|waiter| {
        serde_json::Value::from(
            Object::part().with("process", waiter.process).with("since", json::moment(waiter.since)),
        )
    });
    Object::whole()
        .with("run", json::digest(&commit.id().0))
        .with("key", json::digest(&commit.key.0))
        .with("lineage", json::digest(&commit.lineage.0))
        .with("started", json::moment(commit.started))
        .with("function", json::text(&commit.function))
        .with("words", json::texts(&commit.words))
        .with("directory", json::path(&commit.directory))
        .with("process", going.process)
        .with("age_ns", age(commit.started, now))
        .with("usual_ns", going.usual)
        .with("waiting", waiting.collect::<Vec<_>>())
        .with("last_line", going.last_line.as_deref())
        .with("tags", tags.collect::<serde_json::Map<_, _>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_full_at_the_usual_time_and_does_not_grow_beyond() {
        assert_eq!(bar(0), "□□□□□□□□□□   0 %");
        assert_eq!(bar(42), "■■■■□□□□□□  42 %");
        assert_eq!(bar(100), "■■■■■■■■■■ 100 %");
        assert_eq!(bar(2500), "■■■■■■■■■■ 2500 %");
    }
}
