//! The values that all floors share: what one run is, once it is over.
//!
//! Knows nothing of how they are found (`hash`, `exec`), kept (`store`) or shown (`ui`).

mod circumstances;
mod commit;
mod evidence;
mod fact;
mod found;
mod names;
mod observation;
mod output;
mod path;
mod product;
pub mod questions;
mod recall;
mod state;
mod stdin;
mod stream;
mod terminal;
mod termination;

pub use circumstances::{Circumstances, Known, user_digest};
pub use commit::{Acceptance, Commit, Coverage, Replay, SourceFile};
pub use evidence::{Evidence, Timestamp, viewer};
pub use fact::{Fact, FactKind, FactScope, with_text};
pub use found::{BothEnds, FoundProgram};
pub use names::Names;
pub use observation::Observation;
pub use output::{Attribute, Extent, MODE_BITS, OutputEntry, OutputKind, OutputTime, OutputTree, WithHoles};
pub use path::{Base, Places, StoredPath};
pub use product::{Product, ProductClass, Products, name_in};
pub use recall::Recall;
pub use state::{FileState, ModeRule};
pub use stdin::{StdinKind, StdinUse};
pub use stream::{Chunk, Content, Interleaving, Stream, StreamOrder};
pub use terminal::OnTerminal;
pub use termination::{Resources, Termination};
