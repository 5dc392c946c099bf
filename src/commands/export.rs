//! `export`: commits and everything that they need, as one file.

use super::context::Context;
use super::destination::{Destination, directory_of, open_as_it_stands};
use super::exit::{DONE, Exit, NO};
use super::found::Opened;
use crate::digest::CommitId;
use crate::error::{Error, Result};
use crate::store::{LocalStore, Moved};
use crate::ui::page::Page;
use crate::ui::progress::Steps;
use crate::ui::{human, message};
use clap::ValueHint;
use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::io::{self, BufWriter, IsTerminal, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Maximum number of damaged commits that are named.
const MOST_NAMED: usize = 3;

/// Arguments of `export`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
After 'cashet import' of the archive on another machine or in another directory, the same commands are hits there. '-' is standard output.

Examples:
  cashet export results.cashet
  cashet export - @ | ssh host 'cd project && cashet import -'")]
pub struct Args {
    /// The archive to write
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: PathBuf,
    /// The runs; all of them if none is named
    #[arg(value_name = "REV")]
    revisions: Vec<OsString>,
}

/// Writes the archive to a temporary file and renames it when it is complete; `-` is standard output.
///
/// # Errors
/// No such commit; a part of it is damaged; the file cannot be written.
pub fn run(args: &Args, context: &Context, page: &mut Page<'_>) -> Result<Exit> {
    let opened = Opened::open(context)?;
    let store = opened.must()?;
    let ids = args.revisions.iter().map(|revision| opened.find(revision).map(|found| found.id));
    let ids: Vec<CommitId> = ids.collect::<Result<_>>()?;
    let moved = if args.file == Path::new("-") {
        if io::stdout().is_terminal() {
            return Err(Error::usage("an archive is binary, and standard output is a terminal")
                .with_hint("name a file, or pipe it somewhere"));
        }
        write(store, &ids, &mut Bytes(page))?
    } else {
        to_file(store, &ids, &args.file)?
    };
    let skipped = match moved.skipped {
        0 => String::new(),
        skipped => format!("; {} left out, since their results were dropped", human::number(skipped)),
    };
    let (commits, size) = (human::count(moved.commits, "run"), human::size(moved.bytes));
    message::status(&format!("{commits} exported, {size} of results{skipped}"));
    if moved.damaged.is_empty() {
        return Ok(DONE);
    }
    let damaged: Vec<String> = moved.damaged.iter().map(CommitId::short).collect();
    let damaged = human::list(&damaged, MOST_NAMED);
    message::warning(&format!("damaged and left out: {damaged} ('cashet fsck' lists the damage)"));
    Ok(NO)
}

fn to_file(store: &LocalStore, ids: &[CommitId], file: &Path) -> Result<Moved> {
    let failed = |source| Error::io("write", file, source);
    let Destination::Whole(place) = Destination::of(file) else {
        return write(store, ids, &mut open_as_it_stands(file).map_err(failed)?);
    };
    let mut builder = tempfile::Builder::new();
    // The mode of any new file, according to the umask.
    let builder = builder.prefix(".cashet-").permissions(Permissions::from_mode(0o666));
    let mut beside = builder.tempfile_in(directory_of(&place)).map_err(failed)?;
    let moved = write(store, ids, &mut beside)?;
    if let Ok(standing) = fs::metadata(&place) {
        // Users who could not read the previous file must not read this one.
        let mode = Permissions::from_mode(standing.permissions().mode() & 0o777);
        beside.as_file().set_permissions(mode).map_err(failed)?;
    }
    beside.persist(&place).map_err(|refused| failed(refused.error))?;
    Ok(moved)
}

fn write(store: &LocalStore, ids: &[CommitId], to: &mut dyn Write) -> Result<Moved> {
    let mut steps = Steps::new();
    let mut to = BufWriter::new(to);
    let moved = store.export(ids, &mut to, &mut |at| steps.at(at.step, at.done, at.total))?;
    to.flush().map_err(|source| Error::io("write", Path::new("the archive"), source))?;
    Ok(moved)
}

/// A page as a writer of bytes.
struct Bytes<'a, 'p>(&'a mut Page<'p>);

impl Write for Bytes<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.0.bytes(bytes) {
            Ok(()) => Ok(bytes.len()),
            Err(error) => Err(error.os_error().map_or(io::ErrorKind::Other, io::Error::kind).into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
