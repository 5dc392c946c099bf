//! A store in a directory: ties blobs, database, flat files and locks together.
//!
//! Opening does almost nothing: a hit reads one flat file. FORMAT is looked at before anything is written, and
//! the database is opened when it is first asked.

use super::blobs::Blobs;
use super::events;
use super::index::Index;
use super::layout::{FORMAT, Layout, owner};
use super::lock::{self, hold};
use super::recall;
use crate::digest::{BlobId, DIGEST_LENGTH};
use crate::error::{Error, Kind, Result};
use crate::record::Content;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};

/// The cap on a store's size unless another is set, in bytes.
pub const DEFAULT_MAX_SIZE: u64 = 20 << 30;

/// A log of this size is folded once nobody waits, in bytes.
const LONG_LOG: u64 = 1 << 20;

/// A database's log of this size is written back once nobody waits, in bytes: whoever opens the database alone reads all
/// of it first.
const LONG_WRITE_AHEAD: u64 = 512 << 10;

/// How a store is opened.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// Make the store if there is none.
    pub create: bool,
    /// Accept a store that belongs to somebody else: it was named, not found.
    pub trust_owner: bool,
    /// Flush to the disk whatever is written, so that it outlasts a power cut.
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
    /// Whether it was there when it was opened.
    existed: bool,
    pub(super) secret: OnceLock<[u8; DIGEST_LENGTH]>,
}

impl LocalStore {
    /// Opens the store in `directory`.
    ///
    /// # Errors
    /// [`Kind::ForeignStore`] when it belongs to somebody else and is not trusted; when it is not there and is not
    /// to be made, or cannot be.
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
            // Made when something is written for the first time: a wrong call leaves nothing behind.
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
                let words = format!("the store {} belongs to somebody else", directory.display());
                let hint = "name it with --store or CASHET_DIR to trust it";
                Err(Error::new(Kind::ForeignStore, words).with_hint(hint))
            }
        }
    }

    /// The size beyond which results are dropped, in bytes.
    pub const fn max_size(&self) -> Option<u64> {
        self.max_size
    }

    /// Whether the store was there when it was opened.
    pub const fn existed(&self) -> bool {
        self.existed
    }

    /// Messages of one line about what was put right on the way; each is told once.
    pub fn notices(&self) -> Vec<String> {
        std::mem::take(&mut *hold(&self.notices))
    }

    pub(super) fn notice(&self, words: String) {
        hold(&self.notices).push(words);
    }

    pub(super) fn layout(&self) -> &Layout {
        &self.blobs.layout
    }

    /// The proven file of a blob that is stored as it is, with its size, at offset 0: for copying in the kernel.
    /// `None` for one that is compressed or empty: [`super::Store::read`] has it.
    ///
    /// # Errors
    /// [`Kind::Damaged`] when it is not there or not whole.
    pub fn open_raw(&self, blob: &BlobId) -> Result<Option<(File, u64)>> {
        self.blobs.open_raw(blob)
    }

    /// Stores all of a file's bytes, whatever its offset, which stays: copied in the kernel, which shares blocks
    /// where the file system can, and digested from the copy on all cores.
    ///
    /// # Errors
    /// When the file cannot be read or the store does not take it.
    pub fn write_file(&self, file: &File) -> Result<Content> {
        self.ready()?;
        self.blobs.put_file(file, &[]).map(|(content, _)| content)
    }

    /// Writes back and folds what has become long. To be called last, when nobody waits for an answer; a failure is
    /// left to the next.
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

    /// The right to write the database's log back; `None` where another process has it, be it for as long as it deletes:
    /// its log becomes long, and whoever made one small change meanwhile is not to pay for it.
    pub(super) fn own_log(&self) -> Option<File> {
        lock::try_claim(&self.layout().lock("log")).ok().flatten()
    }

    /// Leaves the database as it is, for a process that ends at once: the system takes back what it holds more quickly than
    /// it is put away.
    pub fn leave(&self) {
        std::mem::forget(hold(&self.index).take());
    }

    /// Takes what was noted of hits and misses into the database. Where another process does so, or the store
    /// cannot be written, nothing happens.
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

    /// Looks at FORMAT once, before anything is written: a newer store is never changed. Makes what is missing.
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
                // The database says it too.
                let database = layout.database();
                if database.exists() {
                    match Index::format_of(&database) {
                        Ok(format) if format > FORMAT => return Err(self.newer(format)),
                        // What it would have said is not known.
                        Err(error) if error.kind() == Kind::Io(io::ErrorKind::PermissionDenied) => {
                            return Err(error);
                        }
                        _ => {}
                    }
                }
                layout.create()?;
                if layout.stated_format()?.is_none() {
                    layout.state_format(FORMAT)?;
                    self.notice(format!("{} was damaged and is written anew", layout.format().display()));
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
            format!("the store {root} has format {format}; this program knows {FORMAT}"),
        )
        .with_hint("use a newer cashet, or another store")
    }

    /// Says the new format first, so that no older program comes near while the database is migrated (which
    /// happens when it is opened, in one transaction), and drops what has the old form and can be made anew.
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
        if recall::read_secret(self.layout()).is_none() {
            self.layout().replace(&self.layout().secret(), &self.layout().new_secret())?;
        }
        Ok(())
    }
}
