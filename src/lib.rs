//! cashet makes any command remember: it is run once and watched; what it printed, how it ended and which files it
//! left are kept; and they are replayed for as long as everything that decided them is the same.
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
//! # How it goes
//!
//! [`memoize`] takes down everything that is known before the run as a [`hash::manifest::Manifest`], whose digest is the
//! key; asks the [`Store`] for commits of that key; and replays the first whose observations all hold. Otherwise
//! the [`Executor`] runs the command, and what it did becomes a new commit, if it is one that may be kept. [`Answer`]
//! says what happened and why, in types ([`Outcome`], [`MissReason`], [`NotKept`], [`Bypass`]). Nothing is ever
//! printed: what there is to tell meanwhile goes to an [`Observer`].
//!
//! * A run has the working directory of its [`Request`]; several threads may make calls at the same time, with one store.
//! * A trouble with the store is not an error: the command runs, and the answer says so.
//! * A program that starts others under watch should ignore none of their signals; see [`exec`].
//!
//! # What can be replaced
//!
//! | trait | what it is | example |
//! |---|---|---|
//! | [`Store`] | where results are kept: [`store::ResultIndex`], [`store::BlobStore`], [`store::Claims`] and a directory | `examples/own_store.rs` keeps them in memory |
//! | [`Executor`] | what runs a command and tells what it did | `examples/own_executor.rs` counts, and runs where nothing is watched |
//! | [`Language`] | what is left of a source when layout and comments go | `examples/own_language.rs` reads a language of its own |
//! | [`Recall`] | what makes the second look cheap; `()` remembers nothing | all three |
//! | [`Observer`] | who is told; `()` tells nobody | all three |
//!
//! `cargo run --example own_store` and its like run them.
//!
//! # What is stable
//!
//! The names at the top of this crate and what they lead to. Modules that say so are the program's own.

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
