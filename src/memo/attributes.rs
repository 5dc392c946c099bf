//! Extended attributes of outputs: which ones are recorded, and how they are restored.
//!
//! User attributes and access control lists are recorded. Attributes that the system puts on every file (a security label, a
//! property of the file system) do not come from the command and are ignored. Other attributes cannot be restored by every
//! user, so a result with them is not cached.

use crate::record::Attribute;
use rustix::fs::{XattrFlags, fgetxattr, flistxattr, fsetxattr};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

const ACCESS_LIST: &[u8] = b"system.posix_acl_access";
const DEFAULT_LIST: &[u8] = b"system.posix_acl_default";

/// Kernel limits: largest size of an attribute's name or value, and of a list of names, in bytes.
const LARGEST: usize = 64 << 10;
/// Initial buffer size in bytes, enough for most lists and values.
const USUAL: usize = 512;

/// Names of attributes that the system sets, or that describe the file system.
const SYSTEM: &[&[u8]] = &[
    b"security.selinux",
    b"security.SMACK64",
    b"security.apparmor",
    b"security.ima",
    b"security.evm",
    b"trusted.overlay.",
];

/// Entries of an access control list that permission bits cannot express: named users and groups, and the mask.
const MORE_THAN_MODE: [u16; 3] = [0x02, 0x08, 0x10];

/// Why attributes cannot be recorded.
#[derive(Debug)]
pub(super) enum Unkept {
    /// An attribute with this name cannot be restored.
    Named(Vec<u8>),
    /// They cannot be read.
    Unreadable(Errno),
}

/// The recorded attributes of an open file or directory, sorted by name.
///
/// # Errors
/// [`Unkept`].
pub(super) fn read(file: impl AsFd) -> Result<Vec<Attribute>, Unkept> {
    let file = file.as_fd();
    let names = match growing(|buffer| flistxattr(file, buffer)) {
        Ok(names) => names,
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => return Ok(Vec::new()),
        Err(errno) => return Err(Unkept::Unreadable(errno)),
    };
    let mut found = Vec::new();
    for name in names.split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        let is_list = name == ACCESS_LIST || name == DEFAULT_LIST;
        if !is_list && !name.starts_with(b"user.") {
            let acts = name.starts_with(b"security.") || name.starts_with(b"trusted.");
            if acts && !SYSTEM.iter().any(|system| name.starts_with(system)) {
                return Err(Unkept::Named(name.to_vec()));
            }
            continue;
        }
        let value = growing(|buffer| fgetxattr(file, OsStr::from_bytes(name), buffer));
        let value = value.map_err(Unkept::Unreadable)?;
        if name != ACCESS_LIST || says_more_than_mode(&value) {
            found.push(Attribute { name: name.to_vec(), value });
        }
    }
    found.sort();
    Ok(found)
}

/// Retries a call with larger buffers until the result fits.
fn growing(mut call: impl FnMut(&mut [u8]) -> Result<usize, Errno>) -> Result<Vec<u8>, Errno> {
    let mut buffer = vec![0; USUAL];
    let length = match call(&mut buffer) {
        Err(Errno::RANGE) => {
            buffer.resize(LARGEST, 0);
            call(&mut buffer)?
        }
        other => other?,
    };
    buffer.truncate(length);
    Ok(buffer)
}

/// Whether an access control list contains more than the permission bits. (`cp -p`, `install`, `sed -i` set one that does
/// not.)
fn says_more_than_mode(list: &[u8]) -> bool {
    let entries = list.get(4..).unwrap_or_default().chunks(8);
    let mut tags = entries.filter_map(|entry| Some(u16::from_le_bytes([*entry.first()?, *entry.get(1)?])));
    tags.any(|tag| MORE_THAN_MODE.contains(&tag))
}

/// Sets the user attributes of an open, writable file or directory. [`set_lists`] sets access control lists, which depend on
/// the permission bits.
///
/// # Errors
/// When the system refuses one.
pub(crate) fn set_own(file: impl AsFd, attributes: &[Attribute]) -> Result<(), Errno> {
    set(file, attributes, |name| !is_list(name))
}

/// Sets the access control lists of an open file or directory, after its permission bits.
///
/// # Errors
/// When the system refuses one.
pub(crate) fn set_lists(file: impl AsFd, attributes: &[Attribute]) -> Result<(), Errno> {
    set(file, attributes, is_list)
}

fn is_list(name: &[u8]) -> bool {
    name == ACCESS_LIST || name == DEFAULT_LIST
}

fn set(file: impl AsFd, attributes: &[Attribute], which: impl Fn(&[u8]) -> bool) -> Result<(), Errno> {
    let chosen = attributes.iter().filter(|attribute| which(&attribute.name));
    let mut set = chosen.map(|attribute| {
        fsetxattr(&file, OsStr::from_bytes(&attribute.name), &attribute.value, XattrFlags::empty())
    });
    set.try_for_each(|set| set)
}

/// Copies the user attributes of a file or directory to another, as far as they can be read and set.
pub(in crate::memo) fn copy(from: &Path, to: &Path) {
    if let (Ok(from), Ok(to)) = (File::open(from), File::open(to))
        && let Ok(attributes) = read(&from)
    {
        let _ = set_own(&to, &attributes).and_then(|()| set_lists(&to, &attributes));
    }
}

/// Whether an open file or directory has all these attributes.
pub(super) fn has(file: impl AsFd, attributes: &[Attribute]) -> bool {
    attributes.iter().all(|attribute| {
        let value = growing(|buffer| fgetxattr(&file, OsStr::from_bytes(&attribute.name), buffer));
        value.is_ok_and(|value| value == attribute.value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_three_entries_is_a_mode() {
        let list = |tags: &[u16]| {
            let entry = |tag: &u16| [tag.to_le_bytes(), [6, 0], [0xff, 0xff], [0xff, 0xff]].concat();
            [vec![2, 0, 0, 0], tags.iter().flat_map(entry).collect()].concat()
        };
        assert!(!says_more_than_mode(&list(&[1, 4, 0x20])));
        for tags in [&[1, 2, 4, 0x10, 0x20][..], &[1, 4, 0x10, 0x20], &[1, 4, 8, 0x10, 0x20]] {
            assert!(says_more_than_mode(&list(tags)));
        }
        assert!(!says_more_than_mode(b""));
    }

    #[test]
    fn the_users_attributes_come_back() {
        let folder = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        let file = File::create(folder.path().join("file")).unwrap();
        let large = Attribute { name: b"user.large".to_vec(), value: vec![7; 2000] };
        let small = Attribute { name: b"user.small".to_vec(), value: Vec::new() };
        if set_own(&file, &[large.clone(), small.clone()]).is_err() {
            return; // Not on this file system.
        }
        assert_eq!(read(&file).unwrap(), [large.clone(), small.clone()]);
        assert!(has(&file, &[small]));
        assert!(!has(&file, &[Attribute { value: Vec::new(), ..large }]));
    }
}
