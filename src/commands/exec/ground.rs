//! The context of a call: project, request, policy, store, and streams.

use super::plan::{self, Plan, Showing, StdinSource};
use super::{products, spool};
use crate::commands::context::GONE;
use crate::commands::options::{Flag, Scanned};
use crate::commands::publish;
use crate::digest::Digest;
use crate::error::{Error, Kind, Result};
use crate::exec::Unix;
use crate::hash::request::Request;
use crate::memo::{self, Context, Mode, Policy};
use crate::project::Project;
use crate::record::Recall;
use crate::remote::Remote;
use crate::store::{LocalStore, Store, StoreOptions};
use crate::ui::escape;
use crate::ui::status::Verbosity;
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{IsTerminal, Seek};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The context of a call of `exec`, `check`, `audit` and similar commands.
pub(in crate::commands) struct Ground {
    pub(in crate::commands) project: Project,
    pub(super) plan: Plan,
    pub(super) store: Option<LocalStore>,
    pub(super) no_store: Option<String>,
    /// Copies of the files that references name.
    pub(super) held: memo::Held,
    /// Whether the store did not exist when this call, which may create it, began.
    pub(super) creates: bool,
    /// Whether the working directory cannot be determined.
    pub(super) is_nowhere: bool,
    /// The shared caches of the call.
    pub(super) remotes: Vec<Remote>,
}

impl Ground {
    /// Finds the project, determines the settings, and opens the store.
    pub(in crate::commands) fn new(scanned: &Scanned, create: bool) -> Result<Self> {
        let directory = std::env::current_dir()
            .map_err(|error| Error::io("find", Path::new("the working directory"), error).with_hint(GONE))?;
        Self::here(directory, scanned, create)
    }

    /// Like [`Ground::new`], in the working directory `directory`.
    pub(super) fn here(directory: PathBuf, scanned: &Scanned, create: bool) -> Result<Self> {
        let mut ground = Self::at(directory, scanned)?;
        if ground.plan.policy.mode != Mode::Off && ground.no_store.is_none() {
            // Results of shared caches are copied into the store.
            ground.open_store(create || !ground.remotes.is_empty());
        }
        Ok(ground)
    }

    /// For a working directory that cannot be determined, since it was removed or its path is too long: the command runs bare.
    pub(super) fn nowhere(scanned: &Scanned, error: &std::io::Error) -> Result<Self> {
        // The system resolves relative paths, if it can.
        let mut ground = Self::at(".".into(), scanned)?;
        ground.is_nowhere = ground.plan.policy.mode != Mode::Off;
        ground.no_store = Some(match error.kind() {
            std::io::ErrorKind::NotFound => "the working directory was removed".to_owned(),
            _ => format!("the working directory cannot be determined: {error}"),
        });
        Ok(ground)
    }

    /// Finds the project around `directory` and determines the settings.
    pub(super) fn at(directory: PathBuf, scanned: &Scanned) -> Result<Self> {
        let home = std::env::var_os("HOME");
        let named = scanned.last(Flag::Store).map(OsString::from);
        let named = named.or_else(|| std::env::var_os("CASHET_DIR").filter(|value| !value.is_empty()));
        let mut project = Project::find(directory, home.as_deref(), named.as_deref());
        let settings = project.settings()?;
        let mut plan = plan::plan(scanned, &project, &settings)?;
        let cache = std::env::var_os("XDG_CACHE_HOME");
        let no_store = match project.place_store(&settings.store, cache.as_deref()) {
            Err(error) if error.kind() == Kind::Usage => return Err(error),
            other => other.err().map(|error| error.to_string()),
        };
        publish::remember_digests(&project);
        let held = memo::Held::default();
        let is_local = scanned.has(Flag::NoRemote);
        let named = publish::remotes_of(&settings);
        let named = if is_local { named.unwrap_or_default() } else { named? };
        let of_executors = settings.executors.values().filter_map(|executor| {
            crate::remote::toolchain::Toolchain::parse(executor.toolchain.as_deref()?).ok()
        });
        let toolchains: Vec<_> =
            named.iter().filter_map(|remote| remote.toolchain.clone()).chain(of_executors).collect();
        // Results under a toolchain do not name system files. A call that watches this one needs to know them.
        if !toolchains.is_empty() && !crate::exec::nested::is_watched() {
            plan.policy.toolchains = toolchains;
        }
        let remotes = if is_local { Vec::new() } else { named };
        Ok(Self { project, plan, store: None, no_store, held, creates: false, is_nowhere: false, remotes })
    }

    pub(super) fn open_store(&mut self, create: bool) {
        let options = StoreOptions {
            create,
            trust_owner: self.project.store_is_named,
            durable: self.plan.durable,
            max_size: self.plan.max_size.or(StoreOptions::default().max_size),
        };
        match LocalStore::open(&self.project.store, &options) {
            Ok(store) => {
                self.creates = create && !store.existed();
                self.store = Some(store);
            }
            Err(error) => self.no_store = Some(error.to_string()),
        }
    }

    /// The request of the call.
    pub(in crate::commands) fn request(&self) -> &Request {
        &self.plan.request
    }

    /// The policy of the call.
    pub(in crate::commands) fn policy(&self) -> &Policy {
        &self.plan.policy
    }

    /// The store, if one is used.
    pub(in crate::commands) fn store(&self) -> Option<&LocalStore> {
        self.store.as_ref()
    }

    /// Replaces references by paths, and prepares standard input. Returns the input for the child, if it is not our own.
    pub(in crate::commands) fn settle(&mut self) -> Result<Option<memo::GivenStdin>> {
        let finder = products::Finder { project: &self.project, quiet: self.plan.showing.quiet };
        if let Some(store) = &self.store {
            self.held = memo::resolve_references(&mut self.plan.request, &finder, store)?;
        } else if let Some(word) = memo::first_reference(&self.plan.request) {
            let reason = self.no_store.as_deref().unwrap_or("the store is not used");
            let word = escape::brief(word.as_bytes(), 60);
            return Err(Error::usage(format!("{word} is not available: {reason}"))
                .with_hint("--literal passes such words as they are"));
        }
        let file = match &self.plan.stdin {
            StdinSource::Inherit | StdinSource::Null => return Ok(None),
            StdinSource::Spool => {
                let (given, digest) = spool::spool(std::io::stdin().as_fd(), &self.project.store)?;
                self.reads(&given, digest)?;
                return Ok(Some(given));
            }
            StdinSource::Named(word) => {
                let store = self.store.as_ref().map(|store| store as &dyn Store);
                memo::open_stdin(word, &finder, store)?
            }
        };
        let (given, digest) = spool::digested(file, &self.project.store)?;
        self.reads(&given, digest)?;
        Ok(Some(given))
    }

    /// The child reads the given file from its present offset.
    pub(super) fn reads(&mut self, given: &memo::GivenStdin, digest: Digest) -> Result<()> {
        let offset = (&given.file).stream_position();
        let offset = offset.map_err(|error| Error::io("read", Path::new("standard input"), error))?;
        self.plan.request.reads_stdin(digest, &given.file, offset);
        Ok(())
    }

    /// Checks whether the call would be a hit, without running or recording anything.
    pub(in crate::commands) fn check(&self, observer: &dyn memo::Observer) -> Result<memo::Checked> {
        let streams = Streams::new(false)?;
        memo::check(&self.context(&Unix, observer, &streams), self.request(), self.policy())
    }

    pub(in crate::commands) fn context<'a>(
        &'a self,
        executor: &'a Unix,
        observer: &'a dyn memo::Observer,
        streams: &'a Streams,
    ) -> Context<'a> {
        Context {
            store: self.store.as_ref().map(|store| store as &dyn Store),
            no_store: self.no_store.clone(),
            recall: self.store.as_ref().map_or(&() as &(dyn Recall + Sync), |store| store),
            executor,
            observer,
            remotes: &self.remotes,
            stdin: streams.stdin.as_fd(),
            stdout: match &streams.nowhere {
                Some(nowhere) => nowhere.as_fd(),
                None => streams.stdout.as_fd(),
            },
            stderr: streams.stderr.as_fd(),
        }
    }
}

/// Our own standard streams.
pub(in crate::commands) struct Streams {
    stdin: std::io::Stdin,
    stdout: std::io::Stdout,
    stderr: std::io::Stderr,
    /// Replaces stdout with `--id`.
    nowhere: Option<File>,
}

impl Streams {
    pub(in crate::commands) fn new(to_nowhere: bool) -> Result<Self> {
        let null = Path::new("/dev/null");
        let open =
            || OpenOptions::new().write(true).open(null).map_err(|error| Error::io("open", null, error));
        let nowhere = if to_nowhere { Some(open()?) } else { None };
        Ok(Self { stdin: std::io::stdin(), stdout: std::io::stdout(), stderr: std::io::stderr(), nowhere })
    }
}

pub(super) fn verbosity(showing: &Showing) -> Verbosity {
    if showing.explain {
        Verbosity::Full
    } else if showing.quiet {
        Verbosity::Silent
    } else if showing.verbose || std::io::stderr().is_terminal() {
        Verbosity::Line
    } else {
        Verbosity::Trouble
    }
}
