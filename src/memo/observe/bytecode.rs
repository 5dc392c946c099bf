//! Python's bytecode files and their sources.

use memchr::memrchr;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The source of the bytecode file `path`, if there is one.
pub(super) fn source_of(path: &Path) -> Option<PathBuf> {
    stands_for(path).filter(|source| source.is_file())
}

/// `dir/x.py` for `dir/__pycache__/x.cpython-311.opt-1.pyc` (PEP 3147).
pub(super) fn stands_for(path: &Path) -> Option<PathBuf> {
    let (cache, name) = apart(path)?;
    let directory = cache.as_os_str().as_bytes().strip_suffix(b"__pycache__")?;
    // It has a temporary name while it is written: x.cpython-311.pyc.140234.
    let is_bytecode = name.ends_with(b".pyc") || name.windows(5).any(|window| window == b".pyc.");
    let source = || OsString::from_vec([directory, stem(name), b".py"].concat());
    (is_bytecode && directory.ends_with(b"/")).then(|| PathBuf::from(source()))
}

/// Whether Python may have used `bytecode` although it does not belong to `source`: it does not compare them, or compares only
/// size and second, and the source changed after the bytecode was written.
pub(super) fn may_be_of_another(bytecode: &Path, source: &Path) -> bool {
    let flags = std::fs::File::open(bytecode).and_then(|mut file| {
        let mut start = [0; 8];
        std::io::Read::read_exact(&mut file, &mut start).map(|()| start)
    });
    let changed = |path: &Path| std::fs::metadata(path).ok().map(|found| (found.ctime(), found.ctime_nsec()));
    match flags {
        // PEP 552: it has a hash, which is compared if the second bit is set.
        Ok([_, _, _, _, flags, ..]) if flags & 1 != 0 => flags & 2 == 0,
        _ => changed(source).is_none_or(|source| Some(source) >= changed(bytecode)),
    }
}

/// The directory and the name of a path in a trace: absolute, without `.`, without double or trailing slashes.
pub(super) fn apart(path: &Path) -> Option<(&Path, &[u8])> {
    let bytes = path.as_os_str().as_bytes();
    let slash = memrchr(b'/', bytes)?;
    let name = bytes.get(slash + 1..).filter(|name| !name.is_empty() && *name != b"..")?;
    let directory = bytes.get(..slash.max(1))?;
    Some((Path::new(OsStr::from_bytes(directory)), name))
}

/// A file's name up to the first dot.
pub(super) fn stem(name: &[u8]) -> &[u8] {
    name.split(|byte| *byte == b'.').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytecode_stands_for_its_source() {
        for (bytecode, source) in [
            ("/a/__pycache__/x.cpython-311.pyc", Some("/a/x.py")),
            ("/a/__pycache__/x.cpython-311.opt-1.pyc", Some("/a/x.py")),
            ("/a/__pycache__/x.cpython-311.pyc.1400", Some("/a/x.py")),
            ("/__pycache__/x.cpython-311.pyc", Some("/x.py")),
            ("/a/x.pyc", None),
            ("/a/b__pycache__/x.cpython-311.pyc", None),
            ("/a/__pycache__/x.txt", None),
        ] {
            assert_eq!(stands_for(Path::new(bytecode)).as_deref(), source.map(Path::new), "{bytecode}");
        }
    }
}
