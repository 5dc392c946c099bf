//! Listing all blobs on disk, and compressing large ones.

use super::packed::{FRAME, Packed, Packer, pays};
use super::read::Form;
use super::{Blobs, SMALL};
use crate::digest::BlobId;
use crate::error::{Error, Result};
use crate::store::files::new_temporary;
use crate::store::layout::blob_of;
use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use tempfile::TempPath;

/// zstd level for blobs that are compressed in the background.
const LEVEL: i32 = 3;

/// Number of frames compressed as a sample, to decide whether compression pays.
const SAMPLES: u64 = 3;

/// A blob's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) blob: BlobId,
    pub(crate) packed: bool,
    /// Its size.
    pub(crate) bytes: u64,
    /// Its size on disk, in bytes.
    pub(crate) disk: u64,
}

/// One directory of blobs, and the entries in it that are not blobs.
#[derive(Debug, Default)]
pub(crate) struct Fan {
    pub(crate) blobs: Vec<Stored>,
    pub(crate) strangers: Vec<PathBuf>,
}

impl Blobs {
    /// The directories that hold blobs, and the other entries beside them.
    pub(crate) fn fans(&self) -> Result<(Vec<PathBuf>, Vec<PathBuf>)> {
        let objects = self.layout.objects();
        let (mut fans, mut strangers) = (Vec::new(), Vec::new());
        for entry in entries(&objects)? {
            let hex = entry.file_name().to_str().is_some_and(|name| {
                name.len() == 2
                    && name.bytes().all(|digit| digit.is_ascii_digit() || (b'a'..=b'f').contains(&digit))
            });
            let directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if hex && directory { fans.push(entry.path()) } else { strangers.push(entry.path()) }
        }
        fans.sort();
        Ok((fans, strangers))
    }

    /// The blobs of one directory.
    pub(crate) fn fan(path: &Path) -> Result<Fan> {
        let mut fan = Fan::default();
        let parent = path.file_name().unwrap_or_default();
        for entry in entries(path)? {
            let metadata = match entry.metadata() {
                Ok(metadata) => metadata,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(Error::io("inspect", &entry.path(), error)),
            };
            match blob_of(parent, &entry.file_name()) {
                Some((blob, packed)) if metadata.is_file() => {
                    let disk = metadata.blocks().saturating_mul(512);
                    fan.blobs.push(Stored { blob, packed, bytes: metadata.len(), disk });
                }
                _ => fan.strangers.push(entry.path()),
            }
        }
        Ok(fan)
    }

    /// The path of a blob's file.
    pub(crate) fn path_of(&self, stored: &Stored) -> PathBuf {
        if stored.packed { self.layout.packed(&stored.blob) } else { self.layout.raw(&stored.blob) }
    }

    /// Whether one file of a blob is intact, regardless of the blob's other form.
    pub(crate) fn is_true(&self, stored: &Stored) -> io::Result<bool> {
        let file = match File::open(self.path_of(stored)) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Ok(false),
            other => other?,
        };
        let form = if stored.packed {
            Packed::open(file).map(Form::Packed)
        } else {
            file.metadata().map(|metadata| Form::Raw(file, metadata.len()))
        };
        match form.and_then(|form| form.digest()) {
            Ok(digest) => Ok(digest == stored.blob.0),
            Err(error) => match error.kind() {
                io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof | io::ErrorKind::IsADirectory => {
                    Ok(false)
                }
                _ if error.raw_os_error() == Some(libc::EIO) => Ok(false),
                _ => Err(error),
            },
        }
    }

    /// Cheap check: whether a file's size and, for a compressed one, its header are consistent.
    pub(crate) fn looks_true(&self, stored: &Stored) -> bool {
        let Ok(file) = File::open(self.path_of(stored)) else {
            return false;
        };
        if stored.packed { Packed::open(file).is_ok() } else { stored.bytes > 0 }
    }

    /// The compressed form of a large raw blob as a temporary file, verified to decompress to the blob's bytes; `None` where
    /// compression does not pay or the blob is damaged.
    pub(crate) fn compressed(&self, stored: &Stored) -> Result<Option<(TempPath, u64)>> {
        let path = self.path_of(stored);
        let failed = |source| Error::io("compress", &path, source);
        if stored.packed || stored.bytes <= SMALL as u64 {
            return Ok(None);
        }
        let file = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other.map_err(failed)?,
        };
        if !sample_pays(&file, stored.bytes).map_err(failed)? {
            return Ok(None);
        }
        let mut to = new_temporary(&self.layout.temporary()).map_err(failed)?;
        to.as_file().lock().map_err(failed)?;
        let length = write_packed(&file, stored.bytes, to.as_file_mut()).map_err(failed)?;
        if self.durable {
            to.as_file().sync_all().map_err(failed)?;
        }
        let check = Packed::open(to.as_file().try_clone().map_err(failed)?).map(Form::Packed);
        let whole = check.and_then(|form| form.digest()).is_ok_and(|digest| digest == stored.blob.0);
        Ok((whole && pays(length, stored.bytes)).then(|| (to.into_temp_path(), length)))
    }
}

fn entries(directory: &Path) -> Result<Vec<fs::DirEntry>> {
    let list = || fs::read_dir(directory)?.collect::<io::Result<Vec<_>>>();
    match list() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        other => other.map_err(|source| Error::io("list", directory, source)),
    }
}

/// Whether a sample of frames, spread over the file, compresses well.
fn sample_pays(file: &File, size: u64) -> io::Result<bool> {
    let count = size.div_ceil(FRAME);
    let mut packer = Packer::new(LEVEL)?;
    let (mut read, mut stored) = (0, 0);
    for sample in 0..SAMPLES {
        let frame = read_frame(file, count.saturating_sub(1) * sample / SAMPLES, size)?;
        read += frame.len() as u64;
        stored += packer.frame(&frame)?.len() as u64;
    }
    Ok(pays(stored, read))
}

fn read_frame(file: &File, index: u64, size: u64) -> io::Result<Vec<u8>> {
    let offset = index.saturating_mul(FRAME);
    let length = size.saturating_sub(offset).min(FRAME);
    let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
    file.read_exact_at(&mut bytes, offset)?;
    Ok(bytes)
}

fn write_packed(from: &File, size: u64, to: &mut File) -> io::Result<u64> {
    let mut packer = Packer::new(LEVEL)?;
    let mut length = Packer::header_length(size);
    to.seek(SeekFrom::Start(length))?;
    for index in 0..size.div_ceil(FRAME) {
        let stored = packer.frame(&read_frame(from, index, size)?)?;
        to.write_all(&stored)?;
        length += stored.len() as u64;
    }
    to.write_all_at(&packer.header(), 0)?;
    Ok(length)
}
