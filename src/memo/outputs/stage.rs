//! The staging directory: outputs are written there, on the root's file system, before they become visible.

use super::beneath::Place;
use super::holes;
use super::plan::Kept;
use super::restore::{RestoreError, blocked, modified_at, shown, unreadable};
use crate::memo::attributes::{set_lists, set_own};
use crate::memo::unfinished::{self, Begun, Note, STAGE};
use crate::record::{Content, OutputEntry, OutputKind, Timestamp};
use crate::store::{BlobStore, Workspace};
use rustix::fs::{AtFlags, CWD, Gid, Mode, OFlags, Uid};
use rustix::fs::{fchmod, fchown, fstat, ftruncate, futimens, linkat, openat, symlinkat, utimensat};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const PIECE: usize = 256 * 1024;
/// Files from this size on, in bytes, are copied in the kernel.
const WORTH_COPYING: u64 = 1 << 20;
/// Alignment of holes in bytes: the block size of common file systems.
const BLOCK: usize = 4096;

/// A directory of staged files. Dropping it removes the directory with its content.
pub(super) struct Stage<'a> {
    parent: PathBuf,
    opened: Option<(TempDir, OwnedFd)>,
    /// Where to note the directory, if it is outside of the store.
    noted_in: Option<Workspace<'a>>,
    /// A note that the directory exists, so that a later call can remove it.
    note: Option<Note>,
    count: u64,
    buffer: Vec<u8>,
}

impl<'a> Stage<'a> {
    /// Stages in the store's `tmp` if it is on the root's file system, otherwise in the root itself. The directory is created
    /// with the first staged file.
    pub(super) fn new(root: &Path, workspace: Workspace<'a>) -> Self {
        let device = |path: &Path| std::fs::metadata(path).map(|metadata| metadata.dev()).ok();
        let inside = workspace.temporary();
        let together = device(&inside).is_some() && device(&inside) == device(root);
        let parent = if together { inside } else { root.to_path_buf() };
        let noted_in = (!together).then_some(workspace);
        Self { parent, opened: None, noted_in, note: None, count: 0, buffer: Vec::new() }
    }

    /// The directory of staged files; the working directory's descriptor before it exists.
    pub(super) fn directory(&self) -> BorrowedFd<'_> {
        self.opened.as_ref().map_or(CWD, |(_, descriptor)| descriptor.as_fd())
    }

    fn open(&mut self) -> Result<(BorrowedFd<'_>, String), RestoreError> {
        self.count += 1;
        if self.opened.is_none() {
            let refused = |error| {
                RestoreError::Blocked(format!("cannot write below {}: {error}", self.parent.display()))
            };
            let (mut builder, mut name) = (tempfile::Builder::new(), STAGE.to_owned());
            if let Some(workspace) = self.noted_in {
                // Inside the project the directory would stay if this process were killed: it is noted before it is created.
                name = format!("{STAGE}{}-{}", std::process::id(), Timestamp::now().0);
                let noted = unfinished::note(workspace, &Begun::Stage(self.parent.join(&name)));
                self.note = Some(noted.map_err(|error| RestoreError::Blocked(error.to_string()))?);
                builder.rand_bytes(0);
            }
            let made = builder.prefix(&name).tempdir_in(&self.parent).map_err(refused)?;
            let flags = OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
            let descriptor = openat(CWD, made.path(), flags, Mode::empty());
            let descriptor = descriptor.map_err(|errno| blocked("open", made.path(), errno))?;
            self.opened = Some((made, descriptor));
        }
        Ok((self.directory(), self.count.to_string()))
    }

    /// Writes a file with its attributes, the kept or recorded mode, and the given or present time; returns its staged name.
    pub(super) fn file(
        &mut self,
        blobs: &dyn BlobStore,
        entry: &OutputEntry,
        time: Option<Timestamp>,
        kept: Option<Kept>,
    ) -> Result<String, RestoreError> {
        let parent = self.parent.clone();
        let refused = |errno| blocked("change a file below", &parent, errno);
        let (directory, name) = self.open()?;
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let opened = openat(directory, &name, flags, Mode::RUSR | Mode::WUSR);
        let mut to = File::from(opened.map_err(|errno| blocked("create a file below", &parent, errno))?);
        let failed = |error| RestoreError::Blocked(format!("cannot write an output: {error}"));
        let mode = match &entry.kind {
            OutputKind::File { content, mode, sparse } => {
                self.content(blobs, content, *sparse, &mut to)?;
                *mode
            }
            OutputKind::Sparse { data, mode, size, extents } => {
                let mut from = blobs.read(&data.blob).map_err(|error| unreadable(data.blob, &error))?;
                holes::write(&mut *from, &to, extents, *size).map_err(failed)?;
                *mode
            }
            _ => return Err(RestoreError::Blocked(format!("{} is not a file", shown(entry).display()))),
        };
        set_own(&to, &entry.attributes).map_err(refused)?;
        if let Some(Kept { owners: (user, group), .. }) = kept {
            let stat = fstat(&to).map_err(refused)?;
            if (stat.st_uid, stat.st_gid) != (user, group) {
                fchown(&to, Some(Uid::from_raw(user)), Some(Gid::from_raw(group))).map_err(refused)?;
            }
        }
        fchmod(&to, Mode::from_raw_mode(kept.map_or(mode, |kept| kept.mode))).map_err(refused)?;
        set_lists(&to, &entry.attributes).map_err(refused)?;
        if let Some(time) = time {
            futimens(&to, &modified_at(time)).map_err(refused)?;
        }
        Ok(name)
    }

    /// Writes the bytes of a file that is stored whole.
    fn content(
        &mut self,
        blobs: &dyn BlobStore,
        content: &Content,
        sparse: bool,
        to: &mut File,
    ) -> Result<(), RestoreError> {
        let blob = &content.blob;
        let damaged = |error| unreadable(*blob, &error);
        let is_large = !sparse && content.size >= WORTH_COPYING;
        if is_large && blobs.copy_to(blob, to).map_err(damaged)? {
            return Ok(());
        }
        let mut from = blobs.read(blob).map_err(damaged)?;
        self.buffer.resize(PIECE, 0);
        let buffer = self.buffer.as_mut_slice();
        let written =
            if sparse { copy_with_holes(&mut from, to, buffer) } else { copy(&mut from, to, buffer) };
        written.map_err(|error| RestoreError::Blocked(format!("cannot write an output: {error}")))
    }

    /// Creates a symbolic link; returns its staged name.
    pub(super) fn symlink(&mut self, text: &[u8], time: Option<Timestamp>) -> Result<String, RestoreError> {
        let parent = self.parent.clone();
        let (directory, name) = self.open()?;
        symlinkat(OsStr::from_bytes(text), directory, &name)
            .map_err(|errno| blocked("create a link below", &parent, errno))?;
        if let Some(time) = time {
            utimensat(directory, &name, &modified_at(time), AtFlags::SYMLINK_NOFOLLOW)
                .map_err(|errno| blocked("change a link below", &parent, errno))?;
        }
        Ok(name)
    }

    /// Creates a hard link to the file at `place`; returns its staged name.
    pub(super) fn link(&mut self, place: &Place<'_>) -> Result<String, RestoreError> {
        let parent = self.parent.clone();
        let (directory, name) = self.open()?;
        linkat(place.directory(), place.name, directory, &name, AtFlags::empty())
            .map_err(|errno| blocked("create a link below", &parent, errno))?;
        Ok(name)
    }

    /// Creates a hard link to a staged file; returns its name.
    pub(super) fn link_to_staged(&mut self, staged: &str) -> Result<String, RestoreError> {
        let parent = self.parent.clone();
        let (directory, name) = self.open()?;
        linkat(directory, staged, directory, &name, AtFlags::empty())
            .map_err(|errno| blocked("create a link below", &parent, errno))?;
        Ok(name)
    }
}

fn copy(from: &mut dyn Read, to: &mut File, buffer: &mut [u8]) -> std::io::Result<()> {
    loop {
        let count = from.read(buffer)?;
        match buffer.get(..count) {
            Some(piece) if count > 0 => to.write_all(piece)?,
            _ => return Ok(()),
        }
    }
}

fn copy_with_holes(from: &mut dyn Read, to: &mut File, buffer: &mut [u8]) -> std::io::Result<()> {
    let mut size: u64 = 0;
    loop {
        let mut filled = 0;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match from.read(rest)? {
                0 => break,
                count => filled += count,
            }
        }
        let Some(piece) = buffer.get(..filled).filter(|piece| !piece.is_empty()) else { break };
        for block in piece.chunks(BLOCK) {
            if block.iter().all(|byte| *byte == 0) {
                to.seek(SeekFrom::Current(i64::try_from(block.len()).unwrap_or(0)))?;
            } else {
                to.write_all(block)?;
            }
            size = size.saturating_add(u64::try_from(block.len()).unwrap_or(0));
        }
    }
    Ok(ftruncate(to, size)?)
}
