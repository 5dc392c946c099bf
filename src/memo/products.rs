//! Whether a recorded result may be made again on top of what is at its products now (SPEC-2, 1.2).
//!
//! A product is free, or must be exactly as it was when the run began. What makes it free is that making the result again
//! would replace what is there without using it.

use super::outputs::has_bytes;
use super::reason::Difference;
use crate::hash::holds::{self, Present};
use crate::hash::look;
use crate::record::{
    Evidence, MODE_BITS, Observation, OutputEntry, OutputKind, OutputTree, Product, ProductClass, StoredPath,
    name_in,
};
use crate::store::Candidate;
use rustix::fs::{Access, AtFlags, CWD, accessat};
use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What stands against putting the products of a candidate in place; nothing if nothing does. `others` are the candidates
/// of the same key.
pub(super) fn differences(
    candidate: &Candidate,
    others: [&[Candidate]; 2],
    present: &Present<'_>,
    every: bool,
) -> Vec<Difference> {
    let check = Check { candidate, others, root: &present.places.root };
    let mut differences = Vec::new();
    let mut at_end = candidate.commit.products.holds_at_end;
    let mut at_beginning = true;
    for product in candidate.commit.products.all() {
        let path = check.root.join(OsStr::from_bytes(&product.path));
        let now = fs::symlink_metadata(&path).ok();
        let is_free = check.is_free(product, &path, now.as_ref());
        if is_free {
            continue;
        }
        let is_as_before = holds::is_in_state(&path, &product.before);
        let is_exact = product.class == ProductClass::Consulted;
        at_end &= is_exact && check.is_as_left(product, &path, now.as_ref());
        at_beginning &= is_as_before;
        if !is_as_before {
            differences.push(difference(product, &path));
            if !every && !at_end {
                break;
            }
        }
    }
    if at_beginning || at_end { Vec::new() } else { differences }
}

fn difference(product: &Product, path: &Path) -> Difference {
    let of =
        |state| Observation::State { path: StoredPath::in_root(product.path.clone()), follow: false, state };
    Difference::Seen { then: of(product.before.clone()), now: of(look::state(path, false).0) }
}

struct Check<'a> {
    candidate: &'a Candidate,
    others: [&'a [Candidate]; 2],
    root: &'a Path,
}

impl Check<'_> {
    /// Rules 1 to 7: whether what is at a product now makes no difference.
    fn is_free(&self, product: &Product, path: &Path, now: Option<&Metadata>) -> bool {
        if product.class == ProductClass::Consulted {
            return false;
        }
        let Some(now) = now else { return true };
        if product.in_place && now.is_file() && now.nlink() > 1 {
            // Written in place, it would change under its other names too.
            return false;
        }
        if product.altered && self.mode(product).is_some_and(|mode| now.mode() & MODE_BITS != mode) {
            return false;
        }
        if product.alone && now.is_dir() && self.has_others(product, path) {
            return false;
        }
        if self.is_as_left(product, path, Some(now)) {
            return true;
        }
        let is_file = now.is_file() && now.nlink() == 1 && may_write(path);
        let takes_place = match self.after(product) {
            Some(OutputKind::Symlink { .. }) => now.is_symlink(),
            Some(OutputKind::Removed) => is_file || now.is_symlink(),
            _ => is_file,
        };
        if product.class == ProductClass::Blind && takes_place {
            return true;
        }
        (is_file || now.is_symlink()) && self.is_left_by_others(product, path)
    }

    fn after(&self, product: &Product) -> Option<&OutputKind> {
        let tree = self.candidate.outputs.as_ref()?;
        tree.find(&product.path).map(|entry| &entry.kind)
    }

    /// The permission bits with which it was left, unless it is a link or gone.
    fn mode(&self, product: &Product) -> Option<u32> {
        match self.after(product)? {
            OutputKind::File { mode, .. }
            | OutputKind::Sparse { mode, .. }
            | OutputKind::Directory { mode } => Some(*mode),
            _ => None,
        }
    }

    /// Whether a directory has names in it that are no products of the run.
    fn has_others(&self, product: &Product, path: &Path) -> bool {
        let tree = self.candidate.outputs.iter().flat_map(OutputTree::entries);
        let left = tree.filter_map(|entry| name_in(&entry.path, &product.path));
        let own: Vec<&[u8]> = self.candidate.commit.products.names_in(&product.path).chain(left).collect();
        let Ok(mut entries) = fs::read_dir(path) else { return true };
        entries.any(|entry| entry.map_or(true, |entry| !own.contains(&entry.file_name().as_bytes())))
    }

    /// Whether what is there is what this run left.
    fn is_as_left(&self, product: &Product, path: &Path, now: Option<&Metadata>) -> bool {
        let Some(after) = self.after(product) else { return false };
        match (after, now) {
            (OutputKind::Removed, None) => true,
            (OutputKind::Directory { .. }, Some(now)) => now.is_dir(),
            (OutputKind::Symlink { text }, Some(now)) => now.is_symlink() && leads_to(path, text),
            (kind, Some(now)) if now.is_file() && kind.stored().is_some() => {
                self.evidence(&product.path) == Some(Evidence::of(now)) || has_bytes(kind, path, now.len())
            }
            _ => false,
        }
    }

    /// The evidence that a product is in place, if any is trusted.
    fn evidence(&self, path: &[u8]) -> Option<Evidence> {
        let entries = self.candidate.outputs.as_ref()?.entries();
        let place = entries.binary_search_by(|entry: &OutputEntry| entry.path.as_slice().cmp(path)).ok()?;
        self.candidate.output_evidence.get(place).copied().flatten()
    }

    /// Whether another recorded run of the key left what is there.
    fn is_left_by_others(&self, product: &Product, path: &Path) -> bool {
        let kinds = self.others.into_iter().flatten().filter_map(|other| {
            let entry = other.outputs.as_ref()?.find(&product.path)?;
            Some(&entry.kind)
        });
        let size = fs::symlink_metadata(path).ok().filter(Metadata::is_file).map(|now| now.len());
        kinds.into_iter().any(|kind| match kind {
            OutputKind::Symlink { text } => leads_to(path, text),
            kind => size.is_some_and(|size| has_bytes(kind, path, size)),
        })
    }
}

fn leads_to(path: &Path, text: &[u8]) -> bool {
    fs::read_link(path).is_ok_and(|found: PathBuf| found.as_os_str().as_bytes() == text)
}

/// Whether we may write to the file, as the run did.
fn may_write(path: &Path) -> bool {
    accessat(CWD, path, Access::WRITE_OK, AtFlags::EACCESS).is_ok()
}
