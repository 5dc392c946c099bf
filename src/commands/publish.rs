//! `publish`: uploads queued results to the shared caches. An internal command: `exec` starts it in the background at its end, so that
//! no call waits for it.

use super::exit::{DONE, Exit};
use crate::digest::CommitId;
use crate::error::Result;
use crate::exec::{is_nested, nested, start_detached, start_helper};
use crate::hash::manifest::Manifest;
use crate::hash::user_digests;
use crate::memo::{self, Published, Unpublished};
use crate::project::Project;
use crate::record::{Commit, Places};
use crate::remote::carrier::Failure;
use crate::remote::directory::Directory;
use crate::remote::journal::{Asked, Journal};
use crate::remote::keys::SigningKey;
use crate::remote::toolchain::Token;
use crate::remote::{Opened, Remote, Upload, Writing, tier};
use crate::store::{LocalStore, StoreOptions};
use std::collections::HashSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// The name of the command.
pub(super) const NAME: &str = "publish";

/// The shared caches in the settings.
pub(super) fn remotes_of(settings: &crate::project::Settings) -> Result<Vec<Remote>> {
    tier::named(&settings.remotes)
}

/// Why a run is written to none of the shared caches of a project, or to none at all where the project has none. `None` for a run
/// that cannot be replayed anyway.
pub(super) fn kept_here(
    remotes: &[Remote],
    commit: &Commit,
    manifest: &Manifest,
    places: &Places,
) -> Option<String> {
    if !commit.is_replayable() {
        return None;
    }
    let of = |token: Option<&Token>| memo::kept_here(commit, manifest, token, places);
    let mut reasons = remotes.iter().map(|remote| of(remote.token().ok().flatten().as_ref()));
    let Some(first) = reasons.next() else { return of(None) };
    let others_too = first.is_some() && reasons.all(|reason| reason.is_some());
    first.filter(|_| others_too)
}

/// Uploads the result of a run to the writable shared caches; `tell` receives problems that the user can solve.
pub(super) fn start(
    store: &LocalStore,
    commit: &CommitId,
    (root, remotes): (&Path, &[Remote]),
    tell: &dyn Fn(&str),
) {
    let directory = store.directory();
    let journal = Journal::of(directory);
    let key = match tier::signing_key() {
        Ok(key) => key,
        Err(error) => return tell(&error.to_string()),
    };
    let mut wants = false;
    for remote in remotes {
        match tier::writing(remote, key.as_ref(), is_own(remote)) {
            Writing::Yes => wants = true,
            Writing::Refused(why) if journal.says(&remote.url, "unwritten") => {
                tell(&format!("{}: nothing is written to it: {why}", remote.shown()));
            }
            Writing::Refused(_) | Writing::Unasked => {}
        }
    }
    if !wants {
        return;
    }
    journal.add(commit, root);
    let before_the_end = remotes.iter().any(|remote| remote.upload == Upload::Wait);
    // The outer call would consider the process as one that its command left behind.
    if before_the_end || is_nested() {
        drain(store, &mut |_, told| told.iter().for_each(|words| tell(words)));
        return;
    }
    let (Ok(program), Ok(directory)) = (std::env::current_exe(), std::path::absolute(directory)) else {
        return;
    };
    let mut command = Command::new(program);
    command.arg(NAME).arg(directory);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // The process does not stay in a directory of the user either.
    command.current_dir("/");
    // A failure is left to the next call, and to `cashet remote flush`.
    let _ = start_detached(&mut command);
}

/// Whether no other user can write to it. This is not known of a directory that cannot be reached: uploads to it stay queued.
pub(super) fn is_own(remote: &Remote) -> bool {
    let path = remote.url.strip_prefix("dir:").map(PathBuf::from);
    path.is_some_and(|path| Directory::open(path).map_or(true, |directory| directory.is_own()))
}

/// `cashet publish STORE`.
pub(super) fn main(directory: &OsString) -> Exit {
    let options = StoreOptions { trust_owner: true, ..StoreOptions::default() };
    if let Ok(store) = LocalStore::open(Path::new(directory), &options) {
        // There is no user to read a message.
        drain(&store, &mut |_, _| ());
    }
    DONE
}

/// Uploads all queued results; `on` receives the outcome of each.
pub(super) fn drain(store: &LocalStore, on: &mut dyn FnMut(&CommitId, &[String])) {
    let journal = Journal::of(store.directory());
    let key = tier::signing_key().ok().flatten();
    let mut writer = Writer { store, journal: &journal, key: key.as_ref(), open: Vec::new() };
    let mut tried = HashSet::new();
    // The other process uploads what is queued meanwhile: it checks again after releasing the lock.
    while let Some(claim) = journal.claim() {
        let waiting = journal.waiting();
        let new: Vec<_> = waiting.into_iter().filter(|one| tried.insert(one.commit)).collect();
        if new.is_empty() {
            return;
        }
        for waiting in new {
            let home = std::env::var_os("HOME");
            let project = Project::find(waiting.root.clone(), home.as_deref(), None);
            remember_digests(&project);
            let remotes = project.settings().and_then(|settings| remotes_of(&settings)).unwrap_or_default();
            let mut told = Vec::new();
            let is_done = remotes.iter().fold(true, |is_done, remote| {
                let ended = writer.write(remote, &waiting.commit, &project.places);
                let is_written = !matches!(ended, Ended::Failed(_));
                told.extend(ended.said(remote));
                is_done && is_written
            });
            if is_done {
                waiting.done();
            }
            on(&waiting.commit, &told);
        }
        user_digests::write_down();
        drop(claim);
    }
}

/// Remembers the digests of large files for the user.
pub(super) fn remember_digests(project: &Project) {
    if let Some(directory) = project.user_cache(std::env::var_os("XDG_CACHE_HOME").as_deref()) {
        user_digests::keep_in(&directory, &project.places.root, nested::is_unwatched);
    }
}

/// Uploads runs of a store to shared caches, with one connection for each.
pub(super) struct Writer<'a> {
    pub(super) store: &'a LocalStore,
    pub(super) journal: &'a Journal,
    pub(super) key: Option<&'a SigningKey>,
    pub(super) open: Vec<(String, Opened)>,
}

/// The outcome of an upload to one cache.
pub(super) enum Ended {
    /// The run is there, is not shared, or was removed from the store.
    Published(Published),
    /// The cache is not written to.
    Unasked,
    /// The cache may not be written to.
    Refused(String),
    /// It failed, and will be tried again.
    Failed(String),
}

impl Ended {
    /// The message about it, if there is one.
    fn said(&self, remote: &Remote) -> Option<String> {
        match self {
            Self::Published(Published::Private(why)) => {
                Some(format!("{}: not shared: {why}", remote.shown()))
            }
            Self::Refused(why) | Self::Failed(why) => Some(format!("{}: {why}", remote.shown())),
            _ => None,
        }
    }
}

impl Writer<'_> {
    /// Uploads one run to one cache, if that is writable.
    pub(super) fn write(&mut self, remote: &Remote, commit: &CommitId, places: &Places) -> Ended {
        match tier::writing(remote, self.key, is_own(remote)) {
            Writing::Yes => {}
            Writing::Unasked => return Ended::Unasked,
            Writing::Refused(why) => return Ended::Refused(why),
        }
        if self.journal.pauses(&remote.url) {
            return Ended::Failed("it failed several times: it is not used for a minute".to_owned());
        }
        let began = Instant::now();
        let published = self.publish(remote, commit, places);
        let count = |asked| self.journal.count(&remote.url, &remote.shown(), asked, began.elapsed());
        match published {
            Ok(published) => {
                if published == Published::Done {
                    count(Asked::Written);
                }
                Ended::Published(published)
            }
            Err(Unpublished::Cache(Failure::Paused)) => Ended::Failed(Failure::Paused.to_string()),
            Err(Unpublished::Cache(failure)) => {
                count(Asked::Error);
                self.open.retain(|(url, _)| *url != remote.url);
                Ended::Failed(failure.to_string())
            }
            Err(Unpublished::Store(error)) => Ended::Failed(error.to_string()),
        }
    }

    fn publish(
        &mut self,
        remote: &Remote,
        commit: &CommitId,
        places: &Places,
    ) -> Result<Published, Unpublished> {
        let known = self.open.iter().position(|(url, _)| *url == remote.url);
        let place = if let Some(place) = known {
            place
        } else {
            let path = tier::trusted_keys_path();
            let keys = path.and_then(|path| tier::read_keys(&path).ok()).unwrap_or_default();
            self.open.push((remote.url.clone(), remote.open(start_helper, &keys, self.key)?));
            self.open.len().saturating_sub(1)
        };
        match self.open.get_mut(place) {
            Some((_, opened)) => {
                let token = remote.token().ok().flatten();
                memo::publish(self.store, commit, opened, (self.key, token.as_ref()), places)
            }
            None => Ok(Published::Gone),
        }
    }
}
