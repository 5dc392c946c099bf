//! Words that stand for recorded products: `cashet:REV` and `cashet:REV:PATH` become paths of read-only copies.

use crate::digest::BlobId;
use crate::error::{Error, Result};
use crate::hash::request::{Reference, Request};
use crate::store::Store;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// What a word that stands for a product begins with.
const SCHEME: &[u8] = b"cashet:";

/// Fewest hexadecimal digits of a revision in a word: fewer could be meant otherwise.
const FEWEST_DIGITS: usize = 8;

/// Finds the products of recorded commits.
pub trait Products {
    /// The stdout of the commit that `revision` names, or its output `path`.
    ///
    /// # Errors
    /// When there is no such commit or output.
    fn product(&self, revision: &str, path: Option<&[u8]>) -> Result<BlobId>;
}

/// A reference as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Written<'a> {
    /// What comes before it in the word: `--option=`, or nothing.
    before: &'a [u8],
    revision: &'a str,
    path: Option<&'a [u8]>,
}

/// Reads a whole word, or the value part of `--option=word`, as a reference.
fn written(word: &[u8]) -> Option<Written<'_>> {
    let start = match word.iter().position(|byte| *byte == b'=') {
        _ if word.starts_with(SCHEME) => 0,
        Some(equals) => equals + 1,
        None => 0,
    };
    let (before, value) = word.split_at_checked(start)?;
    let rest = value.strip_prefix(SCHEME)?;
    let end = rest.iter().position(|byte| *byte == b':').unwrap_or(rest.len());
    let (revision, path) = rest.split_at_checked(end)?;
    let revision = std::str::from_utf8(revision).ok()?;
    let digits = revision.len() >= FEWEST_DIGITS
        && revision.len() <= 64
        && revision.bytes().all(|byte| byte.is_ascii_hexdigit());
    let path = path.strip_prefix(b":");
    (digits || revision.starts_with('@')).then_some(Written { before, revision, path })
}

/// Copies that are in use: for as long as it lives no collection deletes them.
#[derive(Debug, Default)]
#[must_use = "copies that nobody holds may be deleted"]
pub struct Held(Vec<File>);

/// Puts the paths of read-only copies, in the store's `view`, in place of the references among the words of a request.
/// The copies are to be held for as long as the command runs.
///
/// # Errors
/// When a reference names no product, or the copy cannot be made; then nothing must run.
pub fn resolve_references(request: &mut Request, products: &dyn Products, store: &dyn Store) -> Result<Held> {
    let mut held = Held::default();
    for (place, word) in request.words.iter_mut().enumerate() {
        let typed = word.clone();
        let Some(found) = written(typed.as_bytes()) else { continue };
        let blob = products.product(found.revision, found.path)?;
        let (copy, file) = view(store, &blob, found.path)?;
        held.0.push(file);
        let mut replaced = found.before.to_vec();
        replaced.extend_from_slice(copy.as_os_str().as_bytes());
        *word = OsString::from_vec(replaced);
        request.references.push(Reference { word: place, typed, digest: blob.0 });
    }
    Ok(held)
}

/// The first word that stands for a product, or has one as its value.
#[must_use]
pub fn first_reference(words: &[OsString]) -> Option<&OsString> {
    words.iter().find(|word| written(word.as_bytes()).is_some())
}

/// Opens what `--stdin=PATH` or `--stdin=cashet:REV[:PATH]` names.
///
/// # Errors
/// When there is no such file or product.
pub fn open_stdin(word: &OsStr, products: &dyn Products, store: Option<&dyn Store>) -> Result<File> {
    let path = match (written(word.as_bytes()).filter(|found| found.before.is_empty()), store) {
        (Some(found), Some(store)) => {
            let blob = products.product(found.revision, found.path)?;
            view(store, &blob, found.path)?.0
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
    let directory = store.directory().join("view");
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
            ("cashet:3f2a9c41", Some(("", "3f2a9c41", None))),
            ("cashet:3F2A9C41d07e:model.bin", Some(("", "3F2A9C41d07e", Some("model.bin")))),
            ("--data=cashet:@:a/b:c", Some(("--data=", "@", Some("a/b:c")))),
            ("if=cashet:@{2}", Some(("if=", "@{2}", None))),
            ("cashet:@~1", Some(("", "@~1", None))),
            ("cashet:3f2a9c4", None),
            ("cashet:", None),
            ("cashet:zzzzzzzzz", None),
            ("xcashet:3f2a9c41", None),
            ("a=b=cashet:3f2a9c41", None),
            ("cashet", None),
        ] {
            let found = written(word.as_bytes());
            let found = found.map(|found| (found.before, found.revision, found.path));
            let expected = expected.map(|(before, revision, path): (&str, &str, Option<&str>)| {
                (before.as_bytes(), revision, path.map(str::as_bytes))
            });
            assert_eq!(found, expected, "{word}");
        }
    }
}
