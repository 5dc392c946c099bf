//! The outputs that a call declares: what of them was there before the run, and what is there after it.

use super::policy::Policy;
use super::reason::NotKept;
use crate::error::{Error, Result};
use crate::hash::globs::Patterns;
use crate::hash::request::Request;
use crate::record::{Evidence, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The declared patterns of a call, and the outputs that were there before it.
pub(super) struct Declared {
    pub(super) inputs: Patterns,
    pub(super) outputs: Patterns,
    pub(super) ignored: Patterns,
    root: PathBuf,
    before: BTreeMap<PathBuf, Evidence>,
    /// Why it is not known what was there before, if it is not.
    unknown: Option<String>,
    /// What was moved aside: from where, to where.
    aside: Vec<(PathBuf, PathBuf)>,
    aside_directory: Option<PathBuf>,
}

impl Declared {
    pub(super) fn new(request: &Request, policy: &Policy) -> Result<Self> {
        Ok(Self {
            inputs: Patterns::inputs(&request.inputs, &request.directory)?,
            outputs: Patterns::outputs(&request.outputs, &request.directory, &request.places)?,
            ignored: Patterns::outputs(&policy.ignored_writes, &request.directory, &request.places)?,
            root: request.places.root.clone(),
            before: BTreeMap::new(),
            unknown: None,
            aside: Vec::new(),
            aside_directory: None,
        })
    }

    /// Takes down what is there before the run; with `clean`, moves it aside, into the store's `replaced`.
    pub(super) fn before(&mut self, clean: bool, store: &Path) -> Result<()> {
        let present = match self.outputs.present() {
            Ok(present) => present,
            // The command runs all the same, and is not kept.
            Err(error) => {
                self.unknown = Some(error.to_string());
                return Ok(());
            }
        };
        if clean && !present.is_empty() {
            let directory = store.join("replaced").join(format!("outputs-{}", Timestamp::now().0));
            fs::create_dir_all(&directory).map_err(|error| Error::io("create", &directory, error))?;
            self.aside_directory = Some(directory.clone());
            for (number, path) in tops(&present).into_iter().enumerate() {
                let to = directory.join(number.to_string());
                if let Err(error) = fs::rename(&path, &to) {
                    self.put_back();
                    return Err(Error::io("move aside", &path, error));
                }
                self.aside.push((path, to));
            }
            return Ok(());
        }
        for path in present {
            match fs::symlink_metadata(&path) {
                Ok(metadata) => {
                    self.before.insert(path, Evidence::of(&metadata));
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => self.unknown = Some(Error::io("look at", &path, error).to_string()),
            }
        }
        Ok(())
    }

    /// The paths that the run left or removed, relative to the root. Where it was watched, only that something is
    /// there is asked: what was written is known already.
    ///
    /// # Errors
    /// A declared output that is not there, or, unwatched, one that the run did not touch; outputs that cannot be looked
    /// at, which is not taken for their absence.
    pub(super) fn after(&self, watched: bool) -> Result<BTreeSet<Vec<u8>>, NotKept> {
        let blind = |error: Error| NotKept::Store(error.to_string());
        if let Some(reason) = &self.unknown {
            return Err(NotKept::Store(reason.clone()));
        }
        if let Some(missing) = self.outputs.missing().map_err(blind)? {
            return Err(NotKept::OutputMissing(missing));
        }
        let mut paths = BTreeSet::new();
        if watched {
            return Ok(paths);
        }
        let relative =
            |path: &Path| path.strip_prefix(&self.root).ok().map(|rest| rest.as_os_str().as_bytes().to_vec());
        let present = self.outputs.present().map_err(blind)?;
        for path in &present {
            let metadata =
                fs::symlink_metadata(path).map_err(|error| blind(Error::io("look at", path, error)))?;
            let untouched = self.before.get(path) == Some(&Evidence::of(&metadata));
            if untouched && !metadata.is_dir() {
                return Err(NotKept::OutputUntouched(path.clone()));
            }
            paths.extend(relative(path).filter(|path| !path.is_empty()));
        }
        let gone = self.before.keys().filter(|path| present.binary_search(path).is_err());
        paths.extend(gone.filter_map(|path| relative(path)));
        Ok(paths)
    }

    /// The run failed: what was moved aside goes back, in place of what the run left there.
    pub(super) fn put_back(&mut self) {
        for (from, to) in self.aside.drain(..) {
            let is_directory = fs::symlink_metadata(&from).is_ok_and(|metadata| metadata.is_dir());
            let cleared = if is_directory { fs::remove_dir_all(&from) } else { fs::remove_file(&from) };
            // What cannot be moved back stays in `replaced`.
            let _ = cleared;
            let _ = fs::rename(&to, &from);
        }
        self.remove_empty();
    }

    /// The run did well: what was moved aside is of no use any more.
    pub(super) fn done(&mut self) {
        if let Some(directory) = self.aside_directory.take().filter(|_| !self.aside.is_empty()) {
            let _ = fs::remove_dir_all(&directory);
        }
    }

    fn remove_empty(&mut self) {
        if let Some(directory) = self.aside_directory.take() {
            let _ = fs::remove_dir(directory);
        }
    }
}

/// The paths of a sorted list that are not below another of it.
fn tops(paths: &[PathBuf]) -> Vec<PathBuf> {
    let mut tops: Vec<PathBuf> = Vec::new();
    for path in paths {
        if !tops.last().is_some_and(|top| path.starts_with(top)) {
            tops.push(path.clone());
        }
    }
    tops
}
