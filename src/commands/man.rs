//! `man`: the manual pages, generated from the parser.

use super::exit::{DONE, Exit};
use crate::error::{Error, Result};
use crate::ui::page::Page;
use clap::{Command, ValueHint};
use clap_mangen::Man;
use std::fs;
use std::path::{Path, PathBuf};

/// Arguments of `man`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The command whose page is written to standard output; cashet itself if none is named
    #[arg(value_name = "COMMAND", conflicts_with = "directory")]
    command: Option<String>,
    /// Write all pages into this directory, as cashet.1, cashet-exec.1, …
    #[arg(short = 'o', long = "output", value_name = "DIR", value_hint = ValueHint::DirPath)]
    directory: Option<PathBuf>,
}

/// Writes one page of the commands `root` to `page`, or all into a directory.
///
/// # Errors
/// No such command; the directory cannot be written.
pub fn run(args: &Args, root: Command, page: &mut Page<'_>) -> Result<Exit> {
    let pages = pages(root)?;
    match (&args.command, &args.directory) {
        (None, Some(directory)) => write_all(&pages, directory)?,
        (name, None) => {
            let wanted = name.as_deref().map_or_else(|| "cashet".to_owned(), |name| format!("cashet-{name}"));
            let found = pages.iter().find(|(name, _)| *name == wanted);
            let (_, text) = found.ok_or_else(|| {
                Error::usage(format!("no such command: {}", name.as_deref().unwrap_or_default()))
                    .with_hint("see 'cashet --help'")
            })?;
            page.bytes(text)?;
        }
        (Some(_), Some(_)) => {}
    }
    Ok(DONE)
}

fn write_all(pages: &[(String, Vec<u8>)], directory: &Path) -> Result<()> {
    fs::create_dir_all(directory).map_err(|source| Error::io("create", directory, source))?;
    for (name, text) in pages {
        let path = directory.join(format!("{name}.1"));
        fs::write(&path, text).map_err(|source| Error::io("write", &path, source))?;
    }
    Ok(())
}

/// Every page with its name; the first is that of cashet itself.
fn pages(mut root: Command) -> Result<Vec<(String, Vec<u8>)>> {
    root.build();
    let rendered = |command: Command| {
        let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
        let mut text = Vec::new();
        Man::new(command).render(&mut text).map_err(|source| Error::io("make", Path::new(&name), source))?;
        Ok((name, text))
    };
    let commands: Vec<Command> =
        root.get_subcommands().filter(|command| !command.is_hide_set()).cloned().collect();
    std::iter::once(root).chain(commands).map(rendered).collect()
}

#[cfg(test)]
mod tests {
    use super::super::cli;
    use super::*;

    #[test]
    fn every_command_has_a_page() {
        let pages = pages(cli::command()).unwrap();
        assert_eq!(pages.first().map(|(name, _)| name.as_str()), Some("cashet"));
        let names: Vec<&str> = pages.iter().map(|(name, _)| name.as_str()).collect();
        for command in cli::command().get_subcommands() {
            assert!(names.contains(&format!("cashet-{}", command.get_name()).as_str()), "{names:?}");
        }
        for (name, text) in &pages {
            let text = String::from_utf8(text.clone()).unwrap();
            assert!(text.contains(".SH NAME") && text.contains(".SH SYNOPSIS"), "{name}");
        }
    }

    #[test]
    fn pages_go_into_a_directory_that_need_not_be_there() {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().join("a/b");
        write_all(&pages(cli::command()).unwrap(), &directory).unwrap();
        assert!(directory.join("cashet.1").is_file());
        assert!(directory.join("cashet-log.1").is_file());
    }
}
