//! The rights of the present user to a file, and the part of its mode that counts.

use crate::record::{FileState, ModeRule};
use rustix::fs::{Access, AtFlags, CWD, accessat};
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::OnceLock;

/// The rights to read and write.
pub const READ_AND_WRITE: u8 = 0o6;
/// The rights to enter a directory and to change its entries.
pub const CHANGE_ENTRIES: u8 = 0o3;
/// The right to enter a directory.
const ENTER: u32 = 0o1;

/// Permission bits that programs request by default.
const USUAL: [u32; 2] = [0o666, 0o777];

/// `state` of what is at `path`, with the part of its mode that counts by `rule`. Absent paths and links have no such part.
#[must_use]
pub fn apply(path: &Path, follow: bool, state: FileState, rule: ModeRule) -> FileState {
    let metadata = if follow { fs::metadata(path) } else { fs::symlink_metadata(path) };
    match metadata {
        Ok(metadata) if !metadata.is_symlink() && state.mode().is_some() => {
            apply_to(path, &metadata, state, rule)
        }
        _ => state,
    }
}

/// The same for known `metadata`.
pub(super) fn apply_to(path: &Path, metadata: &Metadata, state: FileState, rule: ModeRule) -> FileState {
    let mode = metadata.mode() & 0o7777;
    let bits = if rule.fresh { usual(mode).unwrap_or(mode) } else { mode };
    let asked = u32::from(rule.asked);
    let all = if rule.by_rights || asked != 0 { rights_of(path, metadata) } else { 0 };
    // Root may write everywhere. That counts only if the run asked for it.
    let seen = if rule.by_rights { all & !0o2 | mode >> 6 & 0o2 } else { 0 };
    let rights = seen & !asked | all & asked;
    let rights = if rule.passed { rights & ENTER } else { rights };
    state.with_rule(rule, bits, rights)
}

/// The usual bits that give `mode` after the umask.
#[must_use]
pub fn usual(mode: u32) -> Option<u32> {
    let mask = umask()?;
    USUAL.into_iter().find(|usual| usual & !mask == mode)
}

/// The umask of this process, which never changes it. `None` if it cannot be read.
fn umask() -> Option<u32> {
    static MASK: OnceLock<Option<u32>> = OnceLock::new();
    *MASK.get_or_init(|| {
        let status = fs::read_to_string("/proc/self/status").ok()?;
        let mask = status.lines().find_map(|line| line.strip_prefix("Umask:"))?;
        u32::from_str_radix(mask.trim(), 8).ok()
    })
}

/// The rights of the present user to `path`, as bits 0 to 7; `metadata` is that of the path. For users other than the owner, an
/// access control list may differ from the mode.
fn rights_of(path: &Path, metadata: &Metadata) -> u32 {
    let user = rustix::process::geteuid();
    let own = metadata.mode() >> 6 & 0o7;
    if metadata.uid() == user.as_raw() && (!user.is_root() || own == 0o7) {
        return own;
    }
    let may = |access: Access| accessat(CWD, path, access, AtFlags::EACCESS).is_ok();
    let bit = |access: Access, bit: u32| if may(access) { bit } else { 0 };
    let both = u32::from(READ_AND_WRITE);
    let read_and_write = if metadata.uid() == user.as_raw() && own & both == both {
        both
    } else {
        bit(Access::READ_OK, 4) | bit(Access::WRITE_OK, 2)
    };
    read_and_write | bit(Access::EXEC_OK, 1)
}

/// Whether the mode of `path` is as expected, as far as it counts; `found` is its metadata.
#[must_use]
pub fn mode_matches(expected: &FileState, found: &Metadata, path: &Path) -> bool {
    let rule = expected.mode_rule();
    let now = apply_to(path, found, expected.clone(), rule);
    now.rights() == expected.rights()
        && if expected.mode_is_left() {
            expected.has_special_bits_of(found.mode())
        } else {
            now.mode() == expected.mode()
        }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_mode_counts_by_what_it_allows_us() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("f");
        fs::write(&path, "x").unwrap();
        let with = |mode: u32| {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let state = FileState::Directory { mode: 0 };
            apply(&path, true, state, ModeRule { by_rights: true, ..ModeRule::default() }).rights()
        };
        assert_eq!(with(0o644), with(0o600));
        assert_eq!(with(0o755), with(0o700));
        assert_ne!(with(0o644), with(0o755));
        assert_ne!(with(0o644), with(0o444));
    }
}
