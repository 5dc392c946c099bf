//! Resolves words such as `cashet:REV:PATH` to the outputs of runs.

use crate::commands::context::Context;
use crate::commands::found::Opened;
use crate::commands::revision::{self, Base};
use crate::error::{Error, Kind, Result};
use crate::memo::outputs::whole;
use crate::memo::{Product, Products};
use crate::project::Project;
use crate::record::{OutputKind, Timestamp};
use crate::store::BlobStore;
use crate::ui::{commits, escape};
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Finds products in the project's store, which is opened with the first query.
pub(super) struct Finder<'a> {
    pub(super) project: &'a Project,
    /// Prints errors only.
    pub(super) quiet: bool,
}

impl Products for Finder<'_> {
    fn product(&self, reference: &OsStr) -> Result<Product> {
        let unknown = |error: Error| {
            let shown = escape::brief(reference.as_bytes(), 60);
            let message = format!("'cashet:{shown}' names nothing: {error}");
            Error::new(error.kind(), message)
                .with_hint("cashet log lists the runs; --literal passes such words as they are")
        };
        let (revision, path) = revision::parse_with_path(reference).map_err(unknown)?;
        let context = Context { now: Timestamp::now(), project: self.project.clone() };
        let opened = Opened::open(&context)?;
        let opened = if self.quiet { opened.silent() } else { opened };
        let found = opened.found(&revision).map_err(|error| match (&revision.base, error.kind()) {
            // The hint of this error lists the candidates.
            (Base::Prefix(_), Kind::NoSuchRevision) if error.to_string().ends_with("is ambiguous") => error,
            (_, Kind::NoSuchRevision) => unknown(error),
            _ => error,
        })?;
        if let state @ ("killed" | "interrupted") = commits::state(&found.commit) {
            let message = format!("{} was {state}: its output is incomplete", found.id.short());
            return Err(Error::new(Kind::NoSuchRevision, message).with_hint("cashet log lists the runs"));
        }
        let Some(path) = path else { return Ok(Product { blob: found.commit.stdout.blob, path: None }) };
        let tree = opened.outputs(&found)?;
        match tree.find(&path).map(|entry| &entry.kind) {
            Some(OutputKind::File { content, .. }) => Ok(Product { blob: content.blob, path: Some(path) }),
            // A copy needs all bytes in one blob.
            Some(file @ OutputKind::Sparse { data, .. }) => {
                let store = opened.must()?;
                let mut writer = store.write()?;
                io::copy(&mut whole(file, store.read(&data.blob)?), &mut writer)
                    .map_err(|error| Error::io("store", Path::new("a copy of an output"), error))?;
                Ok(Product { blob: writer.finish()?.blob, path: Some(path) })
            }
            other => {
                let what = if other.is_some() { "is not a file" } else { "is not an output" };
                let message = format!("{} {what} of {}", escape::brief(&path, 60), found.id.short());
                Err(Error::new(Kind::NoSuchRevision, message)
                    .with_hint(format!("'cashet show {}' lists its outputs", found.id.short())))
            }
        }
    }
}
