//! `log --missed`: what ran and was not kept, by reason, each with its cure.
//!
//! Knows nothing of how reasons come about.

use super::found::Opened;
use crate::error::Result;
use crate::memo::cure;
use crate::record::Timestamp;
use crate::store::{LocalStore, Missed};
use crate::ui::colour::Role;
use crate::ui::json::{self, Object};
use crate::ui::page::{Look, Page};
use crate::ui::table::{Cell, Column, Table};
use crate::ui::{escape, human, message};
use std::fmt::Write;

/// Shows what was missed since then, at most so many lines of it.
///
/// # Errors
/// The store cannot be read.
pub fn show(
    opened: &Opened,
    since: Option<Timestamp>,
    limit: usize,
    as_json: bool,
    page: &mut Page<'_>,
) -> Result<()> {
    let mut missed = opened.store().map(LocalStore::missed).transpose()?.unwrap_or_default();
    missed.retain(|each| since.is_none_or(|since| each.newest >= since));
    missed.truncate(limit);
    if as_json {
        return missed.iter().try_for_each(|each| page.json(&shape(each).into()));
    }
    if missed.is_empty() {
        message::status("nothing was missed");
    }
    let text = view(&missed, &page.look);
    page.write(&text)
}

fn shape(missed: &Missed) -> Object {
    Object::whole()
        .with("reason", missed.reason.as_str())
        .with("detail", missed.detail.as_str())
        .with("command", json::text(&missed.command))
        .with("times", missed.times)
        .with("newest", json::moment(missed.newest))
        .with("cure", cure(&missed.reason, &missed.detail))
}

/// The reasons in the order of how often they came; below each its cure and the commands.
fn view(missed: &[Missed], look: &Look) -> String {
    let mut reasons: Vec<(&str, u64)> = Vec::new();
    for each in missed {
        match reasons.iter_mut().find(|(reason, _)| *reason == each.reason) {
            Some((_, times)) => *times = times.saturating_add(each.times),
            None => reasons.push((&each.reason, each.times)),
        }
    }
    reasons.sort_by_key(|(_, times)| std::cmp::Reverse(*times));
    let mut text = String::new();
    for (reason, times) in reasons {
        if !text.is_empty() {
            text.push('\n');
        }
        let heading = escape::line(reason.as_bytes());
        let _ = writeln!(text, "{} ({})", look.paint(&heading, Role::Heading), human::count(times, "time"));
        let of_reason = missed.iter().filter(|each| each.reason == reason);
        if let Some(cure) = of_reason.clone().find_map(|each| cure(reason, &each.detail)) {
            let _ = writeln!(text, "{} {cure}", look.paint("hint:", Role::Hint));
        }
        let mut table = Table::new([
            Column::right("TIMES"),
            Column::left("LAST").leaving(1),
            Column::left("COMMAND").cut_to(16),
            Column::left("DETAIL").cut_to(16),
        ]);
        for each in of_reason {
            table.row([
                human::number(each.times).into(),
                Cell::new(human::age(each.newest, look.now, &look.zone), Role::Faint),
                escape::line(&each.command).into_owned().into(),
                escape::line(each.detail.as_bytes()).into_owned().into(),
            ]);
        }
        text.push_str(&table.render(look));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::page::tests::look;

    #[test]
    fn reasons_come_with_their_cures() {
        let missed = |reason: &str, detail: &str, command: &str, times| Missed {
            reason: reason.to_owned(),
            detail: detail.to_owned(),
            command: command.into(),
            times,
            newest: Timestamp(look(80).now.0 - 60_000_000_000),
        };
        let all = [
            missed("failed", "exit status 1", "make test", 2),
            missed("network", "example.com:443", "curl -s https://example.com/\x1b[2Jdata.json", 3),
            missed("failed", "exit status 2", "make", 2),
            missed("whim", "", "x", 1),
        ];
        insta::assert_snapshot!(view(&all, &look(80)), @r"
        failed (4 times)
        hint: --cache-exit 1 keeps it
        TIMES  LAST       COMMAND    DETAIL
            2  1 min ago  make test  exit status 1
            2  1 min ago  make       exit status 2

        network (3 times)
        hint: --ttl says how long the answer holds, --allow-net that it does not matter
        TIMES  LAST       COMMAND                                       DETAIL
            3  1 min ago  curl -s https://example.com/\x1b[2Jdata.json  example.com:443

        whim (1 time)
        TIMES  LAST       COMMAND
            1  1 min ago  x
        ");
        insta::assert_snapshot!(view(&all, &look(60)), @r"
        failed (4 times)
        hint: --cache-exit 1 keeps it
        TIMES  LAST       COMMAND    DETAIL
            2  1 min ago  make test  exit status 1
            2  1 min ago  make       exit status 2

        network (3 times)
        hint: --ttl says how long the answer holds, --allow-net that it does not matter
        TIMES  LAST       COMMAND                    DETAIL
            3  1 min ago  curl -s https://example.…  example.com:443

        whim (1 time)
        TIMES  LAST       COMMAND
            1  1 min ago  x
        ");
    }
}
