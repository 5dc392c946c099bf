//! Where a command stands: the moment, the project, the store.

use crate::error::{Error, Result};
use crate::project::Project;
use crate::record::Timestamp;
use std::env;
use std::ffi::{OsStr, OsString};
use std::path::Path;

/// What every command on the store is handed.
#[derive(Clone, Debug)]
pub struct Context {
    /// The present moment.
    pub now: Timestamp,
    /// Working directory, root and store.
    pub project: Project,
}

impl Context {
    /// Here and now. `store` is what `--store` says; `CASHET_DIR` says it otherwise.
    ///
    /// # Errors
    /// The working directory cannot be told.
    pub fn here(store: Option<&OsStr>) -> Result<Self> {
        let directory = env::current_dir()
            .map_err(|source| Error::io("find", Path::new("the working directory"), source))?;
        let given = |name| env::var_os(name).filter(|value: &OsString| !value.is_empty());
        let named = store.map(OsStr::to_owned).or_else(|| given("CASHET_DIR"));
        let project = Project::find(directory, given("HOME").as_deref(), named.as_deref());
        Ok(Self { now: Timestamp::now(), project })
    }
}
