//! What the kernel loads when a file is executed: the interpreter of a `#!` line, the loader of an ELF file.

use super::process::as_path;
use crate::error::means_absent;
use std::fs::DirEntry;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

/// The kind of program that a file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Program {
    /// A script; with the interpreter that its first line names.
    Script(Vec<u8>),
    /// For this machine; with the loader that it names, if it does.
    Native(Option<Vec<u8>>),
    /// For another machine or word size.
    Foreign,
    /// A format that the kernel itself does not know.
    Unknown,
}

/// Length of the first line that the kernel reads, in bytes.
const LINE: usize = 256;
/// Size of the larger ELF header, in bytes.
const HEADER: usize = 64;
/// Maximum number of program headers; no real file has as many.
const MAX_HEADERS: u16 = 4096;
const MAX_LOADER: u64 = 4096;
const PT_INTERP: u32 = 3;
const CLASS_64: u8 = 2;
const LITTLE_ENDIAN: u8 = 1;

const MACHINE: u16 = if cfg!(target_arch = "aarch64") { 183 } else { 62 };

/// Reads the kind of program at `path`.
///
/// # Errors
/// When it cannot be opened or read.
pub(super) fn inspect(path: &[u8]) -> io::Result<Program> {
    let mut file = File::open(as_path(path))?;
    let mut start = Vec::new();
    file.by_ref().take(LINE as u64).read_to_end(&mut start)?;
    if let Some(line) = start.strip_prefix(b"#!") {
        return Ok(interpreter(line).map_or(Program::Unknown, Program::Script));
    }
    if !start.starts_with(b"\x7fELF") {
        return Ok(Program::Unknown);
    }
    if start.get(4) != Some(&CLASS_64)
        || start.get(5) != Some(&LITTLE_ENDIAN)
        || half(&start, 18) != Some(MACHINE)
        || start.len() < HEADER
    {
        return Ok(Program::Foreign);
    }
    loader(&mut file, &start).map(Program::Native)
}

/// Whether the kernel may pass a file of an unknown format to a registered interpreter: one is registered, and the file is no
/// text.
pub(super) fn others_may_run_it(path: &[u8]) -> bool {
    let registered = match std::fs::read_dir("/proc/sys/fs/binfmt_misc") {
        Ok(registered) => registered,
        Err(error) => return !means_absent(&error),
    };
    let own = ["register", "status"];
    let is_own = |entry: io::Result<DirEntry>| {
        entry.is_ok_and(|entry| own.iter().any(|name| entry.file_name() == *name))
    };
    if registered.into_iter().all(is_own) {
        return false;
    }
    let mut start = Vec::new();
    let read = File::open(as_path(path)).and_then(|file| file.take(LINE as u64).read_to_end(&mut start));
    read.is_err() || start.contains(&0)
}

fn interpreter(line: &[u8]) -> Option<Vec<u8>> {
    let line = line.split(|byte| *byte == b'\n').next()?;
    let blank = |byte: &u8| *byte == b' ' || *byte == b'\t' || *byte == 0;
    line.split(blank).find(|word| !word.is_empty()).map(<[u8]>::to_vec)
}

fn loader(file: &mut File, start: &[u8]) -> io::Result<Option<Vec<u8>>> {
    let (Some(offset), Some(size), Some(count)) = (long(start, 32), half(start, 54), half(start, 56)) else {
        return Ok(None);
    };
    let mut headers = Vec::new();
    file.seek(SeekFrom::Start(offset))?;
    let length = u64::from(size) * u64::from(count.min(MAX_HEADERS));
    file.by_ref().take(length).read_to_end(&mut headers)?;
    let found =
        headers.chunks_exact(usize::from(size).max(1)).find(|header| word(header, 0) == Some(PT_INTERP));
    let Some((at, length)) = found.and_then(|header| Some((long(header, 8)?, long(header, 32)?))) else {
        return Ok(None);
    };
    let mut name = Vec::new();
    file.seek(SeekFrom::Start(at))?;
    file.by_ref().take(length.min(MAX_LOADER)).read_to_end(&mut name)?;
    name.truncate(name.iter().position(|byte| *byte == 0).unwrap_or(name.len()));
    Ok((!name.is_empty()).then_some(name))
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2)?.try_into().ok().map(u16::from_le_bytes)
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes)
}

fn long(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..at + 8)?.try_into().ok().map(u64::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn scripts_name_their_interpreter() {
        assert_eq!(interpreter(b" /usr/bin/env -S python -u\nprint()"), Some(b"/usr/bin/env".to_vec()));
        assert_eq!(interpreter(b"\t\n/bin/sh"), None);
    }

    #[test]
    fn programs_name_their_loader_and_machine() {
        let shell = fs::canonicalize("/bin/sh").unwrap();
        let Program::Native(Some(loader)) = inspect(shell.as_os_str().as_encoded_bytes()).unwrap() else {
            panic!("the shell is not a dynamic program of this machine");
        };
        assert!(as_path(&loader).exists(), "{}", String::from_utf8_lossy(&loader));
        let own = std::env::current_exe().unwrap();
        assert!(matches!(inspect(own.as_os_str().as_encoded_bytes()).unwrap(), Program::Native(_)));

        let folder = tempfile::tempdir().unwrap();
        let other = folder.path().join("other");
        let mut bytes = fs::read(&shell).unwrap();
        bytes.truncate(4096);
        bytes[18] = 3;
        fs::write(&other, bytes).unwrap();
        assert_eq!(inspect(other.as_os_str().as_encoded_bytes()).unwrap(), Program::Foreign);
        fs::write(&other, "echo hello\n").unwrap();
        assert_eq!(inspect(other.as_os_str().as_encoded_bytes()).unwrap(), Program::Unknown);
    }
}
