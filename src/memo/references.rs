//! Words that refer to recorded products: `cashet:REV` and `cashet:REV:PATH` become paths of read-only copies.

use crate::digest::BlobId;
use crate::error::{Error, Result};
use crate::exec::nested::{Depends, tell};
use crate::hash::request::{Reference, Request};
use crate::store::Store;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Prefix of a word that refers to a product.
const SCHEME: &[u8] = b"cashet:";

/// A product of a recorded commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Product {
    /// Its bytes.
    pub blob: BlobId,
    /// The path of the output that it is; `None` for stdout.
    pub path: Option<Vec<u8>>,
}

/// Finds the products of recorded commits.
pub trait Products {
    /// Resolves `reference`, the text after `cashet:`: the stdout of the commit that a revision names, or the output
    /// that `REV:PATH` does.
    ///
    /// # Errors
    /// When it is not a revision, or there is no such commit or output.
    fn product(&self, reference: &OsStr) -> Result<Product>;
}

/// A word that refers to a product, as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Written<'a> {
    /// What comes before it in the word: `--option=`, or nothing.
    before: &'a [u8],
    /// What comes after `cashet:`; it may be no revision at all.
    reference: &'a [u8],
}

impl Written<'_> {
    fn product(&self, products: &dyn Products) -> Result<Product> {
        if self.reference.is_empty() {
            let error = Error::usage("'cashet:' names no run");
            return Err(error.with_hint(
                "did the step fail that should have printed its hash? --literal passes such words as they are",
            ));
        }
        products.product(OsStr::from_bytes(self.reference))
    }
}

/// Reads a whole word, or the value part of `--option=word`, as a reference. Whatever begins with `cashet:` is meant as
/// one: a mistake in it must not reach the command as text.
fn written(word: &[u8]) -> Option<Written<'_>> {
    let start = match word.iter().position(|byte| *byte == b'=') {
        _ if word.starts_with(SCHEME) => 0,
        Some(equals) => equals + 1,
        None => 0,
    };
    let (before, value) = word.split_at_checked(start)?;
    Some(Written { before, reference: value.strip_prefix(SCHEME)? })
}

/// Copies that are in use: for as long as it lives no collection deletes them.
#[derive(Debug, Default)]
#[must_use = "copies that nobody holds may be deleted"]
pub struct Held(Vec<File>);

/// Puts the paths of read-only copies, in the store's `view`, in place of the references among the words of a request.
/// The copies are to be held for as long as the command runs.
///
/// # Errors
/// When a reference names no product, or the copy cannot be made; then nothing must run. Words of a literal request are
/// passed as they are.
pub fn resolve_references(request: &mut Request, products: &dyn Products, store: &dyn Store) -> Result<Held> {
    let mut held = Held::default();
    if request.literal {
        return Ok(held);
    }
    for (place, word) in request.words.iter_mut().enumerate() {
        let typed = word.clone();
        let Some(found) = written(typed.as_bytes()) else { continue };
        report_to_outer(found.reference);
        let Product { blob, path } = found.product(products)?;
        let (copy, file) = view(store, &blob, path.as_deref())?;
        held.0.push(file);
        let mut replaced = found.before.to_vec();
        replaced.extend_from_slice(copy.as_os_str().as_bytes());
        *word = OsString::from_vec(replaced);
        request.references.push(Reference { word: place, typed, digest: blob.0 });
    }
    Ok(held)
}

/// Reports to an outer call that the answer depends on the history: the commit of a revision, other than a hash, changes with every run.
fn report_to_outer(reference: &[u8]) {
    let revision = reference.split(|byte| *byte == b':').next().unwrap_or_default();
    if revision.len() < SURE_DIGITS || !revision.iter().all(u8::is_ascii_hexdigit) {
        tell(Depends::Results("a word that begins with cashet:"));
    }
}

/// So many digits of a hash name one run and will.
const SURE_DIGITS: usize = 8;

/// The first word that refers to a product, or has such a reference as its value.
#[must_use]
pub fn first_reference(request: &Request) -> Option<&OsString> {
    let mut words = request.words.iter().filter(|_| !request.literal);
    words.find(|word| written(word.as_bytes()).is_some())
}

/// Opens what `--stdin=PATH` or `--stdin=cashet:REV[:PATH]` names.
///
/// # Errors
/// When there is no such file or product.
pub fn open_stdin(word: &OsStr, products: &dyn Products, store: Option<&dyn Store>) -> Result<File> {
    let path = match (written(word.as_bytes()).filter(|found| found.before.is_empty()), store) {
        (Some(found), Some(store)) => {
            report_to_outer(found.reference);
            let Product { blob, path } = found.product(products)?;
            view(store, &blob, path.as_deref())?.0
        }
        _ => PathBuf::from(word),
    };
    let file = File::open(&path).map_err(|error| Error::io("read", &path, error))?;
    match file.metadata() {
        Ok(metadata) if metadata.is_dir() => {
            Err(Error::usage(format!("--stdin: {} is a directory", path.display())))
        }
        _ => Ok(file),
    }
}

/// The path of a read-only copy of `blob`, with the extension of `named`, and the copy itself, locked against deletion. A
/// copy that is there already is proven before it is used.
fn view(store: &dyn Store, blob: &BlobId, named: Option<&[u8]>) -> Result<(PathBuf, File)> {
    let directory = store.workspace().views();
    fs::create_dir_all(&directory).map_err(|error| Error::io("create", &directory, error))?;
    let mut name = OsString::from(blob.0.to_hex());
    let extension = named.and_then(|path| Path::new(OsStr::from_bytes(path)).extension());
    if let Some(extension) = extension {
        name.push(".");
        name.push(extension);
    }
    let path = directory.join(name);
    if let Some(file) = locked(&path)
        && crate::hash::files::digest_file(&path).is_ok_and(|(digest, _)| digest == blob.0)
    {
        return Ok((path, file));
    }
    let mut from = store.read(blob)?;
    let mut staged = tempfile::NamedTempFile::new_in(&directory)
        .map_err(|error| Error::io("create a file in", &directory, error))?;
    io::copy(&mut from, &mut staged).map_err(|error| Error::io("write to", &directory, error))?;
    let read_only = Permissions::from_mode(0o444);
    staged.as_file().set_permissions(read_only).map_err(|error| Error::io("change", &path, error))?;
    // A file system without locks has copies without them.
    let _ = staged.as_file().lock_shared();
    let file = staged.persist(&path).map_err(|error| Error::io("create", &path, error.error))?;
    Ok((path, file))
}

/// The file at `path`, locked; `None` where there is none, or it is being deleted.
fn locked(path: &Path) -> Option<File> {
    let file = File::open(path).ok()?;
    // A collection holds it for no longer than it takes to delete it. Where there are no locks, there is none.
    let _ = file.lock_shared();
    let (held, there) = (file.metadata().ok()?, fs::symlink_metadata(path).ok()?);
    ((held.dev(), held.ino()) == (there.dev(), there.ino())).then_some(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_words_and_values_of_options_are_references() {
        for (word, expected) in [
            ("cashet:3f2a9c41", Some(("", "3f2a9c41"))),
            ("cashet:3F2A9C41d07e:model.bin", Some(("", "3F2A9C41d07e:model.bin"))),
            ("--data=cashet:@:a/b:c", Some(("--data=", "@:a/b:c"))),
            ("if=cashet:@{2}", Some(("if=", "@{2}"))),
            ("cashet:@~1", Some(("", "@~1"))),
            ("cashet:train.py --lr 0.1", Some(("", "train.py --lr 0.1"))),
            // A word that is meant as a reference and names nothing is reported by the look-up.
            ("cashet:3f2", Some(("", "3f2"))),
            ("cashet:", Some(("", ""))),
            ("--data=cashet:", Some(("--data=", ""))),
            ("cashet:a=b", Some(("", "a=b"))),
            ("xcashet:3f2a9c41", None),
            ("a=b=cashet:3f2a9c41", None),
            ("a cashet:3f2a9c41", None),
            ("cashet", None),
        ] {
            let found = written(word.as_bytes()).map(|found| (found.before, found.reference));
            let expected =
                expected.map(|(before, reference): (&str, &str)| (before.as_bytes(), reference.as_bytes()));
            assert_eq!(found, expected, "{word}");
        }
    }
}
