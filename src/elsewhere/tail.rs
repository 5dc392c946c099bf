//! Follows the two files that a job prints to, while it runs.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;

/// Bytes that are read at a time.
const PIECE: usize = 64 * 1024;

/// How far the output of a job has been shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tail {
    /// Bytes of each stream that have been shown.
    pub shown: [u64; 2],
}

impl Tail {
    /// Writes what has come of stdout or stderr (`0` or `1`) since the last time. The file is opened each time, since
    /// a network file system asks its server for new bytes only then.
    ///
    /// # Errors
    /// When it cannot be written. A file that is not there has nothing new.
    pub fn more(&mut self, stream: usize, paths: &[PathBuf; 2], to: &mut dyn Write) -> io::Result<()> {
        let (Some(path), Some(shown)) = (paths.get(stream), self.shown.get_mut(stream)) else {
            return Ok(());
        };
        let Ok(mut file) = File::open(path) else { return Ok(()) };
        if file.seek(SeekFrom::Start(*shown)).is_err() {
            return Ok(());
        }
        let mut piece = vec![0; PIECE];
        loop {
            let Ok(read @ 1..) = file.read(&mut piece) else { return to.flush() };
            to.write_all(piece.get(..read).unwrap_or_default())?;
            *shown = shown.saturating_add(u64::try_from(read).unwrap_or(0));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_new_is_shown() {
        let directory = tempfile::tempdir().unwrap();
        let paths = ["out", "err"].map(|name| directory.path().join(name));
        let (mut tail, mut seen) = (Tail::default(), Vec::new());
        tail.more(0, &paths, &mut seen).unwrap();
        for (text, all) in [("one", "one"), ("one\ntwo", "one\ntwo"), ("one\ntwo", "one\ntwo")] {
            std::fs::write(&paths[0], text).unwrap();
            tail.more(0, &paths, &mut seen).unwrap();
            assert_eq!(seen, all.as_bytes());
        }
        assert_eq!(tail.shown, [7, 0]);
    }
}
