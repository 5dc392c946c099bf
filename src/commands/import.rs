//! `import`: adds the commits of an archive, after verifying all of it.

use super::context::Context;
use super::exit::{DONE, Exit};
use super::found::Opened;
use crate::error::{Error, Result};
use crate::ui::human;
use crate::ui::page::Page;
use crate::ui::progress::Steps;
use clap::ValueHint;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

/// Arguments of `import`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The archive to read
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: PathBuf,
}

/// Imports an archive; `-` is standard input. Creates the store if it does not exist.
///
/// # Errors
/// The file cannot be read or does not verify: then nothing is imported.
pub fn run(args: &Args, context: &Context, page: &mut Page<'_>) -> Result<Exit> {
    let mut from: Box<dyn Read> = if args.file == Path::new("-") {
        Box::new(io::stdin().lock())
    } else {
        Box::new(File::open(&args.file).map_err(|source| Error::io("read", &args.file, source))?)
    };
    let opened = Opened::create(context)?;
    let mut steps = Steps::new();
    let mut from = BufReader::new(&mut from);
    let moved = opened.must()?.import(&mut from, &mut |at| steps.at(at.step, at.done, at.total))?;
    drop(steps);
    let known = match moved.skipped {
        0 => String::new(),
        skipped => format!(", {} known already", human::number(skipped)),
    };
    opened.settle();
    let commits = human::count(moved.commits, "run");
    page.line(&format!("{commits} imported{known}, {} of results", human::size(moved.bytes)))?;
    Ok(DONE)
}
