//! A path that a run changed: its state before and after, and what that makes it as a product.

use super::witness::Before;
use crate::digest::{Digest, Hasher};
use crate::exec::{Access, FirstChange, Prior};
use crate::record::{Evidence, FileState, ProductClass};
use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Bytes that are read at a time.
const PIECE: usize = 64 << 10;

/// A path that the run changed: its state before and after.
pub(super) struct Changed<'a> {
    pub(super) path: &'a Path,
    pub(super) access: Access,
    pub(super) before: &'a Before,
    pub(super) now: Option<Evidence>,
    /// Its state now, if that was needed.
    pub(super) state: FileState,
}

impl Changed<'_> {
    /// Whether a regular file has the bytes that it had before, or is new and empty.
    pub(super) fn has_same_bytes(&self) -> bool {
        match (&self.before.state, &self.state) {
            (FileState::File { digest: before, .. }, FileState::File { digest: now, .. }) => before == now,
            (FileState::Absent, FileState::File { .. }) => self.now.is_some_and(|now| now.size == 0),
            _ => false,
        }
    }

    pub(super) fn is_directory(&self) -> bool {
        self.now.is_some_and(|now| now.mode & libc::S_IFMT == libc::S_IFDIR)
    }

    /// Whether the run only set attributes of a regular file.
    fn is_mode_alone(&self) -> bool {
        let is_file = matches!(self.before.state, FileState::File { .. });
        is_file
            && self.access.first_change == FirstChange::Altered
            && !self.access.changed_otherwise
            && self.access.prior != Prior::Consulted
            && self.has_same_bytes()
    }

    /// Whether the run only appended bytes, and did not use the file otherwise.
    fn is_appended(&self) -> bool {
        self.access.first_change == FirstChange::Appended
            && !self.access.changed_otherwise
            && !self.access.used_after_appending
            && self.access.prior != Prior::Consulted
            && is_continued(
                self.path,
                &self.before.state,
                self.before.evidence.map_or(0, |before| before.size),
            )
    }

    /// What the run did to the path before it first changed it.
    pub(super) fn class(&self) -> ProductClass {
        if self.access.may_be_entered && self.is_directory() {
            return ProductClass::Consulted;
        }
        let by_prior = match self.access.prior {
            Prior::Nothing => ProductClass::Blind,
            Prior::Looked => ProductClass::Looked,
            Prior::Consulted => ProductClass::Consulted,
        };
        match self.access.first_change {
            FirstChange::Altered if self.is_mode_alone() => ProductClass::Mode,
            FirstChange::Appended if self.is_appended() => ProductClass::Appended,
            FirstChange::InPlace if self.has_same_bytes() => by_prior.max_looked(),
            // The call fails if something exists.
            FirstChange::Created => by_prior.max_looked(),
            FirstChange::InPlace | FirstChange::Appended | FirstChange::Altered => ProductClass::Consulted,
            FirstChange::None | FirstChange::Emptied | FirstChange::Put | FirstChange::Removed => by_prior,
        }
    }
}

/// Whether the file at `path` begins with its earlier content of this size.
fn is_continued(path: &Path, before: &FileState, size: u64) -> bool {
    let Ok(found) = fs::symlink_metadata(path) else { return false };
    if !found.is_file() || found.nlink() > 1 || found.len() < size {
        return false;
    }
    match before {
        FileState::Absent => true,
        FileState::File { digest, .. } => {
            let begin = fs::File::open(path).and_then(|file| digest_of(file, size));
            begin.is_ok_and(|begin| begin == *digest)
        }
        _ => false,
    }
}

/// The digest of the first bytes of a file.
fn digest_of(mut file: fs::File, size: u64) -> io::Result<Digest> {
    let (mut hasher, mut buffer, mut rest) = (Hasher::new(), vec![0; PIECE], size);
    while rest > 0 {
        let wanted = usize::try_from(rest).unwrap_or(PIECE).min(PIECE);
        let piece = buffer.get_mut(..wanted).unwrap_or_default();
        file.read_exact(piece)?;
        hasher.update(piece);
        rest -= wanted as u64;
    }
    Ok(hasher.finish())
}

trait MaxLooked {
    fn max_looked(self) -> Self;
}

impl MaxLooked for ProductClass {
    /// At least [`ProductClass::Looked`].
    fn max_looked(self) -> Self {
        if self == Self::Blind { Self::Looked } else { self }
    }
}
