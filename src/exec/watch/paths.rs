//! Paths: cleaning them, following links to where they lead, and looking at what is there.
//!
//! Knows nothing about processes or about what is recorded.

use super::process::as_path;
use crate::error::is_inconclusive_for;
use crate::exec::Seen;
use rustc_hash::FxHashMap;
use std::collections::VecDeque;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::FileTypeExt;

/// Maximum number of links that the kernel follows on one path.
const MAX_LINKS: usize = 40;

/// What is found at a path.
#[derive(Clone, Debug)]
pub(super) enum Found {
    /// Nothing, although all names but the last exist.
    Missing,
    /// A name before the last is not a directory.
    NotDirectory,
    /// It cannot be inspected.
    Hidden,
    /// A regular file.
    File(Metadata),
    /// A directory.
    Directory(Metadata),
    /// A symbolic link.
    Link,
    /// A socket, FIFO or device.
    Special(Metadata),
}

impl Found {
    /// The same in the form that witnesses get.
    pub(super) fn seen(&self) -> Seen<'_> {
        match self {
            Self::File(metadata) | Self::Directory(metadata) | Self::Special(metadata) => {
                Seen::There(metadata)
            }
            // A path that ends with a link leads nowhere, too.
            Self::Missing | Self::NotDirectory | Self::Hidden | Self::Link => Seen::Unknown,
        }
    }
}

/// An absolute path without `.`, `..` and doubled slashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) path: Vec<u8>,
    /// It ended in a slash or in `.`: a last link is followed, and only a directory is accepted.
    pub(super) as_directory: bool,
}

/// Where a path leads.
#[derive(Debug)]
pub(super) struct Physical {
    /// Without any link before the last name (or at all, if the last is followed). If a name before the last does not exist or is
    /// no directory, the path ends with that name.
    pub(super) path: Vec<u8>,
    /// The links that were crossed.
    pub(super) links: Vec<Vec<u8>>,
    /// Whether `path` ends before the last name.
    pub(super) cut: bool,
    /// What is there.
    pub(super) found: Found,
}

/// The directory part and the last name; the root has neither.
pub(super) fn split(path: &[u8]) -> Option<(&[u8], &[u8])> {
    let slash = path.iter().rposition(|byte| *byte == b'/')?;
    let name = path.get(slash + 1..)?;
    let directory = if slash == 0 { b"/".as_slice() } else { path.get(..slash)? };
    (!name.is_empty()).then_some((directory, name))
}

/// The directory part of a path.
pub(super) fn directory_of(path: &[u8]) -> &[u8] {
    split(path).map_or(b"/", |(directory, _)| directory)
}

/// `path` and every directory above it, the deepest first; not the root.
pub(super) fn upwards(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::successors(Some(path), |path| split(path).map(|(directory, _)| directory))
        .take_while(|path| path.len() > 1)
}

/// A real directory, and the links on the way to it.
type Way = (Vec<u8>, Vec<Vec<u8>>);

/// Remembers where directories lead, for as long as the run changes no directory and no link.
#[derive(Debug, Default)]
pub(super) struct Resolver {
    /// Where `..` of a path leads.
    parents: FxHashMap<Vec<u8>, Vec<u8>>,
    /// Where a directory leads, and the links on the way.
    directories: FxHashMap<Vec<u8>, Way>,
    /// A look that failed with an inconclusive error. The trace is incomplete from then on.
    failed: Option<(Vec<u8>, io::Error)>,
}

impl Resolver {
    /// Forgets everything: a directory or a link changes.
    pub(super) fn forget(&mut self) {
        self.parents.clear();
        self.directories.clear();
    }

    /// Looks at `path` now.
    pub(super) fn look(&mut self, path: &[u8], follow: bool) -> Found {
        let name = as_path(path);
        let looked = if follow { fs::metadata(name) } else { fs::symlink_metadata(name) };
        let metadata = match looked {
            Ok(metadata) => metadata,
            Err(error) => return self.not_found(path, error),
        };
        let kind = metadata.file_type();
        if kind.is_file() {
            Found::File(metadata)
        } else if kind.is_dir() {
            Found::Directory(metadata)
        } else if kind.is_symlink() {
            Found::Link
        } else {
            debug_assert!(
                kind.is_fifo() || kind.is_socket() || kind.is_char_device() || kind.is_block_device()
            );
            Found::Special(metadata)
        }
    }

    fn not_found(&mut self, path: &[u8], error: io::Error) -> Found {
        match error.raw_os_error() {
            Some(libc::ENOENT) => Found::Missing,
            Some(libc::ENOTDIR) => Found::NotDirectory,
            _ => {
                if is_inconclusive_for(as_path(path), &error) {
                    self.failed.get_or_insert((path.to_vec(), error));
                }
                Found::Hidden
            }
        }
    }

    /// The first look that failed with an inconclusive error.
    pub(super) fn failed(&mut self) -> Option<(Vec<u8>, io::Error)> {
        self.failed.take()
    }

    /// Cleans the absolute path `asked`. Each directory before a `..` is added to `crossed`: the result depends on it.
    pub(super) fn clean(&mut self, asked: &[u8], crossed: &mut Vec<Vec<u8>>) -> Named {
        let mut path: Vec<u8> = Vec::with_capacity(asked.len());
        let mut as_directory = false;
        for name in asked.split(|byte| *byte == b'/') {
            as_directory = name.is_empty() || name == b"." || name == b"..";
            match name {
                b"" | b"." => {}
                b".." => {
                    let Some(parent) = self.parent(&path, crossed) else {
                        // There is no directory: the look-up ends here.
                        return Named { path, as_directory: true };
                    };
                    path = parent;
                }
                name => {
                    path.push(b'/');
                    path.extend_from_slice(name);
                }
            }
        }
        if path.is_empty() {
            path.push(b'/');
        }
        Named { path, as_directory }
    }

    /// The directory above what `path` leads to.
    fn parent(&mut self, path: &[u8], crossed: &mut Vec<Vec<u8>>) -> Option<Vec<u8>> {
        if path.is_empty() {
            return Some(Vec::new());
        }
        if let Some(parent) = self.parents.get(path) {
            crossed.push(path.to_vec());
            return Some(parent.clone());
        }
        let base = match self.look(path, false) {
            Found::Directory(_) => path.to_vec(),
            Found::Link => {
                let physical = self.physical(path, true);
                if !matches!(physical.found, Found::Directory(_)) {
                    return None;
                }
                physical.path
            }
            _ => return None,
        };
        let parent = match split(&base) {
            Some((b"/", _)) | None => Vec::new(),
            Some((parent, _)) => parent.to_vec(),
        };
        self.parents.insert(path.to_vec(), parent.clone());
        crossed.push(path.to_vec());
        Some(parent)
    }

    /// Follows the clean path `asked` to where it leads.
    pub(super) fn physical(&mut self, asked: &[u8], follow: bool) -> Physical {
        let Some((directory, name)) = split(asked) else {
            let found = self.look(b"/", true);
            return Physical { path: b"/".to_vec(), links: Vec::new(), cut: false, found };
        };
        if let Some((real, links)) = self.directories.get(directory).cloned() {
            return self.walk(real, vec![name.to_vec()].into(), links, follow);
        }
        if directory == b"/" {
            return self.walk(Vec::new(), vec![name.to_vec()].into(), Vec::new(), follow);
        }
        let above = self.walk(Vec::new(), names(directory), Vec::new(), true);
        if above.cut {
            return above;
        }
        match above.found {
            Found::Directory(_) => {
                let real = if above.path == b"/" { Vec::new() } else { above.path };
                self.directories.insert(directory.to_vec(), (real.clone(), above.links.clone()));
                self.walk(real, vec![name.to_vec()].into(), above.links, follow)
            }
            Found::Missing | Found::Hidden => Physical { cut: true, ..above },
            _ => Physical { cut: true, found: Found::NotDirectory, ..above },
        }
    }

    /// Walks `names` from the real directory `path` on (empty: the root).
    fn walk(
        &mut self,
        mut path: Vec<u8>,
        mut names: VecDeque<Vec<u8>>,
        mut links: Vec<Vec<u8>>,
        follow: bool,
    ) -> Physical {
        let mut budget = MAX_LINKS;
        let mut found = self.look(if path.is_empty() { b"/" } else { &path }, false);
        while let Some(name) = names.pop_front() {
            if name == b"." {
                continue;
            }
            if name == b".." {
                let above = split(&path).map_or(0, |(above, _)| if above == b"/" { 0 } else { above.len() });
                path.truncate(above);
                continue;
            }
            let before = path.len();
            path.push(b'/');
            path.extend_from_slice(&name);
            found = self.look(&path, false);
            match &found {
                Found::Link if follow || !names.is_empty() => {
                    let text = match fs::read_link(as_path(&path)) {
                        Ok(text) => text,
                        Err(error) => {
                            found = self.not_found(&path, error);
                            break;
                        }
                    };
                    let text = text.into_os_string().into_vec();
                    links.push(path.clone());
                    budget -= 1;
                    if budget == 0 {
                        return Physical { path, links, cut: true, found: Found::Hidden };
                    }
                    path.truncate(if text.starts_with(b"/") { 0 } else { before });
                    for name in self::names(&text).into_iter().rev() {
                        names.push_front(name);
                    }
                    found = self.look(if path.is_empty() { b"/" } else { &path }, false);
                }
                Found::Directory(_) => {}
                _ => break,
            }
        }
        let cut = !names.is_empty();
        if cut && matches!(found, Found::File(_) | Found::Special(_)) {
            found = Found::NotDirectory;
        }
        if path.is_empty() {
            path.push(b'/');
        }
        Physical { path, links, cut, found }
    }
}

fn names(path: &[u8]) -> VecDeque<Vec<u8>> {
    path.split(|byte| *byte == b'/').filter(|name| !name.is_empty()).map(<[u8]>::to_vec).collect()
}
