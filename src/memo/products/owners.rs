//! Whose the present files at products are, and whether the command could make them again.

use super::Check;
use crate::record::{FileState, OutputKind, Product, ProductClass};
use rustix::fs::{Access, AtFlags, CWD, accessat};
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

impl Check<'_> {
    /// Whether a directory differs from its parent in whether it hands on its group. One that is created does as its parent.
    pub(super) fn hands_on_otherwise(path: &Path, now: &Metadata) -> bool {
        let above = path.parent().and_then(|above| fs::metadata(above).ok());
        above.is_none_or(|above| (above.mode() ^ now.mode()) & libc::S_ISGID != 0)
    }

    /// Whether a file is there that is another's, and may stay that one's: what is written in place does, and many programs
    /// that root runs give its owner to what they put in its place (`sed -i`, `patch`). A hit would make it ours.
    pub(super) fn may_keep_owner(&self, product: &Product, path: &Path, now: &Metadata) -> bool {
        let stays = matches!(product.class, ProductClass::Appended | ProductClass::Mode)
            || matches!(self.after(product), None | Some(OutputKind::Removed));
        // A directory that the run only makes where it is missing stays as it is.
        if stays || now.is_dir() && product.in_place {
            return false;
        }
        let (user, group) = (rustix::process::geteuid(), rustix::process::getegid());
        // In a directory that hands on its group every file has that one.
        let hands_on = || {
            let above = path.parent().and_then(|above| fs::metadata(above).ok());
            above.is_some_and(|above| above.mode() & libc::S_ISGID != 0)
        };
        if now.uid() == user.as_raw() && (now.gid() == group.as_raw() || hands_on()) {
            return false;
        }
        if !now.is_file() {
            return true;
        }
        // What the command does with a file that is there was not seen if none was.
        let is_unseen = product.before == FileState::Absent;
        if product.in_place {
            is_unseen || !self.is_as_left(product, path, Some(now))
        } else {
            user.is_root()
        }
    }

    /// Whether the command could do to the present file or link what it did: write in place, set attributes, or replace it in its
    /// directory. A hit that finds nothing to do would hide that it could not.
    pub(super) fn may_make_again(&self, product: &Product, path: &Path, now: &Metadata) -> bool {
        // Programs may look at the mode of what they replace, also where root runs them.
        let may_look = product.class == ProductClass::Looked || !product.in_place;
        let was_writable = || self.mode(product).is_some_and(|mode| mode & 0o200 != 0);
        if may_look && now.is_file() && now.mode() & 0o200 == 0 && was_writable() {
            return false;
        }
        if rustix::process::geteuid().is_root() || now.is_dir() {
            return true;
        }
        if product.in_place {
            return (!product.attributes_set || is_ours_to_set(now)) && (!now.is_file() || may_write(path));
        }
        let Some(above) = path.parent() else { return false };
        let may_change = accessat(CWD, above, Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS).is_ok();
        let is_sticky = |found: &Metadata| found.mode() & libc::S_ISVTX != 0 && !is_ours_to_set(found);
        may_change && (is_ours_to_set(now) || !fs::metadata(above).is_ok_and(|found| is_sticky(&found)))
    }
}

/// Whether the present user may set the mode and times of a file.
pub(super) fn is_ours_to_set(now: &Metadata) -> bool {
    let user = rustix::process::geteuid();
    user.is_root() || now.uid() == user.as_raw()
}

/// Whether the present user may write to the file.
pub(super) fn may_write(path: &Path) -> bool {
    accessat(CWD, path, Access::WRITE_OK, AtFlags::EACCESS).is_ok()
}
