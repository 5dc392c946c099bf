//! Permission bits of outputs that follow the umask: those requested when an output was created, and not set afterwards.

use crate::exec::{FirstChange, ModeGiven, Trace};
use crate::record::{FileState, OutputTree, Product, ProductClass};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// How the modes of outputs depend on the umask, apart from the requested bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Mask {
    /// Not at all.
    Any,
    /// They are known under this umask and every one that removes more bits.
    AtLeast,
    /// They are known only under this umask.
    Exact,
}

/// The output tree with the requested bits of each output, and how modes depend on the umask otherwise. An existing file that is
/// written in place keeps its mode: see `products`.
pub(super) fn asked(
    trace: &Trace,
    root: &Path,
    tree: OutputTree,
    products: &[Product],
    mask: u32,
) -> (OutputTree, Mask) {
    let mut counts = Mask::Any;
    let mut count = |is: bool, least: Mask| {
        if is {
            counts = counts.max(least);
        }
    };
    let stays = |product: &&Product| {
        let was_file = matches!(product.before, FileState::File { .. } | FileState::LargeFile { .. });
        let is_removed = || {
            let access = trace.accesses.get(&root.join(OsStr::from_bytes(&product.path)));
            access.is_some_and(|access| access.given_up)
        };
        product.class == ProductClass::Consulted && product.in_place && was_file && !is_removed()
    };
    let kept: BTreeSet<&[u8]> =
        products.iter().filter(stays).map(|product| product.path.as_slice()).collect();
    let inherited = Inherited::from(products);
    let above: BTreeSet<&[u8]> =
        products.iter().filter(|product| product.is_parent).map(|product| product.path.as_slice()).collect();
    let known: BTreeSet<&[u8]> = products.iter().map(|product| product.path.as_slice()).collect();
    let tree = tree.with_asked(|relative, mode| {
        if kept.contains(relative) {
            return None;
        }
        let path = root.join(OsStr::from_bytes(relative));
        match trace.modes.get(&path) {
            // A write removes a set-id bit, and it is not restored.
            Some(ModeGiven::Asked(asked) | ModeGiven::Literal(asked)) if asked & 0o777 & !mask == mode => {
                Some(*asked)
            }
            // Under an umask that removes fewer bits, the file from which the mode may be copied has more bits, but the bits
            // requested by a program do not change.
            Some(ModeGiven::Fresh(asked)) if asked & 0o777 == mode => {
                count(true, Mask::AtLeast);
                Some(*asked)
            }
            // It may be the mode of another file that the run created.
            Some(ModeGiven::Fresh(mode) | ModeGiven::Set { mode, is_computed: true }) => {
                let is_left = |all: &u32| mode & 0o777 == all & !mask;
                // `chmod u+x` adds to what a new file has.
                let is_added_to = mode & 0o666 == 0o666 & !mask;
                count(mask != 0 && (is_added_to || USUAL.iter().any(is_left)), Mask::Exact);
                None
            }
            // An existing file keeps its mode. A declared output gets the mode that it had.
            Some(ModeGiven::Kept { asked, is_fresh, .. }) => {
                let is_product = known.contains(relative);
                count(is_product && *is_fresh, Mask::AtLeast);
                is_product.then_some(*asked)
            }
            Some(ModeGiven::Copied) => USUAL.into_iter().find(|usual| usual & !mask == mode),
            Some(ModeGiven::Moved) => inherited.usual(mode, mask),
            Some(ModeGiven::Fixed | ModeGiven::Set { .. }) => None,
            // What is above a directory that is made is made with the same bits, unless somebody else has set others.
            None if above.contains(relative) => USUAL.into_iter().find(|usual| usual & !mask == mode),
            None if is_known(trace, &path) => inherited.usual(mode, mask),
            // An access control list of the directory determines the mode, or nothing is known of it.
            Some(ModeGiven::Asked(_) | ModeGiven::Literal(_)) | None => {
                count(true, Mask::Exact);
                None
            }
        }
    });
    (tree, counts)
}

/// Makes the earlier state of each product count that was written in place and kept a mode other than a new file would get. Returns
/// whether there is one.
pub(super) fn count_found(products: &mut [Product], tree: &OutputTree, mask: u32) -> bool {
    let mut found = false;
    for product in products {
        let was_file = matches!(product.before, FileState::File { .. } | FileState::LargeFile { .. });
        let of_new = || tree.find(&product.path)?.asked.map(|asked| asked & !mask);
        let keeps_other = || of_new().is_some_and(|new| product.before.mode() != Some(new));
        if matches!(product.class, ProductClass::Blind | ProductClass::Looked)
            && product.in_place
            && was_file
            && keeps_other()
        {
            product.class = ProductClass::Consulted;
            found = true;
        }
    }
    found
}

/// Bits that programs request by default.
const USUAL: [u32; 2] = [0o666, 0o777];

/// Modes that outputs took from earlier files.
#[derive(Debug, Default)]
struct Inherited {
    /// The mode must be a default one after the umask: that default.
    fresh: BTreeSet<u32>,
    /// The file must have this mode.
    exact: BTreeSet<u32>,
}

impl Inherited {
    fn from(products: &[Product]) -> Self {
        let mut modes = Self::default();
        let consulted = products.iter().filter(|product| product.class == ProductClass::Consulted);
        for before in consulted.map(|product| &product.before) {
            if let Some(mode) = before.mode() {
                let set = if before.mode_rule().fresh { &mut modes.fresh } else { &mut modes.exact };
                set.insert(mode);
            }
        }
        modes
    }

    /// The default bits that give `mode` after the umask, if an output took this mode from an earlier file with a fresh mode.
    fn usual(&self, mode: u32, mask: u32) -> Option<u32> {
        let usual = USUAL.into_iter().find(|usual| usual & !mask == mode)?;
        (self.fresh.contains(&usual) && !self.exact.contains(&mode)).then_some(usual)
    }
}

/// Whether `path` existed when the run began, or was moved here with its directory.
fn is_known(trace: &Trace, path: &Path) -> bool {
    let is_moved = |above: &Path| trace.modes.get(above) == Some(&ModeGiven::Moved);
    let first = trace.accesses.get(path).map(|access| access.first_change);
    first != Some(FirstChange::Created) || path.ancestors().any(is_moved)
}
