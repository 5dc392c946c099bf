//! A carrier that is a directory of any file system, a network's too.
//!
//! `w/HH/HEX` holds the records of question sets, `s/HH/HEX` those of results, `cas/HH/HEX` blobs as they are. Every file gets
//! its name when it is whole. A record of question sets is changed under a lock file, and a lock that is old is broken.

use super::carrier::{Blob, Carrier, Failure, LARGEST_RECORD, Name};
use rustix::fs::{Mode, OFlags};
use std::collections::HashSet;
use std::fs::{self, File, Permissions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime};
use tempfile::NamedTempFile;

/// A lock that is older belongs to a process that is gone.
const OLD_LOCK: Duration = Duration::from_secs(10);

/// Maximum number of attempts to get a lock.
const ATTEMPTS: u64 = 200;

/// Mode of everything that is published.
const MODE: u32 = 0o444;

/// Names of temporary files begin so.
const TEMPORARY: &str = ".new-";

/// What lies in a directory of each kind.
#[derive(Clone, Copy)]
enum Area {
    Questions,
    Results,
    Blobs,
}

impl Area {
    const fn name(self) -> &'static str {
        match self {
            Self::Questions => "w",
            Self::Results => "s",
            Self::Blobs => "cas",
        }
    }
}

/// A shared cache in a directory.
#[derive(Clone, Debug)]
pub struct Directory {
    top: PathBuf,
}

/// What a collection removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// Records.
    pub records: u64,
    /// Blobs.
    pub blobs: u64,
    /// Bytes of both.
    pub bytes: u64,
}

impl Directory {
    /// The cache in `top`, which must be there.
    ///
    /// # Errors
    /// [`Failure::Unreachable`] where it is not.
    pub fn open(top: PathBuf) -> Result<Self, Failure> {
        let directory = Self { top };
        directory.reached()?;
        Ok(directory)
    }

    /// Whether it belongs to us and nobody else may write to it.
    #[must_use]
    pub fn is_own(&self) -> bool {
        let found = fs::metadata(&self.top);
        found.is_ok_and(|found| {
            found.uid() == rustix::process::geteuid().as_raw() && found.mode() & 0o022 == 0
        })
    }

    /// Removes records that were written before `limit`, and older blobs that no other record names; `blobs_of` reads a record.
    ///
    /// # Errors
    /// [`Failure::Unreachable`] and [`Failure::Refused`].
    pub fn collect(
        &self,
        limit: SystemTime,
        blobs_of: &dyn Fn(&[u8]) -> Vec<Blob>,
    ) -> Result<Collected, Failure> {
        self.reached()?;
        let mut collected = Collected::default();
        let mut needed = HashSet::new();
        for area in [Area::Questions, Area::Results, Area::Blobs] {
            for (path, found) in self.files(area)? {
                let is_old = found.modified().is_ok_and(|time| time < limit);
                let is_needed = matches!(area, Area::Blobs) && needed.contains(&path);
                if is_old && !is_needed {
                    fs::remove_file(&path).map_err(|error| failure(&path, &error))?;
                    collected.bytes = collected.bytes.saturating_add(found.len());
                    match area {
                        Area::Blobs => collected.blobs = collected.blobs.saturating_add(1),
                        _ => collected.records = collected.records.saturating_add(1),
                    }
                } else if matches!(area, Area::Results)
                    && let Ok(record) = read_record(&path)
                {
                    let blobs = blobs_of(&record);
                    needed.extend(blobs.iter().map(|blob| self.path(Area::Blobs, &blob.digest)));
                }
            }
        }
        Ok(collected)
    }

    /// Every file of an area, those included that were never given their name.
    fn files(&self, area: Area) -> Result<Vec<(PathBuf, fs::Metadata)>, Failure> {
        let mut files = Vec::new();
        let below = self.top.join(area.name());
        for fan in entries(&below)? {
            for path in entries(&fan)? {
                if let Ok(found) = fs::symlink_metadata(&path)
                    && found.is_file()
                {
                    files.push((path, found));
                }
            }
        }
        Ok(files)
    }

    fn path(&self, area: Area, digest: &[u8; 32]) -> PathBuf {
        let hex = crate::digest::Digest::from_bytes(*digest).to_hex();
        let (fan, rest) = hex.split_at_checked(2).unwrap_or((&hex, ""));
        self.top.join(area.name()).join(fan).join(rest)
    }

    fn reached(&self) -> Result<(), Failure> {
        match fs::metadata(&self.top) {
            Ok(found) if found.is_dir() => Ok(()),
            Ok(_) => Err(Failure::Unreachable(format!("{} is not a directory", self.top.display()))),
            Err(error) => Err(failure(&self.top, &error)),
        }
    }

    /// What is not found is not there, or the directory as a whole is not.
    fn found<T>(&self, path: &Path, result: io::Result<T>) -> Result<Option<T>, Failure> {
        match result {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.kind() == ErrorKind::NotFound => self.reached().map(|()| None),
            Err(error) => Err(failure(path, &error)),
        }
    }

    fn record(&self, path: &Path) -> Result<Option<Vec<u8>>, Failure> {
        self.found(path, read_record(path))
    }

    /// A file in the directory of `path`, without a name that is read.
    fn temporary(&self, path: &Path) -> Result<NamedTempFile, Failure> {
        let parent = path.parent().unwrap_or(&self.top);
        let attempt = || tempfile::Builder::new().prefix(TEMPORARY).tempfile_in(parent);
        let made = match attempt() {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                self.reached()?;
                self.make(parent).map_err(|error| failure(parent, &error))?;
                attempt()
            }
            other => other,
        };
        made.map_err(|error| failure(parent, &error))
    }

    /// Makes a directory below the top one, which says who may write there.
    fn make(&self, directory: &Path) -> io::Result<()> {
        let mode = fs::metadata(&self.top)?.mode() & 0o7777;
        let missing: Vec<&Path> =
            directory.ancestors().take_while(|above| **above != self.top && !above.exists()).collect();
        for above in missing.into_iter().rev() {
            match fs::create_dir(above) {
                Ok(()) => fs::set_permissions(above, Permissions::from_mode(mode))?,
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Gives a whole file its name, in place of what has it if `replaces`.
    fn publish(mut file: NamedTempFile, path: &Path, replaces: bool) -> Result<(), Failure> {
        let failed = |error: &io::Error| failure(path, error);
        file.flush().and_then(|()| file.as_file().sync_data()).map_err(|error| failed(&error))?;
        file.as_file().set_permissions(Permissions::from_mode(MODE)).map_err(|error| failed(&error))?;
        if replaces {
            return file.into_temp_path().persist(path).map_err(|refused| failed(&refused.error));
        }
        match file.into_temp_path().persist_noclobber(path) {
            Err(refused) if refused.error.kind() != ErrorKind::AlreadyExists => Err(failed(&refused.error)),
            _ => Ok(()),
        }
    }

    fn put(&self, path: &Path, bytes: &[u8], replaces: bool) -> Result<(), Failure> {
        let mut file = self.temporary(path)?;
        file.write_all(bytes).map_err(|error| failure(path, &error))?;
        Self::publish(file, path, replaces)
    }

    /// The right to change a record; it ends with the value.
    fn lock(&self, record: &Path) -> Result<Lock, Failure> {
        let path = record.with_extension("lock");
        for attempt in 0..ATTEMPTS {
            match File::create_new(&path) {
                Ok(_) => return Ok(Lock(path)),
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    self.reached()?;
                    let parent = path.parent().unwrap_or(&self.top);
                    self.make(parent).map_err(|error| failure(parent, &error))?;
                }
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                    self.break_old(&path)?;
                    // Each process waits for another time.
                    let jitter = u64::from(std::process::id()).wrapping_add(attempt.wrapping_mul(7)) % 10;
                    thread::sleep(Duration::from_millis(2_u64.saturating_add(jitter)));
                }
                Err(error) => return Err(failure(&path, &error)),
            }
        }
        Err(Failure::Unreachable(format!("{} is held by another process", path.display())))
    }

    /// Removes a lock that is old by the file system's own clock.
    fn break_old(&self, path: &Path) -> Result<(), Failure> {
        let Ok(held) = fs::symlink_metadata(path) else { return Ok(()) };
        let about = |since: SystemTime, now: SystemTime| now.duration_since(since).unwrap_or_default();
        let Ok(since) = held.modified() else { return Ok(()) };
        // Most are young by our clock too. Those of a machine whose clock is behind are looked at closer.
        if about(since, SystemTime::now()) < OLD_LOCK {
            return Ok(());
        }
        let probe = self.temporary(path)?;
        let now = probe.as_file().metadata().and_then(|found| found.modified());
        if now.is_ok_and(|now| about(since, now) < OLD_LOCK) {
            return Ok(());
        }
        let aside = probe.path().with_extension("old");
        if fs::rename(path, &aside).is_ok() {
            let is_it = fs::symlink_metadata(&aside).is_ok_and(|found| found.ino() == held.ino());
            if !is_it {
                // Another process removed the old lock first, and this is its own one.
                let _ = fs::hard_link(&aside, path);
            }
            let _ = fs::remove_file(&aside);
        }
        Ok(())
    }
}

impl Carrier for Directory {
    fn questions(&mut self, key: &Name) -> Result<Option<Vec<u8>>, Failure> {
        self.record(&self.path(Area::Questions, &key.0))
    }

    fn merge_questions(
        &mut self,
        key: &Name,
        merge: &mut dyn FnMut(Option<&[u8]>) -> Option<Vec<u8>>,
    ) -> Result<(), Failure> {
        let path = self.path(Area::Questions, &key.0);
        let before = self.record(&path)?;
        if merge(before.as_deref()).is_none() {
            return Ok(());
        }
        let _lock = self.lock(&path)?;
        let before = self.record(&path)?;
        match merge(before.as_deref()) {
            Some(record) if record.len() > LARGEST_RECORD => Err(too_large()),
            Some(record) => self.put(&path, &record, true),
            None => Ok(()),
        }
    }

    fn results(&mut self, names: &[Name]) -> Result<Vec<Option<Vec<u8>>>, Failure> {
        names.iter().map(|name| self.record(&self.path(Area::Results, &name.0))).collect()
    }

    fn add_result(&mut self, name: &Name, record: &[u8], _blobs: &[Blob]) -> Result<(), Failure> {
        if record.len() > LARGEST_RECORD {
            return Err(too_large());
        }
        let path = self.path(Area::Results, &name.0);
        self.put(&path, record, false)
    }

    fn missing(&mut self, blobs: &[Blob]) -> Result<Vec<Blob>, Failure> {
        self.reached()?;
        let is_there = |blob: &Blob| {
            let found = fs::symlink_metadata(self.path(Area::Blobs, &blob.digest));
            found.is_ok_and(|found| found.is_file() && found.len() == blob.size)
        };
        Ok(blobs.iter().filter(|blob| !is_there(blob)).copied().collect())
    }

    fn fetch(&mut self, blob: &Blob, to: &File) -> Result<bool, Failure> {
        let path = self.path(Area::Blobs, &blob.digest);
        let Some(from) = self.found(&path, open_regular(&path))? else { return Ok(false) };
        let mut from = from;
        let size = from.metadata().map_err(|error| failure(&path, &error))?.len();
        if size != blob.size {
            return Err(Failure::Invalid(format!("{} has {size} bytes, not {}", path.display(), blob.size)));
        }
        let mut to = to;
        io::copy(&mut from, &mut to).map_err(|error| failure(&path, &error))?;
        Ok(true)
    }

    fn add_blob(&mut self, blob: &Blob, from: &File) -> Result<(), Failure> {
        let path = self.path(Area::Blobs, &blob.digest);
        let found = fs::symlink_metadata(&path);
        if found.as_ref().is_ok_and(|found| found.is_file() && found.len() == blob.size) {
            return Ok(());
        }
        let mut file = self.temporary(&path)?;
        let mut from = from;
        let copied = from
            .seek(SeekFrom::Start(0))
            .and_then(|_| io::copy(&mut from.take(blob.size.saturating_add(1)), &mut file.as_file_mut()));
        let copied = copied.map_err(|error| failure(&path, &error))?;
        if copied != blob.size {
            return Err(Failure::Invalid(format!("the file has {copied} bytes, not {}", blob.size)));
        }
        // A file of another size is what a crash of a machine left: it is replaced.
        Self::publish(file, &path, found.is_ok())
    }
}

/// A lock file, removed when dropped.
struct Lock(PathBuf);

impl Drop for Lock {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn entries(directory: &Path) -> Result<Vec<PathBuf>, Failure> {
    let read = match fs::read_dir(directory) {
        Ok(read) => read,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        Err(error) => return Err(failure(directory, &error)),
    };
    Ok(read.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect())
}

/// Opens a regular file. Nothing else is waited for, and no link is followed.
fn open_regular(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("not a regular file")) }
}

fn read_record(path: &Path) -> io::Result<Vec<u8>> {
    let file = open_regular(path)?;
    let mut bytes = Vec::new();
    file.take(LARGEST_RECORD as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > LARGEST_RECORD {
        return Err(io::Error::new(ErrorKind::InvalidData, "the record is too large"));
    }
    Ok(bytes)
}

fn too_large() -> Failure {
    Failure::Invalid("the record is too large".to_owned())
}

fn failure(path: &Path, error: &io::Error) -> Failure {
    let words = format!("{}: {error}", path.display());
    match error.kind() {
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Failure::Refused(words),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => Failure::Full(words),
        ErrorKind::InvalidData | ErrorKind::Other => Failure::Invalid(words),
        _ => Failure::Unreachable(words),
    }
}
