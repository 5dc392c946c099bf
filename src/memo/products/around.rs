//! What is around a product: other names of its file, other entries of its directory, and marks that say that it is finished.

use super::Check;
use crate::record::{OutputEntry, OutputTree, Product, name_in};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

impl Check<'_> {
    /// How many names of the file that it left there the run made.
    pub(super) fn own_names(&self, product: &Product) -> u64 {
        let entries = || self.candidate.outputs.iter().flat_map(OutputTree::entries);
        let first = |entry: &'_ OutputEntry| entry.link_to.clone().unwrap_or_else(|| entry.path.clone());
        let own = entries().find(|entry| entry.path == product.path).map(first);
        entries().filter(|entry| Some(first(entry)) == own).count() as u64
    }

    /// Something that the code tests for, that the run made beside this product, and that is there: the command may leave this product
    /// as it is. `is_gone`: directories are made where they are missing, and what is in them is made again.
    pub(super) fn guard(&self, product: &Product, is_gone: bool) -> Option<&Product> {
        let products = self.candidate.commit.products.all();
        let is_above = |other: &Product| {
            product.path.strip_prefix(other.path.as_slice()).is_some_and(|rest| rest.starts_with(b"/"))
        };
        products.iter().find(|other| {
            other.is_tested
                && other.path != product.path
                && fs::symlink_metadata(self.root.join(OsStr::from_bytes(&other.path)))
                    .is_ok_and(|found| !(is_gone && found.is_dir() && is_above(other)))
        })
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
