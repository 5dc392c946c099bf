//! Does the name of a variable occur in a file? (for now: one search for each name)

use std::path::PathBuf;

/// A search for names.
#[derive(Debug)]
pub struct NameSearch {
    names: Vec<Vec<u8>>,
}

impl NameSearch {
    /// For these names.
    pub fn new<'n>(names: impl Iterator<Item = &'n [u8]>) -> Self {
        Self { names: names.map(<[u8]>::to_vec).collect() }
    }

    /// The names that occur in any of the files.
    #[must_use]
    pub fn search_files(&self, files: &[PathBuf]) -> Vec<Vec<u8>> {
        let mut found = Vec::new();
        for file in files {
            let Ok(bytes) = std::fs::read(file) else { continue };
            found.extend(
                self.names.iter().filter(|name| memchr::memmem::find(&bytes, name).is_some()).cloned(),
            );
        }
        found.sort();
        found.dedup();
        found
    }
}
