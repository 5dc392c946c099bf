//! Products that a run makes where they are missing and adds to, and products that are one file: the next run does not make them
//! again on top of themselves.

use super::Observer;
use super::importer::Importer;
use super::times;
use crate::exec::{Access, FirstChange, Prior};
use crate::hash::resume;
use crate::record::{FileState, Product, ProductClass};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Whether the run made it by a call that fails where something is.
fn is_exclusive(access: Access) -> bool {
    access.first_change == FirstChange::Created && !access.made_where_missing
}

/// Code is searched for the names of so many products. More of them are assumed to be tested for.
const MOST_SEARCHED: usize = 16;

impl Observer<'_> {
    /// Files that the run tested for, where it adds to something: `[ -e log ] || echo head > log; echo row >> log`. The next run
    /// finds them, and may only add.
    pub(super) fn accumulated(&self, products: &mut [Product], importer: &Importer) {
        let place = |product: &Product| self.run.places.root.join(OsStr::from_bytes(&product.path));
        let is_file = |product: &Product| fs::symlink_metadata(place(product)).is_ok_and(|now| now.is_file());
        let appends = |product: &Product| product.class == ProductClass::Appended && !product.is_tool_state;
        let any_adds =
            products.iter().any(|product| appends(product) || importer.access(&place(product)).added_to);
        for product in products.iter_mut() {
            let access = importer.access(&place(product));
            let name = product.path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
            let is_tested = match product.class {
                // Another process looked, or the call fails where something is: `ls x || …`, `mkdir lock && …`.
                ProductClass::Looked if any_adds && access.looked_by_another && is_file(product) => true,
                // Most programs make what is missing by such a call and go on where it fails: `makedirs(exist_ok=True)`, tar, cp.
                ProductClass::Looked
                    if any_adds && is_exclusive(access) && self.code_says(&resume::may_lock) =>
                {
                    true
                }
                ProductClass::Looked if any_adds || access.reworked => {
                    is_file(product) && self.code_says(&|text| resume::may_test(text, name))
                }
                // `ls | grep -x x || …`
                ProductClass::Blind => {
                    access.added_to && (access.listed_around.makes || access.listed_around.others)
                }
                _ => false,
            };
            if is_tested {
                product.class = ProductClass::Consulted;
            }
        }
    }

    /// Products that the run may have tested for before it made them: a mark that the work is done (`[ -e .done ] && exit`), a
    /// directory that is only filled where it is missing, a target of make.
    pub(super) fn tested(&self, products: &mut [Product], importer: &Importer) {
        let is_made = |product: &Product| {
            matches!(product.class, ProductClass::Looked | ProductClass::Blind)
                && product.before == FileState::Absent
                && !product.is_tool_state
                && !product.is_parent
        };
        if !products.iter().any(is_made) {
            return;
        }
        let paths: Vec<Vec<u8>> = products.iter().map(|product| product.path.clone()).collect();
        let is_filled = |path: &[u8]| {
            let is_below =
                |other: &Vec<u8>| other.strip_prefix(path).is_some_and(|rest| rest.starts_with(b"/"));
            paths.iter().any(is_below)
        };
        let may_be_looked_for =
            products.iter().any(|product| is_made(product) && product.class == ProductClass::Looked);
        let by_code = may_be_looked_for
            && self.code_says(&|text| resume::mentions_tests(text) || resume::may_lock(text));
        let mut searched = 0_usize;
        for product in products.iter_mut().filter(|product| is_made(product)) {
            let place = self.run.places.root.join(OsStr::from_bytes(&product.path));
            let access = importer.access(&place);
            let is_looked = product.class == ProductClass::Looked;
            let around = access.listed_around;
            let is_mark = !is_looked || product.keeps_content;
            product.is_tested = is_mark && (around.shells || around.others)
                || is_looked && self.compares_times && self.is_compared_with(&place, access)
                || is_looked && access.may_be_left && !is_filled(&product.path);
            if product.is_tested || !by_code || !is_looked {
                continue;
            }
            let name = product.path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
            let may_fail = is_exclusive(access);
            searched += 1;
            product.is_tested = searched > MOST_SEARCHED
                || self
                    .code_says(&|text| resume::may_test(text, name) || (may_fail && resume::may_lock(text)));
        }
    }

    /// Whether make or ninja, or a shell, looked at `path` to know whether it is up to date.
    fn is_compared_with(&self, path: &Path, access: Access) -> bool {
        let is_known = |name: &OsStr| self.trace.accesses.contains_key(&path.with_file_name(name));
        access.prior == Prior::Looked
            && (!times::makes(self.trace) || self.makefiles().may_make(path, is_known))
    }

    /// Products that were two names of one file when the run began, and that it wrote in place: each shows what was written to the
    /// other.
    pub(super) fn linked(&self, products: &mut [Product]) {
        let file = |product: &Product| {
            let before =
                self.watcher.before.get(&self.run.places.root.join(OsStr::from_bytes(&product.path)))?;
            let is_file = matches!(product.before, FileState::File { .. } | FileState::LargeFile { .. });
            before.evidence.filter(|_| product.in_place && is_file).map(|found| (found.device, found.inode))
        };
        let files: Vec<_> = products.iter().map(file).collect();
        let mut names: BTreeMap<_, usize> = BTreeMap::new();
        for file in files.iter().flatten() {
            *names.entry(*file).or_default() += 1;
        }
        for (product, file) in products.iter_mut().zip(&files) {
            if file.is_some_and(|file| names.get(&file).is_some_and(|count| *count > 1)) {
                product.class = ProductClass::Consulted;
            }
        }
    }
}
