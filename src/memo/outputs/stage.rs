//! The staging directory: outputs are written there, on the root's file system, before they become visible.

use super::beneath::Place;
use super::failure::{RestoreError, blocked, failed, unreadable};
use super::holes;
use super::plan::Kept;
use crate::buffer::Buffer;
use crate::error::Error;
use crate::memo::attributes::{set_lists, set_own};
use crate::memo::unfinished::{self, Begun, Note, STAGE};
use crate::record::{Content, OutputEntry, OutputKind, Timestamp};
use crate::store::{BlobStore, Workspace};
use rustix::fs::{AtFlags, CWD, Gid, Mode, OFlags, Timespec, Timestamps, Uid};
use rustix::fs::{fchmod, fchown, fstat, futimens, linkat, openat, symlinkat, utimensat};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
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
    buffer: Buffer,
}

impl<'a> Stage<'a> {
    /// Stages in `directory` itself. The staging directory is created with the first staged file.
    pub(super) fn inside(directory: &Path) -> Self {
        let parent = directory.to_path_buf();
        Self { parent, opened: None, noted_in: None, note: None, count: 0, buffer: Buffer::empty() }
    }

    /// Stages in the store's `tmp` if files can be moved from there to the root, otherwise in the root itself.
    pub(super) fn new(root: &Path, workspace: Workspace<'a>) -> Self {
        let inside = workspace.temporary();
        let together = mount(&inside).is_some() && mount(&inside) == mount(root);
        let noted_in = (!together).then_some(workspace);
        Self { noted_in, ..Self::inside(if together { &inside } else { root }) }
    }

    /// The directory of staged files; the working directory's descriptor before it exists.
    pub(super) fn directory(&self) -> BorrowedFd<'_> {
        self.opened.as_ref().map_or(CWD, |(_, descriptor)| descriptor.as_fd())
    }

    fn open(&mut self) -> Result<(BorrowedFd<'_>, String), RestoreError> {
        self.count += 1;
        if self.opened.is_none() {
            let refused = |error| failed("write below", &self.parent, error);
            let (mut builder, mut name) = (tempfile::Builder::new(), STAGE.to_owned());
            if let Some(workspace) = self.noted_in {
                // Inside the project the directory would stay if this process were killed: it is noted before it is created.
                name = format!("{STAGE}{}-{}", std::process::id(), Timestamp::now().0);
                let noted = unfinished::note(workspace, &Begun::Stage(self.parent.join(&name)));
                self.note = Some(noted.map_err(RestoreError::Blocked)?);
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

    /// Writes a file with its attributes, the kept or recorded mode, and the given or present time; returns its staged name. Calls
    /// `advance` with the number of bytes written so far.
    pub(super) fn file(
        &mut self,
        blobs: &dyn BlobStore,
        entry: &OutputEntry,
        (time, kept): (Option<Timestamp>, Option<Kept>),
        advance: &mut dyn FnMut(u64),
    ) -> Result<String, RestoreError> {
        let parent = self.parent.clone();
        let refused = |errno| blocked("change a file below", &parent, errno);
        let (directory, name) = self.open()?;
        let (OutputKind::File { mode, .. } | OutputKind::Sparse { mode, .. }) = &entry.kind else {
            return Err(RestoreError::Blocked(not_a_file()));
        };
        let to = if let Some(spare) = linked_spare(blobs, &entry.kind, (directory, &name)) {
            spare
        } else {
            let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
            let opened = openat(directory, &name, flags, Mode::RUSR | Mode::WUSR);
            let mut to = File::from(opened.map_err(|errno| blocked("create a file below", &parent, errno))?);
            write_bytes(blobs, &entry.kind, &mut to, &mut self.buffer, advance)?;
            to
        };
        set_own(&to, &entry.attributes).map_err(refused)?;
        if let Some(Kept { owners: (user, group), .. }) = kept {
            let stat = fstat(&to).map_err(refused)?;
            if (stat.st_uid, stat.st_gid) != (user, group) {
                fchown(&to, Some(Uid::from_raw(user)), Some(Gid::from_raw(group))).map_err(refused)?;
            }
        }
        fchmod(&to, Mode::from_raw_mode(kept.map_or(*mode, |kept| kept.mode))).map_err(refused)?;
        set_lists(&to, &entry.attributes).map_err(refused)?;
        if let Some(time) = time {
            futimens(&to, &modified_at(time)).map_err(refused)?;
        }
        Ok(name)
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

/// The error for an entry that is not a file.
pub(super) fn not_a_file() -> Error {
    Error::usage("it is not a file")
}

/// The file system of a path, and where it is mounted: nothing can be moved between two mounts of one file system.
#[cfg(target_os = "linux")]
fn mount(path: &Path) -> Option<(u64, u64)> {
    use rustix::fs::{StatxFlags, makedev, statx};
    let found = statx(CWD, path, AtFlags::empty(), StatxFlags::BASIC_STATS | StatxFlags::MNT_ID);
    match found {
        Ok(found) => {
            // Kernels before 5.8 do not tell.
            let is_told = StatxFlags::from_bits_retain(found.stx_mask).contains(StatxFlags::MNT_ID);
            let device = makedev(found.stx_dev_major, found.stx_dev_minor);
            Some((device, if is_told { found.stx_mnt_id } else { 0 }))
        }
        Err(_) => std::fs::metadata(path).map(|metadata| (metadata.dev(), 0)).ok(),
    }
}

#[cfg(not(target_os = "linux"))]
fn mount(path: &Path) -> Option<(u64, u64)> {
    std::fs::metadata(path).map(|metadata| (metadata.dev(), 0)).ok()
}

/// The second copy of a file that has just been received, under a name in the staging directory. `None` where there is none, or
/// where it is on another file system.
fn linked_spare(
    blobs: &dyn BlobStore,
    kind: &OutputKind,
    (directory, name): (BorrowedFd<'_>, &str),
) -> Option<File> {
    let OutputKind::File { content, sparse: false, .. } = kind else { return None };
    let spare = blobs.take_spare(&content.blob)?;
    // Without this way through /proc, only root may link it.
    let own = format!("/proc/self/fd/{}", spare.as_raw_fd());
    linkat(CWD, own, directory, name, AtFlags::SYMLINK_FOLLOW).ok()?;
    Some(spare)
}

/// Writes the bytes of a recorded file to `to`, which is empty, with its holes. Calls `advance` with the number of bytes written so
/// far, unless the kernel copies them.
pub(super) fn write_bytes(
    blobs: &dyn BlobStore,
    kind: &OutputKind,
    to: &mut File,
    buffer: &mut Buffer,
    advance: &mut dyn FnMut(u64),
) -> Result<(), RestoreError> {
    let failed = |error| failed("write", Path::new("an output"), error);
    let read = |blob| blobs.read(blob).map_err(|error| unreadable(*blob, error));
    match kind {
        OutputKind::Sparse { data, size, extents, .. } => {
            holes::write(&mut *read(&data.blob)?, to, extents, *size).map_err(failed)
        }
        OutputKind::File { content: Content { blob, size }, sparse, .. } => {
            let is_large = !sparse && *size >= WORTH_COPYING;
            if is_large && blobs.copy_to(blob, to).map_err(|error| unreadable(*blob, error))? {
                return Ok(());
            }
            let mut from = read(blob)?;
            buffer.resize(PIECE);
            copy(&mut from, to, *sparse, buffer, advance).map_err(failed)
        }
        _ => Err(RestoreError::Blocked(not_a_file())),
    }
}

/// Copies to the end. Where the file was sparse, blocks of zeros become holes.
fn copy(
    from: &mut dyn Read,
    to: &mut File,
    sparse: bool,
    buffer: &mut [u8],
    advance: &mut dyn FnMut(u64),
) -> io::Result<()> {
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
        if sparse {
            for block in piece.chunks(BLOCK) {
                if block.iter().all(|byte| *byte == 0) {
                    to.seek(SeekFrom::Current(i64::try_from(block.len()).unwrap_or(0)))?;
                } else {
                    to.write_all(block)?;
                }
            }
        } else {
            to.write_all(piece)?;
        }
        size = size.saturating_add(filled as u64);
        advance(size);
    }
    if sparse {
        to.set_len(size)?;
    }
    Ok(())
}

/// Timestamps with this modification time; the access time stays.
pub(super) fn modified_at(time: Timestamp) -> Timestamps {
    let keep = Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_OMIT };
    let (seconds, nanoseconds) = (time.0.div_euclid(1_000_000_000), time.0.rem_euclid(1_000_000_000));
    Timestamps { last_access: keep, last_modification: Timespec { tv_sec: seconds, tv_nsec: nanoseconds } }
}
