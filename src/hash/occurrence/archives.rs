//! Searches archives of code (zip, and formats based on it) member by member, including nested archives.

use super::{Found, NameSearch, merge};
use std::fs::File;
use std::io::{self, Cursor, Read, Seek};
use std::os::unix::fs::FileExt;
use std::path::Path;
use zip::ZipArchive;

/// Maximum depth of nested archives, if they are not too large.
const DEEPEST: usize = 3;
const LARGEST_NESTED: u64 = 64 << 20;

/// An archive with a larger unpacked size, in bytes, counts as containing every name.
const LARGEST_UNPACKED: u64 = 1 << 30;

/// The end record of a zip archive without a comment.
const ZIP_END: &[u8] = b"PK\x05\x06";
const ZIP_END_LENGTH: u64 = 22;

const ARCHIVES: &[&str] = &["zip", "jar", "whl", "pyz", "pyzw", "pex", "egg", "war", "ear", "par"];

/// Whether a file is an archive, by its name or content: also a program with an archive appended.
pub(super) fn is_archive(path: &Path, file: &File) -> bool {
    has_name_of_archive(path) || ends_as_archive(file)
}

fn has_name_of_archive(path: &Path) -> bool {
    path.extension().is_some_and(|end| ARCHIVES.iter().any(|other| end == *other))
}

fn ends_as_archive(file: &File) -> bool {
    let mut end = [0; 4];
    let length = file.metadata().map_or(0, |metadata| metadata.len());
    let read = |offset, bytes: &mut [u8; 4]| -> io::Result<()> { file.read_exact_at(bytes, offset) };
    let last = length.checked_sub(ZIP_END_LENGTH).is_some_and(|offset| read(offset, &mut end).is_ok());
    if last && end == ZIP_END {
        return true;
    }
    read(0, &mut end).is_ok() && end == *b"PK\x03\x04"
}

impl NameSearch {
    /// The names that occur in a member of an archive; all names where it cannot be read.
    pub(super) fn in_archive(&self, file: impl Read + Seek, of_project: bool, depth: usize) -> Found {
        self.members(file, of_project, depth).unwrap_or_else(|_| self.everything())
    }

    fn members(
        &self,
        file: impl Read + Seek,
        of_project: bool,
        depth: usize,
    ) -> zip::result::ZipResult<Found> {
        let mut found = self.nothing();
        let mut archive = ZipArchive::new(file)?;
        let mut unpacked = 0_u64;
        for place in 0..archive.len() {
            let member = archive.by_index(place)?;
            let nested = has_name_of_archive(Path::new(member.name()));
            let mut limited = member.take(LARGEST_UNPACKED.saturating_sub(unpacked));
            if nested {
                let mut bytes = Vec::new();
                limited.by_ref().take(LARGEST_NESTED).read_to_end(&mut bytes)?;
                let small = u64::try_from(bytes.len()).is_ok_and(|length| length < LARGEST_NESTED);
                if !small || depth + 1 >= DEEPEST {
                    return Ok(self.everything());
                }
                unpacked += bytes.len() as u64;
                merge(&mut found, &self.in_archive(Cursor::new(bytes), of_project, depth + 1));
            } else {
                let before = limited.limit();
                merge(&mut found, &self.in_reader(&mut limited, false, of_project));
                unpacked += before - limited.limit();
            }
            if unpacked >= LARGEST_UNPACKED {
                return Ok(self.everything());
            }
        }
        Ok(found)
    }
}
