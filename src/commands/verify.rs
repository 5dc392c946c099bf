//! `verify`: runs a recorded command again and compares the results.

use super::context::Context;
use super::exit::{DONE, Exit, NO};
use super::found::{self, Found, Opened};
use crate::error::{EXIT_USAGE, Result};
use crate::exec;
use crate::hash::globs::Patterns;
use crate::memo::verify::{self as verifying, Recorded, Verdict, VerifyContext};
use crate::project::Words;
use crate::ui::page::Page;
use crate::ui::verify::{self as view, Subject};
use std::ffi::OsString;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;

/// Arguments of `verify`.
#[derive(Clone, Debug, clap::Args)]
#[command(
    after_help = "Exit status: 0 the result is the same, 1 it differs, 2 the run cannot be repeated here."
)]
pub struct Args {
    /// The run
    #[arg(value_name = "REV")]
    revision: OsString,
    /// Run the command only once, even if a second run would explain a difference
    #[arg(long)]
    once: bool,
    /// Ignore writes to matching paths, as in 'exec' (repeatable)
    #[arg(long = "ignore-write", value_name = "GLOB")]
    ignored_writes: Vec<OsString>,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

/// Runs the commit's command again and compares.
///
/// # Errors
/// No such commit; its result is no longer stored, or damaged; files that were moved aside could not be restored.
pub fn run(args: &Args, context: &Context, page: &mut Page<'_>) -> Result<Exit> {
    let opened = Opened::open(context)?;
    let found = opened.find(&args.revision)?;
    if found.evicted {
        return Err(found::evicted(&found));
    }
    let outputs = opened.outputs(&found)?;
    let store = opened.must()?;
    let stdin = std::io::stdin();
    let ignored_writes = &ignored_writes(args, context, &found)?;
    let once = args.once;
    let context = VerifyContext { ignored_writes, once, ..context.verifying(store, stdin.as_fd()) };
    let manifest = found.manifest();
    let outputs = outputs.under(exec::umask);
    let recorded = Recorded { id: found.id, commit: &found.commit, manifest: &manifest, outputs: &outputs };
    let verdict = verifying::verify(&context, recorded)?;
    if let Verdict::Interrupted(signal) = verdict {
        return Ok(Exit::Signal(signal));
    }
    let subject = Subject { id: found.id, commit: &found.commit, outputs: &outputs };
    if args.json {
        page.json(&view::object(subject, &verdict).into())?;
    } else {
        view::show(subject, &verdict, page)?;
    }
    Ok(match verdict {
        Verdict::Same => DONE,
        Verdict::Differs { .. } => NO,
        Verdict::CannotRun(_) | Verdict::Interrupted(_) => Exit::Status(EXIT_USAGE),
    })
}

/// The patterns of ignored writes, from the call and the settings for this command, relative to the working directory.
fn ignored_writes(args: &Args, context: &Context, found: &Found) -> Result<Vec<OsString>> {
    let project = &context.project;
    let settings = project.settings()?;
    let words: Vec<OsString> =
        found.commit.words.iter().map(|word| std::ffi::OsStr::from_bytes(word).to_owned()).collect();
    let block = settings.commands.iter().find(|block| block.matches(&words)).map(|block| &block.exec);
    let listed = block.into_iter().chain([&settings.exec]).filter_map(|block| block.ignore_write.as_ref());
    let placed = |word: &String| {
        if Patterns::is_below_home(word.as_ref()) { OsString::from(word) } else { project.from_root(word) }
    };
    let listed = listed.flat_map(Words::all).map(placed);
    Ok(listed.chain(args.ignored_writes.iter().cloned()).collect())
}
