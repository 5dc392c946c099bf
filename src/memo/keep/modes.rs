//! Permission bits of outputs that follow the umask: those that were asked for when an output was created, and that nobody
//! set afterwards.

use crate::exec::{FirstChange, ModeGiven, Trace, umask};
use crate::record::{FileState, OutputTree, Product, ProductClass};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The tree with what was asked for each output; and whether the mode of one depends on the umask in another way. A file
/// that has to be there as it was, and is written in place, keeps the mode that it has: see `products`.
pub(super) fn asked(
    trace: &Trace,
    root: &Path,
    tree: OutputTree,
    products: &[Product],
) -> (OutputTree, bool) {
    let mask = umask();
    let mut counts = false;
    let stays = |product: &&Product| {
        let was_file = matches!(product.before, FileState::File { .. } | FileState::LargeFile { .. });
        product.class == ProductClass::Consulted && product.in_place && was_file
    };
    let kept: BTreeSet<&[u8]> =
        products.iter().filter(stays).map(|product| product.path.as_slice()).collect();
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
                counts = true;
                None
            }
            // The run may have taken it from another file that it made.
            Some(ModeGiven::Set { mode, is_computed: true }) => {
                counts |= mask != 0 && [0o666, 0o777].iter().any(|all| mode & 0o777 == all & !mask);
                None
            }
            Some(ModeGiven::Fixed | ModeGiven::Set { .. } | ModeGiven::Moved) => None,
            None => {
                counts |= !is_known(trace, &path);
                None
            }
        }
    });
    (tree, counts)
}

/// Whether what is at `path` was there when the run began, or came with its directory.
fn is_known(trace: &Trace, path: &Path) -> bool {
    let is_moved = |above: &Path| trace.modes.get(above) == Some(&ModeGiven::Moved);
    let first = trace.accesses.get(path).map(|access| access.first_change);
    first != Some(FirstChange::Created) || path.ancestors().any(is_moved)
}
