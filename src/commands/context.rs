//! The context of a command: time, project, store.

use super::values;
use crate::error::{Error, Result};
use crate::exec::Unix;
use crate::memo::verify::VerifyContext;
use crate::project::Project;
use crate::record::Timestamp;
use crate::store::{DEFAULT_MAX_SIZE, LocalStore};
use std::env;
use std::ffi::{OsStr, OsString};
use std::os::fd::BorrowedFd;
use std::path::Path;

/// Hint where the working directory was removed.
pub const GONE: &str = "it was removed or moved: cd to one that is there";

/// The context of every command on the store.
#[derive(Clone, Debug)]
pub struct Context {
    /// The present time.
    pub now: Timestamp,
    /// Working directory, root and store.
    pub project: Project,
}

/// A variable of the environment; an empty one counts as unset.
fn given(name: &str) -> Option<OsString> {
    env::var_os(name).filter(|value| !value.is_empty())
}

impl Context {
    /// The present context. `store` is the value of `--store`; without it `CASHET_DIR` applies.
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

    /// Like [`Context::here`], with the store's location without settings.
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

    /// A verification that runs commands in this project, with `stdin` as their standard input: once, and without ignored writes.
    pub(super) fn verifying<'a>(&'a self, store: &'a LocalStore, stdin: BorrowedFd<'a>) -> VerifyContext<'a> {
        VerifyContext {
            store,
            recall: store,
            executor: &Unix,
            places: &self.project.places,
            directory: &self.project.directory,
            environment: env::vars_os().collect(),
            stdin,
            ignored_writes: &[],
            once: true,
        }
    }

    /// The cap on the store's size, in bytes: the value of `CASHET_MAX_SIZE`, or else of the settings.
    ///
    /// # Errors
    /// The value is not a size; the settings cannot be read.
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
