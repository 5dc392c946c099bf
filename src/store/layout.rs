//! The paths of a store, its creation, and its format.
//!
//! Apart from the FORMAT file this module does not know the content of files.

use super::Workspace;
use super::files::{make_directory, new_temporary, plain, random_bytes, rename_into_place};
use super::rights::{regain, without_rights};
use crate::digest::{BlobId, DIGEST_LENGTH, Digest};
use crate::error::{Error, Kind, Result};
use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The format of stores that this program reads and writes.
pub(crate) const FORMAT: u64 = 2;

/// Directories of a store.
const DIRECTORIES: &[&str] = &["objects", "hot", "locks", "tmp", "view", "replaced"];

/// Content of `.gitignore`: a store is never under version control.
const GITIGNORE: &str = "*\n";

/// Content of `CACHEDIR.TAG`, by the specification at <https://bford.info/cachedir/>.
const CACHEDIR_TAG: &str = "Signature: 8a477f597d28d172789f06886806bc55\n\
    # This directory holds results recorded by cashet. It can be made anew.\n";

/// Number of digits of a flat file's digest that name its directory. One is enough for a million files. With few directories, few
/// misses pay for creating one, which costs as much as creating a file.
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

    /// The path of a blob in uncompressed form.
    pub(crate) fn raw(&self, blob: &BlobId) -> PathBuf {
        self.fanned("objects", &blob.0, "")
    }

    /// The path of a blob in compressed form.
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

    /// The directory as calls see it.
    pub(crate) fn workspace(&self) -> Workspace<'_> {
        Workspace::new(&self.root)
    }

    pub(crate) fn temporary(&self) -> PathBuf {
        self.workspace().temporary()
    }

    /// The directory of read-only copies for `cashet:REV`.
    pub(crate) fn views(&self) -> PathBuf {
        self.workspace().views()
    }

    /// The directory of the user's files that were in the way of an output.
    pub(crate) fn replaced(&self) -> PathBuf {
        self.workspace().replaced()
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

    /// A new secret, for a store that is created or has lost its secret.
    pub(crate) fn new_secret(&self) -> [u8; DIGEST_LENGTH] {
        *self.new_secret.get_or_init(|| {
            let other = || *Digest::of(format!("{:?}", std::time::Instant::now()).as_bytes()).as_bytes();
            random_bytes().unwrap_or_else(|_| other())
        })
    }

    /// The secret of the store; `None` where it has none.
    pub(crate) fn read_secret(&self) -> Option<[u8; DIGEST_LENGTH]> {
        let mut bytes = Vec::new();
        let file = fs::File::open(self.secret()).ok()?;
        file.take(DIGEST_LENGTH as u64 + 1).read_to_end(&mut bytes).ok()?;
        bytes.try_into().ok()
    }

    pub(crate) fn format(&self) -> PathBuf {
        self.root.join("FORMAT")
    }

    fn fanned(&self, area: &str, digest: &Digest, suffix: &str) -> PathBuf {
        let hex = digest.to_hex();
        let (fan, rest) = hex.split_at_checked(2).unwrap_or((&hex, ""));
        self.root.join(format!("{area}/{fan}/{rest}{suffix}"))
    }

    /// Creates the missing parts of a store. Existing files stay unchanged.
    ///
    /// # Errors
    /// When the directory contains a file that is not part of any store: then it has another purpose.
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

    /// Restores the owner's right to read and write the store's files: of FORMAT only, or of all the others. Files of another
    /// user stay unchanged.
    pub(crate) fn regain(&self, only_format: bool) -> Result<()> {
        if only_format {
            return regain(&self.format());
        }
        regain(self.root())?;
        let inner = [self.objects(), self.hot_directory(), self.locks(), self.temporary()];
        inner.iter().try_for_each(|directory| regain(directory))?;
        for directory in [self.root(), &self.locks()] {
            let entries = match fs::read_dir(directory) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                other => other.map_err(|source| Error::io("list", directory, source))?,
            };
            for entry in entries {
                regain(&entry.map_err(|source| Error::io("list", directory, source))?.path())?;
            }
        }
        Ok(())
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

    /// Creates a file with its content in one step. Of several writers the first wins.
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

    /// The format number in the FORMAT file; `None` where the file does not verify.
    pub(crate) fn stated_format(&self) -> Result<Option<u64>> {
        let path = self.format();
        let read = || -> io::Result<Option<Vec<u8>>> {
            // Opening a FIFO would wait for a writer.
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
            // No process can open a link that leads to itself.
            Err(error) if error.raw_os_error() == Some(libc::ELOOP) => Ok(None),
            Err(error) => Err(without_rights(&path, error)),
        }
    }

    /// Writes the FORMAT file. Anything else of this name is set aside.
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

    /// Replaces a file in one step.
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

/// Whether a former version kept flat files in a directory of this name. No process uses them any more.
pub(crate) fn is_former_fan(name: &str) -> bool {
    name.len() == 2 && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn whole_digest(fan: &str, name: &str) -> Option<Digest> {
    let text = format!("{fan}{name}");
    Digest::from_hex(&text).filter(|digest| digest.to_hex() == text)
}

/// Whether files or directories of this name are part of a store.
pub(crate) fn is_ours(name: &OsStr) -> bool {
    const FILES: &[&str] = &[".gitignore", "CACHEDIR.TAG", "FORMAT", "secret", "hits.log", "hits.folding"];
    let Some(name) = name.to_str() else {
        return false;
    };
    DIRECTORIES.contains(&name)
        || FILES.contains(&name)
        || ["jobs", "remote"].contains(&name)
        || name.starts_with("meta.db")
}

/// The text of a FORMAT file: a line with the format number, and a line with the digest of the first.
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
