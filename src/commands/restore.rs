//! Writing the outputs of a commit into a directory that may hold other things.
//!
//! All bytes are written beside their places and proven before the first becomes visible. What is there and
//! differs is kept, unless the user says otherwise; directories always are. No link is followed.

use crate::digest::{BlobId, Hasher};
use crate::error::{Error, Result};
use crate::memo::outputs::{self, whole};
use crate::record::{MODE_BITS, OutputEntry, OutputKind, OutputTime, OutputTree};
use rustix::fs::{CWD, RenameFlags};
use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::{self, File, Metadata, Permissions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Opens a blob after proving it.
pub type Open<'a> = &'a dyn Fn(&BlobId) -> Result<Box<dyn Read + Send>>;

/// What was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// Files and links written.
    pub written: u64,
    /// Bytes of those files.
    pub bytes: u64,
    /// Files and links that were there already.
    pub same: u64,
}

/// Writes the files, links and directories of `tree` below `directory`, which is made if it is missing. `advance`
/// is told how many bytes are written.
///
/// # Errors
/// Something else is in the way and `force` is not set, or it is a directory; a blob is damaged; the system
/// refuses. Nothing was written then, but for the last.
pub fn restore(
    tree: &OutputTree,
    directory: &Path,
    force: bool,
    open: Open<'_>,
    advance: &mut dyn FnMut(u64),
) -> Result<Restored> {
    fs::create_dir_all(directory).map_err(|source| Error::io("create", directory, source))?;
    let mut restored = Restored::default();
    let mut missing = Vec::new();
    let mut modes = Vec::new();
    for entry in tree.entries() {
        let path = directory.join(OsStr::from_bytes(&entry.path));
        check_parents(directory, &path)?;
        match standing(entry, &path, force)? {
            Standing::Same => restored.same += u64::from(!matches!(entry.kind, OutputKind::Directory { .. })),
            Standing::OtherMode(mode) => {
                restored.same += 1;
                modes.push((path, mode));
            }
            Standing::Missing => missing.push((entry, path)),
            Standing::Unwanted => {}
        }
    }
    let failed = |source| Error::io("write in", directory, source);
    let stage = tempfile::Builder::new().prefix(".cashet-").tempdir_in(directory).map_err(failed)?;
    let mut staged: Vec<(PathBuf, PathBuf)> = Vec::new();
    let mut names: HashMap<&[u8], PathBuf> = HashMap::new();
    for (place, (entry, path)) in missing.iter().enumerate() {
        let beside = stage.path().join(place.to_string());
        match &entry.kind {
            OutputKind::File { .. } | OutputKind::Sparse { .. } => {
                if let Some(first) = &entry.link_to {
                    let place_of_first = directory.join(OsStr::from_bytes(first));
                    // It was staged before, or is in place.
                    let first = names.get(first.as_slice()).cloned();
                    let first = first.unwrap_or(place_of_first);
                    fs::hard_link(&first, &beside).map_err(|source| Error::io("create", &beside, source))?;
                } else {
                    let before = restored.bytes;
                    let file = write_file(&beside, &entry.kind, open, &mut |done| advance(before + done))?;
                    settle(&beside, &file, entry)?;
                    restored.bytes += entry.kind.stored().map_or(0, |content| content.size);
                }
                names.insert(entry.path.as_slice(), beside.clone());
            }
            OutputKind::Symlink { text } => std::os::unix::fs::symlink(OsStr::from_bytes(text), &beside)
                .map_err(|source| Error::io("create", &beside, source))?,
            OutputKind::Directory { .. } | OutputKind::Removed => continue,
        }
        staged.push((beside, path.clone()));
    }
    for (entry, path) in &missing {
        let parent = if matches!(entry.kind, OutputKind::Directory { .. }) {
            Some(path.as_path())
        } else {
            path.parent()
        };
        if let Some(parent) = parent {
            fs::create_dir_all(parent).map_err(|source| Error::io("create", parent, source))?;
        }
    }
    for (beside, path) in &staged {
        // What appeared since we looked is somebody's too.
        let flags = if force { RenameFlags::empty() } else { RenameFlags::NOREPLACE };
        rustix::fs::renameat_with(CWD, beside, CWD, path, flags)
            .map_err(|source| Error::io("create", path, source.into()))?;
        restored.written += 1;
    }
    for (path, mode) in modes {
        set_mode(&path, mode)?;
    }
    // Deepest first: a directory that may not be written must be full by then.
    for (entry, path) in missing.iter().rev() {
        if matches!(entry.kind, OutputKind::Directory { .. }) {
            let opened = File::open(path).map_err(|source| Error::io("open", path, source))?;
            settle(path, &opened, entry)?;
        }
    }
    Ok(restored)
}

/// Opens all bytes of a recorded file.
///
/// # Errors
/// As `open`; it is not a file.
pub fn open(file: &OutputKind, open: Open<'_>) -> Result<Box<dyn Read + Send>> {
    let stored = file.stored().ok_or_else(|| Error::usage("it is not a file"))?;
    Ok(whole(file, open(&stored.blob)?))
}

/// Writes a recorded file again, with its holes. `advance` is told how many bytes of it are written.
///
/// # Errors
/// The blob is damaged; the system refuses.
pub fn write_file(
    path: &Path,
    file: &OutputKind,
    open: Open<'_>,
    advance: &mut dyn FnMut(u64),
) -> Result<File> {
    let failed = |source| Error::io("write", path, source);
    let stored = file.stored().ok_or_else(|| Error::usage("it is not a file"))?;
    let mut from = open(&stored.blob)?;
    let mut to = File::create_new(path).map_err(failed)?;
    match file {
        OutputKind::Sparse { size, extents, .. } => {
            outputs::write(&mut *from, &to, extents, *size).map_err(failed)?;
            advance(*size);
        }
        OutputKind::File { sparse, .. } => copy(&mut *from, &mut to, *sparse, advance).map_err(failed)?,
        _ => {}
    }
    Ok(to)
}

/// Gives a file or directory that may be written all that is recorded of it beside its bytes.
fn settle(path: &Path, file: &File, entry: &OutputEntry) -> Result<()> {
    let failed = |source| Error::io("change", path, source);
    let (OutputKind::File { mode, .. } | OutputKind::Sparse { mode, .. } | OutputKind::Directory { mode }) =
        &entry.kind
    else {
        return Ok(());
    };
    outputs::set_own(file, &entry.attributes).map_err(|errno| failed(errno.into()))?;
    file.set_permissions(Permissions::from_mode(*mode)).map_err(failed)?;
    outputs::set_lists(file, &entry.attributes).map_err(|errno| failed(errno.into()))?;
    match &entry.time {
        OutputTime::Given { time, .. } => {
            outputs::set_modified(file, *time).map_err(|errno| failed(errno.into()))
        }
        OutputTime::Written { .. } => Ok(()),
    }
}

/// Copies to the end; where the file was sparse, blocks of zeros become holes.
fn copy(from: &mut dyn Read, to: &mut File, sparse: bool, advance: &mut dyn FnMut(u64)) -> io::Result<()> {
    let mut buffer = vec![0; 128 * 1024];
    let mut done: u64 = 0;
    loop {
        let length = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let bytes = buffer.get(..length).unwrap_or_default();
        if sparse && bytes.iter().all(|byte| *byte == 0) {
            to.seek(SeekFrom::Current(i64::try_from(length).unwrap_or(0)))?;
        } else {
            to.write_all(bytes)?;
        }
        done = done.saturating_add(u64::try_from(length).unwrap_or(0));
        advance(done);
    }
    let end = to.stream_position()?;
    to.set_len(end)
}

enum Standing {
    /// It is there as recorded.
    Same,
    /// Its bytes are there; its permission bits are to be these.
    OtherMode(u32),
    /// It is to be written.
    Missing,
    /// It is a removal: nothing is to be done outside the place where it happened.
    Unwanted,
}

/// How `path` stands to what is to be there.
fn standing(entry: &OutputEntry, path: &Path, force: bool) -> Result<Standing> {
    if entry.kind == OutputKind::Removed {
        return Ok(Standing::Unwanted);
    }
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Standing::Missing),
        Err(error) => return Err(Error::io("look at", path, error)),
    };
    let same = match &entry.kind {
        OutputKind::Directory { .. } => found.is_dir(),
        OutputKind::Symlink { text } => {
            found.is_symlink() && fs::read_link(path).is_ok_and(|link| link.as_os_str().as_bytes() == text)
        }
        OutputKind::File { mode, .. } | OutputKind::Sparse { mode, .. } => {
            match holds(path, &found, &entry.kind)? {
                true if found.permissions().mode() & MODE_BITS != *mode => {
                    return Ok(Standing::OtherMode(*mode));
                }
                same => same,
            }
        }
        OutputKind::Removed => false,
    };
    if same {
        return Ok(Standing::Same);
    }
    if found.is_dir() || matches!(entry.kind, OutputKind::Directory { .. }) {
        return Err(Error::usage(format!("{} is in the way", path.display()))
            .with_hint("move it away, or name another directory"));
    }
    if force {
        return Ok(Standing::Missing);
    }
    Err(Error::usage(format!("{} exists and differs", path.display()))
        .with_hint("--force replaces it; nothing was written"))
}

/// Whether a file has exactly this content.
fn holds(path: &Path, found: &Metadata, recorded: &OutputKind) -> Result<bool> {
    if !found.is_file() || Some(found.len()) != recorded.size() {
        return Ok(false);
    }
    let failed = |source| Error::io("read", path, source);
    let mut file = File::open(path).map_err(failed)?;
    let content = match recorded {
        OutputKind::Sparse { data, size, extents, .. } => {
            return outputs::holds(&file, data, *size, extents).map_err(failed);
        }
        OutputKind::File { content, .. } => content,
        _ => return Ok(false),
    };
    let mut hasher = Hasher::new();
    let mut buffer = vec![0; 128 * 1024];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => {
                hasher.update(buffer.get(..length).unwrap_or_default());
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(failed(error)),
        }
    }
    Ok(hasher.finish() == content.blob.0)
}

/// Everything between `directory` and `path` must be a directory or missing: a link could lead elsewhere.
fn check_parents(directory: &Path, path: &Path) -> Result<()> {
    let parents = path.ancestors().skip(1).take_while(|parent| *parent != directory);
    for parent in parents {
        match fs::symlink_metadata(parent) {
            Ok(found) if !found.is_dir() => {
                return Err(Error::usage(format!("{} is not a directory", parent.display()))
                    .with_hint("move it away, or name another directory"));
            }
            _ => {}
        }
    }
    Ok(())
}

fn set_mode(path: &Path, mode: u32) -> Result<()> {
    fs::set_permissions(path, Permissions::from_mode(mode))
        .map_err(|source| Error::io("change the mode of", path, source))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;
    use crate::record::Content;

    fn file(path: &str, text: &str, mode: u32) -> OutputEntry {
        let content = Content { blob: BlobId(Digest::of(text.as_bytes())), size: text.len() as u64 };
        OutputEntry::new(path, OutputKind::File { content, mode, sparse: false })
    }

    fn tree() -> OutputTree {
        OutputTree::new(vec![
            file("a", "one", 0o600),
            file("d/b", "two", 0o755),
            OutputEntry::new(b"d", OutputKind::Directory { mode: 0o555 }),
            OutputEntry::new(b"l", OutputKind::Symlink { text: b"d/b".to_vec() }),
            OutputEntry::new(b"gone", OutputKind::Removed),
            OutputEntry::new(b"empty", OutputKind::Directory { mode: 0o700 }),
        ])
    }

    fn open(blob: &BlobId) -> Result<Box<dyn Read + Send>> {
        let known = ["one", "two"].into_iter().find(|text| Digest::of(text.as_bytes()) == blob.0);
        known
            .map(|text| Box::new(text.as_bytes()) as Box<dyn Read + Send>)
            .ok_or_else(|| Error::damaged("gone"))
    }

    fn get(directory: &Path, force: bool) -> Result<Restored> {
        restore(&tree(), directory, force, &open, &mut |_| {})
    }

    fn names(directory: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn everything_is_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("new/place");
        assert_eq!(get(&target, false).unwrap(), Restored { written: 3, bytes: 6, same: 0 });
        assert_eq!(names(&target), ["a", "d", "empty", "l"]);
        assert_eq!(fs::read(target.join("l")).unwrap(), b"two");
        let mode = |path: &str| fs::metadata(target.join(path)).unwrap().permissions().mode() & 0o7777;
        assert_eq!((mode("a"), mode("d/b"), mode("d")), (0o600, 0o755, 0o555));
        assert_eq!(get(&target, false).unwrap(), Restored { written: 0, bytes: 0, same: 3 });
    }

    #[test]
    fn what_it_does_not_own_stays() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path();
        for (path, text) in [("other", "mine"), ("a", "mine too"), ("gone", "still here")] {
            fs::write(target.join(path), text).unwrap();
        }
        let error = get(target, false).unwrap_err().to_string();
        assert!(error.ends_with("/a exists and differs"), "{error}");
        assert_eq!(names(target), ["a", "gone", "other"]);
        assert_eq!(fs::read(target.join("a")).unwrap(), b"mine too");
        assert_eq!(get(target, true).unwrap().written, 3);
        assert_eq!(fs::read(target.join("a")).unwrap(), b"one");
        assert_eq!(fs::read(target.join("other")).unwrap(), b"mine");
        assert_eq!(fs::read(target.join("gone")).unwrap(), b"still here");
    }

    #[test]
    fn no_link_leads_out() {
        let folder = tempfile::tempdir().unwrap();
        let outside = folder.path().join("outside");
        let target = folder.path().join("target");
        fs::create_dir_all(&outside).unwrap();
        fs::create_dir_all(&target).unwrap();
        std::os::unix::fs::symlink(&outside, target.join("d")).unwrap();
        for force in [false, true] {
            get(&target, force).unwrap_err();
            assert!(names(&outside).is_empty());
        }
        fs::remove_file(target.join("d")).unwrap();
        std::os::unix::fs::symlink(outside.join("x"), target.join("a")).unwrap();
        get(&target, false).unwrap_err();
        get(&target, true).unwrap();
        assert!(names(&outside).is_empty());
    }

    #[test]
    fn a_directory_is_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("a")).unwrap();
        assert!(get(folder.path(), true).unwrap_err().to_string().ends_with("is in the way"));
    }

    #[test]
    fn damage_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let broken = OutputTree::new(vec![file("a", "one", 0o644), file("z", "unknown", 0o644)]);
        restore(&broken, folder.path(), false, &open, &mut |_| {}).unwrap_err();
        assert!(names(folder.path()).is_empty());
    }

    #[test]
    fn holes_stay_holes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sparse");
        let zeros = |_: &BlobId| Ok(Box::new(io::repeat(0).take(1 << 20)) as Box<dyn Read + Send>);
        let content = Content { blob: BlobId(Digest::of(b"")), size: 1 << 20 };
        let kind = OutputKind::File { content, mode: 0o644, sparse: true };
        write_file(&path, &kind, &zeros, &mut |_| {}).unwrap();
        let metadata = fs::metadata(&path).unwrap();
        assert_eq!(metadata.len(), 1 << 20);
        assert!(std::os::unix::fs::MetadataExt::blocks(&metadata) < 100);
    }
}
