//! How much of what was at a path before decided what a run made of it: the class of each product (SPEC-2, 1.2).

use super::importer::Importer;
use super::scope::Region;
use super::witness::Before;
use super::{Observer, present};
use crate::exec::{Access, FirstChange, Prior};
use crate::hash::resume;
use crate::memo::reason::NotKept;
use crate::profiles::state;
use crate::record::{Evidence, FileState, Observation, Product, ProductClass, name_in};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

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
            // Where something is, the call fails.
            FirstChange::Created => by_prior.max_looked(),
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
        let mut class = changed.class();
        if self.run.exact_state {
            class = ProductClass::Consulted;
        }
        let before = match (&changed.before.state, changed.before.evidence) {
            // Programs that compare times may find the same file again, and it newer.
            (FileState::File { mode, .. }, Some(evidence))
                if self.compares_times && !self.describes_products(changed.path, changed.access) =>
            {
                FileState::LargeFile { mode: *mode, size: evidence.size, modified: evidence.modified }
            }
            (state, _) => state.clone(),
        };
        let access = changed.access;
        let is_directory = changed.is_directory();
        let in_place =
            is_directory || matches!(access.first_change, FirstChange::Emptied | FirstChange::InPlace);
        // What was emptied before, or is moved into place, holds nothing else.
        let is_emptied = matches!(access.first_change, FirstChange::Removed | FirstChange::Put);
        let alone = is_directory && (access.listed_own || is_emptied);
        self.observed.products.push(Product {
            path,
            class,
            in_place,
            altered: access.altered,
            alone,
            before,
        });
    }

    /// Whether `path` is state in which a tool describes its products: it counts by content.
    pub(super) fn describes_products(&self, path: &Path, access: Access) -> bool {
        state::describes_products(&self.watcher.tables, !access.strangers, path)
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
        let class = ProductClass::Looked;
        let product = Product { path: relative, class, in_place: true, altered: false, alone: false, before };
        self.observed.products.push(product);
        Ok(true)
    }

    /// Settles what was consulted after all, when everything is known: products in a directory that an interpreter listed for
    /// its code, and, where code of the project tests for files and may go on with one, those that were looked at.
    pub(super) fn consulted_after_all(&mut self, importer: &Importer) {
        let root = self.run.places.root.clone();
        let place = |product: &Product| root.join(OsStr::from_bytes(&product.path));
        let is_open = |product: &Product| product.class != ProductClass::Consulted;
        let mut products = std::mem::take(&mut self.observed.products);
        for product in products.iter_mut().filter(|product| is_open(product)) {
            let path = place(product);
            let Some(parent) = path.parent() else { continue };
            let access = importer.access(parent);
            if access.listed && access.listed_by_interpreter && !importer.lists(parent, access) {
                product.class = ProductClass::Consulted;
            }
        }
        // A directory that was there and was asked for is made in any case.
        let is_looked = |product: &Product| {
            product.class == ProductClass::Looked
                && !(product.in_place && matches!(product.before, FileState::Directory { .. }))
        };
        if products.iter().any(is_looked) && self.may_resume() {
            for product in products.iter_mut().filter(|product| is_looked(product)) {
                product.class = ProductClass::Consulted;
            }
        }
        self.observed.products = products;
    }

    /// Whether code of the project that the run read tests for files and may go on with one that it finds.
    fn may_resume(&self) -> bool {
        let known: BTreeSet<&Path> =
            self.run.captured.sources.iter().map(|source| source.absolute.as_path()).collect();
        let language = self.run.captured.command.entry.language;
        let sources = &self.run.captured.sources;
        let inside = |path: &Path| {
            self.scope.relative(path).map(|relative| PathBuf::from(OsStr::from_bytes(relative)))
        };
        let own = sources
            .iter()
            .filter(|source| !inside(&source.absolute).is_some_and(|path| resume::is_of_package(&path)));
        if own.into_iter().any(|source| resume::may_resume(Some(language), &source.absolute, &source.bytes)) {
            return true;
        }
        let is_source = |word: &[u8]| sources.iter().any(|source| source.bytes == word);
        let words = self.run.words.iter().map(|word| word.as_bytes());
        if words.into_iter().any(|word| !is_source(word) && resume::mentions_tests(word)) {
            return true;
        }
        self.contents.iter().any(|(path, _)| {
            inside(path).is_some_and(|relative| resume::is_code_of_project(&relative))
                && !known.contains(path.as_path())
                && resume::file_may_resume(path)
        })
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
