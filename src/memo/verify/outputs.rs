//! Recorded outputs in a verification: moved away before the run, and compared with the new ones after it.

use super::contents::contrast;
use super::undo::Undo;
use super::{Fingerprints, How, Item, Mismatch, Recorded};
use crate::digest::Digest;
use crate::encode::{Encode, Encoder};
use crate::error::{Error, Result, means_absent};
use crate::hash::exclude::path_excluded;
use crate::hash::files;
use crate::hash::globs::Patterns;
use crate::memo::outputs::{holds, whole};
use crate::record::{
    Commit, Content, Coverage, FileState, MODE_BITS, Observation, OutputEntry, OutputKind, Places,
    ProductClass, Replay,
};
use crate::store::BlobStore;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File, Metadata};
use std::io::Read;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The outputs of a run in the present work tree.
pub(super) struct Outputs<'a> {
    pub(super) store: &'a dyn BlobStore,
    pub(super) places: &'a Places,
    pub(super) recorded: Recorded<'a>,
    pub(super) declared: &'a Patterns,
    pub(super) ignored: &'a Patterns,
}

/// State of a path when the recorded run began, as far as the run looked at it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Was {
    Unknown,
    Nothing,
    Directory,
    Other,
}

/// The former states, by path relative to the root.
fn was(commit: &Commit) -> BTreeMap<&[u8], Was> {
    let mut known = BTreeMap::new();
    for observation in &commit.observations {
        let (path, was) = match observation {
            Observation::State { path, state, .. } => match state {
                FileState::Absent => (path, Was::Nothing),
                FileState::Directory { .. } => (path, Was::Directory),
                _ => (path, Was::Other),
            },
            Observation::Content { path, .. } => (path, Was::Other),
            Observation::Listing { path, .. } | Observation::Entries { path, .. } => (path, Was::Directory),
            _ => continue,
        };
        if path.base() == crate::record::Base::Root {
            known.insert(path.rest(), was);
        }
    }
    for product in commit.products.all() {
        let counts = match product.class {
            ProductClass::Blind | ProductClass::Looked => false,
            ProductClass::Consulted | ProductClass::Mode => true,
            ProductClass::Appended => product.emptiness_counts,
        };
        let was = match product.before {
            FileState::Absent => Was::Nothing,
            FileState::Directory { .. } => Was::Directory,
            _ => Was::Other,
        };
        if counts {
            known.insert(product.path.as_slice(), was);
        }
    }
    known
}

impl Outputs<'_> {
    fn absolute(&self, path: &[u8]) -> PathBuf {
        self.places.root.join(OsStr::from_bytes(path))
    }

    /// Moves the outputs of the recorded run away, so that the new run finds what the recorded one found.
    ///
    /// # Errors
    /// When something cannot be moved, or the path of an output contains a link.
    pub(super) fn set_aside(&self, undo: &mut Undo<'_>) -> Result<()> {
        let watched = self.recorded.commit.coverage == Coverage::Watched;
        let was = was(self.recorded.commit);
        let mut above: Option<PathBuf> = None;
        for entry in self.recorded.outputs.entries() {
            let path = self.absolute(&entry.path);
            if above.as_ref().is_some_and(|above| path.starts_with(above)) {
                continue;
            }
            let Some(now) = there(&path)? else { continue };
            self.refuse_links(&entry.path)?;
            let was = was.get(entry.path.as_slice()).copied().unwrap_or(Was::Unknown);
            let made_it = match entry.kind {
                // A directory left by an unwatched run may have existed before.
                OutputKind::Directory { .. } => watched && matches!(was, Was::Nothing | Was::Unknown),
                OutputKind::File { .. } | OutputKind::Sparse { .. } | OutputKind::Symlink { .. } => {
                    matches!(was, Was::Nothing | Was::Unknown)
                }
                OutputKind::Removed => false,
            };
            if made_it {
                undo.move_aside(&path)?;
                above = now.is_dir().then_some(path);
            }
        }
        if !watched {
            // Nothing reports changes to these paths during the run, so their state is saved now.
            for path in self.declared.present()? {
                undo.touch(&path);
            }
        }
        Ok(())
    }

    /// Declared outputs that an unwatched run created.
    pub(super) fn unseen(&self, undo: &Undo<'_>) -> Result<Vec<PathBuf>> {
        if self.recorded.commit.coverage == Coverage::Watched {
            return Ok(Vec::new());
        }
        Ok(self.declared.present()?.into_iter().filter(|path| !undo.has_touched(path)).collect())
    }

    /// Rejects outputs behind a link, so that nothing outside is moved or compared.
    fn refuse_links(&self, path: &[u8]) -> Result<()> {
        let mut place = self.places.root.clone();
        let mut names = path.split(|byte| *byte == b'/').peekable();
        while let Some(name) = names.next() {
            place.push(OsStr::from_bytes(name));
            let is_link = || fs::symlink_metadata(&place).is_ok_and(|found| found.is_symlink());
            if names.peek().is_some() && is_link() {
                return Err(Error::usage(format!("{} is now a link", place.display())));
            }
        }
        Ok(())
    }

    /// Compares the outputs of the run with the record.
    ///
    /// # Errors
    /// When something cannot be read.
    pub(super) fn compare(
        &self,
        undo: &Undo<'_>,
        mismatches: &mut Vec<Mismatch>,
        fingerprints: &mut Fingerprints,
    ) -> Result<()> {
        if self.recorded.commit.replay != Replay::Allowed {
            // The outputs were not recorded.
            return Ok(());
        }
        for entry in self.recorded.outputs.entries() {
            self.entry(entry, mismatches, fingerprints)?;
        }
        for (path, print) in self.others(undo)? {
            let gone = print.is_none();
            let how = if gone { How::Removed } else { How::Additional };
            fingerprints.insert(Item::Output(path.clone()), print.unwrap_or(Digest::of(b"")));
            mismatches.push(Mismatch { item: Item::Output(path), how, causes: Vec::new() });
        }
        Ok(())
    }

    /// Other paths that the run changed, with a digest of their present content.
    fn others(&self, undo: &Undo<'_>) -> Result<BTreeMap<Vec<u8>, Option<Digest>>> {
        let watched = self.recorded.commit.coverage == Coverage::Watched;
        let mut changed = undo.changed();
        if !watched {
            changed.retain(|path| self.declared.matches(path));
        }
        let mut others = BTreeMap::new();
        for path in changed {
            let Ok(inside) = path.strip_prefix(&self.places.root) else { continue };
            let relative = inside.as_os_str().as_bytes();
            let counts = path_excluded(inside).is_none() && !self.ignored.matches(&path);
            if counts && self.recorded.outputs.find(relative).is_none() {
                let print = now(&path)?.map(|now| now.print());
                others.insert(relative.to_vec(), print);
            }
        }
        Ok(others)
    }

    fn entry(
        &self,
        entry: &OutputEntry,
        mismatches: &mut Vec<Mismatch>,
        fingerprints: &mut Fingerprints,
    ) -> Result<()> {
        let path = self.absolute(&entry.path);
        let item = Item::Output(entry.path.clone());
        if let Some(print) = unchanged_holes(entry, &path) {
            fingerprints.insert(item, print);
            return Ok(());
        }
        let now = now(&path)?;
        fingerprints.insert(item.clone(), now.as_ref().map_or(Digest::of(b""), Now::print));
        let mut push = |how, causes| mismatches.push(Mismatch { item: item.clone(), how, causes });
        match (&entry.kind, &now) {
            (OutputKind::Removed, None) => {}
            (OutputKind::Removed, Some(_)) => push(How::Additional, Vec::new()),
            (_, None) => push(How::Missing, Vec::new()),
            (then @ OutputKind::File { content, mode, .. }, Some(Now::File { digest, mode: is, .. })) => {
                if content.blob.0 != *digest
                    && let Some(found) = self.contents(then, &path)?
                {
                    let causes = found.causes.clone();
                    push(How::Content(found), causes);
                }
                if mode != is {
                    push(How::Mode { then: *mode, now: *is }, Vec::new());
                }
            }
            (then @ OutputKind::Sparse { mode, .. }, Some(Now::File { mode: is, .. })) => {
                if let Some(found) = self.contents(then, &path)? {
                    let causes = found.causes.clone();
                    push(How::Content(found), causes);
                }
                if mode != is {
                    push(How::Mode { then: *mode, now: *is }, Vec::new());
                }
            }
            (OutputKind::Directory { mode }, Some(Now::Directory { mode: is })) => {
                if mode != is {
                    push(How::Mode { then: *mode, now: *is }, Vec::new());
                }
            }
            (OutputKind::Symlink { text }, Some(Now::Link { text: is })) if text == is => {}
            (then, Some(is)) => push(How::Kind { then: then.clone(), now: is.kind() }, is.causes(then)),
        }
        Ok(())
    }

    fn contents(&self, recorded: &OutputKind, path: &Path) -> Result<Option<super::Contrast>> {
        let Some(stored) = recorded.stored() else { return Ok(None) };
        let then = || Ok(whole(recorded, self.store.read(&stored.blob)?) as Box<dyn Read>);
        let now = || match File::open(path) {
            Ok(file) => Ok(Box::new(file) as Box<dyn Read>),
            Err(error) => Err(Error::io("read", path, error)),
        };
        contrast(&then, &now)
    }
}

/// State of a path after the run.
enum Now {
    File {
        digest: Digest,
        size: u64,
        mode: u32,
    },
    Directory {
        mode: u32,
    },
    Link {
        text: Vec<u8>,
    },
    /// A file type that is not recorded, or a file that cannot be read.
    Other {
        mode: u32,
    },
}

/// The digest of the file at `path` if it equals the recorded sparse file, whose holes are not read.
fn unchanged_holes(entry: &OutputEntry, path: &Path) -> Option<Digest> {
    let OutputKind::Sparse { data, mode, size, extents } = &entry.kind else { return None };
    let there = fs::symlink_metadata(path)
        .ok()
        .filter(|there| there.is_file() && there.mode() & MODE_BITS == *mode)?;
    let file = File::open(path).ok().filter(|_| there.len() == *size)?;
    let is_it = holds(&file, data, *size, extents).unwrap_or(false);
    is_it.then(|| Digest::of(&entry.to_bytes()))
}

/// The result of `lstat`; `None` where the path does not exist.
fn there(path: &Path) -> Result<Option<Metadata>> {
    match fs::symlink_metadata(path) {
        Ok(metadata) => Ok(Some(metadata)),
        Err(error) if means_absent(&error) => Ok(None),
        Err(error) => Err(Error::io("inspect", path, error)),
    }
}

fn now(path: &Path) -> Result<Option<Now>> {
    let Some(metadata) = there(path)? else { return Ok(None) };
    let mode = metadata.mode() & MODE_BITS;
    let kind = metadata.file_type();
    Ok(Some(if kind.is_dir() {
        Now::Directory { mode }
    } else if let (true, Ok(text)) = (kind.is_symlink(), fs::read_link(path)) {
        Now::Link { text: text.into_os_string().into_vec() }
    } else if let (true, Ok((digest, evidence))) = (kind.is_file(), files::digest_file(path)) {
        Now::File { digest, size: evidence.size, mode }
    } else {
        Now::Other { mode: metadata.mode() }
    }))
}

impl Now {
    fn print(&self) -> Digest {
        let mut encoder = Encoder::new();
        match self {
            Self::File { digest, mode, .. } => encoder.unsigned(0).digest(digest).unsigned(u64::from(*mode)),
            Self::Directory { mode } => encoder.unsigned(1).unsigned(u64::from(*mode)),
            Self::Link { text } => encoder.unsigned(2).bytes(text),
            Self::Other { mode } => encoder.unsigned(3).unsigned(u64::from(*mode)),
        };
        Digest::of(&encoder.finish())
    }

    fn kind(&self) -> Option<OutputKind> {
        match self {
            Self::File { digest, size, mode } => {
                let content = Content { blob: crate::digest::BlobId(*digest), size: *size };
                Some(OutputKind::File { content, mode: *mode, sparse: false })
            }
            Self::Directory { mode } => Some(OutputKind::Directory { mode: *mode }),
            Self::Link { text } => Some(OutputKind::Symlink { text: text.clone() }),
            Self::Other { .. } => None,
        }
    }

    /// Causes of a changed link target, as far as its text shows.
    fn causes(&self, then: &OutputKind) -> Vec<super::Cause> {
        match (then, self) {
            (OutputKind::Symlink { text: then }, Self::Link { text: now }) => {
                super::cause::explain(then, now).unwrap_or_default()
            }
            _ => Vec::new(),
        }
    }
}

/// The termination of a command, in a form that can be compared.
pub(super) fn termination_fingerprint(termination: crate::record::Termination) -> Digest {
    Digest::of(&termination.to_bytes())
}
