//! A store in a directory: combines blobs, database, flat files and locks.
//!
//! Opening does almost nothing, since a hit reads one flat file. FORMAT is checked before anything is written, and the
//! database is opened on first use.

use super::blobs::Blobs;
use super::events;
use super::files::owner;
use super::index::Index;
use super::layout::{FORMAT, Layout};
use super::lock::{self, hold};
use crate::digest::{BlobId, DIGEST_LENGTH};
use crate::error::{Error, Kind, Result};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};

/// Default cap on a store's size, in bytes.
pub const DEFAULT_MAX_SIZE: u64 = 20 << 30;

/// A log of hits of this size is folded at the end of the process, in bytes.
const LONG_LOG: u64 = 1 << 20;

/// A database log of this size is written back at the end of the process, in bytes: otherwise the next process that opens the
/// database alone has to read all of it.
const LONG_WRITE_AHEAD: u64 = 512 << 10;

/// Options for opening a store.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// Create the store if it does not exist.
    pub create: bool,
    /// Accept a store that belongs to another user: the user named it explicitly.
    pub trust_owner: bool,
    /// Flush everything that is written to the disk, so that it survives a power failure.
    pub durable: bool,
    /// The size beyond which results are dropped, in bytes; `None` for no limit.
    pub max_size: Option<u64>,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self { create: false, trust_owner: false, durable: false, max_size: Some(DEFAULT_MAX_SIZE) }
    }
}

/// A store in a directory.
#[derive(Debug)]
pub struct LocalStore {
    pub(super) blobs: Arc<Blobs>,
    pub(super) max_size: Option<u64>,
    pub(super) index: Mutex<Option<Index>>,
    ready: Mutex<bool>,
    notices: Mutex<Vec<String>>,
    /// Whether it existed when it was opened.
    existed: bool,
    pub(super) secret: OnceLock<[u8; DIGEST_LENGTH]>,
}

impl LocalStore {
    /// Opens the store in `directory`.
    ///
    /// # Errors
    /// [`Kind::ForeignStore`] when it belongs to another user and is not trusted; an I/O error when it does not exist and is not
    /// to be created, or cannot be.
    pub fn open(directory: &Path, options: &StoreOptions) -> Result<Self> {
        let absolute = std::path::absolute(directory);
        let root = absolute.map_err(|source| Error::io("find", directory, source))?;
        let mut store = Self {
            blobs: Arc::new(Blobs::new(Layout::new(root), options.durable)),
            max_size: options.max_size,
            index: Mutex::default(),
            ready: Mutex::default(),
            notices: Mutex::default(),
            existed: false,
            secret: OnceLock::new(),
        };
        let found = match owner(directory) {
            // Created by the first write: a mistyped call leaves nothing behind.
            Err(error) if error.kind() == io::ErrorKind::NotFound && options.create => return Ok(store),
            other => other,
        };
        store.existed = true;
        match found {
            Err(source) => Err(Error::io("open the store", directory, source)),
            Ok((_, false)) => {
                Err(Error::io("open the store", directory, io::ErrorKind::NotADirectory.into()))
            }
            Ok((owner, true)) => {
                if options.trust_owner || owner == rustix::process::geteuid().as_raw() {
                    return Ok(store);
                }
                let words = format!("the store {} belongs to another user", directory.display());
                let hint = "name it with --store or CASHET_DIR to trust it";
                Err(Error::new(Kind::ForeignStore, words).with_hint(hint))
            }
        }
    }

    /// The size beyond which results are dropped, in bytes.
    pub const fn max_size(&self) -> Option<u64> {
        self.max_size
    }

    /// Whether the store existed when it was opened.
    pub const fn existed(&self) -> bool {
        self.existed
    }

    /// One-line messages about repairs made on the way; each is returned once.
    pub fn notices(&self) -> Vec<String> {
        std::mem::take(&mut *hold(&self.notices))
    }

    pub(super) fn notice(&self, words: String) {
        hold(&self.notices).push(words);
    }

    /// The directory of the store.
    pub fn directory(&self) -> &Path {
        self.layout().root()
    }

    pub(super) fn layout(&self) -> &Layout {
        &self.blobs.layout
    }

    /// The verified file of a raw blob, at offset 0, with its size: for copying in the kernel. `None` for a blob that is
    /// compressed or empty: read it with [`super::BlobStore::read`].
    ///
    /// # Errors
    /// [`Kind::Damaged`] when it is missing or damaged.
    pub fn open_raw(&self, blob: &BlobId) -> Result<Option<(File, u64)>> {
        self.blobs.open_raw(blob)
    }

    /// Writes back and folds logs that have become long. Call it last, when no caller waits for a result. A failure is left
    /// to the next call.
    pub fn settle(&self) {
        let long = |path: PathBuf, limit| fs::metadata(path).is_ok_and(|metadata| metadata.len() > limit);
        if long(self.layout().hits(), LONG_LOG) {
            let _ = self.fold();
        }
        if long(self.layout().root().join("meta.db-wal"), LONG_WRITE_AHEAD)
            && let Some(_alone) = self.own_log()
        {
            let _ = self.read_index(|index| index.checkpoint());
        }
    }

    /// The lock for writing back the database's log; `None` where another process holds it. A process that deletes holds it for
    /// as long as it deletes, since its log becomes long: no other process should pay for that after one small change.
    pub(super) fn own_log(&self) -> Option<File> {
        lock::try_claim(&self.layout().lock("log")).ok().flatten()
    }

    /// Leaks the open database, for a process that is about to exit: the system releases its resources faster than an orderly
    /// close.
    pub fn leave(&self) {
        std::mem::forget(hold(&self.index).take());
    }

    /// Moves the log of hits and misses into the database. Does nothing where another process does so, or where the store
    /// cannot be written.
    ///
    /// # Errors
    /// When reading or writing fails for another reason.
    pub fn fold(&self) -> Result<()> {
        self.ready()?;
        let path = self.layout().lock("fold");
        let _alone = match lock::try_claim(&path) {
            Ok(Some(file)) => file,
            Ok(None) => return Ok(()),
            Err(error) if lock::cannot_write(&error) => return Ok(()),
            Err(error) => return Err(Error::io("lock", &path, error)),
        };
        let Some(folding) = events::begin_folding(self.layout())? else {
            return Ok(());
        };
        self.write_index(|index| index.fold(&folding.events, &folding.digest))?;
        folding.done()
    }

    /// Checks FORMAT once, before anything is written: a newer store is never changed. Creates what is missing.
    pub(super) fn ready(&self) -> Result<()> {
        let mut ready = hold(&self.ready);
        if *ready {
            return Ok(());
        }
        let layout = self.layout();
        match layout.stated_format()? {
            Some(FORMAT) => {}
            Some(format) if format < FORMAT => self.begin_migration()?,
            Some(format) => return Err(self.newer(format)),
            None => {
                // The database contains the format too.
                let database = layout.database();
                if database.exists() {
                    match Index::format_of(&database) {
                        Ok(format) if format > FORMAT => return Err(self.newer(format)),
                        // The format is unknown.
                        Err(error) if error.kind() == Kind::Io(io::ErrorKind::PermissionDenied) => {
                            return Err(error);
                        }
                        _ => {}
                    }
                }
                layout.create()?;
                if layout.stated_format()?.is_none() {
                    layout.state_format(FORMAT)?;
                    self.notice(format!("{} was damaged and is rewritten", layout.format().display()));
                }
            }
        }
        *ready = true;
        Ok(())
    }

    fn newer(&self, format: u64) -> Error {
        let root = self.layout().root().display();
        Error::new(
            Kind::NewerFormat,
            format!("the store {root} has format {format}; this version supports {FORMAT}"),
        )
        .with_hint("use a newer cashet, or another store")
    }

    /// Writes the new format number first, so that no older program uses the store while the database is migrated (on opening, in
    /// one transaction), and deletes old files that can be created again.
    fn begin_migration(&self) -> Result<()> {
        let _alone = self.blobs.lock.exclusive()?;
        self.layout().state_format(FORMAT)?;
        let hot = self.layout().hot_directory();
        match fs::remove_dir_all(&hot) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::io("remove", &hot, error)),
            _ => Ok(()),
        }
    }

    pub(super) fn renew_secret(&self) -> Result<()> {
        self.ready()?;
        if self.layout().read_secret().is_none() {
            self.layout().replace(&self.layout().secret(), &self.layout().new_secret())?;
        }
        Ok(())
    }
}
