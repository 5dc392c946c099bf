//! Finds what words such as `cashet:REV:PATH` stand for.

use crate::digest::BlobId;
use crate::error::{Error, Kind, Result};
use crate::memo::Products;
use crate::project::Project;

pub(super) struct Finder<'a> {
    pub(super) project: &'a Project,
}

impl Products for Finder<'_> {
    fn product(&self, revision: &str, _path: Option<&[u8]>) -> Result<BlobId> {
        Err(Error::new(
            Kind::NoSuchRevision,
            format!("there is no commit '{revision}' in {}", self.project.store.display()),
        ))
    }
}
