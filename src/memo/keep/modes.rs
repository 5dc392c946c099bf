//! Permission bits of outputs that follow the umask: those that were asked for when an output was created, and that nobody
//! set afterwards.

use crate::exec::{FirstChange, ModeGiven, Trace};
use crate::record::{FileState, OutputTree, Product, ProductClass};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// How the modes of outputs depend on the umask, beside what was asked for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Mask {
    /// Not at all.
    Any,
    /// They are known under this one and under every one that takes more.
    AtLeast,
    /// They are known under this one only.
    Exact,
}

/// The tree with what was asked for each output; and how the mode of one depends on the umask in another way. A file
/// that has to be there as it was, and is written in place, keeps the mode that it has: see `products`.
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
        product.class == ProductClass::Consulted && product.in_place && was_file
    };
    let kept: BTreeSet<&[u8]> =
        products.iter().filter(stays).map(|product| product.path.as_slice()).collect();
    let inherited = Inherited::from(products);
    let tree = tree.with_asked(|path, mode| {
        if kept.contains(path) {
            return None;
        }
        let path = root.join(OsStr::from_bytes(path));
        match trace.modes.get(&path) {
            // A set-id bit goes with a write, and is not restored.
            Some(ModeGiven::Asked(asked)) if asked & 0o777 & !mask == mode => Some(*asked),
            // An access list of the directory decides.
            Some(ModeGiven::Asked(_)) => {
                count(true, Mask::Exact);
                None
            }
            // Under an umask that leaves more, what it may have been taken from has more, and what a program has in mind has
            // not.
            Some(ModeGiven::Fresh(asked)) if asked & 0o777 == mode => {
                count(true, Mask::AtLeast);
                Some(*asked)
            }
            // It may have been taken from another file of the run's own making.
            Some(ModeGiven::Fresh(mode) | ModeGiven::Set { mode, is_computed: true }) => {
                let is_left = |all: &u32| mode & 0o777 == all & !mask;
                count(mask != 0 && [0o666, 0o777].iter().any(is_left), Mask::Exact);
                None
            }
            Some(ModeGiven::Copied) => USUAL.into_iter().find(|usual| usual & !mask == mode),
            Some(ModeGiven::Moved) => inherited.usual(mode, mask),
            Some(ModeGiven::Fixed | ModeGiven::Set { .. }) => None,
            None if is_known(trace, &path) => inherited.usual(mode, mask),
            None => {
                count(true, Mask::Exact);
                None
            }
        }
    });
    (tree, counts)
}

/// Bits for which programs ask that have none in mind.
const USUAL: [u32; 2] = [0o666, 0o777];

/// Modes that outputs have from what was there before.
#[derive(Debug, Default)]
struct Inherited {
    /// Of what has to be what the umask leaves of usual ones: those.
    fresh: BTreeSet<u32>,
    /// Of what has to have this mode.
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

    /// The usual bits of which the umask leaves `mode`, which an output has from before, where what had it has to be so.
    fn usual(&self, mode: u32, mask: u32) -> Option<u32> {
        let usual = USUAL.into_iter().find(|usual| usual & !mask == mode)?;
        (self.fresh.contains(&usual) && !self.exact.contains(&mode)).then_some(usual)
    }
}

/// Whether what is at `path` was there when the run began, or came with its directory.
fn is_known(trace: &Trace, path: &Path) -> bool {
    let is_moved = |above: &Path| trace.modes.get(above) == Some(&ModeGiven::Moved);
    let first = trace.accesses.get(path).map(|access| access.first_change);
    first != Some(FirstChange::Created) || path.ancestors().any(is_moved)
}
