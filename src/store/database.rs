//! Access to the store's database: opens it on first use, sets it aside when it is damaged, and opens it read-only where it
//! cannot be written.

use super::index::Index;
use super::local::LocalStore;
use super::lock::{self, hold};
use crate::error::{Error, Kind, Result};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

impl LocalStore {
    /// Reads from the database. Returns an empty result where no database exists, or where it is damaged and was set aside.
    pub(super) fn read_index<T: Default>(&self, run: impl FnOnce(&mut Index) -> Result<T>) -> Result<T> {
        match self.read_index_locked(run) {
            Err(error) if error.kind() == Kind::Damaged => {
                self.set_aside()?;
                Ok(T::default())
            }
            other => other,
        }
    }

    /// The same for a caller that holds the store's lock, with which a damaged database cannot be set aside: that is an error.
    pub(super) fn read_index_locked<T: Default>(
        &self,
        run: impl FnOnce(&mut Index) -> Result<T>,
    ) -> Result<T> {
        if !self.layout().root().exists() {
            return Ok(T::default());
        }
        self.ready()?;
        if hold(&self.index).is_none() && fs::symlink_metadata(self.layout().database()).is_err() {
            return Ok(T::default());
        }
        self.with_index(run)
    }

    /// Changes the database; sets a damaged one aside and begins a new one. The caller must not hold the store's lock.
    pub(super) fn write_index<T>(&self, mut run: impl FnMut(&mut Index) -> Result<T>) -> Result<T> {
        self.ready()?;
        match self.with_index(&mut run) {
            Err(error) if error.kind() == Kind::Damaged => {
                self.set_aside()?;
                self.with_index(&mut run)
            }
            other => other,
        }
    }

    /// Runs `run` on the database and opens it first if necessary.
    pub(super) fn with_index<T>(&self, run: impl FnOnce(&mut Index) -> Result<T>) -> Result<T> {
        let mut slot = hold(&self.index);
        if slot.is_none() {
            *slot = Some(self.open_index()?);
        }
        match slot.as_mut() {
            Some(index) => run(index),
            None => Err(Error::new(Kind::Other, "the database is not open")),
        }
    }

    /// Runs `run` on the database if it is open already or can be opened; for statistics on which no answer depends.
    pub(super) fn ask<T>(&self, run: impl FnOnce(&mut Index) -> Result<T>) -> Option<T> {
        self.ready().ok()?;
        self.with_index(run).ok()
    }

    fn open_index(&self) -> Result<Index> {
        let path = self.layout().database();
        let network = is_on_network(self.layout().root());
        let durable = self.blobs.durable;
        let opened = match Index::open(&path, network, durable, false) {
            Ok(None) => self.make_index(network),
            Ok(Some(index)) => Ok(index),
            Err(error) => Err(error),
        };
        match opened {
            Err(error) if is_read_only(&error) => Index::open_read_only(&path).map_err(|_| error),
            other => other,
        }
    }

    fn make_index(&self, network: bool) -> Result<Index> {
        let _alone = lock::wait_for(&self.layout().lock("schema"))?;
        let path = self.layout().database();
        let made = Index::open(&path, network, self.blobs.durable, true)?;
        made.ok_or_else(|| Error::damaged(format!("{} has no tables", path.display())))
    }

    /// Sets a damaged database aside, unless another process has done so.
    pub(super) fn set_aside(&self) -> Result<()> {
        self.set_aside_if(true)
    }

    /// Like `set_aside`, without checking again: the caller has just read the whole database.
    pub(super) fn set_aside_as_found(&self) -> Result<()> {
        self.set_aside_if(false)
    }

    /// Closes the database; the next access opens it again.
    pub(super) fn close_index(&self) {
        let open = hold(&self.index).take();
        if let Some(index) = open {
            // An error in closing is ignored: the handle is gone either way.
            let _ = index.close();
        }
    }

    fn set_aside_if(&self, look: bool) -> Result<()> {
        self.close_index();
        let _alone = self.blobs.lock.exclusive()?;
        let path = self.layout().database();
        let whole = || Index::open(&path, is_on_network(self.layout().root()), self.blobs.durable, true);
        if look
            && let Ok(Some(index)) = whole()
            && index.check(false).is_ok_and(|faults| faults.is_empty())
        {
            return Ok(());
        }
        let aside = unused_name(&path)?;
        for suffix in ["-wal", "-shm", ""] {
            let (from, to) = (with_suffix(&path, suffix), with_suffix(&aside, suffix));
            match fs::rename(&from, &to) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(Error::io("rename", &from, error));
                }
                _ => {}
            }
        }
        self.notice(format!(
            "the database was damaged; it is kept as {}, and a new one was created",
            aside.display()
        ));
        Ok(())
    }
}

/// Whether an error means that the database cannot be written at its location.
fn is_read_only(error: &Error) -> bool {
    matches!(
        error.kind(),
        Kind::Io(
            io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied | io::ErrorKind::StorageFull
        )
    )
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// `meta.db.damaged-TIME`, named after the last change of the file, so that no clock is needed.
fn unused_name(path: &Path) -> Result<PathBuf> {
    let metadata = fs::symlink_metadata(path).map_err(|source| Error::io("inspect", path, source))?;
    let mut time = metadata.mtime();
    loop {
        let name = with_suffix(path, &format!(".damaged-{time}"));
        if fs::symlink_metadata(&name).is_err() {
            return Ok(name);
        }
        time = time.saturating_add(1);
    }
}

/// Whether a directory is on a file system that several machines may write. SQLite's WAL needs shared memory, which does
/// not work there.
#[cfg(target_os = "linux")]
fn is_on_network(path: &Path) -> bool {
    // From linux/magic.h and the headers of the file systems: NFS, SMB, CIFS, SMB2, FUSE, 9P, AFS, Ceph, GPFS, Lustre, VMware
    // and VirtualBox shares, OCFS2, GFS2.
    const NETWORK: &[u32] = &[
        0x6969,
        0x517b,
        0xff53_4d42,
        0xfe53_4d42,
        0x6573_5546,
        0x0102_1997,
        0x5346_414f,
        0x00c3_6400,
        0x4750_4653,
        0x0bd0_0bd0,
        0xbacb_acbc,
        0x786f_4256,
        0x7461_636f,
        0x0116_1970,
    ];
    rustix::fs::statfs(path).is_ok_and(|found| {
        u32::try_from(i128::from(found.f_type) & 0xffff_ffff).is_ok_and(|kind| NETWORK.contains(&kind))
    })
}

#[cfg(not(target_os = "linux"))]
fn is_on_network(_path: &Path) -> bool {
    false
}
