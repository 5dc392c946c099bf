//! Running commands elsewhere: a job of an existing scheduler or launcher runs `cashet worker` on another machine, which
//! records the run in the shared store.
//!
//! A job is a directory in the store ([`Place`]), named by the key of its call: an identical call finds it. What
//! the engine says of a job only decides whether to wait. How the command ended is in the result that the worker left, or
//! nowhere.
//!
//! Knows nothing of caching, the command line or the terminal.

mod attempts;
mod call;
mod engine;
mod launcher;
mod list;
mod lock;
mod members;
mod place;
mod program;
mod quote;
mod resources;
mod settings;
pub mod shipped;
mod slurm;
mod tail;
mod tree;

pub use attempts::{Attempt, machine};
pub use call::Call;
pub use engine::{Arrays, Engine, Job, Member, State};
pub use list::{list, sweep};
pub use lock::Lock;
pub use members::environment_of;
pub use place::{Found, Place};
pub use quote::quoted;
pub use resources::Resources;
pub use settings::engine;
pub use shipped::{Attributes, Left, LeftRun, ShippedCall};
pub use tail::Tail;
pub use tree::{Entered, enter, is_taken, take};
