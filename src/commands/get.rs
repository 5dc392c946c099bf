//! `get`: what a commit printed or made, byte for byte.

use super::context::Context;
use super::destination::{Destination, directory_of, open_as_it_stands};
use super::exit::{DONE, Exit};
use super::found::{Found, Opened, evicted};
use super::revision;
use super::stripped::Stripped;
use crate::buffer::Buffer;
use crate::error::{Error, Kind, Result};
use crate::memo::outputs::extract;
use crate::record::{Content, OutputKind};
use crate::ui::page::Page;
use crate::ui::progress::{Progress, Unit};
use crate::ui::{diff, escape, human, message};
use clap::ValueHint;
use std::ffi::OsString;
use std::fs::{self, File, Permissions};
use std::io::{self, IsTerminal, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Arguments of `get`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  cashet get @                       what the newest run printed
  cashet get 3f2a:out/model.bin -o model.bin
  cashet get 3f2a --outputs -o results")]
pub struct Args {
    /// The run; with :PATH, one of its output files instead of its standard output
    #[arg(value_name = "REV[:PATH]")]
    revision: OsString,
    /// Write to this file; with --outputs, into this directory
    #[arg(short, long, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    output: Option<PathBuf>,
    /// Write the standard error of the run
    #[arg(long, conflicts_with = "outputs")]
    stderr: bool,
    /// Write all output files of the run
    #[arg(long, requires = "output")]
    outputs: bool,
    /// Keep colours and other escape sequences even if standard output is not a terminal
    #[arg(long, conflicts_with = "outputs")]
    raw: bool,
    /// With --outputs, overwrite existing files that differ
    #[arg(long, requires = "outputs")]
    force: bool,
}

/// What is to be written: a file, and its permission bits if it had some.
struct Product {
    file: OutputKind,
    mode: Option<u32>,
    /// Escape sequences are left out.
    is_stripped: bool,
}

impl Product {
    /// What was printed.
    const fn stream(content: Content, is_stripped: bool) -> Self {
        Self { file: OutputKind::File { content, mode: PRIVATE, sparse: false }, mode: None, is_stripped }
    }

    fn read(&self, opened: &Opened) -> Result<Box<dyn Read + Send>> {
        let bytes = extract::open(opened.must()?, &self.file)?;
        Ok(if self.is_stripped { Box::new(Stripped::new(bytes)) } else { bytes })
    }
}

/// Permission bits of a file that is not in its place yet.
const PRIVATE: u32 = 0o600;

/// Writes what was asked for.
///
/// # Errors
/// No such commit or output; its bytes are damaged or were dropped; binary bytes for a terminal; the target does not
/// take them.
pub fn run(args: &Args, context: &Context, page: &mut Page<'_>) -> Result<Exit> {
    let opened = Opened::open(context)?;
    let (revision, path) = revision::parse_with_path(&args.revision)?;
    let found = opened.found(&revision)?;
    if found.evicted {
        return Err(evicted(&found));
    }
    if args.outputs {
        if path.is_some() {
            return Err(Error::usage("--outputs takes a revision without a path")
                .with_hint("give the path alone, or --outputs alone"));
        }
        // The parser requires it.
        let directory = args.output.as_deref().unwrap_or(Path::new("."));
        all_outputs(&opened, &found, directory, args.force)?;
        return Ok(DONE);
    }
    let product = match path {
        Some(_) if args.stderr => {
            return Err(Error::usage("--stderr takes a revision without a path")
                .with_hint("give the path alone, or --stderr alone"));
        }
        Some(path) => output(&opened, &found, &path)?,
        None => {
            let commit = &found.commit;
            let [stdout, stderr] = commit.terminals.map(|made| made.is_some());
            let (stream, is_coloured) =
                if args.stderr { (commit.stderr, stderr) } else { (commit.stdout, stdout) };
            let to_terminal = args.output.is_none() && io::stdout().is_terminal();
            Product::stream(stream, is_coloured && !args.raw && !to_terminal)
        }
    };
    match &args.output {
        Some(file) if file != Path::new("-") => to_file(&opened, &product, file)?,
        _ => to_stdout(&opened, &product, args.output.is_none() && io::stdout().is_terminal(), page)?,
    }
    Ok(DONE)
}

/// One output of the commit. `path` counts from the root, as the outputs are listed.
fn output(opened: &Opened, found: &Found, path: &[u8]) -> Result<Product> {
    let tree = opened.outputs(found)?;
    let shown = escape::brief(path, 60);
    let no = |what: &str| {
        Error::new(Kind::NoSuchRevision, format!("{} {what} '{shown}'", found.id.short()))
            .with_hint(format!("'cashet show {}' lists its outputs", found.id.short()))
    };
    let wanted = path.strip_prefix(b"./").unwrap_or(path);
    let wanted = wanted.strip_suffix(b"/").unwrap_or(wanted);
    match tree.find(wanted).map(|entry| &entry.kind) {
        Some(file @ (OutputKind::File { mode, .. } | OutputKind::Sparse { mode, .. })) => {
            Ok(Product { file: file.clone(), mode: Some(*mode), is_stripped: false })
        }
        Some(OutputKind::Symlink { text }) => {
            Err(no(&format!("made a link to '{}', no file,", escape::brief(text, 60))))
        }
        Some(OutputKind::Removed) => Err(no("removed")),
        Some(OutputKind::Directory { .. }) => Err(no("made a directory, no file,")),
        None => {
            let beneath = [wanted, b"/"].concat();
            let has = tree.entries().iter().any(|entry| entry.path.starts_with(&beneath));
            Err(no(if has { "made files in the directory" } else { "has no output" }))
        }
    }
}

fn to_stdout(opened: &Opened, product: &Product, terminal: bool, page: &mut Page<'_>) -> Result<()> {
    let mut from = product.read(opened)?;
    let mut buffer = Buffer::new(256 * 1024);
    let mut first = true;
    loop {
        let length = match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Error::io("read", Path::new("the stored result"), error)),
        };
        let bytes = buffer.get(..length).unwrap_or_default();
        if std::mem::take(&mut first) && terminal && diff::is_binary(bytes) {
            return Err(Error::usage("this is binary, and standard output is a terminal")
                .with_hint("-o FILE writes it to a file; -o - writes it here all the same"));
        }
        page.bytes(bytes)?;
    }
}

/// Writes beside `file`, then gives it the name; what is not a regular file (a pipe, a device) is written as it is.
fn to_file(opened: &Opened, product: &Product, file: &Path) -> Result<()> {
    let failed = |source| Error::io("write", file, source);
    let Destination::Whole(place) = Destination::of(file) else {
        let mut to = open_as_it_stands(file).map_err(failed)?;
        io::copy(&mut product.read(opened)?, &mut to).map_err(failed)?;
        return Ok(());
    };
    let mut stage = tempfile::Builder::new();
    let stage = stage.prefix(".cashet-").tempdir_in(directory_of(&place)).map_err(failed)?;
    let beside = stage.path().join("file");
    let progress = Progress::new("writing", Unit::Bytes);
    let written = if product.is_stripped {
        let mut written = File::create_new(&beside).map_err(failed)?;
        io::copy(&mut product.read(opened)?, &mut written).map_err(failed)?;
        written
    } else {
        extract::create_file(opened.must()?, &beside, &product.file, &mut |done| {
            progress.at(done, product.file.size());
        })?
    };
    written.set_permissions(Permissions::from_mode(PRIVATE)).map_err(failed)?;
    let kept = fs::metadata(&place).ok().map(|standing| standing.permissions().mode() & 0o777);
    // What the mask for new files makes of a new file.
    let usual = File::create(stage.path().join("new")).and_then(|file| file.metadata()).map_err(failed)?;
    let mode = product.mode.or(kept).unwrap_or_else(|| usual.permissions().mode() & 0o777);
    fs::set_permissions(&beside, Permissions::from_mode(mode)).map_err(failed)?;
    fs::rename(&beside, &place).map_err(failed)
}

fn all_outputs(opened: &Opened, found: &Found, directory: &Path, force: bool) -> Result<()> {
    let tree = opened.outputs(found)?;
    let tree = tree.under(crate::exec::umask);
    let progress = Progress::new("writing", Unit::Bytes);
    let total = tree.total_bytes();
    let extracted = extract::extract(opened.must()?, &tree, directory, force, &mut |done| {
        progress.at(done, Some(total));
    })?;
    progress.finish();
    let same = match extracted.same {
        0 => String::new(),
        same => format!(", {} there already", human::number(same)),
    };
    message::status(&format!(
        "{} written to {}{same}",
        human::count(extracted.written, "file"),
        directory.display()
    ));
    Ok(())
}
