//! What recorded runs did with paths, as far as it decides whether other runs of the same function, or of the same key, may
//! be made again on top of what is there.

use super::commit::{Commit, SourceFile};
use super::observation::Observation;
use super::output::{OutputKind, OutputTree};
use super::path::{Base, StoredPath};
use super::product::{Product, ProductClass};
use super::state::FileState;
use crate::digest::Digest;
use crate::encode::{Decode, DecodeError, Decoder, Encode, Encoder};
use std::collections::BTreeSet;

/// What was done with a path. The numbers are those of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FactKind {
    /// The file was found and read.
    Consults = 0,
    /// A file or link was found and replaced without being read.
    Overwrites = 1,
    /// It was left changed.
    Makes = 2,
    /// A directory was made there.
    MakesDirectory = 3,
    /// Something that was there was removed from the directory, which had been listed.
    Clears = 4,
    /// A link was left there: its text follows the path and a zero byte.
    LeavesLink = 5,
}

impl FactKind {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Consults, Self::Overwrites, Self::Makes, Self::MakesDirectory, Self::Clears, Self::LeavesLink];

    /// Its number in the store.
    #[must_use]
    pub const fn number(self) -> i64 {
        self as i64
    }

    /// Whether it makes results less often usable: such a fact must never be lost.
    #[must_use]
    pub const fn is_strict(self) -> bool {
        matches!(self, Self::Consults | Self::Clears)
    }
}

/// Whose runs a fact is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FactScope {
    /// Runs of one key.
    Key,
    /// Runs of one function.
    Function,
}

/// Something that a recorded run did with a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fact {
    /// Whose runs.
    pub scope: FactScope,
    /// Relative to the root. Empty for [`FactKind::Consults`] where that is said of every path.
    pub path: Vec<u8>,
    /// What was done.
    pub kind: FactKind,
}

impl Encode for Fact {
    fn encode(&self, to: &mut Encoder) {
        let scope = u64::from(self.scope == FactScope::Function);
        to.unsigned(scope).bytes(&self.path).signed(self.kind.number());
    }
}

impl Decode for Fact {
    fn decode(from: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let scope = match from.unsigned()? {
            0 => FactScope::Key,
            1 => FactScope::Function,
            tag => return Err(DecodeError::UnknownTag(tag)),
        };
        let path = from.bytes()?.to_vec();
        let number = from.signed()?;
        let kind = FactKind::ALL.into_iter().find(|kind| kind.number() == number);
        Ok(Self { scope, path, kind: kind.ok_or(DecodeError::NotCanonical)? })
    }
}

/// The path under which a commit names the code that its call holds.
const INLINE: &str = "-c";
/// Of more files that a run read it is not said one by one.
const MOST_READ: usize = 1024;
/// Directories of packages: nothing that is read there was left by a function.
const PACKAGES: [&[u8]; 4] = [b"node_modules", b"site-packages", b"dist-packages", b".git"];

impl Commit {
    /// The code that the call itself holds, which is not in the function's identity.
    #[must_use]
    pub fn inline_code(&self) -> Option<Digest> {
        let is_inline = |source: &&SourceFile| source.path == StoredPath::in_root(INLINE);
        self.sources.iter().find(is_inline).map(|source| source.blob.0)
    }

    /// What the run did with paths inside the root; `outputs` is its tree.
    #[must_use]
    pub fn facts(&self, outputs: Option<&OutputTree>) -> Vec<Fact> {
        let mut facts = BTreeSet::new();
        let mut add = |scope, kind, path: &[u8]| {
            facts.insert(Fact { scope, path: path.to_vec(), kind });
        };
        for product in self.products.all() {
            let path = product.path.as_slice();
            let after = outputs.and_then(|tree| tree.find(path)).map(|entry| &entry.kind);
            add(FactScope::Function, FactKind::Makes, path);
            if product.class == ProductClass::Consulted && is_file(&product.before) {
                add(FactScope::Function, FactKind::Consults, path);
            }
            if overwrites(product, after) {
                add(FactScope::Key, FactKind::Overwrites, path);
                add(FactScope::Function, FactKind::Overwrites, path);
            }
            if let Some(OutputKind::Symlink { text }) = after {
                add(FactScope::Function, FactKind::LeavesLink, &with_text(path, text));
            }
            if product.before == FileState::Absent && matches!(after, Some(OutputKind::Directory { .. })) {
                add(FactScope::Function, FactKind::MakesDirectory, path);
            }
            let above = path.iter().rposition(|byte| *byte == b'/').and_then(|at| path.get(..at));
            if let Some(above) =
                above.filter(|_| product.removed_after_listing && product.before != FileState::Absent)
            {
                add(FactScope::Function, FactKind::Clears, above);
            }
        }
        let read = self.observations.iter().filter_map(|observation| match observation {
            Observation::Content { path, .. } if path.base() == Base::Root => Some(path.rest()),
            _ => None,
        });
        let is_package = |path: &[u8]| path.split(|byte| *byte == b'/').any(|part| PACKAGES.contains(&part));
        // Calls of a program that is not a script have little to do with each other: `cc -c a.c`, `cc a.o`.
        let is_of_one = !self.sources.is_empty();
        let read: Vec<&[u8]> = read.filter(|path| is_of_one && !is_package(path)).collect();
        if read.len() > MOST_READ {
            add(FactScope::Function, FactKind::Consults, b"");
        } else {
            for path in read {
                add(FactScope::Function, FactKind::Consults, path);
            }
        }
        facts.into_iter().collect()
    }
}

/// The path of a link and its text, as facts name it.
#[must_use]
pub fn with_text(path: &[u8], text: &[u8]) -> Vec<u8> {
    [path, b"\0", text].concat()
}

const fn is_file(state: &FileState) -> bool {
    matches!(state, FileState::File { .. } | FileState::LargeFile { .. })
}

/// Whether a run replaced a file or link that it found, without using it.
fn overwrites(product: &Product, after: Option<&OutputKind>) -> bool {
    let unused = matches!(product.class, ProductClass::Blind | ProductClass::Looked);
    let found = is_file(&product.before) || matches!(product.before, FileState::Symlink { .. });
    let left = match after {
        Some(OutputKind::Symlink { .. }) => true,
        Some(kind) => kind.stored().is_some(),
        None => false,
    };
    // One that was left with equal bytes may have been opened as it was: how much of it was used is not known then.
    let is_other = match (&product.before, after) {
        (FileState::File { digest, .. }, Some(OutputKind::File { content, .. })) => content.blob.0 != *digest,
        (FileState::Symlink { .. }, _) => true,
        _ => false,
    };
    unused && found && left && is_other && !product.times_compared
}
