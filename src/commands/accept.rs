//! `cashet accept`: the present code or inputs count as equal to those of a recorded run.

use super::context::Context;
use super::exec::{Ground, Streams};
use super::exit::{DONE, Exit, NO};
use super::found::{Found, Opened};
use super::options::{Flag, Scanned};
use super::runner;
use crate::digest::CommitId;
use crate::error::{Error, Kind, Result};
use crate::exec::Unix;
use crate::hash::capture::Captured;
use crate::hash::request::Request;
use crate::memo::accept::{self, Proposal, Recorded};
use crate::memo::verify;
use crate::memo::{self, Difference, Held};
use crate::record::{Acceptance, OutputTree, Timestamp};
use crate::store::{Draft, Filter};
use crate::ui::colour::Role;
use crate::ui::json::{self, Object};
use crate::ui::miss::{self, Call};
use crate::ui::page::Page;
use crate::ui::{commits, diff, escape, human, message};
use clap::ArgMatches;
use std::ffi::OsString;
use std::io::IsTerminal;
use std::os::fd::AsFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// Maximum number of lines of a difference that are shown for one source.
const DIFF_LINES: usize = 40;

/// Runs `cashet accept WORDS`.
pub(super) fn main(words: &[OsString]) -> Exit {
    runner::from_store("accept", words, run)
}

/// Values of the options.
struct Given {
    why: Vec<u8>,
    yes: bool,
    as_json: bool,
}

fn run(matches: &ArgMatches, scanned: &Scanned) -> Result<Exit> {
    let given = Given {
        why: matches.get_one::<OsString>("why").map(|why| why.as_bytes().to_vec()).unwrap_or_default(),
        yes: matches.get_flag("yes"),
        as_json: matches.get_flag("json"),
    };
    let context = Context::here(scanned.last(Flag::Store))?;
    let opened = Opened::open(&context)?;
    opened.must()?;
    let since: Vec<&OsString> = matches.get_many::<OsString>("since").into_iter().flatten().collect();
    let can_ask = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    if !given.yes && !can_ask {
        return Err(
            Error::usage("accept needs a terminal to ask").with_hint("--yes accepts without a question")
        );
    }
    let found: Vec<Found> = if since.is_empty() {
        vec![newest(&opened, &scanned.words, &context)?]
    } else {
        since.into_iter().map(|revision| opened.find(revision)).collect::<Result<_>>()?
    };
    let mut page = Page::stdout(context.now);
    let mut exit = DONE;
    for found in &found {
        if one(found, scanned, &given, (&context, &opened), &mut page)? == NO {
            exit = NO;
        }
    }
    page.finish()?;
    Ok(exit)
}

/// The newest run that may answer calls, of these words in this directory or, without words, of all.
fn newest(opened: &Opened, words: &[OsString], context: &Context) -> Result<Found> {
    let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
    let here = context.project.places.store(&context.project.directory);
    for found in opened.log(Filter { replayable: Some(true), ..Filter::default() }) {
        let found = found?;
        let is_meant = words.is_empty() || (found.commit.words == words && found.commit.directory == here);
        if is_meant && !found.evicted && !found.distrusted {
            return Ok(found);
        }
    }
    let what =
        if words.is_empty() { "there is no cached run" } else { "there is no cached run of this command" };
    Err(Error::new(Kind::NoSuchRevision, what).with_hint("'cashet log' lists the runs, --since names one"))
}

/// The error for a run that cannot be accepted.
fn refused(found: &Found, why: &str) -> Error {
    let message = format!("{} cannot be accepted: {why}", found.id.short());
    Error::new(Kind::NothingToReplay, message).with_hint("run the command to have a result of the present")
}

fn one(
    found: &Found,
    scanned: &Scanned,
    given: &Given,
    (context, opened): (&Context, &Opened),
    page: &mut Page<'_>,
) -> Result<Exit> {
    if !found.commit.is_replayable() {
        return Err(refused(found, "its result was not cached"));
    }
    if found.evicted || found.distrusted {
        return Err(refused(found, "its result is no longer stored"));
    }
    if found.commit.directory != context.project.places.store(&context.project.directory) {
        let directory = context.project.places.resolve(&found.commit.directory);
        return Err(refused(found, "it ran in another directory")
            .with_hint(format!("cd {}", escape::word(directory.as_os_str().as_bytes()))));
    }
    let mut call = scanned.clone();
    if call.words.is_empty() {
        call.words = found.commit.words.iter().map(|word| OsString::from_vec(word.clone())).collect();
    }
    let mut ground = Ground::new(&call, false)?;
    drop(ground.settle()?);
    let streams = Streams::new(false)?;
    let executor = Unix;
    let doing = ground.context(&executor, &(), &streams);
    let manifest = found.manifest();
    let recorded = Recorded { id: found.id, commit: &found.commit, manifest: &manifest };
    // Without a command, the recorded call: its options are in its manifest.
    let rebuilt = scanned.words.is_empty().then(|| again(found, &manifest, opened, context)).transpose()?;
    let request = rebuilt.as_ref().map_or_else(|| ground.request(), |(request, _held)| request);
    let request = memo::as_it_was_watched(&doing, request, ground.policy(), &manifest)?;
    let (differences, captured, draft) = match accept::propose(&doing, &request, ground.policy(), recorded)? {
        Proposal::Differs { differences, captured, draft } => (differences, captured, draft),
        Proposal::Answered(by) => {
            if given.as_json {
                page.json(&answered(found, by).into())?;
            } else {
                message::status(&format!("nothing to accept: {} answers already", by.short()));
            }
            return Ok(DONE);
        }
        Proposal::Refused(why) => return Err(refused(found, &why)),
    };
    accept::can_record(opened.must()?, &found.commit)?;
    let shown = request.shown_words();
    let about = Call { words: &shown, places: &request.places, store: opened.store() };
    let phrases = miss::differences(&about, &differences, &found.id, None);
    if !given.as_json {
        show(found, &phrases, (&differences, &captured), opened, page)?;
        page.flush()?;
    }
    let question = format!("the result of {} is taken for the present code and inputs", found.id.short());
    if !given.yes && !message::is_confirmed(&question) {
        message::status("nothing was accepted");
        return Ok(NO);
    }
    let acceptance = Acceptance { of: found.id, by: user(), at: Timestamp::now(), why: given.why.clone() };
    let id = accept::accept(&doing, &request, ground.policy(), recorded, (&draft as &Draft, acceptance))?;
    opened.settle();
    if given.as_json {
        let texts = phrases.iter().map(String::as_str).collect::<serde_json::Value>();
        page.json(&answered(found, id).with("differences", texts).into())?;
    } else {
        message::status(&format!("accepted {} as {}", found.id.short(), id.short()));
    }
    Ok(DONE)
}

fn answered(found: &Found, by: CommitId) -> Object {
    Object::whole().with("of", json::digest(&found.id.0)).with("commit", json::digest(&by.0))
}

/// The call of a recorded run.
fn again(
    found: &Found,
    manifest: &crate::hash::manifest::Manifest,
    opened: &Opened,
    context: &Context,
) -> Result<(Request, Held)> {
    let stdin = std::io::stdin();
    let context = context.verifying(opened.must()?, stdin.as_fd());
    let outputs = OutputTree::default();
    let recorded = verify::Recorded { id: found.id, commit: &found.commit, manifest, outputs: &outputs };
    verify::request_of(&context, recorded)?.map_err(|why| refused(found, &why))
}

/// Shows the differences in words, then the differences of the sources.
fn show(
    found: &Found,
    phrases: &[String],
    (differences, captured): (&[Difference], &Captured),
    opened: &Opened,
    page: &mut Page<'_>,
) -> Result<()> {
    let age = human::age(found.commit.started, page.look.now, &page.look.zone);
    let room = page.look.width.map_or(usize::MAX, |width| width.saturating_sub(16 + age.len()).max(10));
    let command = commits::command(&found.commit);
    let hash = page.look.paint(&found.id.short(), Role::Hash).into_owned();
    page.line(&format!("{hash}  {}  {age}", escape::cut(&command, room)))?;
    for line in escape::wrapped(phrases, page.look.width.map(|width| width.saturating_sub(2))) {
        let line = page.look.paint(&line, Role::Changed).into_owned();
        page.line(&format!("  {line}"))?;
    }
    for source in &captured.sources {
        let is_changed = differences.iter().any(|difference| match difference {
            Difference::Known(change) => {
                matches!(&change.part, crate::hash::manifest::Part::Source(path) if *path == source.path)
            }
            Difference::Seen { then, .. } => memo::observed_path(then) == Some(&source.path),
        });
        let before = found.commit.sources.iter().find(|before| before.path == source.path);
        let Some(before) = before.filter(|_| is_changed) else { continue };
        let Some(text) = opened.content(&crate::record::Content { blob: before.blob, size: 0 }) else {
            continue;
        };
        let name = escape::line(source.path.shown().as_os_str().as_bytes()).into_owned();
        let names = (format!("{}/{name}", found.id.short()), format!("now/{name}"));
        let shown = diff::unified((&names.0, &text), (&names.1, &source.bytes), &page.look);
        page.line("")?;
        for line in shown.lines().take(DIFF_LINES) {
            page.line(line)?;
        }
        if let Some(left) = shown.lines().count().checked_sub(DIFF_LINES).filter(|left| *left > 0) {
            page.line(&format!("… {} more", human::count(u64::try_from(left).unwrap_or(u64::MAX), "line")))?;
        }
    }
    Ok(())
}

/// The name of the user: from the system's table, or else from the environment, or else the number.
fn user() -> Vec<u8> {
    let number = rustix::process::geteuid().as_raw().to_string();
    let table = std::fs::read("/etc/passwd").unwrap_or_default();
    let by_table = table.split(|byte| *byte == b'\n').find_map(|line| {
        let mut fields = line.split(|byte| *byte == b':');
        let name = fields.next()?;
        (fields.nth(1)? == number.as_bytes()).then(|| name.to_vec())
    });
    let by_environment = || {
        let set = |name: &&str| std::env::var_os(name).filter(|value| !value.is_empty());
        ["LOGNAME", "USER"].iter().find_map(set).map(OsStringExt::into_vec)
    };
    by_table.filter(|name| !name.is_empty()).or_else(by_environment).unwrap_or(number.into_bytes())
}
