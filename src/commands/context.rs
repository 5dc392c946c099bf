//! Where a command stands: the moment, the project, the store.

use super::values;
use crate::error::{Error, Result};
use crate::project::Project;
use crate::record::Timestamp;
use crate::store::DEFAULT_MAX_SIZE;
use std::env;
use std::ffi::{OsStr, OsString};
use std::path::Path;

/// What to do where the working directory was removed.
pub const GONE: &str = "it was removed or moved: cd to one that is there";

/// What every command on the store is handed.
#[derive(Clone, Debug)]
pub struct Context {
    /// The present moment.
    pub now: Timestamp,
    /// Working directory, root and store.
    pub project: Project,
}

/// A variable of the environment; an empty one counts as unset.
fn given(name: &str) -> Option<OsString> {
    env::var_os(name).filter(|value| !value.is_empty())
}

impl Context {
    /// Here and now. `store` is what `--store` says; `CASHET_DIR` says it otherwise.
    ///
    /// # Errors
    /// The working directory cannot be told.
    pub fn here(store: Option<&OsStr>) -> Result<Self> {
        let mut context = Self::without_settings(store)?;
        let project = &mut context.project;
        if !project.store_is_named {
            let settings = project.settings()?;
            project.place_store(&settings.store, given("XDG_CACHE_HOME").as_deref())?;
        }
        Ok(context)
    }

    /// The same, but the store is where it is without settings.
    ///
    /// # Errors
    /// The working directory cannot be told.
    pub fn without_settings(store: Option<&OsStr>) -> Result<Self> {
        let directory = env::current_dir().map_err(|source| {
            Error::io("find", Path::new("the working directory"), source).with_hint(GONE)
        })?;
        let named = store.map(OsStr::to_owned).or_else(|| given("CASHET_DIR"));
        let project = Project::find(directory, given("HOME").as_deref(), named.as_deref());
        Ok(Self { now: Timestamp::now(), project })
    }

    /// The cap on the store's size, in bytes: what `CASHET_MAX_SIZE` says, or else the settings.
    ///
    /// # Errors
    /// Either says what is not a size; the settings cannot be read.
    pub fn max_size(&self) -> Result<u64> {
        if let Some(text) = env::var_os("CASHET_MAX_SIZE").filter(|text| !text.is_empty()) {
            return values::size(&text.to_string_lossy())
                .map_err(|error| values::of_option("CASHET_MAX_SIZE", &error));
        }
        match self.project.settings()?.store.max_size {
            Some(text) => {
                values::size(&text).map_err(|error| values::of_option("max-size in cashet.toml", &error))
            }
            None => Ok(DEFAULT_MAX_SIZE),
        }
    }
}
