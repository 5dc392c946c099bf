//! `tag`: changes the tags of a commit.

use super::context::Context;
use super::exit::{DONE, Exit};
use super::found::Opened;
use super::values;
use crate::error::{Error, Kind, Result};
use crate::ui::escape;
use crate::ui::page::Page;
use std::ffi::OsString;

/// Arguments of `tag`.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
The tag 'keep' protects a run from gc.

Examples:
  cashet tag @ keep stage=train
  cashet tag -d @ keep
  cashet tag @                                lists the tags")]
pub struct Args {
    /// The run
    #[arg(value_name = "REV")]
    revision: OsString,
    /// Tags to set; with -d, names of tags to remove; without any, list the tags
    #[arg(value_name = "KEY[=VALUE]", value_parser = values::tag)]
    tags: Vec<(String, String)>,
    /// Remove the tags
    #[arg(short, long, requires = "tags")]
    delete: bool,
}

/// Lists, sets or removes tags.
///
/// # Errors
/// No such commit; with `-d`, a value, or a tag that the commit does not have; the store cannot be written.
pub fn run(args: &Args, context: &Context, page: &mut Page<'_>) -> Result<Exit> {
    let opened = Opened::open(context)?;
    let found = opened.find(&args.revision)?;
    let store = opened.must()?;
    if args.tags.is_empty() {
        for (name, value) in &found.tags {
            let text = if value.is_empty() { name.clone() } else { format!("{name}={value}") };
            page.line(&escape::line(text.as_bytes()))?;
        }
        return Ok(DONE);
    }
    if args.delete {
        let absent = args.tags.iter().find(|(name, _)| !found.tags.iter().any(|(tag, _)| tag == name));
        if let Some((_, value)) = args.tags.iter().find(|(_, value)| !value.is_empty()) {
            return Err(Error::usage(format!("-d takes names of tags, not values ('{value}')"))
                .with_hint("cashet tag -d REV KEY"));
        }
        if let Some((name, _)) = absent {
            return Err(Error::new(
                Kind::NoSuchRevision,
                format!("{} has no tag '{name}'", found.id.short()),
            ));
        }
    }
    for (name, value) in &args.tags {
        if args.delete {
            store.untag(&found.id, name)?;
        } else {
            store.tag(&found.id, name, value)?;
        }
    }
    opened.settle();
    Ok(DONE)
}
