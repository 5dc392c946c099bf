//! `--snapshot`: the project as it was when its job was submitted, at the place where the project is.
//!
//! The caller copies what git tracks, or would track, and what the call is known to read (`take`). The worker lays the
//! copy over the project in a mount namespace of its own (`enter`): the command sees the copied files at their usual
//! paths, and for everything else the project as it is. What the command changed is brought into the project when it has
//! ended ([`Entered::leave`]).

mod enter;
mod settle;
mod take;

pub use enter::{Entered, enter};
pub use take::take;

use crate::encode::{Decode, DecodeError, Decoder, Encode, Encoder};
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// The copied files, in the directory of a tree.
const FILES: &str = "files";

/// The description of a tree, in its directory. It is written last: without it there is no tree.
const ABOUT: &str = "about";

/// The description of a copied tree.
#[derive(Clone, Debug, PartialEq, Eq)]
struct About {
    /// The root of the project.
    root: PathBuf,
    /// Entries of copied directories that were there and were not copied, relative to the root.
    left: Vec<PathBuf>,
}

impl Encode for About {
    fn encode(&self, to: &mut Encoder) {
        to.bytes(self.root.as_os_str().as_bytes());
        to.length(self.left.len());
        for path in &self.left {
            to.bytes(path.as_os_str().as_bytes());
        }
    }
}

impl Decode for About {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let path = |bytes: Vec<u8>| PathBuf::from(OsString::from_vec(bytes));
        let root = path(from.bytes()?.to_vec());
        Ok(Self { root, left: from.list::<Vec<u8>>()?.into_iter().map(path).collect() })
    }
}

/// Whether there is a whole tree in `directory`.
#[must_use]
pub fn is_taken(directory: &Path) -> bool {
    directory.join(ABOUT).is_file()
}
