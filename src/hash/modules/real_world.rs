//! A world on a real directory, for tests; it notes every look.

use super::super::world::{Kind, World};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};

/// Reads the real file system; has its own variables.
#[derive(Default)]
pub(super) struct RealWorld {
    pub(super) variables: BTreeMap<OsString, OsString>,
    /// Every path that was looked at.
    pub(super) looked: Vec<PathBuf>,
}

impl World for RealWorld {
    fn kind(&mut self, path: &Path) -> Kind {
        self.looked.push(path.to_path_buf());
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_file() => Kind::File,
            Ok(metadata) if metadata.is_dir() => Kind::Directory,
            Ok(_) => Kind::Other,
            Err(_) => Kind::Absent,
        }
    }

    fn read(&mut self, path: &Path) -> Option<Vec<u8>> {
        self.looked.push(path.to_path_buf());
        fs::read(path).ok()
    }

    fn entries(&mut self, directory: &Path) -> Option<Vec<(OsString, Kind)>> {
        self.looked.push(directory.to_path_buf());
        let mut entries = Vec::new();
        for entry in fs::read_dir(directory).ok()? {
            let entry = entry.ok()?;
            let kind = match entry.file_type().ok()? {
                kind if kind.is_file() => Kind::File,
                kind if kind.is_dir() => Kind::Directory,
                _ => Kind::Other,
            };
            entries.push((entry.file_name(), kind));
        }
        entries.sort();
        Some(entries)
    }

    fn link(&mut self, path: &Path) -> Option<OsString> {
        self.looked.push(path.to_path_buf());
        fs::read_link(path).ok().map(Into::into)
    }

    fn variable(&mut self, name: &OsStr) -> Option<OsString> {
        self.variables.get(name).cloned()
    }
}
