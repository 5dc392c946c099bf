//! The outputs that a call declares: what of them was there before the run, and what is there after it.

use super::event::{Event, Observer};
use super::moving::{clear, move_path};
use super::reason::NotKept;
use super::unfinished::{self, Begun, Note};
use crate::error::{Error, Result, means_absent};
use crate::hash::globs::Patterns;
use crate::hash::request::Request;
use crate::record::{Evidence, Timestamp};
use crate::store::Workspace;
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
    pub(super) unread: Patterns,
    root: PathBuf,
    directory: PathBuf,
    before: BTreeMap<PathBuf, Evidence>,
    /// Why it is not known what was there before, if it is not.
    unknown: Option<String>,
    /// What was moved aside: from where, to where.
    aside: Vec<(PathBuf, PathBuf)>,
    /// That it was, for the call after this one.
    note: Option<Note>,
}

impl Declared {
    pub(super) fn new(request: &Request) -> Result<Self> {
        Ok(Self {
            inputs: Patterns::inputs(&request.inputs, &request.directory)?,
            outputs: Patterns::outputs(&request.outputs, &request.directory, &request.places)?,
            ignored: request.ignored.written(&request.directory, &request.places)?,
            unread: request.ignored.read(&request.directory, &request.places)?,
            root: request.places.root.clone(),
            directory: request.directory.clone(),
            before: BTreeMap::new(),
            unknown: None,
            aside: Vec::new(),
            note: None,
        })
    }

    /// Records the outputs that exist before the run. With `clean`, moves them into the store's `replaced`.
    ///
    /// # Errors
    /// When something cannot be moved aside; all is as it was then.
    pub(super) fn before(&mut self, clean: bool, workspace: Workspace<'_>) -> Result<()> {
        let present = match self.outputs.present() {
            Ok(present) => present,
            // The command runs all the same, and is not cached.
            Err(error) => {
                self.unknown = Some(error.to_string());
                return Ok(());
            }
        };
        if clean && !present.is_empty() {
            return self.move_aside(&tops(&present), workspace);
        }
        for path in present {
            match fs::symlink_metadata(&path) {
                Ok(metadata) => {
                    self.before.insert(path, Evidence::of(&metadata));
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => self.unknown = Some(Error::io("inspect", &path, error).to_string()),
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
                fs::symlink_metadata(path).map_err(|error| blind(Error::io("inspect", path, error)))?;
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

    fn move_aside(&mut self, paths: &[PathBuf], workspace: Workspace<'_>) -> Result<()> {
        for path in paths {
            for (place, what) in [
                (&*self.root, "the project"),
                (&*self.directory, "the working directory"),
                (workspace.root(), "the store"),
            ] {
                if place.starts_with(path) {
                    let message =
                        format!("--clean-outputs cannot move {} aside: it holds {what}", path.display());
                    return Err(Error::usage(message).with_hint("name with --output what the command makes"));
                }
            }
        }
        let directory = workspace.replaced().join(format!("outputs-{}", Timestamp::now().0));
        let to = |number: usize| directory.join(number.to_string());
        let moved: Vec<_> =
            paths.iter().enumerate().map(|(number, path)| (path.clone(), to(number))).collect();
        // Known before it happens: whatever ends this process, the next call puts it back.
        self.note = Some(unfinished::note(workspace, &Begun::Aside(moved.clone()))?);
        fs::create_dir_all(&directory).map_err(|error| Error::io("create", &directory, error))?;
        for (path, to) in moved {
            if let Err(error) = move_path(&path, &to) {
                self.put_back(&());
                return Err(Error::io("move aside", &path, error));
            }
            self.aside.push((path, to));
        }
        Ok(())
    }

    /// The run failed: what was moved aside goes back, in place of what the run left there.
    pub(super) fn put_back(&mut self, observer: &dyn Observer) {
        for (path, copy) in std::mem::take(&mut self.aside) {
            // What cannot be moved back stays in `replaced`.
            let cleared = match fs::symlink_metadata(&path) {
                Err(error) if means_absent(&error) => Ok(()),
                _ => clear(&path),
            };
            Self::settle(path, copy, cleared.map(|()| false), observer);
        }
        self.note = None;
    }

    /// The run did not fail: what took the place of what was moved aside stays, and that goes; the rest comes back.
    pub(super) fn done(&mut self, observer: &dyn Observer) {
        for (path, copy) in std::mem::take(&mut self.aside) {
            let is_replaced = match fs::symlink_metadata(&path) {
                Ok(_) => Ok(true),
                Err(error) if means_absent(&error) => Ok(false),
                Err(error) => Err(error),
            };
            Self::settle(path, copy, is_replaced, observer);
        }
        self.note = None;
    }

    /// Removes what was put aside if it `is_replaced`, or moves it back.
    fn settle(path: PathBuf, copy: PathBuf, is_replaced: io::Result<bool>, observer: &dyn Observer) {
        let settled = match is_replaced {
            Ok(true) => clear(&copy),
            Ok(false) => unfinished::put_back(&path, &copy).map(|_| ()),
            Err(error) => Err(error),
        };
        unfinished::remove_empty(&copy);
        if let Err(error) = settled {
            observer.on(&Event::LeftAside { path, copy, why: error.to_string() });
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
