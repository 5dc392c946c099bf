//! The result of `verify`: a few lines for people, one JSON object for programs.

use super::changes::{self, Background};
use super::colour::Role;
use super::json::{self, Object};
use super::page::{Look, Page};
use super::seen;
use super::{commits, compare, escape, facts, human};
use crate::digest::CommitId;
use crate::error::Result;
use crate::memo::Difference;
use crate::memo::verify::{Cause, Contrast, How, Item, Mismatch, Obstacle, Verdict};
use crate::record::{Commit, Content, OutputTree, Replay};
use serde_json::Value as Json;
use std::os::unix::ffi::OsStrExt;

/// Maximum number of mismatches that are printed; the others are only counted.
const MOST_SHOWN: usize = 50;

/// The run that was verified.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    /// Its id.
    pub id: CommitId,
    /// The commit.
    pub commit: &'a Commit,
    /// Its outputs.
    pub outputs: &'a OutputTree,
}

/// Shows the verdict to people.
///
/// # Errors
/// The page cannot be written.
pub fn show(subject: Subject<'_>, verdict: &Verdict, page: &mut Page<'_>) -> Result<()> {
    let (word, role) = match verdict {
        Verdict::Same => ("same", Role::Good),
        Verdict::Differs { .. } => ("differs", Role::Bad),
        Verdict::CannotRun(_) => ("cannot be verified here", Role::Changed),
        Verdict::Interrupted(_) => ("interrupted", Role::Changed),
    };
    let hash = page.look.paint(&subject.id.short(), Role::Hash).into_owned();
    let command = commits::command(subject.commit);
    let room = page.look.width.map_or(usize::MAX, |width| width.saturating_sub(word.len() + 16).max(10));
    let line = format!("{}: {hash}  {}", page.look.paint(word, role), escape::cut(&command, room));
    page.line(&line)?;
    match verdict {
        Verdict::Same => page.line(&compared(subject))?,
        Verdict::Differs { mismatches, runs } => {
            for mismatch in mismatches.iter().take(MOST_SHOWN) {
                show_mismatch(mismatch, page)?;
            }
            if let Some(more) = mismatches.len().checked_sub(MOST_SHOWN).filter(|more| *more > 0) {
                page.line(&format!("  and {}", human::others(more)))?;
            }
            if *runs > 1 {
                let told = "It ran twice, to separate what differs every time from what has changed.";
                let line = page.look.paint(told, Role::Faint).into_owned();
                page.line(&line)?;
            }
            if let Some(accepted) = &subject.commit.accepted {
                let told = format!(
                    "It was not recorded by a run, but accepted as {}.",
                    commits::accepted_words(accepted, &page.look)
                );
                let line = page.look.paint(&told, Role::Hint).into_owned();
                page.line(&line)?;
            }
            if subject.commit.replay != Replay::Allowed {
                let told = "Its dependencies were not recorded: an input may have changed.";
                let line = page.look.paint(told, Role::Hint).into_owned();
                page.line(&line)?;
            }
        }
        Verdict::CannotRun(obstacles) => {
            for obstacle in obstacles.iter().take(MOST_SHOWN) {
                page.line(&format!("  {}", obstacle_words(obstacle, subject.commit)))?;
            }
            if let Some(more) = obstacles.len().checked_sub(MOST_SHOWN).filter(|more| *more > 0) {
                page.line(&format!("  and {}", human::others(more)))?;
            }
        }
        Verdict::Interrupted(_) => {}
    }
    Ok(())
}

fn wide(size: usize) -> u64 {
    u64::try_from(size).unwrap_or(u64::MAX)
}

/// The parts that were compared and are equal.
fn compared(subject: Subject<'_>) -> String {
    let commit = subject.commit;
    let stream = |name: &str, content: &Content| format!("{name} {}", human::size(content.size));
    let mut parts = vec![
        human::termination(commit.termination),
        stream("stdout", &commit.stdout),
        stream("stderr", &commit.stderr),
    ];
    match (&commit.replay, wide(subject.outputs.entries().len())) {
        (Replay::Never { .. }, _) => parts.push("outputs were not recorded".to_owned()),
        (Replay::Allowed, 0) => {}
        (Replay::Allowed, count) => {
            let size = human::size(subject.outputs.total_bytes());
            parts.push(format!("{} {size}", human::count(count, "output")));
        }
    }
    format!("  {}", parts.join(", "))
}

fn item_words(item: &Item) -> String {
    match item {
        Item::Termination => "status".to_owned(),
        Item::Stdout => "stdout".to_owned(),
        Item::Stderr => "stderr".to_owned(),
        Item::Output(path) => escape::word(path).into_owned(),
    }
}

fn show_mismatch(mismatch: &Mismatch, page: &mut Page<'_>) -> Result<()> {
    let line = format!("  {}: {}", item_words(&mismatch.item), how_words(&mismatch.how));
    let line = page.look.paint(&line, Role::Changed).into_owned();
    page.line(&line)?;
    if let How::Content(contrast) = &mismatch.how
        && contrast.line.is_some()
    {
        for (sign, text, role) in [("−", &contrast.then, Role::Bad), ("+", &contrast.now, Role::Good)] {
            if let Some(line) = excerpt(sign, text.as_deref(), &page.look, role) {
                page.line(&line)?;
            }
        }
    }
    for cause in &mismatch.causes {
        let words = format!("    {}", cause_words(*cause));
        let words = page.look.paint(&words, Role::Faint).into_owned();
        page.line(&words)?;
    }
    Ok(())
}

fn excerpt(sign: &str, text: Option<&[u8]>, look: &Look, role: Role) -> Option<String> {
    let text = text?.strip_suffix(b"\r").unwrap_or(text?);
    let room = look.width.map_or(200, |width| width.saturating_sub(6));
    let line = format!("    {sign} {}", escape::brief(text, room));
    Some(look.paint(&line, role).into_owned())
}

/// Where contents begin to differ, and the difference of their sizes.
fn how_words(how: &How) -> String {
    match how {
        How::Ended { then, now } => {
            format!("{}, was {}", human::termination(*now), human::termination(*then))
        }
        How::Content(contrast) => content_words(contrast),
        How::Mode { then, now } => format!("mode {then:03o} → {now:03o}"),
        How::Kind { then, now } => {
            let now =
                now.as_ref().map_or_else(|| "something that cannot be recorded".to_owned(), compare::what);
            format!("{} → {now}", compare::what(then))
        }
        How::Missing => "was written then, not this time".to_owned(),
        How::Additional => "is written this time, was not then".to_owned(),
        How::Removed => "is removed this time, was not then".to_owned(),
        How::StillHeld => "a process left behind still holds it".to_owned(),
    }
}

fn content_words(contrast: &Contrast) -> String {
    let (then, now) = contrast.sizes;
    let byte = human::number(contrast.offset);
    let place = match contrast.line {
        Some(line) => format!("differs first in line {}, at byte {byte}", human::number(line)),
        None => format!("differs first at byte {byte}"),
    };
    if then == now { place } else { format!("{place}; {} → {}", human::size(then), human::size(now)) }
}

fn cause_words(cause: Cause) -> &'static str {
    match cause {
        Cause::Time => "not deterministic: only times or durations differ",
        Cause::Order => "not deterministic: the same lines in another order",
        Cause::Address => "not deterministic: only addresses, process numbers or temporary names differ",
        Cause::Random => "not deterministic: two runs in a row differ here",
        Cause::Change => {
            "changed: two runs in a row agree; something that cashet does not see is different now"
        }
    }
}

fn obstacle_words(obstacle: &Obstacle, commit: &Commit) -> String {
    match obstacle {
        Obstacle::Differs(difference) => match difference.as_ref() {
            Difference::Known(change) => changes::phrase(change, background(commit)),
            Difference::Seen { then, now } => seen::observed(Some(then), Some(now)),
        },
        Obstacle::Moved(path) => {
            format!("{} changed while it ran", escape::line(path.as_os_str().as_bytes()))
        }
        Obstacle::Other(words) => escape::line(words.as_bytes()).into_owned(),
    }
}

fn background(commit: &Commit) -> Background<'_> {
    Background { words: &commit.words, pieces: &changes::no_pieces, there: &changes::not_of_now }
}

/// The verdict for programs.
#[must_use]
pub fn object(subject: Subject<'_>, verdict: &Verdict) -> Object {
    let object = Object::whole().with("commit", json::digest(&subject.id.0));
    match verdict {
        Verdict::Same => object.with("verdict", "same").with("runs", 1),
        Verdict::Interrupted(signal) => object.with("verdict", "interrupted").with("signal", *signal),
        Verdict::Differs { mismatches, runs } => object
            .with("verdict", "differs")
            .with("runs", *runs)
            .with("differences", mismatches.iter().map(mismatch_json).collect::<Json>()),
        Verdict::CannotRun(obstacles) => {
            let shape = |obstacle| Json::from(obstacle_json(obstacle, subject.commit));
            let obstacles = obstacles.iter().map(shape);
            object
                .with("verdict", "cannot-run")
                .with("runs", 0)
                .with("obstacles", obstacles.collect::<Json>())
        }
    }
}

fn mismatch_json(mismatch: &Mismatch) -> Json {
    let causes: Vec<&str> = mismatch.causes.iter().map(|cause| cause_code(*cause)).collect();
    let object = match &mismatch.item {
        Item::Termination => Object::part().with("item", "status"),
        Item::Stdout => Object::part().with("item", "stdout"),
        Item::Stderr => Object::part().with("item", "stderr"),
        Item::Output(path) => Object::part().with("item", "output").with("path", json::text(path)),
    };
    let object = match &mismatch.how {
        How::Ended { then, now } => object
            .with("how", "ended")
            .with("before", json::termination(*then))
            .with("after", json::termination(*now)),
        How::Content(contrast) => {
            let text = |bytes: &Option<Vec<u8>>| bytes.as_ref().map_or(Json::Null, |bytes| json::text(bytes));
            object
                .with("how", "content")
                .with(
                    "before",
                    Object::part().with("bytes", contrast.sizes.0).with("text", text(&contrast.then)),
                )
                .with(
                    "after",
                    Object::part().with("bytes", contrast.sizes.1).with("text", text(&contrast.now)),
                )
                .with("first_byte", contrast.offset)
                .with("first_line", contrast.line)
        }
        How::Mode { then, now } => object.with("how", "mode").with("before", *then).with("after", *now),
        How::Kind { then, now } => object
            .with("how", "kind")
            .with("before", facts::output_json(then))
            .with("after", now.as_ref().map_or(Json::Null, |now| facts::output_json(now).into())),
        How::Missing => object.with("how", "missing"),
        How::Additional => object.with("how", "additional"),
        How::Removed => object.with("how", "removed"),
        How::StillHeld => object.with("how", "still-held"),
    };
    object.with("causes", causes).with("text", how_words(&mismatch.how)).into()
}

const fn cause_code(cause: Cause) -> &'static str {
    match cause {
        Cause::Time => "timestamps",
        Cause::Order => "unordered",
        Cause::Address => "addresses",
        Cause::Random => "random",
        Cause::Change => "changed",
    }
}

fn obstacle_json(obstacle: &Obstacle, commit: &Commit) -> Object {
    let kind = match obstacle {
        Obstacle::Differs(difference) => match difference.as_ref() {
            Difference::Known(_) => "fact",
            Difference::Seen { .. } => "observation",
        },
        Obstacle::Moved(_) => "moved",
        Obstacle::Other(_) => "other",
    };
    Object::part().with("kind", kind).with("text", obstacle_words(obstacle, commit))
}
