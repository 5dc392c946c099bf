//! `log --missed`: runs that were not cached, grouped by reason, each with advice.

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

/// Shows the reasons since a time, in at most `most` lines.
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
        message::status("no run went uncached");
    }
    let text = view(&missed, &page.look);
    page.write(&text)
}

fn shape(missed: &Missed) -> Object {
    Object::whole()
        .with("reason", missed.reason.as_str())
        .with("detail", missed.detail.as_str())
        .with("command", json::text(&words(&missed.command).join(&b' ')))
        .with("times", missed.times)
        .with("newest", json::moment(missed.newest))
        .with("cure", cure(&missed.reason, &missed.detail))
}

/// The words of a command. Version 0.1.0 noted them as one line, which cannot be divided.
pub(super) fn words(noted: &[u8]) -> Vec<&[u8]> {
    noted.strip_suffix(b"\0").unwrap_or(noted).split(|byte| *byte == 0).collect()
}

fn command(noted: &[u8]) -> String {
    if noted.contains(&0) { escape::words(&words(noted)) } else { escape::line(noted).into_owned() }
}

/// The reasons, most frequent first, each with advice and the commands.
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
                command(&each.command).into(),
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

    fn missed(reason: &str, detail: &str, words: &[&str], times: u64) -> Missed {
        Missed {
            reason: reason.to_owned(),
            detail: detail.to_owned(),
            command: words.iter().flat_map(|word| [word.as_bytes(), b"\0"].concat()).collect(),
            times,
            newest: Timestamp(look(80).now.0 - 60_000_000_000),
        }
    }

    #[test]
    fn reasons_come_with_their_cures() {
        let all = [
            missed("failed", "exit status 1", &["make", "test"], 2),
            missed("network", "example.com:443", &["curl", "-s", "https://example.com/data.json"], 3),
            missed("failed", "exit status 2", &["make"], 2),
            missed("whim", "", &["x"], 1),
        ];
        insta::assert_snapshot!(view(&all, &look(80)), @r"
        failed (4 times)
        hint: --cache-exit 1 caches it
        TIMES  LAST       COMMAND    DETAIL
            2  1 min ago  make test  exit status 1
            2  1 min ago  make       exit status 2

        network (3 times)
        hint: --ttl 1h caches it for an hour, --allow-net until an input changes
        TIMES  LAST       COMMAND                                DETAIL
            3  1 min ago  curl -s https://example.com/data.json  example.com:443

        whim (1 time)
        TIMES  LAST       COMMAND
            1  1 min ago  x
        ");
        // Only what does not fit is shortened.
        let narrow = view(&all, &look(60));
        let cut = "    3  1 min ago  curl -s https://example.…  example.com:443";
        assert!(narrow.contains(cut), "{narrow}");
        let differing = |(wide, narrow): &(&str, &str)| wide.trim_end() != narrow.trim_end();
        let wide = view(&all, &look(80));
        assert_eq!(wide.lines().zip(narrow.lines()).filter(differing).count(), 2, "{narrow}");
    }

    #[test]
    fn a_command_is_shown_as_a_shell_would_read_it() {
        let noted = |words: &[&str]| missed("failed", "", words, 1).command;
        assert_eq!(command(&noted(&["sh", "-c", "exit 3"])), "sh -c 'exit 3'");
        assert_eq!(command(&noted(&["printf", "", "it's"])), "printf '' \"it's\"");
        assert_eq!(command(&noted(&["x", "\x1b[2J"])), "x $'\\x1b[2J'");
        // In the form of version 0.1.0.
        assert_eq!(command(b"sh -c exit 3\x1b"), "sh -c exit 3\\x1b");
        let as_json = |command: &[u8]| {
            let one = Missed { command: command.to_vec(), ..missed("failed", "", &[], 1) };
            serde_json::Value::from(shape(&one))["command"].clone()
        };
        assert_eq!(as_json(&noted(&["sh", "-c", "exit 3"])), "sh -c exit 3");
        assert_eq!(as_json(b"sh -c exit 3"), "sh -c exit 3");
    }
}
