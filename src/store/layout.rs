//! Where everything of a store lies, how a store comes into being, and which format it has.
//!
//! Knows nothing of what the files say, the FORMAT file apart.

use crate::digest::{BlobId, DIGEST_LENGTH, Digest};
use crate::error::{Error, Kind, Result};
use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The format of stores that this program reads and writes.
pub(crate) const FORMAT: u64 = 2;

/// Directories of a store.
const DIRECTORIES: &[&str] = &["objects", "hot", "locks", "tmp", "view", "replaced"];

/// Content of `.gitignore`: a store is nobody's source.
const GITIGNORE: &str = "*\n";

/// Content of `CACHEDIR.TAG`, by the specification at <https://bford.info/cachedir/>.
const CACHEDIR_TAG: &str = "Signature: 8a477f597d28d172789f06886806bc55\n\
    # This directory holds results recorded by cashet. It can be made anew.\n";

/// How many digits of a flat file's name are that of its directory. One is enough for a million of files, and the directories are
/// soon made: each costs a miss as much as a file.
const HOT_FAN: usize = 1;

/// Suffix of blobs in compressed form.
pub(crate) const PACKED_SUFFIX: &str = ".z";

/// The paths of one store.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    root: PathBuf,
    new_secret: OnceLock<[u8; DIGEST_LENGTH]>,
}

impl Layout {
    pub(crate) fn new(root: PathBuf) -> Self {
        Self { root, new_secret: OnceLock::new() }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn objects(&self) -> PathBuf {
        self.root.join("objects")
    }

    /// Where a blob lies as it is.
    pub(crate) fn raw(&self, blob: &BlobId) -> PathBuf {
        self.fanned("objects", &blob.0, "")
    }

    /// Where a blob lies in compressed form.
    pub(crate) fn packed(&self, blob: &BlobId) -> PathBuf {
        self.fanned("objects", &blob.0, PACKED_SUFFIX)
    }

    /// The flat file of `digest` in `area`, a directory below `hot`.
    pub(crate) fn hot(&self, area: &str, digest: &Digest) -> PathBuf {
        let hex = digest.to_hex();
        let (fan, rest) = hex.split_at_checked(HOT_FAN).unwrap_or((&hex, ""));
        self.root.join(format!("hot/{area}/{fan}/{rest}"))
    }

    pub(crate) fn hot_directory(&self) -> PathBuf {
        self.root.join("hot")
    }

    pub(crate) fn temporary(&self) -> PathBuf {
        self.root.join("tmp")
    }

    /// Where read-only copies for `cashet:REV` lie.
    pub(crate) fn views(&self) -> PathBuf {
        self.root.join("view")
    }

    /// Where files of the user's lie that were in the way.
    pub(crate) fn replaced(&self) -> PathBuf {
        self.root.join("replaced")
    }

    pub(crate) fn locks(&self) -> PathBuf {
        self.root.join("locks")
    }

    pub(crate) fn lock(&self, name: &str) -> PathBuf {
        self.root.join("locks").join(name)
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.root.join("meta.db")
    }

    pub(crate) fn hits(&self) -> PathBuf {
        self.root.join("hits.log")
    }

    pub(crate) fn secret(&self) -> PathBuf {
        self.root.join("secret")
    }

    /// The secret that the store gets when it is made, or loses its own.
    pub(crate) fn new_secret(&self) -> [u8; DIGEST_LENGTH] {
        *self.new_secret.get_or_init(|| {
            let other = || *Digest::of(format!("{:?}", std::time::Instant::now()).as_bytes()).as_bytes();
            random_bytes().unwrap_or_else(|_| other())
        })
    }

    pub(crate) fn format(&self) -> PathBuf {
        self.root.join("FORMAT")
    }

    fn fanned(&self, area: &str, digest: &Digest, suffix: &str) -> PathBuf {
        let hex = digest.to_hex();
        let (fan, rest) = hex.split_at_checked(2).unwrap_or((&hex, ""));
        self.root.join(format!("{area}/{fan}/{rest}{suffix}"))
    }

    /// Makes whatever of a store is missing; what is there stays as it is.
    ///
    /// # Errors
    /// When the directory holds something that no store has: then it was meant for something else.
    pub(crate) fn create(&self) -> Result<()> {
        if let Some(parent) = self.root.parent() {
            fs::create_dir_all(parent).map_err(|source| Error::io("create", parent, source))?;
        }
        make_directory(&self.root)?;
        self.refuse_strangers()?;
        for name in DIRECTORIES {
            make_directory(&self.root.join(name))?;
        }
        self.put_if_missing(&self.root.join(".gitignore"), GITIGNORE.as_bytes())?;
        self.put_if_missing(&self.root.join("CACHEDIR.TAG"), CACHEDIR_TAG.as_bytes())?;
        self.put_if_missing(&self.secret(), &self.new_secret())?;
        self.put_if_missing(&self.hits(), b"")?;
        self.put_if_missing(&self.format(), format_text(FORMAT).as_bytes())
    }

    fn refuse_strangers(&self) -> Result<()> {
        if fs::metadata(self.format()).is_ok_and(|found| found.is_file()) {
            return Ok(());
        }
        let entries = fs::read_dir(&self.root).map_err(|source| Error::io("list", &self.root, source))?;
        for entry in entries {
            let name = entry.map_err(|source| Error::io("list", &self.root, source))?.file_name();
            if !is_ours(&name) {
                let words = format!("{} is neither a store nor empty", self.root.display());
                return Err(Error::new(Kind::Usage, words).with_hint("name an empty or a new directory"));
            }
        }
        Ok(())
    }

    /// Writes a file whole under its name unless there is one: of several writers the first wins.
    fn put_if_missing(&self, path: &Path, content: &[u8]) -> Result<()> {
        if fs::symlink_metadata(path).is_ok() {
            return Ok(());
        }
        let failed = |source| Error::io("create", path, source);
        let mut file = new_temporary(&self.temporary()).map_err(failed)?;
        file.write_all(content).map_err(failed)?;
        match file.persist_noclobber(path) {
            Ok(_) => Ok(()),
            Err(refused) if refused.error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(refused) => Err(failed(plain(&refused.error))),
        }
    }

    /// The format that the store says it has; `None` where it does not say so in whole.
    pub(crate) fn stated_format(&self) -> Result<Option<u64>> {
        let path = self.format();
        let read = || -> io::Result<Option<Vec<u8>>> {
            // Opening a FIFO would wait for somebody to write to it.
            if !fs::metadata(&path)?.is_file() {
                return Ok(None);
            }
            let mut text = Vec::new();
            fs::File::open(&path)?.take(256).read_to_end(&mut text)?;
            Ok(Some(text))
        };
        match read() {
            Ok(text) => Ok(text.and_then(|text| parse_format(&text))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            // A link that leads to itself leads nowhere, for anybody.
            Err(error) if error.raw_os_error() == Some(libc::ELOOP) => Ok(None),
            Err(error) => Err(super::rights::without_rights(&path, error)),
        }
    }

    /// Writes the FORMAT file, whatever was there: what is no file is set aside.
    pub(crate) fn state_format(&self, format: u64) -> Result<()> {
        let path = self.format();
        if fs::symlink_metadata(&path).is_ok_and(|found| !found.is_file() && !found.is_symlink()) {
            make_directory(&self.replaced())?;
            let unused = |number: &u64| self.replaced().join(format!("FORMAT-{number}"));
            let mut names = (1..u64::MAX).map(|number| unused(&number));
            let aside = names.find(|name| fs::symlink_metadata(name).is_err()).unwrap_or_else(|| unused(&0));
            fs::rename(&path, aside).map_err(|source| Error::io("move", &path, source))?;
        }
        self.replace(&path, format_text(format).as_bytes())
    }

    /// Writes a file whole in place of whatever has its name.
    pub(crate) fn replace(&self, path: &Path, content: &[u8]) -> Result<()> {
        let failed = |source| Error::io("write", path, source);
        let mut file = new_temporary(&self.temporary()).map_err(failed)?;
        file.write_all(content).map_err(failed)?;
        rename_into_place(file.into_temp_path(), path).map_err(failed).map(|_| ())
    }
}

/// The blob whose file has this name in the directory of this name, and whether the file is the compressed form;
/// `None` for names that no blob has.
pub(crate) fn blob_of(fan: &OsStr, name: &OsStr) -> Option<(BlobId, bool)> {
    let (fan, name) = (fan.to_str()?, name.to_str()?);
    let packed = name.ends_with(PACKED_SUFFIX);
    let digest =
        whole_digest(fan, name.strip_suffix(PACKED_SUFFIX).unwrap_or(name)).filter(|_| fan.len() == 2)?;
    Some((BlobId(digest), packed))
}

/// The digest whose flat file has this name in the directory of this name.
pub(crate) fn digest_of(fan: &str, name: &str) -> Option<Digest> {
    whole_digest(fan, name).filter(|_| fan.len() == HOT_FAN)
}

/// Whether flat files lay in a directory of this name once: nobody looks for them there any more.
pub(crate) fn is_former_fan(name: &str) -> bool {
    name.len() == 2 && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn whole_digest(fan: &str, name: &str) -> Option<Digest> {
    let text = format!("{fan}{name}");
    Digest::from_hex(&text).filter(|digest| digest.to_hex() == text)
}

/// A file in `directory`, which is made if it is missing; removed when dropped.
pub(crate) fn new_temporary(directory: &Path) -> io::Result<tempfile::NamedTempFile> {
    new_temporary_like(directory, "blob-")
}

/// A file in `directory` whose name begins with `prefix`.
pub(crate) fn new_temporary_like(directory: &Path, prefix: &str) -> io::Result<tempfile::NamedTempFile> {
    let attempt = || tempfile::Builder::new().prefix(prefix).tempfile_in(directory);
    let made = match attempt() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            fs::DirBuilder::new().mode(0o700).recursive(true).create(directory)?;
            attempt()
        }
        other => other,
    };
    made.map_err(|error| plain(&error))
}

/// The system's error without the path that `tempfile` adds: ours name the path themselves.
fn plain(error: &io::Error) -> io::Error {
    use io::ErrorKind;
    let errno = match error.kind() {
        ErrorKind::StorageFull => libc::ENOSPC,
        ErrorKind::QuotaExceeded => libc::EDQUOT,
        ErrorKind::FileTooLarge => libc::EFBIG,
        ErrorKind::ReadOnlyFilesystem => libc::EROFS,
        ErrorKind::PermissionDenied => libc::EACCES,
        ErrorKind::NotFound => libc::ENOENT,
        ErrorKind::NotADirectory => libc::ENOTDIR,
        other => return io::Error::new(other, error.to_string()),
    };
    io::Error::from_raw_os_error(errno)
}

/// Gives a finished temporary file its name; the directory is made if it is missing. Tells whether nothing had that
/// name; what had is replaced.
pub(crate) fn rename_into_place(file: tempfile::TempPath, path: &Path) -> io::Result<bool> {
    let mut refused = match file.persist_noclobber(path) {
        Ok(()) => return Ok(true),
        Err(refused) => refused,
    };
    if refused.error.kind() == io::ErrorKind::NotFound
        && let Some(parent) = path.parent()
    {
        fs::DirBuilder::new().mode(0o700).recursive(true).create(parent)?;
        refused = match refused.path.persist_noclobber(path) {
            Ok(()) => return Ok(true),
            Err(refused) => refused,
        };
    }
    if refused.error.kind() != io::ErrorKind::AlreadyExists {
        return Err(plain(&refused.error));
    }
    if is_exchanged(&refused.path, path) {
        // What was there has the temporary name now, and goes with it.
        return Ok(false);
    }
    refused.path.persist(path).map_err(|refused| plain(&refused.error))?;
    Ok(false)
}

/// Gives a file a name that nothing has, where the system can; the directory is made if it is missing.
#[cfg(target_os = "linux")]
pub(crate) fn rename_to_free_name(file: &Path, path: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    let rename = || renameat_with(CWD, file, CWD, path, RenameFlags::NOREPLACE).map_err(io::Error::from);
    match (rename(), path.parent()) {
        (Err(error), Some(parent)) if error.kind() == io::ErrorKind::NotFound => {
            fs::DirBuilder::new().mode(0o700).recursive(true).create(parent)?;
            rename()
        }
        (other, _) => other,
    }
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn rename_to_free_name(_file: &Path, _path: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Lets two files change their names, if they are files and the system can. Where one is renamed over another, ext4 begins
/// to write the new one to the disk before it returns; what proves itself needs no such care.
#[cfg(target_os = "linux")]
fn is_exchanged(one: &Path, other: &Path) -> bool {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    fs::symlink_metadata(other).is_ok_and(|metadata| metadata.is_file())
        && renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE).is_ok()
}

#[cfg(not(target_os = "linux"))]
fn is_exchanged(_one: &Path, _other: &Path) -> bool {
    false
}

/// Removes a file; that it was not there is fine. Tells whether it was.
pub(crate) fn remove_file(path: &Path) -> Result<bool> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(false)
        }
        Err(error) => Err(Error::io("remove", path, error)),
    }
}

/// Removes whatever has this name: a file, link, socket or FIFO, or a directory with all that is below it. Rights that its
/// owner took from a directory are given back first. That nothing was there is fine; tells whether something was.
pub(crate) fn remove_any(path: &Path) -> Result<bool> {
    let gone =
        |error: &io::Error| matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory);
    let found = match fs::symlink_metadata(path) {
        Err(error) if gone(&error) => return Ok(false),
        other => other.map_err(|error| Error::io("look at", path, error))?,
    };
    if !found.is_dir() {
        return remove_file(path);
    }
    let mut removed = fs::remove_dir_all(path);
    if removed.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied) {
        open_up(path);
        removed = fs::remove_dir_all(path);
    }
    match removed {
        Err(error) if !gone(&error) => Err(Error::io("remove", path, error)),
        _ => Ok(true),
    }
}

/// Lets the owner list and change a directory and all directories below it. What cannot be changed stays as it is.
fn open_up(directory: &Path) {
    let mut rest = vec![directory.to_owned()];
    while let Some(directory) = rest.pop() {
        let _ = fs::set_permissions(&directory, fs::Permissions::from_mode(0o700));
        let entries = fs::read_dir(&directory).into_iter().flatten().flatten();
        let directories = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        rest.extend(directories.map(|entry| entry.path()));
    }
}

/// Whether a store has an entry of this name.
pub(crate) fn is_ours(name: &OsStr) -> bool {
    const FILES: &[&str] = &[".gitignore", "CACHEDIR.TAG", "FORMAT", "secret", "hits.log", "hits.folding"];
    let Some(name) = name.to_str() else {
        return false;
    };
    DIRECTORIES.contains(&name) || FILES.contains(&name) || name.starts_with("meta.db")
}

fn make_directory(path: &Path) -> Result<()> {
    match fs::DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(Error::io("create", path, error)),
        _ => Ok(()),
    }
}

/// Who owns what `path` names, and whether that is a directory; a link must have the same owner as its target.
pub(crate) fn owner(path: &Path) -> io::Result<(u32, bool)> {
    let link = fs::symlink_metadata(path)?;
    if !link.is_symlink() {
        return Ok((link.uid(), link.is_dir()));
    }
    let target = fs::metadata(path)?;
    let ours = rustix::process::geteuid().as_raw();
    let owner = if link.uid() == ours { target.uid() } else { link.uid() };
    Ok((owner, target.is_dir()))
}

/// 32 bytes from the system's source of randomness.
pub(crate) fn random_bytes() -> Result<[u8; 32]> {
    let path = Path::new("/dev/urandom");
    let mut bytes = [0; 32];
    let read = fs::File::open(path).and_then(|mut file| file.read_exact(&mut bytes));
    read.map_err(|source| Error::io("read", path, source))?;
    Ok(bytes)
}

/// The text of a FORMAT file: one line that says it, one line that proves it.
fn format_text(format: u64) -> String {
    let line = format!("cashet store format {format}");
    let check = Digest::of(line.as_bytes()).to_hex();
    format!("{line}\ncheck {check}\n")
}

fn parse_format(text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?;
    let number = text.lines().next()?.strip_prefix("cashet store format ")?.parse().ok()?;
    (format_text(number) == text).then_some(number)
}

#[cfg(test)]
pub(super) mod tests;
