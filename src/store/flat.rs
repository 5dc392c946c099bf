//! Flat files that verify themselves: a hit reads them in place of a database.
//!
//! Layout: magic (8 bytes), payload length (8, little-endian), digest (32), payload. The digest covers the magic, the name
//! that the file should have, and the payload: a file under another file's name does not verify.

use super::files::{new_temporary, rename_into_place, rename_to_free_name};
use super::layout::{Layout, digest_of, is_former_fan};
use super::walking::{listed, on_all_cores};
use crate::digest::{DIGEST_LENGTH, Digest, Hasher};
use crate::error::Result;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Purpose of a flat file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Area {
    /// Remembered captures, by request.
    Captures,
    /// Hot entries, by key.
    Keys,
    /// Parts of sets of questions that hot entries share, by the digest of the questions.
    Questions,
}

impl Area {
    /// Each of them.
    pub(crate) const ALL: [Self; 3] = [Self::Keys, Self::Captures, Self::Questions];

    /// The directory below `hot`.
    pub(crate) const fn directory(self) -> &'static str {
        match self {
            Self::Captures => "c",
            Self::Keys => "k",
            Self::Questions => "q",
        }
    }

    const fn magic(self) -> &'static [u8; 8] {
        match self {
            Self::Captures => b"cashetc2",
            Self::Keys => b"cashetk4",
            Self::Questions => b"cashetq2",
        }
    }
}

const HEADER: usize = 8 + 8 + DIGEST_LENGTH;

/// The payload of a flat file, if it exists and verifies.
pub(crate) fn read(layout: &Layout, area: Area, name: &Digest) -> Option<Vec<u8>> {
    read_file(&layout.hot(area.directory(), name), area, name).ok().flatten()
}

/// The payload of the file at `path`; `None` where it does not verify.
pub(crate) fn read_file(path: &Path, area: Area, name: &Digest) -> io::Result<Option<Vec<u8>>> {
    let file = File::open(path)?;
    let mut header = Vec::with_capacity(HEADER);
    while header.len() < HEADER && read_more(&file, &mut header)? > 0 {}
    let Some((length, check)) = parse_header(&header, area) else { return Ok(None) };
    // The header's length is trusted only if the file has exactly that length.
    let size = u64::try_from(rustix::fs::fstat(&file)?.st_size).ok();
    if length.checked_add(HEADER as u64) != size {
        return Ok(None);
    }
    let Ok(length) = usize::try_from(length) else { return Ok(None) };
    let mut bytes = Vec::with_capacity(length);
    while bytes.len() < length && read_more(&file, &mut bytes)? > 0 {}
    Ok((bytes.len() == length && check_of(area, name, &bytes) == check).then_some(bytes))
}

/// Reads into the spare capacity of `bytes`; returns the number of bytes read.
fn read_more(file: &File, bytes: &mut Vec<u8>) -> io::Result<usize> {
    loop {
        match rustix::io::read(file, rustix::buffer::spare_capacity(bytes)) {
            Err(rustix::io::Errno::INTR) => {}
            other => return Ok(other?),
        }
    }
}

fn parse_header(bytes: &[u8], area: Area) -> Option<(u64, Digest)> {
    let (magic, rest) = bytes.split_first_chunk::<8>()?;
    let (length, rest) = rest.split_first_chunk::<8>()?;
    let (check, _) = rest.split_first_chunk::<DIGEST_LENGTH>()?;
    (magic == area.magic()).then(|| (u64::from_le_bytes(*length), Digest::from_bytes(*check)))
}

fn check_of(area: Area, name: &Digest, payload: &[u8]) -> Digest {
    let mut hasher = Hasher::new();
    hasher.update(area.magic()).update(name.as_bytes()).update(payload);
    hasher.finish()
}

/// Writes a complete flat file, in place of an older one.
pub(crate) fn write(layout: &Layout, area: Area, name: &Digest, payload: &[u8]) -> io::Result<()> {
    let mut file = new_temporary(&layout.temporary())?;
    file.write_all(&whole(area, name, payload))?;
    rename_into_place(file.into_temp_path(), &layout.hot(area.directory(), name)).map(|_| ())
}

/// Like [`write()`], through the key's lock file where no flat file exists yet: writes the payload to the lock file and renames
/// that to the flat file's name. This saves creating a file, which is the most expensive part. It must be the last action
/// under the lock, since the next process creates a new lock file.
pub(crate) fn write_last(
    layout: &Layout,
    area: Area,
    name: &Digest,
    payload: &[u8],
    lock: &File,
) -> io::Result<()> {
    let (path, target) = (layout.lock(&name.to_hex()), layout.hot(area.directory(), name));
    let ours = lock.metadata()?;
    let is_named =
        fs::symlink_metadata(&path).is_ok_and(|named| (named.dev(), named.ino()) == (ours.dev(), ours.ino()));
    // Replacing an existing file would give it, for a moment, a name under which another process could take it for the
    // lock.
    if !is_named || fs::symlink_metadata(&target).is_ok() {
        return write(layout, area, name, payload);
    }
    // The length counts how often the key was abandoned.
    let written = if ours.len() == 0 { Ok(()) } else { lock.set_len(0) }
        .and_then(|()| lock.write_all_at(&whole(area, name, payload), 0));
    if written.and_then(|()| rename_to_free_name(&path, &target)).is_ok() {
        return Ok(());
    }
    let _ = lock.set_len(ours.len());
    write(layout, area, name, payload)
}

/// The complete bytes of a flat file.
fn whole(area: Area, name: &Digest, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER.saturating_add(payload.len()));
    bytes.extend_from_slice(area.magic());
    bytes.extend_from_slice(&(payload.len() as u64).to_le_bytes());
    bytes.extend_from_slice(check_of(area, name, payload).as_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// Removes the directories that held flat files in former versions. No process uses them any more.
pub(crate) fn remove_former(layout: &Layout) -> Result<()> {
    for area in Area::ALL {
        for fan in listed(&layout.hot_directory().join(area.directory()))? {
            if fan.file_name().and_then(|name| name.to_str()).is_some_and(is_former_fan) && fan.is_dir() {
                super::files::remove_any(&fan)?;
            }
        }
    }
    Ok(())
}

/// Removes a flat file, or anything else of its name. A missing file is not an error.
pub(crate) fn remove(layout: &Layout, area: Area, name: &Digest) -> Result<()> {
    super::files::remove_any(&layout.hot(area.directory(), name)).map(|_| ())
}

/// Applies `one` to every flat file of an area with a valid name, and returns the results.
pub(super) fn in_fans<T: Send>(
    layout: &Layout,
    area: Area,
    one: impl Fn(Digest, &Path) -> Option<T> + Sync,
) -> Result<Vec<T>> {
    let fans = listed(&layout.hot_directory().join(area.directory()))?;
    let found = on_all_cores(&fans, |fan: &PathBuf| {
        let Some(name) = fan.file_name().and_then(|name| name.to_str()) else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        for path in listed(fan)? {
            let rest = path.file_name().and_then(|rest| rest.to_str());
            found.extend(rest.and_then(|rest| digest_of(name, rest)).and_then(|digest| one(digest, &path)));
        }
        Ok(found)
    })?;
    Ok(found.into_iter().flatten().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout() -> (tempfile::TempDir, Layout) {
        let directory = tempfile::tempdir().unwrap();
        let layout = Layout::new(directory.path().to_owned());
        (directory, layout)
    }

    #[test]
    fn what_is_written_is_read_at_any_size() {
        let (_directory, layout) = layout();
        for size in [0, 1, HEADER - 1, HEADER, HEADER + 1, 1 << 20] {
            let name = Digest::of(&size.to_le_bytes());
            let payload: Vec<u8> = (0..size).map(|place| u8::try_from(place % 251).unwrap()).collect();
            write(&layout, Area::Keys, &name, &payload).unwrap();
            assert_eq!(read(&layout, Area::Keys, &name), Some(payload), "{size}");
            assert_eq!(read(&layout, Area::Captures, &name), None);
        }
    }

    #[test]
    fn a_lock_file_becomes_the_flat_file_or_stays_out_of_it() {
        let (_directory, layout) = layout();
        let name = Digest::of(b"1");
        let lock = layout.lock(&name.to_hex());
        fs::create_dir(layout.locks()).unwrap();
        let open =
            || File::options().read(true).write(true).create(true).truncate(false).open(&lock).unwrap();
        // Alone, and with a count in it; an existing flat file is replaced in the ordinary way.
        for (count, payload, is_first) in
            [(0, &b"first"[..], true), (9000, b"second", true), (7, b"third", false), (0, b"fourth", false)]
        {
            if is_first {
                remove(&layout, Area::Keys, &name).unwrap();
            }
            let file = open();
            file.set_len(count).unwrap();
            write_last(&layout, Area::Keys, &name, payload, &file).unwrap();
            assert_eq!(read(&layout, Area::Keys, &name).as_deref(), Some(payload));
            assert_eq!(lock.exists(), !is_first);
            assert!(is_first || file.metadata().unwrap().len() == count);
        }
        // Another process has the name by now: its file stays unchanged.
        let ours = open();
        fs::remove_file(&lock).unwrap();
        let his = open();
        write_last(&layout, Area::Keys, &name, b"fifth", &ours).unwrap();
        assert_eq!(read(&layout, Area::Keys, &name).as_deref(), Some(&b"fifth"[..]));
        assert_eq!(fs::metadata(&lock).unwrap().ino(), his.metadata().unwrap().ino());
        assert_eq!(his.metadata().unwrap().len(), 0);
    }

    #[test]
    fn directories_of_an_earlier_layout_go_and_no_others() {
        let (_directory, layout) = layout();
        let name = Digest::of(b"1");
        write(&layout, Area::Keys, &name, b"payload").unwrap();
        let former = layout.hot_directory().join("k/a3");
        fs::create_dir(&former).unwrap();
        fs::write(former.join("rest"), b"x").unwrap();
        remove_former(&layout).unwrap();
        assert!(!former.exists());
        assert_eq!(read(&layout, Area::Keys, &name).as_deref(), Some(&b"payload"[..]));
    }

    #[test]
    fn a_file_under_anothers_name_does_not_verify() {
        let (_directory, layout) = layout();
        let (one, other) = (Digest::of(b"1"), Digest::of(b"2"));
        write(&layout, Area::Keys, &one, b"payload").unwrap();
        write(&layout, Area::Keys, &other, b"other").unwrap();
        let path = |name| layout.hot(Area::Keys.directory(), name);
        fs::copy(path(&one), path(&other)).unwrap();
        assert_eq!(read(&layout, Area::Keys, &other), None);
        fs::create_dir_all(layout.hot("c", &one).parent().unwrap()).unwrap();
        fs::copy(path(&one), layout.hot("c", &one)).unwrap();
        assert_eq!(read(&layout, Area::Captures, &one), None);
    }

    #[test]
    fn any_damage_is_a_miss() {
        let (_directory, layout) = layout();
        let name = Digest::of(b"1");
        let path = layout.hot("c", &name);
        for size in [100_usize, 40_000, 100_000] {
            write(&layout, Area::Captures, &name, &vec![5; size]).unwrap();
            let whole = fs::read(&path).unwrap();
            for place in (0..60).chain((60..whole.len()).step_by(997)) {
                let mut bytes = whole.clone();
                bytes[place] ^= 16;
                fs::write(&path, &bytes).unwrap();
                assert_eq!(read(&layout, Area::Captures, &name), None, "byte {place}");
            }
            for length in (0..60).chain((60..whole.len()).step_by(997)) {
                fs::write(&path, &whole[..length]).unwrap();
                assert_eq!(read(&layout, Area::Captures, &name), None, "cut to {length}");
            }
            let mut longer = whole.clone();
            longer.push(0);
            fs::write(&path, &longer).unwrap();
            assert_eq!(read(&layout, Area::Captures, &name), None);
        }
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert_eq!(read(&layout, Area::Captures, &name), None);
    }
}
