//! Directories that a run found, and that the command would create if they were missing: they are products.

use super::Observer;
use super::present;
use super::scope::Region;
use crate::exec::Access;
use crate::hash::interpreters::interpreter;
use crate::hash::resume;
use crate::memo::reason::NotKept;
use crate::record::{Evidence, FileState, Product, ProductClass};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

impl Observer<'_> {
    /// Whether `path` is a directory that existed and that the run tried to create. It is a product: if it is missing, the command
    /// creates it.
    ///
    /// # Errors
    /// The path cannot be inspected.
    pub(super) fn is_made_again(&mut self, path: &Path, access: Access) -> Result<bool, NotKept> {
        if !access.asked_to_make || access.changed || self.run.exact_state {
            return Ok(false);
        }
        let Some(relative) = self.scope.relative(path).map(<[u8]>::to_vec) else { return Ok(false) };
        let Some(now) = present(path)?.filter(|now| now.mode & libc::S_IFMT == libc::S_IFDIR) else {
            return Ok(false);
        };
        if self.scope.region(path) != Region::Inside || self.may_have_given_up(path) {
            return Ok(false);
        }
        self.observed.outputs.insert(relative.clone());
        let before = FileState::Directory { mode: now.mode & 0o7777 };
        let class = ProductClass::Looked;
        self.observed.products.push(Product { in_place: true, ..Product::new(relative, class, before) });
        Ok(true)
    }

    /// Whether the run may have gone another way because the directory `path`, which it asked to create, was there: it left nothing in
    /// it, and failed, or left nothing at all. Then the directory was a lock.
    fn may_have_given_up(&self, path: &Path) -> bool {
        let all = &self.trace.accesses;
        let below = all.range(path.to_path_buf()..).take_while(|(below, _)| below.starts_with(path));
        let is_filled = { below }.any(|(_, access)| access.changed);
        let leaves_nothing = || !all.values().any(|access| access.changed);
        !is_filled && (self.run.failed || leaves_nothing())
    }

    /// Whether `path` is a directory that existed and that the command would create if it were missing, although this run did not try
    /// to: a parent of a directory that it tried to create, or one that code of the project creates if a test finds it missing. Only
    /// directories in which the run left a product.
    ///
    /// # Errors
    /// The path cannot be inspected.
    pub(super) fn is_made_where_missing(&mut self, path: &Path, access: Access) -> Result<bool, NotKept> {
        let is_looked_at = access.looked && !access.changed && !access.asked_to_make && !self.run.exact_state;
        let relative = self.scope.relative(path).map(<[u8]>::to_vec);
        let Some(relative) = relative.filter(|relative| is_looked_at && !relative.is_empty()) else {
            return Ok(false);
        };
        let is_below =
            |path: &[u8]| path.strip_prefix(relative.as_slice()).is_some_and(|rest| rest.starts_with(b"/"));
        if !self.observed.products.iter().any(|product| is_below(&product.path)) {
            return Ok(false);
        }
        let is_interpreter =
            |program: &PathBuf| program.file_name().is_some_and(|name| interpreter(name).is_some());
        let of_interpreters = self.trace.programs.iter().all(is_interpreter);
        let mut below = self.trace.accesses.range(path.to_path_buf()..);
        let asks = below
            .by_ref()
            .take_while(|(below, _)| below.starts_with(path))
            // A program other than an interpreter may create a directory because its parent exists: `cp -r tree copy`.
            .any(|(_, access)| access.asked_to_make && (!access.changed || of_interpreters));
        let Some(now) = present(path)?.filter(|now| now.mode & libc::S_IFMT == libc::S_IFDIR) else {
            return Ok(false);
        };
        if self.scope.region(path) != Region::Inside || !(asks || self.makes_directories()) {
            return Ok(false);
        }
        let mode_of = |now: Evidence| now.mode & 0o7777;
        self.parent_directory(relative.clone(), mode_of(now));
        // Its parents are created, too.
        for (number, _) in relative.iter().enumerate().filter(|(_, byte)| **byte == b'/') {
            let Some(above) = relative.get(..number).map(<[u8]>::to_vec) else { continue };
            let is_known = self.observed.products.iter().any(|product| product.path == above);
            let place = self.run.places.root.join(OsStr::from_bytes(&above));
            let found = present(&place)?.filter(|now| now.mode & libc::S_IFMT == libc::S_IFDIR);
            if let Some(found) = found.filter(|_| !is_known) {
                self.parent_directory(above, mode_of(found));
            }
        }
        Ok(true)
    }

    fn parent_directory(&mut self, path: Vec<u8>, mode: u32) {
        self.observed.outputs.insert(path.clone());
        let product = Product::new(path, ProductClass::Looked, FileState::Directory { mode });
        self.observed.products.push(Product { in_place: true, is_parent: true, ..product });
    }

    /// Whether code of the project creates a directory if a test finds it missing.
    fn makes_directories(&self) -> bool {
        let language = self.run.captured.command.entry.language;
        let mut sources = self.run.captured.sources.iter();
        sources.any(|source| resume::makes_directories(Some(language), &source.absolute, &source.bytes))
    }
}
