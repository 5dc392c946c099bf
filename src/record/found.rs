//! What was found by a name or at a path: programs on PATH, states before and after a run.

use super::path::StoredPath;
use super::state::FileState;
use crate::encode::{Decode, DecodeError, Decoder, Encode, Encoder};

/// A name that was looked for on PATH, and the program that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundProgram {
    /// The name.
    pub name: Vec<u8>,
    /// The program; `None` where there was none.
    pub program: Option<StoredPath>,
}

impl Encode for FoundProgram {
    fn encode(&self, to: &mut Encoder) {
        to.bytes(&self.name).option(self.program.as_ref());
    }
}

impl Decode for FoundProgram {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        Ok(Self { name: from.bytes()?.to_vec(), program: from.option()? })
    }
}

/// A path as a run found it, and as it left it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BothEnds {
    /// The path, of which the last link is not followed.
    pub path: StoredPath,
    /// What was there when the run began.
    pub before: FileState,
    /// What was there when it ended.
    pub after: FileState,
}

impl Encode for BothEnds {
    fn encode(&self, to: &mut Encoder) {
        to.value(&self.path).value(&self.before).value(&self.after);
    }
}

impl Decode for BothEnds {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            path: StoredPath::decode(from)?,
            before: FileState::decode(from)?,
            after: FileState::decode(from)?,
        })
    }
}
