//! What a look at the same bytes costs at least, for `compare.sh`: BLAKE3 of a file on all cores, and a walk that
//! looks at each entry of a tree once, in one thread.
//!
//! usage: limits blake3 FILE | limits walk DIRECTORY

#![expect(clippy::print_stdout, reason = "a program that answers on standard output")]

use std::error::Error;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Each thread reads and hashes pieces of this size; a power of two, so that BLAKE3 can join them.
const PIECE: usize = 1 << 23;

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.as_slice() {
        [job, path] if job == "blake3" => println!("{}", hash(Path::new(path))?),
        [job, path] if job == "walk" => println!("{}", walk(Path::new(path))?),
        // cargo bench passes flags of its own: there is nothing to measure then.
        _ => println!("usage: limits blake3 FILE | limits walk DIRECTORY"),
    }
    Ok(())
}

/// Reads by `pread`, one piece after the other, each hashed by all cores: a mapping would be slower.
fn hash(path: &Path) -> io::Result<blake3::Hash> {
    let file = File::open(path)?;
    let mut hasher = blake3::Hasher::new();
    let (mut piece, mut next) = (vec![0; PIECE], vec![0; PIECE]);
    let mut offset = 0;
    let mut length = read_piece(&file, &mut piece, offset)?;
    while length > 0 {
        offset += length as u64;
        // The next piece is read while this one is hashed.
        let read = std::thread::scope(|scope| {
            let reader = scope.spawn(|| read_piece(&file, &mut next, offset));
            hasher.update_rayon(piece.get(..length).unwrap_or_default());
            reader.join().unwrap_or_else(|_| Err(io::Error::other("the reader failed")))
        })?;
        std::mem::swap(&mut piece, &mut next);
        length = read;
    }
    Ok(hasher.finalize())
}

fn read_piece(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, offset + filled as u64)? {
            0 => break,
            count => filled += count,
        }
    }
    Ok(filled)
}

/// How many entries there are, each looked at once without following links.
fn walk(directory: &Path) -> io::Result<u64> {
    let mut entries = 0;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        entries += 1;
        if entry.metadata()?.is_dir() {
            entries += walk(&entry.path())?;
        }
    }
    Ok(entries)
}
