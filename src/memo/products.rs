//! Whether a recorded result may be restored over the files that are at its products now.
//!
//! A product is either free, or must be exactly as it was when the run began. It is free if running the command again would
//! replace the present file without using it.

mod around;
mod owners;

use super::outputs::has_bytes;
use super::reason::Difference;
use crate::digest::Digest;
use crate::hash::files;
use crate::hash::holds::{self, Present};
use crate::hash::look;
use crate::profiles::state::is_read_whole;
use crate::record::{
    Base, Evidence, FactKind, FactScope, FileState, MODE_BITS, Observation, OutputEntry, OutputKind, Product,
    ProductClass, StoredPath, with_text,
};
use crate::store::{Candidate, Facts, ResultIndex};
use owners::{is_ours_to_set, may_write};
use std::cell::OnceCell;
use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What is known beside a candidate: other candidates of its key, and facts about recorded runs of its function. The facts are
/// read from the store only if they may make the candidate usable.
pub(super) struct Others<'a> {
    pub(super) candidates: [&'a [Candidate]; 2],
    pub(super) results: Option<&'a dyn ResultIndex>,
    pub(super) facts: &'a OnceCell<Facts>,
}

/// How the present files compare with what a candidate needs at its products.
#[derive(Default)]
pub(super) struct Standing {
    /// Why the outputs cannot be restored; empty if they can.
    pub(super) differences: Vec<Difference>,
    /// At least one product is as the candidate left it.
    pub(super) is_on_own: bool,
    /// A directory that the run found is missing now, and a restore would create it.
    pub(super) makes_missing: bool,
}

/// Whether the products of a candidate may be restored.
pub(super) fn compare(
    candidate: &Candidate,
    others: &Others<'_>,
    present: &Present<'_>,
    every: bool,
) -> Standing {
    let check = Check::new(candidate, others, &present.places.root);
    let (mut differences, mut is_on_own, mut makes_missing) = (Vec::new(), false, false);
    let mut at_end = candidate.commit.products.valid_as_left;
    let (mut at_beginning, mut of_tools_alone) = (true, true);
    for product in candidate.commit.products.all() {
        let path = check.root.join(OsStr::from_bytes(&product.path));
        let now = fs::symlink_metadata(&path).ok();
        // Where a mark says that the work is done, a file that is gone is not made again, unless it is tested for, too.
        let is_guarded = matches!(product.class, ProductClass::Blind | ProductClass::Looked)
            && product.before == FileState::Absent
            && (!product.is_tested || product.keeps_content);
        if now.is_none()
            && is_guarded
            && check.after(product).is_some_and(|after| !matches!(after, OutputKind::Removed))
            && let Some(guard) = check.guard(product, true)
        {
            (at_beginning, at_end, of_tools_alone) = (false, false, false);
            differences.push(difference(guard, &check.root.join(OsStr::from_bytes(&guard.path))));
            if !every {
                break;
            }
            continue;
        }
        let is_anothers = now.as_ref().is_some_and(|now| check.may_keep_owner(product, &path, now));
        let free = if is_anothers { Free::No } else { check.free(product, &path, now.as_ref()) };
        is_on_own |= free == Free::AsLeft && now.as_ref().is_some_and(|now| !now.is_dir());
        if free != Free::No {
            makes_missing |= now.is_none() && matches!(product.before, FileState::Directory { .. });
            continue;
        }
        // Where a mark says that the command has nothing to do, it does not begin with what was there before.
        let is_at_beginning = || product.is_tool_state || !check.is_finished(product);
        let is_as_before = !is_anothers && holds::is_in_state(&path, &product.before) && is_at_beginning();
        let is_exact = product.class == ProductClass::Consulted;
        let is_left = || check.is_as_left(product, &path, now.as_ref());
        at_end &= is_exact && !is_anothers && !check.is_mixed(product, &path, now.as_ref()) && is_left();
        at_beginning &= is_as_before;
        if !is_as_before {
            differences.push(difference(product, &path));
            of_tools_alone &= product.is_tool_state;
            if !every && !at_end && !of_tools_alone {
                break;
            }
        }
    }
    let holds = at_beginning || at_end || (of_tools_alone && check.is_one_state());
    Standing { differences: if holds { Vec::new() } else { differences }, is_on_own, makes_missing }
}

/// Whether the present file at a product does not matter.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Free {
    No,
    Yes,
    /// It is as the candidate left it.
    AsLeft,
}

fn difference(product: &Product, path: &Path) -> Difference {
    let of =
        |state| Observation::State { path: StoredPath::in_root(product.path.clone()), follow: false, state };
    Difference::Seen { then: of(product.before.clone()), now: of(look::state(path, false).0) }
}

struct Check<'a> {
    candidate: &'a Candidate,
    others: &'a Others<'a>,
    root: &'a Path,
    /// The products that the code tests for.
    tested: Vec<&'a Product>,
}

impl Check<'_> {
    /// Whether the present file at `product` does not matter: the table in `docs/limits.md`.
    fn free(&self, product: &Product, path: &Path, now: Option<&Metadata>) -> Free {
        let when = |is_free| if is_free { Free::Yes } else { Free::No };
        if product.class == ProductClass::Mode {
            return self.mode_stands(product, path, now);
        }
        let strict =
            |kind| self.candidate.strict.iter().any(|fact| fact.kind == kind && fact.path == product.path);
        if product.class == ProductClass::Consulted || strict(FactKind::Consults) {
            return Free::No;
        }
        if product.class == ProductClass::Appended {
            return when(Self::takes_more(product, path, now));
        }
        let Some(now) = now else {
            let was_filled = product.keeps_content && product.before != FileState::Absent;
            if product.emptiness_counts || was_filled {
                return Free::No;
            }
            let is_made = || self.knows(FactScope::Function, FactKind::MakesDirectory, product);
            // The run tried to create this directory although it existed.
            let is_found = product.in_place && matches!(product.before, FileState::Directory { .. });
            return when(!(product.is_parent || is_found) || is_made());
        };
        if !self.may_make_again(product, path, now) {
            return Free::No;
        }
        if product.in_place && now.is_file() && now.nlink() > 1 {
            // A write in place would change the file under its other names too.
            return Free::No;
        }
        if now.is_file() && now.nlink() > 1 && now.nlink() > self.own_names(product) {
            // The command would put another file there, and leave the other names what they are.
            return Free::No;
        }
        if product.attributes_set && self.mode(product).is_some_and(|mode| now.mode() & MODE_BITS != mode) {
            return Free::No;
        }
        if product.in_place && self.follows_another_umask(product, now) {
            return Free::No;
        }
        if now.is_dir() && !product.in_place && !product.attributes_set && Self::hands_on_otherwise(path, now)
        {
            return Free::No;
        }
        let alone = product.others_count || strict(FactKind::Clears);
        if alone && now.is_dir() && self.has_others(product, path) {
            return Free::No;
        }
        if self.is_as_left(product, path, Some(now)) {
            return Free::AsLeft;
        }
        if product.keeps_content {
            return Free::No;
        }
        let is_file = now.is_file() && now.nlink() == 1 && may_write(path);
        let takes_place = match self.after(product) {
            Some(OutputKind::Symlink { .. }) => now.is_symlink(),
            Some(OutputKind::Removed) => is_file || now.is_symlink(),
            _ => is_file,
        };
        let takes_place = takes_place && self.guard(product, false).is_none();
        if product.class == ProductClass::Blind && takes_place {
            return Free::Yes;
        }
        if (is_file || now.is_symlink())
            && self.is_left_by_others(product, path)
            && !self.is_finished(product)
        {
            return Free::Yes;
        }
        let is_overwritten = takes_place && self.knows(FactScope::Key, FactKind::Overwrites, product);
        let is_of_function = || {
            (is_file || now.is_symlink())
                && self.knows(FactScope::Function, FactKind::Overwrites, product)
                && self.is_left_by_function(product, path)
                && !self.is_finished(product)
        };
        when(is_overwritten || is_of_function())
    }

    /// Whether a product has the mode that it got under another umask than the present one. The command may leave it as it is, give it
    /// another mode, or fail there: that is not known.
    fn follows_another_umask(&self, product: &Product, now: &Metadata) -> bool {
        if product.in_place && matches!(product.before, FileState::File { .. } | FileState::LargeFile { .. })
        {
            // A file that is written in place keeps its mode.
            return false;
        }
        // It keeps its mode, and nothing shows whether it was there.
        if product.in_place && now.is_file() && product.class == ProductClass::Blind && !self.meets_its_own()
        {
            return false;
        }
        let recorded = self.after(product).and_then(OutputKind::mode);
        let is_as_left = !now.is_symlink() && recorded == Some(now.mode() & MODE_BITS);
        is_as_left && self.mode(product) != recorded
    }

    /// Whether the run looked for something that it leaves itself, or may have listed it.
    fn meets_its_own(&self) -> bool {
        let commit = &self.candidate.commit;
        let mut classes = commit.products.all().iter().map(|product| product.class);
        classes.any(|class| matches!(class, ProductClass::Looked | ProductClass::Consulted))
            || commit.observations.iter().any(|observation| {
                matches!(
                    observation,
                    Observation::Listing { path, .. } | Observation::Entries { path, .. }
                        if path.base() == Base::Root
                )
            })
    }

    /// Whether the recorded bytes may be appended to the present file.
    fn takes_more(product: &Product, path: &Path, now: Option<&Metadata>) -> bool {
        let was_filled = match &product.before {
            FileState::File { digest, .. } => Some(*digest != Digest::of(&[])),
            FileState::Absent => None,
            _ => return false,
        };
        let is_filled = now.map(|now| now.len() > 0);
        let is_file = now.is_none_or(|now| now.is_file() && may_write(path));
        is_file && (!product.emptiness_counts || was_filled == is_filled)
    }

    /// A product whose attributes alone were set: the content must be the same, and the mode that of before or after the run.
    fn mode_stands(&self, product: &Product, path: &Path, now: Option<&Metadata>) -> Free {
        let FileState::File { mode: before, .. } = product.before else { return Free::No };
        let is_same = now.is_some_and(|now| {
            let after = self.after(product);
            now.is_file() && after.is_some_and(|after| has_bytes(after, path, now.len()))
        });
        match now.map(|now| now.mode() & MODE_BITS) {
            Some(_) if !now.is_some_and(is_ours_to_set) => Free::No,
            Some(mode) if is_same && self.mode(product) == Some(mode) => Free::AsLeft,
            Some(mode) if is_same && mode == before & MODE_BITS => Free::Yes,
            _ => Free::No,
        }
    }

    /// Whether all products are absent, or together are what one recorded run of the key left. Tool state belongs to the products
    /// that it describes.
    fn is_one_state(&self) -> bool {
        let products = self.candidate.commit.products.all();
        let place = |product: &Product| self.root.join(OsStr::from_bytes(&product.path));
        let now: Vec<Option<Metadata>> =
            products.iter().map(|product| fs::symlink_metadata(place(product)).ok()).collect();
        if now.iter().all(Option::is_none) {
            return true;
        }
        let others = self.others.candidates.into_iter().flatten();
        std::iter::once(self.candidate).chain(others).any(|left| {
            let left = Check::new(left, self.others, self.root);
            products.iter().zip(&now).all(|(product, now)| {
                let (path, now) = (place(product), now.as_ref());
                let is_log = product.class == ProductClass::Appended && Self::takes_more(product, &path, now);
                // A later run may have removed an empty directory.
                let is_gone =
                    now.is_none() && matches!(self.after(product), Some(OutputKind::Directory { .. }));
                if self.is_mixed(product, &path, now) {
                    return false;
                }
                if now.is_some_and(Metadata::is_dir) || product.is_tool_state && (is_log || is_gone) {
                    return true;
                }
                // What that run did not write is as this one left it before.
                let writer = if left.after(product).is_some() { &left } else { self };
                writer.is_as_left(product, &path, now)
            })
        })
    }

    /// Whether recorded runs did `kind` to a product.
    fn knows(&self, scope: FactScope, kind: FactKind, product: &Product) -> bool {
        self.facts().has(scope, kind, &product.path)
    }

    fn facts(&self) -> &Facts {
        let ask = || {
            let facts = self.others.results.map(|results| results.facts(&self.candidate.commit));
            facts.and_then(Result::ok).unwrap_or_default()
        };
        self.others.facts.get_or_init(ask)
    }

    /// Whether another run of the function left the file or link that exists now.
    fn is_left_by_function(&self, product: &Product, path: &Path) -> bool {
        let Some(store) = self.others.results else { return false };
        if let Ok(text) = fs::read_link(path) {
            let link = with_text(&product.path, text.as_os_str().as_bytes());
            return self.facts().has(FactScope::Function, FactKind::LeavesLink, &link);
        }
        files::digest_file(path).is_ok_and(|(digest, _)| {
            store.is_left(&self.candidate.commit.function_id, &product.path, &digest).unwrap_or(false)
        })
    }

    fn after(&self, product: &Product) -> Option<&OutputKind> {
        let tree = self.candidate.outputs.as_ref()?;
        tree.find(&product.path).map(|entry| &entry.kind)
    }

    /// The permission bits that a hit leaves; `None` for a link or a removed file.
    fn mode(&self, product: &Product) -> Option<u32> {
        let entry = self.candidate.outputs.as_ref()?.find(&product.path)?;
        if let Some(asked) = entry.asked {
            return Some(asked & !crate::exec::umask());
        }
        entry.kind.mode()
    }

    /// Whether files of other runs are in a directory of which a later command reads every file.
    fn is_mixed(&self, product: &Product, path: &Path, now: Option<&Metadata>) -> bool {
        let is_directory = now.is_some_and(Metadata::is_dir);
        is_directory
            && product.is_tool_state
            && is_read_whole(&product.path)
            && self.has_others(product, path)
    }

    /// Whether the product is as this run left it.
    fn is_as_left(&self, product: &Product, path: &Path, now: Option<&Metadata>) -> bool {
        if product.class == ProductClass::Appended {
            return false;
        }
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

    /// The trusted evidence of a restored product, if there is any.
    fn evidence(&self, path: &[u8]) -> Option<Evidence> {
        let entries = self.candidate.outputs.as_ref()?.entries();
        let place = entries.binary_search_by(|entry: &OutputEntry| entry.path.as_slice().cmp(path)).ok()?;
        self.candidate.output_evidence.get(place).copied().flatten()
    }

    /// Whether another recorded run of the key left the present file.
    fn is_left_by_others(&self, product: &Product, path: &Path) -> bool {
        let kinds = self.others.candidates.into_iter().flatten().filter_map(|other| {
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
