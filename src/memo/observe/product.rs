//! Products of a watched run: how much each depends on what was at its path before (its class).

use super::Observer;
use super::asks::mentions;
use super::changed::Changed;
use super::importer::Importer;
use crate::exec::{Access, FirstChange, ModeGiven, Prior, Shows};
use crate::hash::resume;
use crate::record::{FileState, Observation, Product, ProductClass, name_in};
use memchr::memmem;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Whether the run removed or replaced what was at a path, before it changed anything there.
const fn is_put(access: Access) -> bool {
    matches!(access.first_change, FirstChange::Removed | FirstChange::Put)
}

/// Whether the run emptied, replaced or removed what was at a path, and since then nothing that it knew of it made a difference.
fn is_replaced_unseen(access: Access) -> bool {
    access.prior == Prior::Nothing && (is_put(access) || access.first_change == FirstChange::Emptied)
}

/// Whether a user and group are not our own.
fn is_of_another((user, group): (u32, u32)) -> bool {
    (user, group) != (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw())
}

impl Observer<'_> {
    /// Adds a path that the run left changed to the products.
    pub(super) fn product(&mut self, changed: &Changed<'_>) {
        let Some(path) = self.scope.relative(changed.path).map(<[u8]>::to_vec) else {
            let path = self.stored(changed.path);
            let state = changed.before.state.clone();
            return self.observe(Observation::State { path, follow: false, state }, None);
        };
        let by_itself = if self.run.exact_state { ProductClass::Consulted } else { changed.class() };
        let mut class = self.raised(changed, by_itself);
        let is_tool_state = self.aside.describes_products(changed.path);
        let before = self.state_by_time(changed, class, is_tool_state);
        let access = changed.access;
        let is_directory = changed.is_directory();
        let is_gone = changed.now.is_none();
        let around = access.listed_around;
        // make may use a name that one of its patterns finds.
        let is_found_by_make =
            around.makes && changed.path.file_name().is_none_or(|name| self.makefiles().may_find(name));
        // A directory that was removed and made again, or moved into place, has no other entries.
        let is_emptied = is_put(access);
        let writes_in_place = matches!(
            access.first_change,
            FirstChange::Emptied | FirstChange::InPlace | FirstChange::Appended
        );
        let in_place = (is_directory || writes_in_place) && !self.is_anew(changed.path, access);
        let was_absent = changed.before.state == FileState::Absent;
        // Code that removes a directory where it finds one removes what others have put into it, too.
        let may_be_cleared =
            || was_absent && (access.looked || access.prior != Prior::Nothing) && self.removes_trees();
        let others_count = is_directory && (access.listed_own || is_emptied || may_be_cleared());
        let looked = access.prior == Prior::Looked;
        let was_file = matches!(before, FileState::File { .. } | FileState::LargeFile { .. });
        // It was written in place, and may have been moved elsewhere with the mode that it had.
        if was_file && writes_in_place && access.given_up {
            class = ProductClass::Consulted;
        }
        let before = match class {
            ProductClass::Consulted if in_place => self.state_in_place(changed.path, before, access),
            ProductClass::Consulted => self.state_before(before, access),
            _ => before,
        };
        // With its own mode, not the one that the new file got.
        if self.is_taken_along(changed.path) {
            class = ProductClass::Consulted;
        }
        let is_appended = class == ProductClass::Appended;
        // The mode of a new file is known. One that was set on the existing file may have been made from that one's.
        let given = self.trace.modes.get(changed.path);
        let is_mode_of_new = given.is_some_and(|given| !matches!(given, ModeGiven::Set { .. }));
        // A new file would be ours, and the run made it another's.
        let is_anothers =
            self.trace.owners_set && !is_gone && changed.before.owner.is_some_and(is_of_another);
        // Where it is gone, the call fails, or another one makes it with a mode that is not known.
        let must_be_there = was_file
            && !is_gone
            && matches!(class, ProductClass::Blind | ProductClass::Looked | ProductClass::Appended)
            && writes_in_place
            && !is_mode_of_new;
        // Of interpreters, `consulted_after_all` finds what their code lists.
        let is_named = looked || around.shells || around.makes || around.others;
        // A log of a tool, beside its other state, is added to in any case.
        let may_ask_for_size = || is_named || access.appended_by_programs || self.asks_for_positions();
        let emptiness_counts =
            must_be_there || is_anothers || is_appended && !is_tool_state && may_ask_for_size();
        let is_touched = class == ProductClass::Looked && access.first_change == FirstChange::InPlace;
        // A program that found its name may have read it: `find . -exec cat {} +; echo 1 > o`.
        let is_found = by_itself == ProductClass::Blind && (around.others || is_found_by_make) && !is_gone;
        // A program that may leave it looked at it, or for it.
        let may_be_left = access.may_be_left && !is_gone && !is_directory && !is_tool_state;
        let may_be_left = may_be_left && matches!(class, ProductClass::Blind | ProductClass::Looked);
        let keeps_content = is_touched || is_found || may_be_left;
        if is_appended {
            let size = changed.before.evidence.map_or(0, |before| before.size);
            self.observed.appended.insert(path.clone(), size);
        }
        let is_made = was_absent
            && !is_gone
            && match access.first_change {
                FirstChange::Created => !access.made_where_missing,
                _ => in_place && !is_directory && class == ProductClass::Looked,
            };
        // Then only its times or other attributes were set.
        let is_mode_kept = matches!(self.trace.modes.get(changed.path), Some(ModeGiven::Kept { .. }));
        self.observed.products.push(Product {
            in_place,
            // A call that creates a file, and a program that looks first, may do something else with an existing one: its
            // mode may stay, or not. So may that of a file which the run removed after it had written it.
            attributes_set: (access.altered && !is_mode_kept)
                || is_made
                || (writes_in_place && access.given_up),
            others_count,
            times_compared: access.times_compared && self.compares_times,
            removed_after_listing: is_gone
                && (around.shells || around.interpreters || around.makes || around.others),
            is_tool_state,
            emptiness_counts,
            keeps_content: keeps_content && !is_directory,
            removed_first: access.first_change == FirstChange::Removed && !is_directory,
            ..Product::new(path, class, before)
        });
    }

    /// The class of a product, where more is known than what was done to its path.
    fn raised(&self, changed: &Changed<'_>, class: ProductClass) -> ProductClass {
        let Changed { access, .. } = *changed;
        let is_gone = changed.now.is_none();
        let looked = access.prior == Prior::Looked;
        match class {
            // Whether it was there, and its time, may have decided that it is made.
            ProductClass::Blind
                if self.compares_times && access.looked
                    || (access.listed_around.makes || access.may_be_left) && !is_gone
                    || access.tested_then_removed =>
            {
                ProductClass::Looked
            }
            ProductClass::Appended if looked && self.names_sizes() || self.asks_for_sizes_of_open_files() => {
                ProductClass::Consulted
            }
            ProductClass::Mode
                if looked && (access.mode_shown || access.times_shown || self.asked != Shows::Nothing) =>
            {
                ProductClass::Consulted
            }
            class => class,
        }
    }

    /// The earlier state of a product: by its time, if a program that compares times, or may leave a file as it is, may find the same
    /// content with a newer time.
    fn state_by_time(&self, changed: &Changed<'_>, class: ProductClass, is_tool_state: bool) -> FileState {
        let Changed { access, before, .. } = *changed;
        let is_unused = matches!(class, ProductClass::Blind | ProductClass::Looked);
        let may_be_left = || access.may_be_left || access.looked && self.names_order();
        match (&before.state, before.evidence) {
            (FileState::File { mode, .. }, Some(evidence))
                if !is_tool_state && (self.compares_times || is_unused && may_be_left()) =>
            {
                FileState::LargeFile { mode: *mode, size: evidence.size, modified: evidence.modified }
            }
            (state, _) => state.clone(),
        }
    }

    /// Whether the run put something new at `path`, also by removing or moving a directory above it.
    pub(super) fn is_anew(&self, path: &Path, access: Access) -> bool {
        let mut above = path.ancestors().skip(1).filter_map(|above| self.trace.accesses.get(above));
        is_put(access) || above.any(|access| is_put(*access))
    }

    /// Whether the run moved a directory above `path` away that existed when it began. Then the earlier state of `path` was elsewhere
    /// while the run continued, and it may have used it there.
    pub(super) fn is_taken_along(&self, path: &Path) -> bool {
        path.ancestors().skip(1).any(|above| {
            self.trace
                .accesses
                .get(above)
                .is_some_and(|access| access.prior == Prior::Consulted && is_put(*access))
                && self
                    .watcher
                    .before
                    .get(above)
                    .is_some_and(|before| matches!(before.state, FileState::Directory { .. }))
        })
    }

    /// Raises the class of products to [`ProductClass::Consulted`] when the whole run is known: those that a listing will find, and, if code
    /// of the project tests for files and may use one that exists, those that were looked at.
    pub(super) fn consulted_after_all(&mut self, importer: &Importer) {
        let mut products = std::mem::take(&mut self.observed.products);
        let found = self.found_by_listing(&products, importer);
        for (product, _) in products.iter_mut().zip(found).filter(|(_, found)| *found) {
            let was_file = matches!(product.before, FileState::File { .. } | FileState::LargeFile { .. });
            let access = importer.access(&self.run.places.root.join(OsStr::from_bytes(&product.path)));
            let around = access.listed_around;
            // A pattern of a shell shows the name alone, too, of what the run then removes (`rm -f *.o`).
            let is_removed_by_name = around.shells && !around.interpreters;
            let is_blind = product.class == ProductClass::Blind
                || product.class == ProductClass::Looked && is_replaced_unseen(access);
            let is_written_over = is_blind && was_file && (product.in_place || is_removed_by_name);
            if is_written_over || product.class == ProductClass::Appended {
                // The listing showed its name, not its content.
                product.emptiness_counts |= !product.is_tool_state;
            } else {
                product.class = ProductClass::Consulted;
            }
        }
        // An existing directory that the run tried to create is created in any case.
        let is_looked = |product: &Product| {
            // Only code that cannot be read looked at it, and may leave what is there: that is known of this product.
            let access = importer.access(&self.run.places.root.join(OsStr::from_bytes(&product.path)));
            let may_be_left = product.removed_first && access.tested_by_those_alone;
            matches!(product.class, ProductClass::Looked | ProductClass::Mode)
                && !may_be_left
                && !(product.in_place && matches!(product.before, FileState::Directory { .. }))
        };
        if products.iter().any(is_looked) && self.may_resume() {
            for product in products.iter_mut().filter(|product| is_looked(product)) {
                product.class = ProductClass::Consulted;
            }
        }
        self.accumulated(&mut products, importer);
        self.tested(&mut products, importer);
        self.linked(&mut products);
        self.made_by_ninja(&mut products);
        self.observed.products = products;
    }

    /// What ninja has made, and noted in its log, is state together with the log.
    fn made_by_ninja(&self, products: &mut [Product]) {
        let is_noted = |path: &Path| {
            let mut logs = path.ancestors().skip(1).map(|above| above.join(".ninja_log"));
            let log = logs.find(|log| self.trace.accesses.get(log).is_some_and(|access| access.changed));
            log.is_some_and(|log| self.aside.describes_products(&log))
        };
        for product in products {
            let path = self.run.places.root.join(OsStr::from_bytes(&product.path));
            // Of a file that was there, the time may have decided.
            let is_new = product.before == FileState::Absent && product.class != ProductClass::Consulted;
            product.is_tool_state |= is_new && is_noted(&path) && self.makefiles().may_ninja_make(&path);
        }
    }

    /// Whether code of the project that the run read tests for files and may use one that exists.
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

    /// Whether the run made a directory `name` in `directory` that has no module, and that no code of the project imports: packages that
    /// import a module of the same name do not mean it.
    pub(super) fn is_own_plain_directory(&self, directory: &Path, name: &[u8]) -> bool {
        let path = directory.join(OsStr::from_bytes(name));
        let is_made = self.watcher.before.get(&path).is_some_and(|before| before.evidence.is_none());
        let is_module = |below: &Path| {
            let ends = ["py", "pyc", "so"];
            below.extension().is_some_and(|own| ends.iter().any(|end| own == *end)) && below.exists()
        };
        let has_module = || {
            let below = self.trace.accesses.range(path.clone()..).map(|(below, _)| below);
            below.take_while(|below| below.starts_with(&path)).any(|below| is_module(below))
        };
        let imports = |text: &[u8]| {
            mentions(text, &["import_module", "__import__", "find_spec", "pkgutil", "runpy"])
                || text
                    .split(|byte| *byte == b'\n')
                    .any(|line| memmem::find(line, b"import").is_some() && memmem::find(line, name).is_some())
        };
        is_made && path.is_dir() && !has_module() && !self.code_says(&imports)
    }

    /// The names of the run's own products in `directory`; they have their own observations.
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
