//! The values that all floors share: what one run is, once it is over.
//!
//! Knows nothing of how they are found (`hash`, `exec`), kept (`store`) or shown (`ui`).

mod commit;
mod observation;
mod output;
mod path;
mod recall;
mod stream;

pub use commit::{Commit, Coverage, Replay, Resources, SourceFile, Termination};
pub use observation::{Evidence, FileState, FoundProgram, Observation, StdinUse, Timestamp};
pub use output::{MODE_BITS, OutputEntry, OutputKind, OutputTree};
pub use path::{Base, Places, StoredPath};
pub use recall::Recall;
pub use stream::{Chunk, Content, Stream, StreamOrder};
