//! What is around a product: other names of its file, other entries of its directory, and marks that say that it is finished.

use super::{Check, Others};
use crate::record::{OutputEntry, OutputTree, Product, name_in};
use crate::store::Candidate;
use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

impl<'a> Check<'a> {
    pub(super) fn new(candidate: &'a Candidate, others: &'a Others<'a>, root: &'a Path) -> Self {
        let tested = candidate.commit.products.all().iter().filter(|product| product.is_tested).collect();
        Self { candidate, others, root, tested }
    }

    /// How many names of the file that it left there the run made.
    pub(super) fn own_names(&self, product: &Product) -> u64 {
        let entries = || self.candidate.outputs.iter().flat_map(OutputTree::entries);
        let first = |entry: &'_ OutputEntry| entry.link_to.clone().unwrap_or_else(|| entry.path.clone());
        let own = entries().find(|entry| entry.path == product.path).map(first);
        entries().filter(|entry| Some(first(entry)) == own).count() as u64
    }

    /// What the code tests for, that the run made beside this product, and that is there.
    fn marks<'c>(&'c self, product: &'c Product) -> impl Iterator<Item = (&'c Product, Metadata)> {
        let others = self.tested.iter().copied().filter(|other| other.path != product.path);
        others.filter_map(|other| Some((other, fs::symlink_metadata(self.place(other)).ok()?)))
    }

    /// A mark beside this product, so that the command may leave it as it is. `is_gone`: directories are made where they are missing, and
    /// what is in them is made again.
    pub(super) fn guard<'c>(&'c self, product: &'c Product, is_gone: bool) -> Option<&'c Product> {
        let mut marks = self.marks(product);
        let found = marks.find(|(mark, found)| !(is_gone && found.is_dir() && is_above(mark, product)));
        found.map(|(mark, _)| mark)
    }

    /// Whether all marks beside this product are there as this run left them, so that the command has nothing to do. What is tested for
    /// itself (another target of make) may be made nevertheless.
    pub(super) fn is_finished(&self, product: &Product) -> bool {
        if product.is_tested && !product.keeps_content {
            return false;
        }
        let is_mark = |mark: &&Product| mark.path != product.path && !is_above(mark, product);
        let mut marks = self.tested.iter().copied().filter(is_mark).peekable();
        let is_as_left = |mark: &Product| {
            let path = self.place(mark);
            fs::symlink_metadata(&path).is_ok_and(|found| self.is_as_left(mark, &path, Some(&found)))
        };
        marks.peek().is_some() && marks.all(is_as_left)
    }

    fn place(&self, product: &Product) -> PathBuf {
        self.root.join(OsStr::from_bytes(&product.path))
    }

    /// Whether a directory has entries that are not products of the run.
    pub(super) fn has_others(&self, product: &Product, path: &Path) -> bool {
        let tree = self.candidate.outputs.iter().flat_map(OutputTree::entries);
        let left = tree.filter_map(|entry| name_in(&entry.path, &product.path));
        let own: Vec<&[u8]> = self.candidate.commit.products.names_in(&product.path).chain(left).collect();
        let Ok(mut entries) = fs::read_dir(path) else { return true };
        entries.any(|entry| entry.map_or(true, |entry| !own.contains(&entry.file_name().as_bytes())))
    }
}

/// Whether `product` is in the directory `other`.
fn is_above(other: &Product, product: &Product) -> bool {
    product.path.strip_prefix(other.path.as_slice()).is_some_and(|rest| rest.starts_with(b"/"))
}
