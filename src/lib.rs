//! cashet caches any command. The first call runs the command and watches it; output, exit status and files are stored. The same
//! call replays them until something that they depend on changes.
//!
//! The program `cashet` is a thin layer over this crate. A program that runs commands of its own can use it in the
//! same way:
//!
//! ```
//! use cashet::{Context, LocalStore, Mode, Outcome, Policy, Project, Request, StoreOptions, Unix, memoize};
//! use std::fs::File;
//! use std::os::fd::AsFd;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let folder = tempfile::tempdir()?;
//! let store = folder.path().join("store");
//! let project = Project::find(std::env::current_dir()?, None, Some(store.as_os_str()));
//! let store = LocalStore::open(&project.store, &StoreOptions { create: true, ..StoreOptions::default() })?;
//!
//! let words = ["sh", "-c", "echo made; echo made >&2"].map(Into::into).to_vec();
//! let request = Request::new(words, project.directory, project.places, std::env::vars_os().collect());
//!
//! let streams = (File::open("/dev/null")?, File::create(folder.path().join("out"))?);
//! let context = Context {
//!     store: Some(&store),
//!     no_store: None,
//!     recall: &store,
//!     executor: &Unix,
//!     observer: &(),
//!     remotes: &[],
//!     stdin: streams.0.as_fd(),
//!     stdout: streams.1.as_fd(),
//!     stderr: streams.1.as_fd(),
//! };
//! let policy = Policy { mode: Mode::Auto, pure: true, ..Policy::default() };
//! let first = memoize(&context, &request, None, &policy)?;
//! let second = memoize(&context, &request, None, &policy)?;
//!
//! assert!(matches!(first.outcome, Outcome::Ran { .. }));
//! assert!(matches!(second.outcome, Outcome::Hit { .. }));
//! assert_eq!(first.commit, second.commit);
//! assert_eq!(std::fs::read_to_string(folder.path().join("out"))?, "made\n".repeat(4));
//! # Ok(())
//! # }
//! ```
//!
//! # How it works
//!
//! [`memoize`] collects everything that is known before the run in a [`hash::manifest::Manifest`], whose digest is the
//! key. It asks the [`Store`] for commits of this key, and replays the first one whose observations all hold. Otherwise
//! the [`Executor`] runs the command, and the run becomes a new commit, if it can be cached. [`Answer`]
//! says what happened and why, in types ([`Outcome`], [`MissReason`], [`NotKept`], [`Bypass`]). The library never
//! prints: it sends events to an [`Observer`].
//!
//! * A run has the working directory of its [`Request`]; several threads may make calls at the same time, with one store.
//! * A problem of the store is not an error: the command runs, and the answer says so.
//! * A program that starts others under watch should ignore none of their signals; see [`exec`].
//!
//! # What can be replaced
//!
//! | trait | what it is | example |
//! |---|---|---|
//! | [`Store`] | stores results: [`store::ResultIndex`], [`store::BlobStore`], [`store::Claims`] and a directory | `examples/own_store.rs` keeps them in memory |
//! | [`Executor`] | runs a command and reports what it did | `examples/own_executor.rs` counts runs, without watching |
//! | [`Language`] | the normal form of a source, without layout and comments | `examples/own_language.rs` adds a language |
//! | [`Recall`] | remembers captures, which makes later calls fast; `()` remembers nothing | all three |
//! | [`Observer`] | receives events; `()` ignores them | all three |
//!
//! `cargo run --example own_store` runs the first example.
//!
//! # What is stable
//!
//! The names at the top of this crate, and the types in their signatures. Hidden modules belong to the program.

pub mod buffer;
#[doc(hidden)]
pub mod commands;
pub mod digest;
#[doc(hidden)]
pub mod elsewhere;
pub mod encode;
pub mod error;
pub mod exec;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
pub mod hash;
pub mod memo;
pub mod profiles;
pub mod project;
pub mod record;
#[doc(hidden)]
pub mod remote;
pub mod store;
#[doc(hidden)]
pub mod sweep;
#[doc(hidden)]
pub mod ui;

pub use error::{Error, Kind, Result};
pub use exec::{Executor, Unix};
pub use hash::language::Language;
pub use hash::request::{Languages, Request};
pub use memo::{
    Answer, Bypass, Checked, Context, Event, Kept, MissReason, Mode, NotKept, Observer, Outcome, Policy,
    Statuses, Watching, check, memoize,
};
pub use project::Project;
pub use record::{Commit, Recall};
pub use store::{LocalStore, Store, StoreOptions};
