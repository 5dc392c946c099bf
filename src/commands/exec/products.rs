//! Finds what words such as `cashet:REV:PATH` stand for.

use crate::commands::context::Context;
use crate::commands::found::Opened;
use crate::digest::BlobId;
use crate::error::{Error, Kind, Result};
use crate::memo::Products;
use crate::project::Project;
use crate::record::{OutputKind, Timestamp};
use crate::ui::escape;
use std::ffi::OsStr;

/// Finds products in the project's store; it is opened when the first is asked for.
pub(super) struct Finder<'a> {
    pub(super) project: &'a Project,
}

impl Products for Finder<'_> {
    fn product(&self, revision: &str, path: Option<&[u8]>) -> Result<BlobId> {
        let context = Context { now: Timestamp::now(), project: self.project.clone() };
        let opened = Opened::open(&context)?;
        let found = opened.find(OsStr::new(revision))?;
        let Some(path) = path else { return Ok(found.commit.stdout.blob) };
        let tree = opened.outputs(&found)?;
        match tree.find(path).map(|entry| &entry.kind) {
            Some(OutputKind::File { content, .. }) => Ok(content.blob),
            other => {
                let what = if other.is_some() { "is no file" } else { "is no output" };
                let message = format!("{} {what} of {}", escape::line(path), found.id.short());
                Err(Error::new(Kind::NoSuchRevision, message)
                    .with_hint(format!("'cashet show {}' lists its outputs", found.id.short())))
            }
        }
    }
}
