//! How much of what was at a path before decided what a run made of it: the class of each product (SPEC-2, 1.2).

use super::scope::Region;
use super::witness::Before;
use super::{Observer, present};
use crate::exec::{Access, FirstChange, Prior};
use crate::memo::reason::NotKept;
use crate::record::{Evidence, FileState, Observation, Product, ProductClass, name_in};
use std::path::Path;

/// A path of which the run changed something, as it was and is.
pub(super) struct Changed<'a> {
    pub(super) path: &'a Path,
    pub(super) access: Access,
    pub(super) before: &'a Before,
    pub(super) now: Option<Evidence>,
    /// What is there now, where that had to be looked at.
    pub(super) state: FileState,
}

impl Changed<'_> {
    fn is_file(&self) -> bool {
        self.now.is_some_and(|now| now.mode & libc::S_IFMT == libc::S_IFREG)
    }

    /// Whether a regular file has the bytes that it had before, or is new and empty.
    pub(super) fn has_same_bytes(&self) -> bool {
        match (&self.before.state, &self.state) {
            (FileState::File { digest: before, .. }, FileState::File { digest: now, .. }) => before == now,
            (FileState::Absent, FileState::File { .. }) => self.now.is_some_and(|now| now.size == 0),
            _ => false,
        }
    }

    fn is_directory(&self) -> bool {
        self.now.is_some_and(|now| now.mode & libc::S_IFMT == libc::S_IFDIR)
    }

    /// What the run did before it changed the path first.
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
            FirstChange::InPlace if self.has_same_bytes() => by_prior.max_looked(),
            FirstChange::InPlace | FirstChange::Appended | FirstChange::Altered => ProductClass::Consulted,
            FirstChange::None | FirstChange::Emptied | FirstChange::Put | FirstChange::Removed => by_prior,
        }
    }
}

impl Observer<'_> {
    /// Notes what was done to a path that the run left changed.
    pub(super) fn product(&mut self, changed: &Changed<'_>) {
        let Some(path) = self.scope.relative(changed.path).map(<[u8]>::to_vec) else {
            let path = self.stored(changed.path);
            let state = changed.before.state.clone();
            return self.observe(Observation::State { path, follow: false, state }, None);
        };
        let is_file =
            |state: &FileState| matches!(state, FileState::File { .. } | FileState::LargeFile { .. });
        let mut class = changed.class();
        let resumes =
            self.resumes && (is_file(&changed.state) || is_file(&changed.before.state) || changed.is_file());
        if (class == ProductClass::Looked && resumes) || self.run.exact_state {
            class = ProductClass::Consulted;
        }
        let before = match (&changed.before.state, changed.before.evidence) {
            // Programs that compare times may find the same file again, and it newer.
            (FileState::File { mode, .. }, Some(evidence)) if self.compares_times => {
                FileState::LargeFile { mode: *mode, size: evidence.size, modified: evidence.modified }
            }
            (state, _) => state.clone(),
        };
        let in_place = matches!(changed.access.first_change, FirstChange::Emptied | FirstChange::InPlace);
        self.observed.products.push(Product { path, class, in_place, before });
    }

    /// Whether `path` is a directory that the run asked to make and that was there. Where it is not, the run makes it: it is
    /// a product, too.
    ///
    /// # Errors
    /// When it cannot be looked at.
    pub(super) fn is_made_again(&mut self, path: &Path, access: Access) -> Result<bool, NotKept> {
        if !access.asked_to_make || access.changed || self.run.exact_state {
            return Ok(false);
        }
        let Some(relative) = self.scope.relative(path).map(<[u8]>::to_vec) else { return Ok(false) };
        let Some(now) = present(path)?.filter(|now| now.mode & libc::S_IFMT == libc::S_IFDIR) else {
            return Ok(false);
        };
        if self.scope.region(path) != Region::Inside {
            return Ok(false);
        }
        self.observed.outputs.insert(relative.clone());
        let before = FileState::Directory { mode: now.mode & 0o7777 };
        let product = Product { path: relative, class: ProductClass::Looked, in_place: true, before };
        self.observed.products.push(product);
        Ok(true)
    }

    /// The names in `directory` that the run left changed itself: they have paths of their own.
    pub(super) fn own_names(&self, directory: &Path) -> Vec<Vec<u8>> {
        let above = match self.scope.relative(directory) {
            Some(relative) => relative,
            None if self.scope.is_root(directory) => &[],
            None => return Vec::new(),
        };
        let names = self.observed.products.iter().filter_map(|product| name_in(&product.path, above));
        names.map(<[u8]>::to_vec).collect()
    }
}

trait MaxLooked {
    fn max_looked(self) -> Self;
}

impl MaxLooked for ProductClass {
    /// At least looked at.
    fn max_looked(self) -> Self {
        if self == Self::Blind { Self::Looked } else { self }
    }
}
